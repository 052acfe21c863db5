//! Intended stops, as the platform reports them.

use crate::core::entry::Lifecycle;
use crate::core::rule::{By, Rule};
use crate::core::snapshot::Verdict;
use crate::core::tests::bench::{Bench, at, rule};
use proptest::prelude::*;

const TWO: [&str; 2] = ["web.iad.a", "api.iad.b"];

#[test]
fn who_the_platform_stops_is_not_missed_and_its_last_words_revive_nobody() {
    for what in [Lifecycle::Autostop, Lifecycle::Autosuspend, Lifecycle::Done] {
        let mut bench = Bench::new(vec![rule("r", "*", 30.0)]);
        bench.beats(&TWO, [0, 10, 20]);
        bench.report(TWO[1], what, 22.0);
        bench.say(TWO[1], "", 24.0);
        bench.entry(TWO[1], 25.0);
        bench.beats(&TWO[..1], (30..=500).step_by(10));
        assert_eq!(bench.told(), Vec::<&str>::new(), "{what:?}");
    }
}

#[test]
fn who_is_started_again_has_max_gap_for_its_first_beat() {
    let mut bench = Bench::new(vec![rule("r", "*", 30.0)]);
    bench.beats(&TWO, [0, 10, 20]);
    bench.report(TWO[1], Lifecycle::Autostop, 22.0);
    bench.beats(&TWO[..1], (30..=200).step_by(10));
    bench.report(TWO[1], Lifecycle::Started, 205.0);
    bench.beats(&TWO[..1], (210..=250).step_by(10));
    assert_eq!(bench.told(), ["235 HeartbeatMissed b opened"]);
}

#[test]
fn a_beat_long_after_a_stop_or_of_another_life_proves_life() {
    for (words, second) in [("", 400), ("seq=1", 60)] {
        let mut bench = Bench::new(vec![rule("r", "*", 30.0)]);
        bench.say(TWO[1], "seq=7", 0.0);
        bench.beats(&TWO[..1], [0, 10, 20]);
        bench.report(TWO[1], Lifecycle::Autostop, 22.0);
        bench.beats(&TWO[..1], (30..=second).step_by(10));
        bench.say(TWO[1], words, second as f64);
        bench.beats(&TWO[..1], (second + 10..=second + 50).step_by(10));
        assert_eq!(
            bench.told(),
            [format!("{} HeartbeatMissed b opened", second + 30)],
            "{words}"
        );
    }
}

#[test]
fn a_stop_closes_what_it_explains_and_a_crash_is_told_in_the_incident() {
    let mut bench = Bench::new(vec![rule("r", "*", 30.0)]);
    bench.beats(&TWO, [0]);
    bench.report(TWO[1], Lifecycle::OutOfMemory, 1.0);
    bench.beats(&TWO[..1], (2..=50).step_by(2));
    let notice = bench.engine.open_incidents().next().expect("it is open");
    assert_eq!(notice.detail, "it ran out of memory");
    bench.report(TWO[1], Lifecycle::GaveUp, 55.0);
    bench.tick(55.0);
    let notice = bench
        .engine
        .open_incidents()
        .next()
        .expect("it is open still: nobody asked for this stop");
    assert!(
        notice
            .detail
            .ends_with("the platform gave up restarting it"),
        "{}",
        notice.detail
    );
    bench.report(TWO[1], Lifecycle::Done, 50.0);
    assert_eq!(
        bench.told().last(),
        Some(&"50 HeartbeatMissed b closed stopped")
    );
}

#[test]
fn a_stop_that_leaves_too_few_is_missed_where_a_rule_says_how_many() {
    let mut bench = Bench::new(vec![Rule {
        by: By::AppRegion,
        at_least: Some(2),
        ..rule("r", "web", 30.0)
    }]);
    let all = ["web.iad.a", "web.iad.b", "x.iad.c"];
    bench.beats(&all, [0, 10, 20]);
    bench.report("web.iad.b", Lifecycle::Autostop, 22.0);
    bench.beats(&["web.iad.a", "x.iad.c"], [30, 40, 50]);
    assert_eq!(
        bench.told(),
        Vec::<&str>::new(),
        "it was heard within max_gap"
    );
    bench.beats(&["web.iad.a", "x.iad.c"], [60]);
    assert_eq!(bench.told(), ["50 AppRegionSilent  opened"]);
}

/// The names of the beats of one instance: a plain one and a named one.
const NAMES: [&str; 2] = ["", "worker"];
const MAX_GAP: f64 = 30.0;

/// An event of the instance.
#[derive(Clone, Copy, Debug)]
enum Happens {
    Beat(usize),
    NamedBye,
    PlainBye,
    Started,
}

