//! The factors of "auto": when they change, for whom, and what is told of it.

use crate::core::listening::messages::Messages;
use crate::core::rule::{By, MaxGap, Rule};
use crate::core::targets::budget::{FactorChange, FactorInForce};
use crate::core::tests::bench::{Bench, at, checkpoint, engine, rule};
use crate::core::tests::restart::Disk;
use std::sync::Arc;

fn auto(name: &str, app: &str) -> Rule {
    Rule {
        max_gap: MaxGap::Auto,
        ..rule(name, app, 30.0)
    }
}

/// The changes since the last call: rule, app, and the factors.
fn changes(bench: &mut Bench) -> Vec<(String, String, u32, u32)> {
    let all = bench.engine.take_factor_changes().into_iter();
    let told = |one: FactorChange| (one.rule.to_string(), one.app.to_string(), one.from, one.to);
    all.map(told).collect()
}

fn change(rule: &str, app: &str, from: u32, to: u32) -> Vec<(String, String, u32, u32)> {
    vec![(rule.to_owned(), app.to_owned(), from, to)]
}

/// First beats of the instances of `web` with these numbers.
fn come(bench: &mut Bench, numbers: std::ops::Range<u32>, second: f64) {
    for number in numbers {
        bench.say(&format!("web.iad.{number:05}"), "every=30", second);
    }
}

/// A fifth of a thousand messages is lost: all factors rise.
fn lose_messages(bench: &mut Bench, second: f64) {
    let received = Messages {
        received: 1_000,
        lost: 200,
    };
    bench.engine.count_messages(received, at(second));
}

#[test]
fn a_factor_rises_within_the_minute_at_once_where_many_are_new() {
    let mut bench = Bench::new(vec![auto("r", "*")]);
    // With 400 targets of a minute's third the budget holds, with 500 it does not.
    come(&mut bench, 0..400, 0.0);
    bench.tick(0.0);
    come(&mut bench, 400..500, 1.0);
    for second in 1..60 {
        bench.tick(f64::from(second));
        assert_eq!(changes(&mut bench), [], "a quarter more at {second}");
    }
    bench.tick(60.0);
    assert_eq!(changes(&mut bench), change("r", "web", 3, 4));

    let mut bench = Bench::new(vec![auto("r", "*")]);
    come(&mut bench, 0..400, 0.0);
    bench.tick(0.0);
    come(&mut bench, 400..501, 1.0);
    bench.tick(1.0);
    assert_eq!(changes(&mut bench), change("r", "web", 3, 4));
    assert_eq!(changes(&mut bench), [], "taken once");
}

#[test]
fn a_factor_falls_by_the_hour_and_those_who_stopped_do_not_count() {
    let mut bench = Bench::new(vec![auto("r", "*")]);
    bench.tick(0.0);
    come(&mut bench, 0..600, 1.0);
    bench.tick(61.0);
    assert_eq!(changes(&mut bench), change("r", "web", 3, 4));
    for number in 100..600 {
        bench.say(&format!("web.iad.{number:05}"), "bye", 62.0);
    }
    for second in (70..3_600).step_by(10) {
        bench.tick(f64::from(second));
        assert_eq!(changes(&mut bench), [], "at {second}");
    }
    for second in (3_600..3_670).step_by(10) {
        bench.tick(f64::from(second));
    }
    assert_eq!(changes(&mut bench), change("r", "web", 4, 3));
    come(&mut bench, 100..600, 3_680.0);
    for second in (3_680..3_750).step_by(10) {
        bench.tick(f64::from(second));
    }
    assert_eq!(changes(&mut bench), change("r", "web", 3, 4));
    for number in 100..600 {
        bench.say(&format!("web.iad.{number:05}"), "bye", 3_760.0);
    }
    for second in (3_760..7_190).step_by(10) {
        bench.tick(f64::from(second));
        assert_eq!(changes(&mut bench), [], "at {second}");
    }
}

