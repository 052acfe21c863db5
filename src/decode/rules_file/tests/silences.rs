//! `[[silence]]`.

use super::{expect, set};
use crate::core::rule::{Globs, Matchers, ScheduledSilence};
use std::time::Duration;

#[test]
fn every_key() {
    let text = r#"
        [[silence]]
        app = "sandwich"
        region = ["iad", "lhr"]
        instance = "0e*"
        host = "0ad1"
        rule = "sandwich beats"
        schedule = "0 3 * * 0"
        timezone = "Europe/Berlin"
        duration = "2h"
        reason = "weekly restart"

        [[silence]]
        app = "*"
        schedule = "*/10 * * * MON-FRI"
        duration = "1m"
        reason = "a test"

        [[rule]]
        name = "sandwich beats"
    "#;
    let globs = |globs: &[&str]| Globs(globs.iter().map(|glob| (*glob).to_owned()).collect());
    let set = set(&[text]);
    let first = ScheduledSilence {
        matchers: Matchers {
            app: globs(&["sandwich"]),
            region: globs(&["iad", "lhr"]),
            instance: globs(&["0e*"]),
            host: globs(&["0ad1"]),
            rule: globs(&["sandwich beats"]),
            ..Matchers::default()
        },
        schedule: "0 3 * * 0".to_owned(),
        timezone: "Europe/Berlin".to_owned(),
        duration: Duration::from_secs(7200),
        reason: "weekly restart".to_owned(),
    };
    assert_eq!(set.silences[0], first);
    assert_eq!(set.silences[1].matchers, Matchers::default());
    assert_eq!(set.silences[1].timezone, "UTC");
}

const CRON: &str =
    "a schedule is minute, hour, day of month, month, day of week, like \"0 3 * * 0\"";

/// The faults of a silence of an app, with these lines.
#[track_caller]
fn expect_lines(lines: &str, expected: &[&str]) {
    let text = format!("[[rule]]\nname = 'web beats'\n[[silence]]\nreason = 'x'\n{lines}\n");
    expect(&[&text], expected);
}

#[test]
fn what_is_missing() {
    expect(
        &["[[silence]]\n"],
        &[
            "a.toml:1:1: silence.app: missing; at least one of app, region, instance, host, rule, severity, labels, notifier; app = \"*\" is \
             everything",
            &format!("a.toml:1:1: silence.schedule: missing; {CRON}"),
            "a.toml:1:1: silence.duration: missing; a duration like \"2h\"",
            "a.toml:1:1: silence.reason: missing; a text for people",
        ],
    );
    expect(
        &["[silence]\napp = 'x'\n"],
        &[
            "a.toml:1:2: silence: silences are a list of tables; write [[silence]], with two brackets, above each",
        ],
    );
}

#[test]
fn what_is_wrong() {
    expect_lines(
        "app = 'web'\nschedule = '0 25 * * 0'\nduration = '30s'\nuntil = 'x'",
        &[
            &format!(
                "a.toml:6:12: silence.schedule: \"0 25 * * 0\": value must be in range 0..=23, found 25; {CRON}"
            ),
            "a.toml:7:12: silence.duration: \"30s\" is too short; a duration from 1m to 1month 13h 26m 24s",
            "a.toml:8:1: silence.until: unknown key; known are app, region, instance, host, rule, severity, labels, notifier, schedule, timezone, \
             duration, reason",
        ],
    );
    expect_lines(
        "app = 'web'\nschedule = '0 3 * * 0'\nduration = '2h'\ntimezone = 'Europe/Berln'",
        &[
            "a.toml:8:12: silence.timezone: \"Europe/Berln\": unknown time zone, nearest is \
             Europe/Berlin; an IANA name like \"Europe/Berlin\"",
        ],
    );
    expect_lines(
        "app = 'web'\nschedule = '0 0 31 2 *'\nduration = '2h'",
        &[&format!(
            "a.toml:6:12: silence.schedule: \"0 0 31 2 *\": never comes; {CRON}"
        )],
    );
    expect_lines(
        "app = 'web'\nschedule = '* * * * *'\nduration = '2d'",
        &[
            "a.toml:6:12: silence.schedule: \"* * * * *\": begins more than 1000 times within its duration; a * for \
             the minute means every minute; 0 is on the hour",
        ],
    );
}

#[test]
fn a_name_that_is_no_rules_is_a_warning() {
    let rest = "schedule = '0 3 * * 0'\nduration = '2h'";
    expect_lines(
        &format!("rule = ['web beat', 'stream', 'web *']\n{rest}"),
        &[
            "a.toml:5:8: silence.rule: no rule is named \"web beat\", nearest is web beats; the name of a [[rule]], or \
             \"stream\"",
        ],
    );
}
