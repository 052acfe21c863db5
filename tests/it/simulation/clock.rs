//! The listened clock by its definition: a list of intervals between arrivals, each listened or blind.

use lastbeat::core::listening::Blind;
use lastbeat::core::listening::pauses::Pauses;
use lastbeat::core::time::Mono;
use std::time::Duration;

/// The time between two arrivals.
#[derive(Clone, Copy, Debug)]
struct Interval {
    from: u64,
    to: u64,
    blind: bool,
}

/// When something was heard: on the arrival clock, and what the listened one showed then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    pub at: u64,
    pub listened: u64,
}

/// All of them so far.
#[derive(Debug)]
pub struct Clock {
    intervals: Vec<Interval>,
    last: Option<u64>,
    /// Why the interval that runs is blind.
    blind: Option<Blind>,
    /// From when the stream counts as quiet.
    quiet_since: u64,
    /// The last arrival before the last check for losses; those from there on may have to be blind.
    checked: u64,
    max_gap: u64,
    /// The sum of those that are listened.
    listened: u64,
    /// Tells which pauses are longer than usual; it has tests of its own.
    pauses: Pauses,
}

impl Clock {
    /// One that has heard nothing; the stream may be quiet for `max_gap`.
    pub fn new(max_gap: Duration) -> Self {
        Clock {
            intervals: Vec::new(),
            last: None,
            blind: None,
            quiet_since: 0,
            checked: 0,
            max_gap: max_gap.as_nanos() as u64,
            listened: 0,
            pauses: Pauses::default(),
        }
    }

    /// When an unexplained pause began that an arrival ends.
    pub fn pause(&self, at: u64) -> Option<u64> {
        let last = self.last.filter(|_| self.blind.is_none())?;
        let length = Duration::from_nanos(at - last);
        self.pauses.is_long(length).then_some(last)
    }

    pub fn arrive(&mut self, at: u64, missed: bool) {
        match self.last {
            None => self.checked = at,
            Some(from) => {
                let (begin, end) = (Mono::from_nanos(from), Mono::from_nanos(at));
                let blind =
                    self.pauses.observe(begin, end, self.blind, missed) || self.blind.is_some();
                self.intervals.push(Interval {
                    from,
                    to: at,
                    blind,
                });
                self.listened += if blind { 0 } else { at - from };
            }
        }
        self.blind = None;
        self.last = Some(at);
        self.quiet_since = at;
    }

    pub fn blinded(&mut self, at: u64, stood_still: bool) {
        self.blind.get_or_insert(Blind::Disconnected);
        if stood_still {
            self.quiet_since = self.quiet_since.max(at);
        }
    }

    /// Judged at a moment: a stall may be declared.
    pub fn judged(&mut self, at: u64) {
        if at > self.quiet_since + self.max_gap {
            self.blind.get_or_insert(Blind::Stalled);
        }
    }

    pub fn intact(&mut self) {
        self.checked = self.last.unwrap_or(self.quiet_since);
    }

    pub fn dropped(&mut self) {
        for interval in self.intervals.iter_mut().rev() {
            if interval.from < self.checked {
                break;
            }
            interval.blind = true;
        }
        self.blind.get_or_insert(Blind::Dropped);
        let heard = self.intervals.iter().filter(|interval| !interval.blind);
        self.listened = heard.map(|interval| interval.to - interval.from).sum();
        self.intact();
    }

    /// What it shows.
    pub fn listened(&self) -> u64 {
        self.listened
    }

    /// This moment.
    pub fn heard(&self) -> Heard {
        Heard {
            at: self.last.unwrap_or_default(),
            listened: self.listened(),
        }
    }

    /// When it first showed that.
    pub fn first_showed(&self, point: u64) -> u64 {
        let mut shown = 0;
        for interval in self.intervals.iter().filter(|interval| !interval.blind) {
            let length = interval.to - interval.from;
            if shown + length >= point {
                return interval.from + (point - shown);
            }
            shown += length;
        }
        self.last.unwrap_or_default() + (point - shown)
    }

    /// What the clock shows when a silence since `seen` is longer than `max_gap`, of one that is heard each `interval`: by
    /// the windows between the blind stretches after it, each less one interval, where the stretch before it may have
    /// hidden something. Gives the end of the last such stretch too.
    pub fn late_at(
        &self,
        seen: Heard,
        (interval, known): (u64, bool),
        max_gap: u64,
    ) -> (u64, Option<u64>) {
        // Begin and end of each blind stretch, and what the clock showed all through it.
        let mut stretches: Vec<(u64, u64, u64)> = Vec::new();
        let mut shown = 0;
        for one in &self.intervals {
            match stretches.last_mut() {
                _ if !one.blind => shown += one.to - one.from,
                Some((_, to, _)) if *to == one.from => *to = one.to,
                _ => stretches.push((one.from, one.to, shown)),
            }
        }
        let hides = |&&(from, to, _): &&(u64, u64, u64)| {
            if to <= seen.at {
                return false;
            }
            let from = from.max(seen.at);
            // Signs of life in the same millisecond have no interval.
            let interval = interval.max(1);
            let half = if known { (to - from) / 2 } else { u64::MAX };
            let about = (interval / 10).min(half);
            let due = |times: u64| {
                let due = seen.at + times * interval;
                due + about >= from && due <= to + about
            };
            let (first, last) = ((from - seen.at) / interval, (to - seen.at) / interval);
            to - from > interval / 2 || (first..=last + 1).any(|n| n > 0 && due(n))
        };
        let hiding: Vec<_> = stretches.iter().filter(hides).collect();
        let (mut begin, mut allowed, mut evidence) = (seen.listened, 0, 0);
        for &&(_, _, shown) in &hiding {
            let window = shown.saturating_sub(begin).saturating_sub(allowed);
            if evidence + window >= max_gap {
                break;
            }
            evidence += window;
            (begin, allowed) = (shown, interval);
        }
        let last = hiding.last().map(|(_, to, _)| *to);
        (begin + allowed + max_gap - evidence, last)
    }
}
