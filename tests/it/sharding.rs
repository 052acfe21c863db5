//! Two lastbeats that share a stream by subject, one Alertmanager and one Prometheus above: with the
//! words of docs/deploy.md, "Several lastbeats on one stream".

mod parts;

use crate::support::lastbeat::Setup;
use crate::support::org::org;
use crate::support::wait::{since, wait_for, wait_until, wall};
use parts::{APPS, EAST, Parts, SOON, WEST, listed, notices, page, resolves};
use serde_json::json;
use std::time::Duration;

/// Who still fires says so again each minute.
const AGAIN: Duration = Duration::from_secs(120);
/// How long Alertmanager lets an alert fire that nobody says again.
const LEFT: Duration = Duration::from_secs(5 * 60);
const WHOLE: &str = "sum by (target_app) (lastbeat_instances)";

#[test]
fn each_part_counts_its_own_and_their_sum_is_the_whole() {
    let parts = Parts::by_region();
    let prometheus = parts.prometheus();
    assert!(page().contains(WHOLE), "the page asks so");
    wait_until("the whole", SOON, || {
        let whole = prometheus.query(WHOLE).expect("Prometheus answers");
        let apps = whole.iter().filter(|row| row["value"][1] == "4");
        apps.count() == APPS.len() && whole.len() == APPS.len()
    });
    // Each entry of everybody is counted by one of them, once.
    let counted = org(&["counted"], &[EAST, WEST].concat());
    for one in &counted {
        let entry = (one.subject(), one.entry("counted").into_bytes());
        parts.feed.publish(vec![entry; 100]);
    }
    let entries = "sum by (instance) (lastbeat_entries_total{target_app=\"counted\"})";
    wait_until("each entry once", SOON, || {
        let rows = prometheus.query(entries).expect("Prometheus answers");
        rows.len() == 2 && rows.iter().all(|row| row["value"][1] == "200")
    });
    parts.each(|one| one.wait_listened(Duration::from_secs(2)));
    for one in [&parts.east, &parts.west] {
        let heard = one
            .metrics()
            .sum("lastbeat_entries_total", &[("target_app", "counted")]);
        assert_eq!(heard, 200.0, "and none later");
    }
    parts.stop();
}

#[test]
fn whom_one_part_alone_hears_alerts_once_and_the_other_says_nothing() {
    let parts = Parts::by_region();
    let web = &parts.of("web", EAST)[0];
    parts.feed.silence(web);
    let alert = parts.wait_alerts("web", 1).remove(0);
    assert_eq!(
        alert["labels"],
        json!({
            "alertname": "HeartbeatMissed", "rule": "beats", "scope": "instance", "severity": "error",
            "target_app": "web", "target_region": EAST[0], "target_instance": web.id,
        })
    );
    parts.wait_told("web", &["firing"]);
    parts.each(|one| one.wait_listened(parts::LONGER));
    parts.feed.resume(web);
    parts.wait_told("web", &["firing", "resolved"]);
    parts.east.wait_metrics("both told", SOON, |metrics| {
        metrics.sum("lastbeat_notices_total", &[("outcome", "delivered")]) == 2.0
    });
    assert_eq!(notices(&parts.west), 0.0);
    assert_eq!(parts.told("web"), ["firing", "resolved"]);
    parts.stop();
}

