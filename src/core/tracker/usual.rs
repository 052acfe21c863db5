//! The usual interval between two signs of life, learned from the last ones, in four bytes.

use crate::core::time::nanos;
use std::time::Duration;

/// Number of intervals in one window; the longest of the last window and the current one is the usual interval.
const WINDOW: u32 = 16;
/// Fewer intervals than this prove nothing.
pub const ENOUGH: u32 = 2;
/// Bits of a length: five of exponent, seven of mantissa, so that it is at most a hundredth too long.
const LENGTH_BITS: u32 = 12;
const FRACTION_BITS: u32 = 7;

/// The longest of the last 16 to 32 intervals. Intervals that were failures are not recorded, so an outage does not
/// teach a longer interval.
///
/// From the lowest bit: the longest of the current window, the longest of the last one, the number of intervals in the
/// current window, and a bit for the existence of a last one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usual(u32);

impl Usual {
    /// Learns an interval of normal operation.
    #[inline]
    pub fn learn(&mut self, interval: Duration) {
        let ms = u32::try_from(nanos(interval) / 1_000_000).unwrap_or(u32::MAX);
        let longest = self.current().max(short(ms));
        let count = self.count() + 1;
        *self = if count == WINDOW {
            Usual::of(0, longest, 0, true)
        } else {
            Usual::of(longest, self.before(), count, self.is_full())
        };
    }

    /// Forgets all but this interval, which becomes the usual one.
    pub fn learned(interval: Duration) -> Self {
        let ms = u32::try_from(interval.as_millis()).unwrap_or(u32::MAX);
        Usual::restored(ms, false)
    }

    /// The longest usual interval in milliseconds; 0 if none is known.
    pub fn longest_ms(self) -> u32 {
        let longest = self.longest().map(|span| span.as_millis() as u32);
        longest.unwrap_or_default()
    }

    /// For a store: the longest interval in milliseconds, 0 where none is known, and true if only one is known, which is
    /// not enough.
    pub fn saved(self) -> (u32, bool) {
        match self.longest_ms() {
            0 => (long(self.current()), self.current() > 0),
            longest => (longest, false),
        }
    }

    /// As [`Self::saved`] gave it.
    pub fn restored(longest_ms: u32, is_partial: bool) -> Self {
        let longest = short(longest_ms);
        if is_partial {
            Usual::of(longest, 0, 1, false)
        } else {
            Usual::of(0, longest, 0, longest_ms > 0)
        }
    }

    /// The longest usual interval; `None` until enough are known.
    pub fn longest(self) -> Option<Duration> {
        let enough = self.is_full() || self.count() >= ENOUGH;
        enough.then(|| self.longest_so_far())
    }

    /// The longest interval so far, be it the only one.
    pub fn longest_so_far(self) -> Duration {
        Duration::from_millis(u64::from(long(self.before().max(self.current()))))
    }

    const fn of(current: u32, before: u32, count: u32, full: bool) -> Self {
        let counted = count << (2 * LENGTH_BITS) | (full as u32) << 31;
        Usual(current | before << LENGTH_BITS | counted)
    }

    const fn current(self) -> u32 {
        self.0 & ((1 << LENGTH_BITS) - 1)
    }

    const fn before(self) -> u32 {
        self.0 >> LENGTH_BITS & ((1 << LENGTH_BITS) - 1)
    }

    const fn count(self) -> u32 {
        self.0 >> (2 * LENGTH_BITS) & 0x7f
    }

    const fn is_full(self) -> bool {
        self.0 >> 31 == 1
    }
}

/// The smallest short form that stands for at least this many milliseconds.
const fn short(ms: u32) -> u32 {
    if ms < 1 << FRACTION_BITS {
        return ms;
    }
    let magnitude = 31 - ms.leading_zeros() - FRACTION_BITS;
    let rounded = ms.saturating_add((1 << magnitude) - 1);
    let magnitude = 31 - rounded.leading_zeros() - FRACTION_BITS;
    (magnitude + 1) << FRACTION_BITS | (rounded >> magnitude) & ((1 << FRACTION_BITS) - 1)
}

/// The milliseconds of a short form.
const fn long(short: u32) -> u32 {
    let (magnitude, fraction) = (short >> FRACTION_BITS, short & ((1 << FRACTION_BITS) - 1));
    if magnitude == 0 {
        return fraction;
    }
    (1 << FRACTION_BITS | fraction) << (magnitude - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An interval that needs no rounding.
    fn seconds(seconds: u64) -> Duration {
        Duration::from_millis(u64::from(long(short(seconds as u32 * 1000))))
    }

    #[test]
    fn the_longest_of_the_last_windows_is_usual_and_old_ones_are_forgotten() {
        let mut usual = Usual::default();
        usual.learn(seconds(10));
        assert_eq!(usual.longest(), None, "one interval says nothing");
        usual.learn(seconds(30));
        assert_eq!(usual.longest(), Some(seconds(30)));
        (0..29).for_each(|_| usual.learn(seconds(10)));
        assert_eq!(usual.longest(), Some(seconds(30)), "31 intervals");
        usual.learn(seconds(10));
        assert_eq!(
            usual.longest(),
            Some(seconds(10)),
            "32 intervals later it is forgotten"
        );
        assert_eq!(size_of::<Usual>(), 4);
    }

    #[test]
    fn one_interval_is_kept_and_the_next_one_is_enough() {
        let restored = |usual: Usual| {
            let (longest_ms, is_partial) = usual.saved();
            Usual::restored(longest_ms, is_partial)
        };
        assert_eq!(restored(Usual::default()), Usual::default());
        let mut usual = Usual::default();
        usual.learn(seconds(30));
        usual = restored(usual);
        assert_eq!(usual.longest(), None);
        usual.learn(seconds(20));
        assert_eq!(usual.longest(), Some(seconds(30)));
        usual = restored(usual);
        assert_eq!(usual.longest(), Some(seconds(30)));
    }

    proptest! {
        #[test]
        fn a_length_is_never_too_short_and_at_most_a_hundredth_too_long(ms in 0..=u32::MAX - (1 << 25)) {
            let kept = long(short(ms));
            prop_assert!(kept >= ms && kept - ms <= ms / 100, "{ms} {kept}");
            prop_assert!(short(ms) < 1 << LENGTH_BITS);
            prop_assert_eq!(short(kept), short(ms));
        }

        #[test]
        fn longer_lengths_have_larger_forms(a in 0..=u32::MAX, b in 0..=u32::MAX) {
            prop_assert_eq!(short(a.max(b)), short(a).max(short(b)));
        }
    }
}
