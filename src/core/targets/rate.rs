//! Rates of entries: fewer entries in a window than the rule's `min_rate` are a silence.
//!
//! A window, which is the rule's `max_gap` of listened time, holds `n` entries exactly while the n-th newest is no older than
//! it. So that entry is the target's last sign of life, and all else is as for any other silence: deadlines, blindness,
//! `for`, incidents. Entries are counted in slices of the window, so that a target takes the same room at any rate; it is
//! found one slice late at most. Since it is unknown what was lost while lastbeat was blind, a window counts only if all
//! of it was listened.

use crate::core::time::Listened;
use std::collections::BTreeMap;
use std::time::Duration;

/// Slices of a window: a precision of about a tenth is enough for such a limit.
const SLICES: usize = 12;
/// Slices that are kept: those of a whole window, and the current one.
const KEPT: usize = SLICES + 1;

/// The entries of all targets with `min_rate`.
#[derive(Debug, Default)]
pub struct Rates {
    /// True once a rule has `min_rate`.
    used: bool,
    by_target: BTreeMap<u32, Rate>,
}

/// The entries of one target.
#[derive(Clone, Debug, Default)]
struct Rate {
    /// By slice, in a ring.
    counts: [u32; KEPT],
    /// The number of the newest slice since the listened clock began.
    newest: u64,
    /// Length of a slice in nanoseconds.
    width: u64,
    /// Listened clock: time since which each window held enough; `None` if the last did not.
    enough_since: Option<Listened>,
}

impl Rates {
    /// True if any rule has `min_rate`.
    #[inline]
    pub const fn are_used(&self) -> bool {
        self.used
    }

    /// Records that a rule has `min_rate`.
    pub(super) const fn expect(&mut self) {
        self.used = true;
    }

    /// Records an entry of a target at `now`. Gives its last sign of life; `None` if the window holds fewer than `wanted`, or
    /// if it fires and is not steady yet.
    pub(super) fn entry(
        &mut self,
        target: u32,
        now: Listened,
        window: Duration,
        wanted: u32,
        fires: bool,
    ) -> Option<Listened> {
        let rate = self.by_target.entry(target).or_default();
        let sign = rate.count(now, window, wanted)?;
        (!fires || rate.is_steady(now, window)).then_some(sign)
    }

    /// Number of entries of a target in the window before `now`, in words.
    pub(super) fn in_words(
        &self,
        target: u32,
        now: Listened,
        window: Duration,
        wanted: u32,
        fires: bool,
    ) -> String {
        let mut rate = self.by_target.get(&target).cloned().unwrap_or_default();
        rate.advance(now, window);
        // The oldest slices may reach beyond the window.
        let most = u64::from(wanted).saturating_sub(u64::from(fires));
        let entries = rate.total(SLICES).min(most);
        let noun = if entries == 1 { "entry" } else { "entries" };
        let window = in_words(window);
        format!("{entries} {noun} in the last {window} (at least {wanted})")
    }

    /// Removes a target.
    pub(super) fn forget(&mut self, target: u32) {
        self.by_target.remove(&target);
    }
}

impl Rate {
    /// Begins the slice of `now`, and drops those that a window ending now does not include.
    fn advance(&mut self, now: Listened, window: Duration) {
        let width = (crate::core::time::nanos(window) / SLICES as u64).max(1);
        if self.width != width {
            *self = Rate {
                width,
                newest: now.nanos() / width,
                ..Rate::default()
            };
        }
        let slice = now.nanos() / width;
        let passed = slice.saturating_sub(self.newest).min(KEPT as u64);
        for back in 0..passed {
            self.counts[((slice - back) % KEPT as u64) as usize] = 0;
        }
        self.newest = self.newest.max(slice);
    }

    /// Entries in the newest `slices` slices.
    fn total(&self, slices: usize) -> u64 {
        let counts = (0..slices as u64).map(|back| self.slice(back));
        counts.map(u64::from).sum()
    }

    /// Entries in the slice that is so many before the newest.
    fn slice(&self, back: u64) -> u32 {
        let number = (self.newest + KEPT as u64 - back) % KEPT as u64;
        self.counts[number as usize]
    }

