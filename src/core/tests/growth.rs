//! Known subjects stay known while the table of subjects grows.

use crate::core::entry::Subject;
use crate::core::tests::bench::{Bench, at, rule};
use crate::core::time::Stamp;
use crate::core::tracker::{Admitted, InstanceId, Limits, Tracker};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Number of subjects.
const ALL: u32 = 2_000;

#[derive(Clone, Debug)]
enum Step {
    /// Admits so many new ones, from this number on.
    Admit(u32, u32),
    /// Forgets so many known ones, from this number on; their slots are reused.
    Forget(u32, u32),
    /// A turn without any change.
    Turn,
}

fn subject(number: u32) -> String {
    // Some of the names are too long for the row itself.
    let name = ["", "a-name-that-is-long-"][number as usize % 2];
    format!("logs.app{}.iad.{name}{number}", number % 7)
}

fn admit(tracker: &mut Tracker, raw: &str) -> InstanceId {
    let tokens: Vec<&str> = raw.split('.').collect();
    let subject = Subject {
        raw,
        app: tokens[1],
        region: tokens[2],
        instance: tokens[3],
    };
    match tracker.admit(&subject, |_| false, Stamp::default()) {
        Ok(Admitted::New(id)) => id,
        other => panic!("{raw}: {other:?}"),
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let one = prop_oneof![
        5 => (0..ALL, 1_u32..150).prop_map(|(from, many)| Step::Admit(from, many)),
        3 => (0..ALL, 1_u32..80).prop_map(|(from, many)| Step::Forget(from, many)),
        1 => Just(Step::Turn),
    ];
    proptest::collection::vec(one, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn all_who_are_known_are_found_once_and_nobody_else(steps in steps()) {
        let subjects: Vec<String> = (0..ALL).map(subject).collect();
        let mut tracker = Tracker::new(Limits::default());
        let mut known: BTreeMap<u32, InstanceId> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Admit(from, many) => {
                    for number in (from..from + many).map(|number| number % ALL) {
                        let raw = &subjects[number as usize];
                        known.entry(number).or_insert_with(|| admit(&mut tracker, raw));
                    }
                }
                Step::Forget(from, many) => {
                    let gone: Vec<u32> = known.range(from..).map(|(number, _)| *number).collect();
                    for number in gone.into_iter().take(many as usize) {
                        tracker.forget(known[&number]);
                        known.remove(&number);
                    }
                    tracker.remove_forgotten_members();
                }
                Step::Turn => tracker.move_some(),
            }
            prop_assert_eq!(tracker.len(), known.len());
            for (number, raw) in (0..).zip(&subjects) {
                prop_assert_eq!(tracker.find(raw), known.get(&number).copied(), "{}", raw);
            }
        }
    }
}

#[test]
fn a_turn_moves_those_whom_nobody_s_coming_moves() {
    let mut bench = Bench::new(vec![rule("r", "*", 30.0)]);
    let mut number = 0;
    while number < 400 || !bench.engine.facts.tracker.is_moving() {
        admit(&mut bench.engine.facts.tracker, &subject(number));
        number += 1;
    }
    bench.engine.evaluate(at(1.0));
    let tracker = &bench.engine.facts.tracker;
    assert!(!tracker.is_moving());
    assert_eq!(tracker.len(), number as usize);
    assert!((0..number).all(|number| tracker.find(&subject(number)).is_some()));
}
