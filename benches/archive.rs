//! The cost of the archive: `cargo bench --bench archive`, in the folder for temporary files (`TMPDIR`).
//!
//! Its parts are compared within one run, so that a busy machine changes all of them alike: an entry through the core with
//! and without the copy for the archive; the size of a sealed segment; a search for a rare word beside
//! `zstdcat FILES | grep -F`, and beside `rg -z` where that is installed; a replay.

use lastbeat::app::archive::recorder;
use lastbeat::app::ingest::Ingest;
use lastbeat::app::virtual_time::VirtualTime;
use lastbeat::clock::Clock;
use lastbeat::core::engine::{Engine, Options};
use lastbeat::core::rule::{Globs, RuleSet};
use lastbeat::core::time::{Mono, Now, Wall};
use lastbeat::decode::archive_line::{ArchivedEntry, arrival_text, write_entry};
use lastbeat::io::archive::seal::seal;
use lastbeat::io::archive::search::{Finds, Query, search};
use lastbeat::io::archive::segment::readable;
use lastbeat::io::archive::writer::Writer;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// 2022-09-27, in nanoseconds.
const START: Wall = Wall::from_nanos(1_664_236_477_000_000_000);
/// Plain bytes of the archive that is searched.
const PLAIN: usize = 1 << 30;
/// Entries through the core.
const ENTRIES: usize = 2_000_000;
/// Runs of which the best counts.
const RUNS: usize = 5;

