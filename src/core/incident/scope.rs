//! How far a silence reaches: one cause is one incident, at the widest scope that is wholly silent.

use crate::core::incident::view::View;
use crate::core::notice::Scope;
use crate::core::rule::By;
use crate::core::targets::groups::GroupId;
use crate::core::targets::table::Watched;
use crate::core::time::{Mono, Stamp};
use crate::core::tracker::{InstanceId, NONE, record::Instance};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What an incident is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// The stream itself.
    Stream,
    /// A region.
    Region(u32),
    /// An app.
    App(u32),
    /// An app in a region.
    Place(u32),
    /// A physical host.
    Host(u32),
    /// Targets of one rule and app that fired together.
    Alone {
        /// The rule.
        rule: u32,
        /// Their app.
        app: u32,
    },
}

impl Key {
    /// The scope it stands for.
    pub const fn scope(self) -> Scope {
        match self {
            Key::Stream => Scope::Stream,
            Key::Region(_) => Scope::Region,
            Key::App(_) => Scope::App,
            Key::Place(_) => Scope::AppRegion,
            Key::Host(_) => Scope::Host,
            Key::Alone { .. } => Scope::Instance,
        }
    }
}

/// Which scopes are wholly silent, and of how many instances.
#[derive(Debug, Default)]
pub struct ScopeCache {
    /// What was found this turn: asked once for all targets that fire together.
    asked: BTreeMap<Key, Option<u32>>,
    /// What was found of large scopes before, and still tells what holds now.
    before: BTreeMap<Key, Found>,
}

/// What was found of a scope.
#[derive(Clone, Copy, Debug)]
enum Found {
    /// This one was heard: as long as it counts as heard, no other needs to be looked at.
    Heard(InstanceId),
    /// Wholly silent, so many of it, at an arrival. It stays so while nothing of it is heard.
    Silent(u32, Stamp),
}

impl ScopeCache {
    /// What was found is remembered of scopes of which more were looked at: others are looked at again as fast.
    const LARGE: u32 = 64;

    /// The turn is over: in the next one who was silent may have been heard.
    pub(in crate::core) fn end(&mut self) {
        self.asked.clear();
    }

    /// More changed than who was heard: nothing that was found before holds for sure.
    pub(in crate::core) fn forget(&mut self) {
        self.before.clear();
    }

    /// How many there are in a wholly silent scope; `None` where it is not, or was not asked for this turn.
    pub(in crate::core) fn silent(&self, key: Key) -> Option<u32> {
        self.asked.get(&key).copied().flatten()
    }
}

