//! Targets that are not one instance: an app-region, an app, a region, watched by a rule as one.

use crate::core::entry::MarkerId;
use crate::core::facts::Facts;
use crate::core::rule::{By, Rule, Watch};
use crate::core::targets::Targets;
use crate::core::targets::table::{State, Watched};
use crate::core::time::{Listened, Stamp};
use crate::core::tracker::record::Beat;
use crate::core::tracker::{BeatId, InstanceId, NONE};
use std::collections::BTreeMap;
use std::time::Duration;

/// A group: a place in [`Groups`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct GroupId(pub u32);

/// One group of one rule.
#[derive(Clone, Debug)]
pub struct Group {
    /// The rule's place in the set.
    pub rule: u32,
    /// What it is.
    pub by: By,
    /// The app, or [`NONE`] where it is a region.
    pub app: u32,
    /// The region, or [`NONE`] where it is an app.
    pub region: u32,
    /// Its target.
    pub target: u32,
    /// From when it is watched.
    pub since: Stamp,
    /// Whether the rule expects it, heard or not.
    pub expected: bool,
    /// The longest interval that a beat of it declares, in milliseconds; 0 where none does.
    pub every_ms: u32,
}

/// What an instance is to a group.
#[derive(Clone, Copy, Debug)]
pub(in crate::core) struct Member {
    /// Listened clock: until then it counts as live, if nothing more is heard of it.
    pub live_until: Listened,
    /// Listened clock: the same of what has not stopped; `None` where all has.
    pub awaited_until: Option<Listened>,
    /// Listened clock: when it stopped on purpose, or a beat of it did; `None` where none did.
    pub left_at: Option<Listened>,
}

/// A rule that watches an app-region as a part of a group.
#[derive(Clone, Copy, Debug)]
pub struct GroupLink {
    /// The rule.
    pub rule: u32,
    /// What its targets are.
    pub by: By,
    /// The group, once somebody was heard of it.
    pub group: Option<GroupId>,
}

/// All groups.
#[derive(Debug, Default)]
pub struct Groups {
    pub(in crate::core) rows: Vec<Group>,
    ids: BTreeMap<(u32, u32, u32), GroupId>,
    free: Vec<GroupId>,
    /// The one whose interval was found anew last.
    pub(in crate::core) refreshed: GroupId,
}

impl Groups {
    /// A group.
    pub fn get(&self, id: GroupId) -> &Group {
        &self.rows[id.0 as usize]
    }

    /// The rules have other numbers now; groups of rules that are gone were dropped before.
    pub(in crate::core) fn renumber(&mut self, number: impl Fn(u32) -> u32) {
        let ids = std::mem::take(&mut self.ids);
        for ((rule, app, region), id) in ids {
            self.rows[id.0 as usize].rule = number(rule);
            self.ids.insert((number(rule), app, region), id);
        }
    }

    /// Which groups are expected is to be said anew.
    pub(in crate::core) fn expect_nobody(&mut self) {
        self.rows
            .iter_mut()
            .for_each(|group| group.expected = false);
    }

    /// The group of a rule, where there is one.
    pub(in crate::core) fn find(&self, rule: u32, app: u32, region: u32) -> Option<GroupId> {
        self.ids.get(&(rule, app, region)).copied()
    }

    /// Groups whose rule says how many are to be live are judged anew from now on: the rules are others.
    pub(in crate::core) fn count_anew(&mut self, rules: &[Rule], now: Stamp) {
        let counting = |group: &&mut Group| {
            let rule = rules.get(group.rule as usize);
            rule.is_some_and(|rule| rule.at_least.is_some())
        };
        self.rows
            .iter_mut()
            .filter(counting)
            .for_each(|group| group.since = now);
    }

    /// A group is watched since an earlier life. `since`: `None` where it is judged from the start on.
    pub(in crate::core) fn restored(&mut self, id: GroupId, since: Option<Stamp>, every_ms: u32) {
        let row = &mut self.rows[id.0 as usize];
        row.since = since.unwrap_or(row.since);
        row.every_ms = row.every_ms.max(every_ms);
    }

