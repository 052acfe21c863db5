//! What follows from the inventory.
//!
//! Precedence, the strongest first:
//! 1. a beat proves life, whatever else says;
//! 2. the inventory has the last word over lifecycle lines, since those can be lost, once it had a minute to follow them;
//! 3. lifecycle lines of the platform itself;
//! 4. nothing known means that silence is an alert.

use crate::core::engine::Engine;
use crate::core::inventory::never_seen::Beating;
use crate::core::inventory::{Exit, Listed, Machine, Poll, Purpose};
use crate::core::lifecycle::StopWhy;
use crate::core::targets::confirmation::Awaiting;
use crate::core::targets::table::Watched;
use crate::core::time::{Mono, Now};
use crate::core::tracker::InstanceId;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// The inventory follows what the platform does by so much; until then the platform's own words count.
const FOLLOWS_WITHIN: Duration = Duration::from_secs(60);
/// A machine that is on its way to run for longer is stuck.
const STUCK_AFTER: Duration = Duration::from_secs(300);
/// Answers older than this say nothing of now.
const STALE_AFTER: Duration = Duration::from_secs(180);

/// How one instance is listed.
#[derive(Clone, Debug)]
pub(in crate::core) struct Entry {
    pub(in crate::core) listed: Listed,
    word: Arc<str>,
    unreachable: bool,
    exit: Option<Exit>,
    /// Since when it is listed so.
    since: Mono,
    pub(in crate::core) purpose: Purpose,
    pub(in crate::core) group: Option<Arc<str>>,
}

/// What is known of the inventory.
#[derive(Debug, Default)]
pub(in crate::core) struct Inventory {
    /// When the newest answer was asked for.
    asked_at: Option<Mono>,
    pub(in crate::core) entries: BTreeMap<u32, Entry>,
    /// Whom alerts wait for.
    pub(in crate::core) awaiting: Awaiting,
    /// Machines that ran before lastbeat asked for the first time, by subject: that they are quiet says nothing.
    pub(in crate::core) quiet: BTreeSet<String>,
    /// Which apps beat, when the newest answer came.
    pub(in crate::core) beating: Beating,
}

impl Inventory {
    /// Whether it has answered a question that is no older than `at`.
    pub(in crate::core) fn answered_since(&self, at: Mono) -> bool {
        self.asked_at.is_some_and(|asked_at| asked_at >= at)
    }

    /// Whether a machine is on its way to run at `now`, and not stuck there.
    pub(in crate::core) fn is_starting(&self, id: InstanceId, now: Mono) -> bool {
        let fresh = self.asked_at.is_some_and(|at| now.since(at) < STALE_AFTER);
        fresh
            && self.entries.get(&id.0).is_some_and(|entry| {
                let stuck = now.since(entry.since) > STUCK_AFTER;
                entry.listed == Listed::Starting && !entry.unreachable && !stuck
            })
    }
}

impl Entry {
    fn of(machine: &Machine, before: Option<&Entry>, at: Mono) -> Self {
        let same =
            before.filter(|before| before.listed == machine.listed && before.word == machine.word);
        Entry {
            listed: machine.listed,
            word: Arc::clone(&machine.word),
            unreachable: machine.unreachable,
            exit: machine.exit.or_else(|| same.and_then(|same| same.exit)),
            since: same.map_or(at, |same| same.since),
            purpose: machine.purpose,
            group: machine.group.clone(),
        }
    }

    /// Whether it ended by itself, and badly.
    fn failed(&self) -> bool {
        let badly =
            |exit: Exit| !exit.requested && (exit.oom || exit.code.is_some_and(|code| code != 0));
        self.listed == Listed::Failed || self.exit.is_some_and(badly)
    }

