//! `/api/v1/apps`: each app with its instances by verdict, when it was heard, and for which share of the time nothing was
//! wrong with it.

use super::api::{self, AskOutages};
use super::site::{self, AskSnapshot};
use super::status::seconds;
use crate::core::snapshot::outages::Outages;
use crate::core::snapshot::{AppRow, VerdictRow};
use crate::core::time::Wall;
use crate::format;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Response, StatusCode};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

/// How far back the share reaches: as far as incidents are kept.
pub(super) const REACH: Duration = Duration::from_secs(93 * 24 * 3600);

/// What is summed up of an app.
#[derive(Default)]
struct Sums<'a> {
    verdicts: Map<String, Value>,
    regions: BTreeSet<&'a str>,
}

/// All apps of which an instance is known, by name; `outages` is `None` where the history cannot be read.
fn apps(now: Wall, verdicts: &[VerdictRow], known: &[AppRow], outages: Option<&Outages>) -> Value {
    let mut apps: BTreeMap<&str, Sums<'_>> = BTreeMap::new();
    for row in verdicts {
        let sums = apps.entry(&row.app).or_default();
        sums.regions.insert(&row.region);
        let count = sums.verdicts.entry(row.verdict.label()).or_insert(json!(0));
        *count = json!(count.as_u64().unwrap_or_default() + row.count);
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
        json!({
            "app": app,
            "instances": sums.verdicts,
            "last_seen": seen.get(app).copied().map(format::rfc3339),
            "live_ratio": share.map(|(_, _, ratio)| (ratio * 1e6).round() / 1e6),
            "incident_seconds": share.map(|(_, wrong, _)| seconds(wrong)),
            "since": share.map(|(since, ..)| format::rfc3339(since)),
        })
    };
    json!({
        "now": format::rfc3339(now),
        "history": outages.is_some(),
        "apps": apps.into_iter().map(row).collect::<Vec<_>>(),
    })
}

/// Answers `GET /api/v1/apps`. `ask` is `None` where there is no store at all.
pub(super) async fn answer(
    ask: Option<&AskOutages>,
    snapshot: &AskSnapshot,
) -> Response<Full<Bytes>> {
    let snapshot = match api::known(snapshot).await {
        Ok(snapshot) => snapshot,
        Err(late) => return late,
    };
    let outages = match ask {
        Some(ask) => ask(snapshot.now.wall - REACH).await.ok(),
        None => None,
    };
    // Thousands of incidents over hundreds of apps: not on a thread that others wait for.
    let made = tokio::task::spawn_blocking(move || {
        let (now, outages) = (snapshot.now.wall, outages.as_ref());
        apps(now, &snapshot.verdicts, &snapshot.apps, outages)
    });
    match made.await {
        Ok(told) => site::json(StatusCode::OK, &told),
        Err(_) => api::error(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the list could not be made; see the log",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::notice::{Alarm, Scope};
    use crate::core::snapshot::Verdict;
    use crate::core::snapshot::outages::Outage;

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
        let told = apps(now, &verdicts, &[], Some(&outages));
        let shares = |key: &str| [told["apps"][0][key].clone(), told["apps"][1][key].clone()];
        assert_eq!(shares("app"), ["api", "web"]);
        assert_eq!(shares("live_ratio"), [json!(1.0), json!(0.75)]);
        assert_eq!(shares("incident_seconds"), [json!(0.0), json!(250.0)]);
        assert_eq!(told["apps"][1]["instances"]["live"], 5);
        let told = apps(now, &verdicts, &[], None);
        assert_eq!(told["apps"][1]["live_ratio"], Value::Null);
        assert_eq!(told["history"], false);
    }
}
