//! What the limits turn away, and the names that make room again.

use crate::core::engine::Engine;
use crate::core::incident::scope::Key;
use crate::core::lag::Lag;
use crate::core::notice::{Alarm, CloseReason, IncidentId};
use crate::core::rule::FORGET_AFTER;
use crate::core::time::{Listened, Mono, Stamp};
use crate::core::tracker::{
    MAX_BEAT_NAMES, MAX_BEATS_OF_INSTANCE, MAX_HOSTS, MAX_REGIONS, NONE, Needed, Table,
};
use std::sync::Arc;
use std::time::Duration;

/// Where nobody was turned away for this long, on the listened clock, there is room again: long enough for a flood that
/// comes in waves to be one incident.
const QUIET: Duration = Duration::from_secs(600);

/// Who found no room.
#[derive(Debug, Default)]
pub struct Room {
    /// The incident that tells of it.
    open: Option<IncidentId>,
    /// The first that was turned away since there was room: when, where it was full, and its subject.
    first: Option<(Stamp, Table, String)>,
    /// When the last one was.
    last: Listened,
    /// How many were since the first.
    turned_away: u64,
    /// Arrival clock: when names are looked through next.
    pub(in crate::core) next_reclaim: Mono,
    /// Apps whose names are free, not taken by [`Engine::take_forgotten_apps`] yet.
    forgotten_apps: Vec<(u32, Arc<str>)>,
}

impl Engine {
    /// Remembers it where the last that came found no room; `subject` says who.
    #[inline]
    pub(in crate::core) fn found_no_room(
        &mut self,
        subject: impl FnOnce(&Engine) -> String,
    ) -> bool {
        let Some(table) = self.tracker.take_full() else {
            return false;
        };
        let stamp = self.listening.stamp();
        if self.room.first.is_none() {
            self.room.first = Some((stamp, table, subject(self)));
        }
        self.room.last = stamp.listened;
        self.room.turned_away += 1;
        true
    }

    /// Tells that there is no room, and that there is again.
    pub(in crate::core) fn judge_room(&mut self) {
        match (self.room.open, &self.room.first) {
            (None, Some((first, ..))) => {
                let since = first.at;
                let gap = self.now.mono.since(since);
                self.room.open = Some(self.open_stream(Alarm::Full, since, gap, since, None));
            }
            (Some(incident), _) if self.listening.listened().since(self.room.last) > QUIET => {
                let count = self.room.turned_away;
                let words = format!("{count} entries were dropped");
                self.incidents.now_known(incident, &words);
                self.close(incident, CloseReason::Resolved);
                (self.room.open, self.room.first, self.room.turned_away) = (None, None, 0);
            }
            _ => {}
        }
    }

    /// The incident of an earlier life goes on; gives the one that it takes the place of.
    pub(in crate::core) fn resume_full(&mut self, incident: IncidentId) -> Option<IncidentId> {
        self.room.last = self.listening.listened();
        self.room.open.replace(incident)
    }

    /// What is full, who was the first to be turned away, and what to do.
    pub(in crate::core) fn full_words(&self) -> String {
        let Some((_, table, subject)) = &self.room.first else {
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

    /// Frees the names that nobody bears, no rule expects, and no open incident is about.
    pub(in crate::core) fn reclaim(&mut self, listened: Listened) {
        let needed = self.needed();
        let before = if listened.since(Listened::ZERO) > FORGET_AFTER {
            listened - FORGET_AFTER
        } else {
            Listened::ZERO
        };
        let freed = self.tracker.reclaim(&needed, before);
        for place in freed.places {
            self.plans[place as usize] = Box::default();
            self.links[place as usize] = Vec::new();
        }
        for region in freed.regions {
            if let Some(lag) = self.region_lags.get_mut(region as usize) {
                *lag = (Lag::new(self.now.mono), None);
            }
        }
        self.room.forgotten_apps.extend(freed.apps);
    }

    /// Takes the apps that were forgotten since the last call, by number and name: the next new app may get the number.
    pub fn take_forgotten_apps(&mut self) -> Vec<(u32, Arc<str>)> {
        std::mem::take(&mut self.room.forgotten_apps)
    }

    fn needed(&self) -> Needed {
        let mut needed = Needed::default();
        for (_, group) in self.groups.iter() {
            needed.apps.insert(group.app);
            needed.regions.insert(group.region);
            needed
                .places
                .extend(self.tracker.find_place(group.app, group.region));
        }
        for (_, incident) in self.incidents.iter() {
            match incident.key {
                Key::Stream => {}
                Key::Region(id) => drop(needed.regions.insert(id)),
                Key::App(id) | Key::Alone { app: id, .. } => drop(needed.apps.insert(id)),
                Key::Place(id) => drop(needed.places.insert(id)),
                Key::Host(id) => drop(needed.hosts.insert(id)),
            }
        }
        let lags = self.region_lags.iter().enumerate();
        let lagging = lags.filter(|(_, (_, open))| open.is_some());
        needed.regions.extend(lagging.map(|(id, _)| id as u32));
        // An app-region that stays keeps its names, which stand in it.
        needed.apps.remove(&NONE);
        needed
    }
}
