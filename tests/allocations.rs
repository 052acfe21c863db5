//! Steady state allocates nothing of ours per entry: known instances, their beats and their plain entries, through decode
//! and core. A program of its own, as the counting allocator serves the whole process.

use lastbeat::app::ingest::Ingest;
use lastbeat::core::engine::{Engine, Options};
use lastbeat::core::time::{Mono, Now, Wall};
use lastbeat::decode::rules_file;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

const RULES: &str = "[[rule]]\nname = \"beats\"\nmax_gap = \"90s\"\n[[rule]]\nname = \"logs\"\nwatch = \"logs\"\nmax_gap = \"90s\"\n";
/// Each beats once in ten seconds, and logs twice as often.
const INSTANCES: u64 = 500;
/// So many rounds are life as usual. The last beats of all are remembered in a queue that grows for so long.
const WARM: u64 = 70;
const MEASURED: u64 = 20;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

/// The system's allocator, counted.
struct Counted;

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counted = Counted;

fn at(millis: u64) -> Now {
    let nanos = millis * 1_000_000;
    Now {
        mono: Mono::from_nanos(nanos),
        wall: Wall::from_nanos(1_700_000_000_000_000_000 + nanos),
    }
}

fn payload(instance: u64, message: &str, round: u64) -> String {
    let said = UNIX_EPOCH + Duration::from_nanos(at(round * 10_000).wall.nanos());
    let said = humantime::format_rfc3339_nanos(said);
    format!(
        r#"{{"event":{{"provider":"app"}},"fly":{{"app":{{"instance":"{instance:014x}","name":"app-{}"}},"region":"iad"}},"host":"{:04x}","log":{{"level":"info"}},"message":"{message}","timestamp":"{said}"}}"#,
        instance % 50,
        instance % 100,
    )
}

/// The messages of one round, made before they are counted.
fn round(round: u64) -> Vec<(String, String)> {
    let beat = |instance: u64| {
        let subject = format!("logs.app-{}.iad.{instance:014x}", instance % 50);
        let beat = format!("HEARTBEAT every=10s seq={round}");
        let words = format!("12:00:01 heartbeat.1 | HEARTBEAT {instance:014x} iad");
        [
            (
                subject.clone(),
                payload(
                    instance,
                    if instance.is_multiple_of(2) {
                        &beat
                    } else {
                        &words
                    },
                    round,
                ),
            ),
            (
                subject.clone(),
                payload(instance, "GET /index.html 200", round),
            ),
            (subject, payload(instance, "GET /about.html 200", round)),
        ]
    };
    (0..INSTANCES).flat_map(beat).collect()
}

fn feed(ingest: &mut Ingest, entries: &[(String, String)], second: u64) {
    for (batch, entries) in entries.chunks(100).enumerate() {
        ingest.engine.arrive(at(second * 1000 + batch as u64));
        for (subject, payload) in entries {
            ingest.message(subject, payload.as_bytes());
        }
        ingest.engine.evaluate(at(second * 1000 + batch as u64));
    }
    assert_eq!(ingest.engine.drain().count(), 0, "all is well");
}

#[test]
fn known_subjects_with_beats_and_plain_entries_allocate_nothing() {
    let files = [("bench".to_owned(), RULES.as_bytes().to_vec())];
    let rules = rules_file::read(&files).set.expect("the rules are good");
    let options = Options {
        first_incident: 1,
        ..Options::default()
    };
    let mut ingest = Ingest::new(Engine::new(rules, options, at(0)));
    for turn in 0..WARM {
        feed(&mut ingest, &round(turn), turn * 10);
    }
    let mut allocations = 0;
    for turn in WARM..WARM + MEASURED {
        let entries = round(turn);
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        feed(&mut ingest, &entries, turn * 10);
        allocations += ALLOCATIONS.load(Ordering::Relaxed) - before;
    }
    assert_eq!(ingest.engine.instances(), INSTANCES as usize);
    let beats: u64 = ingest
        .engine
        .snapshot(at(0), 0)
        .apps
        .iter()
        .map(|app| app.beats)
        .sum();
    assert_eq!(
        beats,
        INSTANCES * (WARM + MEASURED),
        "each was taken for a beat"
    );
    assert_eq!(allocations, 0, "in {} entries", INSTANCES * 3 * MEASURED);
}
