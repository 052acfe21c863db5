//! The interval of a group, which follows its live members down as well as up.

use crate::core::facts::Facts;
use crate::core::targets::Targets;
use crate::core::targets::groups::GroupId;
use crate::core::targets::table::State;
use crate::core::time::Listened;

/// Number of members examined in one call.
const LOOKED_AT: usize = 20_000;

impl Targets {
    /// Recomputes the intervals of groups in turn: in one call, of as many as have about [`LOOKED_AT`] members.
    pub(in crate::core) fn refresh_groups(&mut self, facts: &Facts) {
        let after = self.groups.refreshed;
        let mut all: Vec<GroupId> = self.groups.iter().map(|(id, _)| id).collect();
        all.sort_unstable();
        let (first, rest) = all.split_at(all.partition_point(|id| *id <= after));
        let mut looked_at = 0;
        for &id in rest.iter().chain(first) {
            if looked_at > LOOKED_AT {
                break;
            }
            looked_at += self.refresh_group(facts, id);
            self.groups.refreshed = id;
        }
    }

    /// Recomputes the interval of a group; gives its number of members.
    fn refresh_group(&mut self, facts: &Facts, id: GroupId) -> usize {
        let group = self.groups.get(id);
        let (target, before) = (group.target, group.every_ms);
        let (max_gap, listened) = (self.max_gap(facts, target), facts.listening.listened());
        let (mut members, mut longest) = (0, 0);
        for instance in self.members(facts, group) {
            members += 1;
            for beat in facts.tracker.beats_of(instance) {
                let beat = facts.tracker.beat_row(beat);
                let lives = !beat.stopped() && listened.since(beat.seen.listened) <= max_gap;
                if lives && self.is_of_group(facts, instance, beat, group) {
                    longest = longest.max(match beat.every_ms {
                        0 => beat.usual.longest_ms(),
                        every_ms => every_ms,
                    });
                }
            }
        }
        if longest > 0 && longest < before {
            self.groups.rows[id.0 as usize].every_ms = longest;
            if self.table.get(target).state != State::Firing {
                self.table.set_due(target, Listened::ZERO);
            }
        }
        members
    }
}
