//! The plan: which rules apply to which app-region and to which target.

use crate::core::entry::MarkerId;
use crate::core::facts::Facts;
use crate::core::rule::{AUTO_FACTOR, By, Rule, Watch};
use crate::core::targets::groups::GroupLink;
use crate::core::targets::table::factor::Factor;
use crate::core::targets::table::{Reason, Watched};
use crate::core::targets::{AlertEvent, Targets};
use crate::core::time::Listened;
use crate::core::tracker::{BeatId, InstanceId, NONE, UNDECIDED, grow};

impl Targets {
    /// The rule by instance that applies to a beat; `None` if there is none.
    pub(in crate::core) fn rule_of_beat(&self, facts: &Facts, id: BeatId) -> Option<u32> {
        let beat = facts.tracker.beat_row(id);
        let instance = &facts.tracker.instances[beat.instance as usize];
        let host = (instance.host != NONE).then(|| facts.tracker.host_names.get(instance.host));
        let on_host = |rule: u32| {
            let globs = &facts.rules.rules[rule as usize].host;
            globs.0.is_empty() || host.is_some_and(|host| globs.matches(host))
        };
        let has =
            |&&rule: &&u32| self.watches(facts, rule, beat.marker, beat.name()) && on_host(rule);
        self.plan.rules[instance.app_region as usize]
            .iter()
            .find(has)
            .copied()
    }

    /// The rule by instance that watches an instance's logs; `None` if there is none.
    pub(in crate::core) fn rule_of_logs(&self, facts: &Facts, id: InstanceId) -> Option<u32> {
        let app_region = facts.tracker.instance(id).app_region;
        let is = |&&rule: &&u32| facts.rules.rules[rule as usize].watch == Watch::Logs;
        self.plan.rules[app_region as usize]
            .iter()
            .find(is)
            .copied()
    }

    /// True if a rule watches beats with this marker and name.
    pub(in crate::core) fn watches(
        &self,
        facts: &Facts,
        rule: u32,
        marker: MarkerId,
        name: u32,
    ) -> bool {
        match &facts.rules.rules[rule as usize].watch {
            Watch::Heartbeat {
                marker: wanted,
                beat,
            } => {
                *wanted == marker
                    && beat
                        .as_deref()
                        .is_none_or(|beat| beat == &**facts.tracker.beat_names.get(name))
            }
            Watch::Logs => false,
        }
    }

    /// Creates the target of a beat, if a rule applies to it.
    pub(in crate::core) fn watch_beat(&mut self, facts: &mut Facts, id: BeatId) {
        let Some(rule) = self.rule_of_beat(facts, id) else {
            return;
        };
        let beat = facts.tracker.beat_row(id);
        let (seen, stopped, every) = (beat.seen, beat.stopped(), beat.every());
        let app = facts.app_of(InstanceId(beat.instance));
        let factor = every.map_or(AUTO_FACTOR, |every| {
            self.first_factor(facts, rule, every, app)
        });
        let max_gap = facts.rules.rules[rule as usize].max_gap;
        let due = seen.listened + max_gap.span(factor, every);
        let due = if stopped { Listened::NEVER } else { due };
        let target = self.table.add(Watched::Beat(id), rule, seen, due);
        self.table.get_mut(target).factor = Factor::of(factor);
        facts.tracker.beat_mut(id).target = target;
    }

    /// Creates the target of an instance's logs, if a rule applies to them.
    pub(in crate::core) fn watch_logs(&mut self, facts: &mut Facts, id: InstanceId) {
        let target = self.rule_of_logs(facts, id).map_or(NONE, |rule| {
            let seen = facts.tracker.instance(id).seen;
            let due = if facts.tracker.life(id).has_left() {
                Listened::NEVER
            } else {
                seen.listened
                    + facts.rules.rules[rule as usize]
                        .max_gap
                        .span(AUTO_FACTOR, None)
            };
            self.table.add(Watched::Logs(id), rule, seen, due)
        });
        facts.tracker.instance_mut(id).logs = target;
    }

    /// Finds the rules that match each new app-region.
    pub(in crate::core) fn plan_app_regions(&mut self, facts: &mut Facts) {
        for id in std::mem::take(&mut facts.tracker.new_app_regions) {
            self.plan_app_region(facts, id);
        }
    }

    /// Finds the rules that match an app-region, in order: those by instance, and those by something wider.
    pub(in crate::core) fn plan_app_region(&mut self, facts: &mut Facts, id: u32) {
        let app_region = &facts.tracker.app_regions[id as usize];
        let app = facts.tracker.app_names.get(app_region.app);
        let region = facts.tracker.region_names.get(app_region.region);
        let matching =
            |(_, rule): &(usize, &Rule)| rule.app.matches(app) && rule.region.matches(region);
        let rules = facts.rules.rules.iter().enumerate().filter(matching);
        let (mut plan, mut links) = (Vec::new(), Vec::new());
        for (id, rule) in rules {
            if rule.min_rate.is_some() {
                self.rates.expect();
            }
            if rule.by == By::Instance {
                plan.push(id as u32);
            } else {
                links.push(GroupLink {
                    rule: id as u32,
                    by: rule.by,
                    group: None,
                });
            }
        }
        grow(&mut self.plan.rules, id, Box::default);
        grow(&mut self.plan.links, id, Vec::new);
        self.plan.rules[id as usize] = plan.into();
        self.plan.links[id as usize] = links;
    }