fn main() {
    hot_path();
    let folder =
        std::env::temp_dir().join(format!("lastbeat-bench-archive-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the folder for temporary files takes folders");
    write(&folder);
    find(&folder);
    replay();
    std::fs::remove_dir_all(&folder).expect("it is there");
}

/// An entry of Fly's kind: half a kilobyte of JSON around a message that is not the same twice.
fn payload(number: usize) -> String {
    let (user, took, hash) = (
        number * 7919 % 100_003,
        number * 31 % 977,
        number.wrapping_mul(0x9E37_79B9_7F4A_7C15),
    );
    let message = match number % 4 {
        0 => format!(
            "GET /api/v2/users/{user}/orders?page={} 200 {took}ms request_id={hash:016x}",
            number % 17
        ),
        1 => format!(
            "level=info msg=\\\"job finished\\\" job=sync user={user} took={took}ms trace={hash:016x}"
        ),
        2 => format!(
            "Processing by OrdersController#show as JSON, parameters: id={user}, session {hash:016x}"
        ),
        _ => format!(
            "Completed 200 OK in {took}ms (Views: {}ms | ActiveRecord: {}ms)",
            took / 3,
            took / 2
        ),
    };
    let micros = number % 1_000_000;
    format!(
        "{{\"event\":{{\"provider\":\"app\"}},\"fly\":{{\"app\":{{\"instance\":\"148e21ea7d37{:02}\",\"name\":\"app{}\"}},\"region\":\"iad\"}},\"host\":\"0ad1\",\"log\":{{\"level\":\"info\"}},\"message\":\"{message}\",\"timestamp\":\"2022-09-27T20:34:37.{micros:06}Z\"}}",
        number % 40,
        number % 10
    )
}

fn subject(number: usize) -> String {
    format!("logs.app{}.iad.148e21ea7d37{:02}", number % 10, number % 40)
}

fn best(mut work: impl FnMut() -> Duration) -> Duration {
    (0..RUNS).map(|_| work()).min().unwrap_or_default()
}

fn hot_path() {
    let all: Vec<(String, String)> = (0..4096)
        .map(|number| (subject(number), payload(number)))
        .collect();
    let bytes: usize = all.iter().map(|(_, payload)| payload.len()).sum();
    let clock = Clock::start();
    let run = |archived: bool| {
        let now = Now {
            mono: Mono::from_nanos(1),
            wall: START,
        };
        let mut ingest = Ingest::new(Engine::new(RuleSet::default(), Options::default(), now));
        let lost = prometheus::IntCounter::new("lost", "lost").expect("a valid name");
        let (mut recorder, inbox) = recorder::channel(now, lost);
        let begun = clock.mono();
        for (batch, entries) in (0..ENTRIES / 64).zip(all.chunks(64).cycle()) {
            let now = Now {
                mono: Mono::from_nanos(batch as u64 * 640_000),
                wall: START + Duration::from_micros(batch as u64 * 640),
            };
            ingest.engine.arrive(now);
            recorder.arrive(now);
            for (subject, payload) in entries {
                ingest.message(subject, payload.as_bytes());
                if archived {
                    recorder.entry(subject, payload.as_bytes());
                }
            }
            while let Ok(chunk) = inbox.chunks.try_recv() {
                inbox.done(chunk);
            }
        }
        clock.mono().since(begun)
    };
    let (without, with) = (best(|| run(false)), best(|| run(true)));
    let each = |span: Duration| span.as_nanos() as f64 / ENTRIES as f64;
    println!(
        "entries of {} bytes through the core: {:.0} ns each, {:.0} ns with the copy for the archive ({:+.0} ns)",
        bytes / all.len(),
        each(without),
        each(with),
        each(with) - each(without)
    );
}

fn write(folder: &Path) {
    let (mut plain, mut number) = (0, 0);
    let (clock, mut sealing) = (Clock::start(), Duration::ZERO);
    while plain < PLAIN {
        let at = START + Duration::from_millis(number as u64);
        let mut writer = Writer::create(folder, at).expect("a new segment");
        let mut lines = Vec::new();
        while lines.len() < 128 << 20 {
            let at = arrival_text(START + Duration::from_millis(number as u64));
            write_entry(
                &mut lines,
                &at,
                &subject(number),
                payload(number).as_bytes(),
            );
            number += 1;
        }
        writer.append(&lines).expect("the disk has room");
        plain += lines.len();
        let begun = clock.mono();
        seal(folder, writer.stem(), || {}).expect("sealed");
        sealing += clock.mono().since(begun);
    }
    let segments = readable(folder).expect("readable");
    let sealed: u64 = segments.iter().map(|segment| segment.bytes).sum();
    println!(
        "{number} entries, {} MB plain: {} MB sealed, 1/{:.1}; sealed at {:.0} MB/s",
        plain >> 20,
        sealed >> 20,
        plain as f64 / sealed as f64,
        plain as f64 / 1e6 / sealing.as_secs_f64()
    );
}

#[derive(Default)]
struct Count(u64);

impl Finds for Count {
    fn entry(&mut self, _: &ArchivedEntry<'_>) -> ControlFlow<()> {
        self.0 += 1;
        ControlFlow::Continue(())
    }
}

fn find(folder: &Path) {
    let needle = format!("{:016x}", 12_345_usize.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let segments = readable(folder).expect("readable");
    let clock = Clock::start();
    let timed = |query: &Query| {
        let mut found = 0;
        let took = best(|| {
            let (begun, mut count) = (clock.mono(), Count::default());
            search(&segments, query, None, &mut count).expect("readable");
            found = count.0;
            clock.mono().since(begun)
        });
        (took, found)
    };
    let query = Query {
        text: Some(needle.clone()),
        ..Query::default()
    };
    let (took, found) = timed(&query);
    println!("a rare word: {found} found in {took:.0?}, on one core");
    let until = Some(START + Duration::from_secs(10));
    let (took, found) = timed(&Query {
        until,
        app: Globs(vec!["app3".to_owned()]),
        ..Query::default()
    });
    println!("an app in ten seconds of it: {found} found in {took:.0?}");
    for (name, command) in [
        (
            "zstdcat | grep -F",
            format!("zstdcat {}/*.zst | grep -cF {needle}", folder.display()),
        ),
        (
            "rg -z",
            format!("rg -zc -j1 -F {needle} {}", folder.display()),
        ),
    ] {
        let mut ok = false;
        let took = best(|| {
            let begun = clock.mono();
            let ran = Command::new("sh")
                .args(["-c", &command])
                .env("LC_ALL", "C")
                .output();
            ok = ran.is_ok_and(|ran| ran.status.success());
            clock.mono().since(begun)
        });
        match ok {
            true => println!("{name}: {took:.0?}"),
            false => println!("{name}: not installed"),
        }
    }
}

fn replay() {
    let all: Vec<(String, String)> = (0..4096)
        .map(|number| (subject(number), payload(number)))
        .collect();
    let clock = Clock::start();
    let took = best(|| {
        let mut core = VirtualTime::new(RuleSet::default(), Options::default(), START);
        let begun = clock.mono();
        for (number, (subject, payload)) in (0..ENTRIES as u64 / 4).zip(all.iter().cycle()) {
            core.entries(
                Duration::from_millis(number * 5),
                [(&**subject, payload.as_bytes())],
            );
        }
        clock.mono().since(begun)
    });
    println!(
        "a replay: {:.0} entries a second at 200 a second of its own time",
        (ENTRIES / 4) as f64 / took.as_secs_f64()
    );
}
