//! False alarms that can be known: a target fired, and what came after shows that it lived all the time.

use crate::core::time::Listened;
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

    pub(super) const fn index(self) -> usize {
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
    pub(super) alone: BTreeSet<u32>,
    /// The target that fired last, and when on the listened clock.
    pub(super) last: Option<(u32, Listened)>,
    /// Why those that fire were alive, by target.
    pub(super) known: BTreeMap<u32, AliveReason>,
    /// By rule, in the order of [`AliveReason::LABELS`].
    pub(super) counts: BTreeMap<Arc<str>, [u64; AliveReason::LABELS.len()]>,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_label_and_is_known_by_its_words() {
        let second = Duration::from_secs(1);
        let all = [
            (AliveReason::Lost(1), "lost"),
            (AliveReason::Lost(2), "lost"),
            (AliveReason::Late(second), "late"),
            (AliveReason::Rhythm(second), "rhythm"),
        ];
        for (reason, label) in all {
            assert_eq!(reason.label(), label);
            let detail = format!("it ran out of memory; {}", reason.words());
            assert!(AliveReason::is_told_in(&detail), "{detail}");
        }
        assert!(!AliveReason::is_told_in("it ran out of memory"));
    }
}
