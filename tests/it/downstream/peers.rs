//! Downstreams with the servers that they lean on: Prometheus, the Machines API, and a sink that lastbeat ships to itself.

use super::{SOON, downstreams, state};
use crate::support::feed::Feed;
use crate::support::http::Server;
use crate::support::lastbeat::Setup;
use crate::support::log_shipper::{Broken, LogShipper};
use crate::support::machines_api::{MachinesServer, TOKEN, machine};
use crate::support::metrics::Metrics;
use crate::support::nats::{Nats, Peer};
use crate::support::org::{Instance, org};
use crate::support::prometheus::Prometheus;
use crate::support::receiver::Receiver;
use crate::support::wait::wait_until;
use serde_json::Value;
use std::time::Duration;

#[test]
fn the_newest_entry_of_a_sink_is_read_from_prometheus() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    feed.beat(&org(&["web"], &["sjc"]), Duration::from_millis(500));
    let lastbeat = Setup::new()
        .nats(&nats)
        .rules("downstream.toml", "")
        .start();
    let prometheus = Prometheus::start(&lastbeat.server);
    let rule = |name: &str, query: &str| {
        format!(
            "[[downstream]]\nname = '{name}'\nmax_delay = '5s'\nevery = '1s'\n[downstream.find]\n\
             url = '{}/api/v1/query?query={query}'\nnewest = '/data/result/0/value/1'\napp = 'web'\n",
            prometheus.url()
        )
    };
    // One that stores entries as Prometheus scrapes, and one that stores none since 2023.
    let rules = rule("scrapes", "max(timestamp(up))") + &rule("old", "vector(1700000000)");
    lastbeat.rewrite("downstream.toml", &rules);
    for (name, wanted) in [("scrapes", "ok"), ("old", "stalled")] {
        wait_until(&format!("{name} is {wanted}"), SOON, || {
            downstreams(&lastbeat).len() == 2 && state(&lastbeat, name).0 == wanted
        });
    }
    lastbeat.stop();
}

#[test]
fn a_shipper_that_stalls_is_restarted_once() {
    let nats = Nats::with_canaries();
    let feed = Feed::connect(&nats);
    feed.beat(&org(&["web"], &["sjc"]), Duration::from_millis(500));
    let api = MachinesServer::start();
    let running = ["1", "2"].map(|id| machine("log-shipper", "sjc", id, "started"));
    let stopped = machine("log-shipper", "sjc", "3", "stopped");
    api.has([&running[..], &[stopped]].concat(), 1000);
    let shipper = LogShipper::start(&nats);
    let rule = shipper
        .rule("own")
        .replace("every =", "on_stall = 'restart'\nevery =")
        .replace("metrics =", "app = 'log-shipper'\nmetrics =");
    let lastbeat = Setup::new()
        .nats(&nats)
        .env("LASTBEAT_CANARY", "10s")
        .env("LASTBEAT_INVENTORY", "machines")
        .env("LASTBEAT_INVENTORY_URL", &api.url)
        .env("LASTBEAT_INVENTORY_TOKEN", TOKEN)
        .rules("downstream.toml", &rule)
        .start();
    // One of the shipper's machines says something in the stream, and the others never do. What is said before lastbeat
    // listens is lost, and the shipper's own subscription does not tell.
    wait_until("one is known", SOON, || {
        let (app, region) = ("log-shipper".to_owned(), "sjc".to_owned());
        let id = "1".to_owned();
        feed.say(&Instance { app, region, id }, "vector has started");
        let answer = lastbeat.get("/api/v1/instances?app=log-shipper").body;
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        answer["instances"].as_array().map(Vec::len) == Some(1)
    });
    // What a poll of the inventory lists after that is restarted.
    let polls = |metrics: &Metrics| {
        metrics.sum("lastbeat_inventory_polls_total", &[("outcome", "answered")])
    };
    let before = polls(&lastbeat.metrics());
    lastbeat.wait_metrics("another poll", SOON, |metrics| polls(metrics) > before);
    let restarts = || {
        let all = api.requests().into_iter();
        let mut all: Vec<String> = all.filter(|one| one.contains("/restart")).collect();
        all.sort();
        all
    };
    wait_until("it is ok", SOON, || state(&lastbeat, "own").0 == "ok");
    assert_eq!(restarts(), [""; 0]);
    shipper.set(Broken::Subscription);
    let both = ["1", "2"].map(|id| format!("POST /v1/apps/log-shipper/machines/{id}/restart"));
    wait_until("both machines are restarted", SOON, || restarts() == both);
    // A restart that does not help is not done again.
    lastbeat.wait_listened(Duration::from_secs(5));
    assert_eq!(restarts(), both);
    lastbeat.stop();
}

