//! Flapping scopes.
//!
//! A scope that fires more than three times within ten `max_gap`, or more than twelve times in a day, flaps: one
//! incident reports that, and its further firings are not notified until it was steady for ten `max_gap` and for twice
//! the longest pause between its firings.

use crate::core::incident::key::Key;
use crate::core::time::Listened;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Number of firings within [`SPAN`] times `max_gap` that are no flapping.
const FIRINGS: usize = 3;
/// Window for counting firings, and time to be steady, in units of `max_gap`.
const SPAN: u32 = 10;
/// Number of firings in [`DAY`] that are no flapping.
const FIRINGS_A_DAY: usize = 12;
const DAY: Duration = Duration::from_secs(24 * 3600);
/// A silence within flapping that lasts this many `max_gap` is an incident of its own.
pub const DEAD_AFTER: u32 = 2;
/// Number of records examined for removal in one turn: removal is not urgent, and a whole region may have records.
const LOOKED_AT: usize = 500;

/// A target or scope that may flap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flapper {
    /// A target that fires without its scope.
    Target(u32),
    /// A whole scope.
    Scope(Key),
}

/// The firings of one target or scope.
#[derive(Debug, Default)]
struct Record {
    /// The latest firings, at most one more than [`FIRINGS_A_DAY`].
    fired: VecDeque<Listened>,
    last_change: Listened,
    max_gap: Duration,
    /// The longest pause between two of its firings.
    pause: Duration,
    /// The firing that is an incident of its own; `None` where none is.
    alone: Option<Listened>,
    /// The longest of those that ended.
    longest_alone: Duration,
}

impl Record {
    fn flaps(&self, now: Listened) -> bool {
        let within = |span: Duration| {
            let lately = |at: &&Listened| now.since(**at) <= span;
            self.fired.iter().filter(lately).count()
        };
        within(self.max_gap.saturating_mul(SPAN)) > FIRINGS || within(DAY) > FIRINGS_A_DAY
    }

    fn is_steady(&self, now: Listened) -> bool {
        let steady = self.max_gap.saturating_mul(SPAN).max(self.pause * 2);
        now.since(self.last_change) >= steady
    }

    /// True if none of its firings counts any more.
    fn is_over(&self, now: Listened) -> bool {
        let counts = self.max_gap.saturating_mul(SPAN).max(DAY);
        now.since(self.last_change) > counts
    }
}

/// The recent firings of all targets and scopes.
#[derive(Debug, Default)]
pub struct Flaps {
    records: BTreeMap<Flapper, Record>,
    /// The next one to examine for removal.
    next: Option<Flapper>,
}

impl Flaps {
    /// Records a firing at `at` on the listened clock; true if it flaps.
    pub fn fired(&mut self, who: Flapper, at: Listened, max_gap: Duration) -> bool {
        let record = self.records.entry(who).or_default();
        if let Some(&last) = record.fired.back() {
            if at.since(last) > DAY.max(max_gap.saturating_mul(SPAN)) {
                *record = Record::default();
            } else {
                record.pause = record.pause.max(at.since(last));
            }
        }
        record.last_change = record.last_change.max(at);
        record.max_gap = max_gap;
        record.fired.push_back(at);
        if record.fired.len() > FIRINGS_A_DAY + 1 {
            record.fired.pop_front();
        }
        record.flaps(at)
    }

    /// Records that a target recovered or stopped.
    pub fn changed(&mut self, target: u32, at: Listened) {
        self.touch(Flapper::Target(target), at);
    }

    /// Records that a part of a scope recovered.
    pub fn changed_scope(&mut self, key: Key, at: Listened) {
        self.touch(Flapper::Scope(key), at);
    }

    fn touch(&mut self, who: Flapper, at: Listened) {
        if let Some(record) = self.records.get_mut(&who) {
            record.last_change = record.last_change.max(at);
            if let Some(fired) = record.alone.take() {
                record.longest_alone = record.longest_alone.max(at.since(fired));
            }
        }
    }

    /// Records that the present firing of one that flaps is an incident of its own.
    pub fn left(&mut self, who: Flapper) {
        if let Some(record) = self.records.get_mut(&who) {
            record.alone = record.fired.back().copied();
        }
    }

    /// The silence of one that flaps from which on it is an incident of its own: twice its `max_gap`, and longer than any
    /// before that was one and ended.
    pub fn dead_after(&self, who: Flapper, max_gap: Duration) -> Duration {
        let record = self.records.get(&who);
        let longest = record.map_or(Duration::ZERO, |record| record.longest_alone);
        let own = max_gap.saturating_mul(DEAD_AFTER);
        own.max(max_gap + max_gap / 2 + longest)
    }

    /// Restores one that flapped in a previous run.
    pub fn resume(&mut self, who: Flapper, now: Listened, max_gap: Duration) {
        let record = self.records.entry(who).or_default();
        record.last_change = now;
        record.max_gap = max_gap;
    }

    /// True if it was steady for long enough; its record is removed then.
    pub fn take_steady(&mut self, who: Flapper, now: Listened) -> bool {
        let steady = self
            .records
            .get(&who)
            .is_none_or(|record| record.is_steady(now));
        if steady {
            self.records.remove(&who);
        }
        steady
    }

    /// Forgets a target.
    pub fn forget(&mut self, target: u32) {
        self.records.remove(&Flapper::Target(target));
    }

