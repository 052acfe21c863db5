//! Listened time: how long lastbeat could have received something, and when it was blind.
//!
//! The interval between two arrivals counts as listened if nothing in it kept lastbeat from receiving; else it is
//! blind, whole. What lies after the last arrival counts for nothing yet: it is not evidenced.
//!
//! [`Listening::late_at`] is the rule of evidence: the listened time since a sign of life, less one interval of the target
//! for each blind stretch that may have hidden a beat. So a live target is not blamed across one stretch of any length,
//! and a dead one is found as soon as the windows between the stretches add up.

pub mod blind;
pub mod pauses;

pub use crate::core::listening::blind::Blind;
use crate::core::listening::pauses::{Pauses, Silences};
use crate::core::time::{Listened, Mono, Stamp, nanos};
use std::collections::VecDeque;
use std::time::Duration;

/// Blind intervals remembered one by one: enough for a week of a link that is lost every three minutes, 40 bytes each.
const LEDGER: usize = 4_096;
/// Of the ledger a checkpoint keeps the last ones: a day of a flapping link.
pub const KEPT: usize = 512;

/// One blind interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlindInterval {
    /// The last arrival before it.
    pub from: Mono,
    /// The first arrival after it.
    pub to: Mono,
    /// Why.
    pub reason: Blind,
    /// What the listened clock showed all through it.
    listened: Listened,
    /// Whether an incident of the stream tells of it.
    reported: bool,
}

impl BlindInterval {
    /// One of an earlier life.
    pub(in crate::core) fn new(from: Mono, to: Mono, reason: Blind, listened: Listened) -> Self {
        BlindInterval {
            from,
            to,
            reason,
            listened,
            reported: true,
        }
    }

    /// What the listened clock showed all through it.
    pub fn listened(&self) -> Listened {
        self.listened
    }
}

impl BlindInterval {
    /// Whether it may have hidden a sign of life of a target that was last heard at `seen`: it was longer than half of the
    /// target's interval, or one was due in it, whole intervals after the last, give or take a tenth of the interval. Where the
    /// interval is known, half of the stretch at most: the shorter it is, the less likely it hides what was due beside it.
    fn hides(&self, seen: Mono, rhythm: Rhythm) -> bool {
        let interval = rhythm.interval;
        let from = self.from.max(seen);
        if self.to.since(from) > interval / 2 {
            return true;
        }
        let interval = nanos(interval).max(1);
        let half = nanos(self.to.since(from)) / 2;
        let about = if rhythm.is_known {
            half.min(interval / 10)
        } else {
            interval / 10
        };
        let first = nanos(from.since(seen))
            .saturating_sub(about)
            .div_ceil(interval)
            .max(1);
        first.saturating_mul(interval) <= nanos(self.to.since(seen)) + about
    }
}

/// How often a target is to be heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rhythm {
    /// The time between two signs of life.
    pub interval: Duration,
    /// Whether that is declared or learned; else it is a guess, and what is due may be due a tenth earlier or later.
    pub is_known: bool,
}

/// Blindness within a window of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Blindness {
    /// All of it.
    pub time: Duration,
    /// Stretches of it.
    pub stretches: u32,
    /// The time by reason, in the order of [`Blind::ALL`].
    pub by_reason: [Duration; Blind::ALL.len()],
}

/// The listened clock.
#[derive(Clone, Debug)]
pub struct Listening {
    /// The last arrival of anything; `None` before the first.
    last: Option<Mono>,
    /// From when the stream counts as quiet: its last arrival, or later where we could not know better.
    quiet_since: Mono,
    /// What the clock shows: time listened up to the last arrival.
    listened: Listened,
    /// Why the interval since the last arrival will not count; the first reason stands.
    taint: Option<Blind>,
    /// When and what the clock showed at the last check that found no message lost.
    intact: Stamp,
    /// Since when every check found messages lost.
    losing_since: Option<Mono>,
    blind: [Duration; Blind::ALL.len()],
    /// In the order of time; none overlaps another.
    ledger: VecDeque<BlindInterval>,
    /// Which intervals between arrivals are usual.
    pauses: Pauses,
    /// Which silences of the whole stream are usual.
    silences: Silences,
    /// When this process began to listen.
    started_at: Mono,
    /// Whether an incident of the stream tells of the interval that runs.
    reported: bool,
}

