//! Reload of the rule set: the state of unchanged rules is kept.
//!
//! Done in slices, between which entries are taken, so that a large set does not delay them. Nothing is evaluated from
//! the first slice to the last: signs of life in between count, and silence is found afterwards.

use crate::core::entry::MarkerId;
use crate::core::facts::Facts;
use crate::core::rule::{Rule, RuleSet, Watch};
use crate::core::targets::Targets;
use crate::core::tracker::{InstanceId, NONE};
use std::collections::HashMap;

/// Number of rules matched with an app-region in the time that one target takes.
const RULES_A_SLOT: usize = 4;

/// A reload in progress.
#[derive(Debug)]
pub struct Reload {
    rules: RuleSet,
    /// New number of each old rule; `None` if it is removed.
    renumbered: Vec<Option<u32>>,
    stage: Stage,
    /// Next slot of the current stage.
    at: usize,
}

/// Stages, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// By target: ends the alerts of removed rules.
    End,
    /// By app-region: replaces the rules, then finds those that match.
    Plan,
    /// By app: creates the groups that the new rules expect.
    Expect,
    /// By target: removes those that another rule has now; has the others evaluated again.
    Govern,
    /// By instance: creates the missing targets.
    Watch,
}

impl Reload {
    /// True if the new rules are in force, so that markers are numbered by them.
    pub fn is_in_force(&self) -> bool {
        self.stage != Stage::End
    }
}

impl Targets {
    /// Begins a reload. Until [`Self::reload_on`] has completed it, entries may be taken, but nothing may be evaluated,
    /// copied or restored.
    pub fn begin_reload(&self, facts: &Facts, rules: RuleSet) -> Box<Reload> {
        let named = (0..).zip(&rules.rules);
        let named: HashMap<&str, (u32, &Rule)> = named
            .map(|(id, rule)| (rule.name.as_str(), (id, rule)))
            .collect();
        let same = |old: &Rule, new: &Rule| old.by == new.by && is_logs(old) == is_logs(new);
        let find = |old: &Rule| {
            let (id, new) = named.get(old.name.as_str())?;
            same(old, new).then_some(*id)
        };
        let renumbered = facts.rules.rules.iter().map(find).collect();
        Box::new(Reload {
            rules,
            renumbered,
            stage: Stage::End,
            at: 0,
        })
    }

    /// Continues a reload by at most `slots` slots.
    ///
    /// # Errors
    /// The rest of the reload.
    pub fn reload_on(
        &mut self,
        facts: &mut Facts,
        mut reload: Box<Reload>,
        slots: usize,
    ) -> Result<(), Box<Reload>> {
        let rules_each = reload.rules.rules.len().max(facts.rules.rules.len()) + 1;
        let matched = (slots.saturating_mul(RULES_A_SLOT) / rules_each).max(1);
        let (all, slots) = match reload.stage {
            Stage::End | Stage::Govern => (self.table.len(), slots),
            Stage::Plan => (facts.tracker.app_regions.len(), matched),
            Stage::Expect => (facts.tracker.apps.len(), matched),
            Stage::Watch => (facts.tracker.instances.len(), slots),
        };
        let end = reload.at.saturating_add(slots).min(all);
        for slot in reload.at as u32..end as u32 {
            match reload.stage {
                Stage::End => self.end_of_removed(facts, slot, &reload.renumbered),
                Stage::Plan => self.plan_app_region(facts, slot),
                Stage::Expect => self.expect_of_slot(facts, slot),
                Stage::Govern => self.govern(facts, slot),
                Stage::Watch => self.watch_instance(facts, InstanceId(slot)),
            }
        }
        if end < all {
            reload.at = end;
            return Err(reload);
        }
        reload.at = 0;
        reload.stage = match reload.stage {
            Stage::End => {
                self.put_in_force(facts, &mut reload);
                Stage::Plan
            }
            Stage::Plan => Stage::Expect,
            Stage::Expect => Stage::Govern,
            Stage::Govern => Stage::Watch,
            Stage::Watch => {
                let now = facts.listening.stamp();
                self.groups.count_anew(&facts.rules.rules, now);
                return Ok(());
            }
        };
        Err(reload)
    }

    /// Replaces the rules, in one step; the later stages find what they apply to.
    fn put_in_force(&mut self, facts: &mut Facts, reload: &mut Reload) {
        let renumbered = std::mem::take(&mut reload.renumbered);
        if renumbered.contains(&None) {
            // A target may have appeared after its slot was done.
            (0..self.table.len() as u32).for_each(|id| self.end_of_removed(facts, id, &renumbered));
        }
        let rules = std::mem::take(&mut reload.rules);
        self.rename_markers(facts, &rules);
        facts.set_rules(rules);
        self.doubted.clear();
        self.count_budget_anew();
        let is_as_before = |(id, new): (u32, &Option<u32>)| new.is_none_or(|new| new == id);
        if !(0..).zip(&renumbered).all(is_as_before) {
            let number = |rule: u32| renumbered[rule as usize].unwrap_or(NONE);
            self.table.renumber(number);
            self.groups.renumber(number);
        }
        let app_regions = facts.tracker.app_regions.len();
        self.plan.rules = vec![Box::default(); app_regions];
        self.plan.links = vec![Vec::new(); app_regions];
        facts.tracker.new_app_regions.clear();
        self.groups.clear_expected();
        self.expect_groups(facts);
        self.plan_app_regions(facts);
    }

    /// Renumbers the markers of beats. Beats whose marker no rule uses any more stay until they are forgotten.
    fn rename_markers(&mut self, facts: &mut Facts, rules: &RuleSet) {
        const UNUSED: MarkerId = MarkerId(u16::MAX);
        let renamed = |old: &String| {
            let at = rules.markers.iter().position(|new| new == old);
            at.map_or(UNUSED, |at| MarkerId(at as u16))
        };
        let renamed: Vec<MarkerId> = facts.rules.markers.iter().map(renamed).collect();
        if (0..).zip(&renamed).all(|(id, new)| new.0 == id) {
            return;
        }
        for beat in &mut facts.tracker.beats {
            beat.marker = renamed
                .get(usize::from(beat.marker.0))
                .copied()
                .unwrap_or(UNUSED);
        }
    }
}

fn is_logs(rule: &Rule) -> bool {
    rule.watch == Watch::Logs
}
