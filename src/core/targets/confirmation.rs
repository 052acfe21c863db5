//! Alerts that wait for the inventory: nobody is told of a machine before an answer that is newer than its deadline,
//! for five seconds at the most, nor of one that is on its way to run.

use crate::core::engine::Engine;
use crate::core::inventory::Suspect;
use crate::core::targets::table::State;
use crate::core::time::{Listened, Mono};
use crate::core::tracker::{InstanceId, NONE};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// An answer is awaited for so long.
const AWAITED_FOR: Duration = Duration::from_secs(5);
/// Suspects that the inventory is asked for at once: one answer tells of everyone anyway.
const MAX_SUSPECTS: usize = 64;

/// Targets whose alerts wait.
#[derive(Debug, Default)]
pub(in crate::core) struct Awaiting {
    until: BTreeMap<u32, Mono>,
    /// Those that have waited for long enough.
    waited: BTreeSet<u32>,
    suspects: BTreeSet<Suspect>,
    /// Whether somebody began to wait since the inventory was last asked.
    asks: bool,
}

impl Awaiting {
    /// When the first of them has waited for long enough.
    pub(in crate::core) fn first(&self) -> Mono {
        self.until.values().min().copied().unwrap_or(Mono::NEVER)
    }
}

impl Engine {
    /// Whether the alert of a target, whose deadline lay at `deadline`, is to wait.
    pub(in crate::core) fn must_await(&mut self, target: u32, deadline: Mono) -> bool {
        if !self.options.inventory {
            return false;
        }
        let now = self.now.mono;
        let id = self.instance_of(self.targets.get(target).watched());
        let waited = self.inventory.awaiting.waited.remove(&target);
        if id.is_some_and(|id| self.inventory.is_starting(id, now)) {
            self.wait(target);
            return true;
        }
        if waited || self.inventory.answered_since(deadline) {
            return false;
        }
        self.inventory.awaiting.asks = true;
        if let Some(id) = id {
            self.suspect(id);
        }
        self.wait(target);
        true
    }

    /// The inventory is to be asked at once, and how this one ended.
    pub(in crate::core) fn suspect(&mut self, id: InstanceId) {
        let suspect = self.suspect_of(id);
        let awaiting = &mut self.inventory.awaiting;
        awaiting.asks = true;
        if awaiting.suspects.len() < MAX_SUSPECTS {
            awaiting.suspects.insert(suspect);
        }
    }

    fn wait(&mut self, target: u32) {
        let until = self.now.mono + AWAITED_FOR;
        self.inventory.awaiting.until.insert(target, until);
        self.targets.set_due(target, Listened::NEVER);
    }

    /// An instance as the inventory calls it.
    pub(in crate::core) fn suspect_of(&self, id: InstanceId) -> Suspect {
        let instance = &self.tracker.instances[id.0 as usize];
        let place = &self.tracker.places[instance.place as usize];
        Suspect {
            app: Arc::clone(self.tracker.app_names.get(place.app)),
            region: Arc::clone(self.tracker.region_names.get(place.region)),
            id: Arc::from(self.tracker.name(id)),
        }
    }

    /// Whether the inventory is to be asked at once, since alerts wait for it, and about whom first.
    pub fn take_suspects(&mut self) -> Option<Vec<Suspect>> {
        let awaiting = &mut self.inventory.awaiting;
        let asks = std::mem::take(&mut awaiting.asks);
        asks.then(|| std::mem::take(&mut awaiting.suspects).into_iter().collect())
    }

    /// An answer came: whoever waited for one is judged at the next turn.
    pub(in crate::core) fn answered(&mut self) {
        for target in std::mem::take(&mut self.inventory.awaiting.until).into_keys() {
            self.judge_soon(target);
        }
    }

    /// Those that have waited for long enough are judged without an answer.
    pub(in crate::core) fn wait_no_more(&mut self) {
        let now = self.now.mono;
        if self.inventory.awaiting.first() > now {
            return;
        }
        let all = std::mem::take(&mut self.inventory.awaiting.until);
        let (over, waiting): (BTreeMap<_, _>, _) = all.into_iter().partition(|(_, at)| *at <= now);
        self.inventory.awaiting.until = waiting;
        for target in over.into_keys() {
            self.inventory.awaiting.waited.insert(target);
            self.judge_soon(target);
        }
    }

    /// A target that waited is judged at the next turn; one that was heard meanwhile has a deadline of its own.
    fn judge_soon(&mut self, target: u32) {
        let row = self.targets.get(target);
        let waits = row.rule() != NONE && row.state != State::Firing;
        if waits && self.targets.due(target) == Listened::NEVER && !self.is_target_stopped(target) {
            self.targets.set_due(target, Listened::ZERO);
        }
    }
}
