//! The core's state by name, for a store.
//!
//! A checkpoint reads the clock first and the instances after it, slice by slice between batches of entries: whoever is
//! read later was heard later, so that nobody's gap is ever kept too long.

use crate::core::engine::Engine;
use crate::core::incident::Incident;
use crate::core::incident::scope::Key;
use crate::core::notice::{Alarm, CloseReason};
use crate::core::persist::{
    Checkpoint, Decision, SavedBeat, SavedBlind, SavedClock, SavedGroup, SavedIncident,
    SavedInstance, SavedKey, SavedStamp, SavedTarget, SavedTold, SavedWatched,
};
use crate::core::targets::table::Watched;
use crate::core::time::{Listened, Mono, Now, Stamp, Wall};
use crate::core::tracker::{InstanceId, NONE, UNDECIDED};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A checkpoint that is being read.
#[derive(Debug)]
pub struct Draft {
    checkpoint: Checkpoint,
    /// Instances heard since are in it.
    since: Mono,
    /// The slot to look at next.
    next: usize,
    /// Slots that are in it whatever was heard of them.
    touched: Vec<u32>,
}

/// Takes rows out that stand in the order of their slots, without a look at each of the others.
fn without<T>(rows: &mut Vec<T>, slot_of: impl Fn(&T) -> u32, slots: &BTreeSet<u32>) {
    // From the last one: what takes the place of one stood behind all who are still to go.
    for slot in slots.iter().rev() {
        if let Ok(at) = rows.binary_search_by_key(slot, &slot_of) {
            rows.swap_remove(at);
        }
    }
}

impl Engine {
    /// Whether anything was heard or changed since the last checkpoint began.
    pub fn has_changed(&self) -> bool {
        let changes = &self.incidents.changes;
        let heard = self.listening.last_arrival();
        let quiet =
            changes.forgotten.is_empty() && changes.touched.is_empty() && changes.marked.is_empty();
        !quiet || heard.is_some_and(|at| at >= changes.since)
    }

    /// Begins a checkpoint; `whole`: of everything.
    pub fn begin_checkpoint(&mut self, whole: bool, now: Now) -> Box<Draft> {
        self.now = now;
        let changes = &mut self.incidents.changes;
        let since = std::mem::replace(&mut changes.since, now.mono);
        let touched = std::mem::take(&mut changes.touched).into_iter().collect();
        let forgotten = std::mem::take(&mut changes.forgotten);
        changes.given.clear();
        Box::new(Draft {
            checkpoint: Checkpoint {
                whole,
                clock: self.saved_clock(),
                forgotten,
                // All at once: to grow is to move what was read before, for which entries would wait.
                instances: Vec::with_capacity(self.tracker.len()),
                ..Checkpoint::default()
            },
            since: if whole { Mono::ZERO } else { since },
            next: 0,
            touched,
        })
    }

