//! A reload that is done in slices, while entries arrive between the slices.

use crate::core::entry::Lifecycle;
use crate::core::rule::{By, Globs, MaxGap, Rule, RuleSet, StreamRule, Watch};
use crate::core::tests::bench::{Bench, at, rule, seconds};
use proptest::prelude::*;

const APPS: [&str; 3] = ["a", "b", "cc"];
const REGIONS: [&str; 2] = ["iad", "fra"];

/// All instances; the last ones are heard for the first time during the reload.
fn everyone() -> Vec<String> {
    let instances = |app: &str| {
        let app = app.to_owned();
        let own = REGIONS
            .iter()
            .flat_map(|region| (0..3).map(move |n| (region, n)));
        let names = own.map(move |(region, n)| format!("{app}.{region}.{app}{region}{n}"));
        names.collect::<Vec<_>>()
    };
    APPS.iter().flat_map(|app| instances(app)).collect()
}

fn rules() -> impl Strategy<Value = Vec<Rule>> {
    let by = prop_oneof![
        4 => Just(By::Instance),
        1 => Just(By::AppRegion),
        1 => Just(By::App),
        1 => Just(By::Region)
    ];
    let app = prop_oneof![Just("*"), Just("a"), Just("b"), Just("c*")];
    let max_gap = prop_oneof![Just(25.0), Just(35.0), Just(55.0)];
    let one = (0..6_u32, by, app, max_gap, any::<bool>(), any::<bool>());
    proptest::collection::vec(one, 1..5).prop_map(|many| {
        let mut rules: Vec<Rule> = Vec::new();
        for (name, by, app, max_gap, logs, expects) in many {
            let name = format!("r{name}");
            if rules.iter().any(|rule| rule.name == name) {
                continue;
            }
            let expect = if expects && by == By::AppRegion {
                vec!["syd".to_owned()]
            } else {
                Vec::new()
            };
            let own = rule(&name, app, max_gap);
            rules.push(Rule {
                by,
                expect,
                watch: if logs { Watch::Logs } else { own.watch },
                ..own
            });
        }
        rules
    })
}

fn set(rules: &[Rule]) -> RuleSet {
    RuleSet {
        stream: StreamRule {
            max_gap: MaxGap::Fixed(seconds(60.0)),
            ..StreamRule::default()
        },
        rules: rules.to_vec(),
        ..RuleSet::default()
    }
}

/// An entry during the reload.
#[derive(Clone, Copy, Debug)]
enum Said {
    Beat(usize),
    Line(usize),
}

fn said() -> impl Strategy<Value = Vec<Said>> {
    let who = 0..everyone().len();
    let one = prop_oneof![
        2 => who.clone().prop_map(Said::Beat),
        1 => who.prop_map(Said::Line)
    ];
    prop_oneof![
        1 => Just(Vec::new()),
        3 => proptest::collection::vec(one, 1..40)
    ]
}

fn say(bench: &mut Bench, said: Said) {
    let who = |n: usize| everyone()[n].clone();
    match said {
        Said::Beat(n) => drop(bench.say(&who(n), "", 100.0)),
        Said::Line(n) => drop(bench.entry(&who(n), 100.0)),
    }
}

/// All of `known` beat until a time of their own, the rules change at 100 s, and those of `after` continue to beat.
struct Story {
    before: Vec<Rule>,
    then: Vec<Rule>,
    until: Vec<u64>,
    meanwhile: Vec<Said>,
    after: Vec<bool>,
}

/// The way in which the rules change.
#[derive(Clone, Copy, Debug)]
enum How {
    /// In one step, after so many of the entries in between.
    AtOnceAfter(usize),
    /// In slices of so many slots, with one entry after each.
    InSlicesOf(usize),
}

