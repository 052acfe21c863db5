//! The missing range of a downstream across restarts of lastbeat, deletions of the archive, and refills.

use crate::core::downstream::missing::{Evidence, Missing, SavedDownstream};
use crate::core::downstream::rule::Proof;
use crate::core::downstream::watch::Watch;
use crate::core::time::{Mono, Now, Wall};

impl Watch {
    /// The knowledge that the next process needs; `None`: none.
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

    /// Continues what a previous process knew. `stalls_since`: its time by the arrival clock.
    pub(super) fn restored(&mut self, saved: &SavedDownstream, stalls_since: Option<Mono>) {
        self.missing = match (self.missing, saved.missing) {
            (Some(here), saved) => Some(here.widened(saved)),
            (None, saved) => saved,
        };
        self.reported = self.reported.or(saved.reported);
        if let (Some(since), None) = (stalls_since, self.lacks_since) {
            self.lacks_since = Some(since);
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
