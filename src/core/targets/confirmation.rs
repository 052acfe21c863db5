//! Confirmation by the inventory: the silence of an instance becomes an alert only after an answer newer than its
//! deadline, or after five seconds without one; and never while the machine is starting.

use crate::core::facts::Facts;
use crate::core::inventory::Suspect;
use crate::core::targets::Targets;
use crate::core::targets::table::State;
use crate::core::time::{Listened, Mono};
use crate::core::tracker::{InstanceId, NONE};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Longest wait for an answer.
const AWAITED_FOR: Duration = Duration::from_secs(5);
/// Number of candidates named in one request; every answer covers all machines anyway.
const MAX_SUSPECTS: usize = 64;

/// Targets whose alerts wait for an answer.
#[derive(Debug, Default)]
pub struct Confirmation {
    until: BTreeMap<u32, Mono>,
    /// Targets that waited for long enough.
    waited: BTreeSet<u32>,
    suspects: BTreeSet<Suspect>,
    /// True if a wait began since the last request.
    asks: bool,
}

impl Confirmation {
    /// Arrival clock: end of the earliest wait.
    pub(in crate::core) fn first(&self) -> Mono {
        self.until.values().min().copied().unwrap_or(Mono::NEVER)
    }

    /// The instances that alerts wait for; `None` if no wait began since the last call.
    pub(in crate::core) fn take_suspects(&mut self) -> Option<Vec<Suspect>> {
        let asks = std::mem::take(&mut self.asks);
        asks.then(|| std::mem::take(&mut self.suspects).into_iter().collect())
    }
}

impl Targets {
    /// True if the alert of a target with this deadline has to wait for an answer; starts the wait.
    pub(in crate::core) fn must_await(
        &mut self,
        facts: &mut Facts,
        target: u32,
        deadline: Mono,
    ) -> bool {
        if !facts.options.inventory {
            return false;
        }
        let now = facts.now.mono;
        let id = (self.table.get(target).watched()).instance(&facts.tracker);
        let waited = self.confirmation.waited.remove(&target);
        if id.is_some_and(|id| facts.inventory.is_starting(id, now)) {
            self.wait(facts, target);
            return true;
        }
        if waited || facts.inventory.answered_since(deadline) {
            return false;
        }
        self.confirmation.asks = true;
        if let Some(id) = id {
            self.suspect(facts, id);
        }
        self.wait(facts, target);
        true
    }

    /// Requests an answer at once, including the last exit of this instance.
    pub(in crate::core) fn suspect(&mut self, facts: &mut Facts, id: InstanceId) {
        let suspect = facts.suspect_of(id);
        let awaiting = &mut self.confirmation;
        awaiting.asks = true;
        if awaiting.suspects.len() < MAX_SUSPECTS {
            awaiting.suspects.insert(suspect);
        }
    }

    fn wait(&mut self, facts: &mut Facts, target: u32) {
        let until = facts.now.mono + AWAITED_FOR;
        self.confirmation.until.insert(target, until);
        self.table.set_due(target, Listened::NEVER);
    }

    /// Records an answer: every target that waited for one is evaluated in the next turn.
    pub(in crate::core) fn answered(&mut self, facts: &mut Facts) {
        for target in std::mem::take(&mut self.confirmation.until).into_keys() {
            self.judge_soon(facts, target);
        }
    }

    /// Ends the waits that lasted too long: those targets are evaluated without an answer.
    pub(in crate::core) fn wait_no_more(&mut self, facts: &mut Facts) {
        let now = facts.now.mono;
        if self.confirmation.first() > now {
            return;
        }
        let all = std::mem::take(&mut self.confirmation.until);
        let (over, waiting): (BTreeMap<_, _>, _) = all.into_iter().partition(|(_, at)| *at <= now);
        self.confirmation.until = waiting;
        for target in over.into_keys() {
            self.confirmation.waited.insert(target);
            self.judge_soon(facts, target);
        }
    }

    /// Has a target that waited evaluated in the next turn; one that was heard meanwhile has a new deadline already.
    fn judge_soon(&mut self, facts: &mut Facts, target: u32) {
        let row = self.table.get(target);
        let waits = row.rule() != NONE && row.state != State::Firing;
        if waits
            && self.table.due(target) == Listened::NEVER
            && !self.is_target_stopped(facts, target)
        {
            self.table.set_due(target, Listened::ZERO);
        }
    }
}
