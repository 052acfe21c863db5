//! The judging half of the engine: which deadlines have passed, and what follows.
//!
//! Judged late, the answer is the same: a change is dated by its deadline.

use super::alert::{Reason, State, Watched};
use super::engine::Engine;
use super::listening::Blind;
use super::notice::{Alarm, CloseReason};
use super::rule::FORGET_AFTER;
use super::time::{Listened, Mono, Now};
use super::tracker::{InstanceId, NONE, UNDECIDED};
use std::time::Duration;

/// How often the forgotten are sought.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// How far a change of state may lie from the tick that is asked to see it at the latest.
pub const TICK: Duration = Duration::from_secs(1);

impl Engine {
    /// Whether a deadline may have passed already, so that [`Self::evaluate`] has work.
    #[inline]
    pub fn overdue(&self) -> bool {
        self.targets.earliest() < self.listening.listened()
    }

    /// Judges every deadline that passed. Gives the time at which to judge again; earlier and later calls do
    /// no harm.
    pub fn evaluate(&mut self, now: Now) -> Mono {
        self.now = now;
        self.judge_stream();
        self.judge_lag();
        self.judge_targets();
        if now.mono >= self.next_sweep {
            self.next_sweep = now.mono + SWEEP_EVERY;
            self.sweep();
        }
        self.next_wake()
    }

    fn next_wake(&self) -> Mono {
        let just_after = |deadline: Mono| deadline + Duration::from_nanos(1);
        let mut wake = self.now.mono + TICK;
        if self.stalled.is_none() {
            wake = wake.min(just_after(self.stream_deadline()));
        }
        // A target's deadline is reached only by somebody's next entry, so that one in the past waits for that.
        let first = just_after(self.listening.date_of(self.targets.earliest()));
        if first > self.now.mono {
            wake.min(first)
        } else {
            wake
        }
    }

    fn stream_deadline(&self) -> Mono {
        self.listening.quiet_since() + self.rules.stream.max_gap
    }

    fn judge_stream(&mut self) {
        let deadline = self.stream_deadline();
        if self.stalled.is_some() || self.now.mono <= deadline {
            return;
        }
        let since = self.listening.quiet_since();
        let gap = self.now.mono.since(since);
        self.stalled = Some(self.open_stream(Alarm::Stalled, since, gap, deadline));
        self.listening.blinded(Blind::Stalled);
    }

    /// An entry arrived while the stream's alert fired.
    pub(super) fn stream_resumed(&mut self) {
        if let Some(incident) = self.stalled.take() {
            self.close(incident, CloseReason::Resolved);
        }
    }

    fn judge_lag(&mut self) {
        let Some(least) = self.lag.least(self.now.mono) else {
            return;
        };
        let slow = least > self.rules.stream.max_lag;
        match (slow, self.lagging) {
            (true, None) => {
                let now = self.now.mono;
                self.lagging = Some(self.open_stream(Alarm::Lagging, now, least, now));
            }
            (false, Some(incident)) => {
                self.lagging = None;
                self.close(incident, CloseReason::Resolved);
            }
            _ => {}
        }
    }

    fn judge_targets(&mut self) {
        if !self.overdue() {
            return;
        }
        let listened = self.listening.listened();
        let passed = self.targets.passed(listened);
        for &id in &passed {
            self.judge(id, listened);
        }
        self.targets.reuse(passed);
    }

    fn judge(&mut self, id: u32, listened: Listened) {
        let target = self.targets.get(id);
        let (state, rule) = (target.state, target.rule as usize);
        let late = target.seen.listened + self.max_gap(id);
        let deadline = late + self.rules.rules[rule].hold;
        match state {
            State::Firing => {
                // It was heard, but not often enough in a row.
                self.targets.get_mut(id).good = 0;
                self.targets.set_due(id, Listened::NEVER);
            }
            State::Ok | State::Pending if deadline < listened => self.fire(id, late, deadline),
            State::Ok => {
                self.targets.get_mut(id).state = State::Pending;
                self.targets.set_due(id, deadline);
                self.changed(
                    id,
                    State::Ok,
                    Reason::GapExceeded,
                    self.listening.date_of(late),
                );
            }
            State::Pending => self.targets.set_due(id, deadline),
        }
    }

    fn fire(&mut self, id: u32, late: Listened, deadline: Listened) {
        let at = self.listening.date_of(deadline);
        if self.targets.get(id).state == State::Ok && late < deadline {
            self.targets.get_mut(id).state = State::Pending;
            self.changed(
                id,
                State::Ok,
                Reason::GapExceeded,
                self.listening.date_of(late),
            );
        }
        let from = std::mem::replace(&mut self.targets.get_mut(id).state, State::Firing);
        let reason = if from == State::Pending {
            Reason::Held
        } else {
            Reason::GapExceeded
        };
        self.targets.set_due(id, Listened::NEVER);
        self.changed(id, from, reason, at);
        self.open_target(id, at);
    }

    fn sweep(&mut self) {
        let listened = self.listening.listened();
        if listened.since(Listened::ZERO) < FORGET_AFTER {
            return;
        }
        for id in self.tracker.unheard_since(listened - FORGET_AFTER) {
            self.forget(id);
        }
    }

    fn forget(&mut self, id: InstanceId) {
        for target in self.targets_of(id) {
            self.end(target, Reason::Forgotten, CloseReason::Forgotten);
            self.targets.remove(target);
        }
        self.tracker.forget(id);
    }

    fn targets_of(&self, id: InstanceId) -> Vec<u32> {
        let beats = self
            .tracker
            .beats_of(id)
            .map(|beat| self.tracker.beats[beat.0 as usize].target);
        let logs = self.tracker.instances[id.0 as usize].logs;
        let watched = |&target: &u32| target != NONE && target != UNDECIDED;
        beats.chain(std::iter::once(logs)).filter(watched).collect()
    }

    /// The instance that a target belongs to.
    pub(super) fn instance_of(&self, watched: Watched) -> InstanceId {
        match watched {
            Watched::Beat(beat) => InstanceId(self.tracker.beats[beat.0 as usize].instance),
            Watched::Logs(instance) => instance,
        }
    }
}
