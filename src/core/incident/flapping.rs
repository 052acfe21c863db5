//! Targets that come and go.

use crate::core::notice::IncidentId;
use crate::core::time::Listened;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// A target that fires more often than this within [`SPAN`] times its `max_gap` flaps.
const FIRINGS: usize = 3;
/// In units of the target's `max_gap`: over how long firings are counted, and how long is steady.
const SPAN: u32 = 10;
/// Of those that fired lately and do not flap as many are looked at in a turn: to forget them is not urgent, and a whole
/// region may be among them.
const LOOKED_AT: usize = 500;

/// What a firing means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firing {
    /// An ordinary one.
    Single,
    /// One too many: from now on the target flaps.
    StartsFlapping,
    /// One of many, and told already.
    Flapping,
}

#[derive(Debug, Default)]
struct Record {
    fired: VecDeque<Listened>,
    last_change: Listened,
    incident: Option<IncidentId>,
}

/// The firings of the targets that fired lately, by their numbers.
#[derive(Debug, Default)]
pub struct Flaps {
    records: BTreeMap<u32, Record>,
    /// Those that flap: an incident says so.
    told: BTreeSet<u32>,
    /// Of the others the one to look at next.
    next: u32,
}

impl Flaps {
    /// A target fires when the listened clock shows `at`.
    pub fn fired(&mut self, target: u32, at: Listened, max_gap: Duration) -> Firing {
        let record = self.records.entry(target).or_default();
        record.last_change = at;
        if record.incident.is_some() {
            return Firing::Flapping;
        }
        record.fired.push_back(at);
        while record
            .fired
            .front()
            .is_some_and(|&first| at.since(first) > max_gap.saturating_mul(SPAN))
        {
            record.fired.pop_front();
        }
        if record.fired.len() > FIRINGS {
            Firing::StartsFlapping
        } else {
            Firing::Single
        }
    }

    /// Under which incident it is told that a target flaps.
    pub fn tell(&mut self, target: u32, incident: IncidentId) {
        self.records.entry(target).or_default().incident = Some(incident);
        self.told.insert(target);
    }

    /// The target that an incident says flaps.
    pub fn target_of(&self, incident: IncidentId) -> Option<u32> {
        let is = |target: &&u32| self.records[*target].incident == Some(incident);
        self.told.iter().find(is).copied()
    }

    /// A target flapped already in an earlier life.
    pub fn resume(&mut self, target: u32, incident: IncidentId, now: Listened) {
        self.tell(target, incident);
        let record = self.records.entry(target).or_default();
        record.last_change = now;
    }

    /// A target is well again, or stopped.
    pub fn ended(&mut self, target: u32, at: Listened) {
        if let Some(record) = self.records.get_mut(&target) {
            record.last_change = at;
        }
    }

    /// Takes out the flapping targets that have been steady for long enough, each with its incident.
    pub fn steady(
        &mut self,
        now: Listened,
        max_gap: impl Fn(u32) -> Duration,
    ) -> Vec<(u32, IncidentId)> {
        let is_steady = |target: u32, record: &Record| {
            now.since(record.last_change) >= max_gap(target).saturating_mul(SPAN)
        };
        let others = self.records.range(self.next..).take(LOOKED_AT);
        let (mut looked_at, mut last) = (0, 0);
        let mut forgotten = Vec::new();
        for (&target, record) in others {
            (looked_at, last) = (looked_at + 1, target);
            if record.incident.is_none() && is_steady(target, record) {
                forgotten.push(target);
            }
        }
        self.next = if looked_at < LOOKED_AT { 0 } else { last + 1 };
        for target in forgotten {
            self.records.remove(&target);
        }
        let told = self.told.iter();
        let steady = told.filter(|target| is_steady(**target, &self.records[*target]));
        let steady: Vec<u32> = steady.copied().collect();
        let end = |target| Some((target, self.forget(target)?));
        steady.into_iter().filter_map(end).collect()
    }

    /// Forgets a target; gives the incident that says that it flaps.
    pub fn forget(&mut self, target: u32) -> Option<IncidentId> {
        self.told.remove(&target);
        self.records.remove(&target)?.incident
    }

    /// Whether no target fired lately.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
}
