//! The silence that each rule allows, and the false alarms that lost beats make of that.

use crate::core::engine::Engine;
use crate::core::rule::{MaxGap, auto_slack};
use crate::core::snapshot::threshold_rows::{Longest, ThresholdRow};
use crate::core::targets::budget::Terms;
use crate::core::targets::table::Watched;
use crate::core::tracker::NONE;
use crate::core::tracker::loss::Odds;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// The sums of each rule, by its number, while they are made.
#[derive(Debug, Default)]
pub(in crate::core) struct Thresholds {
    rules: Vec<Option<Sum>>,
    odds: HashMap<u32, Odds>,
}

#[derive(Clone, Copy, Debug)]
struct Sum {
    targets: u64,
    expected: f64,
    longest: Longest,
}

impl Engine {
    /// Adds a target to the sums of its rule.
    pub(in crate::core) fn add_threshold(&self, sums: &mut Thresholds, id: u32) {
        let row = self.targets.table.get(id);
        let number = row.rule();
        if number == NONE || self.targets.is_target_stopped(&self.facts, id) {
            return;
        }
        let Some((every, app)) = self.targets.declared(&self.facts, id) else {
            return;
        };
        let rule = &self.facts.rules.rules[number as usize];
        let odds = *sums.odds.entry(app).or_insert_with(|| self.facts.odds(app));
        let usual = match row.watched() {
            Watched::Beat(beat) => self.facts.tracker.beat_row(beat).usual.longest(),
            Watched::Logs(_) | Watched::Group(_) => None,
        };
        let factor = match rule.max_gap {
            MaxGap::Auto => row.factor.next(),
            // As many as fit in whole; one that comes late counts for the next.
            MaxGap::Fixed(span) => lost_within(span + rule.hold, every),
        };
        let terms = Terms {
            targets: 1,
            every,
            odds,
            budget: rule.false_alarms,
        };
        let longest = Longest {
            factor,
            every,
            slack: auto_slack(every, usual),
            odds,
        };
        if sums.rules.len() <= number as usize {
            sums.rules.resize(number as usize + 1, None);
        }
        let sum = sums.rules[number as usize].get_or_insert(Sum {
            targets: 0,
            expected: 0.0,
            longest,
        });
        sum.targets += 1;
        sum.expected += terms.expected(factor);
        if factor > sum.longest.factor {
            sum.longest = longest;
        }
    }

    /// A row for each rule of which a target declares its interval.
    pub(in crate::core) fn threshold_rows(&self, sums: &Thresholds) -> Vec<ThresholdRow> {
        let rules = self.facts.rules.rules.iter().zip(&self.facts.rule_names);
        let rows = rules.zip(&sums.rules).filter_map(|((rule, name), sum)| {
            sum.map(|sum| ThresholdRow {
                rule: Arc::clone(name),
                max_gap: rule.max_gap,
                targets: sum.targets,
                longest: sum.longest,
                budget: rule.false_alarms,
                expected: sum.expected,
            })
        });
        rows.collect()
    }
}

/// Beats in a row that must be lost for a silence that is longer than `span`.
fn lost_within(span: Duration, every: Duration) -> u32 {
    let intervals = span.as_nanos().div_ceil(every.as_nanos().max(1));
    u32::try_from(intervals.saturating_sub(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_of_three_intervals_takes_two_lost_beats_and_one_that_is_late() {
        let seconds = Duration::from_secs;
        for (span, every, lost) in [
            (90, 30, 2),
            (91, 30, 3),
            (30, 30, 0),
            (20, 30, 0),
            (300, 30, 9),
        ] {
            assert_eq!(
                lost_within(seconds(span), seconds(every)),
                lost,
                "{span} {every}"
            );
        }
    }
}