impl View<'_> {
    /// The instances of a scope; none of the stream's, and of what fires alone.
    fn instances_of(&self, key: Key) -> Box<dyn Iterator<Item = InstanceId> + '_> {
        match key {
            Key::Region(id) => Box::new(
                self.facts
                    .tracker
                    .members_of(self.facts.tracker.places_of(NONE, id)),
            ),
            Key::App(id) => {
                // In the order of their numbers, as a region's are: texts name the first.
                let places: BTreeSet<u32> = self.facts.tracker.places_of(id, NONE).collect();
                Box::new(self.facts.tracker.members_of(places.into_iter()))
            }
            Key::Place(id) => {
                let place = self.facts.tracker.places.get(id as usize);
                Box::new(self.facts.tracker.members_of(place.map(|_| id).into_iter()))
            }
            Key::Host(id) => {
                let there = self.facts.tracker.hosts.get(id as usize);
                Box::new(there.into_iter().flatten().map(|&id| InstanceId(id)))
            }
            Key::Stream | Key::Alone { .. } => Box::new(std::iter::empty()),
        }
    }

    /// How many instances a scope has that is wholly silent; `None` where any is heard, or where there are not two. Mostly the
    /// first that is looked at is heard, and no other needs to be.
    fn silent_in(&self, key: Key, cache: &mut ScopeCache) -> Option<u32> {
        if let Some(&known) = cache.asked.get(&key) {
            return known;
        }
        let before = cache.before.get(&key);
        let found = match before.and_then(|&found| self.still(key, found)) {
            Some(known) => {
                debug_assert_eq!(known, self.count(key).0, "nothing of {key:?} changed");
                known
            }
            None => {
                let (known, looked_at, found) = self.count(key);
                if looked_at > ScopeCache::LARGE {
                    cache.before.insert(key, found);
                }
                known
            }
        };
        cache.asked.insert(key, found);
        found
    }

    /// Looks through a scope: how many there are where it is wholly silent, how many were looked at, and what is to be
    /// remembered.
    fn count(&self, key: Key) -> (Option<u32>, u32, Found) {
        let (mut all, mut looked_at) = (0, 0);
        let heard = self.instances_of(key).find(|id| {
            let silent = self.is_silent(*id, self.facts.tracker.instance(*id));
            all += u32::from(silent.is_some());
            looked_at += 1;
            silent == Some(false)
        });
        let found = heard.map_or(
            Found::Silent(all, self.facts.listening.stamp()),
            Found::Heard,
        );
        let known = (heard.is_none() && all >= 2).then_some(all);
        (known, looked_at, found)
    }

    /// What was found of a scope, if that still holds.
    fn still(&self, key: Key, found: Found) -> Option<Option<u32>> {
        match found {
            Found::Heard(id) => {
                let instance = self.facts.tracker.instance(id);
                let heard =
                    self.is_in(instance, key) && self.is_silent(id, instance) == Some(false);
                heard.then_some(None)
            }
            Found::Silent(all, at) => {
                // A silence grows longer with the listened clock, which goes back where messages were lost.
                let quiet =
                    self.seen_of(key) < at.at && self.facts.listening.listened() >= at.listened;
                quiet.then_some((all >= 2).then_some(all))
            }
        }
    }

    /// When anything of a scope was last heard.
    fn seen_of(&self, key: Key) -> Mono {
        let tracker = &self.facts.tracker;
        let seen = match key {
            Key::Region(id) => tracker.regions[id as usize].seen,
            Key::App(id) => tracker.apps[id as usize].seen,
            Key::Place(id) => tracker.places[id as usize].seen,
            // Of a host that is not known apart: anything at all.
            Key::Host(_) | Key::Stream | Key::Alone { .. } => self.facts.listening.stamp(),
        };
        seen.at
    }

    fn is_in(&self, instance: &Instance, key: Key) -> bool {
        let place = &self.facts.tracker.places[instance.place as usize];
        instance.is_tracked()
            && match key {
                Key::Region(id) => place.region == id,
                Key::App(id) => place.app == id,
                Key::Place(id) => instance.place == id,
                Key::Host(id) => instance.host == id,
                Key::Stream | Key::Alone { .. } => false,
            }
    }

    /// The widest wholly silent scope that holds an instance: that of the most instances, and of equal ones the
    /// region, the app, the app-region, the host, in this order.
    fn widest_of(&self, id: InstanceId, cache: &mut ScopeCache) -> Option<(Key, u32)> {
        let instance = self.facts.tracker.instance(id);
        let place = &self.facts.tracker.places[instance.place as usize];
        let mut keys = vec![
            Key::Region(place.region),
            Key::App(place.app),
            Key::Place(instance.place),
        ];
        if instance.host != NONE {
            keys.push(Key::Host(instance.host));
        }
        let mut widest: Option<(Key, u32)> = None;
        for key in keys {
            if let Some(all) = self.silent_in(key, cache)
                && widest.is_none_or(|(_, most)| all > most)
            {
                widest = Some((key, all));
            }
        }
        widest
    }

    /// Whether nothing of an instance is heard; `None` where its silence says nothing: it stopped, or nobody
    /// knows how often it should speak.
    ///
    /// Siblings beat at other moments, so that one counts as silent once nothing of it was heard for half of its
    /// own `max_gap`, and for one and a half of its usual intervals.
    pub(in crate::core) fn is_silent(&self, id: InstanceId, instance: &Instance) -> Option<bool> {
        let quiet = self
            .facts
            .listening
            .listened()
            .since(instance.seen.listened);
        let mut patience: Option<Duration> = None;
        let mut stopped = self.facts.tracker.life(id).has_left();
        for beat in self.facts.tracker.beats_of(id) {
            let beat = self.facts.tracker.beat_row(beat);
            stopped |= beat.stopped();
            if let (false, Some(_)) = (beat.stopped(), self.targets.table.row(beat.target)) {
                let usual = beat
                    .every()
                    .or_else(|| beat.usual.longest())
                    .unwrap_or_default();
                let own = (self.targets.max_gap(self.facts, beat.target) / 2).max(usual * 3 / 2);
                patience = Some(patience.map_or(own, |least| least.min(own)));
            }
        }
        if self.targets.table.row(instance.logs).is_some() && !stopped {
            let own = self.targets.max_gap(self.facts, instance.logs) / 2;
            patience = Some(patience.map_or(own, |least| least.min(own)));
        }
        match patience {
            Some(patience) => Some(quiet >= patience),
            None if stopped => None,
            // Nobody watches it: heard lately it proves that its region flows, else it proves nothing.
            None => (quiet < self.facts.stream_max_gap() / 2).then_some(false),
        }
    }

    /// What the incident of a firing target is about.
    pub(in crate::core) fn key_of(&self, target: u32, cache: &mut ScopeCache) -> Key {
        let row = self.targets.table.get(target);
        match row.watched() {
            Watched::Group(group) => {
                let group = self.targets.groups.get(group);
                let own = self.group_key(group.by, group.app, group.region);
                let judged = |id: &InstanceId| {
                    let instance = self.facts.tracker.instance(*id);
                    self.is_silent(*id, instance).is_some()
                };
                let own_count = self.instances_of(own).filter(judged).count() as u32;
                let member = self.targets.members(self.facts, group).next();
                let wider = member
                    .and_then(|id| self.widest_of(id, cache))
                    .filter(|(_, all)| *all > own_count);
                wider.map_or(own, |(key, _)| key)
            }
            Watched::Beat(_) | Watched::Logs(_) => {
                let id = (row.watched())
                    .instance(&self.facts.tracker)
                    .unwrap_or(InstanceId(NONE));
                let instance = self.facts.tracker.instance(id);
                let app = self.facts.tracker.places[instance.place as usize].app;
                let alone = Key::Alone {
                    rule: row.rule(),
                    app,
                };
                // One that still logs has lost its beat alone, however silent its neighbours are.
                if self.is_silent(id, instance) != Some(true) {
                    return alone;
                }
                self.widest_of(id, cache).map_or(alone, |(key, _)| key)
            }
        }
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

    /// The targets within what an incident is about.
    pub(in crate::core) fn targets_within(&self, key: Key) -> impl Iterator<Item = u32> {
        let own = self
            .instances_of(key)
            .flat_map(|id| self.targets.targets_of(self.facts, id));
        own.chain(self.groups_within(key))
    }

    /// The targets of the groups that lie within a scope, or are the scope.
    fn groups_within(&self, key: Key) -> impl Iterator<Item = u32> {
        let scope = match key {
            Key::Region(region) => Some((NONE, region, By::Region)),
            Key::App(app) => Some((app, NONE, By::App)),
            Key::Place(place) => {
                let (app, region) = self.app_region(place);
                Some((app, region, By::AppRegion))
            }
            Key::Stream | Key::Host(_) | Key::Alone { .. } => None,
        };
        let groups = scope.into_iter().flat_map(move |(app, region, by)| {
            let rules = (0..).zip(&self.facts.rules.rules);
            let own = rules.filter(move |(_, rule)| rule.by == by);
            let whole =
                own.filter_map(move |(rule, _)| self.targets.groups.find(rule, app, region));
            let places = self.facts.tracker.places_of(app, region);
            whole.chain(places.flat_map(|place| self.groups_of_place(place)))
        });
        groups.map(|group| self.targets.groups.get(group).target)
    }

    /// The groups that an app-region is by itself.
    fn groups_of_place(&self, place: u32) -> impl Iterator<Item = GroupId> {
        let (app, region) = self.app_region(place);
        let links = self
            .targets
            .plan
            .links
            .get(place as usize)
            .into_iter()
            .flatten();
        let own = links.filter(|link| link.by == By::AppRegion);
        own.filter_map(move |link| self.targets.groups.find(link.rule, app, region))
    }

    fn app_region(&self, place: u32) -> (u32, u32) {
        let place = &self.facts.tracker.places[place as usize];
        (place.app, place.region)
    }

    /// The silent instances within what an incident is about.
    pub(in crate::core) fn silent_within(
        &self,
        key: Key,
    ) -> impl Iterator<Item = (InstanceId, &Instance)> {
        let all = self.instances_of(key);
        let all = all.map(|id| (id, self.facts.tracker.instance(id)));
        all.filter(|(id, instance)| self.is_silent(*id, instance) == Some(true))
    }
}
