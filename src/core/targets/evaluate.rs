//! Evaluation of the deadlines that have passed.
//!
//! A change is dated by its deadline, so a late evaluation gives the same result.

use crate::core::facts::Facts;
use crate::core::targets::Targets;
use crate::core::targets::table::{Reason, State, Watched};
use crate::core::time::{Listened, Mono};
use crate::core::tracker::NONE;
use crate::core::tracker::life::StopWhy;

impl Targets {
    /// Evaluates the targets whose deadline has passed.
    pub fn evaluate(&mut self, facts: &mut Facts) {
        let listened = facts.listening.listened();
        if self.table.earliest() >= listened {
            return;
        }
        let passed = self.table.passed(listened);
        for &id in &passed {
            self.evaluate_target(facts, id, listened);
        }
        self.table.reuse(passed);
    }

    fn evaluate_target(&mut self, facts: &mut Facts, id: u32, listened: Listened) {
        let target = self.table.get(id);
        let (state, rule) = (target.state, target.rule() as usize);
        let late = self.late_at(facts, id);
        let deadline = late + facts.rules.rules[rule].hold;
        if state == State::Firing {
            let due = self.seen(facts, id).listened + self.max_gap(facts, id);
            if due >= listened {
                return self.table.set_due(id, due);
            }
            // It was heard, but not often enough in a row.
            self.table.get_mut(id).good = 0;
            self.table.set_due(id, Listened::NEVER);
        } else if late >= listened {
            // The evaluation is slightly early; or others of its group were heard meanwhile, or lastbeat was blind.
            self.table.set_due(id, late);
            if state == State::Pending {
                self.relieve(facts, id);
            }
        } else if deadline < listened {
            self.fire(facts, id, late, deadline);
        } else {
            self.set_pending(facts, id, late);
            self.table.set_due(id, deadline);
        }
    }

    /// Returns a pending alert to ok because its silence proves nothing any more: others of its group were heard, or
    /// lastbeat was blind for so long that it may have missed a beat.
    fn relieve(&mut self, facts: &mut Facts, id: u32) {
        let blind = match self.table.get(id).watched() {
            Watched::Group(_) => None,
            Watched::Beat(_) | Watched::Logs(_) => {
                let seen = self.seen(facts, id).at;
                facts.listening.hidden_until(seen, self.interval(facts, id))
            }
        };
        let (reason, at) = match blind {
            Some(end) => (Reason::Blind, end),
            None => (Reason::Heard, facts.now.mono),
        };
        self.table.get_mut(id).state = State::Ok;
        self.changed(facts, id, State::Pending, reason, at);
    }

    fn set_pending(&mut self, facts: &mut Facts, id: u32, late: Listened) {
        if self.table.get(id).state == State::Ok {
            self.table.get_mut(id).state = State::Pending;
            self.changed(
                facts,
                id,
                State::Ok,
                Reason::GapExceeded,
                facts.listening.date_of(late),
            );
        }
    }

    fn fire(&mut self, facts: &mut Facts, id: u32, late: Listened, deadline: Listened) {
        if late < deadline {
            self.set_pending(facts, id, late);
        }
        if let Watched::Group(group) = self.table.get(id).watched() {
            let seen = self.group_seen(facts, self.groups.get(group));
            self.table.set_seen(id, seen);
        }
        if !self.moves.is_empty() && self.has_moved(facts, id) {
            let instance = self.table.get(id).watched().instance(&facts.tracker);
            if let Some(instance) = instance {
                return self.stopped(facts, instance, StopWhy::Moved);
            }
        }
        let at = facts.listening.date_of(deadline);
        if self.must_await(facts, id, at) || self.must_ask(facts, id) {
            return self.set_pending(facts, id, late);
        }
        let from = std::mem::replace(&mut self.table.get_mut(id).state, State::Firing);
        let reason = if from == State::Pending {
            Reason::Held
        } else {
            Reason::GapExceeded
        };
        self.table.set_due(id, Listened::NEVER);
        self.changed(facts, id, from, reason, at);
        self.fired(id, at, deadline);
    }

    /// Fires the alert of a target whose instance crashed, if its rule has `on_crash`.
    pub(in crate::core) fn fire_of_crash(&mut self, facts: &mut Facts, target: u32) {
        let row = self.table.get(target);
        let rule = &facts.rules.rules[row.rule() as usize];
        if rule.on_crash {
            self.fire_at(facts, target, facts.now.mono, Reason::Crashed);
        }
    }

    /// Fires an alert as of `at` on the arrival clock, without regard to its deadline.
    pub(in crate::core) fn fire_at(
        &mut self,
        facts: &mut Facts,
        target: u32,
        at: Mono,
        reason: Reason,
    ) {
        if self.table.get(target).state == State::Firing {
            return;
        }
        let from = std::mem::replace(&mut self.table.get_mut(target).state, State::Firing);
        self.table.set_due(target, Listened::NEVER);
        self.changed(facts, target, from, reason, at);
        let deadline = facts.listening.listened_at(at);
        self.fired(target, at, deadline);
    }

    /// True if the alert of a target with this deadline has to wait for the inventory; starts the wait. The alert of a
    /// machine that is starting always waits.
    fn must_await(&mut self, facts: &Facts, target: u32, deadline: Mono) -> bool {
        if !facts.options.inventory {
            return false;
        }
        let now = facts.now.mono;
        let id = self.table.get(target).watched().instance(&facts.tracker);
        let waited = self.confirmation.has_waited(target);
        if !id.is_some_and(|id| facts.inventory.is_starting(id, now)) {
            if waited || facts.inventory.answered_since(deadline) {
                return false;
            }
            self.confirmation.ask(id.map(|id| facts.candidate_of(id)));
        }
        self.confirmation.wait(target, now);
        self.table.set_due(target, Listened::NEVER);
        true
    }

    /// Ends all waits for the inventory because of an answer.
    pub(in crate::core) fn answered(&mut self, facts: &Facts) {
        for target in self.confirmation.answered() {
            self.evaluate_soon(facts, target);
        }
    }

    /// Ends the waits for the inventory that lasted too long: those targets are evaluated without an answer.
    pub(in crate::core) fn end_waits(&mut self, facts: &Facts) {
        for target in self.confirmation.expired(facts.now.mono) {
            if self.evaluate_soon(facts, target) {
                self.confirmation.waited(target);
            }
        }
    }

    /// Has a target that waited evaluated in the next turn; false where it was heard meanwhile and has a new deadline
    /// already.
    pub(in crate::core) fn evaluate_soon(&mut self, facts: &Facts, target: u32) -> bool {
        let row = self.table.get(target);
        let waits = row.rule() != NONE
            && row.state != State::Firing
            && self.table.due(target) == Listened::NEVER
            && !self.is_target_stopped(facts, target);
        if waits {
            self.table.set_due(target, Listened::ZERO);
        }
        waits
    }
}
