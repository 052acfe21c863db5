//! Intended silence: stops that the platform or the instance itself announces.
//!
//! A beat proves life whatever else is said, except in the minutes in which a stopping machine sends its last beats.
//! Without such an announcement, silence is an alert.

use crate::core::entry::{BeatLine, Lifecycle};
use crate::core::facts::Facts;
use crate::core::targets::Targets;
use crate::core::targets::table::Watched;
use crate::core::time::{Listened, Stamp};
use crate::core::tracker::life::{Crash, StopWhy};
use crate::core::tracker::{BeatId, Beaten, InstanceId, NONE, UNDECIDED};
use std::time::Duration;

/// Grace period of a stop. The proxy gives a machine five seconds by default, and draining its connections takes a
/// minute or so. Beats within this time are its last; a later one proves that it did not stop.
const STOPS_WITHIN: Duration = Duration::from_secs(120);
/// Log entries within this time after a crash still belong to it. Later ones of an instance without beats prove that it
/// runs again.
const CRASH_TALK: Duration = Duration::from_secs(60);

/// Time after which a beat proves that an update is over, whether its start was seen or not.
const UPDATES_WITHIN: Duration = Duration::from_secs(300);

impl Targets {
    /// Applies a report of the platform about an instance.
    pub fn lifecycle(&mut self, facts: &mut Facts, id: InstanceId, what: Lifecycle) {
        let life = facts.tracker.life(id);
        match what {
            Lifecycle::Autostop => self.ended(facts, id, StopWhy::Autostop),
            Lifecycle::Autosuspend => self.ended(facts, id, StopWhy::Autosuspend),
            Lifecycle::Done => self.ended(facts, id, StopWhy::Done),
            Lifecycle::NotRestarted if is_crashed(facts, id) => {}
            Lifecycle::NotRestarted => self.ended(facts, id, StopWhy::Done),
            Lifecycle::Started => self.started(facts, id),
            Lifecycle::Updated => {
                let updated = Some(facts.listening.stamp());
                facts.tracker.change_life(id, |life| life.updated = updated);
            }
            Lifecycle::OutOfMemory => self.crashed(facts, id, Crash::OutOfMemory),
            Lifecycle::Failed => {
                // After an announced stop, the exit code only describes that stop.
                let is_asked = life.said_bye || life.stop.is_some_and(|(why, _)| !why.is_listed());
                if !is_asked {
                    self.crashed(facts, id, Crash::Failed);
                }
            }
            Lifecycle::GaveUp => {
                // It was restarted several times: what it said before the first start does not count any more.
                let is_listed = matches!(life.stop, Some((StopWhy::Listed, _)));
                if life.has_left() && !is_listed {
                    self.started(facts, id);
                }
                self.crashed(facts, id, Crash::GaveUp);
            }
        }
    }

    /// Stops an instance that the platform reports as stopped on purpose; an earlier crash is over.
    fn ended(&mut self, facts: &mut Facts, id: InstanceId, why: StopWhy) {
        facts.tracker.change_life(id, |life| life.crash = None);
        self.stopped(facts, id, why);
    }

    /// Records a crash, and adds it to the open incident. The exit was not requested: if the inventory listed the
    /// machine as not started before this report, that was not an intended stop.
    fn crashed(&mut self, facts: &mut Facts, id: InstanceId, crash: Crash) {
        facts.touched.insert(id.0);
        let at = facts.listening.listened();
        let life = facts.tracker.change_life(id, |life| {
            life.crash = Some((crash, at));
            *life
        });
        if matches!(life.stop, Some((StopWhy::Listed, _))) {
            self.died(facts, id);
        }
        self.became_known(facts, id, crash.label());
        for target in self.targets_of(facts, id) {
            if !self.is_target_stopped(facts, target) {
                self.fire_of_crash(facts, target);
            }
        }
    }

