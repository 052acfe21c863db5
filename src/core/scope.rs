//! How far a silence reaches: one cause is one incident, at the widest scope that is wholly silent.

use super::alert::{State, Watched};
use super::engine::Engine;
use super::notice::Scope;
use super::rule::By;
use super::tracker::{Instance, InstanceId, NONE};
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

/// Instances counted, and how many of them are silent.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    all: u32,
    silent: u32,
}

impl Count {
    fn add(&mut self, silent: bool) {
        self.all += 1;
        self.silent += u32::from(silent);
    }

    /// Two or more, and none is heard.
    fn is_silent(self) -> bool {
        self.all >= 2 && self.silent == self.all
    }
}

/// Who is silent now, counted once for all targets that fire together.
#[derive(Debug)]
pub struct Census {
    regions: Vec<Count>,
    apps: Vec<Count>,
    places: Vec<Count>,
    hosts: Vec<Count>,
}

impl Census {
    /// The widest wholly silent scope that holds an instance: that of the most instances, and of equal ones the
    /// region, the app, the app-region, the host, in this order.
    fn widest(&self, place: u32, app: u32, region: u32, host: u32) -> Option<(Key, u32)> {
        let none = Count::default();
        let counts = [
            (Key::Region(region), self.regions[region as usize]),
            (Key::App(app), self.apps[app as usize]),
            (Key::Place(place), self.places[place as usize]),
            (
                Key::Host(host),
                self.hosts.get(host as usize).copied().unwrap_or(none),
            ),
        ];
        let mut widest: Option<(Key, u32)> = None;
        for (key, count) in counts {
            if count.is_silent() && widest.is_none_or(|(_, all)| count.all > all) {
                widest = Some((key, count.all));
            }
        }
        widest
    }
}

impl Engine {
    /// Counts who is silent.
    pub(super) fn census(&self) -> Census {
        let mut census = Census {
            regions: vec![Count::default(); self.tracker.regions.len()],
            apps: vec![Count::default(); self.tracker.apps.len()],
            places: vec![Count::default(); self.tracker.places.len()],
            hosts: vec![Count::default(); self.tracker.hosts.len()],
        };
        for (id, instance) in self.tracker.iter() {
            let Some(silent) = self.is_silent(id, instance) else {
                continue;
            };
            let place = &self.tracker.places[instance.place as usize];
            census.regions[place.region as usize].add(silent);
            census.apps[place.app as usize].add(silent);
            census.places[instance.place as usize].add(silent);
            if instance.host != NONE {
                census.hosts[instance.host as usize].add(silent);
            }
        }
        census
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
    pub(super) fn key_of(&self, target: u32, census: &Census) -> Key {
        let row = self.targets.get(target);
        match row.watched() {
            Watched::Group(group) => {
                let group = self.groups.get(group);
                let own = self.group_key(group.by, group.app, group.region);
                let own_count = match own {
                    Key::Region(id) => census.regions[id as usize].all,
                    Key::App(id) => census.apps[id as usize].all,
                    Key::Place(id) => census.places[id as usize].all,
                    _ => 0,
                };
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

    fn widest_of(&self, id: InstanceId, census: &Census) -> Option<(Key, u32)> {
        let instance = &self.tracker.instances[id.0 as usize];
        let place = &self.tracker.places[instance.place as usize];
        census.widest(instance.place, place.app, place.region, instance.host)
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
        self.tracker.iter().filter(move |(id, instance)| {
            let place = &self.tracker.places[instance.place as usize];
            let inside = match key {
                Key::Region(region) => place.region == region,
                Key::App(app) => place.app == app,
                Key::Place(own) => instance.place == own,
                Key::Host(host) => instance.host == host,
                Key::Stream | Key::Alone { .. } => false,
            };
            inside && self.is_silent(*id, instance) == Some(true)
        })
    }

    /// Whether a target fires.
    pub(super) fn fires(&self, target: u32) -> bool {
        self.targets
            .row(target)
            .is_some_and(|row| row.rule() != NONE && row.state == State::Firing)
    }
}
