//! Another rule set in force: state of unchanged rules is kept.
//!
//! Done slice by slice, between which entries are taken, so that no set is so large that it keeps them waiting. From
//! the first slice to the last nobody is judged: who is heard meanwhile counts, and who is silent is found so after it.

use crate::core::engine::Engine;
use crate::core::entry::MarkerId;
use crate::core::notice::CloseReason;
use crate::core::rule::{By, Rule, RuleSet, Watch};
use crate::core::targets::groups::GroupLink;
use crate::core::targets::table::{Reason, Watched};
use crate::core::time::{Listened, Now};
use crate::core::tracker::{BeatId, InstanceId, NONE, UNDECIDED, grow};
use std::collections::HashMap;

/// Rules that are matched with an app-region in the time that one target takes.
const RULES_A_SLOT: usize = 4;

/// A rule set that is being put in force.
#[derive(Debug)]
pub struct Reload {
    rules: RuleSet,
    /// The new number of each rule that was in force; `None` where it goes.
    renumbered: Vec<Option<u32>>,
    stage: Stage,
    /// The first slot of the stage that is still to be done.
    at: usize,
}

/// What is done, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// By target: alerts of rules that go are ended.
    End,
    /// By app-region: the new rules are in force, and those that match it are found.
    Plan,
    /// By app: groups that the new rules expect are made.
    Expect,
    /// By target: those that another rule has now go, the others are judged anew.
    Govern,
    /// By instance: the targets that are missing are made.
    Watch,
}

impl Reload {
    /// Whether the new rules are in force already: markers are theirs.
    pub fn is_in_force(&self) -> bool {
        self.stage != Stage::End
    }
}

impl Engine {
    /// Puts another rule set in force, in one go. A rule of the same name that watches the same kind of thing keeps its
    /// alerts, with its new thresholds; alerts of rules that are gone close as "rule removed".
    pub fn reload(&mut self, rules: RuleSet, now: Now) {
        let mut reload = self.begin_reload(rules);
        while let Err(more) = self.reload_on(reload, usize::MAX, now) {
            reload = more;
        }
    }

    /// Begins to put another rule set in force. Until [`Self::reload_on`] has done all of it entries may be taken, and
    /// nothing may be evaluated, copied or restored.
    pub fn begin_reload(&self, rules: RuleSet) -> Box<Reload> {
        let named = (0..).zip(&rules.rules);
        let named: HashMap<&str, (u32, &Rule)> = named
            .map(|(id, rule)| (rule.name.as_str(), (id, rule)))
            .collect();
        let same = |old: &Rule, new: &Rule| old.by == new.by && is_logs(old) == is_logs(new);
        let find = |old: &Rule| {
            let (id, new) = named.get(old.name.as_str())?;
            same(old, new).then_some(*id)
        };
        let renumbered = self.rules.rules.iter().map(find).collect();
        Box::new(Reload {
            rules,
            renumbered,
            stage: Stage::End,
            at: 0,
        })
    }

    /// Does at most `slots` slots of what is left.
    ///
    /// # Errors
    /// What is left then.
    pub fn reload_on(
        &mut self,
        mut reload: Box<Reload>,
        slots: usize,
        now: Now,
    ) -> Result<(), Box<Reload>> {
        self.now = now;
        let rules_each = reload.rules.rules.len().max(self.rules.rules.len()) + 1;
        let matched = (slots.saturating_mul(RULES_A_SLOT) / rules_each).max(1);
        let (all, slots) = match reload.stage {
            Stage::End | Stage::Govern => (self.targets.len(), slots),
            Stage::Plan => (self.tracker.places.len(), matched),
            Stage::Expect => (self.tracker.apps.len(), matched),
            Stage::Watch => (self.tracker.instances.len(), slots),
        };
        let end = reload.at.saturating_add(slots).min(all);
        for slot in reload.at as u32..end as u32 {
            match reload.stage {
                Stage::End => self.end_of_removed(slot, &reload.renumbered),
                Stage::Plan => self.plan_place(slot),
                Stage::Expect => self.expect_of_slot(slot),
                Stage::Govern => self.govern(slot),
                Stage::Watch => self.watch_instance(InstanceId(slot)),
            }
        }
        if end < all {
            reload.at = end;
            return Err(reload);
        }
        reload.at = 0;
        reload.stage = match reload.stage {
            Stage::End => {
                self.put_in_force(&mut reload);
                Stage::Plan
            }
            Stage::Plan => Stage::Expect,
            Stage::Expect => Stage::Govern,
            Stage::Govern => Stage::Watch,
            Stage::Watch => {
                self.tell_owed();
                return Ok(());
            }
        };
        Err(reload)
    }

