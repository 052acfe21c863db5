//! The core in virtual time, as a whole.

mod acknowledge;
mod beats;
pub(in crate::core) mod bench;
mod blind;
mod budget;
mod cause;
mod changing;
mod copying;
mod crash;
mod downstream;
mod downstream_states;
mod evidence;
mod factors;
mod flapping;
mod flood;
mod forgetting;
mod groups;
mod growth;
mod inventory;
mod joining;
mod late_news;
mod life;
mod members;
mod moving;
mod notices;
mod opinion;
mod restart;
mod restart_stories;
mod routing;
mod rules;
mod scopes;
mod states;
mod stops;
mod stream;
mod thresholds;
mod unheard;
mod updates;

use crate::core::engine::Feed;
use crate::core::entry::Reject;
use crate::core::notice::{Alarm, CloseReason};
use crate::core::rule::{FORGET_AFTER, MaxGap, Rule, Watch};
use crate::core::targets::table::State;
use bench::{Bench, at, rule, seconds};
use std::time::Duration;

const TWO: [&str; 2] = ["web.iad.a", "web.iad.b"];

#[test]
fn one_who_stops_fires_when_max_gap_is_over_and_the_next_entry_proves_that_we_listened() {
    let mut bench = Bench::new(vec![rule("r", "*", 30.0)]);
    bench.beats(&TWO, (0..=100).step_by(10));
    bench.beats(&TWO[..1], (110..=130).step_by(10));
    assert_eq!(
        bench.told(),
        Vec::<&str>::new(),
        "a gap of just max_gap is allowed"
    );
    bench.say(TWO[0], "", 131.0);
    assert!(bench.engine.overdue());
    bench.tick(131.0);
    bench.beats(&TWO, (140..=170).step_by(10));
    assert_eq!(
        bench.said,
        [
            "130 ok -> firing web.iad.b",
            "130 HeartbeatMissed b opened",
            "140 firing -> ok web.iad.b",
            "140 HeartbeatMissed b closed resolved"
        ]
    );
}

#[test]
fn judged_late_the_answer_is_the_same() {
    let run = |evaluations: &[u64]| {
        let mut bench = Bench::new(vec![Rule {
            hold: seconds(5.0),
            ..rule("r", "*", 30.0)
        }]);
        bench.beats(&TWO, (0..=100).step_by(10));
        for second in 101..200 {
            bench.say(TWO[0], "", second as f64);
            if evaluations.contains(&second) {
                bench.tick(second as f64);
            }
        }
        bench.said
    };
    let eager: Vec<u64> = (101..200).collect();
    assert_eq!(run(&eager), run(&[190]));
    assert_eq!(
        run(&[190]),
        [
            "130 ok -> pending web.iad.b",
            "135 pending -> firing web.iad.b",
            "135 HeartbeatMissed b opened"
        ]
    );
}

#[test]
fn when_all_stop_the_stream_fires_alone_and_when_they_come_back_nobody_fires() {
    let mut bench = Bench::new(vec![rule("r", "*", 30.0)]);
    bench.beats(&TWO, (0..=100).step_by(10));
    (101..=700).for_each(|second| {
        bench.tick(second as f64);
    });
    bench.beats(&TWO, [701, 711, 721]);
    assert_eq!(
        bench.said,
        [
            "160 StreamStalled  opened",
            "701 StreamStalled  closed resolved"
        ]
    );
}

#[test]
fn one_who_does_not_come_back_with_the_stream_fires_after_another_max_gap_of_listening() {
    let mut bench = Bench::new(vec![rule("r", "*", 30.0)]);
    bench.beats(&TWO, (0..=100).step_by(10));
    bench.tick(500.0);
    bench.beats(&TWO[..1], (600..=650).step_by(10));
    assert_eq!(
        bench.told(),
        [
            "160 StreamStalled  opened",
            "600 StreamStalled  closed resolved",
            "640 HeartbeatMissed b opened"
        ]
    );
}

#[test]
fn blind_time_counts_for_nobody() {
    for feed in [Feed::Lost, Feed::Suspended] {
        let mut bench = Bench::new(vec![rule("r", "*", 30.0)]);
        bench.beats(&TWO, (0..=100).step_by(10));
        bench.feed(feed, 101.0);
        // Thirty seconds, and one interval of ten for what may have passed unseen.
        bench.beats(&TWO[..1], (150..=190).step_by(10));
        assert_eq!(bench.told(), Vec::<&str>::new(), "{feed:?}");
        bench.beats(&TWO[..1], [191]);
        assert_eq!(bench.told(), ["190 HeartbeatMissed b opened"], "{feed:?}");
    }
}

