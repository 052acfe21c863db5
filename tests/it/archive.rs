//! The archive: what arrives is on the disk and found again, whatever happens to the process or to the folder.

mod replayed;

use crate::support::child::Child;
use crate::support::feed::Feed;
use crate::support::http::Server;
use crate::support::lastbeat::{Lastbeat, Setup};
use crate::support::nats::{Nats, Peer};
use crate::support::org::{Instance, org};
use crate::support::random::Random;
use crate::support::wait::{let_pass, wait_for, wait_until};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);
/// A search of all that a long run wrote.
const LONG: Duration = Duration::from_secs(900);
/// Trouble that lasts for half a minute is an incident.
const INCIDENT: Duration = Duration::from_secs(60);
/// Kills of an ordinary run; `LASTBEAT_KILLS=200` kills more often.
const KILLS: usize = 4;
/// Entries in a batch, one each 20 ms.
const BATCH: u64 = 100;
/// Time that an entry may take from the server to the disk.
const ON_DISK: Duration = Duration::from_secs(2);
/// Small segments, so that many are sealed; and a machine whose disk is rather full runs the tests too.
const RULES: &str = "[archive]\nmax_size = '64MB'\nmin_free = '1%'\n";
/// As many segments, and room for what is written in hundreds of lives.
const ROOMY_RULES: &str = "[archive]\nmax_size = '512MB'\nmin_free = '1%'\n";
/// Kills for which there is room in a small archive.
const FEW_KILLS: usize = 20;

fn archive(setup: Setup) -> (Setup, String) {
    let folder = setup.rules_folder().with_file_name("archive");
    let folder = folder.to_string_lossy().into_owned();
    let setup = setup.rules("archive.toml", RULES);
    (setup.env("LASTBEAT_ARCHIVE", &folder), folder)
}

fn ask(server: &Server, path: &str) -> Value {
    let answer = server.get(path).expect("it answers");
    assert_eq!(answer.status, 200, "{}", answer.body);
    serde_json::from_str(&answer.body).expect("the answer is JSON")
}

/// The messages of a page of entries.
fn messages(page: &Value) -> Vec<String> {
    let entries = page["entries"].as_array().into_iter().flatten();
    let message = |entry: &Value| {
        let payload: Value =
            serde_json::from_str(entry["message"].as_str().unwrap_or_default()).ok()?;
        payload["message"].as_str().map(str::to_owned)
    };
    entries.filter_map(message).collect()
}

/// The lines that a command prints until it ends.
fn printed(mut child: Child) -> Vec<String> {
    assert_eq!(child.wait_end(SOON), 0, "{:?}", child.lines());
    child.lines()
}

#[test]
fn what_arrived_is_found_by_the_api_by_the_command_and_on_the_disk() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let instances = org(&["web", "api"], &["sjc"]);
    feed.beat(&instances, Duration::from_millis(300));
    let (setup, folder) = archive(Setup::new().nats(&nats));
    let lastbeat = setup.start();
    lastbeat.wait_live(2);
    feed.say(&instances[0], "a needle of web");
    feed.say(&instances[1], "a needle of api");
    let found = |query: &str| {
        let page = ask(&lastbeat.server, &format!("/api/v1/entries?{query}"));
        messages(&page)
    };
    wait_until("both are found", SOON, || found("q=needle").len() == 2);
    assert_eq!(found("q=needle&app=web"), ["a needle of web"]);
    assert_eq!(found("regex=needle.of.a&region=s*"), ["a needle of api"]);
    assert_eq!(found("q=needle&level=error"), [""; 0]);
    assert_eq!(found("q=needle&until=2020-01-01T00:00:00Z"), [""; 0]);

    // A cursor goes on with what came later.
    let page = ask(&lastbeat.server, "/api/v1/entries?q=needle&limit=1");
    let next = page["next"].as_str().expect("there is more").to_owned();
    assert_eq!(
        found(&format!("q=needle&cursor={next}")),
        ["a needle of api"]
    );

    let Instance { app, region, id } = &instances[0];
    let words = wait_for("its last words", SOON, || {
        let path = format!("/api/v1/instances/{app}/{region}/{id}");
        let one = ask(&lastbeat.server, &path);
        let words = one["last_words"].as_array().cloned().unwrap_or_default();
        (words.len() > 2).then_some(words)
    });
    let text = serde_json::to_string(&words).expect("JSON");
    assert!(words.len() <= 50 && text.contains("HEARTBEAT"), "{text}");

    let url = format!("http://{}", lastbeat.server.address);
    let asked = printed(Setup::new().command(&["logs", "--url", &url, "--grep", "needle of web"]));
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(
        asked[0].ends_with(&format!("{app}/{region}/{id} a needle of web")),
        "{asked:?}"
    );
    lastbeat.stop_and(|| {
        let read = printed(Setup::new().command(&["logs", &folder, "--grep", "needle", "--json"]));
        assert_eq!(read.len(), 2, "{read:?}");
    });
}

