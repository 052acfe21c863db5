//! Incidents of downstreams.

use crate::core::downstream::rule::{DownstreamRule, Find, Proof};
use crate::core::downstream::watch::Answer;
use crate::core::downstream_reports::DownstreamReport;
use crate::core::inventory::{Listed, Purpose};
use crate::core::notice::Notice;
use crate::core::rule::{RuleSet, Severity};
use crate::core::tests::bench::{Bench, at};
use crate::core::tests::inventory::{bench, machine, poll, started};
use crate::core::tests::restart::Disk;
use std::collections::BTreeMap;
use std::time::Duration;

const SHIPPER: &str = "shipper.ams.s1";

fn rules(restart: Option<&str>) -> RuleSet {
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
            counters: None,
        };
        bench.engine.downstream_report(report, asked);
        bench.tick(second as f64 + 1.0);
    }
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