/// The numbers in what a receiver took, in order, each once.
fn numbers(receiver: &Receiver) -> Vec<u64> {
    let mut all: Vec<u64> = Vec::new();
    let taken = receiver.taken().into_iter();
    for taken in taken.filter(|taken| taken.answered == 200) {
        for line in taken.body.lines() {
            let entry: Value = serde_json::from_str(line).expect("a line of JSON");
            let message = entry["message"].as_str().unwrap_or_default();
            let number = message.strip_prefix("number ").map(|text| text.parse());
            if let Some(Ok(number)) = number
                && !all.contains(&number)
            {
                all.push(number);
            }
        }
    }
    all
}

#[test]
fn a_forward_ships_everything_in_order_across_a_dead_sink_and_a_crash() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let instances = org(&["web", "api"], &["sjc"]);
    feed.beat(&instances, Duration::from_millis(500));
    let receiver = Receiver::start();
    let rules = format!(
        "[sink.own]\ntype = 'http'\nurl = '{}'\n[[forward]]\nsink = 'own'\napp = 'web'\nmax_delay = '10s'\n\
         [archive]\nmin_free = '1%'\n",
        receiver.url("/insert")
    );
    let setup = Setup::new().nats(&nats).rules("forward.toml", &rules);
    let folder = setup.rules_folder().with_file_name("archive");
    let setup = setup.env("LASTBEAT_ARCHIVE", &folder.to_string_lossy());
    let start = || {
        let (child, server) = setup.run(SOON);
        wait_until("it hears the stream", SOON, || {
            let answer = server.get("/api/v1/status").expect("it answers");
            let answer: Value = serde_json::from_str(&answer.body).expect("JSON");
            answer["instances"]["live"] == 2 || answer["stream"]["entries"].as_u64() > Some(0)
        });
        (child, server)
    };
    let state = |server: &Server| {
        let answer = server.get("/api/v1/downstream").expect("it answers");
        let answer: Value = serde_json::from_str(&answer.body).expect("JSON");
        let state = answer["downstreams"][0]["state"].as_str();
        state.unwrap_or_default().to_owned()
    };
    let mut said = 0..;
    let mut say = |count: usize| {
        for number in said.by_ref().take(count) {
            feed.say(&instances[0], &format!("number {number}"));
            feed.say(&instances[1], "of another app");
        }
    };
    let (mut lastbeat, server) = start();
    say(20);
    wait_until("they are shipped", SOON, || numbers(&receiver).len() == 20);
    receiver.answer(503);
    say(20);
    wait_until("the stall is found", SOON, || state(&server) == "stalled");
    let metrics = server.get("/metrics").expect("it answers").body;
    let taken = r#"lastbeat_forward_entries_total{downstream="own",outcome="taken"}"#;
    assert!(metrics.contains(taken), "{metrics}");
    lastbeat.kill();
    receiver.answer(200);
    let (mut lastbeat, _server) = start();
    say(20);
    wait_until("the others are shipped", SOON, || {
        numbers(&receiver).len() == 60
    });
    assert_eq!(numbers(&receiver), (0..60).collect::<Vec<u64>>());
    let bodies = receiver.taken().into_iter().map(|taken| taken.body);
    assert!(
        bodies
            .into_iter()
            .all(|body| !body.contains("of another app"))
    );
    lastbeat.signal("TERM");
    assert_eq!(lastbeat.wait_end(SOON), 0);
}
