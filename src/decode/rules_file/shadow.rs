//! Rules that never match, because an earlier one has all of their targets.
//!
//! Only what is plain is claimed: the earlier rule's globs hold every glob of the later one word by word,
//! match it where it is a plain name, or match everything.

use super::fault::{Fault, Wrong, quoted};
use super::position::Position;
use crate::core::rule::{Globs, Rule, Watch};
use crate::decode::globs;

/// Steps spent on comparing at most: about a tenth of a second, and all pairs of a thousand simple rules.
/// Beyond it nothing more is claimed.
const MAX_STEPS: usize = 100_000_000;

/// A warning for each rule that never matches, at its position.
pub(super) fn find(rules: &[Rule], positions: &[Position]) -> Vec<Fault> {
    let mut left = MAX_STEPS;
    let mut found = Vec::new();
    for (index, (rule, position)) in rules.iter().zip(positions).enumerate() {
        let mut others = rules.iter().zip(positions).take(index);
        let earlier = others.find(|(earlier, _)| has_all(earlier, rule, &mut left));
        if left == 0 {
            break;
        }
        found.extend(earlier.map(|(earlier, at)| {
            let (name, file, line) = (quoted(&earlier.name), &at.file, at.line);
            let what = format!("never matches: {name} in {file}:{line} has all of its targets");
            let allowed = "the first matching rule applies, so put specific ones first";
            Fault::new(position, Some(&rule.name), None, Wrong::new(what, allowed))
        }));
    }
    found
}

fn has_all(earlier: &Rule, rule: &Rule, left: &mut usize) -> bool {
    *left = left.saturating_sub(1);
    watches(&earlier.watch, &rule.watch)
        && earlier.by == rule.by
        && covers(&earlier.app, &rule.app, left)
        && covers(&earlier.region, &rule.region, left)
        && covers(&earlier.host, &rule.host, left)
}

fn watches(earlier: &Watch, rule: &Watch) -> bool {
    match (earlier, rule) {
        (Watch::Heartbeat { marker, beat: None }, Watch::Heartbeat { marker: its, .. }) => {
            marker == its
        }
        (earlier, rule) => earlier == rule,
    }
}

fn covers(earlier: &Globs, later: &Globs, left: &mut usize) -> bool {
    let (earlier_in, earlier_out) = globs::parts(earlier);
    let (ins, outs) = globs::parts(later);
    let all_in = earlier_in.is_empty()
        || (!ins.is_empty()
            && ins
                .iter()
                .all(|glob| earlier_in.iter().any(|wide| holds(wide, glob, left))));
    // What the earlier rule leaves must be nothing that the later one has.
    all_in
        && earlier_out.iter().all(|out| {
            outs.iter().any(|wide| holds(wide, out, left))
                || (!ins.is_empty() && ins.iter().all(|glob| globs::is_left(glob, out)))
        })
}

fn holds(wide: &str, glob: &str, left: &mut usize) -> bool {
    let ways = if wide.contains('{') {
        globs::MAX_WAYS
    } else {
        1
    };
    *left = left.saturating_sub(wide.len() * glob.len() * ways);
    *left > 0 && globs::covers(wide, glob)
}