    /// True if the beats or logs of a target stopped on purpose.
    pub(in crate::core) fn is_target_stopped(&self, facts: &Facts, target: u32) -> bool {
        match self.table.get(target).watched() {
            Watched::Beat(beat) => facts.tracker.beat_row(beat).stopped(),
            Watched::Logs(id) => facts.tracker.life(id).has_left(),
            Watched::Group(_) => false,
        }
    }

    pub(in crate::core) fn stopped(&mut self, facts: &mut Facts, id: InstanceId, why: StopWhy) {
        let since = facts.now.mono;
        facts
            .tracker
            .change_life(id, |life| life.stop = Some((why, since)));
        self.leave(facts, id);
    }

    /// Ends all expectations of an instance.
    fn leave(&mut self, facts: &mut Facts, id: InstanceId) {
        facts.touched.insert(id.0);
        facts.tracker.change_life(id, |life| {
            (life.restarted, life.again) = (Listened::ZERO, Listened::ZERO);
        });
        self.set_stopped(facts, id, true);
        for target in self.targets_of(facts, id) {
            self.stop(facts, target);
        }
        self.fewer_in_groups(facts, facts.tracker.instance(id).app_region);
    }

    /// Restarts an instance, as the platform reports: what is expected of it has `max_gap` from now on.
    pub(in crate::core) fn started(&mut self, facts: &mut Facts, id: InstanceId) {
        let now = facts.listening.stamp();
        self.start(facts, id, now, None);
    }

    /// Restarts an instance of which an answer of the inventory alone shows that it started; the start is dated `at`.
    pub(in crate::core) fn started_at(&mut self, facts: &mut Facts, id: InstanceId, at: Stamp) {
        self.start(facts, id, at, None);
    }

    /// Restarts an instance at `at`, as the platform or a beat shows; `beaten`: the result of that beat. Stopped beats
    /// that were live within one `max_gap` of the instance's last word are expected again.
    ///
    /// Beats that did not stop have `max_gap` from the first start since the last beat, so that an instance that
    /// restarts over and over is noticed.
    fn start(&mut self, facts: &mut Facts, id: InstanceId, at: Stamp, beaten: Option<Beaten>) {
        let last_word = last_word(facts, id, beaten);
        if !facts.inventory.given_up.is_empty()
            && let Some(subject) = facts.tracker.subject(id)
        {
            facts.inventory.given_up.remove(&*subject);
        }
        // A beat follows the start that it shows: another start is a new one for it, and not for those that are awaited.
        let before = Duration::from_nanos(u64::from(beaten.is_some()));
        let listened = at.listened - before;
        let seen = self.seen_of_all(facts, id, beaten);
        let had_left = facts.tracker.change_life(id, |life| {
            life.started(listened, &seen);
            life.updated = None;
            std::mem::take(&mut life.said_bye) | life.stop.take().is_some()
        });
        let stamp = Stamp { listened, ..at };
        let mut expects = had_left;
        let beats: Vec<BeatId> = facts.tracker.beats_of(id).collect();
        for beat in beats {
            let row = facts.tracker.beat_row(beat);
            let is_heard_now = beaten.is_some_and(|beaten| beaten.beat == beat);
            let Some(max_gap) = self.max_gap_of_beat(facts, beat) else {
                continue;
            };
            let was_live = !row.is_heard() || row.seen.listened + max_gap >= last_word;
            if !row.stopped() || is_heard_now || !was_live {
                continue;
            }
            expects = true;
            let target = row.target;
            let row = facts.tracker.beat_mut(beat);
            row.set_stopped(false);
            row.seen = stamp;
            if target != NONE {
                self.table.set_due(target, stamp.listened + max_gap);
            }
        }
        let logs = facts.tracker.instance(id).logs;
        if had_left && logs < UNDECIDED {
            self.set_seen(facts, logs, stamp);
            let due = stamp.listened + self.max_gap(facts, logs);
            self.table.set_due(logs, due);
        }
        if expects {
            facts.touched.insert(id.0);
            self.more_in_groups(facts.tracker.instance(id).app_region);
        }
    }

