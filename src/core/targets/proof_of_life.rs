//! Targets that fire and prove that they lived all the time.

use crate::core::facts::Facts;
use crate::core::targets::alive::AliveReason;
use crate::core::targets::budget::MOST_FACTOR;
use crate::core::targets::table::{Reason, State};
use crate::core::targets::{AlertEvent, Targets};
use crate::core::tracker::{Beaten, InstanceId};
use std::sync::Arc;

impl Targets {
    /// A beat of a target that fires came: remembers where it shows that the target lived all the time.
    #[cold]
    pub(in crate::core) fn prove_alive(&mut self, facts: &mut Facts, target: u32, beaten: Beaten) {
        let is_first = self.table.get(target).good == 0;
        if beaten.new || beaten.restarted || !is_first {
            return;
        }
        let row = facts.tracker.beat_row(beaten.beat);
        let arrival = facts.listening.stamp().at;
        let said_after = row.seen.at.since(beaten.before.at);
        let reason = if row.seen.at < arrival {
            let was_in_time = said_after <= self.max_gap(facts, target);
            was_in_time.then(|| AliveReason::Late(arrival.since(row.seen.at)))
        } else {
            // It beat all the time where the count went on as fast as its interval says, give or take a fifth.
            let interval = self.interval(facts, target).interval;
            let lost = beaten.hole.filter(|lost| {
                let beaten_for = interval.saturating_mul(lost.saturating_add(1));
                *lost > 0 && beaten_for * 5 >= said_after * 4
            });
            lost.map(AliveReason::Lost)
        };
        let Some(reason) = reason else {
            return;
        };
        self.is_known_alive(target, reason);
        match reason {
            // It lost more than was allowed, by itself: the next time that is allowed.
            AliveReason::Lost(lost)
                if lost < MOST_FACTOR && self.false_alarms.alone.contains(&target) =>
            {
                let app = facts.app_of(InstanceId(facts.tracker.beat_row(beaten.beat).instance));
                facts.count_loss(app, lost);
            }
            _ => {}
        }
    }

    /// Remembers why a target that fires is alive; the first reason stands.
    pub(in crate::core) fn is_known_alive(&mut self, target: u32, reason: AliveReason) {
        if self.fires(target) {
            self.false_alarms.known.entry(target).or_insert(reason);
        }
    }

    /// An alert changed its state from `from`: where it is over and was false, it is counted and told.
    pub(in crate::core) fn close_as_alive(
        &mut self,
        facts: &Facts,
        target: u32,
        from: State,
        reason: Reason,
    ) {
        self.false_alarms.alone.remove(&target);
        let Some(alive) = self.false_alarms.known.remove(&target) else {
            return;
        };
        if from != State::Firing || reason != Reason::Heard {
            return;
        }
        let rule = Arc::clone(&facts.rule_names[self.table.get(target).rule() as usize]);
        self.false_alarms.counts.entry(rule).or_default()[alive.index()] += 1;
        let words = alive.words();
        self.events.push(AlertEvent::Known { target, words });
    }

    /// A target is gone.
    pub(in crate::core) fn forget_alive(&mut self, target: u32) {
        self.false_alarms.known.remove(&target);
        self.false_alarms.alone.remove(&target);
    }
}
