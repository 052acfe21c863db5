//! A recorded run, replayed with the rules in force: the notifications that were really sent, at their times.
//!
//! `LASTBEAT_RECORDED=10 cargo test --test it replayed` records more runs than an ordinary one does.

use super::{SOON, archive, ask};
use crate::support::feed::Feed;
use crate::support::http::Server;
use crate::support::lastbeat::Setup;
use crate::support::nats::{Nats, Peer};
use crate::support::org::org;
use crate::support::proxy::{Fate, Proxy};
use crate::support::random::Random;
use crate::support::wait::{let_pass, wait_until};
use serde_json::Value;
use std::time::Duration;

/// Recorded runs of an ordinary run.
const RUNS: u64 = 1;
const EVERY: Duration = Duration::from_millis(200);
const RULES: &str = "\
[stream]
max_gap = '30s'

[[rule]]
name = 'all'
max_gap = '1s'
group_wait = '0s'
";
/// Notifications of a run and of its replay are as far apart at most, in seconds.
const APART: f64 = 1.0;

fn runs() -> u64 {
    let given = std::env::var("LASTBEAT_RECORDED").ok();
    given.and_then(|count| count.parse().ok()).unwrap_or(RUNS)
}

#[test]
fn a_replay_of_a_recorded_run_sends_what_the_run_sent() {
    for seed in 1..=runs() {
        recorded_run(seed);
    }
}

/// A run in which instances fall silent while the connection is cut, the rules are read again and lastbeat is killed.
fn recorded_run(seed: u64) {
    let nats = Nats::start(Peer::Current);
    let (feed, proxy) = (Feed::connect(&nats), Proxy::before(&nats.address()));
    let instances = org(&["web", "api", "cron"], &["sjc", "ams"]);
    feed.beat(&instances, EVERY);
    let (setup, folder) = archive(Setup::new().nats(&nats).env("NATS_URL", &proxy.url()));
    let state = setup.rules_folder().with_file_name("lastbeat.db");
    let state = state.to_string_lossy().into_owned();
    let rules = setup.rules_folder().to_string_lossy().into_owned();
    let setup = setup.rules("all.toml", RULES).env("LASTBEAT_STATE", &state);
    let mut random = Random::new(seed);
    let start = || {
        let (child, server) = setup.run(SOON);
        wait_until("it receives", SOON, || {
            server
                .get("/readyz")
                .is_ok_and(|answer| answer.status == 200)
        });
        (child, server)
    };
    let count = |server: &Server, state: &str| {
        let all = ask(
            server,
            &format!("/api/v1/incidents?state={state}&limit=1000"),
        );
        all["incidents"].as_array().map_or(0, Vec::len)
    };
    let live = |server: &Server| {
        let all = ask(server, "/api/v1/status");
        all["instances"]["live"].as_u64()
    };
    let (mut child, mut server) = start();
    let expected = instances.len() as u64;
    for trouble in 0..4 {
        wait_until("all are live", SOON, || live(&server) == Some(expected));
        let_pass(Duration::from_millis(1_000 + random.below(1_000) as u64));
        let closed = count(&server, "closed");
        let dead = random.pick(&instances).clone();
        feed.silence(&dead);
        match trouble {
            0 => {}
            1 => {
                let_pass(Duration::from_millis(random.below(1_500) as u64));
                proxy.all(Fate::Cut);
                let_pass(Duration::from_millis(random.below(2_000) as u64));
                proxy.all(Fate::Pass);
            }
            2 => {
                let_pass(Duration::from_millis(random.below(1_500) as u64));
                child.signal("HUP");
            }
            _ => {
                let_pass(Duration::from_millis(random.below(1_500) as u64));
                match random.below(2) {
                    0 => child.kill(),
                    _ => {
                        child.signal("TERM");
                        assert_eq!(child.wait_end(SOON), 0);
                    }
                }
                let_pass(Duration::from_millis(random.below(2_000) as u64));
                (child, server) = start();
            }
        }
        wait_until("its death is an incident", SOON, || {
            count(&server, "open") > 0
        });
        let_pass(Duration::from_millis(random.below(1_500) as u64));
        feed.resume(&dead);
        wait_until("the incident is closed", SOON, || {
            count(&server, "open") == 0 && count(&server, "closed") > closed
        });
    }
    // A replay that is a little later than the run still has all of it.
    let_pass(Duration::from_secs_f64(APART));
    child.signal("TERM");
    assert_eq!(child.wait_end(SOON), 0);

    let replayed = setup.command(&[
        "replay", &folder, "--rules", &rules, "--state", &state, "--format", "json",
    ]);
    let text = super::printed(replayed).join("\n");
    let replayed: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"));
    let rows = replayed["notifications"].as_array().expect("a list");
    let far = |row: &&Value| {
        let later = row["later_seconds"].as_f64().unwrap_or(f64::NAN);
        row["change"] != "same" || later.is_nan() || later.abs() > APART
    };
    let apart: Vec<&Value> = rows.iter().filter(far).collect();
    assert!(apart.is_empty(), "run {seed}: {apart:#?}");
    assert!(rows.len() >= 8, "run {seed}: {text}");
    // Shown with LASTBEAT_RECORDED, where somebody reads the figures.
    let widest = rows.iter().filter_map(|row| row["later_seconds"].as_f64());
    let widest = widest.map(f64::abs).fold(0.0, f64::max);
    println!(
        "run {seed}: {} notifications, at most {widest:.3} s apart",
        rows.len()
    );
}
