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
}

impl StopWhy {
    /// Every one.
    pub const ALL: [StopWhy; 5] = [
        StopWhy::Autostop,
        StopWhy::Autosuspend,
        StopWhy::Done,
        StopWhy::Listed,
        StopWhy::Gone,
    ];

    /// Whether the inventory says so, and not a line of the platform's.
    pub const fn is_listed(self) -> bool {
        matches!(self, StopWhy::Listed | StopWhy::Gone)
    }

    /// In words, with the source.
    pub const fn label(self) -> &'static str {
        match self {
            StopWhy::Autostop => "autostop by proxy",
            StopWhy::Autosuspend => "autosuspend by proxy",
            StopWhy::Done => "exited, says runner",
            StopWhy::Listed => "not running, says the inventory",
            StopWhy::Gone => "no longer deployed, says the inventory",
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
}

impl Crash {
    /// In words.
    pub const fn label(self) -> &'static str {
        match self {
            Crash::OutOfMemory => "it ran out of memory",
            Crash::GaveUp => "the platform gave up restarting it",
        }
    }
}

/// An instance's life as the platform tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Life {
    /// Why and since when it is stopped.
    pub stop: Option<(StopWhy, Mono)>,
    /// What went wrong since its last beat.
    pub crash: Option<Crash>,
    /// Whether its plain beat said `bye`, and none came since.
    pub said_bye: bool,
    /// What the listened clock showed when it was first started since its last beat; zero where it was not.
    pub restarted: Listened,
}

impl Life {
    /// Whether it stopped on purpose: the platform said so, or it did.
    pub const fn has_left(&self) -> bool {
        self.stop.is_some() || self.said_bye
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
