//! How far a silence reaches: one cause is one incident, at the widest scope that is wholly silent.

use crate::core::incident::kind::Scope;
use crate::core::incident::view::View;
use crate::core::rule::By;
use crate::core::targets::groups::GroupId;
use crate::core::targets::table::Watched;
use crate::core::time::{Listened, Mono};
use crate::core::tracker::{InstanceId, NONE, UNDECIDED, record::Instance};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Members of one app join its incident within this long of the last that joined, and regions that fall silent within
/// it of one another are one incident. Prometheus' users wait as long for a group to settle (`group_interval`).
pub const GROUP_WINDOW: Duration = Duration::from_secs(300);

/// What an incident is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// The stream itself.
    Stream,
    /// Several regions; the incident knows which.
    Regions,
    /// A region.
    Region(u32),
    /// An app.
    App(u32),
    /// An app in a region.
    Place(u32),
    /// A physical host.
    Host(u32),
    /// Some targets of an app.
    Part(u32),
}

impl Key {
    /// The scope it stands for.
    pub const fn scope(self) -> Scope {
        match self {
            Key::Stream => Scope::Stream,
            Key::Regions => Scope::Regions,
            Key::Region(_) => Scope::Region,
            Key::App(_) => Scope::App,
            Key::Place(_) => Scope::AppRegion,
            Key::Host(_) => Scope::Host,
            Key::Part(_) => Scope::Instance,
        }
    }

    /// Of scopes with as many silent instances, and as many that abstain, the one of the lowest preference is named: an app
    /// that lives nowhere else before its region, a host before the app-region that lives on it alone.
    const fn preference(self) -> u8 {
        match self {
            Key::App(_) => 0,
            Key::Region(_) => 1,
            Key::Regions => 2,
            Key::Host(_) => 3,
            Key::Place(_) => 4,
            Key::Part(_) | Key::Stream => 5,
        }
    }
}

/// What a silence is measured on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sign {
    /// Beats.
    Beat,
    /// Entries of the app itself.
    Entry,
}

/// The moment after which a sign of life proves that a scope lives, and what counts as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The listened clock.
    pub after: Listened,
    /// What counts as heard.
    pub sign: Sign,
}

/// What an instance says of its scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Say {
    /// It was heard since others fell silent.
    Heard,
    /// It should have been heard, and was not.
    Silent,
    /// It speaks too rarely to be due yet.
    Abstains,
}

/// How many instances of a scope are silent that is silent as far as anybody says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// Those that should have been heard.
    pub silent: u32,
    /// Those that are not due yet.
    pub abstaining: u32,
    /// When the last of the silent ones was heard, on the listened clock.
    pub last: Listened,
}

impl Count {
    /// Whether more of it are silent than abstain.
    const fn is_silent(&self) -> bool {
        self.silent > self.abstaining
    }
}

/// Which scopes are wholly silent, and of how many instances.
#[derive(Debug, Default)]
pub struct ScopeCache {
    /// What was found this turn: asked once for all targets that fire together.
    asked: BTreeMap<(Key, Sign), Option<Count>>,
    /// What was found of large scopes before, and still tells what holds now.
    before: BTreeMap<(Key, Sign), Found>,
}

/// What was found of a scope.
#[derive(Clone, Copy, Debug)]
enum Found {
    /// This one was heard: as long as it counts as heard, no other needs to be looked at.
    Heard(InstanceId),
    /// Wholly silent at an arrival, on both clocks.
    Silent(Count, Mono, Listened),
}

impl ScopeCache {
    /// What was found is remembered of scopes of which more were looked at: others are looked at again as fast.
    const LARGE: u32 = 64;
    /// A large scope of which something was heard, or of which some abstain, is looked through again after this long.
    const AGAIN: Duration = Duration::from_millis(500);

    /// The turn is over: in the next one what was silent may have been heard.
    pub(in crate::core) fn end(&mut self) {
        self.asked.clear();
    }

    /// More changed than that instances were heard: nothing that was found before holds for sure.
    pub(in crate::core) fn forget(&mut self) {
        self.before.clear();
        self.asked.clear();
    }
}

/// What a silence is part of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The widest silent scope.
    pub key: Key,
    /// How many silent instances it has.
    pub silent: u32,
    /// How many of its instances are not due yet.
    pub abstaining: u32,
    /// The regions, where there are several.
    pub regions: BTreeSet<u32>,
}

