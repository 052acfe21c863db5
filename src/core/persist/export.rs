//! Export of the core's state by name, for the store.
//!
//! A checkpoint reads the clock first and the instances after it, in slices between batches of entries: an instance
//! that is read later was heard later, so that no stored gap is too long.

use crate::core::engine::Engine;
use crate::core::incident::Incident;
use crate::core::incident::kind::IncidentId;
use crate::core::listening::KEPT;
use crate::core::listening::pauses::Longest;
use crate::core::persist::{
    Checkpoint, Decision, SavedBeat, SavedBlind, SavedClock, SavedGroup, SavedIncident,
    SavedInstance, SavedLongest, SavedLoss, SavedRhythm, SavedStamp,
};
use crate::core::targets::groups::{Group, GroupId};
use crate::core::targets::table::Watched;
use crate::core::time::{Listened, Mono, Now, Stamp};
use crate::core::tracker::names::name_of;
use crate::core::tracker::usual::Usual;
use crate::core::tracker::{BeatId, InstanceId, NONE, UNDECIDED};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A checkpoint in progress.
#[derive(Debug)]
pub struct Draft {
    checkpoint: Checkpoint,
    /// Instances heard since this time are in it.
    since: Mono,
    /// The next slot.
    next: usize,
    /// Slots that are in it regardless of their last sign of life.
    touched: Vec<u32>,
}

/// Removes rows that are sorted by slot, without looking at each of the others.
fn without<T>(rows: &mut Vec<T>, slot_of: impl Fn(&T) -> u32, slots: &BTreeSet<u32>) {
    // From the last one: the row that takes its place came from behind all that are still to be removed.
    for slot in slots.iter().rev() {
        if let Ok(at) = rows.binary_search_by_key(slot, &slot_of) {
            rows.swap_remove(at);
        }
    }
}

impl Engine {
    /// True if anything was heard or changed since the last checkpoint began.
    pub fn has_changed(&self) -> bool {
        let heard = self.facts.listening.last_arrival();
        let quiet = self.unsaved.forgotten.is_empty()
            && self.facts.touched.is_empty()
            && self.notices.changes.marked.is_empty();
        !quiet || heard.is_some_and(|at| at >= self.unsaved.since)
    }

    /// Begins a checkpoint; with `whole`, of everything.
    pub fn begin_checkpoint(&mut self, whole: bool, now: Now) -> Box<Draft> {
        self.facts.now = now;
        let unsaved = &mut self.unsaved;
        let since = std::mem::replace(&mut unsaved.since, now.mono);
        let touched = std::mem::take(&mut self.facts.touched)
            .into_iter()
            .collect();
        let forgotten = std::mem::take(&mut unsaved.forgotten);
        unsaved.given.clear();
        Box::new(Draft {
            checkpoint: Checkpoint {
                whole,
                clock: self.saved_clock(),
                forgotten,
                // Allocated at once: growing would move the rows that were read before, for which entries would wait.
                instances: Vec::with_capacity(self.facts.tracker.len()),
                ..Checkpoint::default()
            },
            since: if whole { Mono::ZERO } else { since },
            next: 0,
            touched,
        })
    }

