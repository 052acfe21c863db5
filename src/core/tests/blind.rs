//! Beats that were missed, and beats that arrived late.

use crate::core::engine::Feed;
use crate::core::rule::{MaxGap, Rule};
use crate::core::snapshot::Verdict;
use crate::core::tests::bench::{Bench, at, rule, seconds};

const TWO: [&str; 2] = ["web.iad.a", "api.iad.b"];

fn verdict(bench: &Bench, second: f64, instance: &str) -> Verdict {
    let snapshot = bench.engine.snapshot(at(second), 100);
    snapshot
        .beats
        .iter()
        .find(|row| row.instance() == instance)
        .expect("it beats")
        .verdict
}

#[test]
fn after_a_long_blindness_what_was_listened_counts_less_one_interval() {
    let mut bench = Bench::new(vec![rule("r", "*", 30.0)]);
    bench.beats(&TWO, (0..=100).step_by(10));
    bench.beats(&TWO[..1], [110, 120]);
    bench.feed(Feed::Lost, 121.0);
    bench.beats(&TWO[..1], (160..=180).step_by(10));
    assert_eq!(
        verdict(&bench, 180.0, "b"),
        Verdict::Unknown,
        "it may have been heard in the 40 s of blindness"
    );
    assert_eq!(
        bench.told(),
        Vec::<&str>::new(),
        "20 s before, and 20 s less 10 s after, are just what is allowed"
    );
    bench.beats(&TWO[..1], [185]);
    assert_eq!(bench.told(), ["180 HeartbeatMissed b opened"]);
    assert_eq!(verdict(&bench, 185.0, "b"), Verdict::Silent);
}

#[test]
fn a_short_blindness_only_does_not_count() {
    let mut bench = Bench::new(vec![rule("r", "*", 30.0)]);
    bench.beats(&TWO, (0..=100).step_by(10));
    bench.say(TWO[0], "", 102.0);
    bench.feed(Feed::Lost, 103.0);
    bench.say(TWO[0], "", 106.0);
    bench.beats(&TWO[..1], (110..=150).step_by(10));
    assert_eq!(bench.told(), ["134 HeartbeatMissed b opened"]);
}

#[test]
fn the_streams_incident_keeps_what_it_opened_with_and_the_last_of_what_followed() {
    let mut bench = Bench::new(vec![]);
    bench.beats(&TWO, [0, 10]);
    bench.engine.feed_words("no address");
    bench.tick(80.0);
    for words in ["refused", "connected"] {
        bench.engine.feed_words(words);
    }
    bench.tick(81.0);
    let detail = bench
        .engine
        .open_incidents()
        .next()
        .map(|notice| notice.detail.clone());
    assert_eq!(detail.as_deref(), Some("no address; then connected"));
}

#[test]
fn messages_lost_without_a_pause_are_an_incident() {
    let mut bench = Bench::new(vec![rule("r", "*", 30.0)]);
    for second in 0..200_u64 {
        bench.say(TWO[0], "", second as f64);
        let lost = (50..150).contains(&second);
        bench.feed(
            if lost { Feed::Dropped } else { Feed::Intact },
            second as f64,
        );
        bench.tick(second as f64);
    }
    assert_eq!(
        bench.told(),
        [
            "110 StreamLossy  opened",
            "150 StreamLossy  closed resolved"
        ]
    );
}

/// Beats of two instances each ten seconds; those of `late` arrive `by` seconds after they were sent.
fn with_lateness(bench: &mut Bench, late: &str, by: f64, at_seconds: impl Iterator<Item = u64>) {
    for second in at_seconds {
        for who in TWO {
            let by = if who.contains(late) { by } else { 0.0 };
            bench.say_late(who, second as f64 - by, second as f64);
        }
        bench.tick(second as f64);
    }
}

#[test]
fn an_instance_whose_clock_is_off_is_alive_and_no_lag() {
    for off in [3600.0, -3600.0] {
        let mut bench = Bench::new(vec![rule("r", "*", 30.0)]);
        with_lateness(&mut bench, "web", off, (0..=300).step_by(10));
        assert_eq!(bench.told(), Vec::<&str>::new(), "{off}");
    }
    let mut bench = Bench::new(vec![rule("r", "*", 30.0)]);
    with_lateness(&mut bench, "web", 0.0, (0..=100).step_by(10));
    with_lateness(&mut bench, "web", 3600.0, (110..=300).step_by(10));
    assert_eq!(bench.told(), Vec::<&str>::new(), "a clock that is set back");
}

#[test]
fn a_beat_in_a_backlog_does_not_make_one_look_alive_that_died_meanwhile() {
    let mut bench = Bench::new(vec![rule("r", "*", 60.0)]);
    for second in (0..=100).step_by(10) {
        TWO.iter().for_each(|who| {
            bench.say_late(who, f64::from(second), f64::from(second));
        });
        bench.tick(f64::from(second));
    }
    // Frozen for 45 s, too short for a stall; b died right after its beat of 110.
    for said in (110..=140).step_by(10) {
        bench.say_late(TWO[0], f64::from(said), 145.0);
        if said == 110 {
            bench.say_late(TWO[1], 110.0, 145.0);
        }
    }
    for second in (150..=220).step_by(10) {
        bench.say_late(TWO[0], f64::from(second), f64::from(second));
        bench.tick(f64::from(second));
    }
    assert_eq!(
        bench.told(),
        ["215 HeartbeatMissed b opened"],
        "60 s and one interval after the pause: it proves life for the time when it was said alone"
    );
}

#[test]
fn where_everyone_is_late_the_stream_lags_and_nobody_is_dead() {
    let mut bench = Bench::new(vec![rule("r", "*", 30.0)]);
    with_lateness(&mut bench, "web", 0.0, (0..=100).step_by(10));
    for second in (110..=400).step_by(5) {
        TWO.iter().for_each(|who| {
            bench.say_late(who, f64::from(second) - 150.0, f64::from(second));
        });
        bench.tick(f64::from(second));
    }
    assert!(
        bench
            .told()
            .iter()
            .all(|line| line.contains("StreamLagging")),
        "{:?}",
        bench.told()
    );
    assert_eq!(bench.told().len(), 1);
}

#[test]
fn a_region_that_lags_is_named() {
    let mut bench = Bench::new(vec![Rule {
        max_gap: MaxGap::Fixed(seconds(600.0)),
        ..rule("r", "*", 600.0)
    }]);
    let all = ["web.iad.a", "api.iad.b", "web.lhr.c", "api.lhr.d"];
    for second in (0..=100).step_by(5) {
        for who in all {
            let late = if who.contains("lhr") { 300.0 } else { 0.0 };
            bench.say_late(who, f64::from(second) - late, f64::from(second));
        }
        bench.tick(f64::from(second));
    }
    let told = bench.told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("RegionLagging"), "{told:?}");
    assert_eq!(
        bench
            .engine
            .open_incidents()
            .next()
            .map(|notice| notice.who.region.clone()),
        Some("lhr".to_owned())
    );
}
