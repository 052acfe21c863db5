//! Reclaiming the numbers of names that are not in use any more.

use crate::core::time::Listened;
use crate::core::tracker::names::Names;
use crate::core::tracker::record::{App, Place, Region};
use crate::core::tracker::slots::Reclaimed;
use crate::core::tracker::{NONE, Needed, Tracker};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Tracker {
    /// Frees empty app-regions, then the names that are not in use. An ignored app has no instances: its name is freed
    /// if it was last heard before `before`, on the listened clock.
    pub fn reclaim(&mut self, needed: &Needed, before: Listened) -> Reclaimed {
        let mut freed = Reclaimed::default();
        for id in 0..self.places.len() as u32 {
            let place = &self.places[id as usize];
            if place.app != NONE && place.members.is_empty() && !needed.places.contains(&id) {
                self.free_place(id);
                freed.places.push(id);
            }
        }
        let apps = self.app_names.iter().filter(|(id, _)| {
            let app = &self.apps[*id as usize];
            let heard = app.ignored && app.seen.listened >= before;
            app.places.is_empty() && !heard && !needed.apps.contains(id)
        });
        freed.apps = apps.map(|(id, name)| (id, Arc::clone(name))).collect();
        for (id, _) in &freed.apps {
            self.app_names.remove(*id);
            self.apps[*id as usize] = App::default();
        }
        let mut used = needed.regions.clone();
        used.extend(self.places.iter().map(|place| place.region));
        freed.regions = unused(&self.region_names, |id| used.contains(&id));
        for id in &freed.regions {
            self.region_names.remove(*id);
            self.regions[*id as usize] = Region::default();
        }
        self.reclaim_hosts(needed);
        self.reclaim_beat_names();
        freed
    }

    fn free_place(&mut self, id: u32) {
        let place = std::mem::replace(&mut self.places[id as usize], Place::free());
        let own = &mut self.apps[place.app as usize].places;
        own.retain(|own| *own != id);
        self.regions[place.region as usize].places.remove(&id);
        let hash = self.hash_of_place(place.app, place.region);
        if let Ok(entry) = self.place_ids.find_entry(hash, |other| *other == id) {
            entry.remove();
        }
        self.free_places.push(id);
    }

    /// Searches all hosts, so it runs only if many are known.
    fn reclaim_hosts(&mut self, needed: &Needed) {
        if !self.host_names.is_crowded() {
            return;
        }
        let used = |id| !self.hosts[id as usize].is_empty() || needed.hosts.contains(&id);
        for id in unused(&self.host_names, used) {
            self.host_names.remove(id);
        }
    }

    /// Searches all beats, so it runs only if many names are known.
    fn reclaim_beat_names(&mut self) {
        if !self.beat_names.is_crowded() {
            return;
        }
        let beats = self.beats.iter().filter(|beat| beat.instance != NONE);
        let mut used: BTreeSet<u32> = beats.map(|beat| beat.name()).collect();
        // The name of the plain beat.
        used.insert(0);
        for id in unused(&self.beat_names, |id| used.contains(&id)) {
            self.beat_names.remove(id);
        }
    }
}

fn unused(names: &Names, is_used: impl Fn(u32) -> bool) -> Vec<u32> {
    let all = names.iter().map(|(id, _)| id);
    all.filter(|id| !is_used(*id)).collect()
}
