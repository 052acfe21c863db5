//! Machines that go on under their id in another region.

use crate::core::inventory::{Listed, Machine, Purpose};
use crate::core::rule::{FORGET_AFTER, Rule, Watch};
use crate::core::tests::bench::{Bench, rule};
use crate::core::tests::inventory;
use std::sync::Arc;
use std::time::Duration;

const OLD: &str = "web.iad.m";
const NEW: &str = "web.ord.m";
const LOG: &str = "log.fra.x";

/// Looks each second, at which something logs.
fn passes(bench: &mut Bench, from: u64, until: u64) {
    for second in from..=until {
        bench.entry(LOG, second as f64);
        bench.tick(second as f64);
    }
}

/// Something that an instance does.
#[derive(Clone, Copy, Debug)]
enum Does {
    Beats,
    BeatsAsWorker,
    Logs,
    /// It says nothing; the platform logs about it.
    IsLoggedAbout,
}

impl Does {
    fn at(self, bench: &mut Bench, who: &str, second: f64) {
        match self {
            Does::Beats => drop(bench.say(who, "", second)),
            Does::BeatsAsWorker => drop(bench.say(who, "name=worker", second)),
            Does::Logs => drop(bench.entry(who, second)),
            Does::IsLoggedAbout => bench.logged_about(who, second),
        }
    }
}

fn logs() -> Rule {
    Rule {
        watch: Watch::Logs,
        ..rule("r", "web", 30.0)
    }
}

#[test]
fn namesakes_that_start_within_a_second_are_two_machines_and_a_later_one_is_the_same() {
    for (start, is_missed) in [(20.5, true), (21.0, true), (21.25, false), (45.0, false)] {
        let mut bench = Bench::new(vec![rule("r", "web", 30.0)]);
        bench.beats(&[OLD], [0, 10, 20]);
        passes(&mut bench, 20, start as u64);
        bench.say(NEW, "", start);
        for second in start as u64 + 1..=60 {
            bench.say(NEW, "", second as f64);
            passes(&mut bench, second, second);
        }
        let told: &[&str] = if is_missed {
            &["50 HeartbeatMissed m opened"]
        } else {
            &[]
        };
        assert_eq!(bench.told(), told, "{start}");
    }
}

#[test]
fn one_is_missed_unless_what_it_did_goes_on_elsewhere_and_not_here() {
    use Does::{Beats, BeatsAsWorker, IsLoggedAbout, Logs};
    let beats = rule("r", "web", 30.0);
    for (rule, before, after, lives_on, is_missed) in [
        (&beats, Beats, Beats, false, false),
        (&beats, BeatsAsWorker, BeatsAsWorker, false, false),
        (&beats, BeatsAsWorker, Beats, false, true),
        (&beats, Beats, BeatsAsWorker, false, true),
        (&beats, Beats, Logs, false, true),
        (&beats, Beats, Beats, true, true),
        (&logs(), Logs, Logs, false, false),
        (&logs(), Logs, IsLoggedAbout, false, true),
        (&logs(), Logs, Logs, true, true),
    ] {
        let mut bench = Bench::new(vec![rule.clone()]);
        for second in [0.0, 10.0, 20.0] {
            before.at(&mut bench, OLD, second);
        }
        passes(&mut bench, 20, 21);
        after.at(&mut bench, NEW, 22.0);
        if lives_on {
            before.at(&mut bench, OLD, 22.0);
        }
        for second in [32, 42, 52, 62] {
            passes(&mut bench, second - 9, second - 1);
            after.at(&mut bench, NEW, second as f64);
        }
        let told = bench.told();
        let opened = if lives_on { "52" } else { "50" };
        let missed =
            told.len() == 1 && told[0].starts_with(opened) && told[0].contains(" m opened");
        let is_right = if is_missed { missed } else { told.is_empty() };
        assert!(is_right, "{before:?} {after:?} {lives_on}: {told:?}");
    }
}

#[test]
fn a_beat_that_is_only_expected_elsewhere_is_no_sign_of_a_move() {
    let other = "web.lhr.z";
    let service = |who: &&str| Machine {
        purpose: Purpose::Service,
        group: Some(Arc::from("web")),
        ..inventory::machine(who, Listed::Started)
    };
    let all: Vec<Machine> = [OLD, NEW, other].iter().map(service).collect();
    let mut bench = inventory::bench(vec![rule("r", "web", 30.0)]);
    bench.beats(&[OLD, other], [0, 10, 20]);
    bench.entry(NEW, 22.0);
    for second in [23.0, 25.0] {
        inventory::poll(&mut bench, second, all.clone());
    }
    let expected = bench.engine.facts.tracker.beat_count();
    assert_eq!(expected, 3, "it does the work of those that beat");
    bench.beats(&[other], [30, 40, 51]);
    inventory::poll(&mut bench, 52.0, all);
    bench.beats(&[other], [53]);
    assert_eq!(bench.told(), ["50 HeartbeatMissed m opened"]);
}

#[test]
fn the_first_beat_elsewhere_closes_the_alert_of_the_same_beat_here_and_no_other() {
    use Does::{Beats, BeatsAsWorker, Logs};
    for (before, who, after, closes) in [
        (Beats, NEW, Beats, true),
        (BeatsAsWorker, NEW, BeatsAsWorker, true),
        (BeatsAsWorker, NEW, Beats, false),
        (Beats, NEW, Logs, false),
        (Beats, "web.ord.other", Beats, false),
    ] {
        let mut bench = Bench::new(vec![rule("r", "web", 30.0)]);
        for second in [0.0, 10.0, 20.0] {
            before.at(&mut bench, OLD, second);
        }
        passes(&mut bench, 20, 24);
        bench.entry(NEW, 25.0);
        passes(&mut bench, 26, 59);
        after.at(&mut bench, who, 60.0);
        passes(&mut bench, 60, 80);
        let mut told = vec!["50 HeartbeatMissed m opened"];
        if closes {
            told.push("60 HeartbeatMissed m closed stopped");
        }
        assert_eq!(bench.told(), told, "{before:?} {who} {after:?}");
    }
}

#[test]
fn one_that_takes_the_place_of_a_forgotten_namesake_ends_nobody_s_alert() {
    let remembered = Rule {
        forget_after: FORGET_AFTER * 10,
        ..rule("r", "web", 30.0)
    };
    let mut bench = Bench::new(vec![remembered]);
    bench.beats(&[OLD], [0, 10, 20]);
    bench.entry(NEW, 25.0);
    let later = (FORGET_AFTER + Duration::from_secs(300)).as_secs();
    for second in (30..later).step_by(30) {
        bench.entry(LOG, second as f64);
        bench.tick(second as f64);
    }
    assert!(
        bench.engine.find("logs.web.ord.m").is_none(),
        "it is forgotten"
    );
    let told = ["50 HeartbeatMissed m opened"];
    assert_eq!(bench.told(), told);
    bench.say("job.ord.j", "", later as f64);
    bench.tick(later as f64);
    assert_eq!(bench.told(), told);
}