    /// Longest allowed silence of a beat, by its own rule or that of its group; `None` if no rule watches it.
    pub(in crate::core) fn max_gap_of_beat(&self, facts: &Facts, beat: BeatId) -> Option<Duration> {
        let row = facts.tracker.beat_row(beat);
        if row.target != NONE {
            return Some(self.max_gap(facts, row.target));
        }
        let group = self.groups_of_beat(facts, beat).next()?;
        Some(self.max_gap(facts, self.groups.get(group).target))
    }

    /// Corrects a stop that turned out to be a failure: the instance is silent since its last beat.
    pub(in crate::core) fn died(&mut self, facts: &mut Facts, id: InstanceId) {
        facts.touched.insert(id.0);
        let last_word = last_word(facts, id, None);
        facts.tracker.change_life(id, |life| life.stop = None);
        let beats: Vec<BeatId> = facts.tracker.beats_of(id).collect();
        for beat in beats {
            let max_gap = self.max_gap_of_beat(facts, beat).unwrap_or_default();
            let row = facts.tracker.beat_mut(beat);
            if row.seen.listened + max_gap >= last_word {
                row.set_stopped(false);
            }
        }
        for target in self.targets_of(facts, id) {
            if !self.is_target_stopped(facts, target) {
                let due = self.late_at(facts, target);
                self.table.set_due(target, due);
            }
        }
        self.more_in_groups(facts.tracker.instance(id).app_region);
    }

    /// Records a beat, or a `bye` of the whole instance; true if it proves that the instance lives and will go on.
    #[inline]
    pub(in crate::core) fn beat_of_life(
        &mut self,
        facts: &mut Facts,
        id: InstanceId,
        beaten: Beaten,
    ) -> bool {
        let is_special = beaten.restarted || (beaten.was_stopped && is_old(beaten));
        if !is_special && !facts.tracker.instance(id).has_life {
            return true;
        }
        self.beat_of_few(facts, id, beaten)
    }

    /// As [`Self::beat_of_life`], for the few instances that have a life record or whose counter stepped back.
    #[cold]
    fn beat_of_few(&mut self, facts: &mut Facts, id: InstanceId, beaten: Beaten) -> bool {
        let life = facts.tracker.life(id);
        let announced = life.stop.is_some_and(|(why, since)| {
            !why.is_listed() && facts.now.mono.since(since) < STOPS_WITHIN
        });
        let is_overtaken = beaten.was_stopped && is_old(beaten);
        if (announced && !beaten.restarted) || is_overtaken {
            // One of its last beats: the stop remains in force, of a beat that is new as well.
            let row = facts.tracker.beat_mut(beaten.beat);
            row.set_stopped(true);
            let target = row.target;
            if target != NONE {
                self.stop(facts, target);
            }
            return false;
        }
        if life.has_left() || beaten.restarted {
            let now = facts.listening.stamp();
            self.start(facts, id, now, Some(beaten));
        }
        if life.has_left() {
            self.spoke(facts, id);
        }
        // What did not beat since a start has `max_gap` from it.
        let seen = self.seen_of_all(facts, id, Some(beaten));
        facts.tracker.change_life(id, |life| {
            life.crash = None;
            life.forget_answered(&seen);
            life.updated = life
                .updated
                .filter(|update| facts.listening.stamp().at.since(update.at) < UPDATES_WITHIN);
        });
        true
    }

    /// Listened clock: the last signs of life of all that goes on of an instance, but for the beat that was heard just now.
    fn seen_of_all(&self, facts: &Facts, id: InstanceId, beaten: Option<Beaten>) -> Vec<Listened> {
        let now = beaten.map(|beaten| beaten.beat);
        let beats = facts.tracker.beats_of(id).filter(|one| Some(*one) != now);
        let beats = beats.map(|beat| facts.tracker.beat_row(beat));
        let beats = beats.filter(|row| !row.stopped() && row.target != NONE);
        let logs = facts.tracker.instance(id).logs;
        let logs = (logs < UNDECIDED).then(|| self.seen(facts, logs).listened);
        beats.map(|row| row.seen.listened).chain(logs).collect()
    }

