//! Instances and their beats, with the apps, regions, app-regions and hosts that hold them, and their last signs of
//! life.

mod admission;
pub mod beat_history;
mod bye;
mod forgetting;
mod index;
pub mod life;
mod limits;
pub mod loss;
pub mod names;
pub mod offset;
mod reclaim;
pub mod record;
mod repeats;
mod slots;
pub mod text;
pub mod usual;

pub use limits::{Admitted, Limits, Table};
pub(in crate::core) use limits::{MAX_BEAT_NAMES, MAX_BEATS_OF_INSTANCE, MAX_HOSTS, MAX_REGIONS};
pub use slots::{BeatId, InstanceId, NONE, Needed, UNDECIDED};
pub(in crate::core) use slots::{grow, store};

use crate::core::entry::{BeatLine, MarkerId, Reject};
use crate::core::time::{Listened, Stamp};
use crate::core::tracker::life::Life;
use crate::core::tracker::names::Names;
pub use crate::core::tracker::record::{App, AppRegion, Beat, Beaten, Instance, Region};
use crate::core::tracker::text::{Phrases, Texts, cut};
use foldhash::quality::RandomState;
use hashbrown::HashTable;
use index::Index;
use repeats::Byes;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;
use std::sync::Arc;

/// The number of the empty name.
const NO_NAME: u32 = 0;
/// Length to which the text of a beat is cut, in bytes.
pub const MAX_TEXT: usize = 120;

/// State of everything that is tracked.
#[derive(Debug)]
pub struct Tracker {
    /// By number; slots of forgotten instances are reused.
    pub instances: Vec<Instance>,
    /// By number; slots of forgotten beats are reused.
    pub beats: Vec<Beat>,
    /// By number of [`Self::app_names`].
    pub apps: Vec<App>,
    /// By number of [`Self::region_names`].
    pub regions: Vec<Region>,
    /// By number.
    pub app_regions: Vec<AppRegion>,
    /// By number of [`Self::host_names`]: the instances on each.
    pub hosts: Vec<BTreeSet<u32>>,
    /// Names of apps.
    pub app_names: Names,
    /// Names of regions.
    pub region_names: Names,
    /// Names of hosts.
    pub host_names: Names,
    /// Names of beats, the empty one among them.
    pub beat_names: Names,
    /// The lives of those instances of which the platform reported anything.
    pub(in crate::core) lives: BTreeMap<u32, Life>,
    /// The last texts of beats.
    pub(in crate::core) phrases: Phrases,
    names: Texts,
    subjects: Index,
    app_region_ids: HashTable<u32>,
    free_instances: Vec<u32>,
    free_beats: Vec<u32>,
    free_app_regions: Vec<u32>,
    /// App-regions for which the matching rules were not searched yet.
    pub(in crate::core) new_app_regions: Vec<u32>,
    /// App-regions that still list forgotten members.
    left_app_regions: Vec<u32>,
    /// The latest `bye` of each beat that said one lately.
    byes: Byes,
    pub(in crate::core) limits: Limits,
    full: Option<Table>,
    hash: RandomState,
}

impl Tracker {
    /// An empty tracker with these limits.
    pub fn new(limits: Limits) -> Self {
        let mut beat_names = Names::new(MAX_BEAT_NAMES);
        let first = beat_names.intern("");
        debug_assert_eq!(first, Some(NO_NAME));
        Tracker {
            instances: Vec::new(),
            beats: Vec::new(),
            apps: Vec::new(),
            regions: Vec::new(),
            app_regions: Vec::new(),
            hosts: Vec::new(),
            app_names: Names::new(limits.apps),
            region_names: Names::new(MAX_REGIONS),
            host_names: Names::new(MAX_HOSTS),
            beat_names,
            lives: BTreeMap::new(),
            phrases: Phrases::default(),
            names: Texts::default(),
            subjects: Index::default(),
            app_region_ids: HashTable::new(),
            free_instances: Vec::new(),
            free_beats: Vec::new(),
            free_app_regions: Vec::new(),
            new_app_regions: Vec::new(),
            left_app_regions: Vec::new(),
            byes: Byes::default(),
            limits,
            full: None,
            hash: RandomState::default(),
        }
    }

