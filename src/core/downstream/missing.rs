//! The range that a sink lacks, and what outlives the process of it.

use crate::core::time::Wall;
use std::sync::Arc;
use std::time::Duration;

/// The evidence for a missing range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Evidence {
    /// Canaries did not arrive, and later ones did.
    #[default]
    Canaries,
    /// lastbeat was restarted while the downstream stalled. Canaries of before are not asked for again: they may have
    /// arrived.
    Restart,
    /// The archive deleted entries that `[[forward]]` had not shipped: no refill has them.
    Deleted,
}

/// The range that the sink lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Wall clock: the last entry before it that is known to have arrived, or the first that did not.
    pub from: Wall,
    /// Wall clock: the first entry after it that arrived, or the last that did not.
    pub until: Wall,
    /// Number of canaries that are missing; the entries between them are not counted.
    pub marks: u64,
    /// The evidence for it.
    pub evidence: Evidence,
}

impl Missing {
    /// Wall clock: the range that refills it, in whole seconds. It is a second longer at both ends, since the sink has a clock
    /// of its own.
    pub fn range(&self) -> (Wall, Wall) {
        const MARGIN: Duration = Duration::from_secs(1);
        let whole = |at: Wall| Wall::from_nanos(at.nanos() / 1_000_000_000 * 1_000_000_000);
        (whole(self.from - MARGIN), whole(self.until + MARGIN))
    }

    /// True if a refill of the range has something to ship.
    pub fn is_refillable(&self) -> bool {
        self.evidence != Evidence::Deleted
    }

    /// Both ranges as one.
    pub(super) fn widened(self, known: Option<Missing>) -> Missing {
        let Some(known) = known else {
            return self;
        };
        Missing {
            from: known.from.min(self.from),
            until: known.until.max(self.until),
            marks: known.marks + self.marks,
            evidence: match known.evidence {
                Evidence::Canaries => self.evidence,
                evidence => evidence,
            },
        }
    }
}

/// State of a downstream for the next process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedDownstream {
    /// Its name.
    pub name: Arc<str>,
    /// The range that is missing and was not reported.
    pub missing: Option<Missing>,
    /// The last range that was reported.
    pub reported: Option<Missing>,
    /// Wall clock: the first entry that a stall lacks; `None` unless it stalls.
    pub stalls_since: Option<Wall>,
}
