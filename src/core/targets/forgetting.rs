//! What is forgotten, and when: nothing that is waited for.
//!
//! A target that fires is forgotten `forget_after` after it was found silent. One that stopped is remembered for 35 days,
//! since a start expects it again. What no rule watches is forgotten a day after it was last heard.

use crate::core::facts::Facts;
use crate::core::rule::{By, FORGET_AFTER, Watch};
use crate::core::targets::Targets;
use crate::core::targets::groups::GroupId;
use crate::core::targets::table::{Reason, State, Watched};
use crate::core::time::Listened;
use crate::core::tracker::{BeatId, InstanceId, NONE, UNDECIDED};
use std::time::Duration;

/// What stopped on purpose is remembered for so long: a monthly job, and some days.
pub const REMEMBER_STOPPED: Duration = Duration::from_secs(35 * 86_400);
/// Of all instances that find room, this part may be stopped ones that nothing was heard of for a day.
const STOPPED_SHARE: usize = 4;
/// Of the stopped ones this part gives way at once where there is no room for a new instance, so that the next ones find
/// some without a search.
const GIVE_WAY_SHARE: usize = 8;

impl Targets {
    /// Whether an instance is forgotten at `listened`: nothing of it is waited for, or watched, or stopped lately.
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

    /// Whether a target is not waited for any more, and was not lately.
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

    /// Whether a group that fires has no live member, and no rule expects it. Other targets are silent as they fire.
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

    /// Whether nobody waits for a beat any more.
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

    /// Whether nobody waits for the log entries of an instance any more.
    fn are_logs_over(&self, facts: &Facts, id: InstanceId, listened: Listened) -> bool {
        let instance = facts.tracker.instance(id);
        if instance.logs < UNDECIDED && !self.is_over(facts, instance.logs, listened) {
            return false;
        }
        if instance.spoke == Listened::NEVER {
            return true;
        }
        let silent_for = listened.since(instance.spoke);
        let links = self.plan.links[instance.place as usize].iter();
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

    /// A member of a group is needed for so long after its last sign of life: until the group was found silent for lack of it,
    /// and is forgotten.
    fn after_of_group(&self, facts: &Facts, group: GroupId) -> Duration {
        let target = self.groups.get(group).target;
        let rule = &facts.rules.rules[self.table.get(target).rule() as usize];
        self.max_gap(facts, target) + rule.hold + rule.forget_after
    }

    /// Targets that fire and are forgotten at `listened`, while their instance may live on; at most `most`. `shortest`: no
    /// rule forgets sooner.
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

    /// Whether a beat row of these slots is to go, while its instance may live on: what no rule has, or what stopped.
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

    /// Takes the target of a beat out, before the beat itself is forgotten.
    pub(in crate::core) fn forget_target(&mut self, facts: &mut Facts, target: u32) {
        let watched = self.table.get(target).watched();
        self.end(facts, target, Reason::Forgotten);
        self.drop_target(facts, target);
        if let Watched::Logs(id) = watched {
            // Its next entry asks again for the rule that has it.
            facts.tracker.instance_mut(id).logs = UNDECIDED;
        }
    }

    /// Whether all that there is of an instance has stopped.
    fn has_stopped(&self, facts: &Facts, id: InstanceId) -> bool {
        if facts.tracker.life(id).has_left() {
            return true;
        }
        let mut beats = facts.tracker.beats_of(id);
        let stopped = |beat: BeatId| facts.tracker.beat_row(beat).stopped();
        facts.tracker.instance(id).first_beat != NONE && beats.all(stopped)
    }

    /// Of these, the stopped ones that are too many, the oldest first.
    pub(in crate::core) fn too_many_stopped(
        &self,
        facts: &Facts,
        unheard: &[InstanceId],
    ) -> Vec<InstanceId> {
        let most = facts.tracker.limits.instances / STOPPED_SHARE;
        if unheard.len() <= most {
            return Vec::new();
        }
        let stopped = unheard.iter().copied();
        let stopped: Vec<InstanceId> = stopped.filter(|id| self.has_stopped(facts, *id)).collect();
        let too_many = stopped.len().saturating_sub(most);
        oldest(facts, stopped, too_many)
    }

    /// The stopped instances that give way to new ones where there is no room, the oldest first.
    pub(in crate::core) fn give_way(&self, facts: &Facts, most: usize) -> Vec<InstanceId> {
        let all = facts.tracker.iter().map(|(id, _)| id);
        let stopped: Vec<InstanceId> = all.filter(|id| self.has_stopped(facts, *id)).collect();
        let count = stopped.len().div_ceil(GIVE_WAY_SHARE).min(most);
        oldest(facts, stopped, count)
    }

    /// The stopped beat of an instance that gives way to a new one, the oldest; `None` where none has stopped.
    pub(in crate::core) fn beat_to_give_way(
        &self,
        facts: &Facts,
        id: InstanceId,
    ) -> Option<BeatId> {
        let beats = facts.tracker.beats_of(id);
        let stopped = beats.filter(|beat| facts.tracker.beat_row(*beat).stopped());
        stopped.min_by_key(|beat| facts.tracker.beat_row(*beat).seen.at)
    }
}

/// What stopped is remembered for so long; what is never started again, as long as what was found silent.
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
