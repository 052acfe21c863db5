//! Forgetting: how long each kind of silence is remembered.

use crate::core::entry::{Lifecycle, MarkerId, Provider, Subject};
use crate::core::inventory::Listed;
use crate::core::rule::{By, FORGET_AFTER, MaxGap, Rule, Watch};
use crate::core::targets::forgetting::REMEMBER_STOPPED;
use crate::core::targets::table::State;
use crate::core::tests::bench::{Bench, at, rule, seconds};
use crate::core::tests::inventory::{bench, machine, poll};
use crate::core::time::Listened;
use std::time::Duration;

/// The one that falls silent, and another that speaks on.
const WEB: &str = "web.iad.a";
const LOG: &str = "log.fra.x";
const HOUR: f64 = 3_600.0;
const DAY: f64 = 86_400.0;
/// Days for which one that stopped is remembered.
const STOPPED: f64 = 35.0 * DAY;

/// A rule of `web` with `max_gap` 30 s that forgets after so many seconds.
fn forgets(after: f64) -> Rule {
    Rule {
        forget_after: seconds(after),
        ..rule("r", "web", 30.0)
    }
}

fn logs(rule: Rule) -> Rule {
    Rule {
        watch: Watch::Logs,
        ..rule
    }
}

fn of_app(rule: Rule) -> Rule {
    Rule {
        by: By::App,
        hold: seconds(5.0),
        ..rule
    }
}

fn only(beat: &str, rule: Rule) -> Rule {
    Rule {
        watch: Watch::Heartbeat {
            marker: MarkerId(0),
            beat: Some(beat.to_owned()),
        },
        ..rule
    }
}

