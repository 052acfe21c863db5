//! Forgetting: instances, beats and targets that nobody expects any more are removed.

use crate::core::engine::Engine;
use crate::core::evaluate::{SWEEP_EVERY, TICK};
use crate::core::rule::FORGET_AFTER;
use crate::core::targets::table::Watched;
use crate::core::time::Listened;
use crate::core::tracker::{BeatId, InstanceId};
use std::time::Duration;

/// Instances forgotten in one turn, which takes a millisecond or two. The rest of a flood follows in later turns.
const FORGOTTEN_AT_ONCE: usize = 2_000;
/// Beats examined in one turn, which takes less than a millisecond: a million take less than a day.
const BEATS_AT_ONCE: usize = 2_000;
/// Pause before the next search for an instance to evict, after one that found none.
const EVICT_EVERY: Duration = Duration::from_secs(5);

impl Engine {
    /// Forgets instances, beats and groups that are no longer expected.
    pub(in crate::core) fn sweep(&mut self) {
        let listened = self.facts.listening.listened();
        let rules = self.facts.rules.rules.iter();
        let shortest = rules.map(|rule| rule.forget_after);
        let shortest = shortest.fold(FORGET_AFTER, Duration::min);
        if listened.since(Listened::ZERO) < shortest {
            return;
        }
        let quiet = self.facts.tracker.last_heard_before(listened - shortest);
        let is_forgotten =
            |id: &&InstanceId| self.targets.is_forgotten(&self.facts, **id, listened);
        let forgotten = quiet.iter().filter(is_forgotten);
        let mut forgotten: Vec<InstanceId> = forgotten.take(FORGOTTEN_AT_ONCE).copied().collect();
        if forgotten.is_empty() {
            forgotten = self.targets.too_many_stopped(&self.facts, &quiet);
            forgotten.truncate(FORGOTTEN_AT_ONCE);
        }
        forgotten.iter().for_each(|id| self.forget(*id));
        let silent =
            self.targets
                .silent_too_long(&self.facts, listened, shortest, FORGOTTEN_AT_ONCE);
        for &target in &silent {
            self.forget_silent(target);
        }
        self.forget_idle_beats(listened);
        self.facts.tracker.remove_forgotten_members();
        let now = self.facts.now.mono;
        if forgotten.len().max(silent.len()) >= FORGOTTEN_AT_ONCE {
            self.next_sweep = now + TICK;
        }
        if now >= self.next_reclaim {
            self.next_reclaim = now + SWEEP_EVERY;
            self.targets.forget_empty_groups(&mut self.facts);
            self.digest();
            self.reclaim(listened);
        }
    }

    /// Forgets a target that was silent for too long, and the beat that it watches; the instance stays.
    fn forget_silent(&mut self, target: u32) {
        match self.targets.table.get(target).watched() {
            Watched::Beat(beat) => self.forget_beat(beat),
            Watched::Logs(id) => {
                self.facts.touched.insert(id.0);
                self.targets.forget_target(&mut self.facts, target);
                self.digest();
            }
            Watched::Group(_) => {
                self.targets.forget_target(&mut self.facts, target);
                self.digest();
            }
        }
    }

    /// Forgets beats that nobody expects, though their instance lives on. Examines a part of them in each turn.
    fn forget_idle_beats(&mut self, listened: Listened) {
        let all = self.facts.tracker.beats.len();
        let start = if self.next_beat < all {
            self.next_beat
        } else {
            0
        };
        let end = all.min(start + BEATS_AT_ONCE);
        self.next_beat = end;
        for beat in self.targets.idle_beats(&self.facts, listened, start..end) {
            self.forget_beat(beat);
        }
    }

    fn forget_beat(&mut self, beat: BeatId) {
        let row = self.facts.tracker.beat_row(beat);
        let (target, instance) = (row.target, row.instance);
        if self.targets.table.row(target).is_some() {
            self.targets.forget_target(&mut self.facts, target);
            self.digest();
        }
        self.facts.touched.insert(instance);
        self.history.forget(beat);
        self.facts.tracker.forget_beat(beat);
    }

    pub(in crate::core) fn forget(&mut self, id: InstanceId) {
        self.targets.forget(&mut self.facts, id);
        self.digest();
        self.facts.touched.remove(&id.0);
        self.unsaved.forgotten.push(id.0);
        self.facts.inventory.entries.remove(&id.0);
        for beat in self.facts.tracker.beats_of(id) {
            self.history.forget(beat);
        }
        self.facts.tracker.forget(id);
    }

    /// Evicts the oldest stopped instances in favour of new ones; true if there were any.
    #[cold]
    pub(in crate::core) fn evict_instances(&mut self) -> bool {
        let now = self.facts.now.mono;
        if now < self.next_eviction {
            return false;
        }
        let gone = self.targets.to_evict(&self.facts, FORGOTTEN_AT_ONCE);
        gone.iter().for_each(|id| self.forget(*id));
        self.facts.tracker.remove_forgotten_members();
        if gone.is_empty() {
            self.next_eviction = now + EVICT_EVERY;
        }
        !gone.is_empty()
    }

    /// Evicts the oldest stopped beat of an instance in favour of a new one; true if there was one.
    #[cold]
    pub(in crate::core) fn evict_beat(&mut self, id: InstanceId) -> bool {
        let beat = self.targets.beat_to_evict(&self.facts, id);
        if let Some(beat) = beat {
            self.forget_beat(beat);
        }
        beat.is_some()
    }
}