    /// The instance of a subject; `None` if it is not tracked.
    #[inline]
    pub fn find(&self, subject: &str) -> Option<InstanceId> {
        let hash = self.hash.hash_one(subject);
        let is = |id| self.speaks_under(id, subject);
        match self.subjects.find(hash, is) {
            Some(id) => Some(InstanceId(id)),
            None => self.find_before(hash, subject),
        }
    }

    /// A function of its own with a closure of its own, so that the closure of `find`, which runs for every entry, is
    /// inlined.
    #[cold]
    fn find_before(&self, hash: u64, subject: &str) -> Option<InstanceId> {
        let is = |id| self.speaks_under(id, subject);
        self.subjects.find_before(hash, is).map(InstanceId)
    }

    #[inline]
    fn speaks_under(&self, id: u32, subject: &str) -> bool {
        let instance = &self.instances[id as usize];
        let prefix = self.app_regions[instance.app_region as usize]
            .prefix
            .as_bytes();
        let name = self.names.bytes(&instance.name);
        let subject = subject.as_bytes();
        // App-regions are few, so their prefixes are in the cache; the name distinguishes most instances.
        subject.ends_with(name)
            && subject.len() == prefix.len() + name.len()
            && subject.starts_with(prefix)
    }

    /// An instance.
    #[inline]
    pub fn instance(&self, id: InstanceId) -> &Instance {
        &self.instances[id.0 as usize]
    }

    /// A mutable instance.
    #[inline]
    pub fn instance_mut(&mut self, id: InstanceId) -> &mut Instance {
        &mut self.instances[id.0 as usize]
    }

    /// A beat.
    #[inline]
    pub fn beat_row(&self, id: BeatId) -> &Beat {
        &self.beats[id.0 as usize]
    }

    /// A mutable beat.
    #[inline]
    pub fn beat_mut(&mut self, id: BeatId) -> &mut Beat {
        &mut self.beats[id.0 as usize]
    }

    /// An instance's name; empty in a free slot.
    pub fn name(&self, id: InstanceId) -> &str {
        self.names.get(&self.instances[id.0 as usize].name)
    }

    /// The whole subject of an instance; `None` for a free slot.
    pub fn subject(&self, id: InstanceId) -> Option<Arc<str>> {
        let instance = self.instances.get(id.0 as usize)?;
        let prefix = &*self.app_regions.get(instance.app_region as usize)?.prefix;
        let whole = || Arc::from([prefix, self.names.get(&instance.name)].concat());
        instance.is_tracked().then(whole)
    }

    /// The last text of a beat; empty if it is only expected.
    pub fn text(&self, beat: &Beat) -> String {
        self.phrases.text(beat.phrase, beat.count())
    }

    /// Life of an instance; empty if nothing of it holds any more.
    #[inline]
    pub(in crate::core) fn life(&self, id: InstanceId) -> Life {
        if self.instances[id.0 as usize].has_life {
            self.lives.get(&id.0).copied().unwrap_or_default()
        } else {
            Life::default()
        }
    }

    /// Replaces the life of an instance.
    pub(in crate::core) fn set_life(&mut self, id: InstanceId, life: Life) {
        let has_life = life != Life::default();
        self.instances[id.0 as usize].has_life = has_life;
        if has_life {
            self.lives.insert(id.0, life);
        } else {
            self.lives.remove(&id.0);
        }
    }

    /// Changes the life of an instance in place.
    pub(in crate::core) fn change_life<T>(
        &mut self,
        id: InstanceId,
        change: impl FnOnce(&mut Life) -> T,
    ) -> T {
        let mut life = self.life(id);
        let told = change(&mut life);
        self.set_life(id, life);
        told
    }

    /// Records an entry of a known instance.
    #[inline]
    pub fn heard(&mut self, id: InstanceId, bytes: usize, now: Stamp) {
        let instance = &mut self.instances[id.0 as usize];
        instance.seen = now;
        let app_region = &mut self.app_regions[instance.app_region as usize];
        app_region.seen = now;
        self.regions[app_region.region as usize].seen = now;
        let app = &mut self.apps[app_region.app as usize];
        app.seen = now;
        app.entries += 1;
        app.bytes += bytes as u64;
    }

