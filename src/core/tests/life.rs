//! Intended stops, as the platform reports them.

use crate::core::entry::Lifecycle;
use crate::core::rule::{By, Rule};
use crate::core::tests::bench::{Bench, rule};

const TWO: [&str; 2] = ["web.iad.a", "api.iad.b"];

fn told_by(bench: &mut Bench, who: &str, what: Lifecycle, second: f64) {
    let id = bench
        .engine
        .find(&format!("logs.{who}"))
        .expect("it is known");
    bench.engine.arrive(crate::core::tests::bench::at(second));
    bench.engine.lifecycle(id, what);
    bench.keep();
}

#[test]
fn who_the_platform_stops_is_not_missed_and_its_last_words_revive_nobody() {
    for what in [Lifecycle::Autostop, Lifecycle::Autosuspend, Lifecycle::Done] {
        let mut bench = Bench::new(vec![rule("r", "*", 30.0)]);
        bench.beats(&TWO, [0, 10, 20]);
        told_by(&mut bench, TWO[1], what, 22.0);
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
    told_by(&mut bench, TWO[1], Lifecycle::Autostop, 22.0);
    bench.beats(&TWO[..1], (30..=200).step_by(10));
    told_by(&mut bench, TWO[1], Lifecycle::Started, 205.0);
    bench.beats(&TWO[..1], (210..=250).step_by(10));
    assert_eq!(bench.told(), ["235 HeartbeatMissed b opened"]);
}

#[test]
fn a_beat_long_after_a_stop_or_of_another_life_proves_life() {
    for (words, second) in [("", 400), ("seq=1", 60)] {
        let mut bench = Bench::new(vec![rule("r", "*", 30.0)]);
        bench.say(TWO[1], "seq=7", 0.0);
        bench.beats(&TWO[..1], [0, 10, 20]);
        told_by(&mut bench, TWO[1], Lifecycle::Autostop, 22.0);
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
    told_by(&mut bench, TWO[1], Lifecycle::OutOfMemory, 1.0);
    bench.beats(&TWO[..1], (2..=50).step_by(2));
    let notice = bench.engine.open_incidents().next().expect("it is open");
    assert_eq!(notice.detail, "it ran out of memory");
    told_by(&mut bench, TWO[1], Lifecycle::GaveUp, 55.0);
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
    told_by(&mut bench, TWO[1], Lifecycle::Done, 50.0);
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
    told_by(&mut bench, "web.iad.b", Lifecycle::Autostop, 22.0);
    bench.beats(&["web.iad.a", "x.iad.c"], [30, 40, 50]);
    assert_eq!(
        bench.told(),
        Vec::<&str>::new(),
        "it was heard within max_gap"
    );
    bench.beats(&["web.iad.a", "x.iad.c"], [60]);
    assert_eq!(bench.told(), ["50 AppRegionSilent  opened"]);
}
