//! Changes of state: whom they name, when a rule is doubted, and that the store hears of them.

use crate::core::rule::{By, Rule};
use crate::core::tests::bench::{Bench, at, checkpoint, rule, seconds};

/// The instances in a checkpoint after two of three fell silent, which nobody was heard of since the one before.
fn saved_after_silence(by: By) -> Vec<String> {
    let mut bench = Bench::new(vec![Rule {
        by,
        hold: seconds(20.0),
        ..rule("r", "web", 30.0)
    }]);
    let all = ["web.iad.a", "web.iad.b", "api.lhr.c"];
    bench.beats(&all, [0, 10]);
    bench.beats(&all[2..], [20, 30, 39]);
    checkpoint(&mut bench.engine, false, 100, at(39.0));
    bench.say(all[2], "", 41.0);
    bench.tick(41.0);
    assert!(
        bench.said.iter().any(|line| line.contains("pending")),
        "{:?}",
        bench.said
    );
    let saved = checkpoint(&mut bench.engine, false, 100, at(41.0)).instances;
    let mut names: Vec<String> = saved.iter().map(|one| one.subject.to_string()).collect();
    names.sort();
    names
}

#[test]
fn who_changed_without_a_word_is_in_the_next_checkpoint() {
    for by in [By::Instance, By::AppRegion, By::App, By::Region] {
        assert_eq!(
            saved_after_silence(by),
            ["logs.api.lhr.c", "logs.web.iad.a", "logs.web.iad.b"],
            "{by:?}"
        );
    }
}

#[test]
fn a_change_of_a_group_names_what_the_group_is_by() {
    for (by, who) in [
        (By::AppRegion, "web.iad."),
        (By::App, "web.."),
        (By::Region, ".iad."),
    ] {
        let mut bench = Bench::new(vec![Rule {
            by,
            ..rule("r", "web", 30.0)
        }]);
        bench.beats(&["web.iad.a", "web.iad.b", "api.lhr.c"], [0, 10]);
        bench.beats(&["api.lhr.c"], (20..=60).step_by(10));
        assert_eq!(bench.said[0], format!("40 ok -> firing {who}"), "{by:?}");
    }
}

#[test]
fn a_rule_that_allows_less_than_two_intervals_is_doubted() {
    for (every, doubted) in [(14.0, false), (15.0, false), (15.1, true), (40.0, true)] {
        let mut bench = Bench::new(vec![rule("r", "web", 30.0)]);
        bench.say("web.iad.a", &format!("every={every}"), 0.0);
        assert_eq!(!bench.engine.take_doubts().is_empty(), doubted, "{every}");
        bench.say("web.iad.b", &format!("every={every}"), 1.0);
        assert!(bench.engine.take_doubts().is_empty(), "each rule once");
    }
}
