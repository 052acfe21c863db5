use super::*;
use crate::core::rule::{ArchiveRule, DropRule, Globs, Keep};
use crate::core::time::Now;
use crate::decode::archive_line::{ArchivedEntry, Mark};
use crate::io::archive::search::{Finds, Query, search};
use crate::io::archive::segment::readable;
use crate::io::archive::tests::Folder;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

/// An archive whose thread runs, and the reports that it made.
struct Running {
    recorder: Recorder,
    handle: ArchiveHandle,
    clock: Clock,
    metrics: Arc<Metrics>,
    reports: Arc<Mutex<Vec<Option<String>>>>,
}

fn started(folder: &Path, rule: ArchiveRule) -> Running {
    started_by(
        folder,
        ArchiveRule {
            min_free: 0,
            max_size: Some(1 << 30),
            ..rule
        },
    )
}

fn started_by(folder: &Path, rule: ArchiveRule) -> Running {
    let clock = Clock::start();
    let metrics = Arc::new(Metrics::new("0", "0"));
    let reports: Arc<Mutex<Vec<Option<String>>>> = Arc::default();
    let told = Arc::clone(&reports);
    let rules = RuleSet {
        archive: rule,
        ..RuleSet::default()
    };
    let deps = ArchiveDeps {
        place: ArchiveSetting::Folder(folder.to_owned()),
        rules: Arc::new(ArcSwap::from_pointee(rules)),
        report: Box::new(move |problem| {
            told.lock().expect("no panic").push(problem);
            true
        }),
        metrics: Arc::clone(&metrics),
        clock,
    };
    let (recorder, handle) = start(deps).expect("a thread");
    Running {
        recorder: recorder.expect("the archive is on"),
        handle,
        clock,
        metrics,
        reports,
    }
}

impl Running {
    fn entry(&mut self, subject: &str, payload: &[u8]) {
        self.recorder.arrive(self.clock.now());
        self.recorder.entry(subject, payload);
    }

    /// Ends the thread, and gives what the folder has then.
    async fn finish(self, folder: &Path) -> (Vec<String>, Vec<String>) {
        let Running {
            recorder,
            mut handle,
            clock,
            ..
        } = self;
        recorder.finish(clock.now());
        handle.ended(Duration::from_secs(20)).await;
        content(folder)
    }
}

#[derive(Default)]
struct Found {
    entries: Vec<String>,
    marks: Vec<String>,
}

impl Finds for Found {
    fn entry(&mut self, entry: &ArchivedEntry<'_>) -> ControlFlow<()> {
        let text = String::from_utf8_lossy(&entry.payload);
        self.entries.push(format!("{} {text}", entry.subject));
        ControlFlow::Continue(())
    }

    fn mark(&mut self, _: crate::core::time::Wall, mark: &Mark<'_>) -> ControlFlow<()> {
        self.marks.push(format!("{mark:?}"));
        ControlFlow::Continue(())
    }
}

fn content(folder: &Path) -> (Vec<String>, Vec<String>) {
    let mut found = Found::default();
    let query = Query {
        marks: true,
        ..Query::default()
    };
    let segments = readable(folder).expect("the folder is there");
    search(&segments, &query, None, &mut found).expect("readable");
    (found.entries, found.marks)
}

#[tokio::test]
async fn what_arrives_is_in_the_folder_and_in_the_last_words_after_a_restart_too() {
    let folder = Folder::new();
    let mut running = started(&folder.0, ArchiveRule::default());
    for number in 0..1000 {
        let payload = format!("entry {number}\nof two lines");
        running.entry("logs.web.iad.a", payload.as_bytes());
    }
    running.entry("logs.web.iad.b", b"\xff");
    let metrics = Arc::clone(&running.metrics);
    let (entries, marks) = running.finish(&folder.0).await;
    assert_eq!((entries.len(), metrics.archive.entries.get()), (1001, 1001));
    assert_eq!(entries[999], "logs.web.iad.a entry 999\nof two lines");
    assert_eq!(marks, ["Start(\"0.1.0\")", "Stop"]);

    let running = started(&folder.0, ArchiveRule::default());
    let words = running.handle.words();
    let (entries, marks) = running.finish(&folder.0).await;
    assert_eq!((entries.len(), marks.len()), (1001, 4), "it grows on");
    // They are read beside the thread that writes.
    while words.of("logs.web.iad.b", 2).is_empty() {
        tokio::task::yield_now().await;
    }
    let last = words.of("logs.web.iad.a", 2);
    let payloads: Vec<&[u8]> = last.iter().map(|word| &*word.payload).collect();
    let expected: [&[u8]; 2] = [b"entry 998\nof two lines", b"entry 999\nof two lines"];
    assert_eq!(payloads, expected);
    assert_eq!(&*words.of("logs.web.iad.b", 2)[0].payload, b"\xff");
}