    /// Continues a checkpoint by at most `slots` slots; gives it once it is complete.
    pub fn read_on(
        &mut self,
        mut draft: Box<Draft>,
        slots: usize,
        now: Now,
    ) -> Result<Checkpoint, Box<Draft>> {
        self.facts.now = now;
        let end = self.facts.tracker.instances.len().min(draft.next + slots);
        for slot in draft.next..end {
            if self.facts.tracker.instances[slot].seen.at >= draft.since {
                let instance = self.saved_instance(slot as u32);
                draft.checkpoint.instances.extend(instance);
            }
        }
        draft.next = end;
        if end < self.facts.tracker.instances.len() {
            return Err(draft);
        }
        let Draft {
            mut checkpoint,
            since,
            touched,
            ..
        } = *draft;
        let unheard = touched
            .into_iter()
            .filter(|&slot| self.facts.tracker.instances[slot as usize].seen.at < since);
        let given = std::mem::take(&mut self.unsaved.given);
        without(&mut checkpoint.instances, |row| row.slot, &given);
        let unheard = unheard
            .filter(|slot| !given.contains(slot))
            .chain(given.iter().copied());
        checkpoint
            .instances
            .extend(unheard.filter_map(|slot| self.saved_instance(slot)));
        checkpoint.groups = self.saved_groups();
        checkpoint.losses = self.saved_losses(checkpoint.whole);
        checkpoint.factors = self.targets.factors_in_force(&self.facts).collect();
        checkpoint.downstreams = self.facts.downstreams.saved(self.facts.now);
        let marked = std::mem::take(&mut self.notices.changes.marked);
        let open = self.incidents.iter().filter(|(id, incident)| {
            checkpoint.whole || marked.contains(id) || self.recovers_slowly(incident)
        });
        checkpoint.incidents = open.filter_map(|(id, _)| self.saved_incident(id)).collect();
        Ok(checkpoint)
    }

    /// The decisions since the last call, to be stored before anybody is notified; `None` if there were none.
    pub fn decision(&mut self) -> Option<Decision> {
        let changes = &mut self.notices.changes;
        if changes.decided.is_empty() && changes.over.is_empty() {
            return None;
        }
        let decided = std::mem::take(&mut changes.decided);
        let mut incidents = std::mem::take(&mut changes.over);
        let touched = std::mem::take(&mut self.facts.touched);
        self.unsaved.given.extend(&touched);
        decided.iter().for_each(|id| {
            changes.marked.remove(id);
        });
        let open = decided.iter().filter_map(|id| self.saved_incident(*id));
        incidents.extend(open);
        let instances = touched
            .into_iter()
            .filter_map(|slot| self.saved_instance(slot))
            .collect();
        Some(Decision {
            incidents,
            instances,
        })
    }

    /// True if a member that fires needs several signs of life in a row: they are counted across restarts.
    fn recovers_slowly(&self, incident: &Incident) -> bool {
        let mut firing = incident.firing();
        firing.any(|target| self.targets.rule_of(&self.facts, target).recover > 1)
    }

    pub(in crate::core) fn saved_incident(&self, id: IncidentId) -> Option<SavedIncident> {
        let (incident, ledger) = (self.incidents.get(id)?, self.notices.get(id)?);
        Some(self.notice_view().saved(incident, ledger, None))
    }

    fn saved_longest(&self, longest: Longest) -> SavedLongest {
        SavedLongest {
            before: longest.before,
            current: longest.current,
            began: self.facts.now.wall_of(longest.began),
        }
    }

    fn saved_rhythm(&self, watched: Watched, usual: Usual) -> SavedRhythm {
        let (usual_ms, is_partial) = usual.saved();
        SavedRhythm {
            usual_ms,
            is_partial,
            long_ms: self.targets.new_rhythms.saved(watched),
        }
    }

    /// The rhythm of a target that is no beat.
    fn rhythm_of_target(&self, target: u32, watched: Watched) -> SavedRhythm {
        let known = self.targets.table.row(target).is_some();
        let usual = known.then(|| self.targets.table.usual(target)).flatten();
        usual.map_or_else(SavedRhythm::default, |usual| {
            self.saved_rhythm(watched, usual)
        })
    }

    fn saved_clock(&self) -> SavedClock {
        let (pauses, silences) = self.facts.listening.usual();
        let (usual, long_silence) = silences.saved();
        let (usual_pauses, row) = pauses.saved();
        let ledger = self.facts.listening.ledger();
        let older = ledger.len().saturating_sub(KEPT);
        let blind = ledger.skip(older).map(|interval| SavedBlind {
            from: self.facts.now.wall_of(interval.from),
            to: self.facts.now.wall_of(interval.to),
            reason: interval.reason,
            listened: interval.listened(),
        });
        SavedClock {
            taken_at: self.facts.now.wall,
            listened: self.facts.listening.listened(),
            last_arrival: self
                .facts
                .listening
                .last_arrival()
                .map(|at| self.facts.now.wall_of(at)),
            blind: blind.collect(),
            silences: self.saved_longest(usual),
            long_silence,
            pauses: self.saved_longest(usual_pauses),
            pauses_in_a_row: row.count,
            last_pause: self.facts.now.wall_of(row.end),
        }
    }