    /// What is wrong with it, in words; empty where nothing is.
    fn wrong(&self, now: Mono) -> String {
        let stuck = now.since(self.since);
        if self.unreachable {
            return "its host is unreachable, says the inventory".to_owned();
        }
        match (self.listed, self.exit) {
            (Listed::Failed, _) => format!("the inventory lists it as {}", self.word),
            (Listed::Stopped, Some(exit)) if self.failed() => match (exit.oom, exit.code) {
                (true, _) => "it ran out of memory and is not restarted".to_owned(),
                (_, Some(code)) => format!("it exited with code {code} and is not restarted"),
                (_, None) => "it exited and is not restarted".to_owned(),
            },
            (Listed::Starting, _) if stuck > STUCK_AFTER => {
                format!(
                    "stuck in {} for more than {} minutes",
                    self.word,
                    STUCK_AFTER.as_secs() / 60
                )
            }
            _ => String::new(),
        }
    }
}

impl Engine {
    /// Takes an answer of the inventory.
    pub fn inventory(&mut self, poll: &Poll, now: Now) {
        self.now = now;
        if self.inventory.answered_since(poll.asked_at) {
            return;
        }
        self.incidents.census.forget();
        let first = self.inventory.asked_at.replace(poll.asked_at).is_none();
        self.ran_before(poll, first);
        self.inventory.beating = self.who_beats();
        let mut listed: HashSet<u32> = HashSet::with_capacity(poll.machines.len());
        let mut apps: HashSet<&str> = HashSet::new();
        let mut raw = String::new();
        for machine in &poll.machines {
            apps.insert(&machine.app);
            raw.clear();
            raw.extend([
                "logs.",
                &machine.app,
                ".",
                &machine.region,
                ".",
                &machine.id,
            ]);
            let known = self
                .tracker
                .find(&raw)
                .or_else(|| self.stranger(&raw, machine));
            if let Some(id) = known {
                listed.insert(id.0);
                let before = self.inventory.entries.get(&id.0);
                let comes = before.is_some_and(|before| before.listed == Listed::Starting);
                let entry = Entry::of(machine, before, poll.asked_at);
                let comes = comes && entry.listed == Listed::Started;
                self.inventory.entries.insert(id.0, entry);
                self.follow(id, poll.asked_at);
                if comes {
                    self.restarted(id);
                }
                self.watch_unheard(id);
            }
        }
        self.gone(poll, &listed, &apps);
        self.answered();
    }

    /// Who is not listed any more is not deployed any more: where the inventory sees its app, or saw it itself before.
    fn gone(&mut self, poll: &Poll, listed: &HashSet<u32>, apps: &HashSet<&str>) {
        if !poll.whole {
            return;
        }
        let unread = |region: &str| poll.unread_regions.iter().any(|one| **one == *region);
        let gone = |(id, instance): (InstanceId, &crate::core::tracker::record::Instance)| {
            let place = &self.tracker.places[instance.place as usize];
            let app: &str = self.tracker.app_names.get(place.app);
            let seen = apps.contains(app) || self.inventory.entries.contains_key(&id.0);
            let is = seen
                && !listed.contains(&id.0)
                && !unread(self.tracker.region_names.get(place.region))
                && self.heard_at(id) < poll.asked_at;
            is.then_some(id)
        };
        let gone: Vec<InstanceId> = self.tracker.iter().filter_map(gone).collect();
        for id in gone {
            self.inventory.entries.remove(&id.0);
            if !self.is_stopped(id) {
                self.stopped(id, StopWhy::Gone);
            }
        }
    }

