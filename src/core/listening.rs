//! Listened time: the time in which lastbeat could have received something; the rest is blind.
//!
//! The interval between two arrivals counts as listened unless something in it kept lastbeat from receiving; then all
//! of it is blind. The time after the last arrival does not count yet, since nothing proves that lastbeat could
//! receive.
//!
//! [`Listening::late_at`] is the rule of evidence: the listened time since a sign of life, less one interval of the target
//! for each blind stretch that may have hidden a beat. So a live target is not blamed across one stretch of any length,
//! and a dead one is found as soon as the windows between the stretches add up.

pub mod blind;
pub mod messages;
pub mod pauses;

pub use crate::core::listening::blind::Blind;
use crate::core::listening::pauses::{Pauses, Silences};
use crate::core::time::{Listened, Mono, Stamp, nanos};
use std::collections::VecDeque;
use std::time::Duration;

/// Number of blind intervals kept: a week of a connection lost every three minutes, at 40 bytes each.
const LEDGER: usize = 4_096;
/// Number of the latest blind intervals in a checkpoint: a day of a flapping connection.
pub const KEPT: usize = 512;

/// One blind interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlindInterval {
    /// The last arrival before it.
    pub from: Mono,
    /// The first arrival after it.
    pub to: Mono,
    /// Its reason.
    pub reason: Blind,
    /// Reading of the listened clock, which stood still throughout.
    listened: Listened,
    /// True if an incident of the stream reports it.
    reported: bool,
}

impl BlindInterval {
    /// A blind interval of a previous run.
    pub(in crate::core) fn new(from: Mono, to: Mono, reason: Blind, listened: Listened) -> Self {
        BlindInterval {
            from,
            to,
            reason,
            listened,
            reported: true,
        }
    }

    /// Reading of the listened clock, which stood still throughout.
    pub fn listened(&self) -> Listened {
        self.listened
    }
}

impl BlindInterval {
    /// True if it may have hidden a sign of life of a target that was last heard at `seen`: either it was longer than
    /// half of the target's interval, or a sign of life was due in it, a whole number of intervals after the last, give
    /// or take a tenth of the interval. For a known interval the tolerance is at most half of the stretch: the shorter
    /// the stretch, the less likely it hides what was due next to it.
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

/// Expected rhythm of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rhythm {
    /// The time between two signs of life.
    pub interval: Duration,
    /// True if the interval is declared or learned; otherwise it is a guess, and a beat may be due a tenth earlier or
    /// later.
    pub is_known: bool,
}

/// Blindness within a window of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Blindness {
    /// Total blind time.
    pub time: Duration,
    /// Number of blind stretches.
    pub stretches: u32,
    /// The time by reason, in the order of [`Blind::ALL`].
    pub by_reason: [Duration; Blind::ALL.len()],
}

/// The listened clock.
#[derive(Clone, Debug)]
pub struct Listening {
    /// The last arrival of anything; `None` before the first.
    last: Option<Mono>,
    /// Arrival clock: the start of the current quiet of the stream, which is its last arrival, or later if lastbeat
    /// could not have known better.
    quiet_since: Mono,
    /// Reading of the clock: time listened up to the last arrival.
    listened: Listened,
    /// Reason why the interval since the last arrival will not count; the first reason is kept. `None` while it counts.
    taint: Option<Blind>,
    /// Both clocks at the last check that found no message lost.
    intact: Stamp,
    /// Arrival clock: start of the checks that all found lost messages; `None` if the last found none.
    losing_since: Option<Mono>,
    blind: [Duration; Blind::ALL.len()],
    /// In order of time, without overlaps.
    ledger: VecDeque<BlindInterval>,
    /// The usual pauses between arrivals.
    pauses: Pauses,
    /// The usual silences of the whole stream.
    silences: Silences,
    /// Arrival clock: start of this run.
    started_at: Mono,
    /// True if an incident of the stream reports the current interval.
    reported: bool,
}

impl Listening {
    /// A clock that has heard nothing.
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

    /// A clock that continues from a previous run: the time between that run's last arrival and the next arrival is
    /// blind.
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

