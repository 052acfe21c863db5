//! The outside learns how lastbeat is: a ping address, and check-ins with a real Sentry-compatible server.

use crate::support::bugsink::Project;
use crate::support::feed::Feed;
use crate::support::lastbeat::Setup;
use crate::support::nats::{Nats, Peer};
use crate::support::org::org;
use crate::support::receiver::Receiver;
use crate::support::wait::wait_until;
use std::time::Duration;

/// Less than the minute after which all is said again: what is to be said at once is not late by that much.
const SOON: Duration = Duration::from_secs(45);

/// What a receiver was told, in order; what is said again each minute is one.
fn words(receiver: &Receiver) -> Vec<String> {
    let mut paths = receiver.paths();
    paths.dedup();
    paths
}

#[test]
fn well_and_unwell_are_told_and_a_stop_on_purpose_is_not() {
    let mut nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let project = Project::new("check-ins");
    let receiver = Receiver::start();
    let lastbeat = Setup::new()
        .nats(&nats)
        .sentry(project.dsn())
        .env("LASTBEAT_WATCHDOG_URL", &receiver.url("/ping/uuid"))
        .start();
    // A newer word takes the place of one that is not taken yet: on a busy machine the start's might be lost.
    wait_until("the start is told", SOON, || {
        words(&receiver) == ["/ping/uuid/start"]
    });
    feed.beat(&org(&["web"], &["sjc"]), Duration::from_millis(300));
    lastbeat.wait_ready(200);
    wait_until("success is told", SOON, || {
        words(&receiver) == ["/ping/uuid/start", "/ping/uuid"]
    });
    let pings = |way: &str, outcome: &str| {
        let metrics = lastbeat.metrics();
        metrics.sum(
            "lastbeat_watchdog_pings_total",
            &[("way", way), ("outcome", outcome)],
        )
    };
    wait_until("the check-in is taken", SOON, || {
        pings("check_in", "delivered") >= 1.0
    });
    assert_eq!(pings("check_in", "failed"), 0.0);

    nats.kill();
    // From here on nobody says that all is well, and it takes a while until anybody says that it is not.
    lastbeat.wait_ready(503);
    let before = pings("check_in", "delivered");
    wait_until("unwell is told", SOON, || words(&receiver).len() == 3);
    let told = receiver.taken();
    let told = told.last().expect("three were told");
    assert_eq!(told.path, "/ping/uuid/fail");
    assert!(
        told.body.starts_with("stream: not connected"),
        "{}",
        told.body
    );
    wait_until("the check-in says so", SOON, || {
        pings("check_in", "delivered") > before
    });

    nats.restart();
    wait_until("well is told at once", SOON, || words(&receiver).len() == 4);
    let told = receiver.paths();
    assert_eq!(told.last().map(String::as_str), Some("/ping/uuid"));
    lastbeat.stop();
    assert_eq!(receiver.paths(), told, "a stop on purpose tells nothing");
    assert_eq!(project.count(), 0, "a check-in is no event");
}

#[test]
fn a_watchdog_that_refuses_hinders_nobody_and_its_address_is_not_shown() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    feed.beat(&org(&["web"], &["sjc"]), Duration::from_millis(300));
    let receiver = Receiver::start();
    receiver.answer(404);
    let lastbeat = Setup::new()
        .nats(&nats)
        .env("LASTBEAT_WATCHDOG_URL", &receiver.url("/s3cret-uuid"))
        .start();
    lastbeat.wait_ready(200);
    wait_until("the refusal is logged", SOON, || {
        lastbeat.said(&["watchdog ping failed", "404"]) == 1
    });
    assert_eq!(lastbeat.said(&["s3cret"]), 0);
    lastbeat.stop();
}
