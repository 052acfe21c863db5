//! Groups: the members that keep one alive, those that leave it, and its end.

use crate::core::engine::Engine;
use crate::core::entry::{Lifecycle, MarkerId};
use crate::core::rule::{By, FORGET_AFTER, Globs, MaxGap, Rule, Watch};
use crate::core::tests::bench::{Bench, at, rule};
use crate::core::tests::inventory;
use crate::core::tests::restart::restarted;
use std::time::Duration;

const A: &str = "web.iad.a";
const B: &str = "web.iad.b";
const LOG: &str = "log.fra.x";

fn group(by: By) -> Rule {
    Rule {
        by,
        ..rule("r", "web", 30.0)
    }
}

fn looks(bench: &mut Bench, second: f64) {
    bench.entry(LOG, second);
    bench.tick(second);
}

/// Number of alerts of the rule, in any state.
fn alerts(engine: &Engine, second: f64) -> u64 {
    let rows = engine.snapshot(at(second), 0).alerts;
    let own = rows.iter().filter(|row| &*row.rule == "r");
    own.map(|row| row.count).sum()
}

#[test]
fn only_beats_that_its_rule_watches_keep_a_group_alive() {
    let of_worker = Watch::Heartbeat {
        marker: MarkerId(0),
        beat: Some("worker".to_owned()),
    };
    let in_iad = Rule {
        region: Globs(vec!["iad".to_owned()]),
        ..group(By::App)
    };
    let of_worker = Rule {
        watch: of_worker,
        ..group(By::AppRegion)
    };
    for (rule, dies, lives, told) in [
        (group(By::Region), A, "api.iad.b", "50 RegionSilent  opened"),
        (in_iad, A, "web.lhr.b", "50 AppSilent  opened"),
        (of_worker, A, A, "50 AppRegionSilent  opened"),
    ] {
        let mut bench = Bench::new(vec![rule]);
        for second in 0..=60 {
            if second % 10 == 0 {
                bench.say(lives, "", f64::from(second));
                if second <= 20 {
                    bench.say(dies, "name=worker", f64::from(second));
                }
            }
            looks(&mut bench, f64::from(second));
        }
        assert_eq!(bench.told(), [told], "{lives}");
    }
}

/// Ways in which an instance leaves.
#[derive(Clone, Copy, Debug)]
enum Leaves {
    /// Its only beat says bye.
    Bye,
    /// It says bye as a whole, and its beat has a name.
    AsAWhole,
    /// Its only beat, which has a name, says bye.
    NamedBye,
    Autostop,
}

#[test]
fn one_that_was_silent_before_the_last_one_left_is_not_missed_and_one_that_lived_is() {
    use Leaves::{AsAWhole, Autostop, Bye, NamedBye};
    let logs = Rule {
        watch: Watch::Logs,
        ..group(By::App)
    };
    for rule in [group(By::App), logs] {
        for leaves in [Bye, AsAWhole, NamedBye, Autostop] {
            // The last beat of the other, the time at which this one leaves, and the silence that is told.
            for (last, left, told) in [
                (10, 39.5, Some("40")),
                (10, 40.0, Some("40")),
                (10, 40.5, None),
                (50, 40.0, Some("80")),
            ] {
                // A rule for logs knows an instance that leaves as a whole.
                if rule.watch == Watch::Logs && matches!(leaves, NamedBye) {
                    continue;
                }
                let words = match leaves {
                    Bye | Autostop => "",
                    AsAWhole | NamedBye => "name=worker",
                };
                let mut bench = Bench::new(vec![rule.clone()]);
                for half in 0..=200 {
                    let second = f64::from(half) / 2.0;
                    if second % 10.0 == 0.0 && second <= 30.0 {
                        bench.say(B, words, second);
                    }
                    if second % 10.0 == 0.0 && second <= f64::from(last) {
                        bench.say(A, "", second);
                    }
                    if second == left {
                        match leaves {
                            Bye | AsAWhole => drop(bench.say(B, "bye", second)),
                            NamedBye => drop(bench.say(B, "name=worker bye", second)),
                            Autostop => bench.report(B, Lifecycle::Autostop, second),
                        }
                    }
                    looks(&mut bench, second);
                }
                let opened = told.map(|second| format!("{second} AppSilent  opened"));
                let context = format!("{:?} {leaves:?} {last} {left}", rule.watch);
                assert_eq!(bench.told(), Vec::from_iter(opened), "{context}");
            }
        }
    }
}

