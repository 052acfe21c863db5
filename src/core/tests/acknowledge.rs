//! Incidents that somebody works on.

use crate::core::notice::{Acknowledgement, IncidentId};
use crate::core::rule::{Globs, Rule, Severity};
use crate::core::tests::bench::{Bench, at, engine, rule, seconds};
use crate::core::tests::restart::Disk;

const BOTH: [&str; 2] = ["web.iad.a", "web.lhr.b"];
const LIVES: &str = "web.fra.c";

fn word(second: f64) -> Acknowledgement {
    Acknowledgement {
        at: at(second).wall,
        author: "ada".to_owned(),
        note: "I clear the disk".to_owned(),
    }
}

/// An app that is worth more in one region; reminders each 100 s.
fn rules() -> Vec<Rule> {
    let of_region = |region: &str, severity| Rule {
        region: Globs(vec![region.to_owned()]),
        remind: Some(seconds(100.0)),
        severity,
        ..rule(region, "web", 30.0)
    };
    vec![
        of_region("iad", Severity::Error),
        of_region("lhr", Severity::Critical),
        of_region("fra", Severity::Error),
    ]
}

/// One of two is silent since 0, and its incident is open since 30.
fn silent() -> (Bench, IncidentId) {
    let mut bench = Bench::new(rules());
    bench.beats(&BOTH, [0]);
    bench.beats(&[BOTH[1], LIVES], (10..=40).step_by(10));
    let open = bench.engine.open_incidents().next().map(|one| one.incident);
    (bench, open.expect("it is open"))
}

#[test]
fn no_reminder_comes_while_somebody_works_on_it_and_its_end_is_told() {
    let (mut bench, id) = silent();
    let saved = bench
        .engine
        .acknowledge(id, word(40.0))
        .expect("it is open");
    assert_eq!(saved.notice.acknowledged, Some(word(40.0)));
    bench.beats(&[BOTH[1], LIVES], (50..=400).step_by(10));
    bench.beats(&[BOTH[0], BOTH[1], LIVES], (410..=500).step_by(10));
    let told = bench.told();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[1].ends_with("closed resolved"), "{told:?}");
    assert_eq!(bench.engine.acknowledge(id, word(510.0)), None);
}

#[test]
fn a_severity_that_rises_takes_the_word_back() {
    let (mut bench, id) = silent();
    bench
        .engine
        .acknowledge(id, word(40.0))
        .expect("it is open");
    bench.beats(&[BOTH[1], LIVES], [50]);
    bench.beats(&[LIVES], (60..=300).step_by(10));
    let open = bench.engine.open_incidents().next().expect("it is open");
    assert_eq!((open.incident, open.severity), (id, Severity::Critical));
    assert_eq!(open.acknowledged, None);
    let told = bench.told();
    let reminders = told.iter().filter(|line| line.contains("reminder"));
    assert!(reminders.count() >= 1, "{told:?}");
}

#[test]
fn it_outlives_the_process() {
    let (mut bench, id) = silent();
    let mut disk = Disk::default();
    let draft = bench.engine.begin_checkpoint(true, at(40.0));
    let slots = bench.engine.instances();
    let checkpoint = bench.engine.read_on(draft, slots, at(40.0));
    disk.checkpoint(checkpoint.expect("all is read"));
    bench.engine.decision();
    bench
        .engine
        .acknowledge(id, word(40.0))
        .expect("it is open");
    let decision = bench.engine.decision();
    disk.decision(decision.expect("it is stored at once"));

    bench.engine = engine(rules(), 45.0);
    assert!(bench.engine.restore(&disk.saved(), at(45.0)));
    bench.beats(&[BOTH[1], LIVES], (50..=300).step_by(10));
    let told = bench.told();
    assert_eq!(told.len(), 1, "{told:?}");
    let open = bench.engine.open_incidents().next().expect("it is open");
    assert_eq!(open.acknowledged, Some(word(40.0)));
}
