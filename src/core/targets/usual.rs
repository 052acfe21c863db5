//! What intervals a target usually keeps, learned from its own beats in ten bytes.

use crate::core::time::nanos;
use std::time::Duration;

/// Intervals in one window; the longest of the last one and of the one that fills is what is usual.
const WINDOW: u8 = 16;
/// Fewer intervals than this say nothing.
const ENOUGH: u8 = 4;

/// The longest of the last 16 to 32 intervals. An interval that was a failure is never handed in, so that an
/// outage does not teach patience.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(Rust, packed(2))]
pub struct Usual {
    before_ms: u32,
    current_ms: u32,
    count: u8,
    full: bool,
}

impl Usual {
    /// Takes in an interval of ordinary life.
    #[inline]
    pub fn learn(&mut self, interval: Duration) {
        let ms = u32::try_from(nanos(interval) / 1_000_000).unwrap_or(u32::MAX);
        self.current_ms = self.current_ms.max(ms);
        self.count += 1;
        if self.count == WINDOW {
            *self = Usual {
                before_ms: self.current_ms,
                current_ms: 0,
                count: 0,
                full: true,
            };
        }
    }

    /// For a store: the longest of the usual intervals in milliseconds, 0 where none is known.
    pub fn saved(&self) -> u32 {
        let longest = self.longest().map(|span| span.as_millis() as u32);
        longest.unwrap_or_default()
    }

    /// As [`Self::saved`] gave it.
    pub fn restored(longest_ms: u32) -> Self {
        Usual {
            before_ms: longest_ms,
            full: longest_ms > 0,
            ..Usual::default()
        }
    }

    /// The longest of the usual intervals; `None` until enough are known.
    pub fn longest(&self) -> Option<Duration> {
        let enough = self.full || self.count >= ENOUGH;
        enough.then(|| Duration::from_millis(u64::from(self.before_ms.max(self.current_ms))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_of_the_last_windows_is_usual_and_old_ones_are_forgotten() {
        let mut usual = Usual::default();
        let seconds = Duration::from_secs;
        (0..3).for_each(|_| usual.learn(seconds(10)));
        assert_eq!(usual.longest(), None, "three intervals say nothing");
        usual.learn(seconds(30));
        assert_eq!(usual.longest(), Some(seconds(30)));
        (0..27).for_each(|_| usual.learn(seconds(10)));
        assert_eq!(usual.longest(), Some(seconds(30)), "31 intervals");
        usual.learn(seconds(10));
        assert_eq!(
            usual.longest(),
            Some(seconds(10)),
            "32 intervals later it is forgotten"
        );
        assert_eq!(size_of::<Usual>(), 10);
    }
}
