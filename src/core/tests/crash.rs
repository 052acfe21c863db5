//! Crashes and machines stuck in their start, with an inventory; and evictions.

use crate::core::entry::Lifecycle;
use crate::core::inventory::{Exit, Listed, Machine, Purpose};
use crate::core::rule::Rule;
use crate::core::tests::bench::{Bench, rule, seconds};
use crate::core::tests::inventory::{bench, machine, poll, started};

const WEB: &str = "web.iad.a";
const API: &str = "api.lhr.b";

fn listed(web: Machine) -> Vec<Machine> {
    vec![web, machine(API, Listed::Started)]
}

#[test]
fn a_crash_that_the_inventory_follows_with_not_started_is_a_death_at_max_gap() {
    let exit = |requested, code| {
        Some(Exit {
            requested,
            code: Some(code),
            oom: false,
        })
    };
    for (lines, exit, told) in [
        (&[Lifecycle::OutOfMemory][..], None, 1),
        (&[Lifecycle::GaveUp], None, 1),
        (&[Lifecycle::Failed], None, 1),
        (&[Lifecycle::OutOfMemory, Lifecycle::NotRestarted], None, 1),
        (&[Lifecycle::Failed], exit(false, 1), 1),
        (&[Lifecycle::Failed], exit(true, 143), 0),
        (&[Lifecycle::OutOfMemory, Lifecycle::Done], None, 0),
        (&[Lifecycle::Autostop, Lifecycle::Failed], None, 0),
        (&[Lifecycle::NotRestarted], None, 0),
        (&[], None, 0),
    ] {
        for listed_first in [false, true] {
            let mut bench = bench(vec![rule("r", "*", 30.0)]);
            bench.beats(&[WEB, API], [0, 10, 20]);
            let web = || Machine {
                exit,
                ..machine(WEB, Listed::Stopped)
            };
            if listed_first {
                poll(&mut bench, 21.0, listed(web()));
            }
            for line in lines {
                bench.report(WEB, *line, 22.0);
            }
            poll(&mut bench, 25.0, listed(web()));
            bench.beats(&[API], [30, 40, 51]);
            poll(&mut bench, 52.0, listed(web()));
            bench.beats(&[API], [60, 70]);
            let expected = ["50 HeartbeatMissed a opened"];
            let case = format!("{lines:?} {exit:?} listed first: {listed_first}");
            assert_eq!(bench.told(), expected[..told], "{case}");
        }
    }
}

#[test]
fn with_on_crash_a_crash_opens_at_once_and_stays_open_when_the_machine_is_not_started() {
    let rules = vec![Rule {
        on_crash: true,
        ..rule("r", "*", 300.0)
    }];
    let mut bench = bench(rules);
    bench.beats(&[WEB, API], [0, 10, 20]);
    bench.report(WEB, Lifecycle::OutOfMemory, 21.0);
    for second in [25, 60, 120] {
        bench.beats(&[API], [second]);
        poll(
            &mut bench,
            second as f64,
            listed(machine(WEB, Listed::Stopped)),
        );
    }
    assert_eq!(bench.told(), ["21 HeartbeatMissed a opened"]);
    poll(&mut bench, 130.0, vec![machine(API, Listed::Started)]);
    let last = "130 HeartbeatMissed a closed stopped";
    assert_eq!(bench.told().last(), Some(&last), "destroyed");
}

#[test]
fn a_crash_that_was_overcome_excuses_no_alarm_at_the_next_stop() {
    for beats in [true, false] {
        let mut rules = vec![rule("r", "*", 30.0)];
        if !beats {
            rules[0].watch = crate::core::rule::Watch::Logs;
        }
        let mut bench = bench(rules);
        let both = |bench: &mut Bench, seconds: &[u64]| {
            for second in seconds {
                if beats {
                    bench.beats(&[WEB, API], [*second]);
                } else {
                    bench.entry(WEB, *second as f64);
                    bench.entry(API, *second as f64);
                    bench.tick(*second as f64);
                }
            }
        };
        both(&mut bench, &[0, 10, 20]);
        bench.report(WEB, Lifecycle::OutOfMemory, 21.0);
        let on: Vec<u64> = (30..=120).step_by(10).collect();
        both(&mut bench, &on);
        poll(&mut bench, 125.0, listed(machine(WEB, Listed::Stopped)));
        for second in (130..=200).step_by(10) {
            bench.entry(API, second as f64);
            bench.say(API, "", second as f64);
            bench.tick(second as f64);
        }
        assert_eq!(bench.told(), Vec::<&str>::new(), "beats: {beats}");
    }
}

