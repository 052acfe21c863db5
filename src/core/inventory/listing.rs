//! What the last answers of the inventory say of each instance.

use crate::core::facts::Facts;
use crate::core::inventory::{Exit, Listed, Machine, Poll, Purpose};
use crate::core::time::Mono;
use crate::core::tracker::InstanceId;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// The inventory follows what the platform does by so much; until then the platform's own words count.
pub const FOLLOWS_WITHIN: Duration = Duration::from_secs(60);
/// A machine that is on its way to run for longer is stuck.
pub(in crate::core) const STUCK_AFTER: Duration = Duration::from_secs(300);
/// Answers older than this say nothing of now.
const STALE_AFTER: Duration = Duration::from_secs(180);

/// How one instance is listed.
#[derive(Clone, Debug)]
pub struct Listing {
    pub(in crate::core) listed: Listed,
    word: Arc<str>,
    pub(in crate::core) unreachable: bool,
    pub(in crate::core) exit: Option<Exit>,
    /// Since when it is listed so.
    since: Mono,
    pub(in crate::core) purpose: Purpose,
    pub(in crate::core) group: Option<Arc<str>>,
}

/// What is known of the inventory.
#[derive(Debug, Default)]
pub struct Inventory {
    /// When the newest answer was asked for.
    pub(in crate::core) asked_at: Option<Mono>,
    pub(in crate::core) entries: BTreeMap<u32, Listing>,
    /// Since when machines are on their way to run of which nothing was ever heard, by subject.
    pub(in crate::core) on_their_way: BTreeMap<String, Mono>,
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
                let stuck = is_stuck(entry.since, now);
                entry.listed == Listed::Starting && !entry.unreachable && !stuck
            })
    }
}

impl Listing {
    /// As a machine is listed in an answer to a question that was asked at `at`.
    pub(in crate::core) fn of(machine: &Machine, before: Option<&Listing>, at: Mono) -> Self {
        // One that is on its way may have several names for it.
        let is_same_word =
            |before: &&Listing| machine.listed == Listed::Starting || before.word == machine.word;
        let same = before
            .filter(|before| before.listed == machine.listed)
            .filter(is_same_word);
        Listing {
            listed: machine.listed,
            word: Arc::clone(&machine.word),
            unreachable: machine.unreachable,
            exit: machine.exit.or_else(|| same.and_then(|same| same.exit)),
            since: same.map_or(at, |same| same.since),
            purpose: machine.purpose,
            group: machine.group.clone(),
        }
    }

    /// As [`Self::of`], of one that is listed so since `since`.
    pub(in crate::core) fn since(self, since: Mono) -> Self {
        Listing { since, ..self }
    }

    /// Since when it is on its way to run, where that is for so long at `now` that it is stuck.
    pub(in crate::core) fn stuck_since(&self, now: Mono) -> Option<Mono> {
        let is_stuck = self.listed == Listed::Starting && is_stuck(self.since, now);
        (is_stuck && !self.unreachable).then_some(self.since)
    }

    /// Whether the platform's record says that its end was asked for, or in order.
    pub(in crate::core) fn ended_in_order(&self) -> bool {
        self.exit.is_some() && !self.failed()
    }

    /// Whether it ended by itself, and badly.
    pub(in crate::core) fn failed(&self) -> bool {
        let badly =
            |exit: Exit| !exit.requested && (exit.oom || exit.code.is_some_and(|code| code != 0));
        self.listed == Listed::Failed || self.exit.is_some_and(badly)
    }

    /// What is wrong with it, in words; empty where nothing is.
    pub(in crate::core) fn wrong(&self, now: Mono) -> String {
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
            (Listed::Starting, _) if is_stuck(self.since, now) => {
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

/// Whether a machine that is on its way to run since `since` is stuck there at `now`.
pub(in crate::core) fn is_stuck(since: Mono, now: Mono) -> bool {
    now.since(since) >= STUCK_AFTER
}

/// Who is known to beat.
#[derive(Debug, Default)]
pub struct Beating {
    pub(in crate::core) apps: HashSet<u32>,
    pub(in crate::core) groups: HashSet<(u32, Arc<str>)>,
}

impl Facts {
    /// Whose instances have ever said a beat, by app and by process group.
    pub(in crate::core) fn who_beats(&self) -> Beating {
        let mut beating = Beating::default();
        for (id, instance) in self.tracker.iter() {
            if !self.has_beaten(id) {
                continue;
            }
            let app = self.tracker.places[instance.place as usize].app;
            beating.apps.insert(app);
            let entry = self.inventory.entries.get(&id.0);
            if let Some(group) = entry.and_then(|entry| entry.group.clone()) {
                beating.groups.insert((app, group));
            }
        }
        beating
    }

    /// Remembers which machines ran before the first answer, until they are started anew.
    pub(in crate::core) fn ran_before(&mut self, poll: &Poll, first: bool) {
        if !first && self.inventory.quiet.is_empty() {
            return;
        }
        let started = poll
            .machines
            .iter()
            .filter(|one| one.listed == Listed::Started);
        let started: BTreeSet<String> = started
            .map(|one| format!("logs.{}.{}.{}", one.app, one.region, one.id))
            .collect();
        if first {
            self.inventory.quiet = started;
        } else {
            self.inventory.quiet.retain(|raw| started.contains(raw));
        }
    }

    /// What an inventory says to be wrong with whom a target belongs to, in words; empty where it says nothing.
    pub(in crate::core) fn listed_wrong(&self, id: InstanceId) -> String {
        let entry = self.inventory.entries.get(&id.0);
        entry
            .map(|entry| entry.wrong(self.now.mono))
            .unwrap_or_default()
    }

    /// What is known to have gone wrong with an instance, in words.
    fn crash_of(&self, id: InstanceId) -> &'static str {
        let crash = self.tracker.life(id).crash;
        crash.map(|(crash, _)| crash.label()).unwrap_or_default()
    }

    /// As [`Self::known_of`], for an alert whose deadline lay at `due`: also that the inventory could not be asked.
    pub(in crate::core) fn known_at(&self, id: InstanceId, due: Mono) -> String {
        let known = self.known_of(id);
        let asked = self.options.inventory && self.crash_of(id).is_empty();
        if !asked || self.inventory.answered_since(due) {
            return known;
        }
        let unsaid = "the inventory does not answer: it may have been stopped on purpose";
        match known.as_str() {
            "" => unsaid.to_owned(),
            known => format!("{known}; {unsaid}"),
        }
    }

    /// What is known of why an instance is silent, in words; empty where nothing is.
    pub(in crate::core) fn known_of(&self, id: InstanceId) -> String {
        let entry = self.inventory.entries.get(&id.0);
        let started = entry.is_some_and(|entry| entry.listed == Listed::Started);
        let never = match (self.is_never_seen(id), started) {
            (true, true) => "the inventory lists it as started, and nothing of it was ever heard",
            (true, false) => "nothing of it was ever heard",
            (false, _) => "",
        };
        let all = [
            self.crash_of(id).to_owned(),
            self.listed_wrong(id),
            never.to_owned(),
        ];
        let known: Vec<String> = all.into_iter().filter(|what| !what.is_empty()).collect();
        known.join("; ")
    }
}