    /// Removes some of the records that do not count any more.
    pub fn sweep(&mut self, now: Listened) {
        let from = self.next.take();
        let mut over = Vec::new();
        let range = match from {
            Some(from) => self.records.range(from..),
            None => self.records.range(..),
        };
        for (looked_at, (&who, record)) in range.enumerate() {
            if looked_at == LOOKED_AT {
                self.next = Some(who);
                break;
            }
            if record.is_over(now) {
                over.push(who);
            }
        }
        for who in over {
            self.records.remove(&who);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(seconds: u64) -> Listened {
        Listened::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn the_fourth_within_ten_max_gap_flaps_and_so_does_the_thirteenth_of_a_day() {
        let first = |every: u64| {
            let mut flaps = Flaps::default();
            let target = Flapper::Target(1);
            (1..=20).find(|n| flaps.fired(target, at(n * every), MINUTE))
        };
        assert_eq!(first(180), Some(4));
        assert_eq!(first(310), Some(13));
        assert_eq!(first(7_000), Some(13));
        assert_eq!(first(7_300), None, "twelve a day");
    }

    #[test]
    fn a_silence_within_flapping_is_an_incident_of_its_own_once_it_is_longer_than_any_before() {
        let mut flaps = Flaps::default();
        let target = Flapper::Target(1);
        for n in 0..5 {
            flaps.fired(target, at(n * 100), MINUTE);
        }
        assert_eq!(flaps.dead_after(target, MINUTE), MINUTE * 2);
        flaps.left(target);
        flaps.changed(1, at(400 + 300));
        assert_eq!(flaps.dead_after(target, MINUTE), MINUTE * 6 + MINUTE / 2);
        flaps.fired(target, at(800), MINUTE);
        flaps.changed(1, at(820));
        assert_eq!(flaps.dead_after(target, MINUTE), MINUTE * 6 + MINUTE / 2);
        let other = Flapper::Scope(Key::Region(0));
        assert_eq!(flaps.dead_after(other, MINUTE), MINUTE * 2);
    }

    #[test]
    fn steady_is_ten_max_gap_and_twice_the_longest_pause() {
        let mut flaps = Flaps::default();
        let region = Flapper::Scope(Key::Region(0));
        for second in [0, 100, 2_000, 2_100] {
            flaps.fired(region, at(second), MINUTE);
        }
        assert!(!flaps.take_steady(region, at(2_100 + 3_799)));
        assert!(flaps.take_steady(region, at(2_100 + 3_800)));
    }

    const HOURS: Duration = Duration::from_secs(3 * 3600);

    /// Limits, and how long firings and silences of before count at them.
    const COUNTS: [(Duration, Duration); 2] =
        [(MINUTE, DAY), (HOURS, Duration::from_secs(30 * 3600))];

    #[test]
    fn a_pause_counts_unless_it_is_longer_than_firings_do() {
        for (max_gap, counts) in COUNTS {
            for (pause, steady) in [
                (counts, counts * 2),
                (counts + MINUTE, max_gap * 10),
                (counts * 3, max_gap * 10),
            ] {
                let mut flaps = Flaps::default();
                let target = Flapper::Target(1);
                flaps.fired(target, at(0), max_gap);
                flaps.fired(target, Listened::ZERO + pause, max_gap);
                let end = Listened::ZERO + pause + steady;
                let short = end - Duration::from_nanos(1);
                assert!(!flaps.take_steady(target, short), "{max_gap:?} {pause:?}");
                assert!(flaps.take_steady(target, end), "{max_gap:?} {pause:?}");
            }
        }
    }

    #[test]
    fn what_was_known_of_one_is_removed_once_none_of_its_firings_counts() {
        for (max_gap, counts) in COUNTS {
            for (late, known) in [
                (Duration::ZERO, true),
                (Duration::from_nanos(1), false),
                (counts, false),
            ] {
                let mut flaps = Flaps::default();
                let target = Flapper::Target(1);
                flaps.fired(target, at(0), max_gap);
                flaps.left(target);
                let long = max_gap * 9;
                flaps.changed(1, Listened::ZERO + long);
                flaps.sweep(Listened::ZERO + long + counts + late);
                let dead_after = flaps.dead_after(target, max_gap);
                let longer = dead_after > max_gap * DEAD_AFTER;
                assert_eq!(longer, known, "{max_gap:?} {late:?}");
            }
        }
    }

    #[test]
    fn a_scope_is_steady_from_its_last_change_on_and_one_of_an_earlier_run_from_its_return() {
        let region = Flapper::Scope(Key::Region(0));
        let mut changed = Flaps::default();
        changed.fired(region, at(0), MINUTE);
        changed.changed_scope(Key::Region(0), at(300));
        let mut resumed = Flaps::default();
        resumed.resume(region, at(300), MINUTE);
        for mut flaps in [changed, resumed] {
            assert!(!flaps.take_steady(region, at(899)));
            assert!(flaps.take_steady(region, at(900)));
        }
    }

    #[test]
    fn of_a_forgotten_target_no_firing_counts() {
        let flaps_at_last = |forgotten: Option<u32>| {
            let mut flaps = Flaps::default();
            let target = Flapper::Target(1);
            for n in 0..3 {
                flaps.fired(target, at(n * 10), MINUTE);
            }
            if let Some(forgotten) = forgotten {
                flaps.forget(forgotten);
            }
            flaps.fired(target, at(30), MINUTE)
        };
        assert!(flaps_at_last(None) && flaps_at_last(Some(2)));
        assert!(!flaps_at_last(Some(1)));
    }
}
