//! The silence that each rule allows, as a row of a snapshot.

use crate::core::rule::{FalseAlarms, MaxGap};
use crate::core::tracker::loss::Odds;
use std::sync::Arc;
use std::time::Duration;

/// More false alarms than one in this time are told.
const NOISY: Duration = Duration::from_secs(7 * 24 * 3600);

/// The silence that one rule allows the targets that declare their interval.
#[derive(Clone, Debug, PartialEq)]
pub struct ThresholdRow {
    /// The rule's name.
    pub rule: Arc<str>,
    /// The rule's own `max_gap`.
    pub max_gap: MaxGap,
    /// Live targets that declare their interval.
    pub targets: u64,
    /// The target of the rule that waits for the most lost beats.
    pub longest: Longest,
    /// The budget.
    pub budget: FalseAlarms,
    /// False alarms by lost beats to expect within the budget's time.
    pub expected: f64,
}

/// The wait of one target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Longest {
    /// Beats in a row that must be lost before it alerts.
    pub factor: u32,
    /// The interval that it declares.
    pub every: Duration,
    /// The slack under "auto".
    pub slack: Duration,
    /// The odds of a loss in its app.
    pub odds: Odds,
}

impl ThresholdRow {
    /// False alarms by lost beats to expect in a day.
    pub fn expected_a_day(&self) -> f64 {
        self.expected * 86_400.0 / self.budget.per.as_secs_f64()
    }

    /// True if more than one a week is to be expected.
    pub fn is_noisy(&self) -> bool {
        self.expected * NOISY.as_secs_f64() > self.budget.per.as_secs_f64()
    }
}
