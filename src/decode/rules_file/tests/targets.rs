//! Keys that decide who is watched, when something is told again, and to whom.

use super::{expect, expect_line, set};
use crate::core::rule::{By, Globs};
use std::time::Duration;

#[test]
fn every_target_and_time() {
    let text = r#"
        [notify.oncall]
        type = "webhook"
        url = "${ONCALL_URL}"

        [[rule]]
        name = "batch"
        app = "batch-*"
        by = "app-region"
        expect = ["iad", "lhr"]
        at_least = 2
        remind = "4h"
        notify = ["sentry", "oncall"]
        group_wait = "0s"
        forget_after = "7d"

        [[rule]]
        name = "host"
        host = ["0ad1", "0b*"]
        notify = "oncall"
        group_wait = "5m"
    "#;
    let set = set(&[text]);
    let [batch, host] = set.rules.as_slice() else {
        panic!("two rules")
    };
    assert_eq!((batch.by, batch.at_least), (By::AppRegion, Some(2)));
    assert_eq!(batch.expect, ["iad", "lhr"]);
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    assert_eq!(batch.remind, Some(hours(4)));
    assert_eq!(
        (batch.group_wait, batch.forget_after),
        (Duration::ZERO, hours(7 * 24))
    );
    let names = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
    assert_eq!(batch.notify, names(&["sentry", "oncall"]));
    assert_eq!(host.notify, names(&["oncall"]));
    assert_eq!(host.host, Globs(vec!["0ad1".to_owned(), "0b*".to_owned()]));
}

#[test]
fn what_does_not_go_together() {
    expect_line(
        "host = '0ad1'\nwatch = 'logs'",
        "host: only heartbeats carry a host, and watch = \"logs\" accepts any entry; remove it, or set watch = \"heartbeat\"",
    );
    expect_line(
        "host = '0ad1'\nby = 'app'",
        "host: by = \"app\" has no single host; remove it, or set by = \"instance\"",
    );
    expect_line(
        "expect = ['iad']\nat_least = 2",
        "expect: instances have no known names before they start; set it with by = \"app-region\", \"app\" or \
         \"region\"\nat_least: each instance is a target of its own; set it with by = \"app-region\", \"app\" or \"region\"",
    );
    // A `by` that is wrong is told once, and nothing that follows from it.
    expect_line(
        "by = 'zone'\nexpect = ['iad']",
        "by: unknown value \"zone\"; allowed are instance, app-region, app, region",
    );
    expect_line(
        "by = 'region'\nregion = 'i*'\nexpect = ['iad', 'lhr']",
        "expect: \"lhr\" does not match the rule's region; by = \"region\" expects names of its region",
    );
    expect_line("by = 'app'\napp = 'web-*'\nexpect = 'web-1'", "");
    expect_line("by = 'app'\nat_least = 3\nwatch = 'logs'", "");
}

#[test]
fn names_numbers_and_times() {
    const NAME: &str = "a name of letters, digits, - and _, of 1 to 63 characters";
    let by = |line: &str| format!("by = 'region'\n{line}");
    expect_line(
        &by("expect = ['i*', 'i d', 3, 'iad', 'iad']"),
        &format!(
            "expect: \"i*\" is a glob, expected a name; {NAME}\nexpect: invalid name \"i d\"; {NAME}\n\
             expect: this is an integer; {NAME}\nexpect: \"iad\" is listed twice; once is enough"
        ),
    );
    expect_line(
        &by("expect = []"),
        "expect: an empty list matches nothing; remove the key",
    );
    for value in ["0", "10001", "-1"] {
        expect_line(
            &by(&format!("at_least = {value}")),
            &format!("at_least: {value} is out of range; a whole number from 1 to 10000"),
        );
    }
    expect_line(
        "remind = '59s'",
        "remind: \"59s\" is too short; a duration of 1m or more",
    );
    expect_line(
        "group_wait = '301s'",
        "group_wait: \"301s\" is too long; a duration of 5m at most",
    );
    expect_line(
        "forget_after = 'never'",
        "forget_after: invalid duration \"never\"; a duration of 1m or more",
    );
}

#[test]
fn regions_that_nobody_knows_are_a_warning() {
    expect(
        &["[[rule]]\nname = 'x'\nby = 'app-region'\nexpect = ['iad', 'lhr1', 'berlin-1']\n"],
        &[
            "a.toml:4:10: rule \"x\": expect: \"lhr1\" is not a known region of Fly.io, nearest is lhr; \
             ignore this for a new region, or elsewhere",
            "a.toml:4:10: rule \"x\": expect: \"berlin-1\" is not a known region of Fly.io; ignore this for a new \
             region, or elsewhere",
        ],
    );
    expect_line("by = 'app'\nexpect = 'berlin-1'", "");
}
