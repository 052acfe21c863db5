//! What others see of it: promtool, Prometheus, the dashboards and the alert rules that ship with it.

use crate::support::bugsink::Project;
use crate::support::feed::Feed;
use crate::support::lastbeat::{Lastbeat, Setup};
use crate::support::nats::{Nats, Peer};
use crate::support::org::org;
use crate::support::prometheus::{Prometheus, promtool};
use crate::support::testbed::project;
use crate::support::wait::{wait_until, wall};
use serde_json::Value;
use std::fs;
use std::time::{Duration, UNIX_EPOCH};

const SOON: Duration = Duration::from_secs(20);

/// Expressions of the dashboards that may be empty after the run of this test, each with its reason.
const MAY_BE_EMPTY: [(&str, &str); 1] = [(
    "sum by (source, outcome) (increase(lastbeat_inventory_polls_total{instance=~\"$monitor\"}[$__rate_interval]))",
    "no inventory is asked here",
)];

/// A lastbeat that has everything to show: live ones, a stopped one, a silent one, a notice that was sent.
struct Scene {
    lastbeat: Lastbeat,
    _feed: Feed,
    _nats: Nats,
}

fn scene(name: &str) -> Scene {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let project = Project::new(name);
    let instances = org(&["sandwich", "batch"], &["sjc", "ams", "nrt"]);
    feed.beat(&instances, Duration::from_millis(300));
    let rules = "[[rule]]\nname = 'beats'\nmax_gap = '2s'\n";
    let lastbeat = Setup::new()
        .nats(&nats)
        .sentry(project.dsn())
        .rules("beats.toml", rules)
        .start();
    lastbeat.wait_live(6);
    feed.silence(&instances[5]);
    feed.say(&instances[5], "HEARTBEAT every=1s name=worker seq=1");
    feed.say(&instances[5], "HEARTBEAT every=1s name=worker seq=4");
    feed.say(&instances[5], "HEARTBEAT bye");
    feed.say(&instances[5], "HEARTBEAT bye name=worker");
    feed.publish(vec![("logs.short".to_owned(), b"hello world".to_vec())]);
    feed.silence(&instances[0]);
    project.wait_events(1, SOON);
    Scene {
        lastbeat,
        _feed: feed,
        _nats: nats,
    }
}

#[test]
fn promtool_finds_nothing_to_say() {
    let scene = scene("promtool");
    let metrics = scene.lastbeat.get("/metrics");
    assert!(
        metrics
            .head
            .to_lowercase()
            .contains("content-type: text/plain"),
        "{}",
        metrics.head
    );
    promtool(&["check", "metrics"], &metrics.body).expect("the metrics are clean");
    let (health, ready) = (
        scene.lastbeat.get("/healthz"),
        scene.lastbeat.get("/readyz"),
    );
    assert_eq!(
        (health.status, ready.status),
        (200, 200),
        "{} {}",
        health.body,
        ready.body
    );
    assert_eq!(scene.lastbeat.get("/nothing-here").status, 404);
    scene.lastbeat.stop();
}

/// The names of DESIGN's contract that exist so far, and the labels that each must have.
const CONTRACT: [(&str, &[&str]); 24] = [
    (
        "heartbeat_last_seen_timestamp_seconds",
        &["target_app", "target_region", "target_instance", "beat"],
    ),
    (
        "log_last_seen_timestamp_seconds",
        &["target_app", "target_region", "target_instance"],
    ),
    (
        "heartbeat_due_timestamp_seconds",
        &["target_app", "target_region", "target_instance", "beat"],
    ),
    ("stream_last_seen_timestamp_seconds", &[]),
    ("region_last_seen_timestamp_seconds", &["target_region"]),
    ("stream_lag_seconds_count", &[]),
    ("heartbeat_interval_seconds_count", &["target_app"]),
    ("instances", &["target_app", "target_region", "verdict"]),
    ("alerts", &["rule", "severity", "state"]),
    ("incidents", &["scope"]),
    ("entries_total", &["target_app"]),
    ("entry_bytes_total", &["target_app"]),
    ("heartbeats_total", &["target_app"]),
    ("heartbeats_lost_total", &["target_app"]),
    ("listened_seconds_total", &[]),
    ("blind_seconds_total", &["reason"]),
    ("nats_connected", &[]),
    ("nats_reconnects_total", &["reason"]),
    ("evaluation_seconds_count", &[]),
    ("evaluation_lateness_seconds_count", &[]),
    ("notices_total", &["notifier", "outcome"]),
    ("notices_pending", &["notifier"]),
    ("notice_delay_seconds_count", &["notifier"]),
    ("build_info", &["version", "revision"]),
];

#[test]
fn names_and_labels_are_those_of_the_contract() {
    let scene = scene("contract");
    let metrics = scene.lastbeat.metrics();
    for (name, labels) in CONTRACT {
        let name = format!("lastbeat_{name}");
        let found = metrics.all(&name, &[]).next();
        let sample = found.unwrap_or_else(|| panic!("{name} is not on /metrics"));
        for label in labels {
            assert!(
                sample.labels.contains_key(*label),
                "{name} has no label {label}: {sample:?}"
            );
        }
    }
    assert_eq!(
        metrics.sum("lastbeat_heartbeats_lost_total", &[("target_app", "batch")]),
        2.0
    );
    assert_eq!(
        metrics.sum("lastbeat_incidents", &[("scope", "instance")]),
        1.0
    );
    let now = wall()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs_f64();
    let age = now - metrics.one("lastbeat_stream_last_seen_timestamp_seconds");
    assert!(
        (-1.0..10.0).contains(&age),
        "timestamps, not ages: the last entry is {age} s old"
    );
    scene.lastbeat.stop();
}

