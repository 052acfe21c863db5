//! Who was heard when: instances, their beats, and the apps, regions, app-regions and hosts that hold them.

mod admission;
pub mod beat_history;
mod bye;
mod forgetting;
mod index;
pub mod life;
pub mod names;
pub mod offset;
mod reclaim;
pub mod record;
pub mod text;

pub use admission::{Limits, Table};
pub(in crate::core) use reclaim::Needed;

use crate::core::entry::{BeatLine, MarkerId, Reject};
use crate::core::time::{Listened, Stamp};
use crate::core::tracker::life::Life;
use crate::core::tracker::names::Names;
use crate::core::tracker::record::BEAT_NAMES_END;
pub use crate::core::tracker::record::{App, Beat, Beaten, Instance, Place, Region};
use crate::core::tracker::text::{Phrases, Texts, cut};
use foldhash::quality::RandomState;
use hashbrown::HashTable;
use index::Index;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;
use std::sync::Arc;

/// "None" among the numbers of instances, beats, hosts and targets.
pub const NONE: u32 = u32::MAX;
/// Of an instance that never logged anything itself: whether a rule watches its logs was not asked yet.
pub const UNDECIDED: u32 = u32::MAX - 1;
/// Named beats of one instance: a list is walked at each beat.
pub(in crate::core) const MAX_BEATS_OF_INSTANCE: usize = 64;
/// Thirty times those that Fly has.
pub(in crate::core) const MAX_REGIONS: usize = 1_000;
/// One for every five instances that are tracked at most where nothing else is said.
pub(in crate::core) const MAX_HOSTS: usize = 200_000;
/// Twice those that a large organisation has apps.
pub(in crate::core) const MAX_BEAT_NAMES: usize = 30_000;
const _: () = assert!(MAX_BEAT_NAMES < BEAT_NAMES_END);
/// The number of the empty name.
const NO_NAME: u32 = 0;
/// Of a beat's text this much is kept, in bytes.
pub const MAX_TEXT: usize = 120;

/// An instance: a place in [`Tracker::instances`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InstanceId(pub u32);

/// A beat of an instance: a place in [`Tracker::beats`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BeatId(pub u32);

/// What became of a subject seen for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admitted {
    /// It is tracked from now on.
    New(InstanceId),
    /// Its app is ignored: it proves that the stream flows, and nothing else.
    Ignored(u32),
}

/// All of them.
#[derive(Debug)]
pub struct Tracker {
    /// By number; slots of the forgotten are used again.
    pub instances: Vec<Instance>,
    /// By number; slots of the forgotten are used again.
    pub beats: Vec<Beat>,
    /// By number of [`Self::app_names`].
    pub apps: Vec<App>,
    /// By number of [`Self::region_names`].
    pub regions: Vec<Region>,
    /// By number.
    pub places: Vec<Place>,
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
    /// What the platform told of those of whom it told anything.
    pub(in crate::core) lives: BTreeMap<u32, Life>,
    /// What beats said last.
    pub(in crate::core) phrases: Phrases,
    names: Texts,
    subjects: Index,
    place_ids: HashTable<u32>,
    free_instances: Vec<u32>,
    free_beats: Vec<u32>,
    free_places: Vec<u32>,
    /// App-regions for which no rules were sought yet.
    pub(in crate::core) new_places: Vec<u32>,
    /// App-regions that members left who still stand in them.
    left_places: Vec<u32>,
    /// What those said last that said `bye` lately.
    byes: bye::Byes,
    pub(in crate::core) limits: Limits,
    full: Option<Table>,
    hash: RandomState,
}