#[test]
fn a_machine_that_is_stuck_on_its_way_is_told_after_five_minutes_heard_before_or_not() {
    for (heard, left) in [(true, false), (true, true), (false, false)] {
        let mut bench = bench(vec![rule("r", "*", 1000.0)]);
        bench.beats(&["web.iad.z", API], [0]);
        if heard {
            bench.beats(&[WEB], [0]);
        }
        if left {
            bench.say(WEB, "bye", 1.0);
        }
        for second in (10..=330).step_by(10) {
            bench.beats(&["web.iad.z", API], [second]);
            let mut all = listed(machine(WEB, Listed::Starting));
            // The word changes during the start; the machine does not run yet.
            all[0].word = if second < 100 { "created" } else { "starting" }.into();
            all.extend(started(&["web.iad.z"]));
            poll(&mut bench, second as f64 + 1.0, all);
        }
        let case = format!("heard: {heard}, left: {left}");
        assert_eq!(bench.told(), ["311 HeartbeatMissed a opened"], "{case}");
        let notice = bench.engine.open_incidents().next().expect("open");
        assert!(
            notice
                .detail
                .contains("stuck in starting for more than 5 minutes"),
            "{case}: {}",
            notice.detail
        );
    }
}

#[test]
fn a_machine_that_beats_while_it_is_listed_as_on_its_way_is_not_stuck() {
    let mut bench = bench(vec![rule("r", "*", 1000.0)]);
    for second in (0..=500).step_by(10) {
        bench.beats(&[WEB, API], [second]);
        let web = machine(WEB, Listed::Starting);
        poll(&mut bench, second as f64 + 1.0, listed(web));
    }
    assert_eq!(bench.told(), Vec::<&str>::new());
}

#[test]
fn the_oldest_stopped_instances_and_beats_give_way_to_new_ones() {
    let mut bench = Bench::new(vec![rule("r", "*", 30.0)]);
    bench.engine.facts.tracker.limits.instances = 4;
    for (second, who) in ["web.iad.a", "web.iad.b", "web.iad.c"].iter().enumerate() {
        bench.say(who, "", second as f64);
        bench.say(who, "bye", second as f64 + 0.5);
    }
    bench.say("web.iad.d", "", 3.0);
    bench.say("web.iad.e", "", 4.0);
    let known = |who: &str| bench.engine.find(&format!("logs.{who}")).is_some();
    assert!(!known("web.iad.a"), "the oldest went");
    assert!(known("web.iad.b") && known("web.iad.d") && known("web.iad.e"));

    let mut bench = Bench::new(vec![rule("r", "*", 30.0)]);
    bench.say(WEB, "name=main", 0.0);
    for number in 0..200 {
        let name: &'static str = Box::leak(format!("name=job{number}").into_boxed_str());
        let id = bench.engine.find("logs.web.iad.a").expect("known");
        bench.say(WEB, name, 1.0 + f64::from(number));
        let line = crate::core::entry::BeatLine {
            marker: crate::core::entry::MarkerId(0),
            text: "HEARTBEAT bye",
            name: name.trim_start_matches("name="),
            every: None,
            seq: None,
            bye: true,
            host: "",
            entry_time: None,
        };
        bench.engine.beat(id, &line).expect("a bye finds room");
    }
    let id = bench.engine.find("logs.web.iad.a").expect("known");
    let beats = bench.engine.facts.tracker.beats_of(id);
    let names = &bench.engine.facts.tracker;
    let beats: Vec<String> = beats
        .map(|beat| {
            names
                .beat_names
                .get(names.beat_row(beat).name())
                .to_string()
        })
        .collect();
    assert!(beats.contains(&"main".to_owned()), "{beats:?}");
    assert!(beats.contains(&"job199".to_owned()), "{beats:?}");
    assert!(!beats.contains(&"job0".to_owned()), "{beats:?}");
}

#[test]
fn one_that_was_given_up_is_expected_again_from_its_next_start_on() {
    let all = || -> Vec<Machine> {
        let service = |who: &&str| Machine {
            purpose: Purpose::Service,
            group: Some("app".into()),
            ..machine(who, Listed::Started)
        };
        [WEB, "web.iad.z"].iter().map(service).collect()
    };
    for starts in [false, true] {
        let mut bench = bench(vec![Rule {
            forget_after: seconds(100.0),
            ..rule("r", "web", 30.0)
        }]);
        for second in 0..=500 {
            let now = f64::from(second);
            // It logs all the time.
            bench.entry(WEB, now);
            if second % 10 == 0 {
                bench.say("web.iad.z", "", now);
                if second <= 20 {
                    bench.say(WEB, "", now);
                }
            }
            if starts && second == 301 {
                bench.report(WEB, Lifecycle::Started, now);
            }
            if second % 30 == 15 {
                poll(&mut bench, now, all());
            }
            bench.tick(now);
        }
        let opened = bench.told().into_iter();
        let opened: Vec<&str> = opened.filter(|line| line.contains("opened")).collect();
        let told = [
            "50 HeartbeatMissed a opened",
            // It is listed as started at 315 s.
            "345 HeartbeatMissed a opened",
        ];
        assert_eq!(
            opened,
            told[..1 + usize::from(starts)],
            "it starts: {starts}"
        );
    }
}
