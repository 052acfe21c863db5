//! The wholly silent scopes that were found, so that many targets that fire together ask once.

use crate::core::incident::key::Key;
use crate::core::time::{Listened, Mono};
use crate::core::tracker::InstanceId;
use std::collections::BTreeMap;
use std::time::Duration;

/// Kind of a sign of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sign {
    /// Beats.
    Beat,
    /// Entries of the app itself.
    Entry,
}

/// Numbers of instances of a wholly silent scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// Instances that should have been heard.
    pub silent: u32,
    /// Instances that are not due yet.
    pub abstaining: u32,
    /// Listened clock: the last sign of life of the silent ones.
    pub last: Listened,
}

impl Count {
    /// True if more instances are silent than abstain.
    pub(in crate::core) const fn is_silent(&self) -> bool {
        self.silent > self.abstaining
    }
}

/// The wholly silent scopes, with their numbers of instances.
#[derive(Debug, Default)]
pub struct ScopeCache {
    /// Results of this turn, shared by all targets that fire together.
    pub(super) asked: BTreeMap<(Key, Sign), Option<Count>>,
    /// Results for large scopes from earlier turns, which shorten the next search.
    pub(super) before: BTreeMap<(Key, Sign), Found>,
}

/// A remembered result for a scope.
#[derive(Clone, Copy, Debug)]
pub(in crate::core) enum Found {
    /// This instance was heard: while it counts as heard, no other needs a look.
    Heard(InstanceId),
    /// Wholly silent at an arrival, on both clocks.
    Silent(Count, Mono, Listened),
}

impl ScopeCache {
    /// Results are remembered for scopes in which more instances than this were examined; smaller ones are searched
    /// again as fast.
    pub(super) const LARGE: u32 = 64;
    /// Interval after which a large scope that is live, or partly abstaining, is searched again.
    pub(super) const AGAIN: Duration = Duration::from_millis(500);

    /// Ends the turn: in the next one, silent instances may have been heard.
    pub(in crate::core) fn end(&mut self) {
        self.asked.clear();
    }

    /// Forgets all results, since more changed than signs of life.
    pub(in crate::core) fn forget(&mut self) {
        self.before.clear();
        self.asked.clear();
    }
}
