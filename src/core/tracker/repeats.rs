//! Recognition of a `bye` that arrives twice.

use crate::core::entry::BeatLine;
use crate::core::time::{Mono, Wall};
use crate::core::tracker::slots::InstanceId;
use std::collections::BTreeMap;
use std::time::Duration;

/// A duplicate of an entry arrives within this time.
const REPEATED_WITHIN: Duration = Duration::from_secs(3600);
/// Number remembered: a release of as many machines at once. Old ones are dropped.
const MOST: usize = 20_000;

/// The latest `bye` of each beat that said one lately, by instance and `name=`.
#[derive(Debug, Default)]
pub(super) struct Byes(BTreeMap<(u32, Box<str>), Bye>);

/// One `bye`.
#[derive(Clone, Copy, Debug)]
struct Bye {
    /// Arrival clock.
    at: Mono,
    seq: Option<u64>,
    entry_time: Option<Wall>,
}

impl Byes {
    /// Removes those of a forgotten instance.
    pub(super) fn forget(&mut self, id: InstanceId) {
        let key = |id: u32| (id, Box::<str>::default());
        let of_one = self.0.range(key(id.0)..key(id.0.saturating_add(1)));
        let of_one: Vec<_> = of_one.map(|(key, _)| key.clone()).collect();
        for key in of_one {
            self.0.remove(&key);
        }
    }

    /// Records a `bye`.
    pub(super) fn remember(&mut self, id: InstanceId, line: &BeatLine<'_>, at: Mono) {
        if self.0.len() >= MOST {
            self.0.retain(|_, old| at.since(old.at) < REPEATED_WITHIN);
            if self.0.len() >= MOST {
                self.0.pop_first();
            }
        }
        let bye = Bye {
            at,
            seq: line.seq,
            entry_time: line.entry_time,
        };
        self.0.insert((id.0, line.name.into()), bye);
    }

    /// True if this `bye` is a duplicate of the latest one. With a counter, that is one which does not follow `last`, the
    /// counter of the beat before it; without, one with the same entry time.
    pub(super) fn is_repeated(
        &self,
        id: InstanceId,
        line: &BeatLine<'_>,
        last: Option<u64>,
        now: Mono,
    ) -> bool {
        let Some(before) = self.0.get(&(id.0, Box::from(line.name))) else {
            return false;
        };
        if now.since(before.at) > REPEATED_WITHIN || line.seq != before.seq {
            return false;
        }
        match line.seq {
            Some(seq) => last.and_then(|last| last.checked_add(1)) != Some(seq),
            None => line.entry_time.is_some() && line.entry_time == before.entry_time,
        }
    }
}
