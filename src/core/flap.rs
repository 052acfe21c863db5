//! Targets that come and go.

use super::notice::IncidentId;
use super::time::Listened;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// A target that fires more often than this within [`SPAN`] times its `max_gap` flaps.
const FIRINGS: usize = 3;
/// In units of the target's `max_gap`: over how long firings are counted, and how long is steady.
const SPAN: u32 = 10;

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
pub struct Flaps(BTreeMap<u32, Record>);

impl Flaps {
    /// A target fires when the listened clock shows `at`.
    pub fn fired(&mut self, target: u32, at: Listened, max_gap: Duration) -> Firing {
        let record = self.0.entry(target).or_default();
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
        self.0.entry(target).or_default().incident = Some(incident);
    }

    /// The target that an incident says flaps.
    pub fn target_of(&self, incident: IncidentId) -> Option<u32> {
        let is = |(_, record): &(&u32, &Record)| record.incident == Some(incident);
        self.0.iter().find(is).map(|(&target, _)| target)
    }

    /// A target flapped already in an earlier life.
    pub fn resume(&mut self, target: u32, incident: IncidentId, now: Listened) {
        let record = self.0.entry(target).or_default();
        record.incident = Some(incident);
        record.last_change = now;
    }

    /// A target is well again, or stopped.
    pub fn ended(&mut self, target: u32, at: Listened) {
        if let Some(record) = self.0.get_mut(&target) {
            record.last_change = at;
        }
    }

    /// Takes out the flapping targets that have been steady for long enough, each with its incident.
    pub fn steady(
        &mut self,
        now: Listened,
        max_gap: impl Fn(u32) -> Duration,
    ) -> Vec<(u32, IncidentId)> {
        let is_steady = |(&target, record): (&u32, &Record)| {
            let since = now.since(record.last_change);
            let steady = since >= max_gap(target).saturating_mul(SPAN);
            steady.then_some((target, record.incident))
        };
        let steady: Vec<_> = self.0.iter().filter_map(is_steady).collect();
        steady.iter().for_each(|(target, _)| {
            self.0.remove(target);
        });
        steady
            .into_iter()
            .filter_map(|(target, incident)| Some((target, incident?)))
            .collect()
    }

    /// Forgets a target; gives the incident that says that it flaps.
    pub fn forget(&mut self, target: u32) -> Option<IncidentId> {
        self.0.remove(&target)?.incident
    }

    /// Whether no target fired lately.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