#[test]
fn a_wait_that_has_begun_keeps_its_length_and_that_of_a_group_does_not() {
    let group = Rule {
        by: By::App,
        ..auto("group", "api")
    };
    let mut bench = Bench::new(vec![auto("each", "web"), group]);
    // Everybody keeps time for an hour.
    for second in (0..=4_000).step_by(5) {
        let second = f64::from(second);
        bench.entry("log.fra.x", second);
        let says = |until: f64| second <= until && second % 30.0 == 0.0;
        if says(3_690.0) {
            bench.say("web.iad.a", "every=30", second);
            bench.say("api.iad.b", "every=30", second);
        }
        if second == 3_695.0 {
            lose_messages(&mut bench, second);
        }
        bench.tick(second);
        if says(3_750.0) {
            bench.say("web.lhr.c", "every=30", second);
        }
    }
    let fires = |line: &&String| line.contains("-> firing");
    let fired: Vec<&String> = bench.said.iter().filter(fires).collect();
    // Three intervals for the one that waited already, eight for those that began to wait since, and for a group.
    assert_eq!(
        fired,
        [
            "3781 ok -> firing web.iad.a",
            "3931 ok -> firing api..",
            "3991 ok -> firing web.lhr.c"
        ]
    );
}

#[test]
fn so_many_changes_are_kept_until_they_are_taken() {
    let mut bench = Bench::new(vec![auto("r", "*")]);
    for app in 0..1_001 {
        bench.say(&format!("app{app}.iad.a"), "every=30", 0.0);
    }
    lose_messages(&mut bench, 1.0);
    bench.tick(1.0);
    assert_eq!(changes(&mut bench).len(), 1_000);
    assert_eq!(changes(&mut bench), []);
}

#[test]
fn a_look_at_many_takes_several_turns_and_counts_them_all() {
    let mut bench = Bench::new(vec![auto("r", "*")]);
    // 20,000 in a turn: the second turn ends the count, and looks at half of them.
    come(&mut bench, 0..30_000, 0.0);
    let mut turns = Vec::new();
    for _ in 0..4 {
        bench.engine.keep_budget(at(0.0));
        turns.push(bench.engine.take_factor_changes());
    }
    let targets: Vec<Vec<u32>> = turns
        .iter()
        .map(|turn| turn.iter().map(|one| one.terms.targets).collect())
        .collect();
    assert_eq!(targets, [vec![], vec![30_000], vec![30_000], vec![]]);
}

#[test]
fn each_interval_of_an_app_has_its_own_factor_after_a_restart() {
    let rules = vec![auto("first", "api"), auto("r", "web")];
    let mut bench = Bench::new(rules.clone());
    come(&mut bench, 0..600, 0.0);
    bench.say("web.iad.daily", "every=86400", 0.0);
    bench.say("api.iad.usual", "every=30", 0.0);
    bench.tick(1.0);
    let mut disk = Disk::default();
    let checkpoint = checkpoint(&mut bench.engine, true, 1_000, at(2.0));
    let in_force = |every_ms: u32, factor: u32| FactorInForce {
        rule: Arc::from("r"),
        app: Arc::from("web"),
        every_ms,
        factor,
    };
    let factors = [in_force(30_000, 4), in_force(86_400_000, 2)];
    assert_eq!(checkpoint.factors, factors);
    disk.checkpoint(checkpoint);
    let before = |bench: &Bench, name: &str| {
        let id = bench.engine.find(&format!("logs.{name}"));
        let id = id.expect("it is known");
        let target = bench.engine.targets.targets_of(&bench.engine.facts, id)[0];
        bench.engine.targets.table.get(target).factor.now()
    };
    let mut bench = Bench {
        engine: engine(rules, 3.0),
        said: Vec::new(),
        notices: Vec::new(),
    };
    bench.engine.restore(&disk.saved(), at(3.0));
    assert_eq!(before(&bench, "web.iad.00000"), 4);
    assert_eq!(before(&bench, "web.iad.daily"), 2);
    assert_eq!(before(&bench, "api.iad.usual"), 3);
}
