//! Incidents of downstreams.

use crate::core::downstream::rule::{DownstreamRule, Find, Forward, Proof};
use crate::core::downstream::watch::Answer;
use crate::core::downstream_reports::DownstreamReport;
use crate::core::globs::Globs;
use crate::core::inventory::{Listed, Purpose};
use crate::core::notice::{Evidence, Notice};
use crate::core::rule::{RuleSet, Severity};
use crate::core::tests::bench::{Bench, at};
use crate::core::tests::inventory::{bench, machine, poll, started};
use crate::core::tests::restart::Disk;
use crate::core::time::Wall;
use std::collections::BTreeMap;
use std::time::Duration;

const SHIPPER: &str = "shipper.ams.s1";

pub(super) fn rules(restart: Option<&str>) -> RuleSet {
    let downstream = DownstreamRule {
        name: "loki".to_owned(),
        max_delay: Duration::from_secs(20),
        every: Duration::from_secs(5),
        severity: Severity::Critical,
        runbook: None,
        notify: None,
        remind: None,
        active: None,
        labels: BTreeMap::new(),
        restart: restart.map(str::to_owned),
        forward: None,
        find: Find {
            url: "http://sink/{nonce}".to_owned(),
            body: None,
            headers: BTreeMap::new(),
            proof: Proof::Canary,
            shape: None,
        },
        shipper: None,
    };
    RuleSet {
        downstreams: vec![downstream],
        ..RuleSet::default()
    }
}

/// A core with this downstream, whose shipper runs.
fn watched(restart: Option<&str>) -> Bench {
    let mut bench = bench(Vec::new());
    bench.engine.reload(rules(restart), at(0.0));
    bench
}

/// A canary each 5 s, which the sink has at once, but for those that depart while it is dead.
fn go(bench: &mut Bench, seconds: std::ops::Range<u64>, dead: &std::ops::Range<u64>) {
    for second in seconds.step_by(5) {
        bench.say(SHIPPER, "", second as f64);
        bench.engine.canary_back(second, at(second as f64).wall);
        let sent = (0..=second).step_by(5);
        let numbers = sent.filter(|sent| !dead.contains(sent)).collect();
        let asked = at(second as f64 + 1.0);
        let report = DownstreamReport {
            name: "loki".to_owned(),
            asked,
            answer: Answer::Canaries {
                numbers,
                whole: true,
            },
            deleted: None,
            counters: None,
        };
        bench.engine.downstream_report(report, asked);
        bench.tick(second as f64 + 1.0);
    }
}

/// The next process, after a kill at this second: it has what the last checkpoint and the decisions say.
fn killed(bench: &mut Bench, second: f64, mut next: Bench) -> Bench {
    let mut disk = Disk::default();
    let draft = bench.engine.begin_checkpoint(true, at(second));
    let checkpoint = bench.engine.read_on(draft, usize::MAX, at(second));
    disk.checkpoint(checkpoint.expect("it is read whole"));
    next.engine.restore(&disk.saved(), at(second + 5.0));
    next
}

fn missing(bench: &mut Bench, second: f64) -> Option<(Wall, Wall)> {
    let snapshot = bench.engine.snapshot(at(second), usize::MAX);
    snapshot.downstreams[0].missing
}

fn open(bench: &Bench) -> Vec<Notice> {
    bench.engine.open_incidents().collect()
}

#[test]
fn a_stall_is_one_incident_with_its_rules_severity_and_ends_with_the_missing_range() {
    let mut bench = watched(None);
    let dead = 100..160;
    go(&mut bench, 0..130, &dead);
    let opened = open(&bench);
    let [incident] = &opened[..] else {
        panic!("{opened:?}");
    };
    assert_eq!(incident.alarm.name(incident.scope), "ShipperStalled");
    assert_eq!(
        (incident.rule.as_str(), incident.severity),
        ("loki", Severity::Critical)
    );
    assert_eq!(incident.since, at(100.0).wall);
    assert_eq!(incident.max_gap, Duration::from_secs(20));
    assert!(
        incident.fingerprint.ends_with("loki"),
        "{}",
        incident.fingerprint
    );
    go(&mut bench, 130..300, &dead);
    assert_eq!(open(&bench), []);
    let told: Vec<String> = bench
        .told()
        .iter()
        .map(|line| (*line).to_string())
        .collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[1].contains("closed resolved"), "{told:?}");
}