    /// Records an entry at `now`. Gives the time of the entry that was `wanted` entries ago, this one included, as the
    /// end of its slice; `None` if that is longer ago than a window.
    fn count(&mut self, now: Listened, window: Duration, wanted: u32) -> Option<Listened> {
        self.advance(now, window);
        if self.total(KEPT) < u64::from(wanted) {
            self.enough_since = None;
        }
        let newest = &mut self.counts[(self.newest % KEPT as u64) as usize];
        *newest = newest.saturating_add(1);
        let mut found = 0;
        let enough = |back: &u64| {
            found += u64::from(self.slice(*back));
            found >= u64::from(wanted)
        };
        let back = (0..KEPT as u64).find(enough)?;
        self.enough_since.get_or_insert(now);
        let end = Listened::from_nanos((self.newest - back + 1).saturating_mul(self.width));
        Some(end.min(now))
    }

    /// True if the windows of the last half window's time held enough: a rate near the limit is one alert, not many.
    fn is_steady(&self, now: Listened, window: Duration) -> bool {
        self.enough_since
            .is_some_and(|since| now.since(since) >= window / 2)
    }
}

/// A duration as in rule files, to the second: `1h 30m`.
fn in_words(span: Duration) -> String {
    let mut left = span.as_secs();
    let mut words: Vec<String> = Vec::new();
    for (unit, length) in [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)] {
        if left >= length {
            words.push(format!("{}{unit}", left / length));
            left %= length;
        }
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(60);

    fn at(seconds: f64) -> Listened {
        Listened::from_nanos((seconds * 1e9) as u64)
    }

    /// Entries every `every` seconds from 1000 s on, so many; the last sign of life in seconds.
    fn last_sign(every: f64, entries: u32, wanted: u32) -> Option<f64> {
        let mut rate = Rate::default();
        let mut last = None;
        for entry in 0..entries {
            let now = at(1000.0 + f64::from(entry) * every);
            last = rate.count(now, WINDOW, wanted).or(last);
        }
        last.map(|sign| sign.nanos() as f64 / 1e9)
    }

    #[test]
    fn the_sign_of_life_is_the_entry_that_completes_a_window() {
        // One a second, ten wanted: of the last, at 1099 s, the tenth newest came at 1090 s, in the slice up to 1095 s.
        assert_eq!(last_sign(1.0, 100, 10), Some(1095.0));
        // Ten at once are enough for a window.
        assert_eq!(last_sign(0.0, 10, 10), Some(1000.0));
        assert_eq!(last_sign(0.0, 9, 10), None);
        // One in eight seconds is never ten a minute, however long it goes on.
        assert_eq!(last_sign(8.0, 1_000, 10), None);
        // One in six is, to the second.
        assert!(last_sign(6.0, 1_000, 10).is_some());
        // One is wanted: each is a sign of life.
        assert_eq!(last_sign(50.0, 3, 1), Some(1100.0));
    }

    #[test]
    fn after_a_long_pause_nothing_of_before_counts() {
        let mut rate = Rate::default();
        for _ in 0..100 {
            rate.count(at(1000.0), WINDOW, 10);
        }
        assert_eq!(rate.count(at(1000.0 + 66.0), WINDOW, 10), None);
        assert_eq!(rate.total(KEPT), 1);
        assert_eq!(rate.count(at(9_000_000.0), WINDOW, 2), None);
    }

    #[test]
    fn a_window_of_another_length_begins_anew() {
        let mut rate = Rate::default();
        for _ in 0..100 {
            rate.count(at(1000.0), WINDOW, 10);
        }
        assert_eq!(rate.count(at(1001.0), WINDOW * 2, 10), None);
    }

    #[test]
    fn a_window_is_shown_as_it_is_written() {
        let shown = |seconds| in_words(Duration::from_secs(seconds));
        assert_eq!(
            (shown(60), shown(90), shown(5_400)),
            ("1m".to_owned(), "1m 30s".to_owned(), "1h 30m".to_owned())
        );
    }

    #[test]
    fn it_is_steady_when_windows_held_enough_for_half_a_window() {
        let mut rate = Rate::default();
        let mut steady_at = None;
        for second in 0..100 {
            rate.count(at(1000.0 + f64::from(second)), WINDOW, 10);
            let now = at(1000.0 + f64::from(second));
            if rate.is_steady(now, WINDOW) {
                steady_at.get_or_insert(second);
            }
        }
        // Enough from the tenth entry on, at 9 s.
        assert_eq!(steady_at, Some(39));
    }
}