    fn saved_stamp(&self, stamp: Stamp) -> SavedStamp {
        SavedStamp {
            at: self.facts.now.wall_of(stamp.at),
            listened: stamp.listened,
        }
    }

    fn saved_instance(&self, slot: u32) -> Option<SavedInstance> {
        let id = InstanceId(slot);
        let instance = self.facts.tracker.instances.get(slot as usize)?;
        let subject = self.facts.tracker.subject(id)?;
        let life = self.facts.tracker.life(id);
        let host = instance.host;
        Some(SavedInstance {
            slot,
            subject,
            host: (host != NONE).then(|| Arc::clone(self.facts.tracker.host_names.get(host))),
            seen: self.saved_stamp(instance.seen),
            spoke: (instance.spoke != Listened::NEVER).then_some(instance.spoke),
            logs: instance.logs != UNDECIDED,
            stop: life
                .stop
                .map(|(why, since)| (why, self.facts.now.wall_of(since))),
            crash: life.crash.map(|(crash, _)| crash),
            said_bye: life.said_bye,
            verdict: self.instance_verdict(id, instance),
            logs_rhythm: self.rhythm_of_target(instance.logs, Watched::Logs(id)),
            beats: self
                .facts
                .tracker
                .beats_of(id)
                .map(|beat| self.saved_beat(beat.0))
                .collect(),
        })
    }

    fn saved_beat(&self, id: u32) -> SavedBeat {
        let beat = &self.facts.tracker.beats[id as usize];
        SavedBeat {
            marker: self.facts.marker_text(beat.marker.0),
            name: Arc::clone(self.facts.tracker.beat_names.get(beat.name())),
            seen: self.saved_stamp(beat.seen),
            stopped: beat.stopped(),
            every_ms: beat.every_ms,
            seq: beat.count(),
            offset_ms: beat.offset.saved(),
            rhythm: self.saved_rhythm(Watched::Beat(BeatId(id)), beat.usual),
            text: self.facts.tracker.text(beat),
        }
    }

    fn saved_losses(&self, whole: bool) -> Vec<SavedLoss> {
        let hour = self.facts.hour();
        let apps = self.facts.tracker.app_names.iter();
        let losses = apps.flat_map(|(id, name)| {
            let loss = self.facts.tracker.apps[id as usize].loss.as_deref();
            let hours = loss.into_iter().flat_map(move |loss| loss.hours(hour));
            let wanted = hours.filter(move |one| whole || one.hour == hour);
            wanted.map(move |counts| SavedLoss {
                app: Arc::clone(name),
                counts,
            })
        });
        losses.collect()
    }

    fn saved_groups(&self) -> Vec<SavedGroup> {
        let row = |(id, group): (GroupId, &Group)| SavedGroup {
            rule: Arc::clone(&self.facts.rule_names[group.rule as usize]),
            app: name_of(&self.facts.tracker.app_names, group.app),
            region: name_of(&self.facts.tracker.region_names, group.region),
            since: self.saved_stamp(group.since),
            every_ms: group.every_ms,
            rhythm: self.rhythm_of_target(group.target, Watched::Group(id)),
        };
        self.targets.groups.iter().map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_of_these_slots_go_and_all_others_stay(
            rows in proptest::collection::btree_set(0..60_u32, 0..50),
            slots in proptest::collection::btree_set(0..60_u32, 0..50),
        ) {
            let mut left: Vec<u32> = rows.iter().copied().collect();
            without(&mut left, |row| *row, &slots);
            left.sort_unstable();
            prop_assert_eq!(left, rows.difference(&slots).copied().collect::<Vec<_>>());
        }
    }
}