impl Tracker {
    /// Nobody yet, and room for as many.
    pub fn new(limits: Limits) -> Self {
        let mut beat_names = Names::new(MAX_BEAT_NAMES);
        let first = beat_names.intern("");
        debug_assert_eq!(first, Some(NO_NAME));
        Tracker {
            instances: Vec::new(),
            beats: Vec::new(),
            apps: Vec::new(),
            regions: Vec::new(),
            places: Vec::new(),
            hosts: Vec::new(),
            app_names: Names::new(limits.apps),
            region_names: Names::new(MAX_REGIONS),
            host_names: Names::new(MAX_HOSTS),
            beat_names,
            lives: BTreeMap::new(),
            phrases: Phrases::default(),
            names: Texts::default(),
            subjects: Index::default(),
            place_ids: HashTable::new(),
            free_instances: Vec::new(),
            free_beats: Vec::new(),
            free_places: Vec::new(),
            new_places: Vec::new(),
            left_places: Vec::new(),
            byes: bye::Byes::default(),
            limits,
            full: None,
            hash: RandomState::default(),
        }
    }

    /// The instance that speaks under this subject, where it is known.
    #[inline]
    pub fn find(&self, subject: &str) -> Option<InstanceId> {
        let hash = self.hash.hash_one(subject);
        let is = |id| self.speaks_under(id, subject);
        match self.subjects.find(hash, is) {
            Some(id) => Some(InstanceId(id)),
            None => self.find_before(hash, subject),
        }
    }

    /// Kept apart with a closure of its own: that of `find`, which every entry asks, is inlined as long as nobody shares it.
    #[cold]
    fn find_before(&self, hash: u64, subject: &str) -> Option<InstanceId> {
        let is = |id| self.speaks_under(id, subject);
        self.subjects.find_before(hash, is).map(InstanceId)
    }

    #[inline]
    fn speaks_under(&self, id: u32, subject: &str) -> bool {
        let instance = &self.instances[id as usize];
        let prefix = self.places[instance.place as usize].prefix.as_bytes();
        let name = self.names.bytes(&instance.name);
        let subject = subject.as_bytes();
        // Places are few, so that their prefixes are at hand: the name tells most apart.
        subject.ends_with(name)
            && subject.len() == prefix.len() + name.len()
            && subject.starts_with(prefix)
    }

    /// An instance.
    #[inline]
    pub fn instance(&self, id: InstanceId) -> &Instance {
        &self.instances[id.0 as usize]
    }

    /// An instance, to be changed.
    #[inline]
    pub fn instance_mut(&mut self, id: InstanceId) -> &mut Instance {
        &mut self.instances[id.0 as usize]
    }

    /// A beat.
    #[inline]
    pub fn beat_row(&self, id: BeatId) -> &Beat {
        &self.beats[id.0 as usize]
    }

    /// A beat, to be changed.
    #[inline]
    pub fn beat_mut(&mut self, id: BeatId) -> &mut Beat {
        &mut self.beats[id.0 as usize]
    }

    /// An instance's name; empty in a free slot.
    pub fn name(&self, id: InstanceId) -> &str {
        self.names.get(&self.instances[id.0 as usize].name)
    }

    /// The whole subject under which an instance speaks; `None` in a free slot.
    pub fn subject(&self, id: InstanceId) -> Option<Arc<str>> {
        let instance = self.instances.get(id.0 as usize)?;
        let prefix = &*self.places.get(instance.place as usize)?.prefix;
        let whole = || Arc::from([prefix, self.names.get(&instance.name)].concat());
        instance.is_tracked().then(whole)
    }

    /// What a beat said last; empty where it is only expected.
    pub fn text(&self, beat: &Beat) -> String {
        self.phrases.text(beat.phrase, beat.count())
    }

    /// An entry of a known instance arrived.
    #[inline]
    pub fn heard(&mut self, id: InstanceId, bytes: usize, now: Stamp) {
        let instance = &mut self.instances[id.0 as usize];
        instance.seen = now;
        let place = &mut self.places[instance.place as usize];
        place.seen = now;
        self.regions[place.region as usize].seen = now;
        let app = &mut self.apps[place.app as usize];
        app.seen = now;
        app.entries += 1;
        app.bytes += bytes as u64;
    }

