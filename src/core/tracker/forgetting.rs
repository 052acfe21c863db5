//! Removal of instances and beats; their slots become free.

use crate::core::tracker::record::{Beat, Instance};
use crate::core::tracker::{BeatId, InstanceId, NONE, Tracker};
use std::hash::BuildHasher;

impl Tracker {
    /// Forgets an instance and its beats; [`Self::remove_forgotten_members`] completes it.
    pub fn forget(&mut self, id: InstanceId) {
        let beats: Vec<BeatId> = self.beats_of(id).collect();
        for beat in beats {
            let row = &mut self.beats[beat.0 as usize];
            row.instance = NONE;
            self.phrases.unsay(row.phrase);
            self.free_beats.push(beat.0);
        }
        let Some(subject) = self.subject(id) else {
            return;
        };
        self.subjects.remove(self.hash.hash_one(&*subject), id.0);
        self.left_host(id);
        let row = std::mem::replace(&mut self.instances[id.0 as usize], Instance::free());
        self.names.drop(row.name);
        self.lives.remove(&id.0);
        self.byes.forget(id);
        self.left_app_regions.push(row.app_region);
        self.free_instances.push(id.0);
    }

    /// Forgets one beat of an instance.
    pub fn forget_beat(&mut self, beat: BeatId) {
        let Beat {
            instance,
            next,
            phrase,
            ..
        } = self.beats[beat.0 as usize];
        let id = InstanceId(instance);
        let before = self
            .beats_of(id)
            .find(|other| self.beats[other.0 as usize].next == beat.0);
        match before {
            Some(before) => self.beats[before.0 as usize].next = next,
            None => self.instances[instance as usize].first_beat = next,
        }
        self.beats[beat.0 as usize].instance = NONE;
        self.phrases.unsay(phrase);
        self.free_beats.push(beat.0);
    }

    /// Removes forgotten instances from their app-regions: to be called after forgetting and before the next admission.
    /// Done once for all of them, as one app-region may have a million.
    pub fn remove_forgotten_members(&mut self) {
        let mut left = std::mem::take(&mut self.left_app_regions);
        left.sort_unstable();
        left.dedup();
        for app_region in left {
            let instances = &self.instances;
            let members = &mut self.app_regions[app_region as usize].members;
            members.retain(|&member| instances[member as usize].is_tracked());
            if members.is_empty() {
                *members = Vec::new();
            }
        }
    }
}