    /// What follows for a machine that is listed.
    fn follow(&mut self, id: InstanceId, asked_at: Mono) {
        let Some(entry) = self.inventory.entries.get(&id.0) else {
            return;
        };
        let (listed, failed, unreachable) = (entry.listed, entry.failed(), entry.unreachable);
        let wrong = entry.wrong(self.now.mono);
        let stop = self.tracker.life(id).stop;
        let is_meant_to_run =
            unreachable || failed || matches!(listed, Listed::Started | Listed::Starting);
        match stop {
            None if is_meant_to_run => {}
            None if matches!(listed, Listed::Stopped | Listed::Gone)
                && self.heard_at(id) < asked_at =>
            {
                let why = if listed == Listed::Gone {
                    StopWhy::Gone
                } else {
                    StopWhy::Listed
                };
                self.stopped(id, why);
                self.ask_how_it_ended(id);
            }
            Some((StopWhy::Listed, _)) if failed && listed == Listed::Stopped => self.died(id),
            Some((why, since)) if is_meant_to_run => {
                let followed = why.is_listed() || asked_at.since(since) > FOLLOWS_WITHIN;
                if followed && listed != Listed::Starting {
                    self.started(id);
                }
            }
            _ => {}
        }
        if !wrong.is_empty() {
            self.tell_in_incident(id, &wrong);
        }
    }

    /// It is listed as stopped, and nobody said why. How it ended decides, where that can be asked: only an inventory that
    /// tells what a machine is for tells that too.
    fn ask_how_it_ended(&mut self, id: InstanceId) {
        let unsaid = self.inventory.entries.get(&id.0).is_some_and(|entry| {
            entry.listed == Listed::Stopped
                && entry.exit.is_none()
                && entry.purpose == Purpose::Service
        });
        if unsaid && !self.targets_of(id).is_empty() {
            self.suspect(id);
        }
    }

    /// What an inventory says to be wrong with whom a target belongs to, in words; empty where it says nothing.
    pub(in crate::core) fn listed_wrong(&self, id: InstanceId) -> String {
        let entry = self.inventory.entries.get(&id.0);
        entry
            .map(|entry| entry.wrong(self.now.mono))
            .unwrap_or_default()
    }

    /// An instance is forgotten.
    pub(in crate::core) fn unlisted(&mut self, id: InstanceId) {
        self.inventory.entries.remove(&id.0);
    }

    /// When a beat of an instance last arrived, or anything of one that never beats.
    fn heard_at(&self, id: InstanceId) -> Mono {
        let beats = self.tracker.beats_of(id);
        let last = beats
            .map(|beat| self.tracker.beats[beat.0 as usize].seen.at)
            .max();
        last.unwrap_or(self.tracker.instances[id.0 as usize].seen.at)
    }

    /// Adds to the incidents of an instance what became known of it.
    pub(in crate::core) fn tell_in_incident(&mut self, id: InstanceId, what: &str) {
        for target in self.targets_of(id) {
            if let Some(incident) = self.targets.incident(target) {
                self.incidents.add_detail(incident, what);
            }
        }
    }

    /// The same as an alert opens whose deadline lay at `due`: also that the inventory could not be asked, in words.
    pub(in crate::core) fn known_at(&self, watched: Watched, due: Mono) -> String {
        let known = self.known_of(watched);
        let asked = self.options.inventory && self.crash_of(watched).is_empty();
        if !asked || self.inventory.answered_since(due) {
            return known;
        }
        let unsaid = "the inventory does not answer: it may have been stopped on purpose";
        match known.as_str() {
            "" => unsaid.to_owned(),
            known => format!("{known}; {unsaid}"),
        }
    }

    /// What else is known of why a target is silent, in words.
    pub(in crate::core) fn known_of(&self, watched: Watched) -> String {
        let Some(id) = self.instance_of(watched) else {
            return String::new();
        };
        let entry = self.inventory.entries.get(&id.0);
        let started = entry.is_some_and(|entry| entry.listed == Listed::Started);
        let never = match (self.is_never_seen(id), started) {
            (true, true) => "the inventory lists it as started, and nothing of it was ever heard",
            (true, false) => "nothing of it was ever heard",
            (false, _) => "",
        };
        let never = never.to_owned();
        let all = [self.crash_of(watched), self.listed_wrong(id), never];
        let known: Vec<String> = all.into_iter().filter(|what| !what.is_empty()).collect();
        known.join("; ")
    }
}
