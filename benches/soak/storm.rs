//! Random faults under load; one instance dies for real, and only that one may be blamed.

use super::alerts::Alerts;
use super::support::feed::Feed;
use super::support::lastbeat::{Lastbeat, Setup};
use super::support::nats::{Nats, Peer};
use super::support::org::{Instance, org};
use super::support::proxy::{Fate, Proxy};
use super::support::random::Random;
use super::support::wait::{since, wait_until, wall};
use super::wait;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const RULES: &str = "[stream]\nmax_gap = '5s'\n[[rule]]\nname = 'beats'\nmax_gap = '10s'\n";
/// Entries in each twentieth of a second.
const A_BATCH: usize = 1_000;
const A_TWENTIETH: Duration = Duration::from_millis(50);
const BOUND: Duration = Duration::from_secs(3600);
/// A process that is to stay flat may differ by this much: the allocator's own.
const MORE_MEMORY: f64 = 60e6;

/// Ten minutes, or so many.
pub fn run(minutes: u64) {
    let mut nats = Nats::start(Peer::Current);
    let proxy = Proxy::before(&nats.address());
    let (beats, noise) = (Feed::connect(&nats), Feed::connect(&nats));
    let apps: Vec<String> = (0..20).map(|number| format!("app{number}")).collect();
    let apps: Vec<&str> = apps.iter().map(String::as_str).collect();
    let regions = [
        "ams", "nrt", "sjc", "iad", "lhr", "syd", "gru", "jnb", "fra", "sin",
    ];
    let instances = org(&apps, &regions);
    beats.beat(&instances, Duration::from_secs(1));
    let setup = Setup::new().nats(&nats).env("NATS_URL", &proxy.url());
    let setup = setup.env("RUST_LOG", "info,async_nats=off");
    let lastbeat = setup.rules("beats.toml", RULES).start();
    lastbeat.wait_live(instances.len());
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| talk(&noise, &instances, &stop));
        wait(10);
        let before = Counts::of(&lastbeat);
        let victim = &instances[77];
        faults(&mut nats, &proxy, &lastbeat, &beats, victim, minutes);
        wait_until("the flow", BOUND, || flows(&lastbeat));
        wait(30);
        stop.store(true, Ordering::SeqCst);
        wait(5);
        verdict(&lastbeat, victim, &before);
    });
    lastbeat.stop();
}

/// Entries of everybody, 20,000 a second where the server takes them.
fn talk(feed: &Feed, instances: &[Instance], stop: &AtomicBool) {
    let (mut at, mut next) = (0, wall());
    while !stop.load(Ordering::SeqCst) {
        let batch = (0..A_BATCH).map(|number| {
            let who = &instances[(at + number) % instances.len()];
            (who.subject(), who.entry("GET / 200 in 3ms").into_bytes())
        });
        feed.publish(batch.collect());
        at += A_BATCH;
        // Paced by the clock; what a fault held up is not made up for.
        next = (next + A_TWENTIETH).max(wall() - A_TWENTIETH);
        wait_until("a twentieth of a second", BOUND, || wall() >= next);
    }
}

fn faults(
    nats: &mut Nats,
    proxy: &Proxy,
    lastbeat: &Lastbeat,
    beats: &Feed,
    victim: &Instance,
    minutes: u64,
) {
    let (from, whole) = (wall(), Duration::from_secs(minutes * 60));
    let mut random = Random::new(0x1a57_bea7);
    let mut dead = false;
    while since(from) < whole {
        if !dead && since(from) > whole / 3 {
            beats.silence(victim);
            dead = true;
            println!(
                "{:>4} s  {} dies for real",
                since(from).as_secs(),
                victim.subject()
            );
        }
        let span = 1 + random.below(12) as u64;
        let fault = random.below(8);
        let names = [
            "reset",
            "half-open",
            "stuck",
            "black hole",
            "server stopped",
            "server killed",
            "lastbeat stopped",
            "permission revoked",
        ];
        println!(
            "{:>4} s  {} for {span} s",
            since(from).as_secs(),
            names[fault]
        );
        match fault {
            0 => proxy.open(Fate::Cut),
            1 => proxy.open(Fate::Hole),
            2 => proxy.open(Fate::Mute),
            3 => {
                proxy.all(Fate::Hole);
                wait(span);
                proxy.all(Fate::Pass);
            }
            4 => {
                nats.signal("STOP");
                wait(span);
                nats.signal("CONT");
            }
            5 => {
                nats.kill();
                wait(span);
                nats.restart();
            }
            6 => {
                lastbeat.child.signal("STOP");
                wait(span);
                lastbeat.child.signal("CONT");
            }
            _ => {
                nats.reconfigure(r#"["logs.>", "#, r#"["none.>", "#);
                nats.signal("HUP");
                wait(span);
                nats.reconfigure(r#"["none.>", "#, r#"["logs.>", "#);
                nats.signal("HUP");
            }
        }
        wait(5 + random.below(15) as u64);
    }
}

fn flows(lastbeat: &Lastbeat) -> bool {
    let metrics = lastbeat.metrics();
    metrics.sum("lastbeat_nats_state", &[("state", "flowing")]) == 1.0
}

/// What may not grow.
#[derive(Debug)]
struct Counts {
    memory: f64,
    files: f64,
    tasks: f64,
}

impl Counts {
    fn of(lastbeat: &Lastbeat) -> Self {
        let metrics = lastbeat.metrics();
        Counts {
            memory: metrics.one("process_resident_memory_bytes"),
            files: metrics.one("process_open_fds"),
            tasks: metrics.one("lastbeat_core_tasks"),
        }
    }
}

fn verdict(lastbeat: &Lastbeat, victim: &Instance, before: &Counts) {
    let after = Counts::of(lastbeat);
    println!("before {before:?}\nafter  {after:?}");
    let metrics = lastbeat.metrics();
    for name in [
        "lastbeat_entries_total",
        "lastbeat_nats_dropped_messages_total",
        "lastbeat_nats_reconnects_total",
        "lastbeat_nats_heal_attempts_total",
        "lastbeat_blind_seconds_total",
        "lastbeat_listened_seconds_total",
    ] {
        println!("{name} {}", metrics.sum(name, &[]));
    }
    let lines = lastbeat.child.lines();
    let alerts = Alerts::of(&lines);
    println!("alerts: {}", alerts.text());
    let blamed: Vec<&String> = lines
        .iter()
        .filter(|line| {
            line.contains(" incident=")
                && line.contains("state=\"opened\"")
                && !line.contains("scope=\"stream\"")
        })
        .collect();
    blamed.iter().for_each(|line| println!("blamed: {line}"));
    assert_eq!(alerts.opened("HeartbeatMissed"), 1, "one died");
    assert_eq!(blamed.len(), 1, "and nobody else");
    assert!(blamed[0].contains(&victim.id), "it is the one that died");
    assert!(after.memory < before.memory + MORE_MEMORY, "memory is flat");
    assert!(after.files <= before.files + 1.0, "no file is left open");
    assert!(after.tasks <= before.tasks + 1.0, "no task is left");
    println!(
        "the storm is over: {} was blamed, once, and nobody else",
        victim.subject()
    );
}