#[test]
fn a_new_gap_in_a_firing_alert_begins_the_count_of_recover_anew() {
    let mut bench = Bench::new(vec![Rule {
        recover: 2,
        ..rule("r", "web", 30.0)
    }]);
    bench.beats(&TWO, [0]);
    bench.beats(&TWO[..1], (10..=40).step_by(10));
    bench.beats(&TWO, [50]);
    bench.beats(&TWO[..1], (60..=90).step_by(10));
    bench.beats(&TWO, [100]);
    assert_eq!(
        bench.told(),
        ["30 HeartbeatMissed b opened"],
        "one beat in 30s is no recovery"
    );
    bench.beats(&TWO, (110..=140).step_by(10));
    assert_eq!(
        bench.told(),
        [
            "30 HeartbeatMissed b opened",
            "110 HeartbeatMissed b closed resolved"
        ]
    );
}

#[test]
fn a_beat_while_pending_relieves_without_a_word() {
    let mut bench = Bench::new(vec![Rule {
        hold: seconds(20.0),
        ..rule("r", "*", 30.0)
    }]);
    bench.beats(&TWO, [0]);
    bench.beats(&TWO[..1], [10, 20, 30, 40]);
    bench.beats(&TWO, [45, 50]);
    assert_eq!(
        bench.said,
        ["30 ok -> pending web.iad.b", "45 pending -> ok web.iad.b"]
    );
}

#[test]
fn who_says_bye_is_not_missed_and_is_watched_again_from_its_next_beat_on() {
    let mut bench = Bench::new(vec![rule("r", "*", 30.0)]);
    bench.beats(&TWO, [0, 10]);
    bench.say(TWO[1], "bye", 11.0);
    bench.beats(&TWO[..1], (20..=300).step_by(10));
    assert_eq!(bench.told(), Vec::<&str>::new());
    bench.beats(&TWO, [310]);
    bench.beats(&TWO[..1], (320..=350).step_by(10));
    assert_eq!(bench.told(), ["340 HeartbeatMissed b opened"]);
    bench.say(TWO[1], "bye", 360.0);
    assert_eq!(
        bench.told().last(),
        Some(&"360 HeartbeatMissed b closed stopped")
    );
}

#[test]
fn of_rules_that_watch_the_same_thing_the_first_that_matches_has_it() {
    let mut bench = Bench::new(vec![
        rule("slow", "batch-*", 100.0),
        rule("rest", "*", 30.0),
    ]);
    bench.beats(&["batch-1.iad.a", "web.iad.b", "x.iad.c"], [0]);
    bench.beats(&["x.iad.c"], (10..=120).step_by(10));
    assert_eq!(
        bench.told(),
        [
            "30 HeartbeatMissed b opened",
            "100 HeartbeatMissed a opened"
        ]
    );
}

#[test]
fn auto_is_three_times_what_the_beat_declares() {
    let auto = Rule {
        max_gap: MaxGap::Auto,
        ..rule("r", "*", 0.0)
    };
    let mut bench = Bench::new(vec![auto]);
    bench.say("web.iad.a", "every=20", 0.0);
    bench.say("api.iad.b", "", 0.0);
    bench.beats(&["x.iad.c"], (10..=3610).step_by(10));
    assert_eq!(
        bench.told(),
        [
            "61 HeartbeatMissed a opened",
            "3600 HeartbeatMissed b opened"
        ]
    );
}

#[test]
fn each_name_of_a_beat_is_watched_on_its_own() {
    let mut bench = Bench::new(vec![rule("r", "*", 30.0)]);
    bench.say(TWO[0], "name=worker", 0.0);
    bench.beats(&TWO[..1], (0..=40).step_by(10));
    assert_eq!(bench.told(), ["30 HeartbeatMissed a opened"]);
    let notice = bench.engine.open_incidents().next().expect("it is open");
    assert_eq!(
        (notice.who.beat.as_str(), notice.alarm),
        ("worker", Alarm::Heartbeat)
    );
}

#[test]
fn a_rule_that_watches_logs_takes_any_entry_of_the_app_for_life() {
    let mut bench = Bench::new(vec![Rule {
        watch: Watch::Logs,
        ..rule("r", "web", 30.0)
    }]);
    bench.entry("web.iad.a", 0.0);
    for second in (10..=60).step_by(10) {
        bench.entry("api.iad.c", second as f64);
        bench.tick(second as f64);
    }
    assert_eq!(bench.told(), ["30 LogsMissed a opened"]);
    bench.entry("web.iad.a", 61.0);
    bench.entry("web.iad.a", 91.0);
    bench.tick(91.0);
    assert_eq!(
        bench.told().last(),
        Some(&"61 LogsMissed a closed resolved")
    );
}

#[test]
fn who_never_beats_is_no_target_and_ignored_apps_only_prove_the_stream() {
    let mut bench = Bench::new(vec![rule("r", "*", 30.0)]);
    bench.entry("job.iad.a", 0.0);
    for second in 0..200 {
        assert!(
            bench
                .say("fly-builder-x.iad.b", "", f64::from(second))
                .is_none()
        );
        bench.tick(f64::from(second));
    }
    assert_eq!(bench.said, Vec::<String>::new());
    let snapshot = bench.engine.snapshot(at(200.0), 10);
    assert_eq!((snapshot.instances.len(), snapshot.apps.len()), (1, 2));
    assert_eq!(snapshot.listened, Duration::from_secs(199));
}

