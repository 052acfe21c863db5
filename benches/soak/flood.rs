//! Made-up subjects with one heartbeat each, far more than are tracked, and a real death among them.

use super::process;
use super::support::feed::Feed;
use super::support::lastbeat::Setup;
use super::support::nats::{Nats, Peer};
use super::support::org::org;
use super::support::receiver::Receiver;
use super::support::wait::{wait_until, wall};
use std::fs;
use std::time::Duration;

const RULES: &str = "[[rule]]\nname = 'beats'\nmax_gap = '20s'\n[notify.hook]\ntype = 'webhook'\nurl = '${HOOK_URL}'\n";
const MAX_GAP: Duration = Duration::from_secs(20);
const APPS: usize = 4_000;
const A_BATCH: usize = 500;
const BOUND: Duration = Duration::from_secs(300);

/// So many subjects.
pub fn run(subjects: usize) {
    let (nats, receiver) = (Nats::start(Peer::Current), Receiver::start());
    let (beats, flood) = (Feed::connect(&nats), Feed::connect(&nats));
    let instances = org(&["real"], &["iad", "lhr", "syd"]);
    beats.beat(&instances, Duration::from_secs(1));
    let setup = Setup::new().nats(&nats).rules("beats.toml", RULES);
    let state = setup.rules_folder().with_file_name("state.db");
    let setup = setup.env("HOOK_URL", &receiver.url("/hook"));
    let lastbeat = setup
        .env("LASTBEAT_STATE", &state.to_string_lossy())
        .env("RUST_LOG", "info")
        .start();
    lastbeat.wait_live(instances.len());

    let victim = &instances[1];
    let mut last = None;
    for from in (0..subjects).step_by(A_BATCH) {
        let made_up = (from..subjects.min(from + A_BATCH)).map(|number| {
            let subject = format!("logs.made-up-{}.iad.{number:014x}", number % APPS);
            (subject, br#"{"message":"HEARTBEAT"}"#.to_vec())
        });
        flood.publish(made_up.collect());
        if last.is_none() && from >= subjects / 3 {
            last = Some(beats.silence(victim));
        }
    }
    let last = last.expect("there are some subjects");
    let names = |body: &str| body.contains(&victim.id);
    wait_until("the real death", BOUND, || {
        receiver.taken().iter().any(|taken| names(&taken.body))
    });
    let took = wall().duration_since(last).expect("it comes after");
    let mut count = 0;
    wait_until("quiet", BOUND, || {
        let before = std::mem::replace(&mut count, receiver.taken().len());
        super::wait(5);
        count == before
    });
    let size = |name: &str| fs::metadata(state.with_file_name(name)).map_or(0, |meta| meta.len());
    let log: usize = lastbeat.child.lines().iter().map(String::len).sum();
    println!(
        "{subjects} subjects: memory {:.0} MB at most, state {:.0} MB, log {:.1} MB, {count} requests; the real death {:.1} s \
         after its deadline",
        process::peak_mb(lastbeat.child.pid()),
        (size("state.db") + size("state.db-wal")) as f64 / 1e6,
        log as f64 / 1e6,
        took.saturating_sub(MAX_GAP).as_secs_f64(),
    );
    lastbeat.stop();
}
