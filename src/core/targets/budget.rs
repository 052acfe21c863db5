//! The factor of `max_gap = "auto"`: how many beats of a target must be lost before it alerts, so that lost beats make no
//! more false alarms than the rule's budget.
//!
//! Each target has its share of the budget: the factor is the least with which `targets x (time / interval) x p x q^(k-1)`
//! is within it, where p is the share of lost beats of the target's app, and q that after a lost one. It rises within a
//! minute and falls by the hour, where half of the budget would do. A target takes another factor with its next sign of
//! life: no deadline that has begun ever changes.

use crate::core::rule::{FalseAlarms, least_factor};
use crate::core::time::Mono;
use crate::core::tracker::loss::Odds;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// No target waits for more lost beats than this: beyond it a lossy stream would hide a death for long.
pub const MOST_FACTOR: u32 = 10;
/// Interval between two looks at all factors.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Interval between two looks that may lower a factor.
pub(super) const LOWER_EVERY: Duration = Duration::from_secs(3600);
/// Targets that are looked at in one turn, in about a millisecond.
pub(super) const LOOKED_AT: usize = 20_000;
/// Changes kept until somebody takes them; one for each rule and app.
pub(super) const MAX_CHANGES: usize = 1_000;

/// The state of the looks.
#[derive(Debug, Default)]
pub struct Budget {
    /// Live targets of each rule, by its number, as the last look counted them.
    pub(super) targets: Vec<u32>,
    pub(super) counting: Vec<u32>,
    /// The look that runs.
    pub(super) look: Option<Look>,
    /// Arrival clock: when the next look begins.
    pub(super) next_look: Mono,
    pub(super) next_lowering: Mono,
    /// Slots in use when the last look began.
    pub(super) in_use: usize,
    pub(super) changes: BTreeMap<(u32, u32), FactorChange>,
    /// The factors that are not as usual, by rule, app and interval in milliseconds, as the last look left them.
    pub(super) in_force: BTreeMap<(u32, u32, u32), u32>,
    pub(super) collecting: BTreeMap<(u32, u32, u32), u32>,
    /// Those of an earlier life, while its targets are taken in.
    pub(super) restored: HashMap<(Arc<str>, Arc<str>, u32), u32>,
}

/// A factor that is not as usual.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactorInForce {
    /// The rule's name.
    pub rule: Arc<str>,
    /// The app; empty where the targets are of no single one.
    pub app: Arc<str>,
    /// The interval, in milliseconds.
    pub every_ms: u32,
    /// The factor.
    pub factor: u32,
}

/// A look that runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// True while targets are still counted.
    pub(super) counts: bool,
    /// The slot to look at next.
    pub(super) at: usize,
    /// True if factors may fall.
    pub(super) lowers: bool,
}

/// The terms of the formula of a factor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terms {
    /// Targets of the rule.
    pub targets: u32,
    /// The interval of the target.
    pub every: Duration,
    /// The odds of a loss in its app.
    pub odds: Odds,
    /// The budget of the rule.
    pub budget: FalseAlarms,
}

impl Terms {
    /// False alarms within the budget's time, where all targets are as this one and alert after `run` lost beats.
    pub fn expected(&self, run: u32) -> f64 {
        let beats = self.budget.per.as_secs_f64() / self.every.as_secs_f64();
        f64::from(self.targets) * beats * self.odds.of_run(run)
    }

    /// The least factor that keeps within this part of the budget.
    pub fn factor(&self, part: f64) -> u32 {
        let least = least_factor(self.every).max(self.odds.longest.saturating_add(1));
        let most = f64::from(self.budget.count) * part;
        let mut fits = (least..MOST_FACTOR).filter(|run| self.expected(*run) <= most);
        fits.next().unwrap_or(MOST_FACTOR)
    }
}

/// The factor of a rule's targets in one app changed.
#[derive(Clone, Debug, PartialEq)]
pub struct FactorChange {
    /// The rule's name.
    pub rule: Arc<str>,
    /// The app.
    pub app: Arc<str>,
    /// The factor until then.
    pub from: u32,
    /// The factor from the next sign of life on.
    pub to: u32,
    /// The terms that make it so.
    pub terms: Terms,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::rule::LONG_INTERVAL;

    const DAY: Duration = Duration::from_secs(86_400);

    fn terms(targets: u32, every: u64, lost: f64) -> Terms {
        Terms {
            targets,
            every: Duration::from_secs(every),
            odds: Odds {
                lost,
                after_lost: lost,
                longest: 0,
                counted: 1_000_000,
            },
            budget: FalseAlarms::default(),
        }
    }

    #[test]
    fn the_least_factor_that_keeps_the_budget() {
        for (targets, every, lost, factor) in [
            (12, 30, 0.001, 3),
            (10, 30, 0.003, 3),
            (1_000, 30, 0.003, 4),
            (300, 5, 0.003, 4),
            (1_000, 30, 0.01, 4),
            (1_000, 30, 0.05, 7),
            (1_000, 30, 0.1, 8),
            (1_000, 30, 0.5, 10),
            (1_000_000, 30, 0.003, 5),
            // A daily job, and hourly ones.
            (1, 86_400, 0.003, 1),
            (12, 86_400, 0.003, 2),
            (1, 3_600, 0.003, 2),
            (1, 3_599, 0.003, 3),
        ] {
            let terms = terms(targets, every, lost);
            assert_eq!(terms.factor(1.0), factor, "{targets} x {every}s at {lost}");
        }
    }

    #[test]
    fn a_larger_budget_allows_fewer_lost_beats_and_a_longer_hole_more() {
        let mut one = terms(1_000, 30, 0.01);
        one.budget = FalseAlarms {
            count: 100,
            per: 30 * DAY,
        };
        assert_eq!(one.factor(1.0), 3);
        one.odds.longest = 4;
        assert_eq!(one.factor(1.0), 5);
        one.odds.longest = u32::MAX;
        assert_eq!(one.factor(1.0), MOST_FACTOR);
    }

    #[test]
    fn a_factor_falls_where_half_of_the_budget_would_do() {
        // 0.86 of one: enough to stay, too much to come down to.
        let one = terms(1_000, 30, 0.01);
        assert_eq!((one.factor(1.0), one.factor(0.5)), (4, 5));
        assert!((one.expected(4) - 0.864).abs() < 1e-6);
        assert!(LONG_INTERVAL <= DAY);
    }
}