/// The expectation of one beat, as docs/guide.md has it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Expects {
    /// It was never heard.
    Nothing,
    /// It said bye, itself or with its instance.
    Stopped,
    /// It has `MAX_GAP` from this second on.
    From(f64),
    /// Its time is over.
    Silent,
}

/// The life of one instance, told again in the simplest words.
struct Told {
    beats: [Expects; 2],
    /// The last beat or bye of each, in seconds.
    seen: [f64; 2],
    /// The machine started since the last sign of life of each.
    started: [bool; 2],
    said_bye: bool,
    /// The last entry before it left.
    spoke: f64,
}

impl Told {
    fn passes(&mut self, second: f64) {
        for beat in &mut self.beats {
            if matches!(beat, Expects::From(from) if second > *from + MAX_GAP) {
                *beat = Expects::Silent;
            }
        }
    }

    fn happens(&mut self, what: Happens, second: f64) {
        if !self.said_bye && !matches!(what, Happens::Started) {
            self.spoke = second;
        }
        match what {
            Happens::Beat(name) => {
                if self.said_bye {
                    self.starts(second, Some(name));
                }
                self.heard(name, Expects::From(second), second);
            }
            Happens::NamedBye => self.bye(1, second),
            Happens::PlainBye => {
                self.said_bye = true;
                self.bye(0, second);
                if self.beats[1] != Expects::Nothing {
                    self.beats[1] = Expects::Stopped;
                }
            }
            Happens::Started => self.starts(second, None),
        }
    }

    fn heard(&mut self, name: usize, expects: Expects, second: f64) {
        (self.beats[name], self.seen[name], self.started[name]) = (expects, second, false);
    }

    fn bye(&mut self, name: usize, second: f64) {
        if self.beats[name] != Expects::Nothing {
            self.heard(name, Expects::Stopped, second);
        }
    }

    /// Beats that were live within `MAX_GAP` of the last word are expected again; the first start counts.
    fn starts(&mut self, second: f64, by: Option<usize>) {
        self.said_bye = false;
        let last_word = self.seen.iter().copied().fold(self.spoke, f64::max);
        for name in 0..NAMES.len() {
            let was_live = self.seen[name] + MAX_GAP >= last_word;
            match self.beats[name] {
                Expects::Stopped if was_live && by != Some(name) => {
                    self.heard(name, Expects::From(second), second);
                    self.started[name] = true;
                }
                Expects::From(_) if !self.started[name] => {
                    (self.beats[name], self.started[name]) = (Expects::From(second), true);
                }
                _ => {}
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn each_beat_of_an_instance_is_waited_for_as_its_byes_and_starts_say(
        life in proptest::collection::vec((prop_oneof![
            4 => Just(Happens::Beat(0)),
            4 => Just(Happens::Beat(1)),
            2 => Just(Happens::NamedBye),
            2 => Just(Happens::PlainBye),
            2 => Just(Happens::Started),
        ], 1..26_u64), 1..16),
    ) {
        let mut bench = Bench::new(vec![rule("r", "web", MAX_GAP)]);
        let who = "web.iad.a";
        let mut told = Told {
            beats: [Expects::Nothing; 2],
            seen: [0.0; 2],
            started: [false; 2],
            said_bye: false,
            spoke: 0.0,
        };
        let mut second = 0.0;
        bench.entry("log.fra.x", 0.0);
        bench.entry(who, 0.0);
        for (what, pause) in life.iter().copied().chain([(Happens::Started, 0), (Happens::Started, 60)]) {
            for _ in 0..pause {
                second += 1.0;
                bench.entry("log.fra.x", second);
                bench.tick(second);
            }
            // A moment later than the core's look: both sides of a deadline are clear.
            second += 0.125;
            told.passes(second);
            match what {
                Happens::Beat(name) => drop(bench.say(who, ["", "name=worker"][name], second)),
                Happens::NamedBye => drop(bench.say(who, "name=worker bye", second)),
                Happens::PlainBye => drop(bench.say(who, "bye", second)),
                Happens::Started => bench.report(who, Lifecycle::Started, second),
            }
            told.happens(what, second);
            bench.tick(second);
            let detail = bench.engine.detail("logs.web.iad.a", at(second)).expect("it is known");
            for (row, _) in &detail.beats {
                let name = NAMES.iter().position(|name| **name == *row.beat).expect("a name");
                let expected = match told.beats[name] {
                    Expects::Nothing => continue,
                    Expects::Stopped => Verdict::Stopped,
                    Expects::From(_) => Verdict::Live,
                    Expects::Silent => Verdict::Silent,
                };
                prop_assert_eq!(row.verdict, expected, "{:?} at {} after {:?}", row, second, what);
            }
            let known = told.beats.iter().filter(|beat| **beat != Expects::Nothing).count();
            prop_assert_eq!(detail.beats.len(), known);
        }
    }
}
