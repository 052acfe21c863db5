//! The factor of `max_gap = "auto"`: how many beats of a target must be lost before it alerts, so that lost beats make no
//! more false alarms than the rule's budget.
//!
//! Each target has its share of the budget: the factor is the least with which `targets x (time / interval) x p x q^(k-1)`
//! is within it, where p is the share of lost beats of the target's app, and q that after a lost one. It rises within a
//! minute and falls by the hour, where half of the budget would do. A target takes another factor with its next sign of
//! life: no deadline that has begun ever changes.

use crate::core::facts::Facts;
use crate::core::rule::{AUTO_FACTOR, FalseAlarms, MaxGap, least_factor};
use crate::core::targets::Targets;
use crate::core::targets::table::factor::Factor;
use crate::core::targets::table::{State, Watched};
use crate::core::time::Mono;
use crate::core::tracker::loss::Odds;
use crate::core::tracker::{InstanceId, NONE};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// No target waits for more lost beats than this: beyond it a lossy stream would hide a death for long.
pub const MOST_FACTOR: u32 = 10;
/// Interval between two looks at all factors.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Interval between two looks that may lower a factor.
const LOWER_EVERY: Duration = Duration::from_secs(3600);
/// Targets that are looked at in one turn, in about a millisecond.
const LOOKED_AT: usize = 20_000;
/// Changes kept until somebody takes them; one for each rule and app.
const MAX_CHANGES: usize = 1_000;

/// The state of the looks.
#[derive(Debug, Default)]
pub struct Budget {
    /// Live targets of each rule, by its number, as the last look counted them.
    targets: Vec<u32>,
    counting: Vec<u32>,
    /// The look that runs.
    look: Option<Look>,
    /// Arrival clock: when the next look begins.
    next_look: Mono,
    next_lowering: Mono,
    /// Slots in use when the last look began.
    in_use: usize,
    changes: BTreeMap<(u32, u32), FactorChange>,
    /// The factors that are not as usual, by rule, app and interval in milliseconds, as the last look left them.
    in_force: BTreeMap<(u32, u32, u32), u32>,
    collecting: BTreeMap<(u32, u32, u32), u32>,
    /// Those of an earlier life, while its targets are taken in.
    restored: HashMap<(Arc<str>, Arc<str>, u32), u32>,
}

/// A factor that is not as usual.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactorInForce {
    /// The rule's name.
    pub rule: Arc<str>,
    /// The app; empty where the targets are of no single one.
    pub app: Arc<str>,
    /// The interval, in milliseconds.
    pub every_ms: u32,
    /// The factor.
    pub factor: u32,
}

/// A look that runs.
#[derive(Clone, Copy, Debug)]
struct Look {
    /// True while targets are still counted.
    counts: bool,
    /// The slot to look at next.
    at: usize,
    /// True if factors may fall.
    lowers: bool,
}

/// The terms of the formula of a factor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terms {
    /// Targets of the rule.
    pub targets: u32,
    /// The interval of the target.
    pub every: Duration,
    /// The odds of a loss in its app.
    pub odds: Odds,
    /// The budget of the rule.
    pub budget: FalseAlarms,
}

impl Terms {
    /// False alarms within the budget's time, where all targets are as this one and alert after `run` lost beats.
    pub fn expected(&self, run: u32) -> f64 {
        let beats = self.budget.per.as_secs_f64() / self.every.as_secs_f64();
        f64::from(self.targets) * beats * self.odds.of_run(run)
    }

    /// The least factor that keeps within this part of the budget.
    pub fn factor(&self, part: f64) -> u32 {
        let least = least_factor(self.every).max(self.odds.longest.saturating_add(1));
        let most = f64::from(self.budget.count) * part;
        let mut fits = (least..MOST_FACTOR).filter(|run| self.expected(*run) <= most);
        fits.next().unwrap_or(MOST_FACTOR)
    }
}

/// The factor of a rule's targets in one app changed.
#[derive(Clone, Debug, PartialEq)]
pub struct FactorChange {
    /// The rule's name.
    pub rule: Arc<str>,
    /// The app.
    pub app: Arc<str>,
    /// The factor until then.
    pub from: u32,
    /// The factor from the next sign of life on.
    pub to: u32,
    /// The terms that make it so.
    pub terms: Terms,
}

impl Targets {
    /// Looks at the factors of some targets where it is time to.
    pub(in crate::core) fn keep_budget(&mut self, facts: &Facts) {
        if !facts
            .rules
            .rules
            .iter()
            .any(|rule| rule.max_gap == MaxGap::Auto)
        {
            return;
        }
        let now = facts.now.mono;
        let in_use = self.table.in_use();
        let look = match self.budget.look.take() {
            Some(look) => look,
            // Many are new: their rule's budget may be spent within the minute.
            None if now >= self.budget.next_look || in_use * 4 > self.budget.in_use * 5 => {
                self.begin_look(facts, in_use)
            }
            None => return,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::rule::LONG_INTERVAL;

    const DAY: Duration = Duration::from_secs(86_400);

    fn terms(targets: u32, every: u64, lost: f64) -> Terms {
        Terms {
            targets,
            every: Duration::from_secs(every),
            odds: Odds {
                lost,
                after_lost: lost,
                longest: 0,
                counted: 1_000_000,
            },
            budget: FalseAlarms::default(),
        }
    }

    #[test]
    fn the_least_factor_that_keeps_the_budget() {
        for (targets, every, lost, factor) in [
            (12, 30, 0.001, 3),
            (10, 30, 0.003, 3),
            (1_000, 30, 0.003, 4),
            (300, 5, 0.003, 4),
            (1_000, 30, 0.01, 4),
            (1_000, 30, 0.05, 7),
            (1_000, 30, 0.1, 8),
            (1_000, 30, 0.5, 10),
            (1_000_000, 30, 0.003, 5),
            // A daily job, and hourly ones.
            (1, 86_400, 0.003, 1),
            (12, 86_400, 0.003, 2),
            (1, 3_600, 0.003, 2),
            (1, 3_599, 0.003, 3),
        ] {
            let terms = terms(targets, every, lost);
            assert_eq!(terms.factor(1.0), factor, "{targets} x {every}s at {lost}");
        }
    }

    #[test]
    fn a_larger_budget_allows_fewer_lost_beats_and_a_longer_hole_more() {
        let mut one = terms(1_000, 30, 0.01);
        one.budget = FalseAlarms {
            count: 100,
            per: 30 * DAY,
        };
        assert_eq!(one.factor(1.0), 3);
        one.odds.longest = 4;
        assert_eq!(one.factor(1.0), 5);
        one.odds.longest = u32::MAX;
        assert_eq!(one.factor(1.0), MOST_FACTOR);
    }

    #[test]
    fn a_factor_falls_where_half_of_the_budget_would_do() {
        // 0.86 of one: enough to stay, too much to come down to.
        let one = terms(1_000, 30, 0.01);
        assert_eq!((one.factor(1.0), one.factor(0.5)), (4, 5));
        assert!((one.expected(4) - 0.864).abs() < 1e-6);
        assert!(LONG_INTERVAL <= DAY);
    }
}
