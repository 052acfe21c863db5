//! Rules: matching, doubts, learning and replacement.

use crate::core::rule::{MaxGap, Rule, RuleSet};
use crate::core::tests::bench::{Bench, at, rule, seconds};

fn set(rules: Vec<Rule>) -> RuleSet {
    RuleSet {
        rules,
        ..RuleSet::default()
    }
}

#[test]
fn another_rule_set_keeps_the_alerts_of_rules_that_stay_and_ends_those_of_rules_that_go() {
    let (web, api) = (rule("web", "web", 30.0), rule("api", "api", 30.0));
    let mut bench = Bench::new(vec![web.clone(), api.clone()]);
    bench.beats(&["web.iad.a", "api.iad.b", "x.iad.c"], [0]);
    bench.beats(&["x.iad.c"], (10..=100).step_by(10));
    assert_eq!(bench.told().len(), 2);
    let slower = Rule {
        max_gap: MaxGap::Fixed(seconds(50.0)),
        ..api
    };
    bench
        .engine
        .reload(set(vec![rule("new", "y", 30.0), slower]), at(100.0));
    bench.keep();
    assert_eq!(
        bench.told()[2..],
        ["100 HeartbeatMissed a closed rule removed"]
    );
    bench.beats(&["api.iad.b", "x.iad.c"], (110..=160).step_by(10));
    assert_eq!(
        bench.told().last(),
        Some(&"110 HeartbeatMissed b closed resolved")
    );
    bench.beats(&["x.iad.c"], (170..=220).step_by(10));
    assert_eq!(
        bench.told().last(),
        Some(&"210 HeartbeatMissed b opened"),
        "the new threshold holds"
    );
    bench.engine.reload(set(vec![web]), at(221.0));
    bench.beats(&["x.iad.c"], [230]);
    assert!(
        bench
            .told()
            .last()
            .is_some_and(|line| line.contains("HeartbeatMissed a opened")),
        "{:?}",
        bench.told()
    );
}

#[test]
fn a_thousand_rules_and_many_instances_are_matched_once_per_app_region() {
    let rules: Vec<Rule> = (0..1000)
        .map(|n| rule(&format!("r{n}"), &format!("app{n}"), 30.0))
        .collect();
    let mut bench = Bench::new(rules.clone());
    for n in 0..2000 {
        bench.say(&format!("app{}.iad.i{n}", n % 1000), "", 0.0);
    }
    bench.engine.reload(set(rules), at(1.0));
    bench.tick(1.0);
    let counted: u64 = bench
        .engine
        .snapshot(at(1.0), 0)
        .alerts
        .iter()
        .map(|row| row.count)
        .sum();
    assert_eq!(counted, 2000 + 3, "a target each, and the stream's three");
    assert_eq!(bench.engine.snapshot(at(1.0), 0).suppressed, 4000);
}

#[test]
fn a_rule_that_allows_less_than_two_declared_intervals_is_doubted_once() {
    let mut bench = Bench::new(vec![rule("tight", "web", 30.0), rule("loose", "api", 60.0)]);
    for second in [0.0, 20.0, 40.0] {
        bench.say("web.iad.a", "every=20", second);
        bench.say("api.iad.b", "every=20", second);
    }
    let doubts = bench.engine.take_doubts();
    assert_eq!(
        doubts.iter().map(|doubt| &*doubt.rule).collect::<Vec<_>>(),
        ["tight"]
    );
    assert_eq!(doubts[0].who.app, "web");
}

#[test]
fn an_interval_is_learned_and_a_failure_is_not() {
    let auto = Rule {
        max_gap: MaxGap::Auto,
        ..rule("r", "*", 0.0)
    };
    let mut bench = Bench::new(vec![auto]);
    bench.beats(&["web.iad.a", "x.iad.c"], (0..=200).step_by(20));
    for second in (210..=600).step_by(10) {
        bench.beats(&["x.iad.c"], [second]);
    }
    assert_eq!(
        bench.told(),
        ["261 HeartbeatMissed a opened"],
        "three times twenty seconds, and one for lateness"
    );
    bench.beats(&["web.iad.a", "x.iad.c"], (620..=800).step_by(20));
    bench.beats(&["x.iad.c"], (810..=1000).step_by(10));
    assert_eq!(
        bench.told().last(),
        Some(&"861 HeartbeatMissed a opened"),
        "{:?}",
        bench.told()
    );
}