    /// The rules change here, in one go; who belongs to which is found after it.
    fn put_in_force(&mut self, reload: &mut Reload) {
        let renumbered = std::mem::take(&mut reload.renumbered);
        if renumbered.contains(&None) {
            // Somebody may have been heard for the first time since its slot was looked at.
            (0..self.targets.len() as u32).for_each(|id| self.end_of_removed(id, &renumbered));
        }
        let rules = std::mem::take(&mut reload.rules);
        self.rename_markers(&rules);
        self.incidents.census.forget();
        self.rules = rules;
        self.doubted.clear();
        let names = self
            .rules
            .rules
            .iter()
            .map(|rule| rule.name.as_str().into());
        self.rule_names = names.collect();
        let is_as_before = |(id, new): (u32, &Option<u32>)| new.is_none_or(|new| new == id);
        if !(0..).zip(&renumbered).all(is_as_before) {
            let number = |rule: u32| renumbered[rule as usize].unwrap_or(NONE);
            self.targets.renumber(number);
            self.groups.renumber(number);
        }
        let places = self.tracker.places.len();
        self.plans = vec![Box::default(); places];
        self.links = vec![Vec::new(); places];
        self.tracker.new_places.clear();
        self.groups.expect_nobody();
        self.expect_groups();
        self.plan_places();
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
        if (0..).zip(&renamed).all(|(id, new)| new.0 == id) {
            return;
        }
        for beat in &mut self.tracker.beats {
            beat.marker = renamed
                .get(usize::from(beat.marker.0))
                .copied()
                .unwrap_or(UNUSED);
        }
    }

    fn expect_of_slot(&mut self, app: u32) {
        if !self.tracker.app_names.get(app).is_empty() {
            self.expect_of_app(app);
            self.plan_places();
        }
    }

    /// Ends the alert of a target whose rule goes.
    fn end_of_removed(&mut self, id: u32, renumbered: &[Option<u32>]) {
        let rule = self.targets.get(id).rule();
        if rule != NONE && renumbered[rule as usize].is_none() {
            self.remove_target(id);
        }
    }

    fn remove_target(&mut self, id: u32) {
        self.end(id, Reason::RuleRemoved, CloseReason::RuleRemoved);
        self.drop_target(id);
    }

    /// Takes a target out, which is in no incident any more.
    pub(in crate::core) fn drop_target(&mut self, id: u32) {
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

    /// A target that another rule has now goes. Of the others the thresholds may have changed: those that do not fire
    /// are judged at the next turn.
    fn govern(&mut self, id: u32) {
        let target = self.targets.get(id);
        let (rule, watched) = (target.rule(), target.watched());
        if rule == NONE {
            return;
        }
        if !self.is_governed(watched, rule) {
            return self.remove_target(id);
        }
        if !self.is_target_stopped(id) && !self.fires(id) {
            self.targets.set_due(id, Listened::ZERO);
        }
    }

    /// Whether a rule is still the one that has what is watched.
    fn is_governed(&self, watched: Watched, rule: u32) -> bool {
        match watched {
            Watched::Beat(beat) => self.rule_of_beat(beat) == Some(rule),
            Watched::Logs(instance) => self.rule_of_logs(instance) == Some(rule),
            Watched::Group(group) => {
                let group = self.groups.get(group);
                let has = |place: u32| {
                    let mut links = self.links[place as usize].iter();
                    let place = &self.tracker.places[place as usize];
                    !place.members.is_empty() && links.any(|link| link.rule == rule)
                };
                group.expected || self.tracker.places_of(group.app, group.region).any(has)
            }
        }
    }

    /// Makes the targets that are missing of an instance and of the groups that it is in.
    fn watch_instance(&mut self, id: InstanceId) {
        let instance = &self.tracker.instances[id.0 as usize];
        if !instance.is_tracked() {
            return;
        }
        let place = instance.place;
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
            UNDECIDED => return,
            NONE => self.watch_logs(id),
            _ => {}
        }
        self.entry_of_groups(place);
    }

    /// Takes out the groups of which nobody is left and that nobody expects.
    pub(in crate::core) fn forget_empty_groups(&mut self) {
        for group in self.empty_groups() {
            let target = self.groups.get(group).target;
            self.end(target, Reason::Forgotten, CloseReason::Forgotten);
            self.drop_target(target);
        }
    }

    /// Finds the rules that match each app-region that is new.
    pub(in crate::core) fn plan_places(&mut self) {
        for id in std::mem::take(&mut self.tracker.new_places) {
            self.plan_place(id);
        }
    }

    /// Finds the rules that match an app-region, in order: those by instance, and those by something wider.
    fn plan_place(&mut self, id: u32) {
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

fn is_logs(rule: &Rule) -> bool {
    rule.watch == Watch::Logs
}
