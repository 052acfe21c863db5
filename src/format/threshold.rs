//! The silence that a rule allows, in a sentence.

use super::{counted, exact_duration};
use crate::core::rule::{FalseAlarms, MaxGap};
use crate::core::snapshot::threshold_rows::ThresholdRow;
use crate::core::targets::budget::FactorChange;
use crate::core::tracker::loss::Odds;
use std::time::Duration;

/// `auto: 4 x 30 s + 1 s, for at most 1 false alarm in 30 d at 1.2% loss, 640 instances`, or of a rule with a duration
/// `90 s: expected false alarms: 2.6 a day at 1.2% loss, 640 instances`.
pub fn threshold(row: &ThresholdRow) -> String {
    let longest = &row.longest;
    let loss = loss(&longest.odds);
    let instances = counted(row.targets, "instance");
    match row.max_gap {
        MaxGap::Auto => {
            let (every, slack) = (span(longest.every), span(longest.slack));
            let (factor, budget) = (longest.factor, budget(row.budget));
            format!(
                "auto: {factor} x {every} + {slack}, for at most {budget} at {loss}, {instances}"
            )
        }
        MaxGap::Fixed(limit) => {
            let (span, rate) = (span(limit), rate(row.expected_a_day()));
            format!("{span}: expected false alarms: {rate} at {loss}, {instances}")
        }
    }
}

/// `auto is 4 x 30 s instead of 3, for at most 1 false alarm in 30 d at 1.2% loss, 640 instances`.
pub fn factor_change(change: &FactorChange) -> String {
    let FactorChange {
        from, to, terms, ..
    } = change;
    let (every, budget) = (span(terms.every), budget(terms.budget));
    let (loss, instances) = (
        loss(&terms.odds),
        counted(u64::from(terms.targets), "instance"),
    );
    format!("auto is {to} x {every} instead of {from}, for at most {budget} at {loss}, {instances}")
}

/// `1.2% loss`, or `0.3% loss (assumed, without seq=)`.
pub fn loss(odds: &Odds) -> String {
    let percent = digits(odds.lost * 100.0);
    if odds.is_assumed() {
        format!("{percent}% loss (assumed, without seq=)")
    } else {
        format!("{percent}% loss")
    }
}

fn budget(budget: FalseAlarms) -> String {
    let alarms = counted(u64::from(budget.count), "false alarm");
    format!("{alarms} in {}", span(budget.per))
}

/// `30 d`, `90 s`, or as it is written in settings.
fn span(span: Duration) -> String {
    const DAY: u64 = 86_400;
    match (span.as_secs(), span.subsec_nanos()) {
        (seconds, 0) if seconds >= DAY && seconds.is_multiple_of(DAY) => {
            format!("{} d", seconds / DAY)
        }
        (seconds @ 1..=120, 0) => format!("{seconds} s"),
        _ => exact_duration(span),
    }
}

/// A rate in the unit in which it is easiest to read.
fn rate(a_day: f64) -> String {
    match a_day {
        0.5.. => format!("{} a day", digits(a_day)),
        0.05.. => format!("{} a month", digits(a_day * 30.0)),
        _ if a_day * 365.0 < 0.01 => "fewer than 0.01 a year".to_owned(),
        _ => format!("{} a year", digits(a_day * 365.0)),
    }
}

/// Two digits, or the whole number.
fn digits(value: f64) -> String {
    let places = match value {
        10.0.. => 0,
        0.1.. => 1,
        _ => 2,
    };
    let text = format!("{value:.places$}");
    match text.split_once('.') {
        Some((whole, rest)) if rest.bytes().all(|digit| digit == b'0') => whole.to_owned(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::snapshot::threshold_rows::Longest;

    fn row(max_gap: MaxGap, expected: f64) -> ThresholdRow {
        ThresholdRow {
            rule: "web".into(),
            max_gap,
            targets: 640,
            longest: Longest {
                factor: 4,
                every: Duration::from_secs(30),
                slack: Duration::from_secs(1),
                odds: Odds {
                    lost: 0.0123,
                    after_lost: 0.0123,
                    longest: 2,
                    counted: 1_000,
                },
            },
            budget: FalseAlarms::default(),
            expected,
        }
    }

    #[test]
    fn a_sentence_says_what_is_allowed_and_what_it_costs() {
        assert_eq!(
            threshold(&row(MaxGap::Auto, 0.9)),
            "auto: 4 x 30 s + 1 s, for at most 1 false alarm in 30 d at 1.2% loss, 640 instances"
        );
        let fixed = MaxGap::Fixed(Duration::from_secs(90));
        for (expected, rate) in [
            (78.0, "2.6 a day"),
            (3_000.0, "100 a day"),
            (3.0, "3 a month"),
            (0.3, "3.6 a year"),
            (0.000_01, "fewer than 0.01 a year"),
        ] {
            assert_eq!(
                threshold(&row(fixed, expected)),
                format!("90 s: expected false alarms: {rate} at 1.2% loss, 640 instances")
            );
        }
        assert!(row(fixed, 4.3).is_noisy() && !row(fixed, 4.2).is_noisy());
        assert_eq!(loss(&Odds::default()), "0.3% loss (assumed, without seq=)");
    }
}
