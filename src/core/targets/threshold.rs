//! Thresholds: the longest allowed silence of each target, set by its rule or derived from its declared or learned
//! rhythm.
//!
//! An interval of normal operation is learned at once. A longer one counts as a failure unless the next is as long:
//! then it is the new rhythm, so that a change of rhythm costs at most two alerts. An interval with a restart in it
//! counts as a failure.

use crate::core::facts::Facts;
use crate::core::listening::Rhythm;
use crate::core::rule::MaxGap;
use crate::core::targets::alive::AliveReason;
use crate::core::targets::budget::MOST_FACTOR;
use crate::core::targets::table::Watched;
use crate::core::targets::{AlertEvent, Targets};
use crate::core::time::{Listened, Mono, Stamp, nanos};
use crate::core::tracker::usual::Usual;
use crate::core::tracker::{BeatId, Beaten, InstanceId, NONE};
use std::time::Duration;

/// Number of other instances of its app whose rhythm is used for a target without one; asking all of them for each
/// would take quadratic time.
const SIBLINGS: usize = 16;

impl Targets {
    /// Longest allowed silence of a target, in listened time.
    #[inline]
    pub(in crate::core) fn max_gap(&self, facts: &Facts, id: u32) -> Duration {
        let target = self.table.get(id);
        match facts.rules.rules[target.rule() as usize].max_gap {
            MaxGap::Fixed(span) => span,
            MaxGap::Auto => {
                let (every, usual) = self.rhythm(facts, id, target.watched());
                MaxGap::auto_of(target.factor.now(), every, usual)
            }
        }
    }

    /// Interval between two signs of life of a target: declared or learned, else half of its longest allowed silence,
    /// or the only interval so far where that is longer.
    pub(in crate::core) fn interval(&self, facts: &Facts, id: u32) -> Rhythm {
        let watched = self.table.get(id).watched();
        let (every, usual) = self.own_rhythm(facts, id, watched);
        let known = every.or(usual);
        let guess = || {
            let only = match watched {
                Watched::Beat(beat) => Some(facts.tracker.beat_row(beat).usual),
                Watched::Logs(_) | Watched::Group(_) => self.table.usual(id),
            };
            let only = only.map(Usual::longest_so_far).unwrap_or_default();
            (self.max_gap(facts, id) / 2).max(only)
        };
        Rhythm {
            interval: known.unwrap_or_else(guess),
            is_known: known.is_some(),
        }
    }

    fn is_auto(&self, facts: &Facts, id: u32) -> bool {
        self.rule_of(facts, id).max_gap == MaxGap::Auto
    }

    /// True if a target's limit depends on its rhythm, and none is declared or learned.
    pub(in crate::core) fn is_learning(&self, facts: &Facts, id: u32) -> bool {
        let watched = self.table.get(id).watched();
        self.is_auto(facts, id) && self.rhythm(facts, id, watched) == (None, None)
    }

    /// The interval that a target declares, and its usual one or that of its siblings.
    #[inline]
    fn rhythm(
        &self,
        facts: &Facts,
        id: u32,
        watched: Watched,
    ) -> (Option<Duration>, Option<Duration>) {
        match (self.own_rhythm(facts, id, watched), watched) {
            ((None, None), Watched::Beat(beat)) => (None, self.rhythm_of_siblings(facts, beat)),
            (known, _) => known,
        }
    }

    /// The interval that a target declares, and its usual one.
    #[inline]
    fn own_rhythm(
        &self,
        facts: &Facts,
        id: u32,
        watched: Watched,
    ) -> (Option<Duration>, Option<Duration>) {
        match watched {
            Watched::Beat(beat) => {
                let row = facts.tracker.beat_row(beat);
                (row.every(), row.usual.longest())
            }
            Watched::Logs(_) => (None, self.table.usual(id).and_then(Usual::longest)),
            Watched::Group(group) => {
                let every_ms = self.groups.get(group).every_ms;
                let every = (every_ms > 0).then(|| Duration::from_millis(u64::from(every_ms)));
                (
                    None,
                    every.or_else(|| self.table.usual(id).and_then(Usual::longest)),
                )
            }
        }
    }