#[test]
fn an_app_silent_in_both_parts_is_one_alert_until_the_first_of_them_hears_it() {
    let parts = Parts::by_region();
    parts.silence("web", EAST);
    parts.silence("web", WEST);
    parts.each(|one| {
        one.wait_metrics("its notice told", SOON, |metrics| {
            metrics.sum("lastbeat_notices_total", &[("outcome", "delivered")]) == 1.0
        });
    });
    let alert = parts.wait_alerts("web", 1).remove(0);
    assert_eq!(
        alert["labels"],
        json!({
            "alertname": "AppSilent", "rule": "beats", "scope": "app", "severity": "error",
            "target_app": "web",
        })
    );
    parts.wait_told("web", &["firing"]);
    parts.each(|one| one.wait_listened(parts::LONGER));
    assert_eq!(parts.told("web"), ["firing"], "one message of both");

    // The first that hears it ends the alert; the other, which says it each minute, says it again.
    parts.resume("web", EAST);
    let told = |words: &str| parts.told("web").join(" ").starts_with(words);
    wait_until("its end", SOON, || told("firing resolved"));
    let ended = wall();
    wait_until("said again", AGAIN, || told("firing resolved firing"));
    println!("said again {:?} later", since(ended));
    let alert = parts.wait_alerts("web", 1).remove(0);
    assert_eq!(alert["labels"]["scope"], "app");
    parts.resume("web", WEST);
    parts.wait_told("web", &["firing", "resolved", "firing", "resolved"]);
    // Counted once Alertmanager's answer came, a moment after it told.
    parts.each(|one| wait_until("its end counted", SOON, || notices(one) == 2.0));
    parts.stop();
}

#[test]
fn rules_named_apart_are_alerts_apart() {
    let parts = Parts::named(["beats, east", "beats, west"]);
    parts.silence("web", EAST);
    parts.silence("web", WEST);
    parts.wait_alerts("web", 2);
    parts.resume("web", EAST);
    let left = parts.wait_alerts("web", 1).remove(0);
    assert_eq!(left["labels"]["rule"], "beats, west");
    parts.resume("web", WEST);
    parts.wait_alerts("web", 0);
    parts.stop();
}

#[test]
fn parts_to_which_an_app_silence_reaches_differently_are_two_alerts_in_one_message() {
    // The east hears two of them, the west one.
    let lonely = [EAST, &WEST[..1]].concat();
    let parts = Parts::with(&org(&["lonely"], &lonely));
    parts.silence("lonely", EAST);
    parts.silence("lonely", &WEST[..1]);
    let alerts = parts.wait_alerts("lonely", 2);
    let scopes: Vec<&str> = alerts
        .iter()
        .filter_map(|one| one["labels"]["scope"].as_str())
        .collect();
    assert!(
        scopes.contains(&"app") && scopes.contains(&"instance"),
        "{scopes:?}"
    );
    wait_until("a message of both", SOON, || {
        parts
            .groups("lonely")
            .last()
            .is_some_and(|(_, alerts)| alerts.len() == 2)
    });
    parts.stop();
}

#[test]
fn a_part_calls_an_app_silent_that_lives_in_the_other() {
    let parts = Parts::by_region();
    parts.silence("web", EAST);
    let alert = parts.wait_alerts("web", 1).remove(0);
    assert_eq!(alert["labels"]["alertname"], "AppSilent");
    let affected = alert["annotations"]["affected"].to_string();
    let names = |regions| {
        let of_web = parts.of("web", regions);
        of_web
            .iter()
            .filter(|one| affected.contains(&one.id))
            .count()
    };
    assert_eq!((names(EAST), names(WEST)), (2, 0), "{affected}");
    let live = [("verdict", "live"), ("target_app", "web")];
    let heard = parts.west.metrics().sum("lastbeat_instances", &live);
    assert_eq!(heard, WEST.len() as f64, "it lives there");
    assert_eq!(notices(&parts.west), 0.0);
    parts.stop();
}

#[test]
fn a_part_in_which_nobody_speaks_is_a_stalled_stream_and_prometheus_says_which() {
    let parts = Parts::by_region();
    let prometheus = parts.prometheus();
    parts
        .all()
        .iter()
        .filter(|one| EAST.contains(&one.region.as_str()))
        .for_each(|one| {
            parts.feed.silence(one);
        });
    let alert = wait_for("an alert", SOON, || parts.alertmanager.alerts().pop());
    assert_eq!(
        alert["labels"],
        json!({"alertname": "StreamStalled", "rule": "stream", "scope": "stream", "severity": "critical"}),
        "nothing says whose"
    );
    assert_eq!(
        parts.alertmanager.alerts().len(),
        1,
        "and nobody else is blamed"
    );
    let firing = "lastbeat_alerts{rule=\"stream\", state=\"firing\"} > 0";
    wait_until("Prometheus says whose", SOON, || {
        let rows = prometheus.query(firing).expect("Prometheus answers");
        rows.len() == 1 && rows[0]["metric"]["instance"] == parts.east.server.address.as_str()
    });
    parts.east.wait_ready(503);
    assert_eq!(parts.west.get("/readyz").status, 200);
    parts.stop();
}

