//! Signs of life that are old or come in a crowd, and how they count for an alert.

use crate::core::entry::Lifecycle;
use crate::core::inventory::Listed;
use crate::core::rule::{Rule, Watch};
use crate::core::tests::bench::{Bench, at, rule};
use crate::core::tests::inventory::{self, machine, poll};

const WEB: &str = "web.iad.a";
const API: &str = "api.lhr.b";

/// Beats that come when they are said, each ten seconds.
fn beats(bench: &mut Bench, who: &[&str], from: u32, until: u32) {
    for second in (from..=until).step_by(10) {
        for who in who {
            bench.say_late(who, f64::from(second), f64::from(second));
        }
        bench.tick(f64::from(second));
    }
}

/// Web's alert began at 130 s; at 150 s a beat comes that it said at this second.
fn silent_until_150(said: f64) -> Bench {
    let mut bench = Bench::new(vec![rule("r", "web", 30.0)]);
    beats(&mut bench, &[WEB, API], 0, 100);
    beats(&mut bench, &[API], 110, 140);
    bench.say_late(API, 150.0, 150.0);
    bench.say_late(WEB, said, 150.0);
    bench.tick(150.0);
    bench
}

#[test]
fn a_beat_that_comes_late_ends_an_alert_if_it_was_said_within_max_gap_before() {
    for (said, ends) in [(110.0, false), (119.5, false), (120.0, true), (125.0, true)] {
        let bench = silent_until_150(said);
        let changes = bench.said.iter().filter(|line| line.contains("->"));
        let mut expected = vec!["130 ok -> firing web.iad.a"];
        if ends {
            expected.push("150 firing -> ok web.iad.a");
        }
        assert_eq!(Vec::from_iter(changes), expected, "{said}");
    }
}

#[test]
fn an_alert_was_false_if_a_late_beat_was_said_within_max_gap_of_the_last() {
    for (said, late) in [(110.0, 1), (125.0, 1), (130.0, 1), (130.5, 0), (140.0, 0)] {
        let mut bench = silent_until_150(said);
        bench.say_late(WEB, 152.0, 152.0);
        bench.tick(152.0);
        let is_over = bench.said.iter().any(|line| line.contains("firing -> ok"));
        assert!(is_over, "{:?}", bench.said);
        let rows = bench.engine.snapshot(at(152.0), 0).false_alarms;
        assert_eq!(rows[0].counts, [0, late, 0], "{said}");
    }
}

#[test]
fn an_old_beat_of_one_that_is_listed_as_stopped_has_it_watched_again() {
    let mut bench = inventory::bench(vec![rule("r", "*", 30.0)]);
    beats(&mut bench, &[WEB, API], 0, 20);
    let listed = |web: Listed| vec![machine(WEB, web), machine(API, Listed::Started)];
    poll(&mut bench, 22.0, listed(Listed::Stopped));
    beats(&mut bench, &[API], 30, 60);
    // Said before the stop.
    bench.say_late(WEB, 21.0, 60.0);
    bench.tick(60.0);
    poll(&mut bench, 61.0, listed(Listed::Started));
    beats(&mut bench, &[API], 70, 90);
    poll(&mut bench, 91.0, listed(Listed::Started));
    beats(&mut bench, &[API], 100, 110);
    assert_eq!(bench.told(), ["51 HeartbeatMissed a opened"]);
}

#[test]
fn one_whose_logs_are_watched_is_silent_since_its_start_if_it_logs_nothing_then() {
    let logs = Rule {
        watch: Watch::Logs,
        ..rule("r", "web", 30.0)
    };
    let mut bench = Bench::new(vec![logs]);
    for second in 0..=250 {
        let now = f64::from(second);
        match second {
            0 | 10 | 20 => drop(bench.entry(WEB, now)),
            22 => bench.report(WEB, Lifecycle::Autostop, now),
            205 => bench.report(WEB, Lifecycle::Started, now),
            _ => {}
        }
        bench.entry(API, now);
        bench.tick(now);
    }
    assert_eq!(bench.told(), ["235 LogsMissed a opened"]);
    assert_eq!(bench.notices[0].since, at(205.0).wall);
}

#[test]
fn entries_in_one_slice_of_a_rate_are_one_sign_of_life_in_a_row() {
    let rate = Rule {
        watch: Watch::Logs,
        min_rate: Some(10),
        recover: 3,
        ..rule("r", "web", 60.0)
    };
    let mut bench = Bench::new(vec![rate]);
    for second in 0..=400 {
        let now = f64::from(second);
        if !(100..200).contains(&second) {
            bench.entry(WEB, now);
        }
        bench.entry(API, now);
        bench.tick(now);
    }
    // From 200 s on one a second: enough at 209 s, steady at 239 s, and two slices of five seconds later the third.
    let over = bench.said.iter().find(|line| line.contains("firing -> ok"));
    let over = over.map(String::as_str);
    assert_eq!(over, Some("249 firing -> ok web.iad.a"), "{:?}", bench.said);
}