    /// The longest interval that other instances of the same app keep with the same beat; `None` if none is known.
    #[cold]
    fn rhythm_of_siblings(&self, facts: &Facts, beat: BeatId) -> Option<Duration> {
        let own = facts.tracker.beat_row(beat);
        let app = facts.app_of(InstanceId(own.instance));
        let siblings = facts
            .tracker
            .members_of(facts.tracker.app_regions_of(app, NONE));
        let beats = siblings
            .take(SIBLINGS)
            .flat_map(|id| facts.tracker.beats_of(id));
        let alike = beats.filter_map(|sibling| {
            let sibling = facts.tracker.beat_row(sibling);
            let same = sibling.name() == own.name() && sibling.marker == own.marker;
            let interval = sibling.every().or_else(|| sibling.usual.longest());
            interval.filter(|_| same && !sibling.stopped())
        });
        alike.max()
    }

    /// Listened clock: end of a target's `max_gap`, unless it is heard again.
    pub(in crate::core) fn late_at(&self, facts: &Facts, id: u32) -> Listened {
        let watched = self.table.get(id).watched();
        if let Watched::Group(group) = watched {
            let expiry = self.group_expiry(facts, self.groups.get(group));
            return expiry.unwrap_or(Listened::NEVER);
        }
        let max_gap = self.max_gap(facts, id);
        let seen = self.seen(facts, id);
        let late = if facts.listening.is_clear_since(seen.at) {
            seen.listened + max_gap
        } else if self.rule_of(facts, id).min_rate.is_some() {
            rate_late_at(facts, seen, max_gap)
        } else {
            let interval = self.interval(facts, id);
            facts.listening.late_at(seen, interval, max_gap)
        };
        let instance = watched.instance(&facts.tracker);
        let started = instance.map(|id| facts.tracker.life(id).started_since(seen.listened));
        match started {
            // Started since its last sign of life: `max_gap` counts from the start.
            Some(started) if started > Listened::ZERO => late.max(started + max_gap),
            _ => late,
        }
    }

    /// True if beats of at least two instances that were live at `from`, when arrivals ceased, are a whole interval
    /// late at `to`: that is no silence of the instances themselves.
    #[cold]
    pub(in crate::core) fn were_due(&self, facts: &Facts, from: Mono, to: Mono) -> bool {
        let mut first = None;
        let missed = |beat: BeatId| {
            let row = facts.tracker.beat_row(beat);
            let interval = row.every().or_else(|| row.usual.longest());
            let instance = interval.filter(|interval| {
                let lived = from.since(row.seen.at) * 2 <= *interval * 3;
                lived && !row.stopped() && to.since(row.seen.at) >= *interval * 2
            });
            instance.map(|_| row.instance)
        };
        let beats = self.table.beats();
        beats
            .filter_map(missed)
            .any(|instance| *first.get_or_insert(instance) != instance)
    }

    /// True if a target is silent for longer than allowed.
    pub(in crate::core) fn is_late(&self, facts: &Facts, id: u32) -> bool {
        self.late_at(facts, id) < facts.listening.listened()
    }

    /// Learns the interval of a beat that arrived again, or remembers it as a possible new rhythm. `limit`: what its
    /// rule allows; `None` if no rule by instance watches it.
    #[inline]
    pub(in crate::core) fn learn_beat(
        &mut self,
        facts: &mut Facts,
        id: InstanceId,
        beaten: Beaten,
        target: u32,
    ) {
        let row = facts.tracker.beat_row(beaten.beat);
        let Some(interval) = ordinary(beaten.before, row.seen) else {
            return;
        };
        let follows = target == NONE || self.is_auto(facts, target);
        let limit = if target == NONE {
            MaxGap::auto(row.every(), row.usual.longest())
        } else {
            self.max_gap(facts, target)
        };
        let watched = Watched::Beat(beaten.beat);
        if interval <= limit {
            if !self.new_rhythms.is_empty() {
                self.new_rhythms.forget(watched);
            }
            let one = of_one_beat(interval, row.every(), beaten.hole);
            count_loss(facts, id, beaten);
            return facts.tracker.beat_mut(beaten.beat).usual.learn(one);
        }
        let started = facts.tracker.life(id).started_since(beaten.before.listened);
        let anew = beaten.restarted || started > Listened::ZERO;
        let usual = &mut facts.tracker.beat_mut(beaten.beat).usual;
        if self
            .new_rhythms
            .learn(usual, watched, interval, limit, anew, follows)
        {
            self.learned(target, interval);
        }
    }

