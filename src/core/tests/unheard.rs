//! Machines that the inventory lists and that were never heard, or never beat.

use crate::core::inventory::{Listed, Machine, Purpose};
use crate::core::rule::{Globs, Rule};
use crate::core::tests::bench::{Bench, rule, seconds};
use crate::core::tests::inventory::{bench, machine, poll, started};
use std::sync::Arc;

const WEB: &str = "web.iad.a";
const API: &str = "api.lhr.b";
const NEW: &str = "web.iad.new";

/// A core that knows two that beat, and got its first answer at 20 s.
fn known(rules: Vec<Rule>) -> Bench {
    let mut bench = bench(rules);
    bench.beats(&[WEB, API], [0, 10, 20]);
    poll(&mut bench, 20.2, started(&[WEB, API]));
    bench
}

/// An answer with a further machine.
fn lists(bench: &mut Bench, second: f64, machine: Machine) {
    let mut all = started(&[WEB, API]);
    all.push(machine);
    poll(bench, second, all);
}

fn service(who: &str, group: &str, listed: Listed) -> Machine {
    Machine {
        purpose: Purpose::Service,
        group: Some(Arc::from(group)),
        ..machine(who, listed)
    }
}

#[test]
fn of_those_that_were_never_heard_only_one_that_runs_is_expected() {
    for (listed, expected) in [
        (Listed::Started, true),
        (Listed::Starting, false),
        (Listed::Stopped, false),
        (Listed::Failed, false),
        (Listed::Gone, false),
        (Listed::Unknown, false),
    ] {
        for unreachable in [false, true] {
            let mut bench = known(vec![rule("r", "*", 30.0)]);
            let mut new = machine(NEW, listed);
            new.unreachable = unreachable;
            lists(&mut bench, 21.0, new);
            let is_known = bench.engine.find("logs.web.iad.new").is_some();
            assert_eq!(is_known, expected, "{listed:?} {unreachable}");
        }
    }
}

#[test]
fn one_that_starts_for_five_minutes_is_expected_where_its_host_can_be_reached() {
    for unreachable in [false, true] {
        let mut bench = known(vec![rule("r", "*", 30.0)]);
        let mut new = machine(NEW, Listed::Starting);
        new.unreachable = unreachable;
        let mut known_at = None;
        for second in (30..=400).step_by(10) {
            bench.beats(&[WEB, API], [second]);
            lists(&mut bench, second as f64 + 1.0, new.clone());
            if bench.engine.find("logs.web.iad.new").is_some() {
                known_at.get_or_insert(second + 1);
            }
        }
        assert_eq!(known_at, (!unreachable).then_some(331));
    }
}

#[test]
fn a_machine_is_expected_by_a_rule_that_matches_its_app_and_its_region_and_is_not_ignored() {
    let elsewhere = Rule {
        region: Globs(vec!["lhr".to_owned()]),
        ..rule("r", "web", 30.0)
    };
    let here = Rule {
        region: Globs(vec!["iad".to_owned()]),
        ..rule("r", "web", 30.0)
    };
    let builder = "fly-builder-x.iad.new";
    for (rule, who, expected) in [
        (here, NEW, true),
        (elsewhere, NEW, false),
        (rule("r", "api", 30.0), NEW, false),
        (rule("r", "quiet", 30.0), "quiet.iad.new", true),
        (rule("r", "fly-builder-x", 30.0), builder, false),
    ] {
        let mut bench = known(vec![rule.clone()]);
        lists(&mut bench, 21.0, machine(who, Listed::Started));
        let is_known = bench.engine.find(&format!("logs.{who}")).is_some();
        assert_eq!(is_known, expected, "{who} {:?} {:?}", rule.app, rule.region);
    }
}

#[test]
fn one_that_logged_and_does_not_run_need_not_beat_as_others_of_its_work_do() {
    for (listed, told) in [
        (Listed::Started, &["55 HeartbeatMissed hung opened"][..]),
        (Listed::Stopped, &[]),
    ] {
        let mut bench = bench(vec![rule("r", "*", 30.0)]);
        bench.beats(&[WEB, API], [0, 10, 20]);
        bench.entry("web.iad.hung", 21.0);
        let all = [
            service(WEB, "web", Listed::Started),
            service("web.iad.hung", "web", listed),
        ];
        poll(&mut bench, 22.0, all.to_vec());
        bench.beats(&[WEB, API], [25]);
        poll(&mut bench, 26.0, all.to_vec());
        bench.beats(&[WEB, API], (30..=60).step_by(10));
        poll(&mut bench, 61.0, all.to_vec());
        bench.beats(&[WEB, API], (70..=150).step_by(10));
        assert_eq!(bench.told(), told, "{listed:?}");
    }
}

#[test]
fn one_whose_first_word_is_a_beat_after_a_stop_is_watched_from_that_beat_on() {
    let mut bench = known(vec![rule("r", "*", 30.0)]);
    lists(&mut bench, 21.0, machine(NEW, Listed::Started));
    bench.beats(&[WEB, API], [22]);
    lists(&mut bench, 25.0, machine(NEW, Listed::Stopped));
    bench.beats(&[WEB, API], [30]);
    bench.beats(&[WEB, API, NEW], [40, 50]);
    lists(&mut bench, 51.0, machine(NEW, Listed::Started));
    bench.beats(&[WEB, API], [60, 70, 80]);
    lists(&mut bench, 81.0, machine(NEW, Listed::Started));
    bench.beats(&[WEB, API], [90]);
    assert_eq!(bench.told(), ["80 HeartbeatMissed new opened"]);
}

#[test]
fn one_that_never_beat_is_told_once_while_it_runs_and_the_next_one_is_told_too() {
    let short = Rule {
        forget_after: seconds(100.0),
        ..rule("r", "*", 30.0)
    };
    let (first, second) = ("web.iad.first", "web.iad.second");
    let mut bench = bench(vec![short]);
    bench.beats(&[WEB, API], [0, 10, 20]);
    for now in (21..=600).step_by(3) {
        bench.beats(&[WEB, API], [now]);
        let mut all = vec![
            service(WEB, "web", Listed::Started),
            service(first, "web", Listed::Started),
        ];
        bench.entry(first, now as f64);
        if now > 300 {
            bench.entry(second, now as f64);
            all.push(service(second, "web", Listed::Started));
        }
        poll(&mut bench, now as f64 + 1.0, all);
        bench.tick(now as f64 + 1.0);
    }
    let told = bench.told().into_iter();
    let told: Vec<&str> = told
        .map(|line| line.split_once(' ').expect("a time").1)
        .collect();
    assert_eq!(
        told,
        [
            "HeartbeatMissed first opened",
            "HeartbeatMissed first closed forgotten",
            "HeartbeatMissed second opened",
            "HeartbeatMissed second closed forgotten",
        ]
    );
}
