//! Connected, healthy, and nothing arrives.

use super::{SOON, Scene};
use crate::support::nats::Peer;
use crate::support::org::org;
use crate::support::proxy::Fate;
use crate::support::wait::{since, wait_until, wall};
use std::time::Duration;

#[test]
fn a_subscription_that_is_stuck_is_healed_by_a_fresh_one() {
    stuck("stuck", Peer::Current, Fate::Mute);
}

#[test]
fn a_subscription_that_is_stuck_is_healed_with_the_older_server_too() {
    stuck("stuck, older", Peer::Older, Fate::Mute);
}

#[test]
fn a_half_open_connection_is_healed_before_the_pings_notice_it() {
    stuck("half open", Peer::Current, Fate::Hole);
}

/// Only the connection there is gets stuck; a fresh one is sound.
fn stuck(name: &str, peer: Peer, fate: Fate) {
    let scene = Scene::new(name, peer);
    let from = wall();
    scene.proxy.open(fate);
    let opened = scene.alert("StreamStalled");
    scene.wait_state("flowing");
    let healed = since(from);
    assert!(healed < Duration::from_secs(8), "healed after {healed:?}");
    wait_until("the attempt's outcome", SOON, || {
        scene.heals("healed") == 1.0
    });
    assert_eq!(scene.heals("silent") + scene.heals("failed"), 0.0);
    wait_until("the end of the stuck connection", SOON, || {
        scene.proxy.count() == 1
    });
    scene.closes(&opened);
}

#[test]
fn a_stream_that_stays_silent_is_tried_again_and_loses_nothing() {
    // Only the stream is watched: in its middle one speaks, and the others do not.
    let scene = Scene::with("quiet", Peer::Current, |setup| {
        setup.rules("beats.toml", "[stream]\nmax_gap = '2s'\n")
    });
    scene.feed.silence_all();
    let opened = scene.alert("StreamStalled");
    wait_until("two fresh subscriptions in vain", SOON, || {
        scene.heals("silent") >= 2.0
    });
    // Entries in the middle of a handover: each arrives, some of them twice.
    let teller = &org(&["teller"], &["ams"])[0];
    let subscribed = || scene.heals("silent") + scene.heals("healed");
    let before = subscribed();
    let mut said = 0;
    wait_until("entries across a handover", SOON, || {
        scene.feed.say(teller, "still here");
        said += 1;
        subscribed() > before && said > 200
    });
    let told = |metrics: &crate::support::metrics::Metrics| {
        metrics.sum("lastbeat_entries_total", &[("target_app", "teller")])
    };
    scene.lastbeat.wait_metrics("every entry", SOON, |metrics| {
        told(metrics) >= f64::from(said)
    });
    scene.feed.resume_all();
    scene.closes(&opened);
}

#[test]
fn a_black_hole_is_survived_and_named() {
    let scene = Scene::new("black hole", Peer::Current);
    scene.proxy.all(Fate::Hole);
    let opened = scene.alert("StreamStalled");
    wait_until("an attempt that failed", SOON, || {
        scene.heals("failed") >= 1.0
    });
    scene
        .lastbeat
        .wait_metrics("three pings in vain", SOON, |metrics| {
            metrics.one("lastbeat_nats_connected") == 0.0
        });
    super::wait_reason(&scene.lastbeat, "did not finish the handshake");
    scene.proxy.all(Fate::Pass);
    scene.closes(&opened);
}

#[test]
fn a_slow_link_is_no_fault() {
    let scene = Scene::new("slow link", Peer::Current);
    scene.proxy.all(Fate::Delay(Duration::from_millis(300)));
    scene.lastbeat.wait_listened(Duration::from_secs(4));
    assert_eq!(scene.heals("silent") + scene.heals("failed"), 0.0);
    scene.told_nothing();
}
