//! Questions about silent beats for the platform's own copy of the logs, and the alerts that wait for the answers.

use crate::core::time::{Mono, Wall};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A question about one beat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The number of the target that waits.
    pub target: u32,
    /// The instance's subject.
    pub subject: Arc<str>,
    /// Text of the marker.
    pub marker: Arc<str>,
    /// The beat's `name=`; empty for the plain beat.
    pub name: Arc<str>,
}

/// The answer to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opinion {
    /// The newest such beat in the other copy, by its entry time on the wall clock.
    Beat(Wall),
    /// The other copy has no such beat.
    NoBeat,
    /// It could not be asked.
    Unknown,
}

/// An alert that waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    /// Arrival clock: the end of the wait.
    pub until: Mono,
    /// The app's number.
    pub app: u32,
    /// The region's number.
    pub region: u32,
}

/// The alerts that wait for an opinion.
#[derive(Debug, Default)]
pub struct Opinions {
    pub(super) waiting: BTreeMap<u32, Waiting>,
    /// Targets whose question was answered, or not in time: they fire without another.
    pub(super) answered: BTreeSet<u32>,
    pub(super) questions: Vec<Question>,
}

impl Opinions {
    /// Arrival clock: end of the earliest wait.
    pub(in crate::core) fn first(&self) -> Mono {
        let ends = self.waiting.values().map(|waiting| waiting.until);
        ends.min().unwrap_or(Mono::NEVER)
    }

    /// The questions since the last call.
    pub(in crate::core) fn take(&mut self) -> Vec<Question> {
        std::mem::take(&mut self.questions)
    }

    /// Removes a target that is gone.
    pub(in crate::core) fn forget(&mut self, target: u32) {
        self.waiting.remove(&target);
        self.answered.remove(&target);
    }

    /// Waiting targets of the same app or region.
    pub(super) fn beside(&self, app: u32, region: u32) -> Vec<u32> {
        let is_near = |one: &Waiting| one.app == app || one.region == region;
        let near = self.waiting.iter().filter(|(_, one)| is_near(one));
        near.map(|(&target, _)| target).collect()
    }
}
