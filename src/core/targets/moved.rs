//! Migrated machines: the same app and id in another region, after the old one fell silent.

use crate::core::facts::Facts;
use crate::core::targets::Targets;
use crate::core::targets::table::{State, Watched};
use crate::core::time::Mono;
use crate::core::tracker::life::StopWhy;
use crate::core::tracker::{BeatId, InstanceId};
use std::time::Duration;

/// Namesakes that start within this time of one another are separate machines that were started together.
const TOGETHER: Duration = Duration::from_secs(1);

impl Targets {
    /// Remembers a quiet namesake of a new instance in another region, since the new instance may be that machine after
    /// a move.
    pub(in crate::core) fn note_namesake(&mut self, facts: &Facts, id: InstanceId) {
        let now = facts.listening.stamp().at;
        let tracker = &facts.tracker;
        let (app, name) = (facts.app_of(id), tracker.name(id));
        let others = tracker.apps[app as usize].app_regions.iter();
        let namesakes = others.filter_map(|&app_region| {
            let subject = [&*tracker.app_regions[app_region as usize].prefix, name].concat();
            tracker.find(&subject).filter(|other| *other != id)
        });
        let last = namesakes.max_by_key(|other| tracker.instance(*other).seen.at);
        if let Some(last) = last
            && tracker.instance(last).seen.at + TOGETHER < now
        {
            self.moves.insert(last.0, (id, now));
        }
    }

    /// True if what a target watches goes on in another region, without a sign of life here since.
    pub(in crate::core) fn has_moved(&self, facts: &Facts, target: u32) -> bool {
        let watched = self.table.get(target).watched();
        let Some(id) = watched.instance(&facts.tracker) else {
            return false;
        };
        let Some(&(new, since)) = self.moves.get(&id.0) else {
            return false;
        };
        let heard = |of: InstanceId, beat: BeatId| {
            let beat = facts.tracker.beat_row(beat);
            let others = facts.tracker.beats_of(of);
            others
                .map(|other| facts.tracker.beat_row(other))
                .find(|other| other.name() == beat.name() && other.marker == beat.marker)
                .is_some_and(|other| other.is_heard() && other.seen.at >= since)
        };
        match watched {
            Watched::Beat(beat) => facts.tracker.beat_row(beat).seen.at < since && heard(new, beat),
            Watched::Logs(_) => {
                self.seen(facts, target).at < since && has_spoken(facts, new, since)
            }
            Watched::Group(_) => false,
        }
    }

    /// Stops the old instances of one that beats for the first time, if it moved here from them.
    #[cold]
    pub(in crate::core) fn first_beat_here(&mut self, facts: &mut Facts, new: InstanceId) {
        let moved = self.moves.iter();
        let olds: Vec<InstanceId> = moved
            .filter(|(_, (id, _))| *id == new)
            .map(|(&old, _)| InstanceId(old))
            .collect();
        for old in olds {
            let missed = self.targets_of(facts, old);
            let is_over = missed.into_iter().any(|target| {
                self.table.get(target).state == State::Firing && self.has_moved(facts, target)
            });
            if is_over {
                self.stopped(facts, old, StopWhy::Moved);
            }
        }
    }

    /// Removes a forgotten instance, whose slot will be reused.
    pub(in crate::core) fn forget_moves(&mut self, id: InstanceId) {
        self.moves.remove(&id.0);
        self.moves.retain(|_, (new, _)| *new != id);
    }
}

fn has_spoken(facts: &Facts, id: InstanceId, since: Mono) -> bool {
    let spoke = facts.tracker.instance(id).spoke;
    let since = facts.listening.listened_at(since);
    spoke != crate::core::time::Listened::NEVER && spoke >= since
}
