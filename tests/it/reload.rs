//! Rules that change while it runs, and rule files that mean harm.

use crate::support::child::{Child, command};
use crate::support::feed::Feed;
use crate::support::folder::Folder;
use crate::support::lastbeat::{Lastbeat, Setup};
use crate::support::nats::{Nats, Peer};
use crate::support::org::{Instance, org};
use crate::support::wait::wait_until;
use std::fs;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);
const BEATS: &str = "[[rule]]\nname = 'beats'\nmax_gap = '4s'\n";
const MORE: &str = "[[rule]]\nname = 'more'\napp = 'nobody'\nmax_gap = '4s'\n";

struct Running {
    lastbeat: Lastbeat,
    feed: Feed,
    instances: Vec<Instance>,
    #[expect(dead_code, reason = "held for its end")]
    nats: Nats,
}

/// Four instances that beat each second, and the rule `beats`.
fn running() -> Running {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let instances = org(&["sandwich", "batch"], &["sjc", "ams"]);
    feed.beat(&instances, Duration::from_secs(1));
    let lastbeat = Setup::new()
        .nats(&nats)
        .rules("50-beats.toml", BEATS)
        .start();
    lastbeat.wait_live(4);
    Running {
        lastbeat,
        feed,
        instances,
        nats,
    }
}

impl Running {
    /// Silences the first instance, until that is told.
    fn fire(&self) {
        self.feed.silence(&self.instances[0]);
        wait_until("the silent one is told", SOON, || self.told("opened") == 1);
    }

    fn told(&self, state: &str) -> usize {
        self.lastbeat
            .said(&["HeartbeatMissed: ", &format!("state=\"{state}\"")])
    }
}

#[track_caller]
fn wait_rules(lastbeat: &Lastbeat, what: &str, count: f64) {
    lastbeat.wait_metrics(what, SOON, |metrics| {
        metrics.one("lastbeat_rules") == count
            && metrics.one("lastbeat_rules_last_reload_successful") == 1.0
    });
}

#[test]
fn each_way_of_saving_takes_effect() {
    let running = running();
    let lastbeat = &running.lastbeat;
    lastbeat.rewrite("60-more.toml", MORE);
    wait_rules(lastbeat, "a new file", 2.0);
    lastbeat.rewrite("60-more.toml", "# nothing\n");
    wait_rules(lastbeat, "written in place", 1.0);
    let rules = lastbeat.folder().join("rules");
    let new = lastbeat.folder().join("new");
    fs::write(&new, MORE).expect("the folder takes a file");
    fs::rename(&new, rules.join("60-more.toml")).expect("renamed");
    wait_rules(lastbeat, "renamed over", 2.0);
    fs::remove_file(rules.join("60-more.toml")).expect("removed");
    wait_rules(lastbeat, "removed", 1.0);
    fs::rename(&rules, lastbeat.folder().join("old")).expect("renamed");
    fs::create_dir(&rules).expect("a folder");
    lastbeat.rewrite("50-beats.toml", &format!("{BEATS}{MORE}"));
    wait_rules(lastbeat, "another folder", 2.0);
    running.lastbeat.stop();
}

#[test]
fn an_alert_of_a_rule_that_stays_stays_and_one_of_a_rule_that_goes_is_closed() {
    let running = running();
    running.fire();
    running.lastbeat.rewrite("60-more.toml", MORE);
    wait_rules(&running.lastbeat, "another rule", 2.0);
    let firing = running
        .lastbeat
        .metrics()
        .sum("lastbeat_alerts", &[("rule", "beats"), ("state", "firing")]);
    assert_eq!((firing, running.told("closed")), (1.0, 0));
    fs::remove_file(running.lastbeat.folder().join("rules/50-beats.toml")).expect("removed");
    wait_until("the rule's end is told", SOON, || {
        running
            .lastbeat
            .said(&["HeartbeatMissed", "its rule was removed"])
            == 1
    });
    assert_eq!((running.told("opened"), running.told("closed")), (1, 1));
    running.lastbeat.stop();
}

#[test]
fn a_marker_of_new_rules_is_looked_for() {
    let running = running();
    let lastbeat = &running.lastbeat;
    lastbeat.rewrite(
        "60-more.toml",
        "[[rule]]\nname = 'pulse'\nmarker = 'PULSE'\n",
    );
    wait_rules(lastbeat, "the rule", 2.0);
    let other = Instance {
        app: "legacy".to_owned(),
        ..running.instances[1].clone()
    };
    running.feed.say(&other, "PULSE ok");
    lastbeat.wait_metrics("a beat of the new marker", SOON, |metrics| {
        metrics.sum("lastbeat_heartbeats_total", &[("target_app", "legacy")]) == 1.0
    });
    running.lastbeat.stop();
}

#[test]
fn a_faulty_set_changes_nothing_and_is_told() {
    let running = running();
    let lastbeat = &running.lastbeat;
    lastbeat.wait_ready(200);
    lastbeat.rewrite(
        "60-more.toml",
        "[[rule]]\nname = 'x'\nmaxgap = '1s'\nseverity = 'bad'\n",
    );
    let not_ready = lastbeat.wait_ready(503).body;
    assert!(
        not_ready.contains("\"part\":\"rules\"") && not_ready.contains("60-more.toml:3:1"),
        "{not_ready}"
    );
    let metrics = lastbeat.metrics();
    assert_eq!(metrics.one("lastbeat_rules_last_reload_successful"), 0.0);
    assert_eq!(metrics.one("lastbeat_rules"), 1.0);
    assert_eq!(lastbeat.said(&["60-more.toml:3:1", "maxgap"]), 1);
    assert_eq!(lastbeat.said(&["60-more.toml:4:12", "severity"]), 1);
    // The old set is in force.
    running.fire();
    fs::remove_file(lastbeat.folder().join("rules/60-more.toml")).expect("removed");
    lastbeat.wait_ready(200);
    assert_eq!(
        lastbeat
            .metrics()
            .one("lastbeat_rules_last_reload_successful"),
        1.0
    );
    running.lastbeat.stop();
}