impl Story {
    /// The notifications after the change, and the final state of all alerts and instances.
    fn played(&self, how: How) -> (Vec<String>, String) {
        let mut bench = Bench::new(self.before.clone());
        let everyone = everyone();
        for second in (0..=100).step_by(10) {
            for (who, until) in everyone.iter().zip(&self.until) {
                if second <= *until {
                    bench.say(who, "", second as f64);
                }
            }
            // An instance that no rule watches keeps the stream alive.
            bench.entry("z.iad.z", second as f64);
            bench.tick(second as f64);
        }
        self.change(&mut bench, how);
        let told_before = bench.said.len();
        bench.tick(100.0);
        for second in (110..=300).step_by(10) {
            for (who, beats) in everyone.iter().zip(&self.after) {
                if *beats {
                    bench.say(who, "", second as f64);
                }
            }
            bench.entry("z.iad.z", second as f64);
            bench.tick(second as f64);
        }
        let mut told = bench.said[told_before..].to_vec();
        told.sort();
        let snapshot = bench.engine.snapshot(at(300.0), 1_000);
        let alerts = snapshot.alerts.iter();
        let alerts = alerts.map(|row| format!("{} {:?} {}\n", row.rule, row.state, row.count));
        let verdicts = snapshot.verdicts.iter().map(|row| format!("{row:?}\n"));
        (told, alerts.chain(verdicts).collect())
    }

    fn change(&self, bench: &mut Bench, how: How) {
        let mut meanwhile = self.meanwhile.iter();
        match how {
            How::AtOnceAfter(first) => {
                let first = meanwhile.by_ref().take(first);
                first.for_each(|&one| say(bench, one));
                bench.engine.reload(set(&self.then), at(100.0));
            }
            How::InSlicesOf(slots) => drop(change_in_slices(
                bench,
                &self.then,
                slots,
                100.0,
                |bench, _| {
                    if let Some(&one) = meanwhile.next() {
                        say(bench, one);
                    }
                },
            )),
        }
        bench.keep();
        meanwhile.for_each(|&one| say(bench, one));
    }
}

/// Reloads in slices of so many slots; `between` is called with the number of slices done. Gives that number, without
/// the last.
fn change_in_slices(
    bench: &mut Bench,
    then: &[Rule],
    slots: usize,
    second: f64,
    mut between: impl FnMut(&mut Bench, u64),
) -> u64 {
    let mut slices = 0;
    let mut reload = bench.engine.begin_reload(set(then));
    while let Err(more) = bench.engine.reload_on(reload, slots, at(second)) {
        reload = more;
        slices += 1;
        bench.keep();
        between(bench, slices);
    }
    slices
}

proptest! {
    #[test]
    fn in_slices_it_comes_to_the_same(
        before in rules(),
        then in rules(),
        until in proptest::collection::vec(prop_oneof![Just(0), Just(40), Just(80), Just(100)], 18),
        meanwhile in said(),
        after in proptest::collection::vec(any::<bool>(), 18),
        slots in 1..8_usize,
    ) {
        let story = Story { before, then, until, meanwhile, after };
        let in_slices = story.played(How::InSlicesOf(slots));
        // Entries in between meet the old rules up to one moment, and the new ones afterwards.
        let moments = 0..=story.meanwhile.len();
        let at_once: Vec<_> = moments.map(|first| story.played(How::AtOnceAfter(first))).collect();
        prop_assert!(at_once.contains(&in_slices), "{:?}\n is none of\n{:?}", in_slices, at_once);
    }
}

#[test]
fn who_is_first_heard_between_two_slices_is_watched_by_the_rules_that_come() {
    let mut bench = Bench::new(vec![rule("old", "*", 30.0)]);
    for n in 0..4 {
        bench.say(&format!("a.iad.i{n}"), "", 0.0);
    }
    let then = [rule("new", "a", 30.0)];
    let new = change_in_slices(&mut bench, &then, 2, 0.0, |bench, done| {
        bench.say(&format!("a.iad.new{done}"), "", 0.0);
        assert!(
            done < 1_000,
            "who comes meanwhile does not keep it from ending"
        );
    });
    bench.tick(0.0);
    let snapshot = bench.engine.snapshot(at(0.0), 0);
    let watched = snapshot.alerts.iter().filter(|row| &*row.rule == "new");
    assert_eq!(watched.map(|row| row.count).sum::<u64>(), 4 + new);
}