impl Listening {
    /// A clock that has heard nothing yet.
    pub fn new(start: Mono) -> Self {
        Listening {
            last: None,
            quiet_since: start,
            listened: Listened::ZERO,
            taint: None,
            intact: Stamp {
                at: start,
                listened: Listened::ZERO,
            },
            losing_since: None,
            blind: [Duration::ZERO; Blind::ALL.len()],
            ledger: VecDeque::new(),
            pauses: Pauses::default(),
            silences: Silences::default(),
            started_at: start,
            reported: false,
        }
    }

    /// A clock that goes on from where an earlier life left it: what lies between its last arrival and the next one is
    /// blind, since nobody listened.
    pub(in crate::core) fn resumed(
        last: Option<Mono>,
        listened: Listened,
        blind: impl Iterator<Item = BlindInterval>,
        now: Mono,
    ) -> Self {
        let mut clock = Listening::new(now);
        clock.last = last.map(|last| last.min(now));
        clock.listened = listened;
        clock.taint = last.map(|_| Blind::Down);
        clock.intact = clock.stamp();
        clock.ledger.extend(blind);
        while clock.ledger.len() > LEDGER {
            clock.ledger.pop_front();
        }
        clock
    }

    /// For a store: which intervals between arrivals, and which silences of the whole stream, are usual.
    pub(in crate::core) fn usual(&self) -> (&Pauses, &Silences) {
        (&self.pauses, &self.silences)
    }

    /// The same clock, to which an earlier life taught what is usual.
    pub(in crate::core) fn with_usual(self, pauses: Pauses, silences: Silences) -> Self {
        Listening {
            pauses,
            silences,
            ..self
        }
    }

    /// When the interval that an arrival at `at` closes began, if it is a longer pause than usual, and nothing is known that
    /// would explain it.
    #[inline]
    pub fn unexplained_pause(&self, at: Mono) -> Option<Mono> {
        let last = self.last.filter(|_| self.taint.is_none())?;
        self.pauses.is_long(at.since(last)).then_some(last)
    }

    /// Something arrived: closes the interval since the arrival before it. Arrivals come in order; one that
    /// seems to lie before the last counts as at the same moment. `missed`: live targets were due in it, so that it is a
    /// fault and not the way of the stream.
    #[inline]
    pub fn arrival(&mut self, at: Mono, missed: bool) {
        let Some(last) = self.last else {
            self.taint = None;
            self.last = Some(at);
            self.quiet_since = at;
            self.intact.at = at;
            return;
        };
        let at = at.max(last);
        let unusual = self.pauses.observe(last, at, self.taint, missed);
        self.silences.observe(last, at, self.taint);
        match self.taint.take() {
            None if unusual => {
                // It may turn out to be the way of the stream.
                self.reported |= !missed;
                self.went_blind(last, at, Blind::Paused);
            }
            None => self.listened = self.listened + at.since(last),
            Some(reason) => self.went_blind(last, at, reason),
        }
        self.last = Some(at);
        self.quiet_since = at;
    }

    /// Something keeps us from hearing: the interval that runs will not count.
    pub fn blinded(&mut self, reason: Blind) {
        self.taint.get_or_insert(reason);
    }

    /// The longest silence of the whole stream that is usual; `None` where all are short.
    pub fn usual_silence(&self) -> Option<Duration> {
        self.silences.longest()
    }

    /// An incident of the stream tells of the blindness that runs.
    pub fn reported(&mut self) {
        self.reported = true;
    }

