//! How far a silence reaches: one cause is one incident, at the widest scope that is wholly silent.

use super::alert::{State, Watched};
use super::engine::Engine;
use super::notice::Scope;
use super::rule::By;
use super::tracker::{Instance, InstanceId, NONE, Place};
use std::collections::BTreeMap;
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

/// Which scopes are wholly silent, and of how many instances: asked once for all targets that fire together.
pub type Census = BTreeMap<Key, Option<u32>>;

impl Engine {
    /// The instances of a scope; none of the stream's, and of what fires alone.
    fn instances_of(&self, key: Key) -> Box<dyn Iterator<Item = InstanceId> + '_> {
        let places = |is: fn(&Place) -> u32, id: u32| {
            let own = self
                .tracker
                .places
                .iter()
                .filter(move |place| is(place) == id);
            own.flat_map(|place| place.members.iter().map(|&id| InstanceId(id)))
        };
        match key {
            Key::Region(id) => Box::new(places(|place| place.region, id)),
            Key::App(id) => Box::new(places(|place| place.app, id)),
            Key::Place(id) => {
                let place = self.tracker.places.get(id as usize);
                let members = place.into_iter().flat_map(|place| &place.members);
                Box::new(members.map(|&id| InstanceId(id)))
            }
            Key::Host(id) => {
                let all = self.tracker.iter();
                Box::new(all.filter(move |(_, one)| one.host == id).map(|(id, _)| id))
            }
            Key::Stream | Key::Alone { .. } => Box::new(std::iter::empty()),
        }
    }

    /// How many instances a scope has that is wholly silent; `None` where any is heard, or where there are not two. Mostly the
    /// first that is looked at is heard, and no other needs to be.
    fn silent_in(&self, key: Key, census: &mut Census) -> Option<u32> {
        if let Some(&known) = census.get(&key) {
            return known;
        }
        let mut all = 0;
        let heard = self.instances_of(key).any(|id| {
            let silent = self.is_silent(id, &self.tracker.instances[id.0 as usize]);
            all += u32::from(silent.is_some());
            silent == Some(false)
        });
        let found = (!heard && all >= 2).then_some(all);
        census.insert(key, found);
        found
    }

    /// The widest wholly silent scope that holds an instance: that of the most instances, and of equal ones the
    /// region, the app, the app-region, the host, in this order.
    fn widest_of(&self, id: InstanceId, census: &mut Census) -> Option<(Key, u32)> {
        let instance = &self.tracker.instances[id.0 as usize];
        let place = &self.tracker.places[instance.place as usize];
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
            if let Some(all) = self.silent_in(key, census)
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
    pub(super) fn is_silent(&self, id: InstanceId, instance: &Instance) -> Option<bool> {
        let quiet = self.listening.listened().since(instance.seen.listened);
        let mut patience: Option<Duration> = None;
        let mut stopped = false;
        for beat in self.tracker.beats_of(id) {
            let beat = &self.tracker.beats[beat.0 as usize];
            stopped |= beat.stopped();
            if let (false, Some(target)) = (beat.stopped(), self.targets.row(beat.target)) {
                let usual = beat
                    .every()
                    .or_else(|| target.usual.longest())
                    .unwrap_or_default();
                let own = (self.max_gap(beat.target) / 2).max(usual * 3 / 2);
                patience = Some(patience.map_or(own, |least| least.min(own)));
            }
        }
        if self.targets.row(instance.logs).is_some() && !stopped {
            let own = self.max_gap(instance.logs) / 2;
            patience = Some(patience.map_or(own, |least| least.min(own)));
        }
        match patience {
            Some(patience) => Some(quiet >= patience),
            None if stopped => None,
            // Nobody watches it: heard lately it proves that its region flows, else it proves nothing.
            None => (quiet < self.rules.stream.max_gap / 2).then_some(false),
        }
    }

    /// What the incident of a firing target is about.
    pub(super) fn key_of(&self, target: u32, census: &mut Census) -> Key {
        let row = self.targets.get(target);
        match row.watched() {
            Watched::Group(group) => {
                let group = self.groups.get(group);
                let own = self.group_key(group.by, group.app, group.region);
                let judged = |id: &InstanceId| {
                    let instance = &self.tracker.instances[id.0 as usize];
                    self.is_silent(*id, instance).is_some()
                };
                let own_count = self.instances_of(own).filter(judged).count() as u32;
                let member = self.members(group).next();
                let wider = member
                    .and_then(|id| self.widest_of(id, census))
                    .filter(|(_, all)| *all > own_count);
                wider.map_or(own, |(key, _)| key)
            }
            Watched::Beat(_) | Watched::Logs(_) => {
                let id = self.instance_of(row.watched()).unwrap_or(InstanceId(NONE));
                let instance = &self.tracker.instances[id.0 as usize];
                let app = self.tracker.places[instance.place as usize].app;
                let alone = Key::Alone {
                    rule: row.rule(),
                    app,
                };
                // One that still logs has lost its beat alone, however silent its neighbours are.
                if self.is_silent(id, instance) != Some(true) {
                    return alone;
                }
                self.widest_of(id, census).map_or(alone, |(key, _)| key)
            }
        }
    }

    /// The key of a group's own scope.
    pub(super) fn group_key(&self, by: By, app: u32, region: u32) -> Key {
        match by {
            By::Region => Key::Region(region),
            By::App => Key::App(app),
            By::Instance | By::AppRegion => {
                Key::Place(self.tracker.find_place(app, region).unwrap_or(NONE))
            }
        }
    }

    /// Whether a target lies within what an incident is about.
    pub(super) fn is_within(&self, target: u32, key: Key) -> bool {
        let row = self.targets.get(target);
        let (place, host) = match row.watched() {
            Watched::Group(group) => {
                let group = self.groups.get(group);
                return match (key, group.by) {
                    (Key::Region(region), By::Region | By::AppRegion) => group.region == region,
                    (Key::App(app), By::App | By::AppRegion) => group.app == app,
                    (Key::Place(_), By::AppRegion) => {
                        self.group_key(group.by, group.app, group.region) == key
                    }
                    _ => false,
                };
            }
            Watched::Beat(_) | Watched::Logs(_) => {
                let Some(id) = self.instance_of(row.watched()) else {
                    return false;
                };
                let instance = &self.tracker.instances[id.0 as usize];
                (instance.place, instance.host)
            }
        };
        let at = &self.tracker.places[place as usize];
        match key {
            Key::Stream => true,
            Key::Region(region) => at.region == region,
            Key::App(app) => at.app == app,
            Key::Place(own) => place == own,
            Key::Host(own) => host == own,
            Key::Alone { .. } => false,
        }
    }

    /// The silent instances within what an incident is about.
    pub(super) fn silent_within(&self, key: Key) -> impl Iterator<Item = (InstanceId, &Instance)> {
        let all = self.instances_of(key);
        let all = all.map(|id| (id, &self.tracker.instances[id.0 as usize]));
        all.filter(|(id, instance)| self.is_silent(*id, instance) == Some(true))
    }

    /// Whether a target fires.
    pub(super) fn fires(&self, target: u32) -> bool {
        self.targets
            .row(target)
            .is_some_and(|row| row.rule() != NONE && row.state == State::Firing)
    }
}
