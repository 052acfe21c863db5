use super::*;
use crate::core::downstream::counters::Hop;
use crate::core::downstream::watch::DownstreamState;
use crate::core::listening::Blind;
use crate::core::notice::Scope;
use crate::core::rule::Severity;
use crate::core::snapshot::downstream_rows::DownstreamRow;
use crate::core::snapshot::{AlertRow, AppRow, Odds, Snapshot, Verdict, VerdictRow};
use crate::core::time::{Mono, Now, Wall};
use std::time::Duration;

const HOSTILE: &str = "a\"b\\c\nd\u{1b}[31m}é{";

fn snapshot(app: &str) -> Snapshot {
    let wall = Wall::from_nanos(1_700_000_000_123_456_789);
    Snapshot {
        now: Now {
            mono: Mono::from_nanos(5),
            wall,
        },
        stream_seen: Some(wall),
        stalled: false,
        blind_now: None,
        lag: Duration::ZERO,
        canary: None,
        listened: Duration::from_millis(90_500),
        blind: Blind::ALL
            .map(|reason| (reason, Duration::from_secs(2)))
            .to_vec(),
        rejected: vec![("payload_json", 3)],
        downstreams: vec![DownstreamRow {
            name: app.into(),
            state: DownstreamState::Stalled,
            since: wall,
            hop: Some(Hop::Sink),
            delay: Some(Duration::from_millis(1_500)),
            max_delay: Duration::from_secs(120),
            found: Some(wall),
            found_total: 9,
            lost_total: 1,
            fault: String::new(),
            missing: None,
        }],
        apps: vec![AppRow {
            name: app.into(),
            seen: wall,
            entries: 7,
            bytes: 700,
            beats: 5,
            lost: 1,
            odds: Odds::default(),
        }],
        regions: vec![("iad".into(), wall)],
        verdicts: vec![VerdictRow {
            app: app.into(),
            region: "iad".into(),
            verdict: Verdict::Live,
            count: 2,
        }],
        alerts: vec![AlertRow {
            rule: "sandwich beats".into(),
            severity: Severity::Error,
            state: "ok",
            count: 2,
        }],
        thresholds: Vec::new(),
        false_alarms: Vec::new(),
        incidents: vec![(Scope::Stream, 1)],
        instances: Vec::new(),
        beats: Vec::new(),
        suppressed: 0,
        blind_intervals: Vec::new(),
        open: Vec::new(),
        rules: 1,
    }
}

fn text(metrics: &Metrics, snapshot: Option<&Snapshot>) -> String {
    String::from_utf8(metrics.render(snapshot)).expect("the text format is UTF-8")
}

#[test]
fn every_series_has_help_and_type_and_no_family_comes_twice() {
    let metrics = Metrics::new("1.2.3", "abc");
    metrics.notifier("sentry").count(Outcome::Delivered);
    let _ = metrics.interval("sandwich");
    metrics.nats_reconnected("closed");
    let text = text(&metrics, Some(&snapshot("sandwich")));
    let mut declared = std::collections::HashSet::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let name = rest.split(' ').next().expect("a name");
            assert!(declared.insert(name), "{name} twice");
            assert!(
                text.contains(&format!("# HELP {name} ")),
                "{name} without help"
            );
        } else if !line.starts_with('#') {
            let name = line.split(['{', ' ']).next().expect("a name");
            let base = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|end| name.strip_suffix(end));
            assert!(
                declared.contains(name) || base.is_some_and(|base| declared.contains(base)),
                "{line}"
            );
            assert!(
                name.starts_with("lastbeat_") || name.starts_with("process_"),
                "{line}"
            );
        }
    }
}

#[test]
fn values_come_from_the_snapshot() {
    let text = text(&Metrics::new("1.2.3", "abc"), Some(&snapshot("sandwich")));
    for line in [
        "lastbeat_build_info{revision=\"abc\",version=\"1.2.3\"} 1",
        "lastbeat_stream_last_seen_timestamp_seconds 1700000000.123",
        "lastbeat_region_last_seen_timestamp_seconds{target_region=\"iad\"} 1700000000.123",
        "lastbeat_entries_total{target_app=\"sandwich\"} 7",
        "lastbeat_entry_bytes_total{target_app=\"sandwich\"} 700",
        "lastbeat_heartbeats_total{target_app=\"sandwich\"} 5",
        "lastbeat_heartbeats_lost_total{target_app=\"sandwich\"} 1",
        "lastbeat_entries_rejected_total{reason=\"payload_json\"} 3",
        "lastbeat_listened_seconds_total 90.5",
        "lastbeat_blind_seconds_total{reason=\"stalled\"} 2",
        "lastbeat_instances{target_app=\"sandwich\",target_region=\"iad\",verdict=\"live\"} 2",
        "lastbeat_alerts{rule=\"sandwich beats\",severity=\"error\",state=\"ok\"} 2",
        "lastbeat_incidents{scope=\"stream\"} 1",
        "lastbeat_incidents{scope=\"instance\"} 0",
        "lastbeat_rules 1",
        "lastbeat_series_suppressed 0",
    ] {
        assert!(text.lines().any(|at| at == line), "{line} in\n{text}");
    }
}

#[test]
fn without_the_core_the_live_ones_are_still_told() {
    let metrics = Metrics::new("1.2.3", "abc");
    metrics.nats_connected.set(1);
    let text = text(&metrics, None);
    assert!(text.contains("\nlastbeat_nats_connected 1\n"), "{text}");
    assert!(!text.contains("lastbeat_listened"), "{text}");
}

#[test]
fn names_from_the_stream_cannot_break_the_text() {
    let metrics = Metrics::new("1.2.3", "abc");
    metrics.interval(HOSTILE).observe(1.0);
    let text = text(&metrics, Some(&snapshot(HOSTILE)));
    let escaped = "target_app=\"a\\\"b\\\\c\\nd\u{1b}[31m}é{\"";
    assert!(
        text.contains(&format!("lastbeat_entries_total{{{escaped}}} 7\n")),
        "{text}"
    );
    assert!(
        text.contains(&format!(
            "lastbeat_heartbeat_interval_seconds_count{{{escaped}}} 1\n"
        )),
        "{text}"
    );
}

#[test]
fn a_forgotten_app_leaves_and_a_new_notifier_starts_at_zero() {
    let metrics = Metrics::new("1.2.3", "abc");
    metrics.interval("old").observe(2.0);
    metrics.forget_app("old");
    metrics.forget_app("never known");
    let notifier = metrics.notifier("sentry");
    notifier.count(Outcome::GivenUp);
    let text = text(&metrics, None);
    assert!(!text.contains("old\""), "{text}");
    for (outcome, count) in [
        ("delivered", 0),
        ("retried", 0),
        ("rejected", 0),
        ("given_up", 1),
    ] {
        let line = format!(
            "lastbeat_notices_total{{notifier=\"sentry\",outcome=\"{outcome}\"}} {count}\n"
        );
        assert!(text.contains(&line), "{line} in\n{text}");
    }
}
