//! Random stories with restarts, beside the same stories without.

use crate::core::engine::Feed;
use crate::core::tests::bench::{Bench, rule};
use crate::core::tests::restart::{API, LONE, Mortal};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// One step of a random story.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// These of the four beat, ten seconds later.
    Beats(u8),
    Checkpoint,
    /// The process is killed, and starts again after so many seconds.
    Kill(u8),
    /// The connection is lost for so many seconds.
    Cut(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => any::<u8>().prop_map(|who| Step::Beats(who | 1)),
        3 => Just(Step::Checkpoint),
        1 => (1..60u8).prop_map(Step::Kill),
        1 => (1..60u8).prop_map(Step::Cut),
    ];
    proptest::collection::vec(step, 1..120)
}

const FOUR: [&str; 4] = ["web.iad.a", "web.iad.d", API, LONE];

/// Plays a story; with `checkpointed`, always with a checkpoint before a kill.
fn play(steps: &[Step], mortals: bool, checkpointed: bool) -> Bench {
    let mut mortal = Mortal::new(vec![rule("r", "web", 30.0), rule("s", "*", 45.0)]);
    let mut second = 0;
    for step in steps {
        match *step {
            Step::Beats(who) => {
                second += 10;
                let who: Vec<&str> = (0..4)
                    .filter(|bit| who & (1 << bit) > 0)
                    .map(|bit| FOUR[bit])
                    .collect();
                for who in who {
                    // Declared: what is learned is forgotten sooner after a restart.
                    mortal.bench.say(who, "every=10", second as f64);
                }
                mortal.bench.tick(second as f64);
                mortal.keep_decisions();
            }
            Step::Checkpoint => mortal.checkpoint(false, second as f64),
            Step::Kill(seconds) if mortals => {
                if checkpointed {
                    mortal.checkpoint(false, second as f64);
                }
                second += u64::from(seconds);
                mortal.restart(second as f64);
            }
            Step::Kill(seconds) | Step::Cut(seconds) => {
                mortal.bench.feed(Feed::Lost, second as f64);
                second += u64::from(seconds);
            }
        }
    }
    mortal.bench
}

/// The notifications, without those of blindness: downtime is none that somebody could mend.
fn told(bench: &Bench) -> Vec<&str> {
    let mut told = bench.told();
    told.retain(|line| !line.contains("StreamBlind"));
    told
}

/// True if anybody fired so often that another firing is one of coming and going.
fn may_flap(bench: &Bench) -> bool {
    let firings = bench.said.iter().filter(|line| line.contains("-> firing"));
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for who in firings.filter_map(|line| line.split(' ').next_back()) {
        *counts.entry(who).or_default() += 1;
    }
    counts.into_values().any(|count| count > 3)
}

proptest! {
    #[test]
    fn a_restart_right_after_a_checkpoint_is_a_lost_connection_and_nothing_more(steps in steps()) {
        let before = play(&steps, false, false);
        // The count of firings that makes a target flap starts anew.
        prop_assume!(!may_flap(&before));
        let after = play(&steps, true, true);
        prop_assert_eq!(told(&after), told(&before));
    }

    #[test]
    fn a_death_at_any_moment_leaves_each_incident_opened_once_and_closed_once(steps in steps()) {
        let mut open: BTreeMap<String, i32> = BTreeMap::new();
        let bench = play(&steps, true, false);
        for line in bench.told() {
            let mut words = line.split(' ').skip(1);
            let name = format!("{} {}", words.next().unwrap_or(""), words.next().unwrap_or(""));
            let count = open.entry(name).or_default();
            *count += match words.next() {
                Some("opened") => 1,
                Some("closed") => -1,
                _ => 0,
            };
            prop_assert!((0..=1).contains(count), "{line}");
        }
    }
}