    /// Applies changed rules to a target: removes it if another rule applies now. Otherwise its thresholds may have
    /// changed; unless it fires, it is evaluated in the next turn.
    pub(in crate::core) fn govern(&mut self, facts: &mut Facts, id: u32) {
        let target = self.table.get(id);
        let (rule, watched) = (target.rule(), target.watched());
        if rule == NONE {
            return;
        }
        if !self.is_governed(facts, watched, rule) {
            return self.remove_target(facts, id);
        }
        if self.fires(id) {
            self.relax(facts, id);
        } else if !self.is_target_stopped(facts, id) {
            self.table.set_due(id, Listened::ZERO);
        }
    }

    /// Ends the alert of a target whose silence the new rules allow.
    fn relax(&mut self, facts: &mut Facts, id: u32) {
        let instance = self.instance_of(facts, id);
        let crashed = instance.is_some_and(|id| facts.tracker.life(id).crash.is_some());
        // A target that was heard since recovers by its beats, or does not.
        let is_silent = self.table.get(id).good == 0;
        if is_silent && !crashed && !self.is_late(facts, id) {
            let late = self.late_at(facts, id);
            self.table.set_due(id, late);
            self.end(facts, id, Reason::Relaxed);
        }
    }

    /// True if the rule still applies to what is watched.
    fn is_governed(&self, facts: &Facts, watched: Watched, rule: u32) -> bool {
        match watched {
            Watched::Beat(beat) => self.rule_of_beat(facts, beat) == Some(rule),
            Watched::Logs(instance) => self.rule_of_logs(facts, instance) == Some(rule),
            Watched::Group(group) => {
                let group = self.groups.get(group);
                let has = |app_region: u32| {
                    let mut links = self.plan.links[app_region as usize].iter();
                    let app_region = &facts.tracker.app_regions[app_region as usize];
                    !app_region.members.is_empty() && links.any(|link| link.rule == rule)
                };
                group.expected
                    || facts
                        .tracker
                        .app_regions_of(group.app, group.region)
                        .any(has)
            }
        }
    }

    /// Creates the missing targets of an instance and of its groups.
    pub(in crate::core) fn watch_instance(&mut self, facts: &mut Facts, id: InstanceId) {
        let instance = facts.tracker.instance(id);
        if !instance.is_tracked() {
            return;
        }
        let app_region = instance.app_region;
        let beats: Vec<BeatId> = facts.tracker.beats_of(id).collect();
        for beat in beats {
            let row = facts.tracker.beat_row(beat);
            let (marker, name, every_ms) = (row.marker, row.name(), row.every_ms);
            if row.target == NONE {
                self.watch_beat(facts, beat);
            }
            self.beat_of_groups(facts, app_region, marker, name, every_ms);
        }
        match facts.tracker.instance(id).logs {
            UNDECIDED => return,
            NONE => self.watch_logs(facts, id),
            _ => {}
        }
        self.entry_of_groups(facts, app_region);
    }

    /// Ends the alert of a target whose rule is removed.
    pub(in crate::core) fn end_of_removed(
        &mut self,
        facts: &mut Facts,
        id: u32,
        renumbered: &[Option<u32>],
    ) {
        let rule = self.table.get(id).rule();
        if rule != NONE && renumbered[rule as usize].is_none() {
            self.remove_target(facts, id);
        }
    }

    fn remove_target(&mut self, facts: &mut Facts, id: u32) {
        self.end(facts, id, Reason::RuleRemoved);
        self.drop_target(facts, id);
    }

    /// Removes a target that is in no incident any more.
    pub(in crate::core) fn drop_target(&mut self, facts: &mut Facts, id: u32) {
        match self.table.get(id).watched() {
            Watched::Beat(BeatId(beat)) => facts.tracker.beats[beat as usize].target = NONE,
            Watched::Logs(InstanceId(instance)) => {
                facts.tracker.instances[instance as usize].logs = NONE
            }
            Watched::Group(group) => self.drop_group(facts, group),
        }
        self.new_rhythms.forget(self.table.get(id).watched());
        self.rates.forget(id);
        self.forget_alive(id);
        self.confirmation.forget(id);
        self.opinions.forget(id);
        self.silent.remove(&id);
        self.counted.remove(&id);
        self.events.push(AlertEvent::Removed(id));
        self.table.remove(id);
    }

    /// Removes the groups without members that no rule expects.
    pub(in crate::core) fn forget_empty_groups(&mut self, facts: &mut Facts) {
        for group in self.empty_groups(facts) {
            let target = self.groups.get(group).target;
            self.end(facts, target, Reason::Forgotten);
            self.drop_target(facts, target);
        }
    }

    pub(in crate::core) fn expect_of_slot(&mut self, facts: &mut Facts, app: u32) {
        if !facts.tracker.app_names.get(app).is_empty() {
            self.expect_of_app(facts, app);
            self.plan_app_regions(facts);
        }
    }
}
