//! Groups: what of them outlives the process.

use crate::core::rule::{By, Globs, MaxGap, Rule, Watch};
use crate::core::tests::bench::{Bench, at, engine, rule};
use crate::core::tests::restart::restarted;

const API: &str = "api.lhr.b";

fn of_app(rule: Rule) -> Rule {
    Rule {
        by: By::App,
        ..rule
    }
}

#[test]
fn the_interval_of_a_group_whose_beats_declare_none_outlives_the_process() {
    let auto = Rule {
        max_gap: MaxGap::Auto,
        ..rule("r", "web", 0.0)
    };
    let rules = vec![of_app(auto)];
    let mut bench = Bench::new(rules.clone());
    // Evaluated once an hour is over.
    for second in (0..=4_000).step_by(10) {
        bench.beats(&[API], [second]);
        if second % 20 == 0 {
            bench.say("web.iad.a", "", second as f64);
        }
    }
    restarted(&mut bench, rules, 4_001.0, 4_001.0);
    bench.beats(&[API], (4_010..=4_200).step_by(10));
    // Three intervals of 20 s and a second, and the ten seconds that are blind.
    assert_eq!(bench.told(), ["4071 AppSilent  opened"]);
}

#[test]
fn the_watch_of_a_group_that_is_expected_and_was_never_heard_outlives_the_process() {
    let rules = vec![of_app(Rule {
        expect: vec!["web".to_owned()],
        ..rule("r", "*", 60.0)
    })];
    let mut bench = Bench::new(Vec::new());
    bench.beats(&[API], (0..=50).step_by(10));
    let set = engine(rules.clone(), 0.0).rules().clone();
    bench.engine.reload(set, at(50.0));
    bench.beats(&[API], (60..=80).step_by(10));
    restarted(&mut bench, rules, 81.0, 81.0);
    bench.beats(&[API], (90..=300).step_by(10));
    // A minute after 50 s, and the ten seconds that are blind.
    assert_eq!(bench.told(), ["120 AppSilent  opened"]);
}

#[test]
fn a_region_that_is_expected_of_an_app_is_expected_after_a_restart() {
    for restarts in [false, true] {
        let rules = vec![Rule {
            by: By::AppRegion,
            expect: vec!["iad".to_owned()],
            ..rule("r", "web*", 60.0)
        }];
        let mut bench = Bench::new(rules.clone());
        bench.beats(&[API], (0..=40).step_by(10));
        bench.beats(&[API, "web.lhr.a"], (50..=80).step_by(10));
        if restarts {
            restarted(&mut bench, rules, 81.0, 81.0);
        }
        bench.beats(&[API, "web.lhr.a"], (90..=300).step_by(10));
        assert_eq!(bench.told().len(), 1, "restarts: {restarts}");
    }
}

#[test]
fn a_new_group_that_dies_is_told_after_three_intervals() {
    let auto = Rule {
        max_gap: MaxGap::Auto,
        ..rule("r", "web", 60.0)
    };
    let mut bench = Bench::new(vec![of_app(auto)]);
    for second in (0..500).step_by(10) {
        bench.entry(API, f64::from(second));
        if second <= 300 && second % 30 == 0 {
            bench.say("web.iad.a", "every=30", f64::from(second));
        }
        bench.tick(f64::from(second));
    }
    assert_eq!(bench.told(), ["391 AppSilent  opened"]);
}

#[test]
fn a_new_group_that_stops_logging_is_told_after_three_intervals() {
    let auto = Rule {
        max_gap: MaxGap::Auto,
        watch: Watch::Logs,
        ..rule("r", "web", 60.0)
    };
    let mut bench = Bench::new(vec![of_app(auto)]);
    for second in (0..600).step_by(10) {
        bench.entry(API, f64::from(second));
        if second <= 300 && second % 30 == 0 {
            bench.entry("web.iad.a", f64::from(second));
        }
        bench.tick(f64::from(second));
    }
    assert_eq!(bench.told(), ["391 AppSilent  opened"]);
}

#[test]
fn whom_a_groups_rule_does_not_match_does_not_keep_it_alive() {
    let of = |by, rule: Rule| Rule { by, ..rule };
    let iad = || Globs(vec!["iad".to_owned()]);
    for (group, other) in [
        (of(By::Region, rule("r", "web", 30.0)), "api.iad.c"),
        (
            of(
                By::App,
                Rule {
                    region: iad(),
                    ..rule("r", "web", 30.0)
                },
            ),
            "web.lhr.c",
        ),
    ] {
        for watch in [group.watch.clone(), Watch::Logs] {
            let mut bench = Bench::new(vec![Rule {
                watch: watch.clone(),
                ..group.clone()
            }]);
            for second in (0..=300).step_by(10) {
                if second <= 100 {
                    bench.say("web.iad.a", "", f64::from(second));
                }
                bench.say(other, "", f64::from(second));
                bench.tick(f64::from(second));
            }
            let told = bench.told();
            assert_eq!(told.len(), 1, "{watch:?} {other} {told:?}");
            assert!(told[0].starts_with("130 "), "{told:?}");
        }
    }
}
