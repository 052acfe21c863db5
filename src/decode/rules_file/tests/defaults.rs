//! `[defaults]`, and the keys that it shares with rules.

use super::{expect, expect_line, set};
use crate::core::rule::FalseAlarms;
use std::time::Duration;

/// The budgets of all rules, as count and hours.
fn budgets(texts: &[&str]) -> Vec<(u32, u64)> {
    let rules = set(texts).rules.into_iter();
    let hours = |budget: FalseAlarms| budget.per.as_secs() / 3600;
    rules
        .map(|rule| (rule.false_alarms.count, hours(rule.false_alarms)))
        .collect()
}

#[test]
fn budgets_of_false_alarms() {
    const ALLOWED: &str = "1 to 1000 per 1h or more, like \"1 per 30d\"";
    let cases = [
        ("1", "this is an integer"),
        ("\"\"", "\"\" is not a count per duration"),
        ("\"1/30d\"", "\"1/30d\" is not a count per duration"),
        (
            "\"0 per 30d\"",
            "the count of \"0 per 30d\" is out of range",
        ),
        (
            "\"-1 per 30d\"",
            "the count of \"-1 per 30d\" is out of range",
        ),
        (
            "\"1.5 per 1d\"",
            "the count of \"1.5 per 1d\" is out of range",
        ),
        (
            "\"1001 per 30d\"",
            "the count of \"1001 per 30d\" is out of range",
        ),
        ("\"1 per month\"", "invalid duration \"month\""),
        (
            "\"1 per 59m\"",
            "the duration of \"1 per 59m\" is too short",
        ),
        ("\"1 per 400d\"", "\"400d\" is longer than 366 days"),
    ];
    for (value, what) in cases {
        expect_line(
            &format!("false_alarms = {value}"),
            &format!("false_alarms: {what}; {ALLOWED}"),
        );
    }
    for value in ["1 per 30d", "1000 per 1h", "2 per 1d 12h"] {
        expect_line(&format!("false_alarms = '{value}'"), "");
    }
    let default = FalseAlarms::default();
    assert_eq!(
        (default.count, default.per),
        (1, Duration::from_secs(30 * 86_400))
    );
}

#[test]
fn defaults_hold_for_the_rules_of_all_files_that_do_not_say_themselves() {
    let (before, after) = (
        "[[rule]]\nname = 'a'\n[[rule]]\nname = 'b'\napp = 'b'\nfalse_alarms = '1 per 30d'",
        "[[rule]]\nname = 'c'\napp = 'c'\n[defaults]\nfalse_alarms = '2 per 7d'",
    );
    let expected = [(2, 7 * 24), (1, 30 * 24), (2, 7 * 24)];
    assert_eq!(budgets(&[before, after]), expected);
    assert_eq!(budgets(&[before]), [(1, 30 * 24), (1, 30 * 24)]);
}

#[test]
fn faults_of_defaults_have_their_place() {
    expect(
        &[
            "[defaults]\nfalse_alarm = '1 per 30d'\n",
            "[defaults]\nfalse_alarms = 'none'\n",
            "[[defaults]]\nfalse_alarms = '1 per 30d'\n",
            "[default]\nfalse_alarms = '1 per 30d'\n",
            "false_alarms = '1 per 30d'\n",
        ],
        &[
            "a.toml:2:1: defaults.false_alarm: unknown key, nearest is false_alarms; known are severity, labels, notify, remind, active, runbook, false_alarms",
            "b.toml:1:2: defaults: a second [defaults]; the first is in a.toml:1; at most one in all files",
            "b.toml:2:16: defaults.false_alarms: \"none\" is not a count per duration; 1 to 1000 per 1h or more, like \"1 per 30d\"",
            "c.toml:1:3: defaults: the defaults are one table; write [defaults] and its keys below",
            "d.toml:1:2: default: unknown table, nearest is defaults; tables are [stream], [defaults], [[rule]], [[silence]], [[downstream]], [sink.NAME], [[forward]], [notify.NAME] and [archive]",
            "e.toml:1:1: false_alarms: a key outside of any table; move it below [stream] or a [[rule]]",
        ],
    );
}