    /// Records the `bye` of an instance or of one of its beats.
    #[cold]
    pub fn bye(
        &mut self,
        facts: &mut Facts,
        id: InstanceId,
        line: &BeatLine<'_>,
    ) -> Option<BeatId> {
        let stamp = facts.listening.stamp();
        if facts.tracker.is_repeated_bye(id, line, stamp.at) {
            return None;
        }
        facts.touched.insert(id.0);
        if facts.tracker.life(id).updated.is_some() {
            // It is stopped for the update.
            facts
                .tracker
                .change_life(id, |life| life.updated = Some(stamp));
        }
        let beat = facts.tracker.bye(id, line, stamp);
        if line.name.is_empty() {
            facts.tracker.change_life(id, |life| life.said_bye = true);
            self.leave(facts, id);
            return beat;
        }
        let target = beat.map_or(NONE, |beat| facts.tracker.beat_row(beat).target);
        if target != NONE {
            self.stop(facts, target);
        }
        self.fewer_in_groups(facts, facts.tracker.instance(id).app_region);
        beat
    }

    /// True if a beat of a firing target only repeats an earlier one: its counter is below the last, or it arrived
    /// twice within a short time. That proves no recovery.
    #[cold]
    pub(in crate::core) fn is_repeated_of_silent(
        &mut self,
        facts: &Facts,
        target: u32,
        line: &BeatLine<'_>,
        beaten: Beaten,
    ) -> bool {
        if beaten.new || beaten.is_stale {
            return beaten.is_stale;
        }
        let interval = facts.listening.stamp().at.since(beaten.before.at);
        let quick = interval < self.max_gap(facts, target) / 4;
        let said = line.entry_time;
        let counted = said.and_then(|said| self.counted.insert(target, said));
        let is_said_twice = line.seq.is_none() && counted.is_some() && counted == said;
        quick && (beaten.is_same || is_said_twice)
    }

    fn set_stopped(&mut self, facts: &mut Facts, id: InstanceId, stopped: bool) {
        let beats: Vec<BeatId> = facts.tracker.beats_of(id).collect();
        for beat in beats {
            facts.tracker.beat_mut(beat).set_stopped(stopped);
        }
    }
}

/// True if a beat was sent before its predecessor, or is the same beat.
#[inline]
fn is_old(beaten: Beaten) -> bool {
    beaten.is_stale || beaten.is_same
}

/// Listened clock: last sign of life of an instance before the current beat.
fn last_word(facts: &Facts, id: InstanceId, beaten: Option<Beaten>) -> Listened {
    let heard = |beat: BeatId| match beaten {
        Some(beaten) if beaten.beat == beat => (!beaten.new).then_some(beaten.before.listened),
        _ => {
            let row = facts.tracker.beat_row(beat);
            row.is_heard().then_some(row.seen.listened)
        }
    };
    let beats = facts.tracker.beats_of(id).filter_map(heard);
    // The entry that carries the beat counts already, unless the instance had stopped.
    let counts = beaten.is_none() || facts.tracker.life(id).has_left();
    let spoke = facts.tracker.instance(id).spoke;
    let spoke = (counts && spoke != Listened::NEVER).then_some(spoke);
    beats.chain(spoke).max().unwrap_or_default()
}

/// True if an instance crashed and gave no sign of life since.
pub(in crate::core) fn is_crashed(facts: &Facts, id: InstanceId) -> bool {
    let Some((_, at)) = facts.tracker.life(id).crash else {
        return false;
    };
    let spoke = facts.tracker.instance(id).spoke;
    facts.has_beaten(id) || spoke == Listened::NEVER || spoke.since(at) < CRASH_TALK
}
