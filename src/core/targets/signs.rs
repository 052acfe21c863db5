//! Signs of life, and the targets that they concern.

use crate::core::entry::BeatLine;
use crate::core::facts::Facts;
use crate::core::targets::Targets;
use crate::core::targets::table::{OnSign, Reason, State, Watched};
use crate::core::time::{Listened, Stamp};
use crate::core::tracker::{Beaten, InstanceId, NONE, UNDECIDED};
use std::time::Duration;

impl Targets {
    /// Records an entry of an instance's app itself.
    #[inline]
    pub(in crate::core) fn spoke(&mut self, facts: &mut Facts, id: InstanceId) {
        // The entries of a machine that is stopping are no sign of life.
        if facts.tracker.life(id).has_left() {
            return;
        }
        let instance = facts.tracker.instance_mut(id);
        let first = instance.spoke == Listened::NEVER;
        instance.spoke = facts.listening.listened();
        if first && instance.first_beat != NONE {
            self.first_entry(facts, id);
        }
        let instance = facts.tracker.instance(id);
        let (logs, app_region) = (instance.logs, instance.app_region);
        match logs {
            NONE => {}
            UNDECIDED => self.watch_logs(facts, id),
            target if self.rates.are_used() => self.entry_of_rate(facts, target),
            target => self.sign(facts, target),
        }
        if !self.plan.links[app_region as usize].is_empty() {
            self.entry_of_groups(facts, app_region);
        }
    }

    /// Records a beat, other than a `bye`, as a sign of life of its targets.
    pub fn beat(&mut self, facts: &mut Facts, id: InstanceId, line: &BeatLine<'_>, beaten: Beaten) {
        if beaten.new && facts.tracker.beat_row(beaten.beat).target == NONE {
            self.watch_beat(facts, beaten.beat);
        }
        if beaten.new && !self.moves.is_empty() {
            self.first_beat_here(facts, id);
        }
        let lives = !beaten.new && !beaten.was_stopped;
        let record = facts.tracker.beat_row(beaten.beat);
        let (target, marker, name) = (record.target, record.marker, record.name());
        if lives && !line.bye {
            self.learn_beat(facts, id, beaten, target);
        }
        if self.beat_of_life(facts, id, beaten) {
            if let (true, Some(every)) = (target != NONE, line.every) {
                self.doubt(facts, target, every);
            }
            if target != NONE && !self.is_repeated(facts, target, line, beaten) {
                if self.table.get(target).state == State::Firing {
                    self.prove_alive(facts, target, beaten);
                }
                self.sign_of_beat(facts, target, beaten);
            }
            let app_region = facts.tracker.instance(id).app_region;
            let record = facts.tracker.beat_row(beaten.beat);
            let every_ms = match record.every_ms {
                0 => record.usual.longest_ms(),
                every_ms => every_ms,
            };
            self.beat_of_groups(facts, app_region, marker, name, every_ms);
        }
    }

    /// True if a beat of a firing target only repeats an earlier one and proves nothing.
    #[inline]
    fn is_repeated(
        &mut self,
        facts: &Facts,
        target: u32,
        line: &BeatLine<'_>,
        beaten: Beaten,
    ) -> bool {
        self.table.get(target).state == State::Firing
            && self.is_repeated_of_silent(facts, target, line, beaten)
    }

    /// Records the sign of life of a beat, which may be old news.
    #[inline]
    pub(in crate::core) fn sign_of_beat(&mut self, facts: &mut Facts, id: u32, beaten: Beaten) {
        let seen = facts.tracker.beat_row(beaten.beat).seen;
        if seen == facts.listening.stamp() {
            return self.sign_at(facts, id, beaten.before, seen);
        }
        let max_gap = self.max_gap(facts, id);
        if seen.listened + max_gap < facts.listening.listened() {
            // Too old to prove life.
            if self.table.get(id).state == State::Ok {
                self.table.set_due(id, seen.listened + max_gap);
            }
            return;
        }
        self.sign_at(facts, id, beaten.before, seen);
    }

