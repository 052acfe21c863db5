//! Pauses of the stream: the usual intervals between arrivals, and those that are a sign of trouble.

use crate::core::listening::blind::Blind;
use crate::core::time::Mono;
use std::time::Duration;

/// No interval below this is a pause.
const SHORTEST: Duration = Duration::from_secs(3);
/// A pause is longer than this many times the longest usual interval.
const FACTOR: u32 = 3;
/// Number of pauses in a row that are usual though live targets were due in them.
const ROW: u8 = 5;
/// A pause in which no target was due is unusual if it is longer than this many times the longest usual interval and
/// does not follow another pause: the source of the frequent entries may be gone.
const VERY_LONG: u32 = 10;
/// The longest interval that is considered usual before any other is known: the stream's own limit before it learns.
const FIRST: Duration = Duration::from_secs(60);
/// Usual intervals are forgotten after one to two of these windows.
const WINDOW: Duration = Duration::from_secs(600);

/// The longest usual interval of the last ten to twenty minutes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pauses {
    usual: Longest,
    row: PauseRow,
}

/// Pauses that follow one another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PauseRow {
    /// Number of pauses.
    pub count: u8,
    /// Arrival clock: the end of the last.
    pub end: Mono,
}

impl Pauses {
    /// True if a pause of this length is unusual.
    #[inline]
    pub fn is_long(&self, length: Duration) -> bool {
        length > SHORTEST && length > self.limit()
    }

    /// Records that nothing arrived from `from` to `to`; true if that is an unusual pause. `taint`: the reason why
    /// lastbeat could not have received anything, if any; `missed`: live targets were due.
    #[inline]
    pub fn observe(&mut self, from: Mono, to: Mono, taint: Option<Blind>, missed: bool) -> bool {
        let length = to.since(from);
        if taint.is_none() && !self.is_long(length) {
            self.usual.learn(length, to, WINDOW);
            return false;
        }
        self.observe_pause(from, to, taint, missed)
    }

    #[cold]
    fn observe_pause(&mut self, from: Mono, to: Mono, taint: Option<Blind>, missed: bool) -> bool {
        // A known fault of the connection says nothing about the stream.
        if !matches!(taint, None | Some(Blind::Stalled)) {
            return true;
        }
        let length = to.since(from);
        if taint.is_none() && self.usual.longest().is_none() && length <= FIRST {
            self.usual.learn(length, to, WINDOW);
            return false;
        }
        // Pauses follow one another only if more time passes in them than between them.
        let follows = from.since(self.row.end) <= length;
        let count = if follows {
            self.row.count.saturating_add(1)
        } else {
            1
        };
        self.row = PauseRow { count, end: to };
        let usual = self.usual.longest().unwrap_or_default();
        let unusual = if missed || taint.is_some() {
            count < ROW
        } else {
            count == 1 && length > usual.saturating_mul(VERY_LONG)
        };
        if !unusual {
            self.usual.learn(length, to, WINDOW);
        }
        unusual
    }

    /// For a store: what is usual, and the pauses in a row.
    pub fn saved(&self) -> (Longest, PauseRow) {
        (self.usual, self.row)
    }

    /// As [`Self::saved`] gave it.
    pub fn restored(usual: Longest, row: PauseRow) -> Self {
        Pauses { usual, row }
    }

    fn limit(&self) -> Duration {
        let usual = self.usual.longest().unwrap_or_default();
        usual.saturating_mul(FACTOR)
    }
}

/// The longest of the lengths learned within the last one to two windows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Longest {
    /// The longest of the window before.
    pub before: Duration,
    /// The longest of the window that runs.
    pub current: Duration,
    /// Arrival clock: when the window that runs began.
    pub began: Mono,
}

impl Longest {
    /// Learns a length at `now`.
    #[inline]
    pub fn learn(&mut self, length: Duration, now: Mono, window: Duration) {
        if now.since(self.began) >= window {
            let stale = now.since(self.began) >= window * 2;
            self.before = if stale { Duration::ZERO } else { self.current };
            self.current = Duration::ZERO;
            self.began = now;
        }
        self.current = self.current.max(length);
    }

    /// The longest; `None` if none is known.
    #[inline]
    pub fn longest(&self) -> Option<Duration> {
        let longest = self.before.max(self.current);
        (!longest.is_zero()).then_some(longest)
    }
}

/// Usual silences of the whole stream, learned over a day: two long ones of about the same length that ended by
/// themselves.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silences {
    usual: Longest,
    /// A long silence that is not usual yet.
    candidate: Option<Duration>,
}

/// Silences shorter than this do not extend the default limit.
const LONG: Duration = Duration::from_secs(20);
/// Usual silences are forgotten after one to two of these windows.
const DAY: Duration = Duration::from_secs(24 * 3600);

impl Silences {
    /// Records that nothing arrived from `from` to `to`; `taint`: the reason why lastbeat could not have received
    /// anything, if any.
    #[inline]
    pub fn observe(&mut self, from: Mono, to: Mono, taint: Option<Blind>) {
        let length = to.since(from);
        if length > LONG && matches!(taint, None | Some(Blind::Stalled)) {
            self.observe_long(length, to);
        }
    }

    #[cold]
    fn observe_long(&mut self, length: Duration, now: Mono) {
        let alike = |other: &Duration| length.max(*other) * 2 <= length.min(*other) * 3;
        if self.longest().is_some_and(|usual| length <= usual) {
            self.usual.learn(length, now, DAY);
        } else if let Some(other) = self.candidate.filter(alike) {
            self.usual.learn(length.max(other), now, DAY);
            self.candidate = None;
        } else {
            self.candidate = Some(length);
        }
    }

    /// The longest usual silence; `None` if none is known.
    pub fn longest(&self) -> Option<Duration> {
        self.usual.longest()
    }

