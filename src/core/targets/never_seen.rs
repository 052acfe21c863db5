//! Machines that should have been heard and never were: listed as started, and silent from the start.
//!
//! A machine that never logged a line is watched if a rule names its app; or if its app is known to beat and the
//! machine was started while lastbeat listened: a start logs many lines, while a machine that ran before may have
//! nothing to say. A machine that logs and never beats is watched if the inventory says that it does the same work as
//! others that beat. Machines that exit by themselves, such as release commands and consoles, are never expected.

use crate::core::entry::{MarkerId, Subject};
use crate::core::facts::Facts;
use crate::core::inventory::listing::is_stuck;
use crate::core::inventory::{Listed, Machine, Purpose};
use crate::core::rule::{By, Rule, Watch};
use crate::core::targets::Targets;
use crate::core::targets::table::{Reason, Watched};
use crate::core::time::Mono;
use crate::core::tracker::{Admitted, InstanceId, NONE};

impl Targets {
    /// Admits a machine that was never heard, but runs by the inventory's word or has been stuck in its start since
    /// `on_its_way`; `None` unless a rule watches such machines.
    pub(in crate::core) fn admit_machine(
        &mut self,
        facts: &mut Facts,
        raw: &str,
        machine: &Machine,
        on_its_way: Option<Mono>,
    ) -> Option<InstanceId> {
        let stuck = on_its_way.is_some_and(|since| is_stuck(since, facts.now.mono));
        let runs = machine.listed == Listed::Started || (stuck && !machine.unreachable);
        let given_up = facts.inventory.given_up.contains(raw);
        if !runs || given_up || machine.purpose == Purpose::Ephemeral {
            return None;
        }
        let app = facts.tracker.app_names.find(&machine.app);
        let beats = app.is_some_and(|app| facts.inventory.beating.apps.contains(&app));
        let starts = !facts.inventory.quiet.contains(raw);
        let wants = |rule: &&Rule| {
            let named = rule.app.0.iter().any(|app| **app == *machine.app);
            let expects = named || (beats && starts && rule.watch != Watch::Logs);
            let matches = rule.app.matches(&machine.app) && rule.region.matches(&machine.region);
            rule.by == By::Instance && expects && matches && rule.host.0.is_empty()
        };
        let watch = facts.rules.rules.iter().find(wants)?.watch.clone();
        let subject = Subject {
            raw,
            app: &machine.app,
            region: &machine.region,
            instance: &machine.id,
        };
        let ignore = &facts.options.ignore;
        let ignored = |app: &str| !ignore.0.is_empty() && ignore.matches(app);
        let stamp = facts.listening.stamp();
        let Ok(Admitted::New(id)) = facts.tracker.admit(&subject, ignored, stamp) else {
            facts.record_rejection(|_| raw.to_owned());
            return None;
        };
        self.plan_app_regions(facts);
        match watch {
            Watch::Logs => self.watch_logs(facts, id),
            Watch::Heartbeat { marker, beat } => {
                self.expect_beat(facts, id, marker, beat.as_deref().unwrap_or(""));
            }
        }
        Some(id)
    }

    /// Watches a known machine that runs and never sent a beat, if others that do the same work do.
    pub(in crate::core) fn watch_never_seen(&mut self, facts: &mut Facts, id: InstanceId) {
        let now = facts.now.mono;
        let runs = facts.inventory.entries.get(&id.0).is_some_and(|entry| {
            entry.listed == Listed::Started || entry.stuck_since(now).is_some()
        });
        let silent = facts.tracker.instance(id).first_beat == NONE;
        if !runs || !silent || !self.should_beat(facts, id) || is_given_up(facts, id) {
            return;
        }
        let app_region = facts.tracker.instance(id).app_region;
        let rules = self.plan.rules[app_region as usize].iter();
        let watch = rules.map(|&rule| facts.rules.rules[rule as usize].watch.clone());
        let beat = watch.into_iter().find_map(|watch| match watch {
            Watch::Heartbeat { marker, beat } => Some((marker, beat)),
            Watch::Logs => None,
        });
        if let Some((marker, beat)) = beat {
            self.expect_beat(facts, id, marker, beat.as_deref().unwrap_or(""));
        }
    }

    /// True if other machines of its app that do the same work send beats.
    fn should_beat(&self, facts: &Facts, id: InstanceId) -> bool {
        let Some(entry) = facts.inventory.entries.get(&id.0) else {
            return false;
        };
        let app = facts.app_of(id);
        let group = entry.group.clone();
        entry.purpose == Purpose::Service
            && group.is_some_and(|group| facts.inventory.beating.groups.contains(&(app, group)))
    }

    fn expect_beat(&mut self, facts: &mut Facts, id: InstanceId, marker: MarkerId, name: &str) {
        let stamp = facts.listening.stamp();
        if let Some(beat) = facts.tracker.restored_beat(id, marker, name, stamp) {
            self.watch_beat(facts, beat);
        }
        facts.touched.insert(id.0);
    }

    /// True if the instance of a target was never heard.
    pub(in crate::core) fn is_never_seen(&self, facts: &Facts, watched: Watched) -> bool {
        (watched)
            .instance(&facts.tracker)
            .is_some_and(|id| facts.is_never_seen(id))
    }

    /// Drops the expected beats of a machine at its first log entry, unless it should beat.
    #[cold]
    pub(in crate::core) fn first_entry(&mut self, facts: &mut Facts, id: InstanceId) {
        if self.should_beat(facts, id) {
            return;
        }
        let beats: Vec<_> = facts.tracker.beats_of(id).collect();
        for beat in beats {
            let row = facts.tracker.beat_row(beat);
            let target = row.target;
            if !row.is_heard() && target != NONE {
                self.end(facts, target, Reason::Heard);
                self.drop_target(facts, target);
            }
        }
    }
}

/// True if a target of an instance fired and was forgotten, and the instance is listed as started ever since.
fn is_given_up(facts: &Facts, id: InstanceId) -> bool {
    let given_up = &facts.inventory.given_up;
    !given_up.is_empty() && (facts.tracker.subject(id)).is_some_and(|raw| given_up.contains(&*raw))
}
