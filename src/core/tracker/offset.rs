//! Old news: beats that arrive in the catch-up after a pause of reception, and were sent before its end.
//!
//! A beat counts from its arrival. Clocks differ, so lateness is measured against the instance itself: its usual offset
//! is that of its last beat outside a catch-up.

use crate::core::time::Mono;
use std::time::Duration;

/// Beats that are less late than this, compared with the usual offset, are not old news.
const LATE_MS: i64 = 5_000;

/// The usual offset between the entry time and the arrival of one beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offset {
    /// Arrival minus entry time, in milliseconds; `i32::MIN` if unknown.
    usual_ms: i32,
}

impl Default for Offset {
    fn default() -> Self {
        Offset { usual_ms: i32::MIN }
    }
}

impl Offset {
    /// The usual offset in milliseconds, for the store; `None` if unknown.
    pub fn saved(self) -> Option<i32> {
        (self.usual_ms != i32::MIN).then_some(self.usual_ms)
    }

    /// Restores an offset that [`Self::saved`] gave.
    pub fn restored(usual_ms: Option<i32>) -> Self {
        Offset {
            usual_ms: usual_ms.unwrap_or(i32::MIN),
        }
    }

    /// Learns the offset of a beat outside a catch-up.
    #[inline]
    pub fn learn(&mut self, offset_ms: i64) {
        self.usual_ms = small(offset_ms);
    }

    /// Time at which a beat was sent that arrived in a catch-up at `arrival` with this offset; `None` if it is not old
    /// news. `before`: the time from which its predecessor counts; `others_ms`: the lag of others. A clock that does not advance proves nothing.
    pub fn said_at(
        self,
        offset_ms: i64,
        others_ms: i64,
        arrival: Mono,
        before: Mono,
    ) -> Option<Mono> {
        let late_ms = offset_ms - i64::from(self.saved()?);
        if late_ms - others_ms <= LATE_MS {
            return None;
        }
        let said = |late_ms: i64| arrival - Duration::from_millis(late_ms.unsigned_abs());
        (said(late_ms) > before).then(|| said(late_ms - others_ms))
    }
}

/// Offsets of more than 24 days are clamped.
fn small(ms: i64) -> i32 {
    ms.clamp(i64::from(i32::MIN) + 1, i64::from(i32::MAX)) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Mono {
        Mono::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn a_wrong_clock_is_usual_and_a_backlog_is_old_news() {
        let hour = 3_600_000;
        let mut offset = Offset::default();
        assert_eq!(
            offset.said_at(hour, 0, at(500), at(10)),
            None,
            "nothing is known"
        );
        offset.learn(hour);
        assert_eq!(
            offset.said_at(hour + 60_000, 0, at(500), at(10)),
            Some(at(440))
        );
        assert_eq!(offset.said_at(hour + 5_000, 0, at(500), at(10)), None);
        assert_eq!(
            offset.said_at(0, 0, at(500), at(10)),
            None,
            "earlier than usual"
        );
        assert_eq!(size_of::<Offset>(), 4);
    }

    #[test]
    fn a_clock_that_stands_still_or_goes_back_tells_nothing() {
        let mut offset = Offset::default();
        offset.learn(100);
        // Heard at 100 s; the beat at 130 s has the same entry time, or an earlier one.
        assert_eq!(offset.said_at(30_100, 0, at(130), at(100)), None);
        assert_eq!(offset.said_at(600_100, 0, at(130), at(100)), None);
    }

    #[test]
    fn what_is_as_late_as_others_is_no_old_news_and_a_frozen_clock_stays_frozen() {
        let mut offset = Offset::default();
        offset.learn(100);
        let late = |others: i64| offset.said_at(130_100, others, at(500), at(10));
        assert_eq!(late(0), Some(at(370)));
        assert_eq!(late(100_000), Some(at(470)));
        assert_eq!(late(125_000), None);
        // Heard at 370 s for the last time, with the same entry time.
        assert_eq!(offset.said_at(130_100, 60_000, at(500), at(370)), None);
    }
}
