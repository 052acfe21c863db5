//! Lost beats: what they change of "auto", and what is known of false alarms.

use crate::core::engine::Feed;
use crate::core::entry::Lifecycle;
use crate::core::listening::messages::Messages;
use crate::core::persist::Saved;
use crate::core::rule::{MaxGap, Rule};
use crate::core::snapshot::threshold_rows::ThresholdRow;
use crate::core::tests::bench::{Bench, at, checkpoint, engine, rule};
use crate::core::time::Now;
use std::time::Duration;

const WEB: &str = "web.iad.a";
const API: &str = "api.iad.b";

fn auto() -> Rule {
    Rule {
        max_gap: MaxGap::Auto,
        ..rule("r", "*", 30.0)
    }
}

/// The row of the only rule.
fn row(bench: &Bench, now: Now) -> ThresholdRow {
    let mut rows = bench.engine.snapshot(now, 0).thresholds;
    rows.pop().expect("beats declare their interval")
}

fn counts(bench: &Bench, second: f64) -> [u64; 3] {
    let rows = bench.engine.snapshot(at(second), 0).false_alarms;
    rows.first().expect("there is a rule").counts
}

#[test]
fn factor_and_loss_outlive_the_process() {
    let rules = vec![auto()];
    let mut bench = Bench::new(rules.clone());
    let names: Vec<String> = (0..1_000).map(|n| format!("web.iad.{n:04}")).collect();
    for round in 0..4 {
        for name in &names {
            bench.say(name, "every=30", f64::from(round) * 30.0);
        }
        bench.tick(f64::from(round) * 30.0);
    }
    for seq in [1, 2, 4, 5] {
        bench.say(API, &format!("seq={seq}"), 91.0 + f64::from(seq) * 5.0);
    }
    let before = row(&bench, at(120.0));
    assert_eq!(before.longest.factor, 4);
    let kept = checkpoint(&mut bench.engine, true, 100, at(120.0));
    assert_eq!(kept.factors.len(), 1, "{:?}", kept.factors);
    assert_eq!(kept.losses.len(), 1, "{:?}", kept.losses);
    let saved = Saved {
        forgotten: Vec::new(),
        clock: kept.clock,
        instances: kept.instances,
        groups: kept.groups,
        losses: kept.losses.clone(),
        downstreams: kept.downstreams,
        factors: kept.factors.clone(),
        incidents: kept.incidents,
    };
    bench.engine = engine(rules, 121.0);
    bench.engine.restore(&saved, at(121.0));
    assert_eq!(row(&bench, at(121.0)).longest.factor, 4, "before any look");
    bench.tick(122.0);
    assert_eq!(row(&bench, at(122.0)).longest.factor, 4);
    let apps = bench.engine.snapshot(at(122.0), 0).apps;
    let api = apps.iter().find(|app| &*app.name == "api").expect("known");
    assert_eq!((api.odds.counted, api.odds.longest), (4, 1));
    let again = checkpoint(&mut bench.engine, true, 100, at(123.0));
    assert_eq!((again.losses, again.factors), (saved.losses, saved.factors));
}

#[test]
fn seq_that_went_on_proves_a_false_alarm_and_one_that_stood_still_does_not() {
    for (seq, lost) in [(16, 1), (11, 0), (1, 0)] {
        let mut bench = Bench::new(vec![auto()]);
        for second in 0..=10_u32 {
            bench.say(WEB, &format!("seq={second}"), f64::from(second) * 10.0);
            bench.say(API, "", f64::from(second) * 10.0);
        }
        for second in 11..=15 {
            bench.say(API, "", f64::from(second) * 10.0);
            bench.tick(f64::from(second) * 10.0);
        }
        assert!(bench.said.iter().any(|line| line.contains("-> firing web")));
        bench.say(WEB, &format!("seq={seq}"), 160.0);
        bench.tick(161.0);
        assert_eq!(counts(&bench, 161.0), [lost, 0, 0], "seq={seq}");
    }
}

#[test]
fn a_rhythm_that_was_learned_makes_the_alert_before_it_a_false_one() {
    let mut bench = Bench::new(vec![auto()]);
    let ticks = |bench: &mut Bench, from: u32, to: u32| {
        for second in (from..to).step_by(10) {
            bench.say(API, "", f64::from(second));
            bench.tick(f64::from(second));
        }
    };
    for second in (0..=100).step_by(10) {
        bench.say(WEB, "", f64::from(second));
        ticks(&mut bench, second, second + 1);
    }
    for second in [300_u32, 500] {
        ticks(&mut bench, second - 190, second);
        bench.say(WEB, "", f64::from(second));
    }
    assert_eq!(counts(&bench, 500.0), [0, 0, 1]);
}

#[test]
fn a_fixed_limit_says_what_to_expect() {
    let mut bench = Bench::new(vec![rule("r", "*", 90.0)]);
    for n in 0..1_000 {
        bench.say(&format!("web.iad.{n:04}"), "every=30", 0.0);
    }
    bench.tick(1.0);
    let row = row(&bench, at(1.0));
    assert_eq!((row.targets, row.longest.factor), (1_000, 2));
    // 1,000 instances x 2,880 beats a day x 0.003 x 0.003.
    assert!((row.expected_a_day() - 25.92).abs() < 0.01, "{row:?}");
    assert!(row.is_noisy());
    assert_eq!(row.max_gap, MaxGap::Fixed(Duration::from_secs(90)));
}

