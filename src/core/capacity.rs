//! Limits that were reached: a record of the subjects that were rejected, and its description for people.

use crate::core::time::{Listened, Stamp};
use crate::core::tracker::{
    MAX_BEAT_NAMES, MAX_BEATS_OF_INSTANCE, MAX_HOSTS, MAX_REGIONS, Table, Tracker,
};

/// Rejections since the tables last had free slots.
#[derive(Debug, Default)]
pub struct Capacity {
    /// The first rejection: its time, the full table and the subject.
    pub first: Option<(Stamp, Table, String)>,
    /// Time of the last rejection.
    pub last: Listened,
    /// Number of rejections since the first.
    pub turned_away: u64,
}

impl Capacity {
    /// Records a rejection: the full table, both clocks, and the rejected subject.
    pub(in crate::core) fn record(
        &mut self,
        table: Table,
        at: Stamp,
        subject: impl FnOnce() -> String,
    ) {
        self.first.get_or_insert_with(|| (at, table, subject()));
        self.last = at.listened;
        self.turned_away += 1;
    }

    /// Describes the full table, the first rejected subject and the remedy; empty if nothing was rejected.
    pub(in crate::core) fn words(&self, tracker: &Tracker) -> String {
        let Some((_, table, subject)) = &self.first else {
            return String::new();
        };
        let limits = tracker.limits;
        let raise_apps = "raise LASTBEAT_MAX_APPS";
        let whom = "or stop the client that invents names";
        let (have, most, of, what) = match table {
            Table::Instances => {
                let raise = "raise LASTBEAT_MAX_INSTANCES";
                (tracker.len(), limits.instances, "instances", raise)
            }
            Table::Apps => (tracker.app_names.len(), limits.apps, "apps", raise_apps),
            Table::AppRegions => (
                limits.app_regions(),
                limits.app_regions(),
                "app-regions",
                raise_apps,
            ),
            Table::Regions => (tracker.region_names.len(), MAX_REGIONS, "regions", ""),
            Table::Hosts => (tracker.host_names.len(), MAX_HOSTS, "hosts", ""),
            Table::BeatNames => (tracker.beat_names.len(), MAX_BEAT_NAMES, "beat names", ""),
            Table::Beats => (
                tracker.beat_count(),
                MAX_BEATS_OF_INSTANCE,
                "beats (the limit is each instance's)",
                "",
            ),
        };
        let what = if what.is_empty() {
            "stop the client that invents names".to_owned()
        } else {
            format!("{what}, {whom}")
        };
        format!(
            "{have} {of} are tracked, {most} at most; new ones are dropped, known ones stay watched; {what}; the first: {subject}"
        )
    }
}
