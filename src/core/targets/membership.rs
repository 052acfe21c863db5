//! Instances as members of groups: creation of groups, their signs of life and their expiry.

use crate::core::entry::MarkerId;
use crate::core::facts::Facts;
use crate::core::rule::{AUTO_FACTOR, By, Rule, Watch};
use crate::core::targets::Targets;
use crate::core::targets::groups::{Group, GroupId, GroupLink};
use crate::core::targets::table::{State, Watched};
use crate::core::time::{Listened, Stamp};
use crate::core::tracker::record::Beat;
use crate::core::tracker::{BeatId, InstanceId, NONE};
use std::time::Duration;

/// Contribution of an instance to a group.
#[derive(Clone, Copy, Debug)]
pub(in crate::core) struct Member {
    /// Listened clock: end of its life, unless it is heard again.
    pub live_until: Listened,
    /// Listened clock: the same for the part of it that has not stopped; `None` if all of it has.
    pub awaited_until: Option<Listened>,
    /// Listened clock: time at which it, or one of its beats, stopped on purpose; `None` if neither did.
    pub left_at: Option<Listened>,
}

impl Targets {
    /// The group of a rule that an app-region belongs to; created if it is new.
    pub(in crate::core) fn group(
        &mut self,
        facts: &mut Facts,
        rule: u32,
        app: u32,
        region: u32,
        expected: bool,
    ) -> GroupId {
        let by = facts.rules.rules[rule as usize].by;
        let app = if by == By::Region { NONE } else { app };
        let region = if by == By::App { NONE } else { region };
        if let Some(id) = self.groups.find(rule, app, region) {
            self.groups.rows[id.0 as usize].expected |= expected;
            return id;
        }
        let id = self.groups.next_id();
        let since = facts.listening.stamp();
        // Evaluated for the first time when its members had `max_gap` to be heard.
        let due = since.listened
            + facts.rules.rules[rule as usize]
                .max_gap
                .span(AUTO_FACTOR, None);
        let target = self.table.add(Watched::Group(id), rule, since, due);
        self.groups.add(Group {
            rule,
            by,
            app,
            region,
            target,
            since,
            expected,
            every_ms: 0,
        })
    }

    /// Creates the groups that rules expect, before any of their members is heard.
    pub(in crate::core) fn expect_groups(&mut self, facts: &mut Facts) {
        for rule in 0..facts.rules.rules.len() {
            let Some((by, expect, apps)) = facts.rules.rules.get(rule).map(|rule| {
                let literal = rule
                    .app
                    .0
                    .iter()
                    .filter(|app| !app.contains(['*', '?', '[', '{', '!']));
                (
                    rule.by,
                    rule.expect.clone(),
                    literal.cloned().collect::<Vec<_>>(),
                )
            }) else {
                continue;
            };
            for name in &expect {
                match by {
                    By::Instance => {}
                    By::App => self.expect_group(facts, rule as u32, Some(name), None),
                    By::Region => self.expect_group(facts, rule as u32, None, Some(name)),
                    By::AppRegion => apps.iter().for_each(|app| {
                        self.expect_group(facts, rule as u32, Some(app), Some(name))
                    }),
                }
            }
        }
    }

    /// Creates the groups of a new app that a rule expects in regions where it was not heard.
    pub(in crate::core) fn expect_of_app(&mut self, facts: &mut Facts, app: u32) {
        let name = facts.tracker.app_names.get(app).clone();
        let expects = |rule: &Rule| rule.by == By::AppRegion && !rule.expect.is_empty();
        for rule in 0..facts.rules.rules.len() {
            if !expects(&facts.rules.rules[rule]) || !facts.rules.rules[rule].app.matches(&name) {
                continue;
            }
            for region in facts.rules.rules[rule].expect.clone() {
                self.expect_group(facts, rule as u32, Some(&name), Some(&region));
            }
        }
    }