impl View<'_> {
    /// The instances of a scope; none of the stream's, of several regions', and of parts.
    pub(in crate::core) fn instances_of(
        &self,
        key: Key,
    ) -> Box<dyn Iterator<Item = InstanceId> + '_> {
        let tracker = &self.facts.tracker;
        match key {
            Key::Region(id) => Box::new(tracker.members_of(tracker.places_of(NONE, id))),
            Key::App(id) | Key::Part(id) => {
                // In the order of their numbers, as a region's are: texts name the first.
                let places: BTreeSet<u32> = tracker.places_of(id, NONE).collect();
                Box::new(tracker.members_of(places.into_iter()))
            }
            Key::Place(id) => {
                let place = tracker.places.get(id as usize);
                Box::new(tracker.members_of(place.map(|_| id).into_iter()))
            }
            Key::Host(id) => {
                let there = tracker.hosts.get(id as usize);
                Box::new(there.into_iter().flatten().map(|&id| InstanceId(id)))
            }
            Key::Stream | Key::Regions => Box::new(std::iter::empty()),
        }
    }

    /// How many instances of a scope are silent; `None` where any is heard, or where nothing of it should have been. Mostly
    /// the first that is looked at is heard, and no other needs to be.
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

    /// Looks through a scope: how many are silent where nothing is heard, how many were looked at, and what is to be
    /// remembered.
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
            let (say, last) = self.say_of(*id, instance, probe);
            match say {
                Some(Say::Silent) => {
                    count.silent += 1;
                    count.last = count.last.max(last);
                }
                Some(Say::Abstains) => count.abstaining += 1,
                Some(Say::Heard) | None => {}
            }
            say == Some(Say::Heard)
        });
        let now = self.facts.listening.stamp();
        let found = heard.map_or(Found::Silent(count, now.at, now.listened), Found::Heard);
        let known = heard.is_none() && count.silent > 0;
        (known.then_some(count), looked_at, found)
    }

    /// What was found of a scope, if that still holds.
    fn still(&self, key: Key, probe: Probe, found: Found) -> Option<Option<Count>> {
        match found {
            Found::Heard(id) => {
                let instance = self.facts.tracker.instance(id);
                let heard = self.is_in(instance, key)
                    && self.say_of(id, instance, probe).0 == Some(Say::Heard);
                heard.then_some(None)
            }
            Found::Silent(count, at, listened) => {
                let now = self.facts.listening.stamp();
                // A silence grows longer with the listened clock, which goes back where messages were lost.
                let quiet = self.seen_of(key) < at && count.abstaining == 0;
                let fresh = now.listened.since(listened) < ScopeCache::AGAIN;
                let holds = now.listened >= listened && (quiet || (fresh && now.at > at));
                holds.then_some((count.silent > 0).then_some(count))
            }
        }
    }

    /// When anything of a scope was last heard.
    fn seen_of(&self, key: Key) -> Mono {
        let tracker = &self.facts.tracker;
        let seen = match key {
            Key::Region(id) => tracker.regions[id as usize].seen,
            Key::App(id) | Key::Part(id) => tracker.apps[id as usize].seen,
            Key::Place(id) => tracker.places[id as usize].seen,
            // Of a host that is not known apart: anything at all.
            Key::Host(_) | Key::Stream | Key::Regions => self.facts.listening.stamp(),
        };
        seen.at
    }

    /// Whether an instance is part of a scope.
    pub(in crate::core) fn is_in(&self, instance: &Instance, key: Key) -> bool {
        let place = &self.facts.tracker.places[instance.place as usize];
        instance.is_tracked()
            && match key {
                Key::Region(id) => place.region == id,
                Key::App(id) | Key::Part(id) => place.app == id,
                Key::Place(id) => instance.place == id,
                Key::Host(id) => instance.host == id,
                Key::Stream | Key::Regions => false,
            }
    }

    /// The app and the region of a target; none (`u32::MAX`) of what it does not have.
    pub(in crate::core) fn app_region_of(&self, target: u32) -> (u32, u32) {
        match self.targets.table.get(target).watched() {
            Watched::Group(group) => {
                let group = self.targets.groups.get(group);
                (group.app, group.region)
            }
            watched => {
                let id = watched.instance(&self.facts.tracker);
                let id = id.map(|id| self.facts.tracker.instance(id).place);
                id.map_or((NONE, NONE), |place| self.app_region(place))
            }
        }
    }

    /// Whether a target lies within a scope.
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
            Key::Place(id) => {
                let place = self.facts.tracker.places.get(id as usize);
                place.is_some_and(|place| place.app == app && place.region == region)
            }
            Key::Host(id) => {
                let instance = self.targets.instance_of(self.facts, target);
                instance.is_some_and(|one| self.facts.tracker.instance(one).host == id)
            }
            Key::Stream => false,
        }
    }

    /// The widest wholly silent scope that holds an instance, or a region: that of the most silent instances. A scope has
    /// at least two, and more than abstain.
    fn widest_of(&self, keys: &[Key], probe: Probe, cache: &mut ScopeCache) -> Option<Reach> {
        // The most silent instances, of these the fewest that abstain.
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

    /// The regions that fell silent together with this one, if there are any.
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
        // Two single machines of two regions are likelier a coincidence.
        let several = regions.len() > 1 && silent > 2 && regions.contains(&region);
        several.then_some(Reach {
            key: Key::Regions,
            silent,
            abstaining,
            regions,
        })
    }

    /// How many regions have instances that are watched, but for the own one; and whether it is known which that is.
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
        !self.is_own(id, self.facts.tracker.instance(id))
            && !self.targets.targets_of(self.facts, id).is_empty()
    }

    /// Whether an instance is lastbeat itself.
    fn is_own(&self, id: InstanceId, instance: &Instance) -> bool {
        let Some((app, region, name)) = &self.facts.options.own else {
            return false;
        };
        let tracker = &self.facts.tracker;
        let place = &tracker.places[instance.place as usize];
        **tracker.region_names.get(place.region) == **region
            && **tracker.app_names.get(place.app) == **app
            && tracker.name(id) == name
    }

    /// For how long a target may be quiet until it counts as silent in what is said of its scope: one and a half of its
    /// intervals, so that siblings that beat at other moments are found with the first; half of `max_gap` where no interval
    /// is known.
    pub(in crate::core) fn patience(&self, target: u32) -> Duration {
        let rhythm = self.targets.interval(self.facts, target);
        match rhythm.is_known {
            true => (rhythm.interval * 3 / 2).min(self.targets.max_gap(self.facts, target)),
            false => rhythm.interval,
        }
    }

    /// The probe of a target that fires.
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

    /// What an instance says of its scope, and when it was last heard; `None` where its silence says nothing: it stopped,
    /// nobody knows how often it should speak, or it is lastbeat itself.
    fn say_of(&self, id: InstanceId, instance: &Instance, probe: Probe) -> (Option<Say>, Listened) {
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
                Some(Say::Silent)
            }
            Some(_) if last > probe.after => Some(Say::Heard),
            Some(_) => Some(Say::Abstains),
            None if stopped => None,
            // Nobody watches it: heard lately it proves that its region flows, else it proves nothing.
            None => (spoke > probe.after).then_some(Say::Heard),
        };
        (say, last)
    }

    /// Whether an instance is silent by now.
    pub(in crate::core) fn is_silent(&self, id: InstanceId, sign: Sign) -> bool {
        let after = self.facts.listening.listened();
        let instance = self.facts.tracker.instance(id);
        self.say_of(id, instance, Probe { after, sign }).0 == Some(Say::Silent)
    }

    /// Whether an instance's app itself said something since its last beat.
    pub(in crate::core) fn still_logs(&self, id: InstanceId) -> bool {
        let instance = self.facts.tracker.instance(id);
        let beats = self.facts.tracker.beats_of(id);
        let beats = beats.map(|beat| self.facts.tracker.beat_row(beat).seen.listened);
        let last = beats.max();
        let quiet = self.facts.listening.listened().since(instance.spoke);
        instance.spoke != Listened::NEVER
            && last.is_some_and(|last| last < instance.spoke)
            && quiet < self.facts.stream_max_gap()
    }

    /// What a firing target is part of: the widest silent scope, or its own.
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
                    self.say_of(*id, instance, probe).0.is_some()
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
        let (app, region) = self.app_region(instance.place);
        let mut keys = vec![
            Key::Region(region),
            Key::App(app),
            Key::Place(instance.place),
        ];
        if instance.host != NONE {
            keys.push(Key::Host(instance.host));
        }
        keys
    }

    /// The key of a group's own scope.
    pub(in crate::core) fn group_key(&self, by: By, app: u32, region: u32) -> Key {
        match by {
            By::Region => Key::Region(region),
            By::App => Key::App(app),
            By::Instance | By::AppRegion => {
                Key::Place(self.facts.tracker.find_place(app, region).unwrap_or(NONE))
            }
        }
    }

    /// The app and the region of an app-region.
    pub(in crate::core) fn app_region(&self, place: u32) -> (u32, u32) {
        let place = &self.facts.tracker.places[place as usize];
        (place.app, place.region)
    }

    /// The group of a target, where it is one.
    pub(in crate::core) fn group_of(&self, target: u32) -> Option<GroupId> {
        match self.targets.table.get(target).watched() {
            Watched::Group(group) => Some(group),
            Watched::Beat(_) | Watched::Logs(_) => None,
        }
    }
}
