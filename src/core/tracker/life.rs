//! Life of an instance: its stops, crashes and starts.

use crate::core::time::{Listened, Mono, Stamp};

/// Reasons for a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopWhy {
    /// The proxy stopped it because it was idle.
    Autostop,
    /// The proxy suspended it because it was idle.
    Autosuspend,
    /// It exited and is not restarted.
    Done,
    /// The inventory lists it as not running.
    Listed,
    /// The inventory does not list it any more.
    Gone,
    /// It continues under the same id in another region.
    Moved,
}

impl StopWhy {
    /// Every one.
    pub const ALL: [StopWhy; 6] = [
        StopWhy::Autostop,
        StopWhy::Autosuspend,
        StopWhy::Done,
        StopWhy::Listed,
        StopWhy::Gone,
        StopWhy::Moved,
    ];

    /// True if the stop is known to be complete, so that a beat proves a new start; a log line of the platform only
    /// announces a stop.
    pub const fn is_listed(self) -> bool {
        matches!(self, StopWhy::Listed | StopWhy::Gone | StopWhy::Moved)
    }

    /// True if this instance is never started again.
    pub const fn is_final(self) -> bool {
        matches!(self, StopWhy::Gone | StopWhy::Moved)
    }

    /// In words, with the source.
    pub const fn label(self) -> &'static str {
        match self {
            StopWhy::Autostop => "autostop by proxy",
            StopWhy::Autosuspend => "autosuspend by proxy",
            StopWhy::Done => "exited, says runner",
            StopWhy::Listed => "not running, says the inventory",
            StopWhy::Gone => "no longer deployed, says the inventory",
            StopWhy::Moved => "migrated to another region",
        }
    }
}

/// Known failures of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// It ran out of memory.
    OutOfMemory,
    /// It reached its restart limit and is not restarted any more.
    GaveUp,
    /// It exited with a code other than 0 and is not restarted.
    Failed,
}

impl Crash {
    /// In words.
    pub const fn label(self) -> &'static str {
        match self {
            Crash::OutOfMemory => "it ran out of memory",
            Crash::GaveUp => "the platform gave up restarting it",
            Crash::Failed => "it exited with an error and is not restarted",
        }
    }
}

/// Life of an instance, as reported by the platform and by its own `bye`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Life {
    /// Reason and arrival time of its current stop; `None` while it runs.
    pub stop: Option<(StopWhy, Mono)>,
    /// Crash since its last beat, and its time on the listened clock.
    pub crash: Option<(Crash, Listened)>,
    /// True if it said `bye` as a whole and sent no beat since.
    pub said_bye: bool,
    /// Listened clock: the first start after which something expected is still missing; zero if there is none.
    pub restarted: Listened,
    /// Listened clock: a later start, the first for what was heard since the one before; zero where there was none.
    pub again: Listened,
    /// The platform's last word of an update since its last start, or its last `bye` after that: a start of one that runs
    /// is later. `None` where there was none.
    pub updated: Option<Stamp>,
}

impl Life {
    /// True if it stopped on purpose, by the platform's word or its own.
    pub const fn has_left(&self) -> bool {
        self.stop.is_some() || self.said_bye
    }

    /// The start, on the listened clock, from which a target last heard at `seen` has `max_gap`; zero if there is none.
    /// Only the first start counts, so that an instance that restarts over and over is noticed.
    pub fn started_since(&self, seen: Listened) -> Listened {
        let mut starts = [self.restarted, self.again].into_iter();
        starts
            .find(|start| seen <= *start)
            .unwrap_or(Listened::ZERO)
    }

    /// Records a start at `at`, on the listened clock. `seen`: the last sign of life of each thing that goes on.
    pub fn started(&mut self, at: Listened, seen: &[Listened]) {
        self.forget_answered(seen);
        if self.restarted == Listened::ZERO {
            self.restarted = at;
        } else if self.again == Listened::ZERO || seen.iter().any(|seen| *seen > self.again) {
            self.again = at;
        }
    }

    /// Forgets the starts after which everything was heard. `seen`: as for [`Self::started`].
    pub fn forget_answered(&mut self, seen: &[Listened]) {
        let is_awaited = |(from, start): &(Listened, Listened)| {
            let waits = |seen: &Listened| seen <= start && (*from == Listened::ZERO || seen > from);
            *start != Listened::ZERO && seen.iter().any(waits)
        };
        let starts = [
            (Listened::ZERO, self.restarted),
            (self.restarted, self.again),
        ];
        let mut awaited = starts
            .into_iter()
            .filter(is_awaited)
            .map(|(_, start)| start);
        self.restarted = awaited.next().unwrap_or_default();
        self.again = awaited.next().unwrap_or_default();
    }
}
