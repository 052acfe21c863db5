//! An instance's life as the platform tells it.

use crate::core::time::{Listened, Mono};
use crate::core::tracker::{InstanceId, Tracker};

/// Why an instance is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopWhy {
    /// The proxy stopped it, since it idled.
    Autostop,
    /// The proxy suspended it, since it idled.
    Autosuspend,
    /// It ended by itself, and is not restarted.
    Done,
    /// The inventory lists it as not running.
    Listed,
    /// The inventory lists it no more.
    Gone,
    /// It goes on under the same id in another region.
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

    /// Whether it is known that the stop is over and done, so that a beat proves a new start; a line of the platform's only
    /// announces one.
    pub const fn is_listed(self) -> bool {
        matches!(self, StopWhy::Listed | StopWhy::Gone | StopWhy::Moved)
    }

    /// Whether this instance is never started again.
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

/// What is known to have gone wrong with an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// Its memory did not suffice.
    OutOfMemory,
    /// It was restarted too often, and is not any more.
    GaveUp,
    /// It ended with an exit code other than 0, and is not restarted.
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

/// An instance's life as the platform tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Life {
    /// Why and since when it is stopped.
    pub stop: Option<(StopWhy, Mono)>,
    /// What went wrong since its last beat, and when, on the listened clock.
    pub crash: Option<(Crash, Listened)>,
    /// Whether it said `bye` as a whole, and no beat came since.
    pub said_bye: bool,
    /// Listened clock: the first start after which some beat that is waited for was not heard yet; zero where there was none.
    pub restarted: Listened,
    /// Listened clock: the first start since its last beat of any name; zero where there was none.
    pub again: Listened,
}

impl Life {
    /// Whether it stopped on purpose: the platform said so, or it did.
    pub const fn has_left(&self) -> bool {
        self.stop.is_some() || self.said_bye
    }

    /// The start from which a target has `max_gap`, on the listened clock, where it was last heard at `seen`. Zero where
    /// none counts. Only the first start counts, so that one that starts over and over is missed.
    pub fn started_since(&self, seen: Listened) -> Listened {
        if seen <= self.restarted {
            self.restarted
        } else {
            self.again
        }
    }
}

impl Tracker {
    /// What the platform told of an instance's life that still holds.
    #[inline]
    pub(in crate::core) fn life(&self, id: InstanceId) -> Life {
        if self.instances[id.0 as usize].has_life {
            self.lives.get(&id.0).copied().unwrap_or_default()
        } else {
            Life::default()
        }
    }

    /// The platform told something else of an instance's life, or it holds no more.
    pub(in crate::core) fn set_life(&mut self, id: InstanceId, life: Life) {
        let has_life = life != Life::default();
        self.instances[id.0 as usize].has_life = has_life;
        if has_life {
            self.lives.insert(id.0, life);
        } else {
            self.lives.remove(&id.0);
        }
    }

    /// As [`Self::set_life`], from what was told before.
    pub(in crate::core) fn change_life<T>(
        &mut self,
        id: InstanceId,
        change: impl FnOnce(&mut Life) -> T,
    ) -> T {
        let mut life = self.life(id);
        let told = change(&mut life);
        self.set_life(id, life);
        told
    }
}
