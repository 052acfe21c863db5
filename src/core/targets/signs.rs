//! From a sign of life to the targets that it concerns.

use crate::core::engine::Engine;
use crate::core::entry::BeatLine;
use crate::core::notice::CloseReason;
use crate::core::rule::{MaxGap, Watch};
use crate::core::targets::table::{OnSign, Reason, State, Watched};
use crate::core::time::{Listened, Stamp};
use crate::core::tracker::{BeatId, Beaten, InstanceId, NONE, UNDECIDED};
use std::time::Duration;

impl Engine {
    /// The rule by instance that has a beat.
    pub(in crate::core) fn rule_of_beat(&self, id: BeatId) -> Option<u32> {
        let beat = &self.tracker.beats[id.0 as usize];
        let instance = &self.tracker.instances[beat.instance as usize];
        let host = (instance.host != NONE).then(|| self.tracker.host_names.get(instance.host));
        let on_host = |rule: u32| {
            let globs = &self.rules.rules[rule as usize].host;
            globs.0.is_empty() || host.is_some_and(|host| globs.matches(host))
        };
        let has = |&&rule: &&u32| self.watches(rule, beat.marker, beat.name()) && on_host(rule);
        self.plans[instance.place as usize]
            .iter()
            .find(has)
            .copied()
    }

    /// The rule by instance that watches an instance's logs.
    pub(in crate::core) fn rule_of_logs(&self, id: InstanceId) -> Option<u32> {
        let place = self.tracker.instances[id.0 as usize].place;
        let is = |&&rule: &&u32| self.rules.rules[rule as usize].watch == Watch::Logs;
        self.plans[place as usize].iter().find(is).copied()
    }

    /// Makes the target of a beat, where a rule has it.
    pub(in crate::core) fn watch_beat(&mut self, id: BeatId) {
        let Some(rule) = self.rule_of_beat(id) else {
            return;
        };
        let beat = &self.tracker.beats[id.0 as usize];
        let (seen, stopped) = (beat.seen, beat.stopped());
        let due = seen.listened + self.rules.rules[rule as usize].max_gap.span(beat.every());
        let due = if stopped { Listened::NEVER } else { due };
        self.tracker.beats[id.0 as usize].target =
            self.targets.add(Watched::Beat(id), rule, seen, due);
    }

    /// Makes the target of an instance's logs, where a rule has it.
    pub(in crate::core) fn watch_logs(&mut self, id: InstanceId) {
        let target = self.rule_of_logs(id).map_or(NONE, |rule| {
            let seen = self.tracker.instances[id.0 as usize].seen;
            let due = if self.tracker.life(id).has_left() {
                Listened::NEVER
            } else {
                seen.listened + self.rules.rules[rule as usize].max_gap.span(None)
            };
            self.targets.add(Watched::Logs(id), rule, seen, due)
        });
        self.tracker.instances[id.0 as usize].logs = target;
    }

    /// An instance's app itself said something.
    #[inline]
    pub(in crate::core) fn spoke(&mut self, id: InstanceId) {
        // What a machine says on its way down is no sign of life.
        if self.tracker.life(id).has_left() {
            return;
        }
        let instance = &mut self.tracker.instances[id.0 as usize];
        let first = instance.spoke == Listened::NEVER;
        instance.spoke = self.listening.listened();
        if first && instance.first_beat != NONE {
            self.first_words(id);
        }
        let instance = &self.tracker.instances[id.0 as usize];
        let (logs, place) = (instance.logs, instance.place);
        match logs {
            NONE => {}
            UNDECIDED => self.watch_logs(id),
            target => self.sign(target, false),
        }
        if !self.links[place as usize].is_empty() {
            self.entry_of_groups(place);
        }
    }

    /// A beat said `bye`: what it was missed for is over.
    pub(in crate::core) fn said_bye(&mut self, id: InstanceId, line: &BeatLine<'_>, target: u32) {
        if target != NONE {
            self.stop(target);
        }
        if line.name.is_empty() {
            self.tracker.change_life(id, |life| life.said_bye = true);
        }
        let instance = &self.tracker.instances[id.0 as usize];
        let (logs, place) = (instance.logs, instance.place);
        if line.name.is_empty() && logs < UNDECIDED {
            self.stop(logs);
        }
        self.fewer_in_groups(place);
    }

