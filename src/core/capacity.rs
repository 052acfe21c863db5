//! What the limits turn away, and the names that make room again.

use crate::core::facts::Facts;
use crate::core::time::{Listened, Stamp};
use crate::core::tracker::{MAX_BEAT_NAMES, MAX_BEATS_OF_INSTANCE, MAX_HOSTS, MAX_REGIONS, Table};

/// What found no room since there was room last.
#[derive(Debug, Default)]
pub struct Capacity {
    /// The first that was turned away: when, where it was full, and its subject.
    pub first: Option<(Stamp, Table, String)>,
    /// When the last one was.
    pub last: Listened,
    /// How many were since the first.
    pub turned_away: u64,
}

impl Facts {
    /// Remembers it where the last that came found no room; `subject` says who.
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

    /// What is full, who was the first to be turned away, and what to do.
    pub(in crate::core) fn full_words(&self) -> String {
        let Some((_, table, subject)) = &self.capacity.first else {
            return String::new();
        };
        let (tracker, limits) = (&self.tracker, self.tracker.limits);
        let raise_apps = "raise LASTBEAT_MAX_APPS";
        let whom = "or stop who makes up names";
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
            "stop who makes up names".to_owned()
        } else {
            format!("{what}, {whom}")
        };
        format!(
            "{have} {of} are tracked, {most} at most; new ones are dropped, known ones stay watched; {what}; the first: {subject}"
        )
    }
}
