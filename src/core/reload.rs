//! Another rule set in force: state of unchanged rules is kept.

use super::alert::{Reason, Watched};
use super::engine::Engine;
use super::entry::MarkerId;
use super::groups::GroupLink;
use super::notice::CloseReason;
use super::rule::{By, Rule, RuleSet, Watch};
use super::time::{Listened, Now};
use super::tracker::{BeatId, InstanceId, NONE, UNDECIDED, grow};

impl Engine {
    /// Puts another rule set in force. A rule of the same name that watches the same kind of thing keeps its
    /// alerts, with its new thresholds; alerts of rules that are gone close as "rule removed".
    pub fn reload(&mut self, rules: RuleSet, now: Now) {
        self.now = now;
        let same = |old: &Rule, new: &Rule| {
            old.name == new.name && old.by == new.by && is_logs(old) == is_logs(new)
        };
        let find = |old: &Rule| {
            rules
                .rules
                .iter()
                .position(|new| same(old, new))
                .map(|at| at as u32)
        };
        let renumbered: Vec<Option<u32>> = self.rules.rules.iter().map(find).collect();
        self.remove_targets(|engine, id| {
            renumbered[engine.targets.get(id).rule() as usize].is_none()
        });
        self.rename_markers(&rules);
        self.rules = rules;
        self.doubted.clear();
        self.rule_names = self
            .rules
            .rules
            .iter()
            .map(|rule| rule.name.as_str().into())
            .collect();
        let number = |rule: u32| renumbered[rule as usize].unwrap_or(NONE);
        self.targets.renumber(number);
        self.groups.renumber(number);
        (self.plans, self.links) = (Vec::new(), Vec::new());
        self.tracker.new_places = (0..self.tracker.places.len() as u32).collect();
        self.plan_places();
        self.groups.expect_nobody();
        self.expect_groups();
        let apps: Vec<u32> = self.tracker.app_names.iter().map(|(id, _)| id).collect();
        apps.into_iter().for_each(|app| self.expect_of_app(app));
        self.remove_targets(|engine, id| !engine.is_governed(id));
        self.watch_all();
        self.judge_anew();
        self.tell_owed();
    }

    /// Beats keep their marker, whose number changes. Those of a marker that nobody looks for any more stay, and
    /// are forgotten in their time.
    fn rename_markers(&mut self, rules: &RuleSet) {
        const UNUSED: MarkerId = MarkerId(u16::MAX);
        let renamed = |old: &String| {
            let at = rules.markers.iter().position(|new| new == old);
            at.map_or(UNUSED, |at| MarkerId(at as u16))
        };
        let renamed: Vec<MarkerId> = self.rules.markers.iter().map(renamed).collect();
        for beat in &mut self.tracker.beats {
            beat.marker = renamed
                .get(usize::from(beat.marker.0))
                .copied()
                .unwrap_or(UNUSED);
        }
    }

    fn remove_targets(&mut self, goes: impl Fn(&Engine, u32) -> bool) {
        for id in 0..self.targets.len() as u32 {
            if self.targets.get(id).rule() == NONE || !goes(self, id) {
                continue;
            }
            self.end(id, Reason::RuleRemoved, CloseReason::RuleRemoved);
            self.drop_target(id);
        }
    }

    /// Takes a target out, which is in no incident any more.
    pub(super) fn drop_target(&mut self, id: u32) {
        match self.targets.get(id).watched() {
            Watched::Beat(BeatId(beat)) => self.tracker.beats[beat as usize].target = NONE,
            Watched::Logs(InstanceId(instance)) => {
                self.tracker.instances[instance as usize].logs = NONE
            }
            Watched::Group(group) => self.drop_group(group),
        }
        if let Some(incident) = self.flaps.forget(id) {
            self.close(incident, CloseReason::Forgotten);
        }
        self.targets.remove(id);
    }

    /// Whether the rule of a target is still the one that has it.
    fn is_governed(&self, id: u32) -> bool {
        let target = self.targets.get(id);
        let found = match target.watched() {
            Watched::Beat(beat) => self.rule_of_beat(beat),
            Watched::Logs(instance) => self.rule_of_logs(instance),
            Watched::Group(group) => {
                let group = self.groups.get(group);
                let links = self.members(group).filter_map(|id| {
                    let place = self.tracker.instances[id.0 as usize].place;
                    self.links[place as usize]
                        .iter()
                        .find(|link| link.rule == group.rule)
                });
                return group.expected || links.count() > 0;
            }
        };
        found == Some(target.rule())
    }

    /// Makes the targets that are missing under the rules in force.
    fn watch_all(&mut self) {
        let known: Vec<InstanceId> = self.tracker.iter().map(|(id, _)| id).collect();
        for id in known {
            let place = self.tracker.instances[id.0 as usize].place;
            let beats: Vec<BeatId> = self.tracker.beats_of(id).collect();
            for beat in beats {
                let row = &self.tracker.beats[beat.0 as usize];
                let (marker, name, every_ms) = (row.marker, row.name(), row.every_ms);
                if row.target == NONE {
                    self.watch_beat(beat);
                }
                self.beat_of_groups(place, marker, name, every_ms);
            }
            match self.tracker.instances[id.0 as usize].logs {
                UNDECIDED => continue,
                NONE => self.watch_logs(id),
                _ => {}
            }
            self.entry_of_groups(place);
        }
    }

    /// Thresholds may have changed: every target that does not fire is judged at the next turn.
    fn judge_anew(&mut self) {
        for id in 0..self.targets.len() as u32 {
            let target = self.targets.get(id);
            let stopped = matches!(target.watched(), Watched::Beat(beat) if self.tracker.beats[beat.0 as usize].stopped());
            if target.rule() != NONE && !stopped && !self.fires(id) {
                self.targets.set_due(id, Listened::ZERO);
            }
        }
    }

    /// Takes out the groups of which nobody is left and that nobody expects.
    pub(super) fn forget_empty_groups(&mut self) {
        for group in self.empty_groups() {
            let target = self.groups.get(group).target;
            self.end(target, Reason::Forgotten, CloseReason::Forgotten);
            self.drop_target(target);
        }
    }

    /// Finds the rules that match each app-region that is new, in order: those by instance, and those by something
    /// wider.
    pub(super) fn plan_places(&mut self) {
        for id in std::mem::take(&mut self.tracker.new_places) {
            let place = &self.tracker.places[id as usize];
            let app = self.tracker.app_names.get(place.app);
            let region = self.tracker.region_names.get(place.region);
            let matching =
                |(_, rule): &(usize, &Rule)| rule.app.matches(app) && rule.region.matches(region);
            let rules = self.rules.rules.iter().enumerate().filter(matching);
            let (mut plan, mut links) = (Vec::new(), Vec::new());
            for (id, rule) in rules {
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
            grow(&mut self.plans, id, Box::default);
            grow(&mut self.links, id, Vec::new);
            self.plans[id as usize] = plan.into();
            self.links[id as usize] = links;
        }
    }
}

fn is_logs(rule: &Rule) -> bool {
    rule.watch == Watch::Logs
}
