//! The outside learns how lastbeat is: a ping address, and check-ins with a real Sentry-compatible server.

use crate::support::bugsink::Project;
use crate::support::feed::Feed;
use crate::support::lastbeat::Setup;
use crate::support::nats::{Nats, Peer};
use crate::support::org::org;
use crate::support::receiver::Receiver;
use crate::support::wait::wait_until;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

#[test]
fn well_and_unwell_are_told_and_a_stop_on_purpose_is_not() {
    let mut nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    feed.beat(&org(&["web"], &["sjc"]), Duration::from_millis(300));
    let project = Project::new("check-ins");
    let receiver = Receiver::start();
    let lastbeat = Setup::new()
        .nats(&nats)
        .sentry(project.dsn())
        .env("LASTBEAT_WATCHDOG_URL", &receiver.url("/ping/uuid"))
        .start();
    lastbeat.wait_ready(200);
    wait_until("start and success are told", SOON, || {
        receiver.paths() == ["/ping/uuid/start", "/ping/uuid"]
    });
    let pings = |way: &str, outcome: &str| {
        let metrics = lastbeat.metrics();
        metrics.sum(
            "lastbeat_watchdog_pings_total",
            &[("way", way), ("outcome", outcome)],
        )
    };
    wait_until("the check-in is taken", SOON, || {
        pings("check_in", "delivered") == 1.0
    });
    assert_eq!(pings("check_in", "failed"), 0.0);

    nats.kill();
    wait_until("unwell is told", SOON * 2, || receiver.paths().len() == 3);
    let told = &receiver.taken()[2];
    assert_eq!(told.path, "/ping/uuid/fail");
    assert!(
        told.body.starts_with("stream: not connected"),
        "{}",
        told.body
    );
    wait_until("the check-in says so", SOON, || {
        pings("check_in", "delivered") == 2.0
    });

    nats.restart();
    wait_until("well is told at once", SOON, || receiver.paths().len() == 4);
    assert_eq!(receiver.paths()[3], "/ping/uuid");
    lastbeat.stop();
    assert_eq!(receiver.paths().len(), 4, "a stop on purpose tells nothing");
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
        lastbeat.said(&["did not take our word", "404"]) == 1
    });
    assert_eq!(lastbeat.said(&["s3cret"]), 0);
    lastbeat.stop();
}
