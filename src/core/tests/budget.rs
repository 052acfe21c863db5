//! Lost beats: what they change of "auto", and what is known of false alarms.

use crate::core::listening::messages::Messages;
use crate::core::persist::Saved;
use crate::core::rule::{MaxGap, Rule};
use crate::core::snapshot::threshold_rows::ThresholdRow;
use crate::core::tests::bench::{Bench, at, engine, rule};
use crate::core::time::Now;
use std::time::Duration;

const WEB: &str = "web.iad.a";
const API: &str = "api.iad.b";

fn auto() -> Rule {
    Rule {
        max_gap: MaxGap::Auto,
        ..rule("r", "*", 30.0)
    }
}

/// The row of the only rule.
fn row(bench: &Bench, now: Now) -> ThresholdRow {
    let mut rows = bench.engine.snapshot(now, 0).thresholds;
    rows.pop().expect("beats declare their interval")
}

fn counts(bench: &Bench, second: f64) -> [u64; 3] {
    let rows = bench.engine.snapshot(at(second), 0).false_alarms;
    rows.first().expect("there is a rule").counts
}

#[test]
fn factor_and_loss_outlive_the_process() {
    let rules = vec![auto()];
    let mut bench = Bench::new(rules.clone());
    let names: Vec<String> = (0..1_000).map(|n| format!("web.iad.{n:04}")).collect();
    for round in 0..4 {
        for name in &names {
            bench.say(name, "every=30", f64::from(round) * 30.0);
        }
        bench.tick(f64::from(round) * 30.0);
    }
    for seq in [1, 2, 4, 5] {
        bench.say(API, &format!("seq={seq}"), 91.0 + f64::from(seq) * 5.0);
    }
    let before = row(&bench, at(120.0));
    assert_eq!(before.longest.factor, 4);
    let mut draft = bench.engine.begin_checkpoint(true, at(120.0));
    let checkpoint = loop {
        match bench.engine.read_on(draft, 100, at(120.0)) {
            Ok(checkpoint) => break checkpoint,
            Err(more) => draft = more,
        }
    };
    assert_eq!(checkpoint.factors.len(), 1, "{:?}", checkpoint.factors);
    assert_eq!(checkpoint.losses.len(), 1, "{:?}", checkpoint.losses);
    let saved = Saved {
        forgotten: Vec::new(),
        clock: checkpoint.clock,
        instances: checkpoint.instances,
        groups: checkpoint.groups,
        losses: checkpoint.losses.clone(),
        downstreams: checkpoint.downstreams,
        factors: checkpoint.factors.clone(),
        incidents: checkpoint.incidents,
    };
    bench.engine = engine(rules, 121.0);
    bench.engine.restore(&saved, at(121.0));
    assert_eq!(row(&bench, at(121.0)).longest.factor, 4, "before any look");
    bench.tick(122.0);
    assert_eq!(row(&bench, at(122.0)).longest.factor, 4);
    let apps = bench.engine.snapshot(at(122.0), 0).apps;
    let api = apps.iter().find(|app| &*app.name == "api").expect("known");
    assert_eq!((api.odds.counted, api.odds.longest), (4, 1));
    let mut draft = bench.engine.begin_checkpoint(true, at(123.0));
    let again = loop {
        match bench.engine.read_on(draft, 100, at(123.0)) {
            Ok(checkpoint) => break checkpoint,
            Err(more) => draft = more,
        }
    };
    assert_eq!((again.losses, again.factors), (saved.losses, saved.factors));
}

#[test]
fn seq_that_went_on_proves_a_false_alarm_and_one_that_stood_still_does_not() {
    for (seq, lost) in [(16, 1), (11, 0), (1, 0)] {
        let mut bench = Bench::new(vec![auto()]);
        for second in 0..=10_u32 {
            bench.say(WEB, &format!("seq={second}"), f64::from(second) * 10.0);
            bench.say(API, "", f64::from(second) * 10.0);
        }
        for second in 11..=15 {
            bench.say(API, "", f64::from(second) * 10.0);
            bench.tick(f64::from(second) * 10.0);
        }
        assert!(bench.said.iter().any(|line| line.contains("-> firing web")));
        bench.say(WEB, &format!("seq={seq}"), 160.0);
        bench.tick(161.0);
        assert_eq!(counts(&bench, 161.0), [lost, 0, 0], "seq={seq}");
    }
}

#[test]
fn a_rhythm_that_was_learned_makes_the_alert_before_it_a_false_one() {
    let mut bench = Bench::new(vec![auto()]);
    let ticks = |bench: &mut Bench, from: u32, to: u32| {
        for second in (from..to).step_by(10) {
            bench.say(API, "", f64::from(second));
            bench.tick(f64::from(second));
        }
    };
    for second in (0..=100).step_by(10) {
        bench.say(WEB, "", f64::from(second));
        ticks(&mut bench, second, second + 1);
    }
    for second in [300_u32, 500] {
        ticks(&mut bench, second - 190, second);
        bench.say(WEB, "", f64::from(second));
    }
    assert_eq!(counts(&bench, 500.0), [0, 0, 1]);
}

#[test]
fn a_fixed_limit_says_what_to_expect() {
    let mut bench = Bench::new(vec![rule("r", "*", 90.0)]);
    for n in 0..1_000 {
        bench.say(&format!("web.iad.{n:04}"), "every=30", 0.0);
    }
    bench.tick(1.0);
    let row = row(&bench, at(1.0));
    assert_eq!((row.targets, row.longest.factor), (1_000, 2));
    // 1,000 instances x 2,880 beats a day x 0.003 x 0.003.
    assert!((row.expected_a_day() - 25.92).abs() < 0.01, "{row:?}");
    assert!(row.is_noisy());
    assert_eq!(row.max_gap, MaxGap::Fixed(Duration::from_secs(90)));
}

#[test]
fn messages_that_lastbeat_lost_raise_the_factor_of_every_app() {
    let mut bench = Bench::new(vec![auto()]);
    for round in 0..30 {
        let second = f64::from(round) * 30.0;
        bench.say(WEB, "every=30", second);
        let more = Messages {
            received: 1_000,
            lost: if round < 20 { 0 } else { 200 },
        };
        bench.engine.count_messages(more, at(second));
        bench.tick(second);
        let factor = row(&bench, at(second)).longest.factor;
        assert_eq!(factor > 3, round > 21, "round {round}: {factor}");
    }
}