#[test]
fn messages_that_lastbeat_lost_raise_the_factor_of_every_app() {
    let mut bench = Bench::new(vec![auto()]);
    for round in 0..30 {
        let second = f64::from(round) * 30.0;
        bench.say(WEB, "every=30", second);
        let more = Messages {
            received: 1_000,
            lost: if round < 20 { 0 } else { 200 },
        };
        bench.engine.count_messages(more, at(second));
        bench.tick(second);
        let factor = row(&bench, at(second)).longest.factor;
        assert_eq!(factor > 3, round > 21, "round {round}: {factor}");
    }
}

/// Beats each ten seconds up to 100 s that count up to 10; then silence of `silent` until `until`.
fn silent_from_100_s(rule: Rule, silent: &[&str], until: u32) -> Bench {
    let mut bench = Bench::new(vec![rule]);
    for second in (0..until).step_by(10) {
        for who in silent.iter().filter(|_| second <= 100) {
            bench.say(who, &format!("seq={}", second / 10), f64::from(second));
        }
        bench.say(API, "", f64::from(second));
        bench.tick(f64::from(second));
    }
    bench
}

#[test]
fn a_count_that_went_on_at_four_fifths_of_its_pace_or_more_proves_that_it_lived() {
    for seq in 11..=30 {
        let mut bench = silent_from_100_s(auto(), &[WEB], 160);
        bench.say(WEB, &format!("seq={seq}"), 160.0);
        bench.tick(161.0);
        let lost = u64::from(seq >= 15);
        assert_eq!(counts(&bench, 161.0), [lost, 0, 0], "seq={seq}");
    }
}

#[test]
fn a_crash_after_which_the_count_goes_on_without_a_hole_is_no_false_alarm() {
    let rule = Rule {
        on_crash: true,
        ..auto()
    };
    let mut bench = silent_from_100_s(rule, &[WEB], 101);
    bench.report(WEB, Lifecycle::OutOfMemory, 102.0);
    bench.tick(103.0);
    bench.say(WEB, "seq=11", 110.0);
    bench.tick(111.0);
    let over = bench.said.last().map(String::as_str);
    assert_eq!(over, Some("110 firing -> ok web.iad.a"));
    assert_eq!(counts(&bench, 111.0), [0, 0, 0]);
}

#[test]
fn an_alert_that_ends_with_a_bye_is_no_false_alarm_whatever_was_lost() {
    let rule = Rule {
        recover: 2,
        ..auto()
    };
    for (words, lost) in [("bye", 0), ("seq=17", 1)] {
        let mut bench = silent_from_100_s(rule.clone(), &[WEB], 160);
        bench.say(WEB, "seq=16", 160.0);
        bench.say(WEB, words, 170.0);
        bench.tick(171.0);
        let over = bench.said.iter().find(|line| line.contains("firing -> ok"));
        let over = over.map(String::as_str);
        assert_eq!(over, Some("170 firing -> ok web.iad.a"), "{words}");
        assert_eq!(counts(&bench, 171.0), [lost, 0, 0], "{words}");
    }
}

#[test]
fn what_one_alone_lost_in_a_row_is_counted_unless_it_is_ten_or_more() {
    for (lost, others, longest) in [
        (5, &[][..], 5),
        (9, &[], 9),
        (10, &[], 0),
        (11, &[], 0),
        (5, &["job.lhr.c"], 0),
    ] {
        let back = 100 + 10 * (lost + 1);
        let silent = [&[WEB], others].concat();
        let mut bench = silent_from_100_s(auto(), &silent, back);
        bench.say(WEB, &format!("seq={}", 11 + lost), f64::from(back));
        let now = at(f64::from(back) + 1.0);
        bench.tick(f64::from(back) + 1.0);
        assert_eq!(counts(&bench, f64::from(back) + 1.0), [1, 0, 0]);
        let apps = bench.engine.snapshot(now, 0).apps;
        let web = apps.iter().find(|app| &*app.name == "web").expect("known");
        assert_eq!(web.odds.longest, longest, "{lost} {others:?}");
    }
}

#[test]
fn a_hole_counts_as_lost_where_lastbeat_listened_and_there_was_time_for_so_many() {
    for (seq, is_blind, lost) in [(5, false, 2), (5, true, 0), (3, true, 0), (100, false, 0)] {
        let mut bench = Bench::new(vec![rule("r", "*", 300.0)]);
        for (second, seq) in [(0.0, 0), (10.0, 1), (20.0, 2)] {
            bench.say(WEB, &format!("seq={seq}"), second);
        }
        if is_blind {
            bench.entry(API, 39.0);
            bench.feed(Feed::Lost, 40.0);
        }
        bench.say(WEB, &format!("seq={seq}"), 50.0);
        let apps = bench.engine.snapshot(at(50.0), 0).apps;
        let web = apps.iter().find(|app| &*app.name == "web").expect("known");
        let counted = if lost > 0 { 2 + 3 } else { 2 };
        let odds = (web.odds.counted, web.odds.longest);
        assert_eq!(odds, (counted, lost), "seq={seq} {is_blind}");
    }
}
