//! Scopes: one cause is one incident, at the widest scope that is wholly silent.

use crate::core::incident::key::Key;
use crate::core::incident::scope_cache::{Count, Found, ScopeCache, Sign};
use crate::core::incident::view::View;
use crate::core::rule::By;
use crate::core::targets::groups::GroupId;
use crate::core::targets::table::Watched;
use crate::core::time::{Listened, Mono};
use crate::core::tracker::{InstanceId, NONE, UNDECIDED, record::Instance};
use std::collections::BTreeSet;
use std::time::Duration;

/// Members of one app join its incident within this time of its last joining, and regions that fall silent within it of
/// one another are one incident. Prometheus' default for a group (`group_interval`) is as long.
pub const GROUP_WINDOW: Duration = Duration::from_secs(300);

/// A search for signs of life in a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Listened clock: signs of life after this prove that the scope lives.
    pub after: Listened,
    /// The signs of life that count.
    pub sign: Sign,
}

/// Verdict of an instance on its scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vote {
    /// It was heard since others fell silent.
    Heard,
    /// It should have been heard, and was not.
    Silent,
    /// It beats too rarely to be due yet.
    Abstains,
}

/// The scope that a silence belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The widest silent scope.
    pub key: Key,
    /// Number of silent instances.
    pub silent: u32,
    /// Number of instances that are not due yet.
    pub abstaining: u32,
    /// The regions, if there are several.
    pub regions: BTreeSet<u32>,
}

