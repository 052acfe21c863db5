//! Alerts on a real Alertmanager: it groups, silences and resolves them, and a pair of everything tells once.

use crate::support::alertmanager::{Alertmanager, groups};
use crate::support::feed::Feed;
use crate::support::hook::Hook;
use crate::support::lastbeat::{Lastbeat, Setup};
use crate::support::nats::{Nats, Peer};
use crate::support::org::org;
use crate::support::wait::{wait_for, wait_until, wall};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);

fn lastbeat(nats: &Nats, urls: &str) -> Lastbeat {
    let rules = format!(
        "[notify.cluster]\ntype = 'alertmanager'\nurls = [{urls}]\n\
         [[rule]]\nname = 'beats'\nmax_gap = '2s'\nrunbook = 'https://wiki.example.com/beats'\n"
    );
    Setup::new().nats(nats).rules("rules.toml", &rules).start()
}

/// The alert of an app, where there is one.
fn alert_of(alertmanager: &Alertmanager, app: &str) -> Option<Value> {
    let mut alerts = alertmanager.alerts().into_iter();
    alerts.find(|alert| alert["labels"]["target_app"] == app)
}

#[test]
fn alertmanager_groups_silences_and_resolves() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let receiver = Hook::start();
    let alertmanager = Alertmanager::start(&receiver);
    let instances = org(&["sandwich", "batch", "web"], &["sjc", "ams"]);
    feed.beat(&instances, Duration::from_millis(500));
    let lastbeat = lastbeat(&nats, &format!("'{}'", alertmanager.url()));
    lastbeat.wait_live(6);
    alertmanager.silence("target_app", "web");

    feed.silence(&instances[0]);
    feed.silence(&instances[3]);
    feed.silence(&instances[4]);
    let alert = wait_for("an alert", SOON, || alert_of(&alertmanager, "sandwich"));
    assert_eq!(
        alert["labels"],
        json!({
            "alertname": "HeartbeatMissed", "rule": "beats", "scope": "instance", "severity": "error",
            "target_app": "sandwich", "target_region": "sjc", "target_instance": instances[0].id,
        })
    );
    let annotations = &alert["annotations"];
    assert_eq!(annotations["runbook_url"], "https://wiki.example.com/beats");
    assert_ne!(annotations["incident"], Value::Null);
    let text = alert["endsAt"].as_str().expect("an end");
    let ends = humantime::parse_rfc3339(text).expect("RFC 3339");
    let ahead = ends.duration_since(wall()).expect("it lies ahead");
    assert!((240..=301).contains(&ahead.as_secs()), "{ahead:?}");
    wait_until("the silenced one", SOON, || {
        let silenced = alert_of(&alertmanager, "web");
        silenced.is_some_and(|alert| alert["status"]["state"] == "suppressed")
    });
    let told = |status: &str| {
        let of_status = |alert: &&Value| alert["status"] == status;
        let groups = groups(&receiver);
        let alerts = groups
            .iter()
            .flat_map(|(_, alerts)| alerts.iter().filter(of_status));
        let apps = alerts.map(|alert| alert["labels"]["target_app"].to_string());
        apps.collect::<BTreeSet<String>>()
    };
    let both = BTreeSet::from(["\"batch\"".to_owned(), "\"sandwich\"".to_owned()]);
    wait_until("both told", SOON, || told("firing") == both);
    wait_until("a group of both", SOON, || {
        groups(&receiver)
            .iter()
            .any(|(_, alerts)| alerts.len() == 2)
    });

    instances.iter().for_each(|one| feed.resume(one));
    wait_until("both ends told", SOON, || told("resolved") == both);
    wait_until("nothing fires", SOON, || alertmanager.alerts().is_empty());
    lastbeat.wait_metrics("six notices told", SOON, |metrics| {
        let told = [("notifier", "cluster"), ("outcome", "delivered")];
        metrics.sum("lastbeat_notices_total", &told) == 6.0
    });
    assert_eq!(told("firing"), both, "the silenced one never");
    lastbeat.stop();
}