#[test]
fn a_folder_that_cannot_be_written_is_an_incident_and_no_reason_to_be_unready() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    feed.beat(&org(&["web"], &["sjc"]), Duration::from_millis(300));
    let setup = Setup::new().nats(&nats);
    let file = setup.rules_folder().with_file_name("file");
    std::fs::write(&file, "no folder").expect("it can be written");
    let file = file.to_string_lossy().into_owned();
    let lastbeat = setup
        .rules("archive.toml", RULES)
        .env("LASTBEAT_ARCHIVE", &file)
        .start();
    lastbeat.wait_live(1);
    let ready = wait_for("the archive is named", SOON, || {
        let ready: Value = serde_json::from_str(&lastbeat.get("/readyz").body).ok()?;
        ready["warnings"].is_array().then_some(ready)
    });
    assert_eq!(ready["warnings"][0]["part"], "archive", "{ready}");
    lastbeat.wait_ready(200);
    let named = |state: &str| {
        let all = ask(
            &lastbeat.server,
            &format!("/api/v1/incidents?state={state}"),
        );
        let all = all["incidents"].as_array().cloned().unwrap_or_default();
        all.iter().any(|one| one["alarm"] == "ArchiveStopped")
    };
    wait_until("an incident is open", INCIDENT, || named("open"));
    std::fs::remove_file(&file).expect("it is there");
    wait_until("it is closed once the folder can be made", INCIDENT, || {
        named("closed")
    });
    assert!(Path::new(&file).is_dir());
    lastbeat.stop();
}

fn kills() -> usize {
    let given = std::env::var("LASTBEAT_KILLS").ok();
    given.and_then(|count| count.parse().ok()).unwrap_or(KILLS)
}

#[test]
fn a_kill_at_any_moment_tears_no_line_and_loses_only_what_is_newest() {
    let nats = Nats::start(Peer::Current);
    let feed = Arc::new(Feed::connect(&nats));
    let (mut setup, folder) = archive(Setup::new().nats(&nats));
    if kills() > FEW_KILLS {
        setup = setup.rules("archive.toml", ROOMY_RULES);
    }
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    // In a long run that would be millions of lines.
    let follow =
        (kills() <= FEW_KILLS).then(|| setup.command(&["logs", &folder, "--json", "--follow"]));
    let (published, is_over) = (
        Arc::new(AtomicU64::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let publisher = {
        let (feed, published, is_over) = (feed, published.clone(), is_over.clone());
        std::thread::spawn(move || {
            let instances = org(&["web", "api"], &["sjc", "ams"]);
            while !is_over.load(Ordering::Relaxed) {
                let from = published.load(Ordering::Relaxed);
                let batch = (from..from + BATCH).map(|number| {
                    let one = &instances[(number % 4) as usize];
                    (
                        one.subject(),
                        one.entry(&format!("entry {number} end")).into_bytes(),
                    )
                });
                feed.publish(batch.collect());
                published.fetch_add(BATCH, Ordering::Relaxed);
                let_pass(Duration::from_millis(20));
            }
        })
    };
    let mut random = Random::new(7);
    // For each life, the numbers that must be there: from the first that was surely received to those that had time.
    let mut lives = Vec::new();
    for _ in 0..kills() {
        let (mut child, server) = setup.run(SOON);
        wait_until("it receives", SOON, || {
            server
                .get("/readyz")
                .is_ok_and(|answer| answer.status == 200)
        });
        let from = published.load(Ordering::Relaxed) + BATCH;
        let_pass(Duration::from_millis(random.below(2000) as u64));
        let to = published.load(Ordering::Relaxed);
        let_pass(ON_DISK);
        child.kill();
        lives.push(from..to);
    }
    is_over.store(true, Ordering::Relaxed);
    publisher.join().expect("it ends");

    let mut logs = setup.command(&["logs", &folder, "--json", "--since", "1d"]);
    assert_eq!(logs.wait_end(LONG), 0, "{:?}", logs.lines().last());
    let lines = logs.lines();
    let mut found = BTreeSet::new();
    for line in &lines {
        let frame: Value = serde_json::from_str(line).expect("each line is JSON");
        let payload = frame["message"].as_str().expect("a payload");
        let payload: Value = serde_json::from_str(payload).expect("no line is torn");
        let number = payload["message"].as_str().and_then(|text| {
            let text = text.strip_prefix("entry ")?.strip_suffix(" end")?;
            text.parse::<u64>().ok()
        });
        found.insert(number.expect("what was said"));
    }
    assert_eq!(found.len(), lines.len(), "each is there once");
    // One that follows prints the same, through all kills.
    if let Some(mut follow) = follow {
        wait_until("all is printed", SOON, || {
            follow.lines().len() >= lines.len()
        });
        follow.kill();
        assert_eq!(follow.lines(), lines);
    }
    for life in lives {
        let missing: Vec<u64> = life.clone().filter(|one| !found.contains(one)).collect();
        assert!(missing.is_empty(), "of {life:?}: {missing:?}");
    }
    let files = std::fs::read_dir(&folder).expect("the folder is there");
    let mut sealed = 0;
    for file in files.flatten() {
        if file.file_name().to_string_lossy().ends_with(".log.zst") {
            sealed += 1;
            // As `zstd -t` does.
            let file = std::fs::File::open(file.path()).expect("it is there");
            zstd::stream::copy_decode(file, std::io::sink()).expect("a whole file");
        }
    }
    assert!(sealed > 0, "segments are sealed");
}

impl Lastbeat {
    /// Stops it, and does something before its folder goes.
    fn stop_and(mut self, then: impl FnOnce()) {
        self.child.signal("TERM");
        assert_eq!(self.child.wait_end(SOON), 0);
        then();
    }
}