#[test]
fn when_the_one_that_kept_a_group_alive_leaves_the_silence_of_the_rest_is_told_at_once() {
    let mut bench = Bench::new(vec![group(By::App)]);
    for second in 0..=49_u32 {
        if second % 10 == 0 && second <= 30 {
            bench.say(B, "", f64::from(second));
        }
        if matches!(second, 0 | 18) {
            bench.say(A, "", f64::from(second));
        }
        if second == 32 {
            bench.say(B, "bye", f64::from(second));
        }
        looks(&mut bench, f64::from(second));
    }
    assert_eq!(bench.told(), ["48 AppSilent  opened"]);
}

#[test]
fn a_group_whose_last_member_left_waits_for_one_that_the_platform_starts() {
    for starts in [false, true] {
        let mut bench = Bench::new(vec![group(By::App)]);
        bench.beats(&[A], [0, 10, 20]);
        bench.say(A, "bye", 21.0);
        for second in 22..=200 {
            if starts && second == 100 {
                bench.report(A, Lifecycle::Started, 100.0);
            }
            looks(&mut bench, f64::from(second));
        }
        let told: &[&str] = if starts {
            &["130 AppSilent  opened"]
        } else {
            &[]
        };
        assert_eq!(bench.told(), told, "{starts}");
    }
}

#[test]
fn a_group_whose_members_are_gone_for_good_is_forgotten_with_them_unless_it_is_expected() {
    for is_expected in [false, true] {
        let mut group = group(By::App);
        if is_expected {
            group.expect = vec!["web".to_owned()];
        }
        let mut bench = inventory::bench(vec![group]);
        bench.beats(&[A, "api.lhr.b"], [0, 10, 20]);
        inventory::poll(&mut bench, 21.0, inventory::started(&[A, "api.lhr.b"]));
        inventory::poll(&mut bench, 22.0, inventory::started(&["api.lhr.b"]));
        assert_eq!(alerts(&bench.engine, 22.0), 1);
        let later = (FORGET_AFTER + Duration::from_secs(300)).as_secs();
        for second in (30..later).step_by(30) {
            bench.say("api.lhr.b", "", second as f64);
            bench.tick(second as f64);
        }
        assert!(bench.engine.find("logs.web.iad.a").is_none());
        let left = alerts(&bench.engine, later as f64);
        assert_eq!(left, u64::from(is_expected), "{is_expected}");
    }
}

#[test]
fn the_first_entry_after_a_restart_ends_the_interval_that_the_last_one_before_began() {
    let logs = |name: &str, by: By| Rule {
        name: name.to_owned(),
        by,
        max_gap: MaxGap::Auto,
        watch: Watch::Logs,
        ..rule("r", "web", 0.0)
    };
    let beats = Rule {
        name: "beats".to_owned(),
        max_gap: MaxGap::Fixed(Duration::from_secs(1_000)),
        ..group(By::App)
    };
    let rules = vec![
        beats,
        logs("app", By::App),
        logs("app-region", By::AppRegion),
        logs("region", By::Region),
    ];
    let mut bench = Bench::new(rules.clone());
    for second in 0..=64_u32 {
        if second == 21 {
            restarted(&mut bench, rules.clone(), 20.7, 20.8);
        }
        if second % 10 == 0 && second <= 30 {
            bench.entry(A, f64::from(second));
        }
        // One that was heard before the other, and is taken back after it.
        if second == 15 {
            bench.entry(B, f64::from(second));
        }
        looks(&mut bench, f64::from(second) + 0.5);
    }
    let fired = bench.said.iter().filter(|line| line.contains("firing"));
    let mut fired: Vec<&str> = fired.map(String::as_str).collect();
    fired.sort_unstable();
    let all = [
        "61 ok -> firing .iad.",
        "61 ok -> firing web..",
        "61 ok -> firing web.iad.",
    ];
    assert_eq!(fired, all, "{:?}", bench.said);
}
