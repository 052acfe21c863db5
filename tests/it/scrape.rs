//! What others see of it: promtool, and whoever knows the names of the metrics.

use crate::support::bugsink::Project;
use crate::support::feed::Feed;
use crate::support::lastbeat::{Lastbeat, Setup};
use crate::support::nats::{Nats, Peer};
use crate::support::org::org;
use crate::support::prometheus::promtool;
use crate::support::wait::wall;
use std::time::{Duration, UNIX_EPOCH};

const SOON: Duration = Duration::from_secs(20);

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