impl View<'_> {
    /// The instances of a scope; none for the stream, several regions and parts of an app.
    pub(in crate::core) fn instances_of(
        &self,
        key: Key,
    ) -> Box<dyn Iterator<Item = InstanceId> + '_> {
        let tracker = &self.facts.tracker;
        match key {
            Key::Region(id) => Box::new(tracker.members_of(tracker.app_regions_of(NONE, id))),
            Key::App(id) | Key::Part(id) => {
                // In the order of their numbers, as for a region: texts name the first.
                let app_regions: BTreeSet<u32> = tracker.app_regions_of(id, NONE).collect();
                Box::new(tracker.members_of(app_regions.into_iter()))
            }
            Key::AppRegion(id) => {
                let app_region = tracker.app_regions.get(id as usize);
                Box::new(tracker.members_of(app_region.map(|_| id).into_iter()))
            }
            Key::Host(id) => {
                let there = tracker.hosts.get(id as usize);
                Box::new(there.into_iter().flatten().map(|&id| InstanceId(id)))
            }
            Key::Stream | Key::Regions | Key::Downstream(_) => Box::new(std::iter::empty()),
        }
    }

    /// The numbers of a scope; `None` if any instance was heard, or none should have been. Usually the first instance
    /// examined was heard, and no other needs a look.
    fn silent_in(&self, key: Key, probe: Probe, cache: &mut ScopeCache) -> Option<Count> {
        let entry = (key, probe.sign);
        if let Some(&known) = cache.asked.get(&entry) {
            return known;
        }
        let before = cache.before.get(&entry);
        let found = match before.and_then(|&found| self.still(key, probe, found)) {
            Some(known) => known,
            None => {
                let (known, looked_at, found) = self.count(key, probe);
                if looked_at > ScopeCache::LARGE {
                    cache.before.insert(entry, found);
                }
                known
            }
        };
        cache.asked.insert(entry, found);
        found
    }

    /// Searches a scope: its numbers if it is wholly silent, the number of instances examined, and the result to
    /// remember.
    fn count(&self, key: Key, probe: Probe) -> (Option<Count>, u32, Found) {
        let mut looked_at = 0;
        let mut count = Count {
            silent: 0,
            abstaining: 0,
            last: Listened::ZERO,
        };
        let heard = self.instances_of(key).find(|id| {
            looked_at += 1;
            let instance = self.facts.tracker.instance(*id);
            let (say, last) = self.vote_of(*id, instance, probe);
            match say {
                Some(Vote::Silent) => {
                    count.silent += 1;
                    count.last = count.last.max(last);
                }
                Some(Vote::Abstains) => count.abstaining += 1,
                Some(Vote::Heard) | None => {}
            }
            say == Some(Vote::Heard)
        });
        let now = self.facts.listening.stamp();
        let found = heard.map_or(Found::Silent(count, now.at, now.listened), Found::Heard);
        let known = heard.is_none() && count.silent > 0;
        (known.then_some(count), looked_at, found)
    }

    /// A remembered result for a scope, if it still holds.
    fn still(&self, key: Key, probe: Probe, found: Found) -> Option<Option<Count>> {
        match found {
            Found::Heard(id) => {
                let instance = self.facts.tracker.instance(id);
                let heard = self.is_in(instance, key)
                    && self.vote_of(id, instance, probe).0 == Some(Vote::Heard);
                heard.then_some(None)
            }
            Found::Silent(count, at, listened) => {
                let now = self.facts.listening.stamp();
                // A silence lasts longer as the listened clock advances; the clock goes back when messages were lost.
                let quiet = self.seen_of(key) < at && count.abstaining == 0;
                let fresh = now.listened.since(listened) < ScopeCache::AGAIN;
                let holds = now.listened >= listened && (quiet || (fresh && now.at > at));
                holds.then_some((count.silent > 0).then_some(count))
            }
        }
    }

    /// Arrival clock: last sign of life of any kind in a scope.
    fn seen_of(&self, key: Key) -> Mono {
        let tracker = &self.facts.tracker;
        let seen = match key {
            Key::Region(id) => tracker.regions[id as usize].seen,
            Key::App(id) | Key::Part(id) => tracker.apps[id as usize].seen,
            Key::AppRegion(id) => tracker.app_regions[id as usize].seen,
            // Not recorded for each host: anything at all.
            Key::Host(_) | Key::Stream | Key::Regions | Key::Downstream(_) => {
                self.facts.listening.stamp()
            }
        };
        seen.at
    }

    /// True if an instance is part of a scope.
    pub(in crate::core) fn is_in(&self, instance: &Instance, key: Key) -> bool {
        let app_region = &self.facts.tracker.app_regions[instance.app_region as usize];
        instance.is_tracked()
            && match key {
                Key::Region(id) => app_region.region == id,
                Key::App(id) | Key::Part(id) => app_region.app == id,
                Key::AppRegion(id) => instance.app_region == id,
                Key::Host(id) => instance.host == id,
                Key::Stream | Key::Regions | Key::Downstream(_) => false,
            }
    }

    /// The app and the region of a target; `u32::MAX` for one that it does not have.
    pub(in crate::core) fn app_region_of(&self, target: u32) -> (u32, u32) {
        match self.targets.table.get(target).watched() {
            Watched::Group(group) => {
                let group = self.targets.groups.get(group);
                (group.app, group.region)
            }
            watched => {
                let id = watched.instance(&self.facts.tracker);
                let id = id.map(|id| self.facts.tracker.instance(id).app_region);
                id.map_or((NONE, NONE), |app_region| self.app_region(app_region))
            }
        }
    }

    /// True if a target lies within a scope.
    pub(in crate::core) fn is_within(
        &self,
        target: u32,
        key: Key,
        regions: &BTreeSet<u32>,
    ) -> bool {
        let (app, region) = self.app_region_of(target);
        match key {
            Key::Regions => regions.contains(&region),
            Key::Region(id) => region == id,
            Key::App(id) | Key::Part(id) => app == id,
            Key::AppRegion(id) => {
                let app_region = self.facts.tracker.app_regions.get(id as usize);
                app_region
                    .is_some_and(|app_region| app_region.app == app && app_region.region == region)
            }
            Key::Host(id) => {
                let instance = self.targets.instance_of(self.facts, target);
                instance.is_some_and(|one| self.facts.tracker.instance(one).host == id)
            }
            Key::Stream | Key::Downstream(_) => false,
        }
    }

    /// The widest wholly silent scope of those given: the one with the most silent instances, which are at least two
    /// and more than abstain.
    fn widest_of(&self, keys: &[Key], probe: Probe, cache: &mut ScopeCache) -> Option<Reach> {
        // The most silent instances, and of those the fewest that abstain.
        let rank = |reach: &Reach| {
            let most_silent = std::cmp::Reverse(reach.silent);
            (most_silent, reach.abstaining, reach.key.preference())
        };
        let mut found = Vec::new();
        for &key in keys {
            let Some(count) = self.silent_in(key, probe, cache).filter(Count::is_silent) else {
                continue;
            };
            if let Key::Region(region) = key {
                found.extend(self.regions_with(region, count, probe, cache));
            }
            if count.silent >= 2 {
                let regions = BTreeSet::new();
                let silent = count.silent;
                found.push(Reach {
                    key,
                    silent,
                    abstaining: count.abstaining,
                    regions,
                });
            }
        }
        found.into_iter().min_by_key(rank)
    }

    /// The regions that fell silent together with this one; `None` if there are none.
    fn regions_with(
        &self,
        region: u32,
        own: Count,
        probe: Probe,
        cache: &mut ScopeCache,
    ) -> Option<Reach> {
        let near = |last: Listened| {
            let apart = last.since(own.last).max(own.last.since(last));
            apart <= GROUP_WINDOW
        };
        let (mut silent, mut abstaining, mut regions) = (0, 0, BTreeSet::new());
        for other in 0..self.facts.tracker.regions.len() as u32 {
            let count = self.silent_in(Key::Region(other), probe, cache);
            let count = count.filter(|count| count.is_silent() && near(count.last));
            if let Some(count) = count {
                silent += count.silent;
                abstaining += count.abstaining;
                regions.insert(other);
            }
        }
        // Two single machines in two regions are probably a coincidence.
        let several = regions.len() > 1 && silent > 2 && regions.contains(&region);
        several.then_some(Reach {
            key: Key::Regions,
            silent,
            abstaining,
            regions,
        })
    }

    /// The regions with watched instances, without lastbeat's own; and true if its own region is known.
    pub(in crate::core) fn other_regions(&self) -> (BTreeSet<u32>, bool) {
        let tracker = &self.facts.tracker;
        let own = self.facts.options.own.as_ref();
        let own = own.and_then(|(_, region, _)| tracker.region_names.find(region));
        let is_live = |region: &u32| {
            let all = self.instances_of(Key::Region(*region));
            let mut watched = all.filter(|id| self.is_watched(*id));
            Some(*region) != own && watched.next().is_some()
        };
        let regions = (0..tracker.regions.len() as u32).filter(is_live).collect();
        (regions, self.facts.options.own.is_some())
    }

    fn is_watched(&self, id: InstanceId) -> bool {
        !self.targets.targets_of(self.facts, id).is_empty()
    }

    /// True if an instance is lastbeat itself.
    fn is_own(&self, id: InstanceId, instance: &Instance) -> bool {
        let Some((app, region, name)) = &self.facts.options.own else {
            return false;
        };
        let tracker = &self.facts.tracker;
        let app_region = &tracker.app_regions[instance.app_region as usize];
        **tracker.region_names.get(app_region.region) == **region
            && **tracker.app_names.get(app_region.app) == **app
            && tracker.name(id) == name
    }

    /// Time without a sign of life after which a target counts as silent for its scope: one and a half intervals, so
    /// that siblings that beat at other moments are found with the first; half of `max_gap` if no interval is known.
    pub(in crate::core) fn patience(&self, target: u32) -> Duration {
        let rhythm = self.targets.interval(self.facts, target);
        let max_gap = self.targets.max_gap(self.facts, target);
        match rhythm.is_known {
            true => (rhythm.interval * 3 / 2).min(max_gap),
            false => max_gap / 2,
        }
    }

    /// The search for a firing target.
    pub(in crate::core) fn probe_of(&self, target: u32) -> Probe {
        let sign = if self.targets.is_of_logs(self.facts, target) {
            Sign::Entry
        } else {
            Sign::Beat
        };
        let seen = self.targets.seen(self.facts, target).listened;
        Probe {
            after: seen + self.patience(target),
            sign,
        }
    }

    /// Verdict of an instance on its scope, and its last sign of life; `None` if its silence proves nothing: it
    /// stopped, its interval is unknown, or it is lastbeat itself.
    fn vote_of(
        &self,
        id: InstanceId,
        instance: &Instance,
        probe: Probe,
    ) -> (Option<Vote>, Listened) {
        if self.is_own(id, instance) {
            return (None, Listened::ZERO);
        }
        let (mut patience, mut last, mut stopped) = (
            None::<Duration>,
            Listened::ZERO,
            self.facts.tracker.life(id).has_left(),
        );
        for beat in self.facts.tracker.beats_of(id) {
            let beat = self.facts.tracker.beat_row(beat);
            stopped |= beat.stopped();
            if !beat.stopped() && self.targets.table.row(beat.target).is_some() {
                let own = self.patience(beat.target);
                patience = Some(patience.map_or(own, |least| least.min(own)));
                last = last.max(beat.seen.listened);
            }
        }
        let spoke = match instance.spoke {
            Listened::NEVER => Listened::ZERO,
            spoke => spoke,
        };
        let of_logs = instance.logs < UNDECIDED && !stopped;
        if of_logs && (patience.is_none() || probe.sign == Sign::Entry) {
            patience = Some(self.patience(instance.logs));
            last = spoke;
        }
        let say = match patience {
            Some(patience) if self.facts.listening.listened().since(last) >= patience => {
                Some(Vote::Silent)
            }
            Some(_) if last > probe.after => Some(Vote::Heard),
            Some(_) => Some(Vote::Abstains),
            None if stopped => None,
            // No rule watches it: a recent entry proves that its region is live, its silence proves nothing.
            None => (spoke > probe.after).then_some(Vote::Heard),
        };
        (say, last)
    }

    /// True if an instance is silent by now.
    pub(in crate::core) fn is_silent(&self, id: InstanceId, sign: Sign) -> bool {
        let after = self.facts.listening.listened();
        let instance = self.facts.tracker.instance(id);
        self.vote_of(id, instance, Probe { after, sign }).0 == Some(Vote::Silent)
    }

    /// True if an instance's app itself logged something after the time at which its next beat was due: it logs on without
    /// beats. What one that died said between its last beat and its end proves nothing.
    pub(in crate::core) fn still_logs(&self, id: InstanceId) -> bool {
        let instance = self.facts.tracker.instance(id);
        let was_due = |beat| {
            let beat = self.facts.tracker.beat_row(beat);
            let is_watched = self.targets.table.row(beat.target).is_some();
            let patience = is_watched.then(|| self.patience(beat.target));
            beat.seen.listened + patience.unwrap_or_default()
        };
        let due = self.facts.tracker.beats_of(id).map(was_due).max();
        let quiet = self.facts.listening.listened().since(instance.spoke);
        instance.spoke != Listened::NEVER
            && due.is_some_and(|due| due < instance.spoke)
            && quiet < self.facts.stream_max_gap()
    }

    /// The widest silent scope of a firing target, or its own.
    pub(in crate::core) fn reach_of(
        &self,
        target: u32,
        probe: Probe,
        cache: &mut ScopeCache,
    ) -> Reach {
        let row = self.targets.table.get(target);
        let alone = |key| Reach {
            key,
            silent: 0,
            abstaining: 0,
            regions: BTreeSet::new(),
        };
        match row.watched() {
            Watched::Group(group) => {
                let group = self.targets.groups.get(group);
                let own = self.group_key(group.by, group.app, group.region);
                let judged = |id: &InstanceId| {
                    let instance = self.facts.tracker.instance(*id);
                    self.vote_of(*id, instance, probe).0.is_some()
                };
                let own_count = self.instances_of(own).filter(judged).count() as u32;
                let member = self.targets.members(self.facts, group).next();
                let wider = member
                    .and_then(|id| self.widest_of(&self.keys_of(id), probe, cache))
                    .filter(|reach| reach.silent > own_count);
                wider.unwrap_or_else(|| alone(own))
            }
            watched => {
                let (app, _) = self.app_region_of(target);
                let id = watched.instance(&self.facts.tracker);
                let widest = id
                    .filter(|id| self.is_silent(*id, probe.sign))
                    .and_then(|id| self.widest_of(&self.keys_of(id), probe, cache));
                widest.unwrap_or_else(|| alone(Key::Part(app)))
            }
        }
    }

    fn keys_of(&self, id: InstanceId) -> Vec<Key> {
        let instance = self.facts.tracker.instance(id);
        let (app, region) = self.app_region(instance.app_region);
        let mut keys = vec![
            Key::Region(region),
            Key::App(app),
            Key::AppRegion(instance.app_region),
        ];
        if instance.host != NONE {
            keys.push(Key::Host(instance.host));
        }
        keys
    }

    /// The subject of an incident of a whole group.
    pub(in crate::core) fn group_key(&self, by: By, app: u32, region: u32) -> Key {
        match by {
            By::Region => Key::Region(region),
            By::App => Key::App(app),
            By::Instance | By::AppRegion => Key::AppRegion(
                self.facts
                    .tracker
                    .find_app_region(app, region)
                    .unwrap_or(NONE),
            ),
        }
    }

    /// The app and the region of an app-region.
    pub(in crate::core) fn app_region(&self, app_region: u32) -> (u32, u32) {
        let app_region = &self.facts.tracker.app_regions[app_region as usize];
        (app_region.app, app_region.region)
    }

    /// The group of a target; `None` for other targets.
    pub(in crate::core) fn group_of(&self, target: u32) -> Option<GroupId> {
        match self.targets.table.get(target).watched() {
            Watched::Group(group) => Some(group),
            Watched::Beat(_) | Watched::Logs(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
