//! Checkpoints of the core's state for the store, read slice by slice between batches of entries.

use super::store_thread::StoreHandle;
use crate::core::engine::Engine;
use crate::core::persist::export::Draft;
use crate::core::time::{Mono, Now};
use std::sync::Arc;
use std::time::Duration;

/// Interval of checkpoints: a crash loses so much of last-seen, which then counts as blind.
const EVERY: Duration = Duration::from_secs(5);
/// Delay of a checkpoint after a new instance was heard, so that a crash forgets none.
const SOON: Duration = Duration::from_millis(200);
/// Longest delay of a checkpoint while the store writes the one before: beyond it its disk hangs.
const AT_MOST_LATE: Duration = Duration::from_secs(60);
/// Slots read before entries get their turn: well under a millisecond, whatever their beats say.
const SLICE: usize = 256;

/// Takes checkpoints.
pub struct Checkpointer {
    store: Arc<StoreHandle>,
    next: Mono,
    /// Number of instances at the last turn.
    known: usize,
    draft: Option<Box<Draft>>,
}

impl Checkpointer {
    /// A checkpointer whose first checkpoint is due an interval after `now`.
    pub fn new(store: Arc<StoreHandle>, now: Mono) -> Self {
        Checkpointer {
            store,
            next: now + EVERY,
            known: 0,
            draft: None,
        }
    }

    /// Begins a checkpoint if one is due.
    pub fn turn(&mut self, engine: &mut Engine, now: Now) {
        let known = std::mem::replace(&mut self.known, engine.instances());
        if self.known > known {
            self.next = self.next.min(now.mono + SOON);
        }
        let is_due = self.draft.is_none() && now.mono >= self.next;
        // The store has no room for a second one. What was heard meanwhile is in the one after it; to leave one out would
        // ask for everything anew, again and again where that takes longer than an interval.
        let may_wait = now.mono < self.next + AT_MOST_LATE;
        if is_due && !(may_wait && self.store.has_checkpoint()) {
            self.begin(engine, now);
        }
    }

    fn begin(&mut self, engine: &mut Engine, now: Now) {
        self.next = now.mono + EVERY;
        let whole = self.store.wants_whole();
        if whole || engine.has_changed() {
            self.draft = Some(engine.begin_checkpoint(whole, now));
        }
    }

    /// Drops a checkpoint in progress, which lacks what the core has just taken over; the next one is whole.
    pub fn adopted(&mut self) {
        self.draft = None;
    }

    /// True while a checkpoint is in progress.
    pub fn is_busy(&self) -> bool {
        self.draft.is_some()
    }

    /// Reads a slice of the checkpoint in progress.
    pub fn read_on(&mut self, engine: &mut Engine, now: Now) {
        let Some(draft) = self.draft.take() else {
            return;
        };
        match engine.read_on(draft, SLICE, now) {
            Ok(checkpoint) => self.store.checkpoint(checkpoint),
            Err(more) => self.draft = Some(more),
        }
    }

    /// Takes the last checkpoint, at once.
    pub fn finish(&mut self, engine: &mut Engine, now: Now) {
        let read = |checkpointer: &mut Self, engine: &mut Engine| {
            while checkpointer.is_busy() {
                checkpointer.read_on(engine, now);
            }
        };
        read(self, engine);
        self.begin(engine, now);
        read(self, engine);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::store_thread;
    use crate::core::engine::Options;
    use crate::core::rule::RuleSet;
    use crate::core::time::Wall;

    fn at(seconds: u64) -> Now {
        let nanos = seconds * 1_000_000_000;
        Now {
            mono: Mono::from_nanos(nanos),
            wall: Wall::from_nanos(1_700_000_000_000_000_000 + nanos),
        }
    }

    #[test]
    fn while_the_store_writes_one_no_other_begins_and_nothing_is_asked_for_anew() {
        let options = Options {
            first_incident: 1,
            ..Options::default()
        };
        let mut engine = Engine::new(RuleSet::default(), options, at(0));
        // Nobody takes what is sent to the store: its disk is slow.
        let (store, _inbox) = store_thread::channel();
        let store = Arc::new(store);
        let mut checkpointer = Checkpointer::new(store.clone(), at(0).mono);
        let mut begins = |seconds: u64| {
            engine.arrive(at(seconds));
            checkpointer.turn(&mut engine, at(seconds));
            let begun = checkpointer.is_busy();
            while checkpointer.is_busy() {
                checkpointer.read_on(&mut engine, at(seconds));
            }
            begun
        };
        assert!(begins(5));
        assert!(store.has_checkpoint());
        assert!(!begins(10) && !begins(60));
        assert!(!store.wants_whole(), "none was left out");
        // A disk that hangs: as ever, everything is asked for.
        assert!(begins(71));
        assert!(store.wants_whole());
    }
}
