//! Times in which no entry reaches lastbeat.

use crate::decode::test_file::{Case, Event, Times};
use std::time::Duration;

/// The fate of an entry on its way to lastbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passage {
    /// It arrives.
    Open,
    /// It does not arrive.
    Blocked,
    /// It is lost, and lastbeat notices.
    Dropped,
}

/// All of a test's blind times.
pub(super) struct Blind<'c> {
    /// Nothing arrives.
    blocked: Vec<&'c Times>,
    /// Nothing arrives, and lastbeat notices that it was lost.
    dropped: Vec<&'c Times>,
}

impl<'c> Blind<'c> {
    pub(super) fn of(case: &'c Case) -> Self {
        let (mut blocked, mut dropped) = (Vec::new(), Vec::new());
        for line in &case.lines {
            match &line.what {
                Event::Cut(times)
                | Event::Stall(times)
                | Event::Suspended(times)
                | Event::Down(times) => blocked.push(times),
                Event::Dropped(times) => dropped.push(times),
                _ => {}
            }
        }
        Blind { blocked, dropped }
    }

    /// The fate of an entry that arrives at a moment.
    pub(super) fn passage(&self, at: Duration) -> Passage {
        if self.blocked.iter().any(|times| times.holds(at)) {
            Passage::Blocked
        } else if self.dropped.iter().any(|times| times.holds(at)) {
            Passage::Dropped
        } else {
            Passage::Open
        }
    }
}