    /// An entry of an ignored app arrived.
    pub fn heard_ignored(&mut self, app: u32, bytes: usize, now: Stamp) {
        let app = &mut self.apps[app as usize];
        app.seen = now;
        app.entries += 1;
        app.bytes += bytes as u64;
    }

    /// A known instance said a beat. Where there is no room for its host, `take_full` says so.
    ///
    /// # Errors
    /// [`Reject::Limit`] where it has a name for which there is no room.
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
        let app =
            &mut self.apps[self.places[self.instances[id.0 as usize].place as usize].app as usize];
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
        places: impl Iterator<Item = u32>,
    ) -> impl Iterator<Item = InstanceId> {
        places.flat_map(|place| {
            let members = self.places[place as usize].members.iter();
            members.map(|&id| InstanceId(id))
        })
    }

    /// Instances that are tracked.
    pub fn len(&self) -> usize {
        self.subjects.len()
    }

    /// Whether there is no room for another instance.
    pub fn is_crowded(&self) -> bool {
        self.len() >= self.limits.instances
    }

    /// Whether none is tracked.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Beats that are tracked.
    pub fn beat_count(&self) -> usize {
        self.beats.len() - self.free_beats.len()
    }

    /// Every instance that is tracked.
    pub fn iter(&self) -> impl Iterator<Item = (InstanceId, &Instance)> {
        let known = self
            .instances
            .iter()
            .enumerate()
            .filter(|(_, instance)| instance.is_tracked());
        known.map(|(id, instance)| (InstanceId(id as u32), instance))
    }

    /// The instances of which nothing was heard since `before`, on the listened clock.
    pub fn unheard_since(&self, before: Listened) -> Vec<InstanceId> {
        self.iter()
            .filter(|(_, instance)| instance.seen.listened < before)
            .map(|(id, _)| id)
            .collect()
    }

    /// The next instance that is taken in gets this slot, where no slot above it is in use.
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

    /// An instance of an earlier life was taken in: when it was heard, and on which host.
    pub(in crate::core) fn restored(&mut self, id: InstanceId, host: Option<&str>, seen: Stamp) {
        let latest = |known: &mut Stamp| {
            if known.at < seen.at {
                *known = seen;
            }
        };
        self.instances[id.0 as usize].seen = seen;
        let place = &mut self.places[self.instances[id.0 as usize].place as usize];
        latest(&mut place.seen);
        latest(&mut self.regions[place.region as usize].seen);
        latest(&mut self.apps[place.app as usize].seen);
        if let Some(host) = host.and_then(|name| self.host_names.intern(name)) {
            self.runs_on(id, host);
        }
    }

    /// A beat of an earlier life is taken in; `None` where there is no room, or it is there already.
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

    fn hash_of_place(&self, app: u32, region: u32) -> u64 {
        self.hash.hash_one((app, region))
    }
}

/// How many are missing between two numbers of a count that goes up by one; a step back is a restart.
fn lost(before: u64, now: Option<u64>) -> u64 {
    match now {
        Some(now) if before != u64::MAX && now > before => now - before - 1,
        _ => 0,
    }
}

/// Entries that overtake one another are apart by less than this.
const OVERTAKEN: u64 = 8;

/// Whether a count begins anew, and was not only overtaken by a later one on its way.
#[inline]
fn steps_back(before: u64, now: Option<u64>) -> bool {
    before != u64::MAX
        && now.is_some_and(|now| now < before && (now <= 1 || before - now > OVERTAKEN))
}

pub(in crate::core) fn grow<T>(rows: &mut Vec<T>, id: u32, new: impl Fn() -> T) {
    while rows.len() <= id as usize {
        rows.push(new());
    }
}

pub(in crate::core) fn store<T>(rows: &mut Vec<T>, free: &mut Vec<u32>, row: T) -> u32 {
    if let Some(id) = free.pop() {
        rows[id as usize] = row;
        return id;
    }
    rows.push(row);
    (rows.len() - 1) as u32
}