#[test]
fn who_stopped_on_purpose_is_not_missed_after_a_change_of_rules() {
    let logs = Rule {
        watch: Watch::Logs,
        ..rule("logs", "*", 30.0)
    };
    let beats = rule("beats", "*", 30.0);
    // The rules that watch it stay, are added, and change their kind.
    for (before, then) in [
        (vec![logs.clone()], vec![logs.clone()]),
        (vec![beats.clone()], vec![beats.clone()]),
        (Vec::new(), vec![logs.clone(), beats.clone()]),
        (vec![beats], vec![logs]),
    ] {
        for says_bye in [true, false] {
            let mut bench = Bench::new(before.clone());
            bench.beats(&["a.iad.a", "z.iad.z"], [0, 10, 20]);
            let id = bench.engine.find("logs.a.iad.a").expect("it was heard");
            if says_bye {
                bench.say("a.iad.a", "bye", 22.0);
            } else {
                bench.engine.lifecycle(id, Lifecycle::Autostop);
            }
            bench.beats(&["z.iad.z"], (30..=100).step_by(10));
            bench.engine.reload(set(&then), at(100.0));
            bench.beats(&["z.iad.z"], (110..=300).step_by(10));
            assert_eq!(bench.told(), Vec::<&str>::new(), "{says_bye} {then:?}");
        }
    }
}

#[test]
fn a_bye_between_any_two_slices_is_heard() {
    let logs = Rule {
        watch: Watch::Logs,
        ..rule("logs", "*", 30.0)
    };
    let beats = rule("beats", "*", 30.0);
    for then in [
        vec![logs.clone()],
        vec![logs, beats.clone()],
        vec![beats.clone()],
    ] {
        let mut slices = 1;
        for said_after in 0.. {
            if said_after > slices {
                break;
            }
            let mut bench = Bench::new(vec![beats.clone()]);
            bench.beats(&["a.iad.a", "z.iad.z"], [0, 10, 20]);
            slices = change_in_slices(&mut bench, &then, 1, 20.0, |bench, done| {
                if done == said_after {
                    bench.say("a.iad.a", "bye", 20.0);
                }
            });
            if said_after == 0 {
                bench.say("a.iad.a", "bye", 20.0);
            }
            bench.beats(&["z.iad.z"], (30..=300).step_by(10));
            let told = bench.told();
            let missed = told.iter().any(|line| line.contains(" a opened"));
            assert!(!missed, "{said_after} of {slices}: {told:?}");
        }
        assert!(slices > 4);
    }
}

#[test]
fn learned_intervals_and_open_incidents_outlive_a_change_of_order() {
    let auto = Rule {
        max_gap: MaxGap::Auto,
        app: Globs(vec!["a".to_owned()]),
        ..rule("auto", "a", 0.0)
    };
    let other = rule("other", "b", 30.0);
    let mut bench = Bench::new(vec![auto.clone(), other.clone()]);
    bench.beats(&["a.iad.a", "b.iad.b", "z.iad.z"], (0..=200).step_by(20));
    bench.beats(&["a.iad.a", "z.iad.z"], (220..=260).step_by(20));
    bench.engine.reload(set(&[other, auto]), at(260.0));
    bench.keep();
    bench.beats(&["a.iad.a", "b.iad.b", "z.iad.z"], [280]);
    bench.beats(&["b.iad.b", "z.iad.z"], (300..=380).step_by(20));
    assert_eq!(
        bench.told(),
        [
            "230 HeartbeatMissed b opened",
            "280 HeartbeatMissed b closed resolved",
            "341 HeartbeatMissed a opened"
        ]
    );
}