#[test]
fn a_removed_downstream_closes_its_incident() {
    let mut bench = watched(None);
    go(&mut bench, 0..150, &(100..1_000));
    assert_eq!(open(&bench).len(), 1);
    bench.engine.reload(RuleSet::default(), at(151.0));
    bench.tick(151.0);
    assert_eq!(open(&bench), []);
    assert!(
        bench.told()[1].contains("rule removed"),
        "{:?}",
        bench.told()
    );
}

#[test]
fn a_stream_that_lastbeat_does_not_receive_blames_no_shipper() {
    let mut bench = watched(None);
    go(&mut bench, 0..100, &(2_000..3_000));
    bench
        .engine
        .feed(crate::core::engine::Feed::Lost, at(100.0));
    bench.tick(140.0);
    // The shipper was cut off too: what was on its way is gone.
    go(&mut bench, 140..400, &(95..155));
    let told = bench.told();
    assert!(
        !told.iter().any(|line| line.contains("Shipper")),
        "{told:?}"
    );
}

#[test]
fn an_open_incident_is_resumed_by_the_next_process() {
    let mut bench = watched(None);
    go(&mut bench, 0..150, &(100..1_000));
    let mut disk = Disk::default();
    disk.decision(bench.engine.decision().expect("an incident opened"));
    let mut next = watched(None);
    next.engine.restore(&disk.saved(), at(160.0));
    assert_eq!(open(&next).len(), 1);
    go(&mut next, 160..300, &(2_000..3_000));
    assert_eq!(open(&next), []);
    assert_eq!(next.told().len(), 1, "{:?}", next.told());
}

#[test]
fn the_missing_range_is_whole_across_restarts_in_a_stall() {
    let mut bench = watched(None);
    go(&mut bench, 0..150, &(100..1_000));
    let mut second = killed(&mut bench, 150.0, watched(None));
    // Canaries of the next process are numbered by themselves; none of them arrives either.
    go(&mut second, 160..200, &(100..1_000));
    let mut third = killed(&mut second, 200.0, watched(None));
    go(&mut third, 210..300, &(100..230));
    assert_eq!(open(&third), []);
    let (from, until) = (at(94.0).wall, at(231.0).wall);
    assert_eq!(missing(&mut third, 301.0), Some((from, until)));
    let closing = third.notices.last().expect("it closed");
    let range = closing.between.missing.expect("the closing names it");
    assert_eq!(
        (range.range(), range.evidence),
        ((from, until), Evidence::Restart)
    );
    // The button is there after another restart, until a refill of the whole range is done.
    let mut fourth = killed(&mut third, 301.0, watched(None));
    assert_eq!(missing(&mut fourth, 310.0), Some((from, until)));
    fourth
        .engine
        .downstream_refilled("loki", from, at(200.0).wall);
    assert_eq!(missing(&mut fourth, 311.0), Some((from, until)));
    fourth.engine.downstream_refilled("loki", from, until);
    assert_eq!(missing(&mut fourth, 312.0), None);
}

#[test]
fn a_restart_of_lastbeat_without_a_stall_leaves_nothing_missing() {
    let mut bench = watched(None);
    go(&mut bench, 0..150, &(2_000..3_000));
    let mut next = killed(&mut bench, 150.0, watched(None));
    go(&mut next, 160..300, &(2_000..3_000));
    assert_eq!(missing(&mut next, 301.0), None);
    assert_eq!(next.told(), [""; 0]);
}

/// A forward that reached this second, of which the archive deleted entries.
fn forwarded(bench: &mut Bench, second: u64, reached: u64, deleted: Option<(u64, u64)>) {
    bench.say(SHIPPER, "", second as f64);
    let now = at(second as f64 + 1.0);
    bench.engine.downstream_query("loki", now);
    let wall = |second: u64| at(second as f64).wall;
    let report = DownstreamReport {
        name: "loki".to_owned(),
        asked: now,
        answer: Answer::Newest(Some(wall(reached))),
        deleted: deleted.map(|(from, until)| (wall(from), wall(until))),
        counters: None,
    };
    bench.engine.downstream_report(report, now);
    bench.tick(second as f64 + 1.0);
}

fn forwarding() -> Bench {
    let mut rules = rules(None);
    rules.downstreams[0].forward = Some(Forward {
        sink: "loki".to_owned(),
        app: Globs::default(),
    });
    rules.downstreams[0].find.proof = Proof::Newest {
        pointer: String::new(),
        app: None,
    };
    let mut bench = bench(Vec::new());
    bench.engine.reload(rules, at(0.0));
    bench
}