#[test]
fn every_expression_that_ships_runs_on_a_live_prometheus() {
    let scene = scene("expressions");
    let prometheus = Prometheus::start(&scene.lastbeat.server);
    wait_until("ten scrapes", SOON, || {
        prometheus
            .query("count_over_time(up[1m]) >= 10")
            .is_ok_and(|rows| !rows.is_empty())
    });
    let mut faults = Vec::new();
    for (place, expression) in dashboards() {
        match prometheus.query(&filled(&expression)) {
            Err(error) => faults.push(format!("{place}: {expression}: {error}")),
            Ok(rows) if rows.is_empty() && !may_be_empty(&expression) => {
                faults.push(format!("{place}: {expression}: no data"));
            }
            Ok(_) => {}
        }
    }
    faults.extend(faulty_alerts(&prometheus));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    scene.lastbeat.stop();
}

fn may_be_empty(expression: &str) -> bool {
    MAY_BE_EMPTY.iter().any(|(may, _)| *may == expression)
}

#[test]
fn alert_rules_are_well_formed() {
    let alerts = project().join("dashboards/alerts.yml");
    promtool(&["check", "rules", &alerts.to_string_lossy()], "")
        .expect("the alert rules are sound");
}

/// Rules that Prometheus could not evaluate, and those that compare something which is not there.
fn faulty_alerts(prometheus: &Prometheus) -> Vec<String> {
    let rules = prometheus.rules();
    assert!(!rules.is_empty(), "dashboards/alerts.yml holds no rules");
    let mut faults = Vec::new();
    for rule in rules {
        let query = rule["query"].as_str().unwrap_or_default();
        if rule["health"] != "ok" {
            faults.push(format!(
                "alerts.yml: {}: {}",
                rule["name"], rule["lastError"]
            ));
        }
        // A healthy system makes most alert expressions empty; what they compare must be there all the same.
        match prometheus.query(&compared(query)) {
            Ok(rows) if rows.is_empty() => faults.push(format!(
                "alerts.yml: {}: {query}: nothing to compare",
                rule["name"]
            )),
            Ok(_) => {}
            Err(error) => faults.push(format!("alerts.yml: {}: {query}: {error}", rule["name"])),
        }
    }
    faults
}

/// What the expression looks at: each comparison answers 0 or 1 in place of dropping rows, and of what is to be
/// absent that which is there.
fn compared(expression: &str) -> String {
    let inside = expression
        .strip_prefix("absent(")
        .and_then(|rest| rest.strip_suffix(')'));
    [" > ", " < ", " >= ", " <= ", " == ", " != "]
        .iter()
        .fold(inside.unwrap_or(expression).to_owned(), |text, sign| {
            text.replace(sign, &format!("{sign}bool "))
        })
}

#[test]
fn what_an_alert_looks_at_is_found() {
    assert_eq!(compared("sum(a) > 0"), "sum(a) > bool 0");
    assert_eq!(compared("absent(a)"), "a");
}

/// Every expression of every dashboard, and of their variables, with its place.
fn dashboards() -> Vec<(String, String)> {
    let folder = project().join("dashboards");
    let files = fs::read_dir(&folder).expect("dashboards/ is in the project");
    let mut found = Vec::new();
    for file in files
        .flatten()
        .filter(|file| file.path().extension().is_some_and(|end| end == "json"))
    {
        let text = fs::read_to_string(file.path()).expect("the dashboard can be read");
        let dashboard: Value = serde_json::from_str(&text).expect("a dashboard is JSON");
        expressions(&file.file_name().to_string_lossy(), &dashboard, &mut found);
    }
    assert!(!found.is_empty(), "no expressions in {}", folder.display());
    found
}

/// Every `expr`, and every variable's `query`, wherever it stands; the title of the panel around it is its place.
fn expressions(place: &str, value: &Value, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            let title = fields.get("title").and_then(Value::as_str);
            let place = title.map_or_else(|| place.to_owned(), |title| format!("{place}: {title}"));
            for (key, value) in fields {
                match (key.as_str(), value.as_str()) {
                    ("expr", Some(expression)) => {
                        found.push((place.clone(), expression.to_owned()))
                    }
                    ("query", Some(query)) => {
                        found.extend(label_values(query).map(|query| (place.clone(), query)))
                    }
                    _ => expressions(&place, value, found),
                }
            }
        }
        Value::Array(rows) => rows.iter().for_each(|row| expressions(place, row, found)),
        _ => {}
    }
}

/// Grafana's `label_values(series, label)` as an expression that has rows where that has values.
fn label_values(query: &str) -> Option<String> {
    let (series, label) = query
        .strip_prefix("label_values(")?
        .strip_suffix(')')?
        .rsplit_once(',')?;
    Some(format!("count by ({}) ({series})", label.trim()))
}

/// The expression with Grafana's variables filled in as Grafana would with "All" chosen.
fn filled(expression: &str) -> String {
    let spans = [
        ("$__rate_interval", "10s"),
        ("$__interval", "5s"),
        ("$__range", "1m"),
    ];
    let text = spans
        .iter()
        .fold(expression.to_owned(), |text, (name, span)| {
            text.replace(name, span)
        });
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once('$') {
        out += before;
        out += ".*";
        rest = match after.strip_prefix('{') {
            Some(inside) => inside.split_once('}').map_or("", |(_, rest)| rest),
            None => after.trim_start_matches(|char: char| char.is_alphanumeric() || char == '_'),
        };
    }
    out + rest
}

#[test]
fn variables_are_understood() {
    assert_eq!(
        filled("rate(x{a=~\"$app\",b=~\"${b:regex}\"}[$__rate_interval])"),
        "rate(x{a=~\".*\",b=~\".*\"}[10s])"
    );
}