#[test]
fn a_part_that_dies_leaves_the_other_alone_and_its_own_alerts_to_their_end() {
    let mut parts = Parts::by_region();
    let prometheus = parts.prometheus();
    let (lost, kept) = (
        parts.of("api", EAST).remove(0),
        parts.of("worker", WEST).remove(0),
    );
    parts.feed.silence(&lost);
    parts.feed.silence(&kept);
    parts.wait_alerts("api", 1);
    parts.wait_alerts("worker", 1);

    parts.east.child.kill();
    let east = format!("up{{instance=\"{}\"}} == 0", parts.east.server.address);
    wait_until("up says which is gone", SOON, || {
        prometheus.query(&east).is_ok_and(|rows| rows.len() == 1)
    });
    wait_until("the sum is what is left", SOON, || {
        let whole = prometheus.query(WHOLE).expect("Prometheus answers");
        whole.len() == APPS.len() && whole.iter().all(|row| row["value"][1] == "2")
    });
    let absent = prometheus.query("absent(lastbeat_build_info)");
    assert_eq!(absent, Ok(Vec::new()), "another one is there");
    assert_eq!(
        parts.west.get("/readyz").status,
        200,
        "it knows of no other"
    );

    // Its alert goes on for minutes, whatever becomes of who it is about; the other's ends as ever.
    parts.feed.resume(&lost);
    parts.feed.resume(&kept);
    parts.wait_told("worker", &["firing", "resolved"]);
    let alert = parts.wait_alerts("api", 1).remove(0);
    let ahead = resolves(&alert)
        .duration_since(wall())
        .expect("it lies ahead");
    assert!(ahead <= LEFT, "{ahead:?}");
    assert_eq!(parts.told("api"), ["firing"]);

    // Started again with its state, it knows what it had said.
    parts.start_east_again();
    parts.wait_told("api", &["firing", "resolved"]);
    wait_until("no alert", SOON, || parts.alertmanager.alerts().is_empty());
    parts.stop();
}

#[test]
fn by_app_a_region_silent_in_both_parts_is_one_alert() {
    let parts = Parts::by_app();
    for app in APPS {
        parts.silence(app, &EAST[..1]);
    }
    parts.each(|one| {
        one.wait_metrics("its notice told", SOON, |metrics| {
            metrics.sum("lastbeat_notices_total", &[("outcome", "delivered")]) == 1.0
        });
    });
    let alerts = parts.alertmanager.alerts();
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    assert_eq!(
        alerts[0]["labels"],
        json!({
            "alertname": "RegionSilent", "rule": "beats", "scope": "region", "severity": "error",
            "target_region": EAST[0],
        })
    );
    wait_until("one message", SOON, || parts.receiver.taken().len() == 1);
    parts.stop();
}

#[test]
fn the_two_ways_to_share_do_not_go_together() {
    let both = format!("{},{}", listed("by region"), listed("by app"));
    let setup = Setup::new()
        .env("NATS_URL", "nats://127.0.0.1:1")
        .env("SUBJECT", &both);
    let mut child = setup.command(&["run"]);
    assert_eq!(child.wait_end(SOON), 64);
    let said = child.lines().join("\n");
    for words in [
        "SUBJECT: ",
        "\"logs.*.iad.>\" and \"logs.web.>\" overlap: NATS delivers what matches both twice",
        "remove one of them",
    ] {
        assert!(said.contains(words), "{words:?} is not in {said}");
    }
}
