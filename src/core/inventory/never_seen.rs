//! Machines that should be heard and never were: listed as started, and silent from the start.
//!
//! A machine of which no line at all ever came is watched where a rule names its app; or where its app is known to beat
//! and it was started while we listened: whoever starts says so in many lines, while one that ran before may have nothing
//! to say. One that logs and never beats is watched where the inventory says that it does the same work as others that
//! do. What ends by itself, a release command or a console, is never missed.

use crate::core::engine::Engine;
use crate::core::entry::{MarkerId, Subject};
use crate::core::inventory::{Listed, Machine, Poll, Purpose};
use crate::core::notice::CloseReason;
use crate::core::rule::{By, Rule, Watch};
use crate::core::targets::table::{Reason, Watched};
use crate::core::time::Listened;
use crate::core::tracker::{Admitted, InstanceId, NONE, UNDECIDED};
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

/// Who is known to beat.
#[derive(Debug, Default)]
pub(in crate::core) struct Beating {
    apps: HashSet<u32>,
    groups: HashSet<(u32, Arc<str>)>,
}

impl Engine {
    /// Whose instances have ever said a beat, by app and by process group.
    pub(in crate::core) fn who_beats(&self) -> Beating {
        let mut beating = Beating::default();
        for (id, instance) in self.tracker.iter() {
            if !self.has_beaten(id) {
                continue;
            }
            let app = self.tracker.places[instance.place as usize].app;
            beating.apps.insert(app);
            let entry = self.inventory.entries.get(&id.0);
            if let Some(group) = entry.and_then(|entry| entry.group.clone()) {
                beating.groups.insert((app, group));
            }
        }
        beating
    }

    /// Remembers which machines ran before the first answer, until they are started anew.
    pub(in crate::core) fn ran_before(&mut self, poll: &Poll, first: bool) {
        if !first && self.inventory.quiet.is_empty() {
            return;
        }
        let started = poll
            .machines
            .iter()
            .filter(|one| one.listed == Listed::Started);
        let started: BTreeSet<String> = started
            .map(|one| format!("logs.{}.{}.{}", one.app, one.region, one.id))
            .collect();
        if first {
            self.inventory.quiet = started;
        } else {
            self.inventory.quiet.retain(|raw| started.contains(raw));
        }
    }

    /// Whether an instance has ever said a beat.
    fn has_beaten(&self, id: InstanceId) -> bool {
        let mut beats = self.tracker.beats_of(id);
        beats.any(|beat| self.tracker.beats[beat.0 as usize].is_heard())
    }

    /// A machine that runs by the inventory, and of which nothing was ever heard: taken in, where a rule has such ones.
    pub(in crate::core) fn stranger(&mut self, raw: &str, machine: &Machine) -> Option<InstanceId> {
        if machine.listed != Listed::Started || machine.purpose == Purpose::Ephemeral {
            return None;
        }
        let app = self.tracker.app_names.find(&machine.app);
        let beats = app.is_some_and(|app| self.inventory.beating.apps.contains(&app));
        let starts = !self.inventory.quiet.contains(raw);
        let wants = |rule: &&Rule| {
            let named = rule.app.0.iter().any(|app| **app == *machine.app);
            let expects = named || (beats && starts && rule.watch != Watch::Logs);
            let matches = rule.app.matches(&machine.app) && rule.region.matches(&machine.region);
            rule.by == By::Instance && expects && matches && rule.host.0.is_empty()
        };
        let watch = self.rules.rules.iter().find(wants)?.watch.clone();
        let subject = Subject {
            raw,
            app: &machine.app,
            region: &machine.region,
            instance: &machine.id,
        };
        let ignore = &self.options.ignore;
        let ignored = |app: &str| !ignore.0.is_empty() && ignore.matches(app);
        let stamp = self.listening.stamp();
        let Ok(Admitted::New(id)) = self.tracker.admit(&subject, ignored, stamp) else {
            self.found_no_room(|_| raw.to_owned());
            return None;
        };
        self.plan_places();
        match watch {
            Watch::Logs => self.watch_logs(id),
            Watch::Heartbeat { marker, beat } => {
                self.expect_beat(id, marker, beat.as_deref().unwrap_or(""));
            }
        }
        Some(id)
    }

    /// A machine that is known, runs, and never beat, though others that do the same work beat.
    pub(in crate::core) fn watch_unheard(&mut self, id: InstanceId) {
        let started = self.inventory.entries.get(&id.0).map(|entry| entry.listed);
        let silent = self.tracker.instances[id.0 as usize].first_beat == NONE;
        if started != Some(Listed::Started) || !silent || !self.should_beat(id) {
            return;
        }
        let place = self.tracker.instances[id.0 as usize].place;
        let rules = self.plans[place as usize].iter();
        let watch = rules.map(|&rule| self.rules.rules[rule as usize].watch.clone());
        let beat = watch.into_iter().find_map(|watch| match watch {
            Watch::Heartbeat { marker, beat } => Some((marker, beat)),
            Watch::Logs => None,
        });
        if let Some((marker, beat)) = beat {
            self.expect_beat(id, marker, beat.as_deref().unwrap_or(""));
        }
    }

    /// Whether others of the same app that do the same work beat.
    fn should_beat(&self, id: InstanceId) -> bool {
        let Some(entry) = self.inventory.entries.get(&id.0) else {
            return false;
        };
        let app = self.app_of(id);
        let group = entry.group.clone();
        entry.purpose == Purpose::Service
            && group.is_some_and(|group| self.inventory.beating.groups.contains(&(app, group)))
    }

    fn expect_beat(&mut self, id: InstanceId, marker: MarkerId, name: &str) {
        let stamp = self.listening.stamp();
        if let Some(beat) = self.tracker.restored_beat(id, marker, name, stamp) {
            self.watch_beat(beat);
        }
        self.incidents.changes.touched.insert(id.0);
    }

    /// Whether nothing was ever heard of an instance that should be.
    pub(in crate::core) fn is_never_seen(&self, id: InstanceId) -> bool {
        let instance = &self.tracker.instances[id.0 as usize];
        let watched = instance.logs < UNDECIDED || instance.first_beat != NONE;
        watched && instance.spoke == Listened::NEVER && !self.has_beaten(id)
    }

    /// Whether nothing was ever heard of whom a target belongs to.
    pub(in crate::core) fn is_never_heard(&self, watched: Watched) -> bool {
        self.instance_of(watched)
            .is_some_and(|id| self.is_never_seen(id))
    }

    /// A machine of which nothing was heard says its first words: whether it beats is its own affair from now on, unless
    /// it should.
    #[cold]
    pub(in crate::core) fn first_words(&mut self, id: InstanceId) {
        if self.should_beat(id) {
            return;
        }
        let beats: Vec<_> = self.tracker.beats_of(id).collect();
        for beat in beats {
            let row = &self.tracker.beats[beat.0 as usize];
            let target = row.target;
            if !row.is_heard() && target != NONE {
                self.end(target, Reason::Heard, CloseReason::Resolved);
                self.drop_target(target);
            }
        }
    }
}
