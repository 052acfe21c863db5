//! Limits that were reached: a record of the subjects that were rejected, and its description for people.

use crate::core::facts::Facts;
use crate::core::time::{Listened, Stamp};
use crate::core::tracker::{MAX_BEAT_NAMES, MAX_BEATS_OF_INSTANCE, MAX_HOSTS, MAX_REGIONS, Table};

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

impl Facts {
    /// Records a rejection if the last admission failed on a full table; true if it did. `subject` gives the rejected
    /// subject.
    #[inline]
    pub(in crate::core) fn found_no_room(
        &mut self,
        subject: impl FnOnce(&Facts) -> String,
    ) -> bool {
        let Some(table) = self.tracker.take_full() else {
            return false;
        };
        let stamp = self.listening.stamp();
        if self.capacity.first.is_none() {
            self.capacity.first = Some((stamp, table, subject(self)));
        }
        self.capacity.last = stamp.listened;
        self.capacity.turned_away += 1;
        true
    }

    /// Describes the full table, the first rejected subject and the remedy; empty if nothing was rejected.
    pub(in crate::core) fn full_words(&self) -> String {
        let Some((_, table, subject)) = &self.capacity.first else {
            return String::new();
        };
        let (tracker, limits) = (&self.tracker, self.tracker.limits);
        let raise_apps = "raise LASTBEAT_MAX_APPS";
        let whom = "or stop the client that invents names";
        let (have, most, of, what) = match table {
            Table::Instances => {
                let raise = "raise LASTBEAT_MAX_INSTANCES";
                (tracker.len(), limits.instances, "instances", raise)
            }
            Table::Apps => (tracker.app_names.len(), limits.apps, "apps", raise_apps),
            Table::Places => (limits.places(), limits.places(), "app-regions", raise_apps),
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
