//! Intended silence: stops that the platform tells of.
//!
//! A beat proves life whatever else is said, but for the minutes in which a machine that was told to stop
//! still says its last ones; nothing known means that silence is an alert.

use crate::core::engine::Engine;
use crate::core::entry::Lifecycle;
use crate::core::targets::table::{Reason, State, Watched};
use crate::core::time::{Listened, Mono};
use crate::core::tracker::{InstanceId, Tracker, UNDECIDED};
use std::time::Duration;

/// The longest time that the platform gives a machine to stop. Beats until then are its last ones; one that comes
/// later shows that it did not stop.
const STOPS_WITHIN: Duration = Duration::from_secs(300);

/// Why an instance is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopWhy {
    /// The proxy stopped it, since it idled.
    Autostop,
    /// The proxy suspended it, since it idled.
    Autosuspend,
    /// It ended by itself, and is not restarted.
    Done,
    /// The inventory lists it as not running.
    Listed,
    /// The inventory lists it no more.
    Gone,
}

impl StopWhy {
    /// Every one.
    pub const ALL: [StopWhy; 5] = [
        StopWhy::Autostop,
        StopWhy::Autosuspend,
        StopWhy::Done,
        StopWhy::Listed,
        StopWhy::Gone,
    ];

    /// Whether the inventory says so, and not a line of the platform's.
    pub const fn is_listed(self) -> bool {
        matches!(self, StopWhy::Listed | StopWhy::Gone)
    }

    /// In words, with the source.
    pub const fn label(self) -> &'static str {
        match self {
            StopWhy::Autostop => "autostop by proxy",
            StopWhy::Autosuspend => "autosuspend by proxy",
            StopWhy::Done => "exited, says runner",
            StopWhy::Listed => "not running, says the inventory",
            StopWhy::Gone => "no longer deployed, says the inventory",
        }
    }
}

/// What is known to have gone wrong with an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// Its memory did not suffice.
    OutOfMemory,
    /// It was restarted too often, and is not any more.
    GaveUp,
}

impl Crash {
    /// In words.
    pub const fn label(self) -> &'static str {
        match self {
            Crash::OutOfMemory => "it ran out of memory",
            Crash::GaveUp => "the platform gave up restarting it",
        }
    }
}

/// An instance's life as the platform tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Life {
    /// Why and since when it is stopped.
    pub stop: Option<(StopWhy, Mono)>,
    /// What went wrong since its last beat.
    pub crash: Option<Crash>,
    /// Whether its plain beat said `bye`, and none came since.
    pub said_bye: bool,
    /// What the listened clock showed when it was first started since its last beat; zero where it was not.
    pub restarted: Listened,
}

impl Life {
    /// Whether it stopped on purpose: the platform said so, or it did.
    pub const fn has_left(&self) -> bool {
        self.stop.is_some() || self.said_bye
    }
}

impl Tracker {
    /// What the platform told of an instance's life that still holds.
    #[inline]
    pub(in crate::core) fn life(&self, id: InstanceId) -> Life {
        if self.instances[id.0 as usize].has_life {
            self.lives.get(&id.0).copied().unwrap_or_default()
        } else {
            Life::default()
        }
    }

    /// The platform told something else of an instance's life, or it holds no more.
    pub(in crate::core) fn set_life(&mut self, id: InstanceId, life: Life) {
        let has_life = life != Life::default();
        self.instances[id.0 as usize].has_life = has_life;
        if has_life {
            self.lives.insert(id.0, life);
        } else {
            self.lives.remove(&id.0);
        }
    }

    /// As [`Self::set_life`], from what was told before.
    pub(in crate::core) fn change_life<T>(
        &mut self,
        id: InstanceId,
        change: impl FnOnce(&mut Life) -> T,
    ) -> T {
        let mut life = self.life(id);
        let told = change(&mut life);
        self.set_life(id, life);
        told
    }
}

impl Engine {
    /// The platform says something of an instance's life.
    pub fn lifecycle(&mut self, id: InstanceId, what: Lifecycle) {
        match what {
            Lifecycle::Autostop => self.stopped(id, StopWhy::Autostop),
            Lifecycle::Autosuspend => self.stopped(id, StopWhy::Autosuspend),
            Lifecycle::Done => self.stopped(id, StopWhy::Done),
            Lifecycle::Started => self.started(id),
            Lifecycle::OutOfMemory => self.crashed(id, Crash::OutOfMemory),
            Lifecycle::GaveUp => {
                // Nobody asked for this stop: it is dead.
                self.started(id);
                self.crashed(id, Crash::GaveUp);
            }
        }
    }

    /// What is known to have gone wrong with whom a target belongs to, in words.
    pub(in crate::core) fn crash_of(&self, watched: Watched) -> String {
        let crash = self
            .instance_of(watched)
            .and_then(|id| self.tracker.life(id).crash);
        crash
            .map(|crash| crash.label().to_owned())
            .unwrap_or_default()
    }

