//! NewRhythms: long intervals that may turn out to be the new rhythm of a target.

use crate::core::targets::table::Watched;
use crate::core::time::nanos;
use crate::core::tracker::usual::Usual;
use std::collections::BTreeMap;
use std::time::Duration;

/// Number of long intervals remembered until the next one shows whether they are a rhythm; the lowest numbers are
/// dropped.
const MAX_INTERVALS: usize = 100_000;

/// Intervals that were longer than allowed, in milliseconds, until the next one shows whether they are a rhythm.
#[derive(Debug, Default)]
pub struct NewRhythms(BTreeMap<Watched, u32>);

impl NewRhythms {
    /// True if none is remembered.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// For a store: the long interval of what is watched, in milliseconds; 0 if none is remembered.
    pub fn saved(&self, watched: Watched) -> u32 {
        self.0.get(&watched).copied().unwrap_or_default()
    }

    /// Restores an interval that [`Self::saved`] gave.
    pub fn restored(&mut self, watched: Watched, long_ms: u32) {
        if long_ms > 0 && self.0.len() < MAX_INTERVALS {
            self.0.insert(watched, long_ms);
        }
    }

    /// Removes something that is not watched any more.
    pub fn forget(&mut self, watched: Watched) {
        self.0.remove(&watched);
    }

    /// Learns an interval; true if it is a new rhythm. `anew`: the machine started within it; `follows`: the limit
    /// follows what is learned.
    pub(in crate::core) fn learn(
        &mut self,
        usual: &mut Usual,
        watched: Watched,
        interval: Duration,
        limit: Duration,
        anew: bool,
        follows: bool,
    ) -> bool {
        let before = if self.0.is_empty() {
            None
        } else {
            self.0.remove(&watched)
        };
        if interval <= limit {
            usual.learn(interval);
            return false;
        }
        if anew || !follows {
            return false;
        }
        let ms = u32::try_from(nanos(interval) / 1_000_000).unwrap_or(u32::MAX);
        let alike = |before: &u32| {
            let (short, long) = (ms.min(*before), ms.max(*before));
            u64::from(long) * 2 <= u64::from(short) * 3
        };
        if let Some(before) = before.filter(alike) {
            *usual = Usual::learned(interval.max(Duration::from_millis(u64::from(before))));
            return true;
        }
        if self.0.len() >= MAX_INTERVALS {
            self.0.pop_first();
        }
        self.0.insert(watched, ms);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::tracker::BeatId;
    use proptest::prelude::*;

    const LIMIT: Duration = Duration::from_secs(30);

    fn watched(number: usize) -> Watched {
        Watched::Beat(BeatId(number as u32))
    }

    proptest! {
        #[test]
        fn two_long_intervals_are_a_rhythm_where_the_longer_is_at_most_half_as_long_again(
            first in 30_001_u32..=400_000,
            second in 30_001_u32..=400_000,
        ) {
            let mut rhythms = NewRhythms::default();
            let mut usual = Usual::default();
            let mut learn = |ms: u32| {
                let interval = Duration::from_millis(u64::from(ms));
                rhythms.learn(&mut usual, watched(0), interval, LIMIT, false, true)
            };
            prop_assert!(!learn(first));
            let (short, long) = (first.min(second), first.max(second));
            let is_rhythm = f64::from(long) / f64::from(short) <= 1.5;
            prop_assert_eq!(learn(second), is_rhythm);
            let longest = usual.longest();
            let known = is_rhythm.then(|| Usual::learned(Duration::from_millis(u64::from(long))));
            prop_assert_eq!(longest, known.and_then(Usual::longest));
            let waiting = if is_rhythm { 0 } else { second };
            prop_assert_eq!(rhythms.saved(watched(0)), waiting);
        }
    }

    #[test]
    fn no_more_than_a_hundred_thousand_long_intervals_are_remembered() {
        let mut rhythms = NewRhythms::default();
        for number in 0..MAX_INTERVALS + 3 {
            rhythms.restored(watched(number), 40_000);
        }
        let known = |rhythms: &NewRhythms, number: usize| rhythms.saved(watched(number)) > 0;
        assert!(known(&rhythms, MAX_INTERVALS - 1) && !known(&rhythms, MAX_INTERVALS));
        let mut usual = Usual::default();
        let long = LIMIT * 2;
        rhythms.learn(&mut usual, watched(MAX_INTERVALS), long, LIMIT, false, true);
        assert!(known(&rhythms, MAX_INTERVALS), "a new one takes the place");
        assert!(!known(&rhythms, 0) && known(&rhythms, 1), "of the lowest");
    }
}