    /// Records an entry of an ignored app.
    pub fn heard_ignored(&mut self, app: u32, bytes: usize, now: Stamp) {
        let app = &mut self.apps[app as usize];
        app.seen = now;
        app.entries += 1;
        app.bytes += bytes as u64;
    }

    /// Records a beat of a known instance. If the table of hosts is full, `take_full` says so afterwards.
    ///
    /// # Errors
    /// [`Reject::Limit`] if the beat's name exceeds a limit.
    pub fn beat(
        &mut self,
        id: InstanceId,
        line: &BeatLine<'_>,
        now: Stamp,
    ) -> Result<Beaten, Reject> {
        self.host(id, line.host);
        let name = match line.name {
            "" => Some(NO_NAME),
            name => self.beat_names.intern(name),
        };
        let Some(name) = name else {
            return Err(self.is_full(Table::BeatNames));
        };
        let (beat, new) = match self.find_beat(id, line.marker, name) {
            Some(beat) => (beat, !self.beats[beat as usize].is_heard()),
            None => match self.new_beat(id, line.marker, name, now) {
                Some(beat) => (beat, true),
                None => return Err(self.is_full(Table::Beats)),
            },
        };
        let app = &mut self.apps
            [self.app_regions[self.instances[id.0 as usize].app_region as usize].app as usize];
        let record = &mut self.beats[beat as usize];
        let beaten = Beaten {
            beat: BeatId(beat),
            new,
            before: record.seen,
            was_stopped: record.stopped(),
            restarted: steps_back(record.seq, line.seq),
            is_stale: line.seq.is_some_and(|seq| seq < record.seq)
                && record.seq != u64::MAX
                && !steps_back(record.seq, line.seq),
            hole: hole(record.seq, line.seq),
            is_same: line.seq == Some(record.seq) && record.seq != u64::MAX,
        };
        app.beats += 1;
        app.lost += lost(record.seq, line.seq);
        record.seq = line.seq.unwrap_or(u64::MAX);
        record.seen = now;
        record.set_stopped(false);
        if let Some(every) = line.every {
            record.every_ms = u32::try_from(every.as_millis()).unwrap_or(u32::MAX).max(1);
        }
        let text = cut(line.text, MAX_TEXT);
        record.phrase = self.phrases.say(record.phrase, text, line.seq);
        Ok(beaten)
    }

    /// The beats of an instance.
    pub fn beats_of(&self, id: InstanceId) -> impl Iterator<Item = BeatId> {
        let follow = |id: u32| (id != NONE).then_some(BeatId(id));
        std::iter::successors(
            follow(self.instances[id.0 as usize].first_beat),
            move |beat| follow(self.beats[beat.0 as usize].next),
        )
    }

    /// The instances of app-regions.
    pub fn members_of(
        &self,
        app_regions: impl Iterator<Item = u32>,
    ) -> impl Iterator<Item = InstanceId> {
        app_regions.flat_map(|app_region| {
            let members = self.app_regions[app_region as usize].members.iter();
            members.map(|&id| InstanceId(id))
        })
    }

    /// Number of tracked instances.
    pub fn len(&self) -> usize {
        self.subjects.len()
    }

    /// True if no further instance can be tracked.
    pub fn is_crowded(&self) -> bool {
        self.len() >= self.limits.instances
    }

    /// True if no instance is tracked.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of tracked beats.
    pub fn beat_count(&self) -> usize {
        self.beats.len() - self.free_beats.len()
    }

    /// All tracked instances.
    pub fn iter(&self) -> impl Iterator<Item = (InstanceId, &Instance)> {
        let known = self
            .instances
            .iter()
            .enumerate()
            .filter(|(_, instance)| instance.is_tracked());
        known.map(|(id, instance)| (InstanceId(id as u32), instance))
    }

    /// The instances that were last heard before `before`, on the listened clock.
    pub fn last_heard_before(&self, before: Listened) -> Vec<InstanceId> {
        self.iter()
            .filter(|(_, instance)| instance.seen.listened < before)
            .map(|(id, _)| id)
            .collect()
    }

    /// Gives the next admitted instance this slot, unless a higher slot is in use.
    pub(in crate::core) fn next_slot(&mut self, slot: u32) {
        let slots = self.instances.len()..=slot as usize;
        if slot as usize >= Limits::MOST.instances {
            return;
        }
        for free in slots {
            self.instances.push(Instance::free());
            self.free_instances.push(free as u32);
        }
    }