    /// Remembers what went wrong, and tells it in the incident that is open.
    fn crashed(&mut self, id: InstanceId, crash: Crash) {
        self.incidents.changes.touched.insert(id.0);
        self.tracker
            .change_life(id, |life| life.crash = Some(crash));
        self.tell_in_incident(id, crash.label());
        for target in self.targets_of(id) {
            self.fire_of_crash(target);
        }
    }

    /// A crash is an alert at once, where the rule says so.
    fn fire_of_crash(&mut self, target: u32) {
        let row = self.targets.get(target);
        let rule = &self.rules.rules[row.rule() as usize];
        if !rule.on_crash || row.state == State::Firing {
            return;
        }
        let now = self.now.mono;
        let from = std::mem::replace(&mut self.targets.get_mut(target).state, State::Firing);
        self.targets.set_due(target, Listened::NEVER);
        self.changed(target, from, Reason::Crashed, now);
        self.gather(target, now, self.listening.listened());
    }

    /// Whether a target's own beats have stopped on purpose.
    pub(in crate::core) fn is_target_stopped(&self, target: u32) -> bool {
        match self.targets.get(target).watched() {
            Watched::Beat(beat) => self.tracker.beats[beat.0 as usize].stopped(),
            Watched::Logs(id) => self.tracker.life(id).has_left(),
            Watched::Group(_) => false,
        }
    }

    pub(in crate::core) fn stopped(&mut self, id: InstanceId, why: StopWhy) {
        self.incidents.changes.touched.insert(id.0);
        let since = self.now.mono;
        self.tracker
            .change_life(id, |life| life.stop = Some((why, since)));
        self.set_stopped(id, true);
        for target in self.targets_of(id) {
            self.stop(target);
        }
        self.fewer_in_groups(self.tracker.instances[id.0 as usize].place);
    }

    /// It runs again: it has `max_gap` from now on to say its first beat.
    pub(in crate::core) fn started(&mut self, id: InstanceId) {
        let was_stopped = self.tracker.change_life(id, |life| {
            std::mem::take(&mut life.said_bye) | life.stop.take().is_some()
        });
        if !was_stopped {
            return self.restarted(id);
        }
        self.incidents.changes.touched.insert(id.0);
        self.set_stopped(id, false);
        let stamp = self.listening.stamp();
        for target in self.targets_of(id) {
            self.set_seen(target, stamp);
            let due = stamp.listened + self.max_gap(target);
            self.targets.set_due(target, due);
        }
    }

    /// It was taken for stopped, and has ended by itself, and badly: it is silent since its last beat.
    pub(in crate::core) fn died(&mut self, id: InstanceId) {
        self.incidents.changes.touched.insert(id.0);
        self.tracker.change_life(id, |life| life.stop = None);
        let beats: Vec<_> = self.tracker.beats_of(id).collect();
        for beat in beats {
            self.tracker.beats[beat.0 as usize].set_stopped(false);
        }
        for target in self.targets_of(id) {
            let due = self.late_at(target);
            self.targets.set_due(target, due);
        }
    }

    /// It was started again without a stop that we know of, by a deploy or after a crash: it has `max_gap` from then on,
    /// but only from the first time since its last beat, so that a machine that starts over and over is missed.
    pub(in crate::core) fn restarted(&mut self, id: InstanceId) {
        let listened = self.listening.listened();
        self.tracker.change_life(id, |life| {
            if life.restarted == Listened::ZERO {
                life.restarted = listened;
            }
        });
    }

    /// A beat came, with its number and the one before: whether the instance lives, and goes on to.
    pub(in crate::core) fn beat_of_life(&mut self, id: InstanceId, restarted: bool) -> bool {
        if !self.tracker.instances[id.0 as usize].has_life {
            return true;
        }
        let (returns, stop) = self.tracker.change_life(id, |life| {
            life.crash = None;
            life.restarted = Listened::ZERO;
            let returns = std::mem::take(&mut life.said_bye) && life.stop.is_none();
            (returns, life.stop)
        });
        if returns {
            self.spoke(id);
        }
        match stop {
            Some((why, since))
                if !why.is_listed() && !restarted && self.now.mono.since(since) < STOPS_WITHIN =>
            {
                // One of its last: the stop stands.
                self.set_stopped(id, true);
                false
            }
            Some(_) => {
                self.started(id);
                true
            }
            None => true,
        }
    }

    /// Whether the platform stopped an instance.
    pub(in crate::core) fn is_stopped(&self, id: InstanceId) -> bool {
        self.tracker.life(id).stop.is_some()
    }

    fn set_stopped(&mut self, id: InstanceId, stopped: bool) {
        let beats: Vec<_> = self.tracker.beats_of(id).collect();
        for beat in beats {
            let record = &mut self.tracker.beats[beat.0 as usize];
            record.set_stopped(stopped);
            if !stopped {
                record.seen = self.listening.stamp();
            }
        }
        let logs = self.tracker.instances[id.0 as usize].logs;
        if stopped && logs < UNDECIDED {
            self.targets.set_due(logs, Listened::NEVER);
        }
    }
}
