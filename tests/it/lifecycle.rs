//! What the platform says of a machine's life, line by line: the verdict after each, and who can not forge it.

use lastbeat::app::ingest::Ingest;
use lastbeat::core::engine::{Engine, Options};
use lastbeat::core::snapshot::Verdict;
use lastbeat::core::time::{Mono, Now, Wall};
use serde_json::{Value, json};
use std::time::Duration;

const WEB: &str = "logs.web.dfw.3d8d9250a27de8";
const OTHER: &str = "logs.other.iad.148e21ea7d3789";
const RULES: &str = "[[rule]]\nname = \"beats\"\nmax_gap = \"90s\"\nforget_after = \"30d\"\n";

/// The core behind its eyes, in virtual time, with somebody else who keeps beating.
struct Stage {
    ingest: Ingest,
    second: u64,
}

impl Stage {
    fn new() -> Self {
        let file = ("rules.toml".to_owned(), RULES.as_bytes().to_vec());
        let rules = lastbeat::decode::rules_file::read(&[file])
            .set
            .expect("good rules");
        let options = Options {
            first_incident: 1,
            ..Options::default()
        };
        Stage {
            ingest: Ingest::new(Engine::new(rules, options, at(0))),
            second: 0,
        }
    }

    fn hear(&mut self, subject: &str, payload: &[u8]) {
        self.ingest.engine.arrive(at(self.second));
        self.ingest.message(subject, payload);
        self.ingest.engine.evaluate(at(self.second));
    }

    /// Time in which nobody but the other one is heard.
    fn pass(&mut self, seconds: u64) {
        let end = self.second + seconds;
        while self.second < end {
            self.second = end.min(self.second + 10);
            self.hear(OTHER, entry("app", "HEARTBEAT").as_bytes());
        }
    }

    /// What is thought of an instance, and why.
    fn thinks(&mut self, subject: &str) -> (Verdict, String) {
        let snapshot = self.ingest.engine.snapshot(at(self.second), 100);
        let mut rows = snapshot.instances.into_iter();
        let row = rows
            .find(|row| *row.subject == *subject)
            .expect("it is known");
        (row.verdict, row.reason.unwrap_or_default())
    }
}

fn at(second: u64) -> Now {
    let span = Duration::from_secs(second);
    Now {
        mono: Mono::ZERO + span,
        wall: Wall::ZERO + Duration::from_secs(1_780_000_000) + span,
    }
}

fn entry(provider: &str, message: &str) -> String {
    json!({"event": {"provider": provider}, "message": message}).to_string()
}

/// A line of the fixture, the seconds of silence after it, and what is to be thought of its instance then.
const STORY: [(&str, u64, Verdict, &str); 27] = {
    use Verdict::{Live, Silent, Stopped};
    [
        ("Pulling container image", 0, Live, ""),
        ("Successfully prepared image", 0, Live, ""),
        ("Configuring firecracker", 0, Live, ""),
        ("Running Firecracker", 0, Live, ""),
        ("Starting init", 0, Live, ""),
        ("Preparing to run", 0, Live, ""),
        // It never beat, so that nobody expects it to.
        ("Machine created and started", 300, Live, ""),
        ("HEARTBEAT every=30s seq=1", 30, Live, ""),
        ("HEARTBEAT every=30s seq=2", 20, Live, ""),
        ("autostopping machine", 1, Stopped, "autostop by proxy"),
        ("Sending signal SIGINT", 1, Stopped, "autostop by proxy"),
        (
            "Main child exited normally with code: 0",
            1,
            Stopped,
            "autostop by proxy",
        ),
        ("Starting clean up", 1, Stopped, "autostop by proxy"),
        (
            "reboot: Restarting system",
            3600,
            Stopped,
            "autostop by proxy",
        ),
        ("Starting machine", 1, Live, ""),
        ("Machine started in", 20, Live, ""),
        ("HEARTBEAT every=30s seq=1", 60, Live, ""),
        (
            "autosuspending machine",
            7200,
            Stopped,
            "autosuspend by proxy",
        ),
        ("Starting machine", 5, Live, ""),
        ("HEARTBEAT every=30s seq=22", 20, Live, ""),
        ("Out of memory: Killed process", 0, Live, ""),
        (
            "Process appears to have been OOM killed",
            0,
            Live,
            "it ran out of memory",
        ),
        (
            "Main child exited normally with code: 137",
            0,
            Live,
            "it ran out of memory",
        ),
        // 20 seconds silent before, and 80 now: up, and silent.
        (
            "reboot: Restarting system",
            80,
            Silent,
            "it ran out of memory",
        ),
        (
            "max restart count",
            30,
            Silent,
            "the platform gave up restarting it",
        ),
        ("migrating", 0, Live, ""),
        (
            "restart policy set to 'no'",
            3600,
            Stopped,
            "exited, says runner",
        ),
    ]
};

#[test]
fn the_fixtures_story_gives_its_verdicts_line_by_line() {
    let fixture = include_str!("../fixtures/lifecycle.jsonl");
    assert_eq!(fixture.lines().count(), STORY.len());
    let mut stage = Stage::new();
    stage.pass(10);
    for (number, (line, (says, seconds, verdict, reason))) in fixture.lines().zip(STORY).enumerate()
    {
        let line: Value = serde_json::from_str(line).expect("a line is JSON");
        let text = |key: &str| line[key].as_str().expect("a text").to_owned();
        assert!(text("payload").contains(says), "line {number} says {says}");
        stage.hear(&text("subject"), text("payload").as_bytes());
        stage.pass(seconds);
        let thought = stage.thinks(&text("subject"));
        assert_eq!(
            thought,
            (verdict, reason.to_owned()),
            "after line {number}: {says}"
        );
    }
}

#[test]
fn an_app_that_imitates_the_platform_changes_nobodys_verdict() {
    let forged = [
        "App web has excess capacity, autostopping machine 3d8d9250a27de8. 0 out of 1 machines left running (region=dfw, process group=app)",
        "App web has excess capacity, autosuspending machine 3d8d9250a27de8. 0 out of 1 machines left running (region=dfw, process group=app)",
        "machine restart policy set to 'no', not restarting",
        "machine exited with exit code 0, not restarting",
        "Sending signal SIGINT to main child process w/ PID 637",
        " INFO Main child exited normally with code: 0",
        "[  368.350727] reboot: Restarting system",
        r#"{"event":{"provider":"proxy"},"message":"App web has excess capacity, autostopping machine 3d8d9250a27de8."}"#,
    ];
    for (from, provider) in [
        (WEB, "app"),
        (OTHER, "app"),
        (WEB, ""),
        (OTHER, "proxy"),
        (OTHER, "runner"),
    ] {
        for line in forged {
            // What the platform truly says of `other` is about `other` alone.
            if provider != "app" && !provider.is_empty() && !line.contains("3d8d9250a27de8") {
                continue;
            }
            let mut stage = Stage::new();
            stage.hear(WEB, entry("app", "HEARTBEAT").as_bytes());
            stage.pass(10);
            stage.hear(from, entry(provider, line).as_bytes());
            stage.pass(30);
            assert_eq!(
                stage.thinks(WEB),
                (Verdict::Live, String::new()),
                "{provider} {from}: {line}"
            );
            stage.pass(60);
            assert_eq!(
                stage.thinks(WEB),
                (Verdict::Silent, String::new()),
                "{provider} {from}: {line}"
            );
        }
    }
}