    /// For a store: what is usual, and a long one that is not usual yet.
    pub fn saved(&self) -> (Longest, Option<Duration>) {
        (self.usual, self.candidate)
    }

    /// As [`Self::saved`] gave it.
    pub fn restored(usual: Longest, candidate: Option<Duration>) -> Self {
        Silences { usual, candidate }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> Mono {
        Mono::from_nanos((seconds * 1e9) as u64)
    }

    /// Feeds intervals in seconds; tells which of them were pauses.
    fn pauses(intervals: &[f64], missed: bool) -> Vec<bool> {
        let (mut pauses, mut now) = (Pauses::default(), 10_000.0);
        let mut observe = |length: &f64| {
            let from = at(now);
            now += length;
            pauses.observe(from, at(now), None, missed)
        };
        intervals.iter().map(&mut observe).collect()
    }

    fn count(intervals: &[f64], missed: bool) -> usize {
        let found = pauses(intervals, missed);
        found.iter().filter(|is| **is).count()
    }

    #[test]
    fn a_pause_is_three_times_longer_than_usual_and_at_least_three_seconds() {
        assert_eq!(pauses(&[0.1, 2.9, 3.1], true), [false, false, false]);
        assert_eq!(pauses(&[0.1, 0.5, 3.1], true), [false, false, true]);
        let growing = [10.0, 29.0, 86.0, 262.0];
        assert_eq!(pauses(&growing, true), [false, false, false, true]);
    }

    #[test]
    fn five_in_a_row_are_usual_though_targets_were_due() {
        assert_eq!(count(&[600.0; 8], true), 4);
        assert_eq!(count(&[600.0, 0.2, 0.3].repeat(6), true), 4);
    }

    #[test]
    fn where_no_target_was_due_only_the_first_very_long_one_is_unusual() {
        assert_eq!(count(&[2.0, 2.0, 15.0, 15.0], false), 0, "a region is gone");
        assert_eq!(
            pauses(&[1.0, 15.0, 1.0, 15.0], false),
            [false, true, false, false]
        );
        assert_eq!(pauses(&[1.0, 10.0], false), [false, false], "ten times");
        assert_eq!(
            count(&[600.0; 8], false),
            1,
            "more than a minute at the start"
        );
    }

    #[test]
    fn stalls_of_a_stream_that_flows_most_of_the_time_are_never_usual() {
        let mut intervals = Vec::new();
        for _ in 0..50 {
            intervals.extend([1.0; 74]);
            intervals.push(46.0);
        }
        assert_eq!(
            (count(&intervals, true), count(&intervals, false)),
            (50, 50)
        );
    }

    #[test]
    fn the_usual_length_is_forgotten_once_the_stream_flows_again() {
        let mut intervals = vec![20.0; 10];
        intervals.extend([1.0; 1300]);
        intervals.push(20.0);
        assert_eq!(count(&intervals, true), 1);
    }

    #[test]
    fn the_longest_is_known_for_one_to_two_windows() {
        let mut usual = Longest::default();
        let mut learn = |length, now| {
            usual.learn(Duration::from_secs(length), at(now), WINDOW);
            usual.longest().map(|longest| longest.as_secs())
        };
        assert_eq!(learn(20, 0.0), Some(20));
        assert_eq!(learn(1, 600.0), Some(20), "the window before");
        assert_eq!(learn(1, 1200.0), Some(1));
        assert_eq!(learn(9, 1300.0), Some(9));
        assert_eq!(learn(1, 2400.0), Some(1), "nothing for two windows");
    }

    #[test]
    fn what_is_saved_judges_as_before() {
        let mut before = Pauses::default();
        let mut now = at(10_000.0);
        for length in [600.0, 600.0, 600.0, 0.2] {
            let from = now;
            now = now + Duration::from_secs_f64(length);
            before.observe(from, now, None, true);
        }
        let (usual, row) = before.saved();
        assert_eq!(
            (usual.longest(), row.count),
            (Some(Duration::from_millis(200)), 3)
        );
        let mut after = Pauses::restored(usual, row);
        let fourth = now + Duration::from_secs(600);
        assert!(after.observe(now, fourth, None, true));
        let fifth = fourth + Duration::from_secs(600);
        assert!(!after.observe(fourth, fifth, None, true), "five in a row");
    }

    #[test]
    fn two_silences_of_about_the_same_length_are_usual_for_a_day() {
        let mut silences = Silences::default();
        let minutes = |minutes: f64| Duration::from_secs_f64(minutes * 60.0);
        let mut now = at(0.0);
        let mut observe = |length: Duration, taint| {
            let from = now;
            now = now + length;
            silences.observe(from, now, taint);
            silences.longest()
        };
        assert_eq!(observe(LONG, None), None);
        assert_eq!(observe(LONG, None), None, "too short to matter");
        assert_eq!(observe(minutes(10.0), Some(Blind::Disconnected)), None);
        assert_eq!(observe(minutes(10.0), Some(Blind::Stalled)), None);
        assert_eq!(observe(minutes(4.0), None), None, "another length");
        assert_eq!(observe(minutes(5.0), None), Some(minutes(5.0)));
        assert_eq!(observe(minutes(1.0), None), Some(minutes(5.0)));
        assert_eq!(observe(minutes(4.0), None), Some(minutes(5.0)), "usual");
        assert_eq!(observe(minutes(6.0), None), Some(minutes(5.0)), "the first");
        let day = Some(Blind::Disconnected);
        assert_eq!(observe(minutes(3.0 * 24.0 * 60.0), day), Some(minutes(5.0)));
        assert_eq!(observe(minutes(1.0), None), Some(minutes(1.0)), "days ago");
    }
}