    /// The process stood still until `now`: what was quiet meanwhile says nothing of the stream.
    pub fn suspended(&mut self, now: Mono) {
        self.blinded(Blind::Suspended);
        self.quiet_since = self.quiet_since.max(now);
    }

    /// Checked at `now`: nothing was lost since the last check.
    pub fn intact(&mut self) {
        self.intact = self.stamp();
        self.losing_since = None;
    }

    /// Messages were found lost; which is unknown, so that all since the last check that found none is blind.
    /// The clock goes back to what it showed then.
    pub fn dropped(&mut self) {
        let stamp = self.stamp();
        // The last check that found none lost may lie before a cut.
        self.losing_since.get_or_insert(stamp.at);
        if stamp.listened > self.intact.listened {
            self.listened = self.intact.listened;
            // Intervals inside were blind for a reason of their own, which stands.
            while self
                .ledger
                .back()
                .is_some_and(|interval| interval.from >= self.intact.at)
            {
                self.ledger.pop_back();
            }
            let lost = stamp.listened.since(self.intact.listened);
            self.blind[Blind::Dropped as usize] += lost;
            self.remember(self.intact.at, stamp.at, Blind::Dropped);
        }
        self.blinded(Blind::Dropped);
        self.intact = self.stamp();
    }

    /// Since when messages are lost without a pause; `None` where none are.
    pub fn losing_since(&self) -> Option<Mono> {
        self.losing_since
    }

    /// What the clock showed at an arrival time. Exact as far back as the ledger reaches.
    pub fn listened_at(&self, at: Mono) -> Listened {
        let Stamp {
            at: mut later,
            mut listened,
        } = self.stamp();
        for interval in self.ledger.iter().rev() {
            if at >= interval.to {
                break;
            }
            if at >= interval.from {
                return interval.listened;
            }
            (later, listened) = (interval.from, interval.listened);
        }
        listened - later.since(at)
    }

    /// What the clock shows when a target counts as silent that was last heard at `seen`, if it is not heard again: when
    /// the evidence of its silence reaches `max_gap`. `rhythm`: how often it is to be heard.
    ///
    /// Evidence is the listened time since `seen`, less one interval for each blind stretch after which it may still be
    /// about to be heard; a window between two stretches never counts below zero.
    pub fn late_at(&self, seen: Stamp, rhythm: Rhythm, max_gap: Duration) -> Listened {
        let interval = rhythm.interval;
        let (mut evidence, mut from, mut allowed) = (Duration::ZERO, seen.listened, Duration::ZERO);
        for stretch in self.stretches_after(seen.at) {
            if !stretch.hides(seen.at, rhythm) {
                continue;
            }
            let window = stretch.listened.since(from).saturating_sub(allowed);
            if evidence + window >= max_gap {
                break;
            }
            evidence += window;
            (from, allowed) = (stretch.listened, interval);
        }
        from + allowed + (max_gap - evidence)
    }

    /// The end of the last blind stretch after `seen` that may have hidden a sign of life of a target; `None` where there
    /// was none.
    pub fn hidden_until(&self, seen: Mono, rhythm: Rhythm) -> Option<Mono> {
        let hiding = self.stretches_after(seen);
        let hiding = hiding.filter(|stretch| stretch.hides(seen, rhythm));
        hiding.last().map(|stretch| stretch.to)
    }

    /// Begin and end of the last blind stretch.
    pub fn last_stretch(&self) -> Option<(Mono, Mono)> {
        let last = self.ledger.back()?;
        let mut from = last.from;
        for interval in self.ledger.iter().rev().skip(1) {
            if interval.to != from {
                break;
            }
            from = interval.from;
        }
        Some((from, last.to))
    }

    /// Whether lastbeat was not blind since `since`, but for the interval that runs.
    #[inline]
    pub fn is_clear_since(&self, since: Mono) -> bool {
        self.ledger.back().is_none_or(|last| last.to <= since)
    }

