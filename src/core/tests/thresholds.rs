//! The longest silence that "auto" allows: by the own rhythm, by that of others, and by neither.

use crate::core::rule::{AUTO_LEARNING, MaxGap, Rule};
use crate::core::snapshot::{BeatRow, Verdict};
use crate::core::tests::bench::{Bench, at, rule};
use proptest::prelude::*;

const WEB: &str = "web.iad.a";
const LOG: &str = "log.fra.x";

fn auto() -> Rule {
    Rule {
        max_gap: MaxGap::Auto,
        ..rule("r", "*", 0.0)
    }
}

/// The row of the only beat of an instance.
fn row(bench: &Bench, who: &str, second: f64) -> BeatRow {
    let detail = bench.engine.detail(&format!("logs.{who}"), at(second));
    detail.expect("it is known").beats.remove(0).0
}

#[test]
fn a_beat_without_a_rhythm_takes_that_of_the_same_beat_of_its_app_where_that_goes_on() {
    for (other, words, last, takes) in [
        ("web.lhr.b", "", "", true),
        ("web.iad.b", "", "", true),
        ("web.lhr.b", "name=worker", "", false),
        ("web.lhr.b", "", "bye", false),
        ("web.lhr.b", "name=worker", "name=worker bye", false),
        ("api.iad.b", "", "", false),
    ] {
        let mut bench = Bench::new(vec![auto()]);
        for second in [0.0, 10.0, 20.0] {
            bench.say(other, words, second);
        }
        if !last.is_empty() {
            bench.say(other, last, 21.0);
        }
        bench.say(WEB, "", 22.0);
        let row = row(&bench, WEB, 22.0);
        let (verdict, max_gap) = (row.verdict, row.max_gap.expect("a rule watches it"));
        let context = format!("{other} {words} {last} {max_gap:?}");
        assert_eq!(max_gap < AUTO_LEARNING, takes, "{context}");
        assert_eq!(verdict == Verdict::Live, takes, "{context}");
        assert_eq!(verdict == Verdict::Learning, !takes, "{context}");
    }
}

#[test]
fn one_is_learning_until_its_interval_is_declared_or_was_seen_twice() {
    for (rule, words, at_seconds, learning) in [
        (auto(), "", &[0.0][..], true),
        (auto(), "", &[0.0, 10.0], true),
        (auto(), "", &[0.0, 10.0, 20.0], false),
        (auto(), "every=10", &[0.0], false),
        (rule("r", "*", 30.0), "", &[0.0], false),
    ] {
        let mut bench = Bench::new(vec![rule.clone()]);
        for second in at_seconds {
            bench.say(WEB, words, *second);
        }
        let verdict = row(&bench, WEB, 20.0).verdict;
        assert_eq!(
            verdict == Verdict::Learning,
            learning,
            "{words} {at_seconds:?} {:?}: {verdict:?}",
            rule.max_gap
        );
    }
}

proptest! {
    #[test]
    fn a_pause_is_a_fault_where_two_that_lived_at_its_start_missed_a_whole_interval_by_its_end(
        last in proptest::collection::vec((0..40_u64, any::<bool>()), 3),
        from in 0..30_u64,
        length in 0..40_u64,
    ) {
        let mut bench = Bench::new(vec![rule("r", "*", 300.0)]);
        let everyone = ["web.iad.a", "web.iad.b", "api.lhr.c"];
        let begin = 40 + from;
        let (mut due, every) = (0, 10);
        for second in 0..=begin {
            for (who, (last, leaves)) in everyone.iter().zip(&last) {
                if second == *last {
                    bench.say(who, "every=10", second as f64);
                    if *leaves {
                        bench.say(who, "bye", second as f64);
                    }
                }
            }
            bench.entry(LOG, second as f64);
        }
        for (last, leaves) in &last {
            let lived = (begin - last) as f64 <= 1.5 * f64::from(every);
            let missed = begin + length - last >= 2 * u64::from(every as u32);
            due += u32::from(lived && missed && !leaves);
        }
        let (from, to) = (at(begin as f64).mono, at((begin + length) as f64).mono);
        let found = bench.engine.targets.were_due(&bench.engine.facts, from, to);
        prop_assert_eq!(found, due >= 2, "{} of {:?}", due, last);
    }
}