    /// Learns the interval of a target that is not a beat, in the same way.
    #[inline]
    pub(in crate::core) fn learn(&mut self, facts: &Facts, target: u32, before: Stamp, now: Stamp) {
        let Some(interval) = ordinary(before, now) else {
            return;
        };
        let limit = self.max_gap(facts, target);
        let watched = self.table.get(target).watched();
        let id = watched.instance(&facts.tracker);
        let started = id.map(|id| facts.tracker.life(id).started_since(before.listened));
        let anew = started.is_some_and(|started| started > Listened::ZERO);
        let follows = self.is_auto(facts, target);
        let Some(usual) = self.table.usual_mut(target) else {
            return;
        };
        if self
            .new_rhythms
            .learn(usual, watched, interval, limit, anew, follows)
        {
            self.learned(target, interval);
        }
    }

    #[cold]
    fn learned(&mut self, target: u32, interval: Duration) {
        if target == NONE {
            return;
        }
        let reason = AliveReason::Rhythm(interval);
        self.is_known_alive(target, reason);
        let words = reason.words();
        self.events.push(AlertEvent::Known { target, words });
    }
}

/// End of the window of a target with a least rate that was last heard at `seen`, where lastbeat was blind since: a whole
/// window after that, on the listened clock.
#[cold]
fn rate_late_at(facts: &Facts, seen: Stamp, window: Duration) -> Listened {
    let listening = &facts.listening;
    let blind = listening
        .last_stretch()
        .map(|(_, to)| listening.listened_at(to));
    seen.listened.max(blind.unwrap_or_default()) + window
}

/// The time between two signs of life, if lastbeat listened for at least nine tenths of it; else `None`.
#[inline]
fn ordinary(before: Stamp, now: Stamp) -> Option<Duration> {
    let (interval, listened) = (now.at.since(before.at), now.listened.since(before.listened));
    let blind = interval.saturating_sub(listened);
    (!interval.is_zero() && blind * 10 <= interval).then_some(interval)
}

/// The part of an interval that is one beat's: those that were lost in it took the rest. Without a count they are guessed
/// by the declared interval.
#[inline]
fn of_one_beat(interval: Duration, every: Option<Duration>, hole: Option<u32>) -> Duration {
    let Some(every) = every.filter(|every| interval > *every + *every / 2) else {
        return interval;
    };
    let lost = hole.unwrap_or_else(|| {
        let half = every / 2;
        let over = nanos(interval - every - half);
        u32::try_from(over.div_ceil(nanos(every))).unwrap_or(u32::MAX)
    });
    interval.saturating_sub(every.saturating_mul(lost))
}

/// Counts a beat, and those that were lost before it, where lastbeat listened all the time. What is longer than the target's
/// limit is an outage and does not come here.
#[inline]
fn count_loss(facts: &mut Facts, id: InstanceId, beaten: Beaten) {
    let Some(hole) = beaten.hole else {
        if beaten.is_stale {
            facts.came_after_all(id);
        }
        return;
    };
    let row = facts.tracker.beat_row(beaten.beat);
    let interval = row.seen.at.since(beaten.before.at);
    let is_clear = row.seen.listened.since(beaten.before.listened) == interval;
    // More than there was time for: it counts from elsewhere.
    let every = row.every().unwrap_or_else(|| interval / MOST_FACTOR);
    if is_clear && every.saturating_mul(hole) <= interval {
        let app = facts.app_of(id);
        facts.count_loss(app, hole);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EVERY: Duration = Duration::from_secs(30);

    proptest! {
        #[test]
        fn lost_beats_took_their_share_of_an_interval_counted_or_not(
            lost in 0..50_u32,
            early_ms in 0..15_000_u64,
            late_ms in 0..=15_000_u64,
            is_early in any::<bool>(),
        ) {
            let whole = EVERY * (lost + 1);
            let off = |interval: Duration| {
                if is_early {
                    interval - Duration::from_millis(early_ms)
                } else {
                    interval + Duration::from_millis(late_ms)
                }
            };
            for hole in [Some(lost), None] {
                let one = of_one_beat(off(whole), Some(EVERY), hole);
                prop_assert_eq!(one, off(EVERY), "{:?}", hole);
            }
            prop_assert_eq!(of_one_beat(off(whole), None, Some(lost)), off(whole));
        }
    }

    #[test]
    fn an_interval_and_a_half_is_one_beat_s_whatever_is_counted_and_a_longer_one_is_not() {
        let limit = EVERY + EVERY / 2;
        let longer = limit + Duration::from_nanos(1);
        for hole in [None, Some(1)] {
            assert_eq!(of_one_beat(limit, Some(EVERY), hole), limit);
            assert_eq!(of_one_beat(longer, Some(EVERY), hole), longer - EVERY);
        }
    }
}
