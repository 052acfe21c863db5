//! Log shippers, from the stream to their sinks: each fault is told as what it is, and nobody is blamed for another's.

mod clickhouse;
mod missing;
mod peers;

use crate::support::feed::Feed;
use crate::support::hook::Hook;
use crate::support::http::Server;
use crate::support::lastbeat::{Lastbeat, Setup};
use crate::support::log_shipper::{Broken, LogShipper};
use crate::support::nats::{Nats, Peer};
use crate::support::org::org;
use crate::support::prometheus::Prometheus;
use crate::support::wait::{since, wait_for, wait_until, wall};
use serde_json::Value;
use std::time::{Duration, SystemTime};

const SOON: Duration = Duration::from_secs(90);
/// `max_delay` and two intervals of the queries, and a second for a busy machine.
const IN_TIME: Duration = Duration::from_millis(8_000);
/// A stream that flows, and one shipper for each fault.
struct Scene {
    nats: Nats,
    _feed: Feed,
    hook: Hook,
    shippers: Vec<(&'static str, Broken, LogShipper)>,
}

fn scene(faults: &[(&'static str, Broken)]) -> Scene {
    let nats = Nats::with_canaries();
    let feed = Feed::connect(&nats);
    feed.beat(
        &org(&["web", "api"], &["sjc", "ams"]),
        Duration::from_secs(1),
    );
    let start =
        |(name, broken): &(&'static str, Broken)| (*name, *broken, LogShipper::start(&nats));
    let shippers = faults.iter().map(start).collect();
    Scene {
        hook: Hook::start(),
        _feed: feed,
        shippers,
        nats,
    }
}

impl Scene {
    fn start(&self) -> Lastbeat {
        let rules: Vec<String> = self
            .shippers
            .iter()
            .map(|(name, _, one)| one.rule(name))
            .collect();
        let notify = format!(
            "[notify.hook]\ntype = 'webhook'\nurl = '{}'\n",
            self.hook.url()
        );
        let lastbeat = Setup::new()
            .nats(&self.nats)
            .env("LASTBEAT_CANARY", "10s")
            .rules("notify.toml", &notify)
            .rules("downstream.toml", &rules.join("\n"))
            .rules(
                "beats.toml",
                "[stream]\nmax_gap = '40s'\n[[rule]]\nname = 'beats'\nmax_gap = '40s'\n",
            )
            .start();
        wait_until("all of them are ok", SOON, || {
            downstreams(&lastbeat)
                .iter()
                .all(|one| one["state"] == "ok")
        });
        lastbeat
    }

    /// The notifications about a downstream: state and alarm.
    fn told(&self, name: &str) -> Vec<(String, String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let of = |value: &Value| value["rule"] == name;
        let all = self
            .hook
            .taken()
            .into_iter()
            .map(|taken| taken.json())
            .filter(of);
        all.map(|one| (text(&one["state"]), text(&one["alarm"]), text(&one["text"])))
            .collect()
    }
}

fn downstreams(lastbeat: &Lastbeat) -> Vec<Value> {
    downstreams_of(&lastbeat.server)
}

fn downstreams_of(server: &Server) -> Vec<Value> {
    let answer = server.get("/api/v1/downstream").expect("it answers");
    let answer: Value = serde_json::from_str(&answer.body).expect("JSON");
    answer["downstreams"]
        .as_array()
        .cloned()
        .unwrap_or_default()
}

fn state(lastbeat: &Lastbeat, name: &str) -> (String, String) {
    let all = downstreams(lastbeat);
    let one = all
        .iter()
        .find(|one| one["name"] == name)
        .expect("it is watched");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&one["state"]), text(&one["hop"]))
}

/// Waits for a state, and its hop; the time that it took.
fn wait_state(lastbeat: &Lastbeat, name: &str, wanted: (&str, &str), from: SystemTime) -> Duration {
    wait_for(&format!("{name} is {wanted:?}"), SOON, || {
        let (state, hop) = state(lastbeat, name);
        ((state.as_str(), hop.as_str()) == wanted).then(|| since(from))
    })
}

#[test]
fn each_fault_is_told_as_what_it_is_and_nobody_is_blamed_for_anothers() {
    let faults = [
        ("subscription stuck", Broken::Subscription),
        ("shipper killed", Broken::Shipper),
        ("sink dead", Broken::Sink),
        ("sink slow", Broken::Slow),
        ("sink drops", Broken::Drops),
        ("query 401", Broken::Refused),
        ("query hangs", Broken::Hangs),
        ("metrics gone", Broken::Metrics),
    ];
    let mut scene = scene(&faults);
    let lastbeat = scene.start();
    // At first the shippers have time to be there.
    lastbeat.wait_listened(Duration::from_secs(7));
    let began = wall();
    for (_, broken, shipper) in &scene.shippers {
        shipper.set(*broken);
    }
    let stalls = [
        ("subscription stuck", ("stalled", "subscription")),
        ("shipper killed", ("stalled", "gone")),
        ("sink dead", ("stalled", "sink")),
    ];
    let mut table = Vec::new();
    for (name, wanted) in stalls {
        let took = wait_state(&lastbeat, name, wanted, began);
        assert!(took <= IN_TIME, "{name} took {took:?}");
        table.push((name, wanted, took));
    }
    for (name, wanted) in [
        ("sink slow", ("lagging", "")),
        ("sink drops", ("losing", "")),
    ] {
        table.push((name, wanted, wait_state(&lastbeat, name, wanted, began)));
    }
    for (name, alarm) in [
        ("subscription stuck", "ShipperStalled"),
        ("shipper killed", "ShipperStalled"),
        ("sink dead", "ShipperStalled"),
        ("sink slow", "ShipperLags"),
        ("sink drops", "ShipperLoses"),
    ] {
        wait_until(&format!("{name} is told"), SOON, || {
            scene.told(name).len() == 1
        });
        assert_eq!(scene.told(name)[0].1, alarm, "{name}");
    }
    for (_, _, shipper) in &scene.shippers {
        shipper.set(Broken::Nothing);
    }
    for (name, ..) in &scene.shippers {
        wait_state(&lastbeat, name, ("ok", ""), wall());
    }
    for (name, ..) in &table {
        wait_until(&format!("the end of {name} is told"), SOON, || {
            scene.told(name).len() == 2
        });
        let (state, _, text) = scene.told(name)[1].clone();
        assert_eq!(state, "closed", "{name}");
        // A sink that takes nothing for a while, and one that is slow, get all of it later.
        let lacks = !matches!(*name, "sink dead" | "sink slow");
        assert_eq!(
            text.contains("the sink lacks entries between")
                && text.contains("refill it: lastbeat refill --from 20"),
            lacks,
            "{name}: {text}"
        );
        let all = downstreams(&lastbeat);
        let row = all.iter().find(|row| row["name"] == *name);
        let missing = &row.expect("it is watched")["missing"];
        assert_eq!(missing["from"].is_string(), lacks, "{name}: {missing}");
    }
    for (name, _) in &faults[5..] {
        assert_eq!(scene.told(name), [], "{name}");
    }
    let log = lastbeat.child.lines().join("\n");
    assert!(!log.contains("s3cret-of-sink"), "a secret is logged");

    // lastbeat's own connection: the shippers lose theirs too, and are back.
    scene.nats.kill();
    lastbeat.wait_ready(503);
    wait_until("all of them are blind", SOON, || {
        downstreams(&lastbeat)
            .iter()
            .all(|one| one["state"] == "blind")
    });
    scene.nats.restart();
    for (name, ..) in &scene.shippers {
        wait_state(&lastbeat, name, ("ok", ""), wall());
    }
    lastbeat.wait_listened(Duration::from_secs(12));
    // lastbeat itself.
    lastbeat.stop();
    let lastbeat = scene.start();
    lastbeat.wait_listened(Duration::from_secs(12));
    for (name, ..) in &scene.shippers {
        let told = scene.told(name);
        let faulty = table.iter().any(|(faulty, ..)| faulty == name);
        assert_eq!(told.len(), if faulty { 2 } else { 0 }, "{name}: {told:?}");
    }
    for (name, (state, hop), took) in table {
        println!(
            "| {name} | {state} | {hop} | {:.1} | 2 |",
            took.as_secs_f64()
        );
    }
    lastbeat.stop();
}

/// A real Prometheus, as the sink whose newest entry is compared: the time of an app's last entry is a sample of it.
#[test]
fn the_newest_entry_that_prometheus_knows_is_compared() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let instances = org(&["web"], &["sjc"]);
    feed.beat(&instances, Duration::from_millis(500));
    let shipped = Setup::new().nats(&nats).start();
    let prometheus = Prometheus::start(&shipped.server);
    let hook = Hook::start();
    let query = "max(lastbeat_log_last_seen_timestamp_seconds)";
    let rule = format!(
        "[[downstream]]\nname = 'metrics'\nmax_delay = '5s'\nevery = '1s'\n\
         [downstream.find]\nurl = '{}/api/v1/query?query={query}'\nnewest = '/data/result/0/value/1'\napp = 'web'\n",
        prometheus.url()
    );
    let notify = format!("[notify.hook]\ntype = 'webhook'\nurl = '{}'\n", hook.url());
    let lastbeat = Setup::new()
        .nats(&nats)
        .rules("notify.toml", &notify)
        .rules("downstream.toml", &rule)
        .start();
    wait_state(&lastbeat, "metrics", ("ok", ""), wall());
    lastbeat.wait_listened(Duration::from_secs(8));
    assert_eq!(state(&lastbeat, "metrics").0, "ok");
    assert_eq!(hook.taken().len(), 0);
    // Nobody tells Prometheus of newer entries any more.
    shipped.stop();
    wait_state(&lastbeat, "metrics", ("stalled", ""), wall());
    let told = hook.wait(1, SOON)[0].json();
    assert_eq!(
        (&told["alarm"], &told["scope"]),
        (&"ShipperStalled".into(), &"downstream".into())
    );
    lastbeat.stop();
}
