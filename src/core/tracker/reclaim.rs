//! Reclaiming the numbers of names that are not in use any more.

use crate::core::time::Listened;
use crate::core::tracker::names::Names;
use crate::core::tracker::record::{App, AppRegion, Region};
use crate::core::tracker::slots::Reclaimed;
use crate::core::tracker::{NONE, Needed, Tracker};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Tracker {
    /// Frees empty app-regions, then the names that are not in use. An ignored app has no instances: its name is freed
    /// if it was last heard before `before`, on the listened clock.
    pub fn reclaim(&mut self, needed: &Needed, before: Listened) -> Reclaimed {
        let mut freed = Reclaimed::default();
        for id in 0..self.app_regions.len() as u32 {
            let app_region = &self.app_regions[id as usize];
            if app_region.app != NONE
                && app_region.members.is_empty()
                && !needed.app_regions.contains(&id)
            {
                self.free_app_region(id);
                freed.app_regions.push(id);
            }
        }
        let apps = self.app_names.iter().filter(|(id, _)| {
            let app = &self.apps[*id as usize];
            let heard = app.ignored && app.seen.listened >= before;
            app.app_regions.is_empty() && !heard && !needed.apps.contains(id)
        });
        freed.apps = apps.map(|(id, name)| (id, Arc::clone(name))).collect();
        for (id, _) in &freed.apps {
            self.app_names.remove(*id);
            self.apps[*id as usize] = App::default();
        }
        let mut used = needed.regions.clone();
        used.extend(self.app_regions.iter().map(|app_region| app_region.region));
        freed.regions = unused(&self.region_names, |id| used.contains(&id));
        for id in &freed.regions {
            self.region_names.remove(*id);
            self.regions[*id as usize] = Region::default();
        }
        self.reclaim_hosts(needed);
        self.reclaim_beat_names();
        freed
    }

    fn free_app_region(&mut self, id: u32) {
        let app_region = std::mem::replace(&mut self.app_regions[id as usize], AppRegion::free());
        let own = &mut self.apps[app_region.app as usize].app_regions;
        own.retain(|own| *own != id);
        self.regions[app_region.region as usize]
            .app_regions
            .remove(&id);
        let hash = self.hash_of_app_region(app_region.app, app_region.region);
        if let Ok(entry) = self.app_region_ids.find_entry(hash, |other| *other == id) {
            entry.remove();
        }
        self.free_app_regions.push(id);
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
