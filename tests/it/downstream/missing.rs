//! The range that a sink lacks is named, across restarts of lastbeat and where the archive is too small.

use super::{SOON, downstreams_of};
use crate::support::feed::Feed;
use crate::support::hook::Hook;
use crate::support::http::Server;
use crate::support::lastbeat::Setup;
use crate::support::log_shipper::{Broken, LogShipper};
use crate::support::nats::{Nats, Peer};
use crate::support::org::org;
use crate::support::receiver::Receiver;
use crate::support::wait::{wait_until, wall};
use serde_json::Value;
use std::time::{Duration, SystemTime};

/// The only sink: a refill ships there.
const SINK: &str = "[sink.store]\ntype = 'http'\nurl = 'http://127.0.0.1:9/'\n";

fn row(server: &Server) -> Value {
    downstreams_of(server).swap_remove(0)
}

fn wait_state(server: &Server, wanted: &str) {
    wait_until(&format!("it is {wanted}"), SOON, || {
        row(server)["state"] == wanted
    });
}

fn notify(hook: &Hook) -> String {
    format!("[notify.hook]\ntype = 'webhook'\nurl = '{}'\n", hook.url())
}

fn time(value: &Value) -> SystemTime {
    let text = value.as_str().unwrap_or_default();
    humantime::parse_rfc3339(text).unwrap_or_else(|fault| panic!("{value}: {fault}"))
}

#[test]
fn a_restart_in_a_stall_does_not_shorten_the_missing_range() {
    let nats = Nats::with_canaries();
    let feed = Feed::connect(&nats);
    feed.beat(&org(&["web"], &["sjc"]), Duration::from_millis(500));
    let shipper = LogShipper::start(&nats);
    let hook = Hook::start();
    let setup = Setup::new()
        .nats(&nats)
        .env("LASTBEAT_CANARY", "10s")
        .env("LASTBEAT_STATE", "state.db")
        .rules("notify.toml", &notify(&hook))
        .rules("downstream.toml", &(shipper.rule("own") + SINK));
    let (mut lastbeat, server) = setup.run(SOON);
    wait_state(&server, "ok");
    shipper.set(Broken::Subscription);
    wait_state(&server, "stalled");
    let stalled = wall();
    hook.wait(1, SOON);
    lastbeat.signal("TERM");
    assert_eq!(lastbeat.wait_end(SOON), 0);

    let (mut lastbeat, server) = setup.run(SOON);
    wait_state(&server, "stalled");
    let mended = wall();
    shipper.set(Broken::Nothing);
    let told = hook.wait(2, SOON);
    let states: Vec<Value> = told.iter().map(|one| one.json()["state"].clone()).collect();
    assert_eq!(states, ["opened", "closed"]);
    let text = told[1].json()["text"].to_string();
    for expected in [
        "the sink may lack entries between ",
        "refill it: lastbeat refill --from 20",
        " --sink store",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    let missing = row(&server)["missing"].clone();
    let second = Duration::from_secs(1);
    assert!(time(&missing["from"]) < stalled, "{missing}");
    assert!(time(&missing["until"]) + second > mended, "{missing}");
    lastbeat.signal("TERM");
    assert_eq!(lastbeat.wait_end(SOON), 0);

    // It is reported, and can still be refilled.
    let (mut lastbeat, server) = setup.run(SOON);
    wait_state(&server, "ok");
    assert_eq!(row(&server)["missing"], missing);
    lastbeat.signal("TERM");
    assert_eq!(lastbeat.wait_end(SOON), 0);
    assert_eq!(hook.taken().len(), 2);
}

#[test]
fn an_archive_that_is_too_small_for_a_forward_is_told_once() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    feed.beat(&org(&["web"], &["sjc"]), Duration::from_millis(500));
    let receiver = Receiver::start();
    let hook = Hook::start();
    let forward = format!(
        "[sink.own]\ntype = 'http'\nurl = '{}'\n[[forward]]\nsink = 'own'\nmax_delay = '10s'\n\
         [archive]\nmin_free = '1%'\n",
        receiver.url("/insert")
    );
    let setup = Setup::new()
        .nats(&nats)
        .rules("notify.toml", &notify(&hook))
        .rules("forward.toml", &forward);
    let archive = setup.rules_folder().with_file_name("archive");
    // The segment where it left off is deleted, as it is where the sink was dead for days.
    std::fs::create_dir(&archive).expect("the folder is fresh");
    std::fs::write(
        archive.join("forward-own.cursor"),
        "2026-01-31T12-00-00Z.77\n",
    )
    .expect("it can be written");
    let setup = setup.env("LASTBEAT_ARCHIVE", &archive.to_string_lossy());
    let (mut lastbeat, server) = setup.run(SOON);
    let told = hook.wait(2, SOON);
    let told: Vec<Value> = told.iter().map(|one| one.json()).collect();
    let states: Vec<&Value> = told.iter().map(|one| &one["state"]).collect();
    assert_eq!(states, ["opened", "closed"], "{told:?}");
    assert_eq!(told[0]["alarm"], "ShipperLoses");
    for one in &told {
        let text = one["text"].as_str().unwrap_or_default();
        for expected in [
            "the archive has no entries between 2026-01-31T11:59:59Z and 20",
            "raise max_size or lower min_free in [archive]",
        ] {
            assert!(text.contains(expected), "{expected} in {text}");
        }
        assert!(!text.contains("lastbeat refill"), "{text}");
    }
    assert_eq!(row(&server)["missing"], Value::Null);
    let metrics = server.get("/metrics").expect("it answers").body;
    let count = r#"lastbeat_forward_overtaken_total{downstream="own"} 1"#;
    assert!(metrics.contains(count), "{metrics}");
    lastbeat.signal("TERM");
    assert_eq!(lastbeat.wait_end(SOON), 0);
}
