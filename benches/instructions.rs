//! Instructions of what must not creep, counted by valgrind: the same on every machine, idle or busy.
//!
//! `cargo bench --bench instructions` counts, and tells of what differs by more than 5% from `benches/instructions.txt`;
//! with `-- record` it writes that file. Another compiler may change all of them: record anew with it.

use lastbeat::app::archive::recorder;
use lastbeat::app::ingest::Ingest;
use lastbeat::core::engine::{Engine, Options};
use lastbeat::core::last_words::{self, LastWords};
use lastbeat::core::time::{Mono, Now, Wall};
use lastbeat::decode::rules_file;
use lastbeat::io::metrics::Metrics;
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::{env, fs};

/// A change of so much is told, in percent.
const TOLD: f64 = 5.0;
const RECORDS: &str = "benches/instructions.txt";
const RULES: &str = "[[rule]]\nname = \"beats\"\nmax_gap = \"90s\"\n";

/// What is counted: its name, for how many instances, and how many times the name's thing is done.
const WORK: [(&str, usize, usize); 7] = [
    ("entry", 1_000, 10_000),
    ("beat", 1_000, 10_000),
    ("copy", 1_000, 10_000),
    ("words", 1_000, 100_000),
    ("evaluate", 100_000, 10),
    ("snapshot", 10_000, 1),
    ("render", 10_000, 1),
];

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).filter(|arg| arg != "--bench").collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["work", name] => {
            work(name);
            ExitCode::SUCCESS
        }
        ["record"] => {
            let lines = counted()
                .into_iter()
                .map(|(name, count)| format!("{name} {count:.0}\n"));
            fs::write(records(), lines.collect::<String>()).expect("the records can be written");
            ExitCode::SUCCESS
        }
        _ => compared(),
    }
}

fn records() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(RECORDS)
}

/// Fails where something takes more than it did.
fn compared() -> ExitCode {
    let recorded = fs::read_to_string(records()).unwrap_or_default();
    let before = |name: &str| {
        let mut lines = recorded.lines().filter_map(|line| line.split_once(' '));
        let (_, count) = lines.find(|(of, _)| *of == name)?;
        count.parse::<f64>().ok()
    };
    let mut worse = false;
    for (name, count) in counted() {
        let Some(before) = before(name) else {
            println!("{name:<9} {count:>10.0} instructions, never recorded");
            worse = true;
            continue;
        };
        let change = (count / before - 1.0) * 100.0;
        let word = match change {
            _ if change > TOLD => "MORE: find out why, or record it",
            _ if change < -TOLD => "fewer: record it",
            _ => "as recorded",
        };
        worse |= change > TOLD;
        println!("{name:<9} {count:>10.0} instructions, {change:+.1}%, {word}");
    }
    ExitCode::from(u8::from(worse))
}

/// Instructions for one of each.
fn counted() -> Vec<(&'static str, f64)> {
    WORK.map(|(name, _, times)| (name, count(name) / times as f64))
        .to_vec()
}

fn count(name: &str) -> f64 {
    let me = env::current_exe().expect("this program has a path");
    let valgrind = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--callgrind-out-file=/dev/null",
            "--collect-atstart=no",
        ])
        .arg("--toggle-collect=*measured*")
        .arg(me)
        .args(["work", name])
        .output()
        .unwrap_or_else(|err| {
            panic!("valgrind cannot be started: {err}; apt-get install valgrind")
        });
    let said = String::from_utf8_lossy(&valgrind.stderr);
    let collected = said
        .lines()
        .find_map(|line| line.split_once("Collected : "));
    let (_, count) = collected.unwrap_or_else(|| panic!("valgrind counted nothing: {said}"));
    count.trim().parse().expect("a number")
}

#[inline(never)]
fn measured(mut work: impl FnMut()) {
    work();
}

fn work(name: &str) {
    let (_, instances, times) = WORK
        .into_iter()
        .find(|work| work.0 == name)
        .expect("its name is known");
    let mut ingest = warm(instances);
    match name {
        "entry" | "beat" => {
            let entries: Vec<_> = (0..times)
                .map(|n| (subject(n % instances), payload(name == "beat")))
                .collect();
            ingest.engine.arrive(now(2));
            measured(|| {
                for (subject, payload) in &entries {
                    black_box(ingest.message(subject, payload.as_bytes()));
                }
            });
        }
        // The event loop's part of the archive, and of the last words: the copy of an entry.
        "copy" => {
            let lost = prometheus::IntCounter::new("lost", "lost").expect("a valid name");
            let (mut recorder, inbox) = recorder::channel(now(2), lost);
            let entries: Vec<_> = (0..times)
                .map(|n| (subject(n % instances), payload(false)))
                .collect();
            let mut again = |entries: &[(String, String)]| {
                for (subject, payload) in entries {
                    recorder.entry(subject, payload.as_bytes());
                }
            };
            // Chunks have their memory by then.
            again(&entries);
            while let Ok(chunk) = inbox.chunks.try_recv() {
                inbox.done(chunk);
            }
            measured(|| again(&entries));
        }
        // The other thread's part: the last words of a thousand instances, once each of them has all of its own.
        "words" => {
            let mut words = LastWords::new(1 << 30);
            let entries: Vec<_> = (0..instances)
                .map(|n| (subject(n), payload(false)))
                .collect();
            let mut all = |times: usize| {
                for (subject, payload) in entries.iter().cycle().take(times) {
                    words.push(now(2).wall, subject, payload.as_bytes());
                }
            };
            all(instances * last_words::ENTRIES);
            measured(|| all(times));
        }
        "evaluate" => measured(|| {
            for second in 0..times as u64 {
                ingest.engine.arrive(now(2 + second));
                black_box(ingest.engine.evaluate(now(2 + second)));
            }
        }),
        "snapshot" => measured(|| drop(black_box(ingest.engine.snapshot(now(2), 20_000)))),
        _ => {
            let (metrics, snapshot) = (
                Metrics::new("0.0.0", "bench"),
                ingest.engine.snapshot(now(2), 20_000),
            );
            measured(|| drop(black_box(metrics.render(Some(&snapshot)))));
        }
    }
}

fn warm(instances: usize) -> Ingest {
    let files = [("bench".to_owned(), RULES.as_bytes().to_vec())];
    let rules = rules_file::read(&files).set.expect("the rules are good");
    let options = Options {
        first_incident: 1,
        ..Options::default()
    };
    let mut ingest = Ingest::new(Engine::new(rules, options, now(0)));
    for second in 0..2 {
        ingest.engine.arrive(now(second));
        for n in 0..instances {
            ingest.message(&subject(n), payload(true).as_bytes());
        }
        ingest.engine.evaluate(now(second));
    }
    ingest
}

fn now(second: u64) -> Now {
    let nanos = second * 1_000_000_000;
    Now {
        mono: Mono::from_nanos(nanos),
        wall: Wall::from_nanos(1_700_000_000_000_000_000 + nanos),
    }
}

fn subject(n: usize) -> String {
    format!("logs.app-{}.iad.{n:014x}", n % 50)
}

fn payload(beat: bool) -> String {
    let message = if beat {
        "HEARTBEAT every=30s".to_owned()
    } else {
        "x".repeat(230)
    };
    format!(
        "{{\"event\":{{\"provider\":\"app\"}},\"fly\":{{\"app\":{{\"instance\":\"1\",\"name\":\"app\"}},\"region\":\"iad\"}},\
         \"host\":\"0ad1\",\"log\":{{\"level\":\"info\"}},\"message\":\"{message}\",\
         \"timestamp\":\"2026-03-02T12:00:01.120394857Z\"}}"
    )
}