    /// There are fewer live ones in the groups of an app-region.
    pub(in crate::core) fn fewer_in_groups(&mut self, place: u32) {
        let groups: Vec<u32> = self.links[place as usize]
            .iter()
            .filter_map(|link| Some(self.groups.get(link.group?).target))
            .collect();
        for target in groups {
            let Watched::Group(group) = self.targets.get(target).watched() else {
                continue;
            };
            if self.group_expiry(self.groups.get(group)).is_none() {
                self.stop(target);
            } else if self.targets.get(target).state != State::Firing {
                // There may be too few now.
                self.targets.set_due(target, Listened::ZERO);
            }
        }
    }

    /// A beat gave a sign of life, which may be old news.
    #[inline]
    pub(in crate::core) fn sign_of_beat(&mut self, id: u32, beaten: Beaten, lives: bool) {
        let seen = self.tracker.beats[beaten.beat.0 as usize].seen;
        if seen == self.listening.stamp() {
            return self.sign_at(id, beaten.before, seen, lives);
        }
        let max_gap = self.max_gap(id);
        if seen.listened + max_gap < self.listening.listened() {
            // Too old to prove that it lives.
            if self.targets.get(id).state == State::Ok {
                self.targets.set_due(id, seen.listened + max_gap);
            }
            return;
        }
        self.sign_at(id, beaten.before, seen, false);
    }

    /// When a target last gave a sign of life.
    #[inline]
    pub(in crate::core) fn seen(&self, id: u32) -> Stamp {
        match self.targets.get(id).watched() {
            Watched::Beat(beat) => self.tracker.beats[beat.0 as usize].seen,
            Watched::Logs(_) | Watched::Group(_) => self.targets.seen(id).unwrap_or_default(),
        }
    }

    pub(in crate::core) fn set_seen(&mut self, id: u32, seen: Stamp) {
        match self.targets.get(id).watched() {
            Watched::Beat(beat) => self.tracker.beats[beat.0 as usize].seen = seen,
            Watched::Logs(_) | Watched::Group(_) => self.targets.set_seen(id, seen),
        }
    }

    /// A target that is no beat gave a sign of life; `lives` where it lived before it too, so that the interval is one of ordinary
    /// life.
    #[inline]
    pub(in crate::core) fn sign(&mut self, id: u32, lives: bool) {
        let stamp = self.listening.stamp();
        let before = self.targets.seen(id).unwrap_or(stamp);
        self.targets.set_seen(id, stamp);
        self.sign_at(id, before, stamp, lives);
    }

    /// A target gave a sign of life at `stamp`, and the one before it at `before`.
    #[inline]
    fn sign_at(&mut self, id: u32, before: Stamp, stamp: Stamp, lives: bool) {
        let max_gap = self.max_gap(id);
        let target = self.targets.get_mut(id);
        let gap = stamp.listened.since(before.listened);
        let heard_all = gap == stamp.at.since(before.at);
        if target.state != State::Ok {
            self.targets.set_due(id, stamp.listened + max_gap);
            return self.sign_of_the_missed(id, gap, max_gap);
        }
        // An interval longer than allowed is a failure that was not judged yet.
        if lives && heard_all && gap <= max_gap {
            target.usual.learn(gap);
        }
        let due = stamp.listened + self.max_gap(id);
        self.targets.set_due(id, due);
    }

    fn sign_of_the_missed(&mut self, id: u32, gap: Duration, max_gap: Duration) {
        let from = self.targets.get(id).state;
        let recover = self.rules.rules[self.targets.get(id).rule() as usize].recover;
        match self.targets.get_mut(id).sign(gap, max_gap, recover) {
            OnSign::Well | OnSign::Recovering => {}
            OnSign::Relieved => self.changed(id, from, Reason::Heard, self.now.mono),
            OnSign::Resolved => {
                self.changed(id, from, Reason::Heard, self.now.mono);
                self.flaps.ended(id, self.listening.listened());
                self.leave(id, CloseReason::Resolved);
            }
        }
    }