#[test]
fn an_archive_that_deletes_what_is_not_forwarded_is_one_incident_that_names_the_range() {
    let mut bench = forwarding();
    for second in (0..100).step_by(5) {
        forwarded(&mut bench, second, second, None);
    }
    assert_eq!(open(&bench), []);
    // It is a little behind, and the archive is far too small.
    forwarded(&mut bench, 100, 98, Some((60, 80)));
    let opened = open(&bench);
    let [incident] = &opened[..] else {
        panic!("{opened:?}");
    };
    assert_eq!(incident.alarm.name(incident.scope), "ShipperLoses");
    let range = incident.between.missing.expect("it is named at once");
    assert_eq!(range.evidence, Evidence::Deleted);
    assert_eq!((range.from, range.until), (at(60.0).wall, at(80.0).wall));
    forwarded(&mut bench, 105, 103, Some((80, 85)));
    for second in (110..200).step_by(5) {
        forwarded(&mut bench, second, second, None);
    }
    assert_eq!(open(&bench), []);
    let told = bench.told().len();
    assert_eq!(told, 2, "{:?}", bench.told());
    let closing = bench.notices.last().expect("it closed");
    let range = closing.between.missing.expect("it is named");
    assert_eq!((range.from, range.until), (at(60.0).wall, at(85.0).wall));
    assert_eq!(missing(&mut bench, 201.0), None, "no refill has it");
}

#[test]
fn a_stall_that_outlasts_the_archive_is_one_incident_and_an_update() {
    let mut bench = forwarding();
    for second in (0..100).step_by(5) {
        forwarded(&mut bench, second, second, None);
    }
    for second in (100..150).step_by(5) {
        forwarded(&mut bench, second, 95, None);
    }
    let stalled = open(&bench);
    assert_eq!(stalled[0].alarm.name(stalled[0].scope), "ShipperStalled");
    let mut next = killed(&mut bench, 150.0, forwarding());
    forwarded(&mut next, 160, 95, Some((96, 120)));
    let opened = open(&next);
    assert_eq!(opened.len(), 1, "{opened:?}");
    assert!(
        opened[0].detail.contains("the archive deleted"),
        "{opened:?}"
    );
    let evidence = opened[0].between.missing.map(|range| range.evidence);
    assert_eq!(evidence, Some(Evidence::Deleted));
    for second in (165..250).step_by(5) {
        forwarded(&mut next, second, second, None);
    }
    assert_eq!(open(&next), []);
    let opened = next
        .told()
        .into_iter()
        .filter(|line| line.contains("opened"));
    assert_eq!(opened.count(), 0, "{:?}", next.told());
}

#[test]
fn a_stalled_shipper_is_restarted_once_where_its_rule_says_so() {
    for (restart, expected) in [(None, 0), (Some("shipper"), 1), (Some("other"), 0)] {
        let mut bench = watched(restart);
        bench.say(SHIPPER, "", 0.0);
        poll(&mut bench, 1.0, started(&[SHIPPER]));
        go(&mut bench, 5..300, &(100..1_000));
        let restarts = bench.said.iter().filter(|line| line.starts_with("restart"));
        assert_eq!(restarts.count(), expected, "{restart:?}: {:?}", bench.said);
    }
}

#[test]
fn machines_of_a_shipper_that_never_logs_are_restarted_too() {
    let mut bench = watched(Some("quiet"));
    bench.say(SHIPPER, "", 0.0);
    let mut machines = started(&[SHIPPER, "quiet.ams.q1", "quiet.fra.q2", "quiet.fra.q4"]);
    machines.push(machine("quiet.ams.q3", Listed::Stopped));
    machines[3].purpose = Purpose::Ephemeral;
    poll(&mut bench, 1.0, machines.clone());
    go(&mut bench, 5..150, &(100..1_000));
    let restarts = |bench: &Bench| {
        let lines = bench.said.iter().filter(|line| line.starts_with("restart"));
        lines.cloned().collect::<Vec<_>>()
    };
    let all = restarts(&bench);
    assert_eq!(all.len(), 2, "{all:?}");
    assert!(all[0].contains("q1") && all[1].contains("q2"), "{all:?}");
    // What was listed too long ago says nothing about the present.
    let mut bench = watched(Some("quiet"));
    bench.say(SHIPPER, "", 0.0);
    poll(&mut bench, 1.0, machines);
    go(&mut bench, 5..400, &(300..1_000));
    assert_eq!(restarts(&bench), [""; 0]);
    assert_eq!(open(&bench).len(), 1);
}