/// Something that happens to the silent one, or to others beside it.
#[derive(Clone, Copy, Debug)]
enum Does {
    Says(&'static str),
    /// An entry of its app without a beat.
    Logs,
    /// An entry about it by the platform.
    Platform,
    Stops,
    /// The inventory does not list it any more.
    Goes,
    /// Another instance beats.
    Beside(&'static str),
}
use Does::{Beside, Goes, Logs, Platform, Says, Stops};

fn apply(bench: &mut Bench, does: Does, second: f64) {
    match does {
        Says(words) => drop(bench.say(WEB, words, second)),
        Logs => drop(bench.entry(WEB, second)),
        Platform => platform_entry(bench, WEB, second),
        Stops => bench.report(WEB, Lifecycle::Autostop, second),
        Goes => {
            let others = vec![machine("web.iad.z", Listed::Stopped)];
            poll(bench, second, others);
        }
        Beside(who) => drop(bench.say(who, "", second)),
    }
}

/// An entry that is not of the app itself.
fn platform_entry(bench: &mut Bench, who: &str, second: f64) {
    let raw = format!("logs.{who}");
    let tokens: Vec<&str> = who.split('.').collect();
    let subject = Subject {
        raw: &raw,
        app: tokens[0],
        region: tokens[1],
        instance: tokens[2],
    };
    bench.engine.arrive(at(second));
    let id = match bench.engine.find(&raw) {
        Some(id) => id,
        None => {
            let new = bench.engine.admit(&subject, 100).expect("there is room");
            new.expect("it is not ignored")
        }
    };
    bench.engine.heard(id, Provider::Runner, 100);
    bench.keep();
}

/// The last second of listening at which an instance is still known, if nothing more of it is heard; `None` if it is
/// known for a hundred days.
fn known_until(bench: &Bench, who: &str) -> Option<Duration> {
    let id = bench.engine.find(&format!("logs.{who}"));
    let id = id.expect("it is known");
    let (targets, facts) = (&bench.engine.targets, &bench.engine.facts);
    let is_forgotten = |nanos: u64| targets.is_forgotten(facts, id, Listened::from_nanos(nanos));
    let mut known = facts.listening.listened().nanos();
    let mut forgotten = known + seconds(100.0 * DAY).as_nanos() as u64;
    assert!(!is_forgotten(known), "forgotten at once");
    if !is_forgotten(forgotten) {
        return None;
    }
    while forgotten - known > 1 {
        let middle = known + (forgotten - known) / 2;
        if is_forgotten(middle) {
            forgotten = middle;
        } else {
            known = middle;
        }
    }
    Some(Duration::from_nanos(known))
}

/// A case: its name, the rules, what happens at each second, and the last second at which it is known.
type Shape = (&'static str, Vec<Rule>, &'static [(u64, Does)], Option<f64>);

fn check(shapes: Vec<Shape>) {
    for (shape, rules, events, known) in shapes {
        let mut bench = bench(rules);
        let last = events.iter().map(|(second, _)| *second).max();
        let mut events = events.iter().peekable();
        for second in 0..=last.unwrap_or_default() + 60 {
            bench.entry(LOG, second as f64);
            while let Some((_, does)) = events.next_if(|(when, _)| *when == second) {
                apply(&mut bench, *does, second as f64);
            }
            bench.tick(second as f64);
        }
        let known = known.map(seconds);
        assert_eq!(known_until(&bench, WEB), known, "{shape}");
    }
}

#[test]
fn one_that_no_rule_watches_is_known_for_a_day_after_its_last_entry() {
    assert_eq!(seconds(DAY), FORGET_AFTER);
    let others = || vec![rule("other", "api", 30.0)];
    check(vec![
        ("it beat", others(), &[(10, Says(""))], Some(10.0 + DAY)),
        (
            "it logged after its last beat",
            others(),
            &[(10, Says("")), (50, Logs)],
            Some(50.0 + DAY),
        ),
        ("it never beat", others(), &[(10, Logs)], Some(10.0 + DAY)),
        (
            "only the platform spoke of it",
            others(),
            &[(10, Platform)],
            Some(10.0 + DAY),
        ),
        (
            "it stopped",
            others(),
            &[(10, Says("")), (20, Stops)],
            Some(10.0 + DAY),
        ),
    ]);
}

#[test]
fn one_that_fires_is_known_for_forget_after_from_its_deadline_on() {
    check(vec![
        (
            "an hour",
            vec![forgets(HOUR)],
            &[(10, Says(""))],
            Some(40.0 + HOUR),
        ),
        (
            "two days",
            vec![forgets(2.0 * DAY)],
            &[(10, Says(""))],
            Some(40.0 + 2.0 * DAY),
        ),
        (
            "its logs",
            vec![logs(forgets(HOUR))],
            &[(10, Logs)],
            Some(40.0 + HOUR),
        ),
        (
            "it logs without a beat",
            vec![forgets(HOUR)],
            &[(10, Says("")), (2_000, Logs)],
            Some(2_000.0 + HOUR),
        ),
        (
            "another beat of it is of no rule",
            vec![only("main", forgets(HOUR))],
            &[(10, Says("name=main")), (20, Says("name=other"))],
            Some(20.0 + DAY),
        ),
        (
            "another beat of it fired before",
            vec![forgets(HOUR)],
            &[(10, Says("name=one")), (35, Says("name=two"))],
            Some(65.0 + HOUR),
        ),
    ]);
}

#[test]
fn one_whose_deadline_lies_ahead_is_not_forgotten_before() {
    let monthly = |max_gap: f64| Rule {
        forget_after: seconds(HOUR),
        ..rule("r", "web", max_gap)
    };
    check(vec![
        ("ok", vec![monthly(60.0 * DAY)], &[(10, Says(""))], None),
        (
            "ok by its logs",
            vec![logs(monthly(60.0 * DAY))],
            &[(10, Logs)],
            None,
        ),
        (
            "pending",
            vec![Rule {
                hold: seconds(60.0 * DAY),
                ..forgets(HOUR)
            }],
            &[(10, Says(""))],
            None,
        ),
    ]);
}

#[test]
fn one_that_stopped_is_known_for_35_days_unless_it_never_comes_back() {
    assert_eq!(seconds(STOPPED), REMEMBER_STOPPED);
    check(vec![
        (
            "the platform stopped it",
            vec![forgets(HOUR)],
            &[(10, Says("")), (20, Stops)],
            Some(10.0 + STOPPED),
        ),
        (
            "its rule remembers longer",
            vec![forgets(40.0 * DAY)],
            &[(10, Says("")), (20, Stops)],
            Some(10.0 + 40.0 * DAY),
        ),
        (
            "it said bye",
            vec![forgets(HOUR)],
            &[(10, Says("")), (20, Says("bye"))],
            Some(20.0 + STOPPED),
        ),
        (
            "it is not deployed any more",
            vec![forgets(HOUR)],
            &[(10, Says("")), (20, Goes)],
            Some(10.0 + HOUR),
        ),
        (
            "it logged and stopped",
            vec![logs(forgets(HOUR))],
            &[(10, Logs), (20, Stops)],
            Some(10.0 + STOPPED),
        ),
        (
            "it logged and is not deployed any more",
            vec![logs(forgets(HOUR))],
            &[(10, Logs), (20, Goes)],
            Some(10.0 + HOUR),
        ),
    ]);
}

#[test]
fn a_member_is_known_until_its_group_would_be_forgotten_for_its_silence() {
    let group = || vec![of_app(forgets(2.0 * DAY))];
    let log_group = || vec![of_app(logs(forgets(2.0 * DAY)))];
    // max_gap and hold of its group.
    let silent = 35.0;
    check(vec![
        (
            "it beat",
            group(),
            &[(10, Says(""))],
            Some(10.0 + silent + 2.0 * DAY),
        ),
        (
            "it stopped",
            group(),
            &[(10, Says("")), (20, Stops)],
            Some(10.0 + STOPPED),
        ),
        (
            "it is not deployed any more",
            group(),
            &[(10, Says("")), (20, Goes)],
            Some(10.0 + DAY),
        ),
        (
            "it never beat",
            group(),
            &[(10, Logs), (10, Beside("web.iad.b"))],
            Some(10.0 + DAY),
        ),
        (
            "it logged",
            log_group(),
            &[(10, Logs)],
            Some(10.0 + silent + 2.0 * DAY),
        ),
        (
            "it logged and stopped",
            log_group(),
            &[(10, Logs), (20, Stops)],
            Some(10.0 + STOPPED),
        ),
        (
            "it logged and is not deployed any more",
            log_group(),
            &[(10, Logs), (20, Goes)],
            Some(10.0 + DAY),
        ),
        (
            "only the platform spoke of it",
            log_group(),
            &[(10, Platform), (10, Beside("web.iad.b"))],
            Some(10.0 + DAY),
        ),
        (
            "of two groups the longer",
            vec![
                of_app(forgets(2.0 * DAY)),
                Rule {
                    by: By::Region,
                    ..forgets(3.0 * DAY)
                },
            ],
            &[(10, Says(""))],
            Some(10.0 + 30.0 + 3.0 * DAY),
        ),
    ]);
}

#[test]
fn a_group_that_fires_is_forgotten_when_nobody_in_it_lives_and_no_rule_expects_it() {
    let run = |rule: Rule| {
        let mut bench = Bench::new(vec![rule]);
        for second in (0..=2_000).step_by(10) {
            bench.entry(LOG, second as f64);
            if second == 0 {
                bench.say("web.iad.a", "", 0.0);
            }
            if second <= 900 {
                bench.say("web.iad.b", "", second as f64);
            }
            bench.tick(second as f64);
        }
        bench
            .told()
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let group = Rule {
        by: By::App,
        ..forgets(200.0)
    };
    let all_silent = run(group.clone());
    assert_eq!(
        all_silent,
        ["930 AppSilent  opened", "1140 AppSilent  closed forgotten"]
    );
    let two = Rule {
        at_least: Some(2),
        ..group.clone()
    };
    assert_eq!(
        run(two),
        ["30 AppSilent  opened", "960 AppSilent  closed forgotten"],
        "one of it lived until 930"
    );
    let expected = Rule {
        expect: vec!["web".to_owned()],
        ..group
    };
    assert_eq!(run(expected), ["930 AppSilent  opened"]);
}

/// Lets an hour pass after the other, up to this one. The stream says little.
fn pass(bench: &mut Bench, hours: std::ops::RangeInclusive<u32>) {
    for hour in hours {
        bench.say("api.iad.b", "name=hourly", f64::from(hour) * HOUR);
        bench.tick(f64::from(hour) * HOUR);
    }
}

#[test]
fn a_beat_that_nobody_expects_is_forgotten_though_its_instance_lives() {
    let mut bench = Bench::new(vec![rule("r", "api", 2.0 * HOUR)]);
    bench.engine.facts.rules.stream.max_gap = MaxGap::Fixed(seconds(3.0 * HOUR));
    let names = |bench: &Bench, hour: u32| {
        let rows = bench.engine.snapshot(at(f64::from(hour) * HOUR), 10).beats;
        let mut names: Vec<String> = rows.iter().map(|row| row.beat.to_string()).collect();
        names.sort();
        names
    };
    // It takes some hours to learn that the stream says so little.
    pass(&mut bench, 0..=9);
    let start = 10;
    bench.say("api.iad.b", "name=once", f64::from(start) * HOUR);
    bench.say("api.iad.b", "name=once bye", f64::from(start) * HOUR);
    bench.say("web.iad.a", "name=of-no-rule", f64::from(start) * HOUR);
    for hour in start..=start + 24 {
        bench.entry("web.iad.a", f64::from(hour) * HOUR);
        pass(&mut bench, hour..=hour);
    }
    assert_eq!(names(&bench, start + 24), ["hourly", "of-no-rule", "once"]);
    bench.entry("web.iad.a", f64::from(start + 25) * HOUR);
    pass(&mut bench, start + 25..=start + 25);
    assert_eq!(names(&bench, start + 25), ["hourly", "once"]);
    assert!(bench.engine.find("logs.web.iad.a").is_some());
    let end = start + 35 * 24;
    pass(&mut bench, start + 26..=end);
    assert_eq!(names(&bench, end), ["hourly", "once"]);
    pass(&mut bench, end + 1..=end + 1);
    assert_eq!(names(&bench, end + 1), ["hourly"]);
    assert_eq!(bench.told(), Vec::<&str>::new());
}

#[test]
fn of_the_stopped_a_quarter_of_the_limit_is_kept_and_the_oldest_go() {
    let mut bench = Bench::new(vec![forgets(100.0)]);
    bench.engine.facts.tracker.limits.instances = 40;
    // Known in another order than they are heard for the last time.
    let order = [7, 2, 9, 0, 11, 4, 1, 10, 3, 8, 5, 6];
    let name = |number: usize| format!("web.iad.{number:02}");
    for number in order {
        bench.say(&name(number), "", 0.0);
    }
    for number in 0..12 {
        let second = 1.0 + number as f64;
        bench.say(&name(number), "", second);
        bench.report(&name(number), Lifecycle::Autostop, second);
    }
    for number in 0..5 {
        bench.entry(&format!("job.iad.{number}"), 13.0);
    }
    for second in (20..=240).step_by(10) {
        bench.entry(LOG, f64::from(second));
        bench.tick(f64::from(second));
    }
    let known = |name: &str| bench.engine.find(&format!("logs.{name}")).is_some();
    let gone: Vec<usize> = (0..12).filter(|number| !known(&name(*number))).collect();
    assert_eq!(gone, [0, 1]);
    assert!((0..5).all(|number| known(&format!("job.iad.{number}"))));
}

#[test]
fn as_many_stopped_as_a_quarter_of_the_limit_all_stay() {
    let mut bench = Bench::new(vec![forgets(100.0)]);
    bench.engine.facts.tracker.limits.instances = 40;
    for number in 0..10 {
        let name = format!("web.iad.{number}");
        bench.say(&name, "", 1.0);
        bench.say(&name, "bye", 2.0);
    }
    for second in (10..=240).step_by(10) {
        bench.entry(LOG, f64::from(second));
        bench.tick(f64::from(second));
    }
    assert_eq!(bench.engine.instances(), 11);
    let rows = bench.engine.snapshot(at(240.0), 100).alerts;
    let firing = rows.iter().find(|row| row.state == State::Firing.label());
    assert_eq!(firing.map_or(0, |row| row.count), 0);
}
