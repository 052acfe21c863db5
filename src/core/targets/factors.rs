//! The factor of each target under `max_gap = "auto"`, from its rule's budget of false alarms.

use crate::core::facts::Facts;
use crate::core::rule::{AUTO_FACTOR, MaxGap, least_factor};
use crate::core::targets::Targets;
use crate::core::targets::budget::{
    FactorChange, FactorInForce, LOOK_EVERY, LOOKED_AT, LOWER_EVERY, Look, MAX_CHANGES,
    MOST_FACTOR, Terms,
};
use crate::core::targets::table::factor::Factor;
use crate::core::targets::table::{State, Watched};
use crate::core::time::Mono;
use crate::core::tracker::loss::Odds;
use crate::core::tracker::{InstanceId, NONE};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

impl Targets {
    /// Looks at the factors of some targets where it is time to.
    pub(in crate::core) fn keep_budget(&mut self, facts: &Facts) {
        let now = facts.now.mono;
        let in_use = self.table.in_use();
        let look = match self.budget.look.take() {
            Some(look) => look,
            None => {
                // Where many are new their rule's budget may be spent within the minute.
                let is_due = now >= self.budget.next_look || in_use * 4 > self.budget.in_use * 5;
                let mut rules = facts.rules.rules.iter();
                if !is_due || !rules.any(|rule| rule.max_gap == MaxGap::Auto) {
                    return;
                }
                self.begin_look(facts, in_use)
            }
        };
        self.look_on(facts, look);
    }

    fn begin_look(&mut self, facts: &Facts, in_use: usize) -> Look {
        let now = facts.now.mono;
        let budget = &mut self.budget;
        budget.next_look = now + LOOK_EVERY;
        budget.in_use = in_use;
        budget.collecting.clear();
        budget.counting = vec![0; facts.rules.rules.len()];
        let lowers = now >= budget.next_lowering;
        if lowers {
            budget.next_lowering = now + LOWER_EVERY;
        }
        Look {
            counts: true,
            at: 0,
            lowers,
        }
    }

    fn look_on(&mut self, facts: &Facts, mut look: Look) {
        let mut left = LOOKED_AT;
        let mut odds = HashMap::new();
        loop {
            let end = self.table.len().min(look.at + left);
            left -= end.saturating_sub(look.at);
            for id in look.at..end {
                if look.counts {
                    self.count_target(facts, id as u32);
                } else {
                    self.look_at(facts, id as u32, look.lowers, &mut odds);
                }
            }
            look.at = end;
            if end < self.table.len() {
                self.budget.look = Some(look);
                return;
            }
            if !look.counts {
                self.budget.in_force = std::mem::take(&mut self.budget.collecting);
                return;
            }
            self.budget.targets = std::mem::take(&mut self.budget.counting);
            look = Look {
                counts: false,
                at: 0,
                ..look
            };
        }
    }

    fn count_target(&mut self, facts: &Facts, id: u32) {
        let row = self.table.get(id);
        let rule = row.rule();
        if rule == NONE || self.is_target_stopped(facts, id) {
            return;
        }
        // A rule that came since the look began is counted by the next.
        if let Some(count) = self.budget.counting.get_mut(rule as usize) {
            *count += 1;
        }
    }

    fn look_at(&mut self, facts: &Facts, id: u32, lowers: bool, odds: &mut HashMap<u32, Odds>) {
        let row = self.table.get(id);
        let (rule, state, before) = (row.rule(), row.state, row.factor.next());
        if rule == NONE || facts.rules.rules[rule as usize].max_gap != MaxGap::Auto {
            return;
        }
        let Some((every, app)) = self.declared(facts, id) else {
            return;
        };
        let odds = *odds.entry(app).or_insert_with(|| facts.odds(app));
        let terms = self.terms(facts, rule, every, odds);
        let watched = row.watched();
        let is_group = matches!(watched, Watched::Group(_));
        let least = if is_group {
            least_factor(Duration::ZERO)
        } else {
            0
        };
        let needed = terms.factor(1.0).max(least);
        let to = if needed >= before {
            needed
        } else if lowers {
            terms.factor(0.5).max(least).min(before)
        } else {
            before
        };
        if to != AUTO_FACTOR {
            let key = (rule, app, millis(every));
            let known = self.budget.collecting.entry(key).or_default();
            *known = to.max(*known);
        }
        // A group has no one sign of life with which to take it.
        if is_group && state == State::Ok {
            self.table.get_mut(id).factor = Factor::of(to);
        }
        if to == before {
            return;
        }
        self.table.get_mut(id).factor.set_next(to);
        if self.budget.changes.len() < MAX_CHANGES {
            let change = FactorChange {
                rule: Arc::clone(&facts.rule_names[rule as usize]),
                app: Arc::clone(facts.tracker.app_names.get(app)),
                from: before,
                to,
                terms,
            };
            self.budget.changes.insert((rule, app), change);
        }
    }