    /// Every group.
    pub fn iter(&self) -> impl Iterator<Item = (GroupId, &Group)> {
        self.ids.values().map(|&id| (id, self.get(id)))
    }
}

impl Targets {
    /// The group of a rule that an app-region belongs to; made where it is new.
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
        if let Some(&id) = self.groups.ids.get(&(rule, app, region)) {
            self.groups.rows[id.0 as usize].expected |= expected;
            return id;
        }
        let free = self.groups.free.pop();
        let id = free.unwrap_or(GroupId(self.groups.rows.len() as u32));
        let since = facts.listening.stamp();
        // Judged for the first time when nobody of it could have been heard for long enough.
        let due = since.listened + facts.rules.rules[rule as usize].max_gap.span(None);
        let target = self.table.add(Watched::Group(id), rule, since, due);
        let row = Group {
            rule,
            by,
            app,
            region,
            target,
            since,
            expected,
            every_ms: 0,
        };
        match free {
            Some(id) => self.groups.rows[id.0 as usize] = row,
            None => self.groups.rows.push(row),
        }
        self.groups.ids.insert((rule, app, region), id);
        id
    }

    /// Makes the groups that rules expect before anybody of them was heard.
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

    /// A new app may be one that a rule expects in regions where it is not heard.
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
        // Where the tables are full the names cannot be heard either.
        let (Some(app), Some(region)) = (app, region) else {
            return;
        };
        let stamp = facts.listening.stamp();
        if app != NONE && region != NONE && facts.tracker.intern_place(app, region, stamp).is_none()
        {
            return;
        }
        self.group(facts, rule, app, region, true);
    }

    /// The link of the rule that has a beat as part of a group.
    pub(in crate::core) fn link(
        &self,
        facts: &Facts,
        place: u32,
        by: By,
        marker: MarkerId,
        name: u32,
    ) -> Option<usize> {
        let links = self.plan.links.get(place as usize)?;
        links
            .iter()
            .position(|link| link.by == by && self.watches(facts, link.rule, marker, name))
    }

    /// A beat was heard: groups it belongs to are made where they are new, and relieved where they were missed.
    pub(in crate::core) fn beat_of_groups(
        &mut self,
        facts: &mut Facts,
        place: u32,
        marker: MarkerId,
        name: u32,
        every_ms: u32,
    ) {
        if self.plan.links[place as usize].is_empty() {
            return;
        }
        for by in [By::AppRegion, By::App, By::Region] {
            if let Some(link) = self.link(facts, place, by, marker, name) {
                self.heard_link(facts, place, link, every_ms);
            }
        }
    }

    /// An app's own entry was heard: as above, for rules that watch logs.
    pub(in crate::core) fn entry_of_groups(&mut self, facts: &mut Facts, place: u32) {
        for by in [By::AppRegion, By::App, By::Region] {
            let rules = &facts.rules.rules;
            let watches =
                |link: &GroupLink| link.by == by && rules[link.rule as usize].watch == Watch::Logs;
            if let Some(link) = self.plan.links[place as usize].iter().position(watches) {
                let target = self.heard_link(facts, place, link, 0);
                let stamp = facts.listening.stamp();
                let before = self.table.seen(target).unwrap_or(stamp);
                self.table.set_seen(target, stamp);
                self.learn(facts, target, before, stamp);
            }
        }
    }

    /// A group was heard, by one whose interval this is; gives the group's target.
    fn heard_link(&mut self, facts: &mut Facts, place: u32, link: usize, every_ms: u32) -> u32 {
        let GroupLink { rule, group, .. } = self.plan.links[place as usize][link];
        let id = group.unwrap_or_else(|| {
            let at = &facts.tracker.places[place as usize];
            let (app, region) = (at.app, at.region);
            let id = self.group(facts, rule, app, region, false);
            self.plan.links[place as usize][link].group = Some(id);
            id
        });
        let row = &mut self.groups.rows[id.0 as usize];
        row.every_ms = row.every_ms.max(every_ms);
        let target = row.target;
        if self.table.get(target).state != State::Ok {
            if !self.is_late(facts, target) {
                self.sign(facts, target);
            }
        } else if self.table.due(target) == Listened::NEVER {
            // All of it had stopped.
            self.table.set_due(target, Listened::ZERO);
        }
        target
    }

    /// Whether a beat of an instance is one that a group's rule watches.
    pub(in crate::core) fn is_of_group(
        &self,
        facts: &Facts,
        id: InstanceId,
        beat: &Beat,
        group: &Group,
    ) -> bool {
        let place = facts.tracker.instance(id).place;
        let link = self.link(facts, place, group.by, beat.marker, beat.name());
        link.is_some_and(|link| self.plan.links[place as usize][link].rule == group.rule)
    }

    /// The instances in a group's app-regions.
    pub(in crate::core) fn members(
        &self,
        facts: &Facts,
        group: &Group,
    ) -> impl Iterator<Item = InstanceId> {
        facts
            .tracker
            .members_of(facts.tracker.places_of(group.app, group.region))
    }

    /// When a group falls silent on the listened clock, if nobody is heard any more: as soon as fewer than
    /// `at_least` instances are live. `None`: never, since all that was live stopped on purpose, or nothing of it is left.
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
            // One that was silent for long when the last one left is nobody's loss.
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

    /// What an instance is to a group: one, however many beats it has. `None` where it gave no sign of life that counts.
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
            return spoke.map(|seen| Member {
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
        let place = facts.tracker.instances[row.instance as usize].place;
        let links = [By::AppRegion, By::App, By::Region]
            .map(|by| self.link(facts, place, by, row.marker, row.name()));
        let links = links.into_iter().flatten();
        links.filter_map(move |link| self.plan.links[place as usize][link].group)
    }

    /// The targets of the groups that an app-region belongs to.
    pub(in crate::core) fn groups_of_place(&self, place: u32) -> Vec<u32> {
        let links = self.plan.links[place as usize].iter();
        links
            .filter_map(|link| Some(self.groups.get(link.group?).target))
            .collect()
    }

    /// There are fewer live ones in the groups of an app-region.
    pub(in crate::core) fn fewer_in_groups(&mut self, facts: &mut Facts, place: u32) {
        for target in self.groups_of_place(place) {
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

    /// More is expected in the groups of an app-region.
    pub(in crate::core) fn more_in_groups(&mut self, place: u32) {
        for target in self.groups_of_place(place) {
            if self.table.get(target).state != State::Firing {
                self.table.set_due(target, Listened::ZERO);
            }
        }
    }

    /// When anything of a group was last heard; from when it is watched where nothing was.
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

    /// Groups of which nobody is left and that nobody expects.
    pub(in crate::core) fn empty_groups(&self, facts: &Facts) -> Vec<GroupId> {
        let empty = |(_, group): &(GroupId, &Group)| {
            !group.expected && self.members(facts, group).next().is_none()
        };
        self.groups.iter().filter(empty).map(|(id, _)| id).collect()
    }

    /// Takes a group out, whose target is gone already.
    pub(in crate::core) fn drop_group(&mut self, facts: &mut Facts, id: GroupId) {
        let Group {
            rule, app, region, ..
        } = *self.groups.get(id);
        self.groups.ids.remove(&(rule, app, region));
        self.groups.free.push(id);
        for place in facts.tracker.places_of(app, region) {
            // One that is new has none yet.
            let links = self.plan.links.get_mut(place as usize);
            links
                .into_iter()
                .flatten()
                .filter(|link| link.group == Some(id))
                .for_each(|link| link.group = None);
        }
    }
}
