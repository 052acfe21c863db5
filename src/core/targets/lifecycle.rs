//! Intended silence: stops that the platform tells of.
//!
//! A beat proves life whatever else is said, but for the minutes in which a machine that was told to stop
//! still says its last ones; nothing known means that silence is an alert.

use crate::core::entry::Lifecycle;
use crate::core::facts::Facts;
use crate::core::targets::Targets;
use crate::core::targets::table::Watched;
use crate::core::time::Listened;
use crate::core::tracker::life::{Crash, StopWhy};
use crate::core::tracker::{InstanceId, UNDECIDED};
use std::time::Duration;

/// The longest time that the platform gives a machine to stop. Beats until then are its last ones; one that comes
/// later shows that it did not stop.
const STOPS_WITHIN: Duration = Duration::from_secs(300);

impl Targets {
    /// The platform says something of an instance's life.
    pub fn lifecycle(&mut self, facts: &mut Facts, id: InstanceId, what: Lifecycle) {
        match what {
            Lifecycle::Autostop => self.stopped(facts, id, StopWhy::Autostop),
            Lifecycle::Autosuspend => self.stopped(facts, id, StopWhy::Autosuspend),
            Lifecycle::Done => self.stopped(facts, id, StopWhy::Done),
            Lifecycle::Started => self.started(facts, id),
            Lifecycle::OutOfMemory => self.crashed(facts, id, Crash::OutOfMemory),
            Lifecycle::GaveUp => {
                // Nobody asked for this stop: it is dead.
                self.started(facts, id);
                self.crashed(facts, id, Crash::GaveUp);
            }
        }
    }

    /// Remembers what went wrong, and tells it in the incident that is open.
    fn crashed(&mut self, facts: &mut Facts, id: InstanceId, crash: Crash) {
        facts.touched.insert(id.0);
        facts
            .tracker
            .change_life(id, |life| life.crash = Some(crash));
        self.became_known(facts, id, crash.label());
        for target in self.targets_of(facts, id) {
            self.fire_of_crash(facts, target);
        }
    }

    /// Whether a target's own beats have stopped on purpose.
    pub(in crate::core) fn is_target_stopped(&self, facts: &Facts, target: u32) -> bool {
        match self.table.get(target).watched() {
            Watched::Beat(beat) => facts.tracker.beat_row(beat).stopped(),
            Watched::Logs(id) => facts.tracker.life(id).has_left(),
            Watched::Group(_) => false,
        }
    }

    pub(in crate::core) fn stopped(&mut self, facts: &mut Facts, id: InstanceId, why: StopWhy) {
        facts.touched.insert(id.0);
        let since = facts.now.mono;
        facts
            .tracker
            .change_life(id, |life| life.stop = Some((why, since)));
        self.set_stopped(facts, id, true);
        for target in self.targets_of(facts, id) {
            self.stop(facts, target);
        }
        self.fewer_in_groups(facts, facts.tracker.instance(id).place);
    }

    /// It runs again: it has `max_gap` from now on to say its first beat.
    pub(in crate::core) fn started(&mut self, facts: &mut Facts, id: InstanceId) {
        let was_stopped = facts.tracker.change_life(id, |life| {
            std::mem::take(&mut life.said_bye) | life.stop.take().is_some()
        });
        if !was_stopped {
            return self.restarted(facts, id);
        }
        facts.touched.insert(id.0);
        self.set_stopped(facts, id, false);
        let stamp = facts.listening.stamp();
        for target in self.targets_of(facts, id) {
            self.set_seen(facts, target, stamp);
            let due = stamp.listened + self.max_gap(facts, target);
            self.table.set_due(target, due);
        }
    }

    /// It was taken for stopped, and has ended by itself, and badly: it is silent since its last beat.
    pub(in crate::core) fn died(&mut self, facts: &mut Facts, id: InstanceId) {
        facts.touched.insert(id.0);
        facts.tracker.change_life(id, |life| life.stop = None);
        let beats: Vec<_> = facts.tracker.beats_of(id).collect();
        for beat in beats {
            facts.tracker.beat_mut(beat).set_stopped(false);
        }
        for target in self.targets_of(facts, id) {
            let due = self.late_at(facts, target);
            self.table.set_due(target, due);
        }
    }

    /// It was started again without a stop that we know of, by a deploy or after a crash: it has `max_gap` from then on,
    /// but only from the first time since its last beat, so that a machine that starts over and over is missed.
    pub(in crate::core) fn restarted(&mut self, facts: &mut Facts, id: InstanceId) {
        let listened = facts.listening.listened();
        facts.tracker.change_life(id, |life| {
            if life.restarted == Listened::ZERO {
                life.restarted = listened;
            }
        });
    }

    /// A beat came, with its number and the one before: whether the instance lives, and goes on to.
    pub(in crate::core) fn beat_of_life(
        &mut self,
        facts: &mut Facts,
        id: InstanceId,
        restarted: bool,
    ) -> bool {
        if !facts.tracker.instance(id).has_life {
            return true;
        }
        let (returns, stop) = facts.tracker.change_life(id, |life| {
            life.crash = None;
            life.restarted = Listened::ZERO;
            let returns = std::mem::take(&mut life.said_bye) && life.stop.is_none();
            (returns, life.stop)
        });
        if returns {
            self.spoke(facts, id);
        }
        match stop {
            Some((why, since))
                if !why.is_listed() && !restarted && facts.now.mono.since(since) < STOPS_WITHIN =>
            {
                // One of its last: the stop stands.
                self.set_stopped(facts, id, true);
                false
            }
            Some(_) => {
                self.started(facts, id);
                true
            }
            None => true,
        }
    }

    fn set_stopped(&mut self, facts: &mut Facts, id: InstanceId, stopped: bool) {
        let beats: Vec<_> = facts.tracker.beats_of(id).collect();
        for beat in beats {
            let record = facts.tracker.beat_mut(beat);
            record.set_stopped(stopped);
            if !stopped {
                record.seen = facts.listening.stamp();
            }
        }
        let logs = facts.tracker.instance(id).logs;
        if stopped && logs < UNDECIDED {
            self.table.set_due(logs, Listened::NEVER);
        }
    }
}