#[test]
fn two_lastbeats_and_two_alertmanagers_tell_once() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let receiver = Hook::start();
    let pair = Alertmanager::cluster(&receiver);
    let instances = org(&["sandwich", "batch"], &["sjc", "ams"]);
    feed.beat(&instances, Duration::from_millis(500));
    // The second address of each answers nobody: one that takes it is enough.
    let urls = format!(
        "'{}', '{}', 'http://127.0.0.1:1'",
        pair[0].url(),
        pair[1].url()
    );
    let watchers = [lastbeat(&nats, &urls), lastbeat(&nats, &urls)];
    watchers.iter().for_each(|one| one.wait_live(4));
    let told = |app: &str, status: &str| {
        let groups = groups(&receiver);
        let of_app = groups.iter().filter(|(group, alerts)| {
            group == status
                && alerts
                    .iter()
                    .any(|alert| alert["labels"]["target_app"] == app)
        });
        of_app.count()
    };
    // The second of them waits for the first's word before it tells, and an alert that changes meanwhile is told by both,
    // whoever sent it: that is Alertmanager's own. So each state lasts until both have decided.
    let decisions = || [0, 1].map(|one: usize| pair[one].decisions());
    let both_decide = |before: [f64; 2]| {
        wait_until("a decision of both", SOON, || {
            let now = decisions();
            now[0] > before[0] && now[1] > before[1]
        });
    };
    for instance in [&instances[0], &instances[3]] {
        let before = decisions();
        feed.silence(instance);
        wait_until("it fires everywhere", SOON, || {
            let fires = |one: &Alertmanager| alert_of(one, &instance.app).is_some();
            pair.iter().all(fires) && told(&instance.app, "firing") > 0
        });
        both_decide(before);
        let before = decisions();
        feed.resume(instance);
        wait_until("its end", SOON, || told(&instance.app, "resolved") > 0);
        both_decide(before);
    }
    for one in &watchers {
        one.wait_metrics("four notices told by each", SOON, |metrics| {
            metrics.sum("lastbeat_notices_total", &[("outcome", "delivered")]) == 4.0
        });
        assert!(one.said(&["one of several peers failed"]) > 0);
        assert_eq!(one.get("/readyz").status, 200);
    }
    assert_eq!(told("sandwich", "firing"), 1);
    assert_eq!(told("sandwich", "resolved"), 1);
    assert_eq!((told("batch", "firing"), told("batch", "resolved")), (1, 1));
    watchers.into_iter().for_each(Lastbeat::stop);
}

#[test]
fn a_severity_that_grows_ends_the_lesser_alert_as_the_greater_begins() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let receiver = Hook::start();
    let alertmanager = Alertmanager::start(&receiver);
    let instances = org(&["web", "api"], &["sjc", "ams", "nrt"]);
    feed.beat(&instances, Duration::from_millis(500));
    let rules = format!(
        "[notify.cluster]\ntype = 'alertmanager'\nurl = '{}'\n\
         [[rule]]\nname = 'soft'\nregion = 'sjc'\nmax_gap = '2s'\nseverity = 'warning'\n\
         [[rule]]\nname = 'hard'\nmax_gap = '2s'\nseverity = 'critical'\n",
        alertmanager.url()
    );
    let setup = Setup::new().nats(&nats).rules("rules.toml", &rules);
    let lastbeat = setup.start();
    lastbeat.wait_live(6);
    let severities = || {
        let of_web = alertmanager.alerts().into_iter();
        let of_web = of_web.filter(|alert| alert["labels"]["target_app"] == "web");
        let severity = |alert: Value| alert["labels"]["severity"].as_str().map(str::to_owned);
        of_web.filter_map(severity).collect::<Vec<String>>()
    };
    feed.silence(&instances[0]);
    wait_until("the lesser", SOON, || severities() == ["warning"]);
    feed.silence(&instances[1]);
    wait_until("the greater alone", SOON, || severities() == ["critical"]);
    instances.iter().for_each(|one| feed.resume(one));
    wait_until("nothing fires", SOON, || severities().is_empty());
    lastbeat.stop();
}
