//! Outages: the share of a time in which an app was affected by open incidents.

use crate::core::notice::{Alarm, Scope};
use crate::core::time::Wall;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The time in which one incident was open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// Its alarm.
    pub alarm: Alarm,
    /// Its scope.
    pub scope: Scope,
    /// The app; empty if it is about several.
    pub app: String,
    /// The region; empty if it is about several.
    pub region: String,
    /// The affected as in the notifications: `APP/REGION/INSTANCE` if there are several apps.
    pub affected: Vec<String>,
    /// Wall clock: when it opened.
    pub opened_at: Wall,
    /// Wall clock: when it closed; `None` while it is open.
    pub closed_at: Option<Wall>,
}

/// Outages of a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outages {
    /// Wall clock: start of the time of which all outages are known; `None` if nothing was ever stored.
    pub since: Option<Wall>,
    /// Outages that were open after that.
    pub all: Vec<Outage>,
}

impl Outages {
    /// Time between `from` and `to` in which an incident was open that affected an app: one of its own, of its regions,
    /// of its hosts, or of the stream. Incidents of lag, loss and limits do not count, as they silence no instance.
    pub fn of(&self, app: &str, regions: &BTreeSet<&str>, from: Wall, to: Wall) -> Duration {
        let concerns = |outage: &&Outage| match outage.scope {
            _ if silences_no_instance(outage.alarm) => false,
            Scope::Stream => true,
            Scope::Downstream => false,
            Scope::Regions => {
                let mut silent = outage.region.split(", ");
                silent.any(|region| regions.contains(region))
            }
            Scope::Region => regions.contains(&*outage.region),
            Scope::Host => outage.affected.iter().any(|one| app_of(one) == app),
            Scope::App | Scope::AppRegion | Scope::Instance => outage.app == app,
        };
        let mut spans = BTreeMap::new();
        for outage in self.all.iter().filter(concerns) {
            let begins = outage.opened_at.clamp(from, to);
            let ends = outage.closed_at.unwrap_or(to).clamp(begins, to);
            let longest = spans.entry(begins).or_insert(ends);
            *longest = ends.max(*longest);
        }
        let mut covered = from;
        let mut length = Duration::ZERO;
        for (begins, ends) in spans {
            length += ends.since(begins.max(covered));
            covered = covered.max(ends);
        }
        length
    }
}

fn silences_no_instance(alarm: Alarm) -> bool {
    matches!(
        alarm,
        Alarm::Lagging
            | Alarm::Losing
            | Alarm::Unseen
            | Alarm::Blind
            | Alarm::Archive
            | Alarm::Full
            | Alarm::Drill
    )
}

fn app_of(affected: &str) -> &str {
    affected.split('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Wall {
        Wall::from_nanos(second * 1_000_000_000)
    }

    fn outage(scope: Scope, who: (&str, &str), opened: u64, closed: Option<u64>) -> Outage {
        Outage {
            alarm: Alarm::Heartbeat,
            scope,
            app: who.0.to_owned(),
            region: who.1.to_owned(),
            affected: Vec::new(),
            opened_at: at(opened),
            closed_at: closed.map(at),
        }
    }

    fn seconds(all: Vec<Outage>, app: &str, regions: &[&str]) -> u64 {
        let since = Some(at(0));
        let regions = regions.iter().copied().collect();
        let outages = Outages { since, all };
        outages.of(app, &regions, at(100), at(200)).as_secs()
    }

    #[test]
    fn what_overlaps_counts_once_and_only_within_the_time() {
        let web = |opened, closed| outage(Scope::Instance, ("web", "iad"), opened, closed);
        let all = vec![
            web(110, Some(120)),
            web(115, Some(125)),
            web(112, Some(113)),
            web(50, Some(101)),
            web(10, Some(20)),
            web(195, None),
            web(195, Some(196)),
        ];
        assert_eq!(seconds(all.clone(), "web", &["iad"]), 1 + 15 + 5);
        assert_eq!(seconds(all, "api", &["iad"]), 0);
    }

    #[test]
    fn what_an_app_is_in_counts_for_it() {
        let stream = outage(Scope::Stream, ("", ""), 100, Some(101));
        let region = outage(Scope::Region, ("", "lhr"), 110, Some(112));
        let host = Outage {
            affected: vec!["api/iad/1".to_owned(), "web/iad/2".to_owned()],
            ..outage(Scope::Host, ("", ""), 120, Some(124))
        };
        let late = Outage {
            alarm: Alarm::Lagging,
            ..outage(Scope::Stream, ("", ""), 130, Some(190))
        };
        let all = vec![stream, region, host, late];
        assert_eq!(seconds(all.clone(), "web", &["iad", "lhr"]), 1 + 2 + 4);
        assert_eq!(seconds(all.clone(), "web", &[]), 1 + 4);
        assert_eq!(seconds(all, "we", &["lhr"]), 1 + 2);
    }
}
