//! False alarms that can be known: a target fired, and what came after shows that it lived all the time.

use crate::core::facts::Facts;
use crate::core::targets::budget::MOST_FACTOR;
use crate::core::targets::table::{Reason, State};
use crate::core::targets::{AlertEvent, Targets};
use crate::core::time::Listened;
use crate::core::tracker::{Beaten, InstanceId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Words of a reason, by which it is known in the history.
const LIVED: &str = "it was alive";
const LEARNED: &str = "which was learned";
/// Targets that fire within this time of one another fire together.
const TOGETHER: Duration = Duration::from_secs(300);

/// Reason why an alert was a false alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AliveReason {
    /// So many beats were lost on the way, by `seq=`.
    Lost(u32),
    /// Its beat was said in time, and came so much later than usual.
    Late(Duration),
    /// It keeps this interval, which is longer than the one that was known.
    Rhythm(Duration),
}

impl AliveReason {
    /// The values of the label.
    pub const LABELS: [&'static str; 3] = ["lost", "late", "rhythm"];

    /// The label's value.
    pub const fn label(self) -> &'static str {
        AliveReason::LABELS[self.index()]
    }

    const fn index(self) -> usize {
        match self {
            AliveReason::Lost(_) => 0,
            AliveReason::Late(_) => 1,
            AliveReason::Rhythm(_) => 2,
        }
    }

    /// True if the words of a reason stand in what is known of an incident.
    pub fn is_told_in(detail: &str) -> bool {
        detail.contains(LIVED) || detail.contains(LEARNED)
    }

    /// In words.
    pub fn words(self) -> String {
        match self {
            AliveReason::Lost(1) => format!("seq shows 1 lost entry: {LIVED}"),
            AliveReason::Lost(lost) => format!("seq shows {lost} lost entries: {LIVED}"),
            AliveReason::Late(late) => {
                let late = late.as_secs();
                format!("its heartbeat was {late} s late on the way: {LIVED}")
            }
            AliveReason::Rhythm(interval) => format!(
                "its interval is {} s now, {LEARNED}: it is no failure any more",
                interval.as_secs()
            ),
        }
    }
}

/// False alarms that are known.
#[derive(Debug, Default)]
pub struct FalseAlarmCounts {
    /// Targets that fire, and fired alone.
    alone: BTreeSet<u32>,
    /// The target that fired last, and when on the listened clock.
    last: Option<(u32, Listened)>,
    /// Why those that fire were alive, by target.
    known: BTreeMap<u32, AliveReason>,
    /// By rule, in the order of [`AliveReason::LABELS`].
    counts: BTreeMap<Arc<str>, [u64; AliveReason::LABELS.len()]>,
}

impl FalseAlarmCounts {
    /// A target fires whose deadline lay there. What fires with others is an outage, and teaches nothing of loss.
    pub(in crate::core) fn fired(&mut self, target: u32, deadline: Listened) {
        let near = |at: Listened| deadline.since(at).max(at.since(deadline)) < TOGETHER;
        match self.last.replace((target, deadline)) {
            Some((last, at)) if near(at) => drop(self.alone.remove(&last)),
            _ => drop(self.alone.insert(target)),
        }
    }

    /// Numbers of false alarms of a rule since the start, by reason in the order of [`AliveReason::LABELS`].
    pub fn of_rule(&self, rule: &str) -> [u64; AliveReason::LABELS.len()] {
        self.counts.get(rule).copied().unwrap_or_default()
    }
}

impl Targets {
    /// A beat of a target that fires came: remembers where it shows that the target lived all the time.
    #[cold]
    pub(in crate::core) fn prove_alive(&mut self, facts: &mut Facts, target: u32, beaten: Beaten) {
        let is_first = self.table.get(target).good == 0;
        if beaten.new || beaten.restarted || !is_first {
            return;
        }
        let row = facts.tracker.beat_row(beaten.beat);
        let arrival = facts.listening.stamp().at;
        let said_after = row.seen.at.since(beaten.before.at);
        let reason = if row.seen.at < arrival {
            let was_in_time = said_after <= self.max_gap(facts, target);
            was_in_time.then(|| AliveReason::Late(arrival.since(row.seen.at)))
        } else {
            // It beat all the time where the count went on as fast as its interval says, give or take a fifth.
            let interval = self.interval(facts, target).interval;
            let lost = beaten.hole.filter(|lost| {
                let beaten_for = interval.saturating_mul(lost.saturating_add(1));
                *lost > 0 && beaten_for * 5 >= said_after * 4
            });
            lost.map(AliveReason::Lost)
        };
        let Some(reason) = reason else {
            return;
        };
        self.is_known_alive(target, reason);
        match reason {
            // It lost more than was allowed, by itself: the next time that is allowed.
            AliveReason::Lost(lost)
                if lost < MOST_FACTOR && self.false_alarms.alone.contains(&target) =>
            {
                let app = facts.app_of(InstanceId(facts.tracker.beat_row(beaten.beat).instance));
                facts.count_loss(app, lost);
            }
            _ => {}
        }
    }

    /// Remembers why a target that fires is alive; the first reason stands.
    pub(in crate::core) fn is_known_alive(&mut self, target: u32, reason: AliveReason) {
        if self.fires(target) {
            self.false_alarms.known.entry(target).or_insert(reason);
        }
    }

    /// An alert changed its state from `from`: where it is over and was false, it is counted and told.
    pub(in crate::core) fn close_as_alive(
        &mut self,
        facts: &Facts,
        target: u32,
        from: State,
        reason: Reason,
    ) {
        self.false_alarms.alone.remove(&target);
        let Some(alive) = self.false_alarms.known.remove(&target) else {
            return;
        };
        if from != State::Firing || reason != Reason::Heard {
            return;
        }
        let rule = Arc::clone(&facts.rule_names[self.table.get(target).rule() as usize]);
        self.false_alarms.counts.entry(rule).or_default()[alive.index()] += 1;
        let words = alive.words();
        self.events.push(AlertEvent::Known { target, words });
    }

    /// A target is gone.
    pub(in crate::core) fn forget_alive(&mut self, target: u32) {
        self.false_alarms.known.remove(&target);
        self.false_alarms.alone.remove(&target);
    }
}
