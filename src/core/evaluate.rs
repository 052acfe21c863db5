//! The judging half of the engine: which deadlines have passed, and what follows.
//!
//! Judged late, the answer is the same: a change is dated by its deadline.

use crate::core::engine::Engine;
use crate::core::listening::Blind;
use crate::core::notice::{Alarm, CloseReason};
use crate::core::rule::FORGET_AFTER;
use crate::core::targets::table::{Reason, State, Watched};
use crate::core::time::{Listened, Mono, Now};
use crate::core::tracker::InstanceId;
use std::time::Duration;

/// How often the forgotten are sought.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// Forgotten in one turn, in a millisecond or two: entries wait meanwhile. Of a flood the rest goes in the next turns.
const FORGOTTEN_AT_ONCE: usize = 2_000;
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
        self.judge_room();
        self.wait_no_more();
        self.judge_targets();
        if now.mono >= self.next_sweep {
            self.next_sweep = now.mono + SWEEP_EVERY;
            self.incidents.census.forget();
            self.sweep();
        }
        if self.tracker.is_moving() {
            self.tracker.move_some();
        }
        self.settle();
        self.next_wake()
    }

    fn next_wake(&self) -> Mono {
        let just_after = |deadline: Mono| deadline + Duration::from_nanos(1);
        let mut wake = (self.now.mono + TICK)
            .min(self.next_settling())
            .min(self.inventory.awaiting.first());
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
        self.stalled = Some(self.open_stream(Alarm::Stalled, since, gap, deadline, None));
        self.listening.blinded(Blind::Stalled);
    }

    /// The server refuses us: that is the stream's incident, at once, and in place of one that did not know why.
    pub(in crate::core) fn stream_refused(&mut self) {
        self.listening.blinded(Blind::Disconnected);
        if std::mem::replace(&mut self.refused, true) {
            return;
        }
        if let Some(incident) = self.stalled.take() {
            self.close(incident, CloseReason::Superseded);
        }
        let since = self.listening.quiet_since();
        let gap = self.now.mono.since(since);
        self.stalled = Some(self.open_stream(Alarm::Refused, since, gap, self.now.mono, None));
    }

    /// An entry arrived while the stream's alert fired.
    pub(in crate::core) fn stream_resumed(&mut self) {
        self.refused = false;
        if let Some(incident) = self.stalled.take() {
            self.close(incident, CloseReason::Resolved);
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
        let (state, rule) = (target.state, target.rule() as usize);
        let late = self.late_at(id);
        let deadline = late + self.rules.rules[rule].hold;
        if state == State::Firing {
            let due = self.seen(id).listened + self.max_gap(id);
            if due >= listened {
                return self.targets.set_due(id, due);
            }
            // It was heard, but not often enough in a row.
            self.targets.get_mut(id).good = 0;
            self.targets.set_due(id, Listened::NEVER);
        } else if late >= listened {
            // It is judged a little early; or others of a group were heard meanwhile, or lastbeat was blind.
            self.targets.set_due(id, late);
            if state == State::Pending {
                self.relieve(id);
            }
        } else if deadline < listened {
            self.fire(id, late, deadline);
        } else {
            self.set_pending(id, late);
            self.targets.set_due(id, deadline);
        }
    }

    /// A pending alert whose silence says nothing any more: others of its group were heard, or lastbeat was blind for
    /// so long that it may have missed it.
    fn relieve(&mut self, id: u32) {
        let target = self.targets.get(id);
        let blind = match target.watched() {
            Watched::Group(_) => None,
            Watched::Beat(_) | Watched::Logs(_) => self
                .listening
                .last_blind(self.seen(id).at, self.max_gap(id) / 2),
        };
        let (reason, at) = match blind {
            Some((_, end)) => (Reason::Blind, end),
            None => (Reason::Heard, self.now.mono),
        };
        self.targets.get_mut(id).state = State::Ok;
        self.changed(id, State::Pending, reason, at);
    }

    fn set_pending(&mut self, id: u32, late: Listened) {
        if self.targets.get(id).state == State::Ok {
            self.targets.get_mut(id).state = State::Pending;
            self.changed(
                id,
                State::Ok,
                Reason::GapExceeded,
                self.listening.date_of(late),
            );
        }
    }

    fn fire(&mut self, id: u32, late: Listened, deadline: Listened) {
        if late < deadline {
            self.set_pending(id, late);
        }
        if let Watched::Group(group) = self.targets.get(id).watched() {
            let seen = self.group_seen(self.groups.get(group));
            self.targets.set_seen(id, seen);
        }
        let at = self.listening.date_of(deadline);
        if self.must_await(id, at) {
            return self.set_pending(id, late);
        }
        let from = std::mem::replace(&mut self.targets.get_mut(id).state, State::Firing);
        let reason = if from == State::Pending {
            Reason::Held
        } else {
            Reason::GapExceeded
        };
        self.targets.set_due(id, Listened::NEVER);
        self.changed(id, from, reason, at);
        self.gather(id, at, deadline);
    }

    fn sweep(&mut self) {
        let listened = self.listening.listened();
        let shortest = self
            .rules
            .rules
            .iter()
            .map(|rule| rule.forget_after)
            .fold(FORGET_AFTER, Duration::min);
        if listened.since(Listened::ZERO) < shortest {
            return;
        }
        let unheard = self.tracker.unheard_since(listened - shortest);
        let forgotten = unheard.into_iter();
        let forgotten = forgotten.filter(|id| self.is_forgotten(*id, listened));
        let forgotten: Vec<InstanceId> = forgotten.take(FORGOTTEN_AT_ONCE).collect();
        forgotten.iter().for_each(|id| self.forget(*id));
        self.tracker.members_left();
        if forgotten.len() == FORGOTTEN_AT_ONCE {
            self.next_sweep = self.now.mono + TICK;
        }
        if self.now.mono >= self.room.next_reclaim {
            self.room.next_reclaim = self.now.mono + SWEEP_EVERY;
            self.forget_empty_groups();
            self.reclaim(listened);
        }
    }

    /// Whether nothing was heard of an instance for as long as its rules say.
    fn is_forgotten(&self, id: InstanceId, listened: Listened) -> bool {
        let rules = self
            .targets_of(id)
            .into_iter()
            .map(|target| self.targets.get(target).rule() as usize);
        let after = rules
            .map(|rule| self.rules.rules[rule].forget_after)
            .max()
            .unwrap_or(FORGET_AFTER);
        listened.since(self.tracker.instances[id.0 as usize].seen.listened) > after
    }

    fn forget(&mut self, id: InstanceId) {
        for target in self.targets_of(id) {
            self.end(target, Reason::Forgotten, CloseReason::Forgotten);
            self.drop_target(target);
        }
        self.incidents.changes.touched.remove(&id.0);
        self.incidents.changes.forgotten.push(id.0);
        self.unlisted(id);
        for beat in self.tracker.beats_of(id) {
            self.last_beats.forget(beat);
        }
        self.tracker.forget(id);
    }
}