    /// The blind stretches that ended after `since`, in the order of time. Intervals that follow one another are one.
    fn stretches_after(&self, since: Mono) -> impl Iterator<Item = BlindInterval> {
        let first = self.ledger.partition_point(|interval| interval.to <= since);
        let mut rest = self.ledger.range(first..).copied().peekable();
        std::iter::from_fn(move || {
            let mut stretch = rest.next()?;
            while let Some(next) = rest.next_if(|next| next.from == stretch.to) {
                stretch.to = next.to;
            }
            Some(stretch)
        })
    }

    /// Blindness of the last `window` before `now`, the interval that runs included: the time, the stretches, and its
    /// reasons; where `unreported`, that of which no incident of the stream tells. Downtime does not count.
    pub fn blindness(&self, now: Mono, window: Duration, unreported: bool) -> Blindness {
        let from = (now - window).max(self.started_at);
        let running = self
            .taint
            .zip(self.last)
            .map(|(reason, last)| BlindInterval {
                from: last,
                to: now,
                reason,
                listened: self.listened,
                reported: self.reported,
            });
        let first = self.ledger.partition_point(|interval| interval.to <= from);
        let mut found = Blindness::default();
        let mut end = None;
        for interval in self.ledger.range(first..).chain(&running) {
            if (unreported && interval.reported) || interval.reason == Blind::Down {
                continue;
            }
            let length = interval.to.since(interval.from.max(from));
            found.time += length;
            found.by_reason[interval.reason as usize] += length;
            found.stretches += u32::from(end != Some(interval.from));
            end = Some(interval.to);
        }
        found
    }

    /// The last arrival of anything, and what the clock showed then; its zero before the first.
    #[inline]
    pub fn stamp(&self) -> Stamp {
        Stamp {
            at: self.last.unwrap_or(self.quiet_since),
            listened: self.listened,
        }
    }

    /// The last arrival of anything.
    pub fn last_arrival(&self) -> Option<Mono> {
        self.last
    }

    /// From when the stream counts as quiet.
    pub fn quiet_since(&self) -> Mono {
        self.quiet_since
    }

    /// What the clock shows.
    #[inline]
    pub fn listened(&self) -> Listened {
        self.listened
    }

    /// Why the interval since the last arrival will not count; `None` where nothing keeps us from hearing.
    pub fn blind_now(&self) -> Option<Blind> {
        self.taint
    }

    /// Time blind for a reason up to `now`, the interval that runs included.
    pub fn blind(&self, reason: Blind, now: Mono) -> Duration {
        let running = match (self.taint, self.last) {
            (Some(taint), Some(last)) if taint == reason => now.since(last),
            _ => Duration::ZERO,
        };
        self.blind[reason as usize] + running
    }

    /// The blind intervals that are over, the oldest first; at most the last 4,096.
    pub fn ledger(&self) -> impl DoubleEndedIterator<Item = &BlindInterval> + ExactSizeIterator {
        self.ledger.iter()
    }

    /// The arrival time at which the clock first showed `point`. Exact as far back as the ledger reaches.
    pub fn date_of(&self, point: Listened) -> Mono {
        let Stamp {
            mut at,
            mut listened,
        } = self.stamp();
        for interval in self.ledger.iter().rev() {
            if point > interval.listened {
                break;
            }
            at = interval.from;
            listened = interval.listened;
        }
        if point >= listened {
            at + point.since(listened)
        } else {
            at - listened.since(point)
        }
    }

    fn went_blind(&mut self, from: Mono, to: Mono, reason: Blind) {
        self.blind[reason as usize] += to.since(from);
        self.remember(from, to, reason);
    }

    fn remember(&mut self, from: Mono, to: Mono, reason: Blind) {
        if self.ledger.len() == LEDGER {
            self.ledger.pop_front();
        }
        self.ledger.push_back(BlindInterval {
            from,
            to,
            reason,
            listened: self.listened,
            reported: std::mem::take(&mut self.reported),
        });
    }
}

#[cfg(test)]
mod tests;
