//! Forgetting: the time after which a target, a beat or an instance is no longer expected.
//!
//! A target that fires is forgotten `forget_after` after it began to. A stopped one is remembered for 35 days, since a
//! start makes it expected again. Instances that no rule watches are forgotten a day after their last sign of life.

use crate::core::facts::Facts;
use crate::core::rule::{By, FORGET_AFTER, Watch};
use crate::core::targets::Targets;
use crate::core::targets::groups::GroupId;
use crate::core::targets::table::{Reason, State, Watched};
use crate::core::time::Listened;
use crate::core::tracker::{BeatId, InstanceId, NONE, UNDECIDED};
use std::time::Duration;

/// Time for which a stopped target is remembered: a monthly job, and some days.
pub const REMEMBER_STOPPED: Duration = Duration::from_secs(35 * 86_400);
/// Divisor of the limit on instances: so many stopped ones, quiet for a day, are kept at most.
const STOPPED_SHARE: usize = 4;
/// Divisor of the number of stopped instances: so many are evicted at once if a table is full, so that the next
/// admissions need no search.
const EVICTED_SHARE: usize = 8;

impl Targets {
    /// True if an instance is forgotten at `listened`: nothing of it is expected, watched or recently stopped.
    pub fn is_forgotten(&self, facts: &Facts, id: InstanceId, listened: Listened) -> bool {
        let instance = facts.tracker.instance(id);
        let mut after = None;
        let mut beats = facts.tracker.beats_of(id);
        let beats_over = beats.all(|beat| {
            let target = facts.tracker.beat_row(beat).target;
            after = after.max(self.forget_after(facts, target));
            self.is_beat_over(facts, beat, listened)
        });
        if !beats_over || !self.are_logs_over(facts, id, listened) {
            return false;
        }
        after = after.max(self.forget_after(facts, instance.logs));
        listened.since(instance.seen.listened) > after.unwrap_or(FORGET_AFTER)
    }

    fn forget_after(&self, facts: &Facts, target: u32) -> Option<Duration> {
        let rule = self.table.row(target)?.rule();
        Some(facts.rules.rules[rule as usize].forget_after)
    }

    /// True if a target is not expected any more and was not recently.
    fn is_over(&self, facts: &Facts, target: u32, listened: Listened) -> bool {
        let row = self.table.get(target);
        let forget_after = facts.rules.rules[row.rule() as usize].forget_after;
        match row.state {
            State::Pending => false,
            State::Firing => {
                let since = self.silent.get(&target).copied();
                let since = since.unwrap_or_else(|| self.seen(facts, target).listened);
                let is_over = listened.since(since) > forget_after;
                is_over && self.is_all_silent(facts, row.watched(), listened)
            }
            State::Ok if !self.is_target_stopped(facts, target) => false,
            State::Ok => {
                let id = row.watched().instance(&facts.tracker);
                let after = id.map_or(REMEMBER_STOPPED, |id| {
                    remember_stopped(facts, id, forget_after)
                });
                listened.since(self.seen(facts, target).listened) > after
            }
        }
    }

    /// True if a firing group has no live member and no rule expects it; true for other targets, which fire when
    /// silent.
    fn is_all_silent(&self, facts: &Facts, watched: Watched, listened: Listened) -> bool {
        let Watched::Group(group) = watched else {
            return true;
        };
        let group = self.groups.get(group);
        let max_gap = self.max_gap(facts, group.target);
        let is_live = |id| {
            let member = self.member_of(facts, id, group, max_gap);
            member.is_some_and(|member| member.live_until >= listened)
        };
        !group.expected && !self.members(facts, group).any(is_live)
    }

    /// True if a beat is not expected any more.
    fn is_beat_over(&self, facts: &Facts, beat: BeatId, listened: Listened) -> bool {
        let row = facts.tracker.beat_row(beat);
        if row.target != NONE {
            return self.is_over(facts, row.target, listened);
        }
        let id = InstanceId(row.instance);
        let silent_for = listened.since(row.seen.listened);
        let groups = self.groups_of_beat(facts, beat);
        let after = groups.map(|group| match row.stopped() {
            true => remember_stopped(facts, id, FORGET_AFTER),
            false => self.after_of_group(facts, group),
        });
        silent_for > after.max().unwrap_or(FORGET_AFTER)
    }

    /// True if the log entries of an instance are not expected any more.
    fn are_logs_over(&self, facts: &Facts, id: InstanceId, listened: Listened) -> bool {
        let instance = facts.tracker.instance(id);
        if instance.logs < UNDECIDED && !self.is_over(facts, instance.logs, listened) {
            return false;
        }
        if instance.spoke == Listened::NEVER {
            return true;
        }
        let silent_for = listened.since(instance.spoke);
        let links = self.plan.links[instance.app_region as usize].iter();
        let of_logs = links.filter(|link| {
            facts.rules.rules[link.rule as usize].watch == Watch::Logs && link.by != By::Instance
        });
        let mut groups = of_logs.filter_map(|link| link.group);
        groups.all(|group| {
            let after = match facts.tracker.life(id).has_left() {
                true => remember_stopped(facts, id, FORGET_AFTER),
                false => self.after_of_group(facts, group),
            };
            silent_for > after
        })
    }