    /// Reads on, at most `slots` slots; gives the checkpoint once all is read.
    pub fn read_on(
        &mut self,
        mut draft: Box<Draft>,
        slots: usize,
        now: Now,
    ) -> Result<Checkpoint, Box<Draft>> {
        self.now = now;
        let end = self.tracker.instances.len().min(draft.next + slots);
        for slot in draft.next..end {
            if self.tracker.instances[slot].seen.at >= draft.since {
                let instance = self.saved_instance(slot as u32);
                draft.checkpoint.instances.extend(instance);
            }
        }
        draft.next = end;
        if end < self.tracker.instances.len() {
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
            .filter(|&slot| self.tracker.instances[slot as usize].seen.at < since);
        let given = std::mem::take(&mut self.incidents.changes.given);
        without(&mut checkpoint.instances, |row| row.slot, &given);
        let unheard = unheard
            .filter(|slot| !given.contains(slot))
            .chain(given.iter().copied());
        checkpoint
            .instances
            .extend(unheard.filter_map(|slot| self.saved_instance(slot)));
        checkpoint.groups = self.saved_groups();
        let marked = std::mem::take(&mut self.incidents.changes.marked);
        let wanted = |id: &_| checkpoint.whole || marked.contains(id);
        let open = self.incidents.iter().filter(|(id, _)| wanted(id));
        checkpoint.incidents = open
            .map(|(_, incident)| self.saved_incident(incident, None))
            .collect();
        Ok(checkpoint)
    }

    /// What was decided since the last call and is to be kept before it is told; `None` where nothing was.
    pub fn decision(&mut self) -> Option<Decision> {
        let changes = &mut self.incidents.changes;
        if changes.decided.is_empty() && changes.over.is_empty() {
            return None;
        }
        let decided = std::mem::take(&mut changes.decided);
        let mut incidents = std::mem::take(&mut changes.over);
        let touched = std::mem::take(&mut changes.touched);
        changes.given.extend(&touched);
        decided.iter().for_each(|id| {
            changes.marked.remove(id);
        });
        let open = decided.iter().filter_map(|id| self.incidents.open.get(id));
        incidents.extend(open.map(|incident| self.saved_incident(incident, None)));
        let instances = touched
            .into_iter()
            .filter_map(|slot| self.saved_instance(slot))
            .collect();
        Some(Decision {
            incidents,
            instances,
        })
    }

    /// More changed of a target than that it was heard.
    pub(in crate::core) fn touched(&mut self, target: u32) {
        let watched = self.targets.get(target).watched();
        if let Some(id) = self.instance_of(watched) {
            self.incidents.changes.touched.insert(id.0);
        } else if let Watched::Group(group) = watched {
            let members: Vec<u32> = self
                .members(self.groups.get(group))
                .map(|id| id.0)
                .collect();
            self.incidents.changes.touched.extend(members);
        }
    }

    fn saved_clock(&self) -> SavedClock {
        let blind = self.listening.ledger().map(|interval| SavedBlind {
            from: self.now.wall_of(interval.from),
            to: self.now.wall_of(interval.to),
            reason: interval.reason,
            listened: interval.listened(),
        });
        SavedClock {
            taken_at: self.now.wall,
            listened: self.listening.listened(),
            last_arrival: self.listening.last_arrival().map(|at| self.now.wall_of(at)),
            blind: blind.collect(),
        }
    }

    fn saved_stamp(&self, stamp: Stamp) -> SavedStamp {
        SavedStamp {
            at: self.now.wall_of(stamp.at),
            listened: stamp.listened,
        }
    }

    fn saved_instance(&self, slot: u32) -> Option<SavedInstance> {
        let id = InstanceId(slot);
        let instance = self.tracker.instances.get(slot as usize)?;
        let subject = self.tracker.subject(id)?;
        let life = self.tracker.life(id);
        let host = instance.host;
        Some(SavedInstance {
            slot,
            subject,
            host: (host != NONE).then(|| Arc::clone(self.tracker.host_names.get(host))),
            seen: self.saved_stamp(instance.seen),
            spoke: (instance.spoke != Listened::NEVER).then_some(instance.spoke),
            logs: instance.logs != UNDECIDED,
            stop: life.stop.map(|(why, since)| (why, self.now.wall_of(since))),
            crash: life.crash,
            said_bye: life.said_bye,
            verdict: self.instance_verdict(id, instance),
            beats: self
                .tracker
                .beats_of(id)
                .map(|beat| self.saved_beat(beat.0))
                .collect(),
        })
    }

    fn saved_beat(&self, beat: u32) -> SavedBeat {
        let beat = &self.tracker.beats[beat as usize];
        let usual = self.targets.row(beat.target).map(|row| row.usual.saved());
        SavedBeat {
            marker: self.marker_text(beat.marker.0),
            name: Arc::clone(self.tracker.beat_names.get(beat.name())),
            seen: self.saved_stamp(beat.seen),
            stopped: beat.stopped(),
            every_ms: beat.every_ms,
            seq: beat.count(),
            offset_ms: beat.offset.saved(),
            usual_ms: usual.unwrap_or_default(),
            text: self.tracker.text(beat),
        }
    }

    /// The text of a marker; empty for one that no rule looks for any more.
    fn marker_text(&self, marker: u16) -> Arc<str> {
        let text = self.rules.markers.get(usize::from(marker));
        text.map(|text| Arc::from(text.as_str()))
            .unwrap_or_default()
    }

    fn saved_groups(&self) -> Vec<SavedGroup> {
        let row = |(_, group): (_, &crate::core::targets::groups::Group)| SavedGroup {
            rule: Arc::clone(&self.rule_names[group.rule as usize]),
            app: self.name_of_app(group.app),
            region: self.name_of_region(group.region),
            since: self.saved_stamp(group.since),
            every_ms: group.every_ms,
        };
        self.groups.iter().map(row).collect()
    }

    fn name_of_app(&self, app: u32) -> Option<Arc<str>> {
        (app != NONE).then(|| Arc::clone(self.tracker.app_names.get(app)))
    }

    fn name_of_region(&self, region: u32) -> Option<Arc<str>> {
        (region != NONE).then(|| Arc::clone(self.tracker.region_names.get(region)))
    }

    pub(in crate::core) fn saved_incident(
        &self,
        incident: &Incident,
        closed: Option<(Wall, CloseReason)>,
    ) -> SavedIncident {
        let told = incident.told.map(|told| SavedTold {
            at: self.now.wall_of(told.at),
            reminders: told.reminders,
            updates: told.updates,
        });
        let members = incident.members.iter();
        SavedIncident {
            key: self.saved_key(incident),
            notice: incident.notice.clone(),
            opened_at: incident.opened_at,
            closed,
            told,
            remind: incident.remind,
            members: members.map(|&target| self.saved_target(target)).collect(),
        }
    }

    fn saved_key(&self, incident: &Incident) -> SavedKey {
        let region = |id: u32| Arc::clone(self.tracker.region_names.get(id));
        let app = |id: u32| Arc::clone(self.tracker.app_names.get(id));
        if incident.notice.alarm == Alarm::Flapping
            && let Some(target) = self.flaps.target_of(incident.notice.incident)
        {
            return SavedKey::Flapping(self.saved_target(target));
        }
        match incident.key {
            Key::Stream => SavedKey::Stream,
            Key::Region(id) => SavedKey::Region(region(id)),
            Key::App(id) => SavedKey::App(app(id)),
            Key::Place(id) => {
                let place = &self.tracker.places[id as usize];
                SavedKey::Place(app(place.app), region(place.region))
            }
            Key::Host(id) => SavedKey::Host(Arc::clone(self.tracker.host_names.get(id))),
            Key::Alone { .. } => {
                // After a reload the number may be another rule's; the notice keeps the name.
                SavedKey::Alone(Arc::from(incident.notice.rule.as_str()))
            }
        }
    }

    fn saved_target(&self, target: u32) -> SavedTarget {
        let row = self.targets.get(target);
        let subject = |slot: u32| self.tracker.subject(InstanceId(slot)).unwrap_or_default();
        let watched = match row.watched() {
            Watched::Beat(beat) => {
                let beat = &self.tracker.beats[beat.0 as usize];
                SavedWatched::Beat {
                    subject: subject(beat.instance),
                    marker: self.marker_text(beat.marker.0),
                    name: Arc::clone(self.tracker.beat_names.get(beat.name())),
                }
            }
            Watched::Logs(id) => SavedWatched::Logs {
                subject: subject(id.0),
            },
            Watched::Group(group) => {
                let group = self.groups.get(group);
                SavedWatched::Group {
                    app: self.name_of_app(group.app),
                    region: self.name_of_region(group.region),
                }
            }
        };
        SavedTarget {
            rule: Arc::clone(&self.rule_names[row.rule() as usize]),
            watched,
        }
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
