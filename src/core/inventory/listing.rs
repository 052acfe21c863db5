//! The inventory's latest answers about each instance.

use crate::core::downstream::rule::DownstreamRule;
use crate::core::inventory::{Exit, Listed, Machine, Poll, Purpose};
use crate::core::time::Mono;
use crate::core::tracker::InstanceId;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// Delay within which the inventory follows the platform; until then the platform's own log lines count.
pub const FOLLOWS_WITHIN: Duration = Duration::from_secs(60);
/// Time after which a machine that is still starting is stuck.
pub(in crate::core) const STUCK_AFTER: Duration = Duration::from_secs(300);
/// Answers older than this say nothing about the present.
const STALE_AFTER: Duration = Duration::from_secs(180);

/// State of one instance in the inventory.
#[derive(Clone, Debug)]
pub struct Listing {
    pub(in crate::core) listed: Listed,
    word: Arc<str>,
    pub(in crate::core) unreachable: bool,
    pub(in crate::core) exit: Option<Exit>,
    /// Arrival clock: start of this state.
    since: Mono,
    pub(in crate::core) purpose: Purpose,
    pub(in crate::core) group: Option<Arc<str>>,
}

/// State of the inventory.
#[derive(Debug, Default)]
pub struct Inventory {
    /// Arrival clock: time of the request for the newest answer; `None` before the first.
    pub(in crate::core) asked_at: Option<Mono>,
    pub(in crate::core) entries: BTreeMap<u32, Listing>,
    /// Arrival clock: start of the start-up of each machine that was never heard, by subject.
    pub(in crate::core) on_their_way: BTreeMap<String, Mono>,
    /// Subjects of machines that already ran at the first poll: their quiet says nothing.
    pub(in crate::core) quiet: BTreeSet<String>,
    /// Machines of which something fired and was forgotten, by subject, while they are listed as started without a break: they
    /// are not expected again until they are heard or start anew.
    pub(in crate::core) given_up: BTreeSet<String>,
    /// Apps and process groups that sent beats, as of the newest answer.
    pub(in crate::core) beating: Beating,
    /// Machines of the shippers that a rule restarts, as of the newest answer: they need not say anything in the stream.
    shippers: Vec<Machine>,
}

impl Inventory {
    /// Remembers the machines that already ran at the first answer, until they are restarted.
    pub(in crate::core) fn remember_running(&mut self, poll: &Poll, first: bool) {
        if !first && self.quiet.is_empty() && self.given_up.is_empty() {
            return;
        }
        let started = poll
            .machines
            .iter()
            .filter(|one| one.listed == Listed::Started);
        let started: BTreeSet<String> = started
            .map(|one| format!("logs.{}.{}.{}", one.app, one.region, one.id))
            .collect();
        self.given_up.retain(|raw| started.contains(raw));
        if first {
            self.quiet = started;
        } else {
            self.quiet.retain(|raw| started.contains(raw));
        }
    }

    /// Remembers the machines of shippers that a rule restarts.
    pub(in crate::core) fn remember_shippers(&mut self, poll: &Poll, rules: &[DownstreamRule]) {
        let is_shipper = |machine: &&Machine| {
            let app = Some(&*machine.app);
            rules.iter().any(|rule| rule.restart.as_deref() == app)
        };
        let machines = poll.machines.iter().filter(is_shipper);
        self.shippers = machines.cloned().collect();
    }

    /// The machines of a shipper that run, or should: as of the newest answer, none where that is old at `now`.
    pub(in crate::core) fn running_of<'a>(
        &'a self,
        app: &'a str,
        now: Mono,
    ) -> impl Iterator<Item = &'a Machine> {
        let fresh = self.asked_at.is_some_and(|at| now.since(at) < STALE_AFTER);
        self.shippers.iter().filter(move |machine| {
            let runs = matches!(machine.listed, Listed::Started | Listed::Failed);
            fresh && runs && *machine.app == *app && machine.purpose != Purpose::Ephemeral
        })
    }

    /// True if a request no older than `at` was answered.
    pub(in crate::core) fn answered_since(&self, at: Mono) -> bool {
        self.asked_at.is_some_and(|asked_at| asked_at >= at)
    }

    /// True if a machine is starting at `now` and not stuck.
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
    /// The listing of a machine in an answer to a request of `at`.
    pub(in crate::core) fn of(machine: &Machine, before: Option<&Listing>, at: Mono) -> Self {
        // A machine that is starting may go through several words.
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

    /// This listing, in force since `since`.
    pub(in crate::core) fn since(self, since: Mono) -> Self {
        Listing { since, ..self }
    }

    /// Arrival clock: start of its start-up, if it has lasted so long at `now` that the machine is stuck; else `None`.
    pub(in crate::core) fn stuck_since(&self, now: Mono) -> Option<Mono> {
        let is_stuck = self.listed == Listed::Starting && is_stuck(self.since, now);
        (is_stuck && !self.unreachable).then_some(self.since)
    }

    /// True if the platform recorded a requested or normal exit.
    pub(in crate::core) fn ended_in_order(&self) -> bool {
        self.exit.is_some() && !self.failed()
    }

    /// True if it exited by itself with a failure.
    pub(in crate::core) fn failed(&self) -> bool {
        let badly =
            |exit: Exit| !exit.requested && (exit.oom || exit.code.is_some_and(|code| code != 0));
        self.listed == Listed::Failed || self.exit.is_some_and(badly)
    }

    /// Description of its fault; empty if it has none.
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

/// True if a machine that is starting since `since` is stuck at `now`.
pub(in crate::core) fn is_stuck(since: Mono, now: Mono) -> bool {
    now.since(since) >= STUCK_AFTER
}

/// Apps and process groups of which an instance has sent a beat.
#[derive(Debug, Default)]
pub struct Beating {
    pub(in crate::core) apps: HashSet<u32>,
    pub(in crate::core) groups: HashSet<(u32, Arc<str>)>,
}