#[test]
fn one_unheard_for_a_day_of_listening_is_forgotten_and_its_incident_closes() {
    let mut bench = Bench::new(vec![rule("r", "*", 30.0)]);
    bench.beats(&TWO, [0]);
    let day = FORGET_AFTER.as_secs();
    bench.beats(&TWO[..1], (10..=day + 120).step_by(10));
    assert_eq!(bench.told().len(), 2);
    assert!(
        bench.told()[1].ends_with("HeartbeatMissed b closed forgotten"),
        "{:?}",
        bench.told()
    );
    let snapshot = bench.engine.snapshot(at((day + 120) as f64), 10);
    assert_eq!((snapshot.instances.len(), snapshot.beats.len()), (1, 1));
    bench.beats(&TWO, [day + 130]);
    assert_eq!(
        bench
            .engine
            .snapshot(at((day + 130) as f64), 10)
            .beats
            .len(),
        2,
        "its slot serves again"
    );
}

#[test]
fn intervals_are_given_only_between_beats_of_one_life_in_listened_time() {
    let mut bench = Bench::new(vec![]);
    assert_eq!(bench.say(TWO[0], "", 0.0), None);
    assert_eq!(bench.say(TWO[0], "", 10.0), Some(seconds(10.0)));
    bench.feed(Feed::Lost, 11.0);
    assert_eq!(bench.say(TWO[0], "", 20.0), None);
    assert_eq!(
        bench.say(TWO[0], "bye", 25.0),
        None,
        "a stop is no part of the rhythm"
    );
    assert_eq!(bench.say(TWO[0], "", 30.0), None);
}

#[test]
fn holes_in_a_count_are_lost_beats_and_a_step_back_is_a_restart() {
    let mut bench = Bench::new(vec![]);
    for (second, seq) in [1, 2, 5, 1, 2].into_iter().enumerate() {
        bench.say(TWO[0], &format!("seq={seq}"), second as f64);
    }
    let snapshot = bench.engine.snapshot(at(5.0), 10);
    assert_eq!((snapshot.apps[0].beats, snapshot.apps[0].lost), (5, 2));
}

#[test]
fn entries_late_from_everyone_are_the_streams_own_incident() {
    let mut bench = Bench::new(vec![]);
    let late = |second: u64| {
        if second < 60 {
            seconds(300.0)
        } else {
            seconds(1.0)
        }
    };
    for second in 0..100 {
        let id = bench.entry(TWO[1], second as f64).expect("it is tracked");
        bench.engine.lag_sample(id, late(second));
        let id = bench.entry(TWO[0], second as f64).expect("it is tracked");
        bench.engine.lag_sample(id, late(second));
        bench.tick(second as f64);
    }
    assert_eq!(
        bench.told(),
        [
            "10 StreamLagging  opened",
            "60 StreamLagging  closed resolved"
        ]
    );
}

#[test]
fn the_wake_is_the_next_deadline_and_never_later_than_a_second() {
    let mut bench = Bench::new(vec![rule("r", "*", 1.5)]);
    bench.beats(&TWO, [0]);
    assert_eq!(bench.tick(0.2), at(1.2).mono);
    assert_eq!(bench.tick(1.0), at(1.5).mono + Duration::from_nanos(1));
    assert_eq!(
        bench.tick(1.6),
        at(2.6).mono,
        "a deadline that waits for an entry does not spin"
    );
}

#[test]
fn numbers_of_incidents_count_up_and_closing_keeps_them() {
    let mut bench = Bench::new(vec![rule("r", "*", 30.0)]);
    bench.beats(&["web.iad.a", "api.iad.b"], [0]);
    bench.beats(&["x.iad.c"], (10..=40).step_by(10));
    let open: Vec<u64> = bench
        .engine
        .open_incidents()
        .map(|notice| notice.incident.0)
        .collect();
    assert_eq!(open, [1, 2]);
    let counts = bench.engine.snapshot(at(40.0), 10);
    let firing = counts
        .alerts
        .iter()
        .find(|row| &*row.rule == "r" && row.state == State::Firing.label());
    assert_eq!(firing.map(|row| row.count), Some(2));
}

#[test]
fn what_is_rejected_is_counted_by_reason() {
    let mut bench = Bench::new(vec![]);
    bench.engine.reject(Reject::PayloadJson);
    bench.engine.reject(Reject::PayloadJson);
    let counted: Vec<_> = bench
        .engine
        .rejected()
        .filter(|(_, count)| *count > 0)
        .collect();
    assert_eq!(counted, [(Reject::PayloadJson, 2)]);
    assert_eq!(CloseReason::RuleRemoved.label(), "rule removed");
}