    /// Last sign of life of a target.
    #[inline]
    pub(in crate::core) fn seen(&self, facts: &Facts, id: u32) -> Stamp {
        match self.table.get(id).watched() {
            Watched::Beat(beat) => facts.tracker.beat_row(beat).seen,
            Watched::Logs(_) | Watched::Group(_) => self.table.seen(id).unwrap_or_default(),
        }
    }

    pub(in crate::core) fn set_seen(&mut self, facts: &mut Facts, id: u32, seen: Stamp) {
        match self.table.get(id).watched() {
            Watched::Beat(beat) => facts.tracker.beat_mut(beat).seen = seen,
            Watched::Logs(_) | Watched::Group(_) => self.table.set_seen(id, seen),
        }
    }

    /// Records a sign of life of a target that is not a beat.
    #[inline]
    pub(in crate::core) fn sign(&mut self, facts: &mut Facts, id: u32) {
        let stamp = facts.listening.stamp();
        let before = self.table.seen(id).unwrap_or(stamp);
        self.table.set_seen(id, stamp);
        self.learn(facts, id, before, stamp);
        self.sign_at(facts, id, before, stamp);
    }

    /// Records a sign of life of a target at `stamp`, after the previous one at `before`.
    #[inline]
    pub(super) fn sign_at(&mut self, facts: &mut Facts, id: u32, before: Stamp, stamp: Stamp) {
        self.table.get_mut(id).factor.take_next();
        let max_gap = self.max_gap(facts, id);
        let due = stamp.listened + max_gap;
        self.table.set_due(id, due);
        if self.table.get(id).state != State::Ok {
            let gap = stamp.listened.since(before.listened);
            self.sign_of_the_missed(facts, id, gap, max_gap);
        }
    }

    fn sign_of_the_missed(&mut self, facts: &mut Facts, id: u32, gap: Duration, max_gap: Duration) {
        let from = self.table.get(id).state;
        let recover = facts.rules.rules[self.table.get(id).rule() as usize].recover;
        match self.table.get_mut(id).sign(gap, max_gap, recover) {
            OnSign::Well | OnSign::Recovering => {}
            OnSign::Relieved | OnSign::Resolved => {
                self.changed(facts, id, from, Reason::Heard, facts.now.mono);
            }
        }
    }

    pub(in crate::core) fn stop(&mut self, facts: &mut Facts, target: u32) {
        self.table.set_due(target, Listened::NEVER);
        self.end(facts, target, Reason::Bye);
    }

    /// Records an entry of an instance whose logs are a target, if some rule has `min_rate`.
    fn entry_of_rate(&mut self, facts: &mut Facts, target: u32) {
        let Some(wanted) = self.rule_of(facts, target).min_rate else {
            return self.sign(facts, target);
        };
        let (now, window) = (facts.listening.listened(), self.max_gap(facts, target));
        let fires = self.fires(target);
        let Some(sign) = self.rates.entry(target, now, window, wanted, fires) else {
            return;
        };
        let before = self.table.seen(target).unwrap_or_default();
        if sign > before.listened {
            let stamp = Stamp {
                at: facts.listening.date_of(sign),
                listened: sign,
            };
            self.table.set_seen(target, stamp);
            self.sign_at(facts, target, before, stamp);
        }
    }

    /// Number of entries of a target with `min_rate` in the last window, in words; `None` for other targets.
    pub fn rate_in_words(&self, facts: &Facts, target: u32) -> Option<String> {
        let wanted = self.rule_of(facts, target).min_rate?;
        let (now, window) = (facts.listening.listened(), self.max_gap(facts, target));
        let fires = self.fires(target);
        Some(self.rates.in_words(target, now, window, wanted, fires))
    }

    /// Ends an alert for another reason than a sign of life.
    pub(in crate::core) fn end(&mut self, facts: &mut Facts, target: u32, reason: Reason) {
        let from = std::mem::replace(&mut self.table.get_mut(target).state, State::Ok);
        self.table.get_mut(target).good = 0;
        if from == State::Firing && reason == Reason::Forgotten {
            self.give_up(facts, target);
        }
        if from != State::Ok {
            self.changed(facts, target, from, reason, facts.now.mono);
        }
    }
}