#[tokio::test]
async fn the_rule_says_what_is_kept_and_secrets_are_never() {
    let folder = Folder::new();
    let rule = ArchiveRule {
        keep: Keep::Beats,
        drop: vec![DropRule {
            app: Globs(vec!["noise".to_owned()]),
            contains: String::new(),
        }],
        redact: vec!["key=[a-z]+".to_owned()],
        ..ArchiveRule::default()
    };
    let mut running = started(&folder.0, rule);
    for (subject, payload) in [
        ("logs.web.iad.a", "HEARTBEAT key=abc"),
        ("logs.web.iad.a", "nothing key=abc"),
        ("logs.noise.iad.a", "HEARTBEAT"),
    ] {
        running.entry(subject, payload.as_bytes());
    }
    let words = running.handle.words();
    let (entries, _) = running.finish(&folder.0).await;
    assert_eq!(entries, ["logs.web.iad.a HEARTBEAT ***"]);
    let last = words.of("logs.web.iad.a", 2);
    assert_eq!(
        &*last[1].payload, b"nothing ***",
        "last words are kept in any case"
    );
    assert_eq!(words.of("logs.noise.iad.a", 2).len(), 1);
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_loses_entries_which_is_counted_and_said() {
    let folder = Folder::new();
    let file = folder.0.join("file");
    fs::write(&file, "not a folder").expect("written");
    let mut running = started(&file, ArchiveRule::default());
    running.entry("logs.web.iad.a", b"x");
    let (words, metrics) = (running.handle.words(), Arc::clone(&running.metrics));
    let problem = {
        let deadline = running.clock.mono() + Duration::from_secs(20);
        loop {
            if let Some(problem) = running.handle.problem() {
                break problem;
            }
            assert!(running.clock.mono() < deadline, "no problem is named");
            tokio::task::yield_now().await;
        }
    };
    assert!(problem.contains(&*file.to_string_lossy()), "{problem}");
    let Running {
        recorder,
        mut handle,
        clock,
        reports,
        ..
    } = running;
    recorder.finish(clock.now());
    handle.ended(Duration::from_secs(20)).await;
    assert_eq!(metrics.archive.lost_on_disk().get(), 1);
    assert_eq!(metrics.archive.writable.get(), 0);
    assert_eq!(words.of("logs.web.iad.a", 1).len(), 1);
    assert_eq!(*reports.lock().expect("no panic"), [], "it did not last");
}

#[tokio::test]
async fn a_volume_that_is_full_from_the_start_is_not_reported_as_well() {
    let folder = Folder::new();
    let rule = ArchiveRule {
        min_free: 100,
        ..ArchiveRule::default()
    };
    let mut running = started_by(&folder.0, rule);
    let deadline = running.clock.mono() + Duration::from_secs(20);
    // Its thread has looked, before there was anything to write.
    while running.metrics.archive.writable.get() == 0 {
        assert!(running.clock.mono() < deadline, "the folder is open");
        tokio::task::yield_now().await;
    }
    running.entry("logs.web.iad.a", b"x");
    let (reports, metrics) = (Arc::clone(&running.reports), Arc::clone(&running.metrics));
    running.finish(&folder.0).await;
    assert_eq!(metrics.archive.lost_on_disk().get(), 1);
    assert_eq!(
        *reports.lock().expect("no panic"),
        [],
        "an incident of an earlier run stays open"
    );
}

#[tokio::test]
async fn a_second_process_leaves_the_folder_alone() {
    let folder = Folder::new();
    let lock = crate::io::archive::lock::Lock::take(&folder.0).expect("free");
    let mut running = started(&folder.0, ArchiveRule::default());
    running.entry("logs.web.iad.a", b"x");
    let metrics = Arc::clone(&running.metrics);
    let (entries, _) = running.finish(&folder.0).await;
    assert_eq!(
        (entries.len(), metrics.archive.lost_on_disk().get()),
        (0, 1)
    );
    drop(lock);
}

#[tokio::test]
async fn nothing_is_kept_where_it_is_off_and_an_earlier_incident_ends() {
    let reports: Arc<Mutex<Vec<Option<String>>>> = Arc::default();
    let told = Arc::clone(&reports);
    let deps = ArchiveDeps {
        place: ArchiveSetting::Off,
        rules: Arc::default(),
        report: Box::new(move |problem| {
            told.lock().expect("no panic").push(problem);
            true
        }),
        metrics: Arc::new(Metrics::new("0", "0")),
        clock: Clock::start(),
    };
    let (recorder, handle) = start(deps).expect("nothing to start");
    assert!(recorder.is_none() && handle.problem().is_none());
    assert_eq!(*reports.lock().expect("no panic"), [None]);
}

/// A volume as a disk has it in its hands: limits hold after every write.
#[test]
fn the_archive_keeps_its_size_while_it_is_written() {
    use super::disk::Disk;
    let folder = Folder::new();
    let rule = ArchiveRule {
        max_size: Some(16 << 20),
        min_free: 0,
        ..ArchiveRule::default()
    };
    let clock = Clock::start();
    let mut disk = Disk::open(&folder.0, clock.now()).expect("it can be opened");
    let mut random = 1_u64;
    for number in 0..200_u64 {
        // Bytes that do not compress.
        let mut lines = Vec::new();
        while lines.len() < 200_000 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            lines.extend(format!("{random:x}").bytes());
        }
        lines.push(b'\n');
        // Each belongs into an hour of its own, so that many segments are made.
        let now = clock.now();
        let now = Now {
            wall: now.wall + Duration::from_secs(3600) * (number / 4) as u32,
            mono: now.mono + Duration::from_secs(number),
        };
        disk.append(&lines, &rule, now).expect("there is room");
        disk.turn(&rule, now).expect("all is well");
        let all = crate::io::archive::segment::list(&folder.0).expect("readable");
        let bytes: u64 = all.iter().map(|segment| segment.bytes).sum();
        assert!(bytes <= 16 << 20, "{bytes} bytes after {number}");
    }
}
