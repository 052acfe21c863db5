//! More messages at once than anyone sends on purpose: what a server hands over after a stall.

use super::{SOON, wait_state};
use crate::support::feed::Feed;
use crate::support::lastbeat::Setup;
use crate::support::metrics::Metrics;
use crate::support::nats::{Nats, Peer};
use crate::support::org::org;

/// As many as the busiest organisation says in a quarter of an hour, about.
const BURST: usize = 300_000;

#[test]
fn a_burst_on_one_core_loses_nothing() {
    burst(false);
}

#[test]
fn a_burst_that_waited_for_a_stopped_process_loses_nothing() {
    burst(true);
}

fn burst(stopped: bool) {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let instances = org(&["burst"], &["ams", "nrt"]);
    let lastbeat = Setup::new().nats(&nats).on_one_core().start();
    nats.wait_subscribed("logs.>");
    feed.say(&instances[0], "first");
    wait_state(&lastbeat, "flowing");
    if stopped {
        lastbeat.child.signal("STOP");
    }
    // Small ones: they come fastest, and a stopped process' server keeps 64 MB for it.
    let message = |number: usize| {
        (
            instances[number % 2].subject(),
            br#"{"message":"x"}"#.to_vec(),
        )
    };
    feed.publish((0..BURST).map(message).collect());
    if stopped {
        lastbeat.child.signal("CONT");
    }
    let taken = |metrics: &Metrics| metrics.sum("lastbeat_entries_total", &[]);
    lastbeat.wait_metrics("the whole burst", SOON * 4, |metrics| {
        let lost = metrics.one("lastbeat_nats_dropped_messages_total");
        assert_eq!(lost, 0.0, "of {} messages", taken(metrics));
        taken(metrics) > BURST as f64
    });
    let metrics = lastbeat.metrics();
    assert_eq!(taken(&metrics), BURST as f64 + 1.0);
    assert_eq!(metrics.sum("lastbeat_nats_reconnects_total", &[]), 0.0);
    println!(
        "resident: {} MB",
        metrics.one("process_resident_memory_bytes") / 1e6
    );
    lastbeat.stop();
}
