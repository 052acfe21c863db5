//! The listened clock by its definition: a list of intervals between arrivals, each listened or blind.

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
    /// Whether the interval that runs is blind.
    blind: bool,
    /// From when the stream counts as quiet.
    quiet_since: u64,
    /// The last arrival before the last check for losses; those from there on may have to be blind.
    checked: u64,
    max_gap: u64,
    /// The sum of those that are listened.
    listened: u64,
}

impl Clock {
    /// One that has heard nothing; the stream may be quiet for `max_gap`.
    pub fn new(max_gap: Duration) -> Self {
        Clock {
            intervals: Vec::new(),
            last: None,
            blind: false,
            quiet_since: 0,
            checked: 0,
            max_gap: max_gap.as_nanos() as u64,
            listened: 0,
        }
    }

    pub fn arrive(&mut self, at: u64) {
        match self.last {
            None => self.checked = at,
            Some(from) => {
                let blind = self.blind;
                self.intervals.push(Interval {
                    from,
                    to: at,
                    blind,
                });
                self.listened += if blind { 0 } else { at - from };
            }
        }
        self.blind = false;
        self.last = Some(at);
        self.quiet_since = at;
    }

    pub fn blinded(&mut self, at: u64, stood_still: bool) {
        self.blind = true;
        if stood_still {
            self.quiet_since = self.quiet_since.max(at);
        }
    }

    /// Judged at a moment: a stall may be declared.
    pub fn judged(&mut self, at: u64) {
        self.blind |= at > self.quiet_since + self.max_gap;
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
        self.blind = true;
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

    /// From when a silence counts: the last sign of life, or the end of the last blind stretch after it that was
    /// longer than that.
    ///
    /// Gives what the clock showed then, and when it was.
    pub fn counts_from(&self, seen: Heard, length: u64) -> Heard {
        let mut shown = 0;
        let mut from = seen;
        let mut stretch_from = None;
        for interval in &self.intervals {
            if !interval.blind {
                if interval.to > interval.from {
                    stretch_from = None;
                }
                shown += interval.to - interval.from;
                continue;
            }
            let start = *stretch_from.get_or_insert(interval.from);
            let start = start.max(seen.at);
            if interval.to > seen.at && interval.to - start > length {
                from = Heard {
                    at: interval.to,
                    listened: shown.max(seen.listened),
                };
            }
        }
        from
    }
}