#[test]
fn a_rule_that_comes_expects_its_regions_of_apps_that_are_known() {
    let expecting = Rule {
        by: By::AppRegion,
        expect: vec!["iad".to_owned(), "syd".to_owned()],
        ..rule("everywhere", "?", 30.0)
    };
    let mut bench = Bench::new(Vec::new());
    bench.beats(&["a.iad.a", "zz.iad.z"], [0, 10]);
    bench.engine.reload(set(&[expecting]), at(10.0));
    bench.beats(&["a.iad.a", "zz.iad.z"], (20..=60).step_by(10));
    assert_eq!(bench.told(), ["40 AppRegionSilent  opened"]);
}

#[test]
fn a_group_keeps_its_alert_if_its_rule_watches_the_same_thing_and_else_the_alert_ends() {
    let before = Rule {
        by: By::App,
        ..rule("r", "a", 30.0)
    };
    let same = before.clone();
    let slower = rule("r", "a", 40.0).max_gap;
    for (then, stays) in [
        (same.clone(), true),
        (
            Rule {
                max_gap: slower,
                ..same.clone()
            },
            true,
        ),
        (
            Rule {
                watch: Watch::Logs,
                ..same.clone()
            },
            false,
        ),
        (
            Rule {
                by: By::AppRegion,
                ..same.clone()
            },
            false,
        ),
        (
            Rule {
                app: Globs(vec!["z".to_owned()]),
                ..same.clone()
            },
            false,
        ),
        (
            Rule {
                name: "another".to_owned(),
                ..same
            },
            false,
        ),
    ] {
        let mut bench = Bench::new(vec![before.clone()]);
        bench.beats(&["a.iad.a", "z.iad.z"], [0, 10, 20]);
        bench.beats(&["z.iad.z"], (30..=80).step_by(10));
        bench
            .engine
            .reload(set(std::slice::from_ref(&then)), at(80.0));
        bench.keep();
        let mut told = vec!["50 AppSilent  opened"];
        if !stays {
            told.push("80 AppSilent  closed rule removed");
        }
        assert_eq!(bench.told(), told, "{then:?}");
    }
}

#[test]
fn a_rule_for_logs_that_comes_watches_who_logged_and_nobody_else() {
    for by in [By::Instance, By::App] {
        let logs = Rule {
            watch: Watch::Logs,
            by,
            ..rule("logs", "*", 30.0)
        };
        let mut bench = Bench::new(Vec::new());
        for second in [0.0, 10.0, 20.0] {
            bench.entry("a.iad.a", second);
            bench.logged_about("b.iad.b", second);
            bench.tick(second);
        }
        bench.engine.reload(set(&[logs]), at(20.0));
        let snapshot = bench.engine.snapshot(at(20.0), 0);
        let watched = snapshot.alerts.iter().filter(|row| &*row.rule == "logs");
        assert_eq!(watched.map(|row| row.count).sum::<u64>(), 1, "{by:?}");
        for second in (30..=60).step_by(10) {
            bench.logged_about("b.iad.b", f64::from(second));
            bench.tick(f64::from(second));
        }
        let told = bench.told();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].starts_with("50 ") && told[0].ends_with(" opened"),
            "{told:?}"
        );
    }
}

#[test]
fn a_change_says_from_which_slice_on_the_new_rules_are_in_force() {
    let mut bench = Bench::new(vec![rule("old", "*", 30.0)]);
    bench.beats(&["a.iad.a", "a.iad.b", "z.iad.z"], [0, 10]);
    let then = set(&[rule("new", "*", 30.0)]);
    let mut seen = Vec::new();
    let mut reload = bench.engine.begin_reload(then.clone());
    loop {
        let is_in_force = *bench.engine.rules() == then;
        assert_eq!(reload.is_in_force(), is_in_force);
        seen.push(is_in_force);
        match bench.engine.reload_on(reload, 1, at(10.0)) {
            Ok(()) => break,
            Err(more) => reload = more,
        }
    }
    assert!(seen.contains(&false) && seen.contains(&true), "{seen:?}");
}