    fn expect_group(
        &mut self,
        facts: &mut Facts,
        rule: u32,
        app: Option<&str>,
        region: Option<&str>,
    ) {
        let app = app.map_or(Some(NONE), |app| facts.tracker.intern_app(app));
        let region = region.map_or(Some(NONE), |region| facts.tracker.intern_region(region));
        // With full tables, the names cannot be heard either.
        let (Some(app), Some(region)) = (app, region) else {
            return;
        };
        let stamp = facts.listening.stamp();
        if app != NONE
            && region != NONE
            && facts
                .tracker
                .intern_app_region(app, region, stamp)
                .is_none()
        {
            return;
        }
        self.group(facts, rule, app, region, true);
    }

    /// The link of the rule that watches a beat as a part of a group.
    pub(in crate::core) fn link(
        &self,
        facts: &Facts,
        app_region: u32,
        by: By,
        marker: MarkerId,
        name: u32,
    ) -> Option<usize> {
        let links = self.plan.links.get(app_region as usize)?;
        links
            .iter()
            .position(|link| link.by == by && self.watches(facts, link.rule, marker, name))
    }

    /// The link of the rule that watches the logs of an app-region as a part of a group: the first that matches.
    fn link_of_logs(&self, facts: &Facts, app_region: u32, by: By) -> Option<usize> {
        let rules = &facts.rules.rules;
        let links = &self.plan.links[app_region as usize];
        links
            .iter()
            .position(|link| link.by == by && rules[link.rule as usize].watch == Watch::Logs)
    }

    /// Records a beat for its groups: creates new ones, and gives those that were late or silent a sign of life.
    pub(in crate::core) fn beat_of_groups(
        &mut self,
        facts: &mut Facts,
        app_region: u32,
        marker: MarkerId,
        name: u32,
        every_ms: u32,
    ) {
        if self.plan.links[app_region as usize].is_empty() {
            return;
        }
        for by in [By::AppRegion, By::App, By::Region] {
            if let Some(link) = self.link(facts, app_region, by, marker, name) {
                self.heard_link(facts, app_region, link, every_ms);
            }
        }
    }

    /// Records an entry of the app itself in the same way, for rules that watch logs.
    pub(in crate::core) fn entry_of_groups(&mut self, facts: &mut Facts, app_region: u32) {
        for by in [By::AppRegion, By::App, By::Region] {
            if let Some(link) = self.link_of_logs(facts, app_region, by) {
                let target = self.heard_link(facts, app_region, link, 0);
                let stamp = facts.listening.stamp();
                let before = self.table.seen(target).unwrap_or(stamp);
                self.table.set_seen(target, stamp);
                self.learn(facts, target, before, stamp);
                let due = stamp.listened + self.max_gap(facts, target);
                if due < self.table.due(target) && self.table.get(target).state == State::Ok {
                    // An interval became known.
                    self.table.set_due(target, due);
                }
            }
        }
    }

    /// Records an entry of the app itself that was heard at `seen`, in an earlier life: nothing is learned of it.
    pub(in crate::core) fn restored_entry_of_groups(
        &mut self,
        facts: &mut Facts,
        place: u32,
        seen: Stamp,
    ) {
        for by in [By::AppRegion, By::App, By::Region] {
            let Some(link) = self.link_of_logs(facts, place, by) else {
                continue;
            };
            let target = self.heard_link(facts, place, link, 0);
            let before = self.table.seen(target).unwrap_or_default();
            if before.listened < seen.listened {
                self.table.set_seen(target, seen);
            }
        }
    }

    /// Records a sign of life in a group by a member with this interval; gives the group's target.
    fn heard_link(
        &mut self,
        facts: &mut Facts,
        app_region: u32,
        link: usize,
        every_ms: u32,
    ) -> u32 {
        let GroupLink { rule, group, .. } = self.plan.links[app_region as usize][link];
        let id = group.unwrap_or_else(|| {
            let at = &facts.tracker.app_regions[app_region as usize];
            let (app, region) = (at.app, at.region);
            let id = self.group(facts, rule, app, region, false);
            self.plan.links[app_region as usize][link].group = Some(id);
            id
        });
        let row = &mut self.groups.rows[id.0 as usize];
        let grows = row.every_ms < every_ms;
        row.every_ms = row.every_ms.max(every_ms);
        let target = row.target;
        if self.table.get(target).state != State::Ok {
            if !self.is_late(facts, target) {
                self.sign(facts, target);
            }
        } else if grows || self.table.due(target) == Listened::NEVER {
            // An interval became known, or all of it had stopped.
            self.table.set_due(target, Listened::ZERO);
        }
        target
    }

