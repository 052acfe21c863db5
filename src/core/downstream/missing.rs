//! The range that a sink lacks, and what outlives the process of it.

use crate::core::downstream::rule::Proof;
use crate::core::downstream::watch::Watch;
use crate::core::time::{Now, Wall};
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
    /// What shows it.
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

/// What is kept of a downstream for the next process.
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

impl Watch {
    /// What the next process has to know; `None`: nothing.
    pub(super) fn saved(&self, now: Now) -> Option<SavedDownstream> {
        let stalls_since = self.lacks_since.filter(|_| !self.has_resumed());
        let missing = match (stalls_since, self.pending()) {
            (Some(_), Some(pending)) if self.rule.find.proof == Proof::Canary => {
                let evidence = Evidence::Restart;
                Some(Missing {
                    evidence,
                    ..pending.widened(self.missing)
                })
            }
            _ => self.missing,
        };
        let saved = SavedDownstream {
            name: self.rule.name.as_str().into(),
            missing,
            reported: self.reported,
            stalls_since: stalls_since.map(|at| now.wall_of(at)),
        };
        let is_any = missing.is_some() || saved.reported.is_some() || stalls_since.is_some();
        is_any.then_some(saved)
    }

    /// Continues what a previous process knew.
    pub(super) fn restored(&mut self, saved: &SavedDownstream, now: Now) {
        self.missing = match (self.missing, saved.missing) {
            (Some(here), saved) => Some(here.widened(saved)),
            (None, saved) => saved,
        };
        self.reported = self.reported.or(saved.reported);
        if let (Some(since), None) = (saved.stalls_since, self.lacks_since) {
            self.lacks_since = Some(now.mono - now.wall.since(since));
            self.continues = true;
        }
    }

    /// A stall of a previous process ended with this entry, which arrived: what lies between was not watched.
    pub(super) fn stall_ends(&mut self, until: Wall) {
        if std::mem::take(&mut self.continues)
            && let Some(missing) = &mut self.missing
        {
            missing.until = missing.until.max(until);
        }
    }

    /// The archive deleted this range before it was forwarded; `None`: it did not since the last answer.
    pub fn deleted(&mut self, range: Option<(Wall, Wall)>) {
        if let Some((from, until)) = range {
            self.deletes = Some(false);
            let deleted = Missing {
                from,
                until,
                marks: 0,
                evidence: Evidence::Deleted,
            };
            self.missing = Some(deleted.widened(self.missing));
        }
    }

    /// This range was shipped again.
    pub(super) fn refilled(&mut self, from: Wall, until: Wall) {
        let is_within = |missing: &Missing| {
            let (begin, end) = missing.range();
            from <= begin && end <= until
        };
        for missing in [&mut self.missing, &mut self.reported] {
            *missing = missing.filter(|missing| !is_within(missing));
        }
    }
}
