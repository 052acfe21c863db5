//! lastbeat's own beat: into the stream, and back.

use super::{SOON, wait_state};
use crate::support::feed::Feed;
use crate::support::hook::Hook;
use crate::support::lastbeat::Setup;
use crate::support::metrics::Metrics;
use crate::support::nats::{Nats, Peer};
use crate::support::org::{Instance, org};
use crate::support::wait::wait_for;
use std::time::Duration;

fn trips(metrics: &Metrics) -> f64 {
    metrics.one("lastbeat_canary_round_trip_seconds_count")
}

#[test]
fn on_standard_output_it_comes_back_as_the_platform_carries_it() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let own = Instance {
        app: "monitor".to_owned(),
        region: "ams".to_owned(),
        id: "148e21ea7d3789".to_owned(),
    };
    let lastbeat = Setup::new()
        .nats(&nats)
        .env("FLY_APP_NAME", &own.app)
        .env("FLY_REGION", &own.region)
        .env("FLY_MACHINE_ID", &own.id)
        .env("LASTBEAT_CANARY", "1s")
        .rules(
            "beats.toml",
            "[stream]\nmax_gap = '3s'\n[[rule]]\nname = 'beats'\nmax_gap = '2s'\n",
        )
        .start();
    let said = |count: usize| {
        wait_for("a canary on standard output", SOON, || {
            let lines = lastbeat.child.lines();
            let mut said = lines
                .iter()
                .filter(|line| line.starts_with("lastbeat-canary "));
            said.nth(count).cloned()
        })
    };
    for count in 0..3 {
        feed.say(&own, &said(count));
    }
    lastbeat.wait_metrics("three round trips", SOON, |metrics| trips(metrics) == 3.0);
    wait_state(&lastbeat, "flowing");
    // From here on nobody carries them any more, and the stream is silent.
    lastbeat.wait_metrics("a lost canary", SOON, |metrics| {
        metrics.one("lastbeat_canaries_lost_total") >= 1.0
    });
    super::wait_reason(&lastbeat, "nothing arrives");
    let metrics = lastbeat.metrics();
    assert_eq!(
        metrics.sum("lastbeat_instances", &[]),
        0.0,
        "it is no instance"
    );
    lastbeat.stop();
}

#[test]
fn elsewhere_it_is_published_where_it_may() {
    let nats = Nats::with_canaries();
    let lastbeat = Setup::new()
        .nats(&nats)
        .env("LASTBEAT_CANARY", "1s")
        .rules(
            "beats.toml",
            "[stream]\nmax_gap = '3s'\n[[rule]]\nname = 'beats'\nmax_gap = '2s'\n",
        )
        .start();
    lastbeat.wait_metrics("three round trips", SOON, |metrics| trips(metrics) >= 3.0);
    wait_state(&lastbeat, "flowing");
    lastbeat.wait_ready(200);
    lastbeat.wait_listened(Duration::from_secs(3));
    let metrics = lastbeat.metrics();
    assert_eq!(
        metrics.sum("lastbeat_instances", &[]),
        0.0,
        "it is no instance"
    );
    assert_eq!(metrics.one("lastbeat_canaries_lost_total"), 0.0);
    lastbeat.stop();
}

#[test]
fn where_it_alone_comes_back_the_incident_says_that_lastbeat_is_cut_off() {
    let nats = Nats::with_canaries();
    let feed = Feed::connect(&nats);
    let hook = Hook::start();
    let instances = org(&["web", "api"], &["sjc", "ams"]);
    feed.beat(&instances, Duration::from_millis(300));
    let notify = format!("[notify.hook]\ntype = 'webhook'\nurl = '{}'\n", hook.url());
    let lastbeat = Setup::new()
        .nats(&nats)
        .env("LASTBEAT_CANARY", "1s")
        .rules("notify.toml", &notify)
        .rules(
            "beats.toml",
            "[stream]\nmax_gap = '20s'\n[[rule]]\nname = 'beats'\nmax_gap = '3s'\n",
        )
        .start();
    lastbeat.wait_live(4);
    for one in &instances {
        feed.silence(one);
    }
    let opened = hook.wait(1, SOON)[0].json();
    assert_eq!(opened["scope"], "regions", "{opened}");
    let text = opened["text"].as_str().expect("a text");
    assert!(
        text.contains("cut off from everyone else: all 2 other regions"),
        "{text}"
    );
    lastbeat.stop();
}

#[test]
fn where_it_may_not_publish_it_says_so_and_the_connection_stays() {
    let nats = Nats::start(Peer::Older);
    let feed = Feed::connect(&nats);
    feed.beat(&org(&["sandwich"], &["ams"]), Duration::from_millis(200));
    let mut lastbeat = Setup::new()
        .nats(&nats)
        .env("LASTBEAT_CANARY", "1s")
        .start();
    lastbeat
        .child
        .wait_line("that it may not publish", SOON, |line| {
            line.contains("denies publishing").then_some(())
        });
    wait_state(&lastbeat, "flowing");
    let metrics = lastbeat.metrics();
    assert_eq!(metrics.sum("lastbeat_nats_reconnects_total", &[]), 0.0);
    lastbeat.stop();
}
