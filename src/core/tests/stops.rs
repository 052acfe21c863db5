//! Stops, starts and crashes at their limits, and what lists of machines make of them.

use crate::core::engine::Feed;
use crate::core::entry::Lifecycle;
use crate::core::inventory::{Exit, Listed, Machine, Purpose};
use crate::core::rule::{Rule, RuleSet, Watch};
use crate::core::targets::lifecycle::is_crashed;
use crate::core::tests::bench::{Bench, at, rule, seconds};
use crate::core::tests::inventory::{bench, machine, poll, started};
use crate::core::tracker::InstanceId;

const WEB: &str = "web.iad.a";
const API: &str = "api.lhr.b";

/// Something that happens to `web.iad.a`.
#[derive(Clone, Copy, Debug)]
enum Does {
    Says(&'static str),
    Logs,
    Reported(Lifecycle),
    Listed(Listed),
}
use Does::{Logs, Reported, Says};
use Lifecycle::{Autostop, Failed, NotRestarted, OutOfMemory, Started, Updated};

/// Events with their seconds.
type Events = &'static [(u64, Does)];

/// Plays the events until this second; `api.lhr.b` speaks each second, and beats each ten.
fn play(bench: &mut Bench, events: Events, until: u64) {
    let mut events = events.iter().peekable();
    for second in 0..=until {
        let now = second as f64;
        bench.entry(API, now);
        while let Some((_, does)) = events.next_if(|(when, _)| *when == second) {
            match does {
                Says(words) => drop(bench.say(WEB, words, now)),
                Logs => drop(bench.entry(WEB, now)),
                Reported(what) => bench.report(WEB, *what, now),
                Does::Listed(listed) => {
                    poll(
                        bench,
                        now,
                        vec![machine(WEB, *listed), machine(API, Listed::Started)],
                    );
                }
            }
        }
        if second % 10 == 0 {
            bench.say(API, "", now);
        }
        bench.tick(now);
    }
}

/// The notifications under a rule with `max_gap` 30 s.
fn told(rule: Rule, events: Events) -> Vec<String> {
    let mut bench = bench(vec![rule]);
    play(&mut bench, events, 600);
    bench.told().into_iter().map(str::to_owned).collect()
}

fn logs() -> Rule {
    Rule {
        watch: Watch::Logs,
        ..rule("r", "web", 30.0)
    }
}

fn id_of(bench: &Bench, who: &str) -> InstanceId {
    let id = bench.engine.find(&format!("logs.{who}"));
    id.expect("it is known")
}

#[test]
fn one_that_is_not_restarted_has_ended_unless_it_crashed() {
    let beats = || rule("r", "web", 30.0);
    let ended: Events = &[(10, Says("")), (20, Reported(NotRestarted))];
    assert_eq!(told(beats(), ended), [""; 0]);
    let crashed: Events = &[
        (10, Says("")),
        (19, Reported(OutOfMemory)),
        (20, Reported(NotRestarted)),
    ];
    assert_eq!(told(beats(), crashed), ["40 HeartbeatMissed a opened"]);
}

#[test]
fn an_exit_code_after_an_announced_stop_is_no_crash() {
    let cases: [(Events, bool); 4] = [
        (&[(10, Says("")), (20, Reported(Failed))], true),
        (
            &[(10, Says("")), (15, Says("bye")), (20, Reported(Failed))],
            false,
        ),
        (
            &[
                (10, Says("")),
                (15, Reported(Autostop)),
                (20, Reported(Failed)),
            ],
            false,
        ),
        (
            &[
                (10, Says("")),
                (15, Does::Listed(Listed::Stopped)),
                (20, Reported(Failed)),
            ],
            true,
        ),
    ];
    for (events, crashes) in cases {
        let mut bench = bench(vec![rule("r", "web", 30.0)]);
        play(&mut bench, events, 25);
        let crash = bench.engine.facts.tracker.life(id_of(&bench, WEB)).crash;
        assert_eq!(crash.is_some(), crashes, "{events:?}");
    }
}

#[test]
fn logs_are_expected_again_from_a_start_on_however_it_left() {
    let ways: [Events; 4] = [
        &[
            (10, Logs),
            (20, Reported(Autostop)),
            (200, Reported(Started)),
        ],
        &[(10, Says("")), (20, Says("bye")), (200, Reported(Started))],
        &[
            (10, Says("")),
            (20, Says("bye")),
            (21, Reported(Autostop)),
            (200, Reported(Started)),
        ],
        &[
            (10, Says("")),
            (20, Reported(Autostop)),
            (200, Reported(Started)),
            (210, Logs),
            (220, Reported(Autostop)),
            (300, Reported(Started)),
            (310, Reported(Autostop)),
        ],
    ];
    for events in &ways[..3] {
        let told = told(logs(), events);
        // The inventory, which never answers, is waited for.
        assert_eq!(told, ["230 LogsMissed a opened"], "{events:?}");
    }
    assert_eq!(told(logs(), ways[3]), [""; 0]);
}

#[test]
fn one_that_never_logged_may_stop_and_start() {
    let mut bench = Bench::new(vec![logs()]);
    bench.entry(API, 0.0);
    bench.logged_about(WEB, 0.0);
    bench.report(WEB, Autostop, 1.0);
    bench.report(WEB, Started, 2.0);
    for second in 3..100 {
        bench.entry(API, f64::from(second));
        bench.tick(f64::from(second));
    }
    assert_eq!(bench.told(), [""; 0]);
}

#[test]
fn beats_within_two_minutes_after_a_stop_are_its_last() {
    for (second, fires) in [(139, vec![]), (140, vec!["170 HeartbeatMissed a opened"])] {
        let mut bench = Bench::new(vec![rule("r", "web", 30.0)]);
        bench.say(WEB, "", 10.0);
        bench.report(WEB, Autostop, 20.0);
        for now in 21..300 {
            bench.entry(API, f64::from(now));
            if now == second {
                bench.say(WEB, "", f64::from(now));
            }
            bench.tick(f64::from(now));
        }
        assert_eq!(bench.told(), fires, "at {second}");
    }
}

#[test]
fn an_update_explains_a_stop_within_five_minutes_and_a_later_beat_shows_that_it_is_over() {
    let within: Events = &[
        (0, Says("name=w")),
        (20, Reported(Updated)),
        (50, Says("name=w")),
        (100, Says("name=w")),
        (125, Says("name=w bye")),
        (200, Does::Listed(Listed::Started)),
    ];
    let after: Events = &[
        (0, Says("name=w")),
        (20, Reported(Updated)),
        (170, Says("name=w")),
        (320, Says("name=w")),
        (325, Says("name=w bye")),
        (400, Does::Listed(Listed::Started)),
    ];
    let slow = || rule("r", "web", 200.0);
    assert_eq!(told(slow(), within), ["325 HeartbeatMissed a opened"]);
    assert_eq!(told(slow(), after), [""; 0]);
}

#[test]
fn the_list_is_followed_where_it_had_more_than_a_minute() {
    let beats = || rule("r", "web", 30.0);
    for (listed, says_so) in [(82, vec![]), (83, vec!["113 HeartbeatMissed a opened"])] {
        let mut bench = bench(vec![beats()]);
        for second in 0..200 {
            let now = f64::from(second);
            bench.entry(API, now);
            match second {
                10 => drop(bench.say(WEB, "", now)),
                22 => bench.report(WEB, Autostop, now),
                second if second == listed => poll(&mut bench, now, started(&[WEB, API])),
                _ => {}
            }
            bench.tick(now);
        }
        assert_eq!(bench.told(), says_so, "listed as started at {listed}");
    }
    let updated: Events = &[
        (0, Says("name=w")),
        (30, Reported(Updated)),
        (35, Says("name=w bye")),
        (95, Does::Listed(Listed::Started)),
    ];
    assert_eq!(told(rule("r", "web", 60.0), updated), [""; 0]);
    let stopped: Events = &[
        (10, Says("")),
        (22, Reported(Autostop)),
        (200, Does::Listed(Listed::Stopped)),
        (300, Does::Listed(Listed::Unknown)),
    ];
    assert_eq!(told(beats(), stopped), [""; 0], "it is listed as stopped");
}

#[test]
fn what_is_heard_when_the_list_is_asked_for_is_newer_than_the_list() {
    let lists: [Vec<Machine>; 2] = [
        vec![machine(WEB, Listed::Stopped), machine(API, Listed::Started)],
        vec![
            machine("web.iad.z", Listed::Stopped),
            machine(API, Listed::Started),
        ],
    ];
    for list in lists {
        for (asked, fires) in [(20.0, vec!["50 HeartbeatMissed a opened"]), (20.5, vec![])] {
            let mut bench = bench(vec![rule("r", "web", 30.0)]);
            bench.say(WEB, "", 10.0);
            bench.say(WEB, "", 20.0);
            poll(&mut bench, asked, list.clone());
            for second in 21..100 {
                bench.entry(API, f64::from(second));
                bench.tick(f64::from(second));
            }
            assert_eq!(bench.told(), fires, "asked at {asked}: {list:?}");
        }
    }
}

#[test]
fn what_the_list_knows_to_be_wrong_is_told_in_the_incident() {
    for (unreachable, detail) in [
        (true, "its host is unreachable, says the inventory"),
        (false, ""),
    ] {
        let mut bench = Bench::new(vec![rule("r", "web", 30.0)]);
        bench.say(WEB, "", 10.0);
        for second in 11..50 {
            bench.entry(API, f64::from(second));
            bench.tick(f64::from(second));
        }
        assert_eq!(bench.told(), ["40 HeartbeatMissed a opened"]);
        let mut web = machine(WEB, Listed::Started);
        web.unreachable = unreachable;
        poll(&mut bench, 50.0, vec![web]);
        bench.tick(50.0);
        let notice = bench.engine.open_incidents().next().expect("it is open");
        assert_eq!(notice.detail, detail);
    }
}

#[test]
fn how_a_service_ended_is_asked_where_it_is_watched_and_nobody_said_so() {
    let service = |listed| {
        let mut web = machine(WEB, listed);
        web.purpose = Purpose::Service;
        web
    };
    let said = Machine {
        exit: Some(Exit {
            requested: true,
            code: Some(0),
            oom: false,
        }),
        ..service(Listed::Stopped)
    };
    for (case, web, app, asks) in [
        ("a service", service(Listed::Stopped), "web", true),
        ("not watched", service(Listed::Stopped), "api", false),
        ("its exit is known", said, "web", false),
        ("destroyed", service(Listed::Gone), "web", false),
        (
            "nobody knows what it is for",
            machine(WEB, Listed::Stopped),
            "web",
            false,
        ),
    ] {
        let mut bench = bench(vec![rule("r", app, 30.0)]);
        bench.say(WEB, "", 10.0);
        poll(&mut bench, 11.0, vec![web]);
        let asked = bench.engine.take_candidates();
        assert_eq!(asked.is_some(), asks, "{case}");
    }
}

#[test]
fn a_crash_lasts_until_a_beat_or_logs_a_minute_later_of_one_that_never_beat() {
    let cases: [(Events, bool); 6] = [
        (&[(10, Says("")), (20, Reported(OutOfMemory))], true),
        (
            &[(10, Says("")), (20, Reported(OutOfMemory)), (200, Logs)],
            true,
        ),
        (
            &[(10, Says("")), (20, Reported(OutOfMemory)), (30, Says(""))],
            false,
        ),
        (&[(10, Logs), (20, Reported(OutOfMemory)), (79, Logs)], true),
        (
            &[(10, Logs), (20, Reported(OutOfMemory)), (80, Logs)],
            false,
        ),
        (&[(10, Logs)], false),
    ];
    for (events, crashed) in cases {
        let mut bench = Bench::new(vec![rule("r", "none", 30.0)]);
        play(&mut bench, events, 201);
        let id = id_of(&bench, WEB);
        assert_eq!(is_crashed(&bench.engine.facts, id), crashed, "{events:?}");
    }
    let mut bench = Bench::new(vec![rule("r", "none", 30.0)]);
    bench.entry(API, 0.0);
    bench.logged_about(WEB, 0.0);
    let id = bench.engine.find("logs.web.iad.a").expect("it is known");
    bench.report(WEB, OutOfMemory, 1.0);
    bench.entry(API, 200.0);
    assert!(is_crashed(&bench.engine.facts, id), "it never logged");
}

#[test]
fn a_beat_that_comes_twice_is_no_beat_in_a_row() {
    let mut bench = Bench::new(vec![Rule {
        recover: 2,
        ..rule("r", "web", 30.0)
    }]);
    bench.say(WEB, "", 0.0);
    for second in 1..=60 {
        bench.entry(API, f64::from(second));
        bench.tick(f64::from(second));
    }
    bench.say_late(WEB, 61.0, 61.0);
    bench.say_late(WEB, 61.0, 62.0);
    assert_eq!(bench.said.len(), 2, "it fires: {:?}", bench.said);
    bench.say_late(WEB, 63.0, 63.0);
    assert_eq!(bench.said[2..], ["63 firing -> ok web.iad.a"]);
}

#[test]
fn beats_just_max_gap_apart_are_beats_in_a_row() {
    let mut bench = Bench::new(vec![Rule {
        recover: 2,
        ..rule("r", "web", 30.0)
    }]);
    bench.say(WEB, "", 0.0);
    for second in 1..=80 {
        if second == 50 {
            // Another is due just before, so that all are looked at.
            bench.say("web.iad.z", "", 49.5);
            bench.say(WEB, "", 50.0);
        }
        bench.entry(API, f64::from(second));
        bench.tick(f64::from(second));
    }
    bench.say(WEB, "", 80.0);
    let of_web = |line: &&String| line.ends_with("web.iad.a");
    let changes: Vec<&String> = bench.said.iter().filter(of_web).collect();
    assert_eq!(
        changes,
        ["30 ok -> firing web.iad.a", "80 firing -> ok web.iad.a"]
    );
}

#[test]
fn one_that_is_late_is_well_again_where_messages_were_lost_meanwhile() {
    let mut bench = Bench::new(vec![Rule {
        hold: seconds(10.0),
        ..rule("r", "web", 30.0)
    }]);
    bench.say(WEB, "", 0.0);
    for second in (5..=100).step_by(5) {
        bench.entry(API, f64::from(second));
        bench.tick(f64::from(second));
        match second {
            5 => bench.feed(Feed::Intact, 5.0),
            35 => bench.feed(Feed::Dropped, 36.0),
            _ => {}
        }
    }
    // What came between 5 s and 40 s is not known: its beats may be among them.
    assert_eq!(
        bench.said[..5],
        [
            "30 ok -> pending web.iad.a",
            "40 pending -> ok web.iad.a",
            "80 ok -> pending web.iad.a",
            "90 pending -> firing web.iad.a",
            "90 HeartbeatMissed a opened"
        ]
    );
}

#[test]
fn an_answer_changes_nothing_for_one_whose_rule_is_gone_meanwhile() {
    let mut bench = bench(vec![rule("r", "web", 30.0)]);
    bench.say(WEB, "", 0.0);
    for second in 1..=32 {
        bench.entry(API, f64::from(second));
        bench.tick(f64::from(second));
    }
    assert!(bench.engine.take_candidates().is_some(), "it waits");
    bench.engine.reload(RuleSet::default(), at(33.0));
    poll(&mut bench, 34.0, started(&[WEB, API]));
    for second in 35..=60 {
        bench.entry(API, f64::from(second));
        bench.tick(f64::from(second));
    }
    assert_eq!(bench.told(), [""; 0]);
}
