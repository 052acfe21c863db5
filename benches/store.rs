//! What keeping the state costs, with 100,000 instances of one beat each: `cargo bench --bench store`. The file lies in
//! the folder for temporary files; `TMPDIR=/data cargo bench --bench store` measures another disk.
//!
//! For each checkpoint: how many instances changed, the time of the store's own thread (the processor's, and the clock's
//! with the disk in it), and what lies on disk; then the time to open, check and read the file.

use lastbeat::clock::Clock;
use lastbeat::core::listening::Blind;
use lastbeat::core::persist::{
    Checkpoint, SavedBeat, SavedBlind, SavedClock, SavedInstance, SavedRhythm, SavedStamp,
};
use lastbeat::core::snapshot::Verdict;
use lastbeat::core::time::{Listened, Wall};
use lastbeat::io::store::{Batch, Opened, Store};
use std::sync::Arc;
use std::time::Duration;

const INSTANCES: u32 = 100_000;
/// 2022-09-27, in nanoseconds.
const START: u64 = 1_664_236_477_000_000_000;

fn main() {
    let folder = std::env::temp_dir().join(format!("lastbeat-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the folder for temporary files takes folders");
    let path = folder.join("lastbeat.db");
    let Opened { mut store, .. } =
        Store::open(Some(&path), Wall::from_nanos(START)).expect("a new file");
    let marker: Arc<str> = "HEARTBEAT".into();
    let clock = Clock::start();
    println!("changed      cpu        all     MB on disk");
    let mut round = 0;
    for (every, whole) in [(1, true), (1, true), (3, false), (5, false), (6, false)] {
        for _ in 0..4 {
            round += 1;
            let checkpoint = checkpoint(round, every, whole, &marker);
            let changed = checkpoint.instances.len();
            let batch = Batch {
                checkpoint: Some(checkpoint),
                ..Batch::default()
            };
            let (begun, used) = (clock.mono(), processor_time());
            store.save(&batch).expect("the disk has room");
            let (all, used) = (clock.mono().since(begun), processor_time() - used);
            println!(
                "{changed:>7} {used:>10.1?} {all:>10.1?} {:>8.1}",
                megabytes(&store)
            );
        }
    }
    println!("{:.1} MB before it is closed", megabytes(&store));
    drop(store);
    let begun = clock.mono();
    let opened = Store::open(Some(&path), Wall::from_nanos(START)).expect("the file is well");
    println!(
        "opened, checked and read {} instances in {:.1?}; {:.1} MB",
        opened.saved.instances.len(),
        clock.mono().since(begun),
        megabytes(&opened.store),
    );
    drop(opened);
    std::fs::remove_dir_all(&folder).expect("the folder is ours");
}

fn megabytes(store: &Store) -> f64 {
    store.bytes() as f64 / 1e6
}

/// What this thread has used of the processor.
fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split(' ').next().and_then(|word| word.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}

fn checkpoint(round: u32, every: u32, whole: bool, marker: &Arc<str>) -> Checkpoint {
    let at = Wall::from_nanos(START) + Duration::from_secs(5) * round;
    let listened = Listened::from_nanos(400_000_000_000_000) + Duration::from_secs(5) * round;
    let changed = (0..INSTANCES).filter(|slot| (slot + round).is_multiple_of(every));
    Checkpoint {
        whole,
        clock: SavedClock {
            taken_at: at,
            listened,
            last_arrival: Some(at),
            blind: vec![
                SavedBlind {
                    from: Wall::from_nanos(START),
                    to: Wall::from_nanos(START + 1),
                    reason: Blind::Down,
                    listened,
                };
                100
            ],
            ..SavedClock::default()
        },
        instances: changed
            .map(|slot| instance(slot, round, at, listened, marker))
            .collect(),
        ..Checkpoint::default()
    }
}

fn instance(
    slot: u32,
    round: u32,
    at: Wall,
    listened: Listened,
    marker: &Arc<str>,
) -> SavedInstance {
    let ago = Duration::from_micros(u64::from(slot) * 47);
    let seen = SavedStamp {
        at: at - ago,
        listened: listened - ago,
    };
    SavedInstance {
        slot,
        subject: format!("logs.app-{}.iad.{:014x}", slot / 50, u64::from(slot) * 977).into(),
        host: Some(format!("{:04x}", slot / 20).into()),
        seen,
        spoke: Some(seen.listened),
        logs: true,
        stop: None,
        crash: None,
        said_bye: false,
        verdict: Verdict::Live,
        logs_rhythm: SavedRhythm::default(),
        beats: vec![SavedBeat {
            marker: Arc::clone(marker),
            name: "".into(),
            seen,
            stopped: false,
            every_ms: 30_000,
            seq: Some(u64::from(10_000 + round)),
            offset_ms: Some(-12),
            rhythm: SavedRhythm {
                usual_ms: 30_050,
                ..SavedRhythm::default()
            },
            text: format!("HEARTBEAT every=30s seq={}", 10_000 + round),
        }],
    }
}