    /// True if a beat of an instance is one that a group's rule watches.
    pub(in crate::core) fn is_of_group(
        &self,
        facts: &Facts,
        id: InstanceId,
        beat: &Beat,
        group: &Group,
    ) -> bool {
        let app_region = facts.tracker.instance(id).app_region;
        let link = self.link(facts, app_region, group.by, beat.marker, beat.name());
        link.is_some_and(|link| self.plan.links[app_region as usize][link].rule == group.rule)
    }

    /// The instances in those of a group's app-regions that its rule matches.
    pub(in crate::core) fn members(
        &self,
        facts: &Facts,
        group: &Group,
    ) -> impl Iterator<Item = InstanceId> {
        let is_matched = |app_region: &u32| {
            let links = self.plan.links.get(*app_region as usize);
            links.is_some_and(|links| links.iter().any(|link| link.rule == group.rule))
        };
        let all = facts.tracker.app_regions_of(group.app, group.region);
        facts.tracker.members_of(all.filter(is_matched))
    }

    /// The time, on the listened clock, at which a group falls silent unless it is heard again: when fewer than
    /// `at_least` instances are live. `None`: never, because all its live members stopped on purpose or none is left.
    pub(in crate::core) fn group_expiry(&self, facts: &Facts, group: &Group) -> Option<Listened> {
        let rule = &facts.rules.rules[group.rule as usize];
        let max_gap = self.max_gap(facts, group.target);
        let members = self.members(facts, group);
        let members = members.filter_map(|id| self.member_of(facts, id, group, max_gap));
        let from = group.since.listened + max_gap;
        let Some(wanted) = rule.at_least else {
            let (mut live_until, mut left_at) = (None, None);
            for member in members {
                live_until = live_until.max(member.awaited_until);
                left_at = left_at.max(member.left_at);
            }
            // An instance that was already silent when the last one stopped is not missed.
            return match (live_until, left_at) {
                (Some(until), Some(left)) if until < left => None,
                (Some(until), _) => Some(until),
                (None, Some(_)) => None,
                (None, None) => group.expected.then_some(from),
            };
        };
        let mut until: Vec<Listened> = members.map(|member| member.live_until).collect();
        until.sort_unstable_by(|a, b| b.cmp(a));
        let enough = until.get(wanted.saturating_sub(1) as usize);
        Some(enough.map_or(from, |until| from.max(*until)))
    }

    /// Contribution of an instance to a group: one, with any number of beats. `None` without a sign of life that
    /// counts.
    pub(in crate::core) fn member_of(
        &self,
        facts: &Facts,
        id: InstanceId,
        group: &Group,
        max_gap: Duration,
    ) -> Option<Member> {
        let instance = facts.tracker.instance(id);
        let life = facts.tracker.life(id);
        let interval = self.interval(facts, group.target);
        let live_until = |seen| facts.listening.late_at(seen, interval, max_gap);
        let spoke = (instance.spoke != Listened::NEVER).then_some(Stamp {
            at: instance.seen.at,
            listened: instance.spoke,
        });
        let stop = life.stop.map(|(_, at)| facts.listening.listened_at(at));
        let left_at = |heard: Listened| {
            let said = life.said_bye.then_some(instance.spoke);
            stop.or(said.filter(|at| *at != Listened::NEVER))
                .unwrap_or(heard)
        };
        if facts.rules.rules[group.rule as usize].watch == Watch::Logs {
            let links = &self.plan.links[instance.app_region as usize];
            let link = self.link_of_logs(facts, instance.app_region, group.by);
            let is_own = link.is_some_and(|link| links[link].rule == group.rule);
            return spoke.filter(|_| is_own).map(|seen| Member {
                live_until: live_until(seen),
                awaited_until: (!life.has_left()).then(|| live_until(seen)),
                left_at: life.has_left().then(|| left_at(seen.listened)),
            });
        }
        let mut member: Option<Member> = None;
        for beat in facts.tracker.beats_of(id) {
            let beat = facts.tracker.beat_row(beat);
            if !self.is_of_group(facts, id, beat, group) {
                continue;
            }
            let until = live_until(beat.seen);
            let member = member.get_or_insert(Member {
                live_until: until,
                awaited_until: None,
                left_at: None,
            });
            member.live_until = member.live_until.max(until);
            if beat.stopped() {
                member.left_at = member.left_at.max(Some(left_at(beat.seen.listened)));
            } else {
                member.awaited_until = member.awaited_until.max(Some(until));
            }
        }
        let said = life.said_bye.then_some(spoke).flatten();
        if let (Some(member), Some(said)) = (&mut member, said) {
            member.live_until = member.live_until.max(live_until(said));
        }
        member
    }

