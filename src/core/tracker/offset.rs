//! Old news: a beat that arrives later than its instance's beats usually do was said that much earlier.
//!
//! Clocks differ, so that a beat is held against its own instance: the usual offset between entry time and arrival is
//! the least one seen, and creeps after small changes. One beat that is later than that is old news. The next one
//! that is as late, and did not come in the same burst, shows that the clock or the road has changed, and its offset
//! becomes the usual one. A beat never counts as older than the one before it, so that a clock that is set back costs
//! one interval at the most.

use std::time::Duration;

/// Differences below this are the road's, and no news is old for them.
const JITTER_MS: i64 = 5_000;
/// Two beats that are late alike differ by less than this.
const ALIKE_MS: i64 = 2_000;
/// Beats that arrive closer together came in one burst.
const BURST: Duration = Duration::from_secs(1);
/// A small change is taken over by this part of it with each beat.
const CREEP: i64 = 8;

/// The usual offset of one beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offset {
    /// Arrival less entry time, in milliseconds; `i32::MIN` where none is known.
    usual_ms: i32,
    /// How much later than usual the last beat was, in milliseconds.
    late_ms: i32,
}

impl Default for Offset {
    fn default() -> Self {
        Offset {
            usual_ms: i32::MIN,
            late_ms: 0,
        }
    }
}

impl Offset {
    /// For a store: the usual offset in milliseconds; `None` where none is known.
    pub fn saved(&self) -> Option<i32> {
        (self.usual_ms != i32::MIN).then_some(self.usual_ms)
    }

    /// As [`Self::saved`] gave it.
    pub fn restored(usual_ms: Option<i32>) -> Self {
        Offset {
            usual_ms: usual_ms.unwrap_or(i32::MIN),
            late_ms: 0,
        }
    }

    /// How much later than usual a beat is, whose arrival lies `offset_ms` after its entry time and `interval` after
    /// the arrival of the beat before it.
    pub fn late(&mut self, offset_ms: i64, interval: Duration) -> Duration {
        let known = self.usual_ms != i32::MIN;
        let late = offset_ms - i64::from(self.usual_ms);
        let before = i64::from(std::mem::take(&mut self.late_ms));
        if !known || late <= 0 {
            self.usual_ms = small(offset_ms);
            return Duration::ZERO;
        }
        if late < JITTER_MS {
            self.usual_ms = small(i64::from(self.usual_ms) + late / CREEP);
            return Duration::ZERO;
        }
        if before > 0 && (late - before).abs() < ALIKE_MS && interval >= BURST {
            self.usual_ms = small(offset_ms);
            return Duration::ZERO;
        }
        self.late_ms = small(late);
        Duration::from_millis(late.unsigned_abs())
    }
}

/// Offsets of more than 24 days are all alike.
fn small(ms: i64) -> i32 {
    ms.clamp(i64::from(i32::MIN) + 1, i64::from(i32::MAX)) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: Duration = Duration::from_secs(10);

    #[test]
    fn a_wrong_clock_is_usual_and_old_news_is_not() {
        let hour = 3_600_000;
        let mut offset = Offset::default();
        for _ in 0..5 {
            assert_eq!(offset.late(hour, TEN), Duration::ZERO);
        }
        assert_eq!(offset.late(hour + 60_000, TEN), Duration::from_secs(60));
        assert_eq!(
            offset.late(hour + 50_000, Duration::ZERO),
            Duration::from_secs(50),
            "the same burst"
        );
        assert_eq!(offset.late(hour, Duration::ZERO), Duration::ZERO);
    }

    #[test]
    fn a_clock_that_was_set_back_costs_one_beat_and_a_burst_teaches_nothing() {
        let mut offset = Offset::default();
        offset.late(100, TEN);
        assert_eq!(offset.late(600_100, TEN), Duration::from_secs(600));
        assert_eq!(
            offset.late(600_100, Duration::from_millis(3)),
            Duration::from_secs(600),
            "a burst"
        );
        assert_eq!(
            offset.late(600_200, TEN),
            Duration::ZERO,
            "the clock is like that now"
        );
        assert_eq!(offset.late(600_100, TEN), Duration::ZERO);
        assert_eq!(offset.late(50, TEN), Duration::ZERO, "set right again");
        assert_eq!(size_of::<Offset>(), 8);
    }
}
