//! The connection or its server goes.

use super::{RULES, SOON, Scene, wait_reason, wait_state};
use crate::support::bugsink::Project;
use crate::support::feed::Feed;
use crate::support::lastbeat::Setup;
use crate::support::nats::{Nats, Peer};
use crate::support::org::org;
use crate::support::proxy::Fate;
use crate::support::wait::{since, wait_until, wall};
use std::time::Duration;

/// An address at which nobody listens: a port that was free a moment ago may be another test's server by now.
const REFUSING: &str = "nats://127.0.0.1:1";

#[test]
fn resets_each_second_cost_no_alert() {
    let scene = Scene::new("resets", Peer::Current);
    for reset in 1..=6 {
        let from = wall();
        wait_until("a second", SOON, || since(from) > Duration::from_secs(1));
        scene.proxy.open(Fate::Cut);
        scene.lastbeat.wait_metrics("the reset", SOON, |metrics| {
            metrics.sum("lastbeat_nats_reconnects_total", &[]) >= f64::from(reset)
        });
        wait_state(&scene.lastbeat, "flowing");
    }
    scene.told_nothing();
}

#[test]
fn a_server_that_stands_still_for_five_seconds() {
    let scene = Scene::new("server stopped", Peer::Current);
    scene.nats.signal("STOP");
    let opened = scene.alert("StreamStalled");
    let from = wall();
    wait_until("three seconds more", SOON, || {
        since(from) > Duration::from_secs(3)
    });
    scene.nats.signal("CONT");
    scene.closes(&opened);
}

#[test]
fn lastbeat_itself_stands_still_and_blames_nobody() {
    let scene = Scene::new("lastbeat stopped", Peer::Current);
    scene.lastbeat.child.signal("STOP");
    let from = wall();
    wait_until("five seconds", SOON, || {
        since(from) > Duration::from_secs(5)
    });
    scene.lastbeat.child.signal("CONT");
    scene
        .lastbeat
        .wait_metrics("the time it was blind", SOON, |metrics| {
            metrics.sum("lastbeat_blind_seconds_total", &[("reason", "suspended")]) >= 4.0
        });
    scene.told_nothing();
}

#[test]
fn a_lame_duck_is_left_before_it_leaves() {
    lame_duck(Peer::Current);
}

#[test]
fn an_older_lame_duck_is_left_before_it_leaves() {
    lame_duck(Peer::Older);
}

fn lame_duck(peer: Peer) {
    let (duck, other) = (Nats::start(peer), Nats::start(peer));
    let (feed_duck, feed_other) = (Feed::connect(&duck), Feed::connect(&other));
    feed_duck.beat(&org(&["on-duck"], &["ams"]), Duration::from_millis(200));
    feed_other.beat(&org(&["on-other"], &["ams"]), Duration::from_millis(200));
    let lastbeat = Setup::new()
        .nats(&duck)
        .env("NATS_URL", &format!("{},{}", duck.url(), other.url()))
        .rules("stream.toml", "[stream]\nmax_gap = '2s'\n")
        .start();
    wait_state(&lastbeat, "flowing");
    duck.signal("USR2");
    lastbeat.wait_metrics("entries from the other server", SOON, |metrics| {
        assert_eq!(
            metrics.one("lastbeat_nats_connected"),
            1.0,
            "never without a connection"
        );
        metrics.sum("lastbeat_entries_total", &[("target_app", "on-other")]) > 0.0
    });
    wait_state(&lastbeat, "flowing");
    wait_until("the old connection's end", SOON, || {
        duck.subscriptions().is_empty()
    });
    let metrics = lastbeat.metrics();
    assert_eq!(metrics.sum("lastbeat_nats_reconnects_total", &[]), 0.0);
    assert_eq!(metrics.sum("lastbeat_blind_seconds_total", &[]), 0.0);
    lastbeat.stop();
}

#[test]
fn of_several_servers_a_dead_one_is_passed_over_at_once() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    feed.beat(&org(&["sandwich"], &["ams"]), Duration::from_millis(200));
    let lastbeat = Setup::new()
        .nats(&nats)
        .env("NATS_URL", &format!("{REFUSING},{}", nats.url()))
        .start();
    wait_state(&lastbeat, "flowing");
    lastbeat.stop();
}

#[test]
fn a_name_without_an_address_is_named() {
    let lastbeat = Setup::new()
        .env("NATS_URL", "nats://nowhere.invalid:4222")
        .start();
    wait_reason(&lastbeat, "nats://nowhere.invalid:4222 has no address");
    lastbeat.stop();
}

#[test]
fn a_stream_that_does_not_come_is_given_up_after_its_notices_are_out() {
    let project = Project::new("given up");
    let setup = Setup::new()
        .env("NATS_URL", REFUSING)
        .env("LASTBEAT_GIVE_UP_AFTER", "10s")
        .sentry(project.dsn())
        .rules("beats.toml", RULES);
    let mut child = setup.command(&["run"]);
    assert_eq!(child.wait_end(SOON), 1);
    let said = child.lines().join("\n");
    for words in [
        "giving up the stream: no entry for 10s",
        "LASTBEAT_GIVE_UP_AFTER",
        "does not answer",
    ] {
        assert!(said.contains(words), "{words:?} is not in\n{said}");
    }
    let events = project.only(1);
    assert_eq!(events[0].kind(), "StreamStalled");
}
