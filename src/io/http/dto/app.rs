//! Apps, with the share of time in which nothing was wrong with them.

use super::{Counts, Seconds, Timestamp};
use crate::core::snapshot::outages::Outages;
use crate::core::snapshot::{AppRow, VerdictRow};
use crate::core::time::Wall;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;
use utoipa::ToSchema;

/// The longest time that a share covers: incidents are kept for as long.
pub const REACH: Duration = Duration::from_secs(93 * 24 * 3600);

/// All apps.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Apps {
    /// The time that all of it is of.
    pub now: Timestamp,
    /// False: the history could not be read, and the shares are null.
    pub history: bool,
    /// The apps, by name.
    pub apps: Vec<App>,
}

/// An app.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct App {
    /// Its name.
    pub app: String,
    /// Its instances by verdict.
    pub instances: Counts,
    /// The arrival of its last entry.
    pub last_seen: Option<Timestamp>,
    /// The share of the time since `since` in which no incident of the app, or of what it is part of, was open.
    #[schema(minimum = 0, maximum = 1)]
    pub live_ratio: Option<f64>,
    /// The rest of that time.
    pub incident_seconds: Option<Seconds>,
    /// The start of that time, at most 93 days ago.
    pub since: Option<Timestamp>,
}

/// The sums over an app's instances.
#[derive(Default)]
struct Sums<'a> {
    instances: Counts,
    regions: BTreeSet<&'a str>,
}

impl Apps {
    /// All apps of which an instance is known; `outages` is `None` where the history cannot be read.
    pub fn new(
        now: Wall,
        verdicts: &[VerdictRow],
        known: &[AppRow],
        outages: Option<&Outages>,
    ) -> Self {
        let mut sums: BTreeMap<&str, Sums<'_>> = BTreeMap::new();
        for row in verdicts {
            let sums = sums.entry(&row.app).or_default();
            sums.regions.insert(&row.region);
            sums.instances.add(row.verdict, row.count);
        }
        let seen: HashMap<&str, Wall> = known.iter().map(|app| (&*app.name, app.seen)).collect();
        let row = |(app, sums): (&str, Sums<'_>)| {
            let since = outages.and_then(|outages| outages.since.map(|since| (outages, since)));
            let share = since.and_then(|(outages, since)| {
                let since = since.max(now - REACH);
                let wrong = outages.of(app, &sums.regions, since, now);
                let whole = now.since(since).as_secs_f64();
                (whole > 0.0).then(|| (since, wrong, 1.0 - wrong.as_secs_f64() / whole))
            });
            App {
                app: app.to_owned(),
                instances: sums.instances,
                last_seen: seen.get(app).map(|at| Timestamp::from(*at)),
                live_ratio: share.map(|(_, _, ratio)| (ratio * 1e6).round() / 1e6),
                incident_seconds: share.map(|(_, wrong, _)| wrong.into()),
                since: share.map(|(since, ..)| since.into()),
            }
        };
        Apps {
            now: now.into(),
            history: outages.is_some(),
            apps: sums.into_iter().map(row).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::notice::{Alarm, Scope};
    use crate::core::snapshot::Verdict;
    use crate::core::snapshot::outages::Outage;
    use serde_json::{Value, json};

    fn at(second: u64) -> Wall {
        Wall::from_nanos(second * 1_000_000_000)
    }

    #[test]
    fn each_app_has_its_own_share() {
        let row = |app: &str, region: &str, verdict, count| VerdictRow {
            app: app.into(),
            region: region.into(),
            verdict,
            count,
        };
        let verdicts = [
            row("web", "iad", Verdict::Live, 2),
            row("web", "lhr", Verdict::Live, 3),
            row("web", "lhr", Verdict::Silent, 1),
            row("api", "iad", Verdict::Live, 1),
        ];
        let now = at(2_000);
        let outages = Outages {
            since: Some(at(1_000)),
            all: vec![Outage {
                alarm: Alarm::Heartbeat,
                scope: Scope::Region,
                app: String::new(),
                region: "lhr".to_owned(),
                affected: Vec::new(),
                opened_at: at(1_500),
                closed_at: Some(at(1_750)),
            }],
        };
        let told = json!(Apps::new(now, &verdicts, &[], Some(&outages)));
        let shares = |key: &str| [told["apps"][0][key].clone(), told["apps"][1][key].clone()];
        assert_eq!(shares("app"), ["api", "web"]);
        assert_eq!(shares("live_ratio"), [json!(1.0), json!(0.75)]);
        assert_eq!(shares("incident_seconds"), [json!(0.0), json!(250.0)]);
        assert_eq!(told["apps"][1]["instances"]["live"], 5);
        let told = json!(Apps::new(now, &verdicts, &[], None));
        assert_eq!(told["apps"][1]["live_ratio"], Value::Null);
        assert_eq!(told["history"], false);
    }
}
