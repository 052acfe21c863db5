//! What the API tells of the stream, of blindness and of open incidents.

use crate::support::feed::Feed;
use crate::support::lastbeat::{Lastbeat, Setup};
use crate::support::nats::{Nats, Peer};
use crate::support::org::org;
use crate::support::wait::wait_until;
use serde_json::Value;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

fn ask(lastbeat: &Lastbeat, path: &str) -> Value {
    let answer = lastbeat.get(path);
    assert_eq!(answer.status, 200, "{}", answer.body);
    serde_json::from_str(&answer.body).expect("the answer is JSON")
}

#[test]
fn a_cut_is_a_blind_interval_and_an_incident_that_is_open_is_listed() {
    let mut nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let instances = org(&["web"], &["sjc", "ams"]);
    feed.beat(&instances, Duration::from_millis(300));
    let rules = "[stream]\nmax_gap = '1s'\n[[rule]]\nname = 'beats'\nmax_gap = '20s'\n";
    let lastbeat = Setup::new().nats(&nats).rules("beats.toml", rules).start();
    lastbeat.wait_live(2);
    wait_until("it is ready", SOON, || {
        ask(&lastbeat, "/api/v1/status")["ready"] == true
    });

    nats.kill();
    wait_until("the stalled stream is an open incident", SOON, || {
        ask(&lastbeat, "/api/v1/incidents")["total"] == 1
    });
    let open = ask(&lastbeat, "/api/v1/incidents");
    let open = &open["incidents"][0];
    assert_eq!(
        (&open["alarm"], &open["scope"]),
        (&"StreamStalled".into(), &"stream".into())
    );
    assert!(
        open["detail"]
            .as_str()
            .is_some_and(|detail| detail.contains("not connected")),
        "{open}"
    );

    nats.restart();
    wait_until("the stream is back", SOON, || {
        ask(&lastbeat, "/api/v1/incidents")["total"] == 0
    });
    let status = ask(&lastbeat, "/api/v1/status");
    let blind = &status["blind_intervals"][0];
    assert_eq!(blind["reason"], "disconnected", "{status}");
    assert!(
        status["blind_seconds"]["disconnected"]
            .as_f64()
            .is_some_and(|seconds| seconds > 0.9),
        "{status}"
    );
    lastbeat.stop();
}
