//! Severities of notifiers, hours, labels, and globs that take out.

use super::{expect, expect_line, files, read, set};
use crate::core::rule::{Globs, MaxGap, Severity};
use std::collections::BTreeMap;
use std::time::Duration;

fn labels(all: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = all.iter();
    owned
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn globs(all: &[&str]) -> Globs {
    Globs(all.iter().map(|glob| (*glob).to_owned()).collect())
}

const EVERYTHING: &str = r#"
    [defaults]
    severity = "warning"
    labels   = { team = "core", env = "prod" }
    notify   = ["chat"]
    remind   = "4h"
    active   = "Mon-Fri 08:00-18:00 Europe/Berlin"
    runbook  = "https://wiki/all"

    [stream]
    notify = ["pager"]
    remind = "6h"
    active = "always"
    labels = { env = "all" }

    [[rule]]
    name = "plain"
    app  = "a"

    [[rule]]
    name     = "own"
    app      = "b"
    severity = "critical"
    labels   = { env = "test", tier = "1" }
    notify   = ["pager", "chat"]
    remind   = "1h"
    active   = "always"
    runbook  = "https://wiki/own"

    [[silence]]
    severity = ["info", "warning"]
    labels   = { team = ["core", "data-*"], tier = "!1" }
    notifier = "!pager"
    schedule = "0 3 * * 0"
    duration = "2h"
    reason   = "restarts"

    [notify.pager]
    type     = "webhook"
    url      = "${URL}"
    severity = ["error", "critical"]

    [notify.chat]
    type = "webhook"
    url  = "${URL}"
"#;

#[test]
fn rules_have_what_they_say_and_else_the_defaults() {
    let set = set(&[EVERYTHING]);
    let (plain, own) = (&set.rules[0], &set.rules[1]);
    assert_eq!(plain.severity, Severity::Warning);
    assert_eq!(plain.labels, labels(&[("env", "prod"), ("team", "core")]));
    assert_eq!(plain.notify.as_deref(), Some(&["chat".to_owned()][..]));
    assert_eq!(plain.remind.map(|span| span.as_secs()), Some(4 * 3600));
    assert_eq!(
        plain.active.as_deref(),
        Some("Mon-Fri 08:00-18:00 Europe/Berlin")
    );
    assert_eq!(plain.runbook.as_deref(), Some("https://wiki/all"));
    assert_eq!(own.severity, Severity::Critical);
    let both = [("env", "test"), ("team", "core"), ("tier", "1")];
    assert_eq!(own.labels, labels(&both));
    assert_eq!(own.notify.as_ref().map(Vec::len), Some(2));
    assert_eq!(own.remind.map(|span| span.as_secs()), Some(3600));
    assert_eq!(
        (own.active.as_deref(), own.runbook.as_deref()),
        (None, Some("https://wiki/own"))
    );
}

#[test]
fn the_stream_is_routed_and_has_the_labels_of_everything() {
    let stream = set(&[EVERYTHING]).stream;
    assert_eq!(stream.notify.as_deref(), Some(&["pager".to_owned()][..]));
    assert_eq!(stream.remind.map(|span| span.as_secs()), Some(6 * 3600));
    assert_eq!(stream.active, None);
    assert_eq!(stream.labels, labels(&[("env", "all"), ("team", "core")]));
    assert_eq!(
        stream.severity,
        Severity::Critical,
        "the defaults are those of rules"
    );
    let hours = set(&["[stream]\nactive = 'Sat'\n[[rule]]\nname = 'x'"])
        .stream
        .active;
    assert_eq!(hours.as_deref(), Some("Sat"));
}

#[test]
fn notifiers_and_silences_are_narrowed() {
    let set = set(&[EVERYTHING]);
    assert_eq!(set.notifiers[0].severity, []);
    assert_eq!(
        set.notifiers[1].severity,
        [Severity::Critical, Severity::Error]
    );
    let matchers = &set.silences[0].matchers;
    assert_eq!(matchers.severity, [Severity::Warning, Severity::Info]);
    assert_eq!(matchers.labels["team"], globs(&["core", "data-*"]));
    assert_eq!(matchers.labels["tier"], globs(&["!1"]));
    assert_eq!(matchers.notifier, globs(&["!pager"]));
}

#[test]
fn what_is_printed_is_read_as_the_same() {
    let before = set(&[EVERYTHING]);
    let printed = crate::decode::rules_file::print(&before);
    let after = set(&[&printed]);
    assert_eq!(after, before, "{printed}");
}

#[test]
fn hours_that_are_none_are_faults() {
    const ALLOWED: &str = "hours are like \"Mon-Fri 08:00-18:00 Europe/Berlin\", or \"always\"";
    let cases = [
        ("1", "this is an integer"),
        ("''", "no day and no time"),
        ("'Mon-Fri 8-18'", "invalid times \"8-18\""),
        ("'Mon-Fry 08:00-18:00'", "unknown day \"Fry\""),
        (
            "'Mon-Fri 08:00-18:00 Europe/Berln'",
            "unknown time zone \"Europe/Berln\", nearest is Europe/Berlin",
        ),
    ];
    for (value, what) in cases {
        expect_line(
            &format!("active = {value}"),
            &format!("active: {what}; {ALLOWED}"),
        );
    }
    expect_line(
        "active = 'Mon-Fri 08:00-18:00, Sat 10:00-14:00 Europe/Berlin'",
        "",
    );
}

#[test]
fn labels_that_cannot_be_labels_are_faults() {
    const NAME: &str = "a label's name is letters, digits and _, of 1 to 32 characters, and does not begin with a digit or __";
    const VALUE: &str = "a label's value is one line of 1 to 200 characters";
    let long = "x".repeat(33);
    let cases = [
        (
            "'core'".to_owned(),
            "labels: not a table; a table like labels = { team = \"core\" }".to_owned(),
        ),
        (
            "{ 'a-b' = 'x' }".to_owned(),
            format!("labels.a-b: invalid name \"a-b\"; {NAME}"),
        ),
        (
            "{ __a = 'x' }".to_owned(),
            format!("labels.__a: invalid name \"__a\"; {NAME}"),
        ),
        (
            "{ 1a = 'x' }".to_owned(),
            format!("labels.1a: invalid name \"1a\"; {NAME}"),
        ),
        (
            format!("{{ {long} = 'x' }}"),
            format!("labels.{long}: invalid name \"{long}\"; {NAME}"),
        ),
        (
            "{ severity = 'x' }".to_owned(),
            format!("labels.severity: \"severity\" is set by lastbeat itself; {NAME}"),
        ),
        (
            "{ team = '' }".to_owned(),
            format!("labels.team: empty; {VALUE}"),
        ),
        (
            "{ team = 1 }".to_owned(),
            format!("labels.team: this is an integer; {VALUE}"),
        ),
    ];
    for (value, what) in cases {
        expect_line(&format!("labels = {value}"), &what);
    }
}

#[test]
fn globs_that_match_nothing_are_faults() {
    const GLOB: &str =
        "a glob is like \"web\", \"batch-*\", \"{iad,lhr}\" or \"!web-staging\", or a list of such";
    let cases = [
        ("'!'", "\"!\" has nothing to take out"),
        ("'!!web'", "\"!!web\" begins with more than one !"),
        ("'!*'", "\"!*\" takes out everything"),
        (
            "['web-*', '!web-*']",
            "\"web-*\" never matches: \"!web-*\" takes it out",
        ),
        (
            "['api', 'web-1', '!web-?']",
            "\"web-1\" never matches: \"!web-?\" takes it out",
        ),
        (
            "['api', '!web']",
            "\"!web\" takes out nothing that the list names",
        ),
        ("'web.iad'", "\"web.iad\" holds a dot, which no name has"),
    ];
    for (value, what) in cases {
        expect_line(&format!("app = {value}"), &format!("app: {what}; {GLOB}"));
    }
    for value in [
        "['web-*', '!web-staging']",
        "'!web'",
        "['*', '!web']",
        "['!a', '!b']",
    ] {
        expect_line(&format!("app = {value}"), "");
    }
}

#[test]
fn a_glob_is_shown_at_its_own_place() {
    expect(
        &["[[rule]]\nname = 'x'\napp = ['web-*',\n  '!web-*']"],
        &[
            "a.toml:3:8: rule \"x\": app: \"web-*\" never matches: \"!web-*\" takes it out; a glob is like \"web\", \
             \"batch-*\", \"{iad,lhr}\" or \"!web-staging\", or a list of such",
        ],
    );
}

#[test]
fn a_rule_that_leaves_something_to_the_next_does_not_shadow_it() {
    let warnings = |first: &str, second: &str| {
        let text = format!(
            "[[rule]]\nname = 'one'\napp = {first}\n[[rule]]\nname = 'two'\napp = {second}"
        );
        read(&files(&[&text])).warnings.len()
    };
    assert_eq!(warnings("['*', '!web']", "'web'"), 0);
    assert_eq!(warnings("['*', '!web']", "'*'"), 0);
    assert_eq!(warnings("['*', '!web']", "'api'"), 1);
    assert_eq!(warnings("['*', '!web']", "['*', '!web']"), 1);
    assert_eq!(warnings("'web-*'", "['web-1', 'web-2']"), 1);
}

#[test]
fn a_rule_that_notifies_nobody_is_a_warning() {
    let warnings = |severity: &str, notify: &str| {
        let text = format!(
            "[[rule]]\nname = 'x'\nseverity = '{severity}'\n{notify}\n[notify.pager]\ntype = 'webhook'\n\
             url = 'http://h/x'\nseverity = 'critical'\n[stream]\nmax_gap = '1m'"
        );
        let reading = read(&files(&[&text]));
        assert_eq!(reading.faults, []);
        reading
            .warnings
            .iter()
            .map(|one| one.warning())
            .collect::<Vec<_>>()
    };
    let none: [&str; 0] = [];
    assert_eq!(warnings("critical", "notify = 'pager'"), none);
    assert_eq!(
        warnings("info", "notify = 'pager'"),
        [
            "a.toml:2:8: warning: rule \"x\": notify: no notifier of it accepts severity info: it notifies nobody; \
             add it to the severity of pager"
        ]
    );
    // All: that of SENTRY_DSN may be among them.
    assert_eq!(warnings("info", ""), none);
}

#[test]
fn silences_of_names_that_nothing_has_are_warnings() {
    let text = "[[rule]]\nname = 'x'\nlabels = { team = 'core' }\n[[silence]]\nschedule = '0 3 * * 0'\n\
        duration = '2h'\nreason = 'r'\nnotifier = 'pagr'\nlabels = { tema = 'core' }";
    let warnings: Vec<String> = read(&files(&[text]))
        .warnings
        .iter()
        .map(|one| one.warning())
        .collect();
    assert_eq!(
        warnings,
        [
            "a.toml:8:12: warning: silence.notifier: no notifier is named \"pagr\"; the NAME of a [notify.NAME], or \"sentry\"",
            "a.toml:9:10: warning: silence.labels: no rule has the label \"tema\", nearest is team; \
             a label of a [[rule]], [stream] or [defaults]",
        ]
    );
}

#[test]
fn notifiers_of_the_stream_and_of_the_defaults_exist() {
    expect(
        &[
            "[stream]\nnotify = 'pager'\n[defaults]\nnotify = ['sentry', 'chat']\n[[rule]]\nname = 'x'",
        ],
        &[
            "a.toml:2:10: stream.notify: no notifier is named \"pager\"; known are sentry",
            "a.toml:4:10: defaults.notify: no notifier is named \"chat\"; known are sentry",
        ],
    );
}

#[test]
fn a_least_rate_is_a_count_in_a_window() {
    let rule = &set(&["[[rule]]\nname = 'x'\nwatch = 'logs'\nmin_rate = '10 per 1m'"]).rules[0];
    assert_eq!(rule.min_rate, Some(10));
    assert_eq!(rule.max_gap, MaxGap::Fixed(Duration::from_secs(60)));
    const ALLOWED: &str = "1 to 1000000 per 10s or more, like \"10 per 1m\"";
    let cases = [
        ("10", "this is an integer"),
        ("'10/m'", "\"10/m\" is not a count per duration"),
        ("'0 per 1m'", "the count of \"0 per 1m\" is out of range"),
        ("'10 per 9s'", "the duration of \"10 per 9s\" is too short"),
        ("'10 per minute'", "invalid duration \"minute\""),
    ];
    for (value, what) in cases {
        expect_line(
            &format!("watch = 'logs'\nmin_rate = {value}"),
            &format!("min_rate: {what}; {ALLOWED}"),
        );
    }
    expect_line(
        "min_rate = '10 per 1m'",
        "min_rate: counts entries, and this rule watches heartbeats; remove it, or set watch = \"logs\"",
    );
    expect_line(
        "watch = 'logs'\nby = 'app'\nmin_rate = '10 per 1m'",
        "min_rate: counts the entries of each instance; remove it, or set by = \"instance\"",
    );
    expect_line(
        "watch = 'logs'\nmax_gap = '5m'\nmin_rate = '10 per 1m'",
        "min_rate: its duration takes the place of max_gap; one of the two",
    );
}

#[test]
fn a_least_rate_is_printed_as_it_is_written() {
    let before = set(&["[[rule]]\nname = 'x'\nwatch = 'logs'\nmin_rate = '10 per 1m 30s'"]);
    let printed = crate::decode::rules_file::print(&before);
    assert!(
        printed.contains("min_rate     = \"10 per 1m 30s\""),
        "{printed}"
    );
    assert!(!printed.contains("[[rule]]\nmax_gap"), "{printed}");
    assert_eq!(set(&[&printed]), before);
}