    /// Restores an instance of a previous run: its last sign of life and its host.
    pub(in crate::core) fn restored(&mut self, id: InstanceId, host: Option<&str>, seen: Stamp) {
        let latest = |known: &mut Stamp| {
            if known.at < seen.at {
                *known = seen;
            }
        };
        self.instances[id.0 as usize].seen = seen;
        let app_region = &mut self.app_regions[self.instances[id.0 as usize].app_region as usize];
        latest(&mut app_region.seen);
        latest(&mut self.regions[app_region.region as usize].seen);
        latest(&mut self.apps[app_region.app as usize].seen);
        if let Some(host) = host.and_then(|name| self.host_names.intern(name)) {
            self.runs_on(id, host);
        }
    }

    /// Restores a beat of a previous run; `None` if a limit is reached or the beat exists already.
    pub(in crate::core) fn restored_beat(
        &mut self,
        id: InstanceId,
        marker: MarkerId,
        name: &str,
        seen: Stamp,
    ) -> Option<BeatId> {
        let name = self.beat_names.intern(name)?;
        if self.find_beat(id, marker, name).is_some() {
            return None;
        }
        self.new_beat(id, marker, name, seen).map(BeatId)
    }

    fn find_beat(&self, id: InstanceId, marker: MarkerId, name: u32) -> Option<u32> {
        let is = |beat: &BeatId| {
            let beat = &self.beats[beat.0 as usize];
            beat.name() == name && beat.marker == marker
        };
        self.beats_of(id).find(is).map(|beat| beat.0)
    }

    fn new_beat(&mut self, id: InstanceId, marker: MarkerId, name: u32, now: Stamp) -> Option<u32> {
        if self.beat_count() >= self.limits.beats()
            || self.beats_of(id).count() >= MAX_BEATS_OF_INSTANCE
        {
            return None;
        }
        let next = self.instances[id.0 as usize].first_beat;
        let beat = Beat::new(id.0, next, name, marker, now);
        let beat = store(&mut self.beats, &mut self.free_beats, beat);
        self.instances[id.0 as usize].first_beat = beat;
        Some(beat)
    }

    fn host(&mut self, id: InstanceId, name: &str) {
        let known = self.instances[id.0 as usize].host;
        if name.is_empty() || (known != NONE && &**self.host_names.get(known) == name) {
            return;
        }
        if let Some(host) = self.host_names.intern(name) {
            self.runs_on(id, host);
        } else {
            self.full = Some(Table::Hosts);
        }
    }

    fn runs_on(&mut self, id: InstanceId, host: u32) {
        self.left_host(id);
        self.instances[id.0 as usize].host = host;
        grow(&mut self.hosts, host, BTreeSet::new);
        self.hosts[host as usize].insert(id.0);
    }

    fn left_host(&mut self, id: InstanceId) {
        let host = self.instances[id.0 as usize].host;
        if let Some(there) = self.hosts.get_mut(host as usize) {
            there.remove(&id.0);
        }
    }

    fn hash_of_app_region(&self, app: u32, region: u32) -> u64 {
        self.hash.hash_one((app, region))
    }
}

/// As [`lost`], where both count and the count goes on.
#[inline]
fn hole(before: u64, now: Option<u64>) -> Option<u32> {
    let now = now.filter(|now| before != u64::MAX && *now > before)?;
    Some(u32::try_from(now - before - 1).unwrap_or(u32::MAX))
}

/// Number of entries missing between two values of a counter that counts up by one; a step back is a restart.
fn lost(before: u64, now: Option<u64>) -> u64 {
    match now {
        Some(now) if before != u64::MAX && now > before => now - before - 1,
        _ => 0,
    }
}

/// Entries that overtake one another are closer together than this.
const OVERTAKEN: u64 = 8;

/// True if a counter starts anew, rather than being overtaken by a later entry.
#[inline]
fn steps_back(before: u64, now: Option<u64>) -> bool {
    before != u64::MAX
        && now.is_some_and(|now| now < before && (now <= 1 || before - now > OVERTAKEN))
}
