//! Effects of blindness on the evidence of a silence: it delays a verdict, blames no live target, and hides no death
//! for good.

use crate::core::engine::Feed;
use crate::core::rule::{MaxGap, Rule};
use crate::core::tests::bench::{Bench, rule};
use proptest::prelude::*;

const LOG: &str = "log.fra.x";
const WEB: &str = "web.iad.a";

/// A blind stretch from one second to another; nothing arrives in it.
type Blind = (f64, f64);

/// Runs an organisation in which something logs each second, and one instance beats at these seconds, with `every`
/// declared. Gives the times at which its silence was notified.
fn notified(beats: &[f64], every: f64, blind: &[Blind], until: f64) -> Vec<String> {
    let auto = Rule {
        max_gap: MaxGap::Auto,
        ..rule("r", "web", 0.0)
    };
    let mut bench = Bench::new(vec![auto]);
    let mut events: Vec<(f64, u8)> = beats.iter().map(|at| (*at, 1)).collect();
    events.extend((0..until as u64).map(|second| (second as f64 + 0.5, 0)));
    events.extend(blind.iter().map(|(from, _)| (*from, 2)));
    events.sort_by(|one, other| one.0.total_cmp(&other.0));
    for (at, kind) in events {
        let hidden = blind.iter().any(|(from, to)| (*from..*to).contains(&at));
        match kind {
            2 => bench.feed(Feed::Lost, at),
            1 if !hidden => drop(bench.say(WEB, &format!("every={every}"), at)),
            0 if !hidden => drop(bench.entry(LOG, at)),
            _ => {}
        }
        bench.tick(at);
    }
    let told = bench.told().into_iter();
    let of_beat = told.filter(|line| line.contains("HeartbeatMissed"));
    of_beat.map(str::to_owned).collect()
}

/// Beats from `phase` on, each after an interval that is longer or shorter by these hundredths of `every`.
fn beats(phase: f64, every: f64, jitter: &[i32], until: f64) -> Vec<f64> {
    let (mut at, mut all) = (phase, Vec::new());
    for percent in jitter.iter().cycle() {
        if at >= until {
            break;
        }
        all.push(at);
        at += every * (1.0 + f64::from(*percent) / 100.0);
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_live_target_is_not_blamed_across_one_blind_stretch_of_any_length_and_app_region(
        every in 4.0..120.0_f64,
        phase in 0.0..1.0_f64,
        jitter in proptest::collection::vec(-20..=20, 1..20),
        from in 3.0..6.0_f64,
        length in 0.01..6.0_f64,
    ) {
        let until = every * 16.0;
        let own = beats(every * phase, every, &jitter, until);
        let blind = [(every * from, every * (from + length))];
        prop_assert_eq!(notified(&own, every, &blind, until), [""; 0]);
    }

    #[test]
    fn a_dead_target_is_found_across_one_blind_stretch_within_max_gap_and_one_interval_of_listening(
        every in 4.0..60.0_f64,
        from in 2.0..5.0_f64,
        length in 0.01..10.0_f64,
    ) {
        // Its last beat is at three intervals.
        let own = beats(0.0, every, &[0], every * 3.5);
        let (begin, end) = (every * from, every * (from + length));
        let until = every * 3.0 + (end - begin) + every * 5.0 + 10.0;
        let found = notified(&own, every, &[(begin, end)], until);
        prop_assert_eq!(found.len(), 1, "{:?}", found);
    }
}

/// Periodic blindness, in seconds: the period, its blind part, the interval of a dead target; and the time within which
/// the death is found. docs/how-it-decides.md has this table.
const FOUND_WITHIN: [(f64, f64, f64, Option<f64>); 8] = [
    (120.0, 46.0, 30.0, Some(480.0)),
    (300.0, 31.0, 30.0, Some(600.0)),
    (240.0, 2.0, 1.0, Some(480.0)),
    (60.0, 20.0, 30.0, Some(660.0)),
    (300.0, 20.0, 600.0, Some(3_900.0)),
    (120.0, 60.0, 30.0, Some(600.0)),
    // The windows are no longer than an interval: nothing can be known.
    (60.0, 30.0, 30.0, None),
    (120.0, 100.0, 30.0, None),
];

#[test]
fn periodic_blindness_delays_a_death_within_bounds_and_blames_no_live_target() {
    for (period, length, every, within) in FOUND_WITHIN {
        let died = every * 4.0 + 1.0;
        let until = died + within.unwrap_or(7_200.0) + period;
        let blind: Vec<Blind> = (1..=(until / period) as u64)
            .map(|number| (period * number as f64, period * number as f64 + length))
            .collect();
        let context = format!("{length} s of each {period} s, every {every} s");
        let alive = beats(every / 3.0, every, &[7, -5, 0, 12], until);
        let blamed = notified(&alive, every, &blind, until);
        assert_eq!(blamed, [""; 0], "alive: {context}");
        let dead = beats(every * 0.25, every, &[0], died);
        let found = notified(&dead, every, &blind, until);
        let found = found.first().map(|line| {
            let second = line.split(' ').next().unwrap_or_default();
            second.parse::<f64>().expect("a second") - died
        });
        match (within, found) {
            (Some(within), Some(after)) => assert!(after <= within, "{after} s: {context}"),
            (None, None) => {}
            other => panic!("{other:?}: {context}"),
        }
    }
}