    pub(in crate::core) fn stop(&mut self, target: u32) {
        self.targets.set_due(target, Listened::NEVER);
        self.end(target, Reason::Bye, CloseReason::Stopped);
    }

    /// Ends an alert for another reason than being heard.
    pub(in crate::core) fn end(&mut self, target: u32, reason: Reason, close: CloseReason) {
        let from = std::mem::replace(&mut self.targets.get_mut(target).state, State::Ok);
        self.targets.get_mut(target).good = 0;
        if from != State::Ok {
            self.changed(target, from, reason, self.now.mono);
        }
        if from == State::Firing {
            self.flaps.ended(target, self.listening.listened());
            self.leave(target, close);
        }
    }

    /// How long a target may be silent.
    #[inline]
    pub(in crate::core) fn max_gap(&self, id: u32) -> Duration {
        let target = self.targets.get(id);
        match self.rules.rules[target.rule() as usize].max_gap {
            MaxGap::Fixed(span) => span,
            MaxGap::Auto => MaxGap::auto(self.declared(target.watched()), target.usual.longest()),
        }
    }

    /// The interval that a target's beats declare.
    fn declared(&self, watched: Watched) -> Option<Duration> {
        match watched {
            Watched::Beat(beat) => self.tracker.beats[beat.0 as usize].every(),
            Watched::Logs(_) => None,
            Watched::Group(group) => {
                let every_ms = self.groups.get(group).every_ms;
                (every_ms > 0).then(|| Duration::from_millis(u64::from(every_ms)))
            }
        }
    }

    /// When a target's `max_gap` is over, on the listened clock, if nothing more is heard of it.
    pub(in crate::core) fn late_at(&self, id: u32) -> Listened {
        let target = self.targets.get(id);
        match target.watched() {
            Watched::Group(group) => self
                .group_expiry(self.groups.get(group))
                .unwrap_or(Listened::NEVER),
            Watched::Beat(_) | Watched::Logs(_) => {
                let heard = self.heard_or_blind(self.seen(id), self.max_gap(id));
                heard.max(self.restarted_at(target.watched())) + self.max_gap(id)
            }
        }
    }

    /// When the instance of a target was first started since its last beat, on the listened clock; zero where it was not.
    fn restarted_at(&self, watched: Watched) -> Listened {
        self.instance_of(watched)
            .map_or(Listened::ZERO, |id| self.tracker.life(id).restarted)
    }

    /// From when a silence counts: the last sign of life, or the end of a blindness after it that was longer than
    /// half of `max_gap`: whatever was missed then blames nobody.
    pub(in crate::core) fn heard_or_blind(&self, seen: Stamp, max_gap: Duration) -> Listened {
        self.listening
            .last_blind(seen.at, max_gap / 2)
            .map_or(seen.listened, |(end, _)| end.max(seen.listened))
    }

    /// Whether a target is silent for longer than it may.
    pub(in crate::core) fn is_late(&self, id: u32) -> bool {
        self.late_at(id) < self.listening.listened()
    }

    /// The targets by instance of one instance.
    pub(in crate::core) fn targets_of(&self, id: InstanceId) -> Vec<u32> {
        let beats = self
            .tracker
            .beats_of(id)
            .map(|beat| self.tracker.beats[beat.0 as usize].target);
        let logs = self.tracker.instances[id.0 as usize].logs;
        beats
            .chain(std::iter::once(logs))
            .filter(|&target| target < UNDECIDED)
            .collect()
    }

    /// The instance that a target belongs to; `None` for groups.
    pub(in crate::core) fn instance_of(&self, watched: Watched) -> Option<InstanceId> {
        match watched {
            Watched::Beat(beat) => Some(InstanceId(self.tracker.beats[beat.0 as usize].instance)),
            Watched::Logs(instance) => Some(instance),
            Watched::Group(_) => None,
        }
    }
}