    /// The interval that a beat or the beats of a group declare, and the app; `None` where a target declares none.
    pub(in crate::core) fn declared(&self, facts: &Facts, id: u32) -> Option<(Duration, u32)> {
        match self.table.get(id).watched() {
            Watched::Beat(beat) => {
                let row = facts.tracker.beat_row(beat);
                let every = row.every()?;
                Some((every, facts.app_of(InstanceId(row.instance))))
            }
            Watched::Group(group) => {
                let group = self.groups.get(group);
                let every = Duration::from_millis(u64::from(group.every_ms));
                (group.every_ms > 0).then_some((every, group.app))
            }
            Watched::Logs(_) => None,
        }
    }

    /// The terms of the factor of a target of a rule.
    pub(in crate::core) fn terms(
        &self,
        facts: &Facts,
        rule: u32,
        every: Duration,
        odds: Odds,
    ) -> Terms {
        let counted = self.budget.targets.get(rule as usize);
        Terms {
            targets: counted.copied().unwrap_or_default().max(1),
            every,
            odds,
            budget: facts.rules.rules[rule as usize].false_alarms,
        }
    }

    /// The factor of a target that is new.
    pub(in crate::core) fn first_factor(
        &self,
        facts: &Facts,
        rule: u32,
        every: Duration,
        app: u32,
    ) -> u32 {
        if !self.budget.restored.is_empty() {
            let rule = Arc::clone(&facts.rule_names[rule as usize]);
            let app = Arc::clone(facts.tracker.app_names.get(app));
            if let Some(factor) = self.budget.restored.get(&(rule, app, millis(every))) {
                return *factor;
            }
        }
        self.terms(facts, rule, every, facts.odds(app)).factor(1.0)
    }

    /// Takes the changes of factors since the last call.
    pub fn take_factor_changes(&mut self) -> Vec<FactorChange> {
        std::mem::take(&mut self.budget.changes)
            .into_values()
            .collect()
    }

    /// The factors that are not as usual, for a store.
    pub(in crate::core) fn factors_in_force(
        &self,
        facts: &Facts,
    ) -> impl Iterator<Item = FactorInForce> {
        let in_force = self.budget.in_force.iter();
        in_force.map(|(&(rule, app, every_ms), &factor)| FactorInForce {
            rule: Arc::clone(&facts.rule_names[rule as usize]),
            app: Arc::clone(facts.tracker.app_names.get(app)),
            every_ms,
            factor,
        })
    }

    /// Targets that are taken in from now on have these factors, and none falls within the hour.
    pub(in crate::core) fn restore_factors(
        &mut self,
        saved: impl Iterator<Item = FactorInForce>,
        now: Mono,
    ) {
        let factors = saved.map(|one| {
            let factor = one.factor.clamp(1, MOST_FACTOR);
            ((one.rule, one.app, one.every_ms), factor)
        });
        self.budget.restored = factors.collect();
        self.budget.next_lowering = now + LOWER_EVERY;
    }

    /// The rules are others now: targets are counted anew.
    pub(in crate::core) fn count_budget_anew(&mut self) {
        self.budget.targets.clear();
        self.budget.look = None;
        self.budget.next_look = Mono::ZERO;
        self.budget.changes.clear();
        self.budget.in_force.clear();
        self.budget.collecting.clear();
    }
}

fn millis(every: Duration) -> u32 {
    u32::try_from(every.as_millis()).unwrap_or(u32::MAX)
}