    /// Time after its last sign of life for which a member of a group is kept: until the group is found silent because
    /// of it, and is forgotten.
    fn after_of_group(&self, facts: &Facts, group: GroupId) -> Duration {
        let target = self.groups.get(group).target;
        let rule = &facts.rules.rules[self.table.get(target).rule() as usize];
        self.max_gap(facts, target) + rule.hold + rule.forget_after
    }

    /// Targets that fire and are forgotten at `listened`, though their instance may live on; at most `most`. `shortest`
    /// is the shortest `forget_after` of all rules.
    pub(in crate::core) fn silent_too_long(
        &mut self,
        facts: &Facts,
        listened: Listened,
        shortest: Duration,
        most: usize,
    ) -> Vec<u32> {
        if listened.since(self.first_silent) <= shortest {
            return Vec::new();
        }
        self.first_silent = self.silent.values().min().copied().unwrap_or(listened);
        let old = |(_, since): &(&u32, &Listened)| listened.since(**since) > shortest;
        let old = self
            .silent
            .iter()
            .filter(old)
            .map(|(&target, _)| target)
            .filter(|&target| self.is_over(facts, target, listened));
        old.take(most).collect()
    }

    /// The beats among these slots that are forgotten, though their instance may live on: those without a rule, and
    /// stopped ones.
    pub(in crate::core) fn idle_beats(
        &self,
        facts: &Facts,
        listened: Listened,
        slots: std::ops::Range<usize>,
    ) -> Vec<BeatId> {
        let is_idle = |beat: &BeatId| {
            let row = facts.tracker.beat_row(*beat);
            let fires = row.target != NONE && self.table.get(row.target).state == State::Firing;
            row.instance != NONE && !fires && self.is_beat_over(facts, *beat, listened)
        };
        let slots = slots.start as u32..slots.end as u32;
        slots.map(BeatId).filter(is_idle).collect()
    }

    /// A target that fires is forgotten: an inventory that still lists its machine as started does not bring it back.
    pub(in crate::core) fn give_up(&self, facts: &mut Facts, target: u32) {
        let id = self.table.get(target).watched().instance(&facts.tracker);
        let subject = id.and_then(|id| facts.tracker.subject(id));
        let listed = subject.filter(|_| facts.options.inventory);
        let subject = listed.map(|subject| subject.to_string());
        facts.inventory.given_up.extend(subject);
    }

    /// Removes the target of a beat or of logs, before the beat itself is forgotten.
    pub(in crate::core) fn forget_target(&mut self, facts: &mut Facts, target: u32) {
        let watched = self.table.get(target).watched();
        self.end(facts, target, Reason::Forgotten);
        self.drop_target(facts, target);
        if let Watched::Logs(id) = watched {
            // Its next entry searches for its rule again.
            facts.tracker.instance_mut(id).logs = UNDECIDED;
        }
    }

    /// True if an instance has stopped with all its beats.
    fn has_stopped(&self, facts: &Facts, id: InstanceId) -> bool {
        if facts.tracker.life(id).has_left() {
            return true;
        }
        let mut beats = facts.tracker.beats_of(id);
        let stopped = |beat: BeatId| facts.tracker.beat_row(beat).stopped();
        facts.tracker.instance(id).first_beat != NONE && beats.all(stopped)
    }

    /// The stopped instances among these that exceed their share, the oldest first.
    pub(in crate::core) fn too_many_stopped(
        &self,
        facts: &Facts,
        quiet: &[InstanceId],
    ) -> Vec<InstanceId> {
        let most = facts.tracker.limits.instances / STOPPED_SHARE;
        if quiet.len() <= most {
            return Vec::new();
        }
        let stopped = quiet.iter().copied();
        let stopped: Vec<InstanceId> = stopped.filter(|id| self.has_stopped(facts, *id)).collect();
        let too_many = stopped.len().saturating_sub(most);
        oldest(facts, stopped, too_many)
    }

    /// The stopped instances to evict in favour of new ones, the oldest first; at most `most`.
    pub(in crate::core) fn to_evict(&self, facts: &Facts, most: usize) -> Vec<InstanceId> {
        let all = facts.tracker.iter().map(|(id, _)| id);
        let stopped: Vec<InstanceId> = all.filter(|id| self.has_stopped(facts, *id)).collect();
        let count = stopped.len().div_ceil(EVICTED_SHARE).min(most);
        oldest(facts, stopped, count)
    }

    /// The oldest stopped beat of an instance, to be evicted in favour of a new one; `None` if none has stopped.
    pub(in crate::core) fn beat_to_evict(&self, facts: &Facts, id: InstanceId) -> Option<BeatId> {
        let beats = facts.tracker.beats_of(id);
        let stopped = beats.filter(|beat| facts.tracker.beat_row(*beat).stopped());
        stopped.min_by_key(|beat| facts.tracker.beat_row(*beat).seen.at)
    }
}

/// Time for which a stopped target is remembered; one that is never started again, only as long as a silent one.
fn remember_stopped(facts: &Facts, id: InstanceId, forget_after: Duration) -> Duration {
    let stop = facts.tracker.life(id).stop;
    if stop.is_some_and(|(why, _)| why.is_final()) {
        forget_after
    } else {
        REMEMBER_STOPPED.max(forget_after)
    }
}

fn oldest(facts: &Facts, mut of: Vec<InstanceId>, count: usize) -> Vec<InstanceId> {
    let seen = |id: &InstanceId| facts.tracker.instance(*id).seen.at;
    if count < of.len() {
        of.select_nth_unstable_by_key(count, seen);
    }
    of.truncate(count);
    of
}
