//! Effects of the inventory on the targets.
//!
//! Precedence, the strongest first:
//! 1. a beat proves life, whatever anything else says;
//! 2. the inventory overrides lifecycle lines, since those can be lost, once it had a minute to follow them;
//! 3. lifecycle lines of the platform itself;
//! 4. without any of these, silence is an alert.

use crate::core::facts::Facts;
use crate::core::inventory::listing::{FOLLOWS_WITHIN, Listing, STUCK_AFTER};
use crate::core::inventory::{Listed, Poll, Purpose};
use crate::core::targets::Targets;
use crate::core::targets::lifecycle::is_crashed;
use crate::core::targets::table::Reason;
use crate::core::time::{Mono, Stamp};
use crate::core::tracker::life::StopWhy;
use crate::core::tracker::{BeatId, InstanceId};
use std::collections::HashSet;
use std::time::Duration;

/// A start between two answers of the inventory is taken to be half way between, but not more than this before the later:
/// half of the time that usually lies between them.
const HALF_AN_ANSWER: Duration = Duration::from_secs(15);

impl Targets {
    /// Applies an answer of the inventory.
    pub fn inventory(&mut self, facts: &mut Facts, poll: &Poll) {
        let before = facts.inventory.asked_at.replace(poll.asked_at);
        let first = before.is_none();
        // A start that only the list shows lies between two answers.
        let between = before.map_or(Duration::ZERO, |before| poll.asked_at.since(before) / 2);
        let now = facts.listening.stamp();
        let came = Stamp {
            listened: now.listened - between.min(HALF_AN_ANSWER),
            ..now
        };
        facts.inventory.remember_running(poll, first);
        facts
            .inventory
            .remember_shippers(poll, &facts.rules.downstreams);
        facts.inventory.beating = facts.beating();
        let mut listed: HashSet<u32> = HashSet::with_capacity(poll.machines.len());
        let mut apps: HashSet<&str> = HashSet::new();
        let mut raw = String::new();
        let on_their_way = std::mem::take(&mut facts.inventory.on_their_way);
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
            let mut since = None;
            let known = facts.tracker.find(&raw).or_else(|| {
                if machine.listed == Listed::Starting {
                    let first = on_their_way.get(&raw).copied();
                    since = Some(first.unwrap_or(poll.asked_at));
                }
                self.admit_machine(facts, &raw, machine, since)
            });
            if let (None, Some(since)) = (known, since) {
                facts.inventory.on_their_way.insert(raw.clone(), since);
            }
            if let Some(id) = known {
                listed.insert(id.0);
                let before = facts.inventory.entries.get(&id.0);
                let comes = before.is_some_and(|before| before.listed == Listed::Starting);
                let entry = Listing::of(machine, before, poll.asked_at);
                let entry = match since {
                    Some(since) => entry.since(since),
                    None => entry,
                };
                let comes = comes && entry.listed == Listed::Started;
                facts.inventory.entries.insert(id.0, entry);
                self.follow(facts, id, poll.asked_at);
                if comes {
                    self.started_at(facts, id, came);
                }
                self.watch_never_seen(facts, id);
                self.fire_stuck(facts, id);
            }
        }
        self.gone(facts, poll, &listed, &apps);
        self.answered(facts);
    }

    /// Stops the machines that are not listed any more: those of apps that the inventory covers now, or that it listed
    /// before.
    fn gone(
        &mut self,
        facts: &mut Facts,
        poll: &Poll,
        listed: &HashSet<u32>,
        apps: &HashSet<&str>,
    ) {
        if !poll.whole {
            return;
        }
        let unread = |region: &str| poll.unread_regions.iter().any(|one| **one == *region);
        let gone = |(id, instance): (InstanceId, &crate::core::tracker::record::Instance)| {
            let app_region = &facts.tracker.app_regions[instance.app_region as usize];
            let app: &str = facts.tracker.app_names.get(app_region.app);
            let seen = apps.contains(app) || facts.inventory.entries.contains_key(&id.0);
            let is = seen
                && !listed.contains(&id.0)
                && !unread(facts.tracker.region_names.get(app_region.region))
                && facts.heard_at(id) < poll.asked_at;
            is.then_some(id)
        };
        let gone: Vec<InstanceId> = facts.tracker.iter().filter_map(gone).collect();
        for id in gone {
            facts.inventory.entries.remove(&id.0);
            if !facts.is_stopped(id) {
                self.stopped(facts, id, StopWhy::Gone);
            }
        }
    }

    /// Applies the listing of a machine.
    fn follow(&mut self, facts: &mut Facts, id: InstanceId, asked_at: Mono) {
        let Some(entry) = facts.inventory.entries.get(&id.0) else {
            return;
        };
        let (listed, failed, unreachable) = (entry.listed, entry.failed(), entry.unreachable);
        let in_order = entry.ended_in_order();
        let wrong = entry.wrong(facts.now.mono);
        let stop = facts.tracker.life(id).stop;
        let is_meant_to_run =
            unreachable || failed || matches!(listed, Listed::Started | Listed::Starting);
        match stop {
            None if is_meant_to_run => {
                let updated = facts.tracker.life(id).updated;
                let updated = updated.filter(|update| asked_at.since(update.at) > FOLLOWS_WITHIN);
                if let (Some(update), Listed::Started) = (updated, listed) {
                    self.started_at(facts, id, update);
                }
            }
            // A crash is not an intended stop, whatever is listed after it.
            None if listed == Listed::Stopped && is_crashed(facts, id) && !in_order => {}
            None if matches!(listed, Listed::Stopped | Listed::Gone)
                && facts.heard_at(id) < asked_at =>
            {
                let why = if listed == Listed::Gone {
                    StopWhy::Gone
                } else {
                    StopWhy::Listed
                };
                self.stopped(facts, id, why);
                self.query_exit(facts, id);
            }
            Some((StopWhy::Listed, _)) if failed && listed == Listed::Stopped => {
                self.died(facts, id)
            }
            Some((why, since)) if is_meant_to_run => {
                let followed = why.is_listed() || asked_at.since(since) > FOLLOWS_WITHIN;
                if followed && listed != Listed::Starting {
                    self.started(facts, id);
                }
            }
            _ => {}
        }
        if !wrong.is_empty() {
            self.became_known(facts, id, &wrong);
        }
    }

    /// Fires the alerts of a machine that has been starting for too long, heard before or not: those that are expected,
    /// and those that were live at its stop.
    fn fire_stuck(&mut self, facts: &mut Facts, id: InstanceId) {
        let entry = facts.inventory.entries.get(&id.0);
        let Some(since) = entry.and_then(|entry| entry.stuck_since(facts.now.mono)) else {
            return;
        };
        let heard = |beat: BeatId| {
            let row = facts.tracker.beat_row(beat);
            row.is_heard() && row.seen.at >= since
        };
        if facts.tracker.beats_of(id).any(heard) {
            return;
        }
        if facts.tracker.life(id).has_left() {
            self.started(facts, id);
        }
        for target in self.targets_of(facts, id) {
            // One that is late already waited for this answer, and fires as of its own deadline.
            if !self.is_target_stopped(facts, target) && !self.is_late(facts, target) {
                self.fire_at(facts, target, since + STUCK_AFTER, Reason::GapExceeded);
            }
        }
    }

    /// Queries the exit of a machine that is listed as stopped for an unknown reason. Only an inventory that gives the
    /// purpose of machines knows their exits too.
    fn query_exit(&mut self, facts: &mut Facts, id: InstanceId) {
        let unsaid = facts.inventory.entries.get(&id.0).is_some_and(|entry| {
            entry.listed == Listed::Stopped
                && entry.exit.is_none()
                && entry.purpose == Purpose::Service
        });
        if unsaid && !self.targets_of(facts, id).is_empty() {
            self.confirmation.ask(Some(facts.candidate_of(id)));
        }
    }
}
