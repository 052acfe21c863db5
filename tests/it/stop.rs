//! Stopping: soon, in order, and with everything told that is to be told.

use crate::support::bugsink::Project;
use crate::support::feed::Feed;
use crate::support::gate::Gate;
use crate::support::lastbeat::{Lastbeat, Setup};
use crate::support::nats::{Nats, Peer};
use crate::support::org::org;
use crate::support::wait::wait_until;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

/// A lastbeat with one notice that the gate before the Sentry server does not let through.
fn with_a_pending_notice(nats: &Nats, feed: &Feed, project: &Project) -> (Lastbeat, Gate) {
    let (address, path) = project
        .dsn()
        .split_once('@')
        .and_then(|(_, rest)| rest.split_once('/'))
        .expect("a DSN has both");
    let gate = Gate::shut(address);
    let dsn = project.dsn().replace(address, &gate.address);
    assert!(dsn.ends_with(path));
    let instances = org(&["sandwich", "batch", "web"], &["sjc", "ams", "nrt", "iad"]);
    feed.beat(&instances, Duration::from_millis(50));
    let rules = "[[rule]]\nname = 'beats'\nmax_gap = '1s'\n";
    let lastbeat = Setup::new()
        .nats(nats)
        .sentry(&dsn)
        .rules("beats.toml", rules)
        .start();
    lastbeat.wait_live(12);
    feed.silence(&instances[0]);
    lastbeat.wait_metrics("a pending notice", SOON, |metrics| {
        metrics.sum("lastbeat_notices_pending", &[("notifier", "sentry")]) == 1.0
    });
    wait_until("a refused delivery", SOON, || gate.refused() >= 1);
    (lastbeat, gate)
}

#[test]
fn a_pending_notice_is_delivered_at_the_stop() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let project = Project::new("pending at stop");
    let (lastbeat, gate) = with_a_pending_notice(&nats, &feed, &project);
    assert_eq!(project.count(), 0);
    gate.open();
    lastbeat.stop();
    let events = project.only(1);
    assert_eq!(
        (events[0].kind(), events[0].tag("state")),
        ("HeartbeatMissed", "opened")
    );
}

#[test]
fn a_stop_does_not_wait_for_a_server_that_takes_nothing() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let project = Project::new("never delivered");
    let (lastbeat, _gate) = with_a_pending_notice(&nats, &feed, &project);
    lastbeat.stop();
    project.only(0);
}

#[test]
fn ctrl_c_is_a_request_to_stop_too() {
    let nats = Nats::start(Peer::Older);
    let feed = Feed::connect(&nats);
    feed.beat(&org(&["sandwich"], &["sjc"]), Duration::from_millis(100));
    let mut lastbeat = Setup::new().nats(&nats).start();
    lastbeat.wait_live(1);
    lastbeat.child.signal("INT");
    assert_eq!(lastbeat.child.wait_end(Duration::from_secs(4)), 0);
}