    /// The groups that a beat belongs to.
    pub(in crate::core) fn groups_of_beat(
        &self,
        facts: &Facts,
        beat: BeatId,
    ) -> impl Iterator<Item = GroupId> {
        let row = facts.tracker.beat_row(beat);
        let app_region = facts.tracker.instances[row.instance as usize].app_region;
        let links = [By::AppRegion, By::App, By::Region]
            .map(|by| self.link(facts, app_region, by, row.marker, row.name()));
        let links = links.into_iter().flatten();
        links.filter_map(move |link| self.plan.links[app_region as usize][link].group)
    }

    /// The targets of the groups that an app-region belongs to.
    pub(in crate::core) fn groups_of_app_region(&self, app_region: u32) -> Vec<u32> {
        let links = self.plan.links[app_region as usize].iter();
        links
            .filter_map(|link| Some(self.groups.get(link.group?).target))
            .collect()
    }

    /// Records that the groups of an app-region have fewer live members.
    pub(in crate::core) fn fewer_in_groups(&mut self, facts: &mut Facts, app_region: u32) {
        for target in self.groups_of_app_region(app_region) {
            let Watched::Group(group) = self.table.get(target).watched() else {
                continue;
            };
            if self.group_expiry(facts, self.groups.get(group)).is_none() {
                self.stop(facts, target);
            } else if self.table.get(target).state != State::Firing {
                // There may be too few now.
                self.table.set_due(target, Listened::ZERO);
            }
        }
    }

    /// Records that the groups of an app-region have more members to expect.
    pub(in crate::core) fn more_in_groups(&mut self, app_region: u32) {
        for target in self.groups_of_app_region(app_region) {
            if self.table.get(target).state != State::Firing {
                self.table.set_due(target, Listened::ZERO);
            }
        }
    }

    /// The last sign of life in a group; the start of its watch if there was none.
    pub(in crate::core) fn group_seen(&self, facts: &Facts, group: &Group) -> Stamp {
        let stamps = self
            .members(facts, group)
            .map(|id| facts.tracker.instance(id).seen);
        stamps
            .max_by_key(|stamp| stamp.at)
            .map_or(group.since, |seen| {
                if seen.at > group.since.at {
                    seen
                } else {
                    group.since
                }
            })
    }

    /// Groups without members that no rule expects.
    pub(in crate::core) fn empty_groups(&self, facts: &Facts) -> Vec<GroupId> {
        let empty = |(_, group): &(GroupId, &Group)| {
            !group.expected && self.members(facts, group).next().is_none()
        };
        self.groups.iter().filter(empty).map(|(id, _)| id).collect()
    }

    /// Removes a group whose target was removed already.
    pub(in crate::core) fn drop_group(&mut self, facts: &mut Facts, id: GroupId) {
        let &Group { app, region, .. } = self.groups.get(id);
        self.groups.remove(id);
        for app_region in facts.tracker.app_regions_of(app, region) {
            // A new app-region has no links yet.
            let links = self.plan.links.get_mut(app_region as usize);
            links
                .into_iter()
                .flatten()
                .filter(|link| link.group == Some(id))
                .for_each(|link| link.group = None);
        }
    }
}
