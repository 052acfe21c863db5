//! The alert rules: sound, tested both ways, with a page of the runbook each.

use super::{anchors, astray, folder};
use crate::support::prometheus::{Prometheus, promtool};
use std::fs;

#[test]
fn rules_are_sound_and_fire_when_they_should() {
    for (what, file) in [("check", "alerts.yml"), ("test", "alerts_test.yml")] {
        let file = folder().join(file);
        promtool(&[what, "rules", &file.to_string_lossy()], "")
            .unwrap_or_else(|said| panic!("promtool {what} rules: {said}"));
    }
}

#[test]
fn every_alert_is_seen_to_fire_and_to_keep_quiet_and_has_its_runbook() {
    let rules = read("alerts.yml");
    let tests = read("alerts_test.yml").replace(['{', '}', ','], "\n");
    let anchors = anchors();
    let mut faults = Vec::new();
    let mut count = 0;
    for rule in rules.split("- alert: ").skip(1) {
        count += 1;
        let name = rule.lines().next().unwrap_or_default().trim();
        let mut wrong = |what: &str| faults.push(format!("{name}: {what}"));
        let (quiet, firing) = cases(&tests, name);
        if quiet == 0 {
            wrong("no test in which it keeps quiet");
        }
        if firing == 0 {
            wrong("no test in which it fires");
        }
        let url = rule
            .lines()
            .find_map(|line| line.trim().strip_prefix("runbook_url: "));
        match url.map(|url| url.trim_matches(['\'', '"'])) {
            None => wrong("no runbook_url"),
            Some(url) => {
                if let Some(fault) = astray(url, &anchors) {
                    wrong(&format!("{url}: {fault}"));
                }
                if !url.ends_with(&name.to_lowercase()) {
                    wrong("the runbook of another alert");
                }
            }
        }
    }
    assert!(count > 10, "{count} alerts only");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// How often the tests say that it keeps quiet, and that it fires.
fn cases(tests: &str, name: &str) -> (usize, usize) {
    let lines: Vec<&str> = tests
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let named = format!("alertname: {name}");
    let after = lines.windows(2).filter(|pair| pair[0] == named);
    let (quiet, firing): (Vec<_>, Vec<_>) = after.partition(|pair| pair[1] == "exp_alerts: []");
    (
        quiet.len(),
        firing
            .iter()
            .filter(|pair| pair[1] == "exp_alerts:")
            .count(),
    )
}

fn read(file: &str) -> String {
    fs::read_to_string(folder().join(file))
        .unwrap_or_else(|error| panic!("cannot read dashboards/{file}: {error}"))
}

/// Rules that Prometheus could not evaluate, and those that compare something which is not there.
pub(super) fn faulty(prometheus: &Prometheus) -> Vec<String> {
    let rules = prometheus.rules();
    assert!(!rules.is_empty(), "dashboards/alerts.yml holds no rules");
    let mut faults = Vec::new();
    for rule in rules {
        let query = rule["query"].as_str().unwrap_or_default();
        let name = &rule["name"];
        if rule["health"] != "ok" {
            faults.push(format!("alerts.yml: {name}: {}", rule["lastError"]));
        }
        // A healthy system makes most alert expressions empty; what they compare must be there all the same.
        match prometheus.query(&compared(query)) {
            Ok(rows) if rows.is_empty() => {
                faults.push(format!("alerts.yml: {name}: {query}: nothing to compare"));
            }
            Ok(_) => {}
            Err(error) => faults.push(format!("alerts.yml: {name}: {query}: {error}")),
        }
    }
    faults
}

/// What the expression looks at: each comparison answers 0 or 1 in place of dropping rows, and of what is to be
/// absent that which is there.
fn compared(expression: &str) -> String {
    [" > ", " < ", " >= ", " <= ", " == ", " != "]
        .iter()
        .fold(expression.replace("absent(", "("), |text, sign| {
            text.replace(sign, &format!("{sign}bool "))
        })
}

#[test]
fn what_an_alert_looks_at_is_found() {
    assert_eq!(compared("sum(a) > 0"), "sum(a) > bool 0");
    assert_eq!(compared("absent(a) or b"), "(a) or b");
    let tests =
        "alertname: A\nexp_alerts: []\nalertname: A\nexp_alerts:\nalertname: AB\nexp_alerts: []";
    assert_eq!(cases(tests, "A"), (1, 1));
}