#[test]
fn a_thousand_reloads_lose_no_entry_and_no_alert_and_no_memory() {
    const RELOADS: usize = 1_000;
    const EACH: usize = 50;
    let running = running();
    let lastbeat = &running.lastbeat;
    running.fire();
    let traffic = Instance {
        app: "traffic".to_owned(),
        ..running.instances[1].clone()
    };
    let entries = || {
        let one = (traffic.subject(), traffic.entry("a line").into_bytes());
        vec![one; EACH]
    };
    let memory = || lastbeat.metrics().one("process_resident_memory_bytes");
    let mut early = 0.0;
    for round in 0..RELOADS {
        let faulty = round % 2 == 1;
        let text = if faulty {
            format!("[[rule]]\nname = 'x'\nmaxgap = '{round}s'\n")
        } else {
            format!("[[rule]]\nname = 'round {round}'\napp = 'nobody-{round}'\nmax_gap = '4s'\n")
        };
        lastbeat.rewrite("60-more.toml", &text);
        running.feed.publish(entries());
        lastbeat.child.signal("HUP");
        running.feed.publish(entries());
        let successful = if faulty { 0.0 } else { 1.0 };
        lastbeat.wait_metrics("the reload", SOON, |metrics| {
            metrics.one("lastbeat_rules_last_reload_successful") == successful
        });
        if round == RELOADS / 5 {
            early = memory();
        }
    }
    let sent = (2 * RELOADS * EACH) as f64;
    lastbeat.wait_metrics("every entry", SOON, |metrics| {
        metrics.sum("lastbeat_entries_total", &[("target_app", "traffic")]) >= sent
    });
    let metrics = lastbeat.metrics();
    assert_eq!(
        metrics.sum("lastbeat_entries_total", &[("target_app", "traffic")]),
        sent
    );
    assert_eq!(
        metrics.sum("lastbeat_alerts", &[("rule", "beats"), ("state", "firing")]),
        1.0
    );
    assert_eq!((running.told("opened"), running.told("closed")), (1, 0));
    let grown = memory() - early;
    println!(
        "grown by {grown} bytes from {early} in the last {} reloads",
        RELOADS * 4 / 5
    );
    assert!(grown < 8e6, "{grown} bytes more after {early}");
    running.feed.resume(&running.instances[0]);
    wait_until("its end is told", SOON, || running.told("closed") == 1);
    running.lastbeat.stop();
}

/// Memory that a check may ask for: a quarter of what the smallest machines have.
const MEMORY: &str = "--as=268435456";

#[test]
fn hostile_rule_files_are_refused_soon_and_cheaply() {
    let rules = |from: usize, to: usize| -> String {
        (from..to)
            .map(|n| format!("[[rule]]\nname='r{n}'\n"))
            .collect()
    };
    let silences = |schedule: &str, duration: &str| {
        format!("[[silence]]\napp='*'\nreason='x'\nschedule='{schedule}'\nduration='{duration}'\n")
    };
    let cases: [(&str, Vec<Vec<u8>>, &str); 9] = [
        ("10 MB", vec![vec![b'#'; 10 << 20]], "longer than"),
        (
            "deep nesting",
            vec![format!("a={}", "[".repeat(500_000)).into()],
            ".toml:1:",
        ),
        (
            "deep keys",
            vec![format!("{}b=1", "a.".repeat(300_000)).into()],
            "recursion limit",
        ),
        (
            "a long time",
            vec![b"[[rule]]\nname='x'\nmax_gap='18446744073709551615s 1000ms'\n".to_vec()],
            "too long",
        ),
        (
            "a million rules",
            (0..25)
                .map(|n| rules(n * 40_000, (n + 1) * 40_000).into())
                .collect(),
            "more than 10000 rules",
        ),
        (
            "no UTF-8",
            vec![b"[[rule]]\nname='\xff'".to_vec()],
            "not UTF-8",
        ),
        (
            "exploding globs",
            vec![
                format!("[[rule]]\nname='x'\napp='{}'\n", "{a,b}".repeat(40)).into(),
                format!("[[rule]]\nname='y'\napp='{}'\n", "{".repeat(150)).into(),
            ],
            "braces",
        ),
        (
            "endless silences",
            vec![silences("* * * * *", "31d").repeat(150).into()],
            "begins more than 1000 times",
        ),
        (
            "many silences",
            vec![silences("0 3 * * 0", "2h").repeat(300).into()],
            "more than 200 silences",
        ),
    ];
    for (name, files, expected) in cases {
        let folder = Folder::new("hostile");
        for (n, bytes) in files.iter().enumerate() {
            fs::write(folder.path().join(format!("{n:02}.toml")), bytes).expect("a file");
        }
        let mut check = command("prlimit");
        check
            .args([MEMORY, env!("CARGO_BIN_EXE_lastbeat"), "check", "--rules"])
            .arg(folder.path());
        let mut child = Child::start(name, &mut check);
        assert_eq!(
            child.wait_end(Duration::from_secs(45)),
            64,
            "{name}: {:?}",
            child.lines().first()
        );
        let said = child.lines();
        assert!(
            said.iter().any(|line| line.contains(expected)),
            "{name}: {:?}",
            said.first()
        );
        assert!(
            said.len() <= 102 && said.iter().all(|line| line.len() < 1_000),
            "{name}"
        );
    }
}
