//! What an instance costs in memory, names included. `cargo bench --bench memory -- 100000 1000000`
//!
//! Each says one plain beat, again and again, under one rule that matches all. Counted are the bytes asked for, reserves
//! of vectors that nobody ever touched among them, and those that are resident.

use lastbeat::app::ingest::Ingest;
use lastbeat::core::engine::{Engine, Options};
use lastbeat::core::time::{Mono, Now, Wall};
use lastbeat::core::tracker::Limits;
use lastbeat::decode::rules_file;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

const RULES: &str = "[[rule]]\nname = \"beats\"\nmax_gap = \"90s\"\n";
const APPS: u64 = 300;
const REGIONS: [&str; 4] = ["iad", "fra", "syd", "ord"];
const ROUNDS: u64 = 3;
const WARM: u64 = 100;

static LIVE: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, counted.
struct Counted;

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LIVE.fetch_add(size, Ordering::Relaxed);
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counted = Counted;

fn main() {
    let wanted: Vec<u64> = std::env::args()
        .filter_map(|arg| arg.parse().ok())
        .collect();
    let wanted = if wanted.is_empty() {
        vec![100_000]
    } else {
        wanted
    };
    // The pages of the program itself are no instance's: it has run before anything is counted.
    play(WARM);
    for instances in wanted {
        measure(instances);
    }
}

fn measure(instances: u64) {
    let (live, resident) = (LIVE.load(Ordering::Relaxed), resident());
    let ingest = play(instances);
    assert_eq!(ingest.engine.instances() as u64, instances);
    let each = |bytes: usize, before: usize| bytes.saturating_sub(before) as f64 / instances as f64;
    println!(
        "{instances} instances: {:.1} bytes resident each, {:.1} asked for",
        each(self::resident(), resident),
        each(LIVE.load(Ordering::Relaxed), live),
    );
}

fn play(instances: u64) -> Ingest {
    let files = [("bench".to_owned(), RULES.as_bytes().to_vec())];
    let rules = rules_file::read(&files).set.expect("the rules are good");
    let options = Options {
        first_incident: 1,
        limits: Limits::MOST,
        ..Options::default()
    };
    let mut ingest = Ingest::new(Engine::new(rules, options, at(0)));
    for round in 1..=ROUNDS {
        ingest.engine.arrive(at(round * 30));
        for instance in 0..instances {
            let (subject, payload) = beat((instance * 7919) % instances, round);
            ingest.message(&subject, payload.as_bytes());
        }
        ingest.engine.evaluate(at(round * 30));
    }
    ingest
}

fn beat(instance: u64, round: u64) -> (String, String) {
    let region = REGIONS[(instance % 4) as usize];
    // As Fly's: 14 hexadecimal digits without an order.
    let name = instance.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 8;
    let payload = format!(
        r#"{{"event":{{"provider":"app"}},"message":"HEARTBEAT every=30s seq={}"}}"#,
        100 + instance % 50 + round
    );
    let subject = format!("logs.app-{}.{region}.{name:014x}", instance % APPS);
    (subject, payload)
}

fn at(seconds: u64) -> Now {
    let nanos = seconds * 1_000_000_000;
    Now {
        mono: Mono::from_nanos(nanos),
        wall: Wall::from_nanos(1_700_000_000_000_000_000 + nanos),
    }
}

/// Resident bytes of this process, as Linux tells them.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let digits = line.and_then(|line| line.split_whitespace().next());
    let kilobytes: usize = digits
        .and_then(|digits| digits.parse().ok())
        .expect("a number of kilobytes");
    kilobytes * 1024
}
