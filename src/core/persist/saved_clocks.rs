//! Conversion of saved times to those of this process.

use crate::core::persist::SavedStamp;
use crate::core::time::{Listened, Mono, Now, Stamp, Wall};

/// Conversion of saved times to those of this process.
pub(super) struct Clocks {
    /// The present.
    pub(super) now: Now,
    /// The saved reading of the listened clock at the moment of saving.
    pub(super) then: Listened,
    /// The reading here for that moment.
    pub(super) here: Listened,
}

impl Clocks {
    /// Arrival clock of this process at a saved time.
    pub(super) fn mono(&self, at: Wall) -> Mono {
        self.now.mono - self.now.wall.since(at)
    }

    /// The listened clock of this process for a saved reading.
    pub(super) fn listened(&self, at: Listened) -> Listened {
        self.here + at.since(self.then) - self.then.since(at)
    }

    /// Both clocks.
    pub(super) fn stamp(&self, saved: SavedStamp) -> Stamp {
        Stamp {
            at: self.mono(saved.at),
            listened: self.listened(saved.listened),
        }
    }
}