    /// The same clock, with the usual pauses and silences of an earlier run.
    pub(in crate::core) fn with_usual(self, pauses: Pauses, silences: Silences) -> Self {
        Listening {
            pauses,
            silences,
            ..self
        }
    }

    /// Start of the interval that an arrival at `at` ends, if that interval is an unusually long pause without a known
    /// explanation.
    #[inline]
    pub fn unexplained_pause(&self, at: Mono) -> Option<Mono> {
        let last = self.last.filter(|_| self.taint.is_none())?;
        self.pauses.is_long(at.since(last)).then_some(last)
    }

    /// Records an arrival and closes the interval before it. Arrivals come in order; one that seems to lie before the
    /// last counts as simultaneous. `missed`: live targets were due in the interval, so that it is a fault and not
    /// usual for the stream.
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
                // It may turn out to be usual for the stream.
                self.reported |= !missed;
                self.went_blind(last, at, Blind::Paused);
            }
            None => self.listened = self.listened + at.since(last),
            Some(reason) => self.went_blind(last, at, reason),
        }
        self.last = Some(at);
        self.quiet_since = at;
    }

    /// Marks the current interval as blind: something keeps lastbeat from receiving.
    pub fn blinded(&mut self, reason: Blind) {
        self.taint.get_or_insert(reason);
    }

    /// The longest usual silence of the whole stream; `None` if all are short.
    pub fn usual_silence(&self) -> Option<Duration> {
        self.silences.longest()
    }

    /// Records that an incident of the stream reports the current blindness.
    pub fn reported(&mut self) {
        self.reported = true;
    }

    /// Records that the process was suspended until `now`: that quiet says nothing about the stream.
    pub fn suspended(&mut self, now: Mono) {
        self.blinded(Blind::Suspended);
        self.quiet_since = self.quiet_since.max(now);
    }

    /// Records a check at the last arrival that found no message lost.
    pub fn intact(&mut self) {
        self.intact = self.stamp();
        self.losing_since = None;
    }

    /// Records a check that found lost messages. Since it is unknown which, all time since the last check without
    /// losses is blind, and the clock is set back to its reading then.
    pub fn dropped(&mut self) {
        let stamp = self.stamp();
        // The last check without losses may lie before a disconnect.
        self.losing_since.get_or_insert(stamp.at);
        if stamp.listened > self.intact.listened {
            self.listened = self.intact.listened;
            // Intervals within it are already blind, each for its own reason.
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

    /// Arrival clock: start of the uninterrupted losses of messages; `None` if no messages are being lost.
    pub fn losing_since(&self) -> Option<Mono> {
        self.losing_since
    }

    /// Reading of the clock at an arrival time. Exact as far back as the ledger reaches.
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

    /// Reading of the clock at which a target last heard at `seen` counts as silent unless it is heard again: when the
    /// evidence of its silence reaches `max_gap`. `rhythm` is its expected rhythm.
    ///
    /// Evidence is the listened time since `seen`, less one interval for each blind stretch after which a sign of life
    /// may still be due; a window between two stretches never counts below zero.
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

    /// End of the last blind stretch after `seen` that may have hidden a sign of life of a target; `None` if there was
    /// none.
    pub fn hidden_until(&self, seen: Mono, rhythm: Rhythm) -> Option<Mono> {
        let hiding = self.stretches_after(seen);
        let hiding = hiding.filter(|stretch| stretch.hides(seen, rhythm));
        hiding.last().map(|stretch| stretch.to)
    }

    /// Start and end of the last blind stretch.
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

    /// True if lastbeat was not blind since `since`, the current interval aside.
    #[inline]
    pub fn is_clear_since(&self, since: Mono) -> bool {
        self.ledger.back().is_none_or(|last| last.to <= since)
    }

    /// The blind stretches that ended after `since`, in order of time. Adjacent intervals are one stretch.
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

    /// Blindness within the `window` before `now`, the current interval included: time, stretches and reasons. With
    /// `unreported`, only blindness that no incident of the stream reports. Downtime does not count.
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

    /// The last arrival on both clocks; the clock's zero before the first.
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

    /// Arrival clock: start of the stream's current quiet.
    pub fn quiet_since(&self) -> Mono {
        self.quiet_since
    }

    /// Reading of the clock.
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
