//! When the core's state is read for the store, and in slices of what size.

use super::store_thread::StoreHandle;
use crate::core::engine::Engine;
use crate::core::persist::export::Draft;
use crate::core::time::{Mono, Now};
use std::sync::Arc;
use std::time::Duration;

/// Between two checkpoints: so much of last-seen a crash loses, which then counts as blind.
const EVERY: Duration = Duration::from_secs(5);
/// A checkpoint is due so soon after somebody new was heard: whoever is known to us is known after a crash.
const SOON: Duration = Duration::from_millis(200);
/// Slots read before entries get their turn: well under a millisecond, whatever their beats say.
const SLICE: usize = 256;

/// Reads the core for the store.
pub struct Checkpointer {
    store: Arc<StoreHandle>,
    next: Mono,
    /// How many instances were known at the last look.
    known: usize,
    draft: Option<Box<Draft>>,
}

impl Checkpointer {
    /// A checkpointer whose first checkpoint is due soon after `now`.
    pub fn new(store: Arc<StoreHandle>, now: Mono) -> Self {
        Checkpointer {
            store,
            next: now + EVERY,
            known: 0,
            draft: None,
        }
    }

    /// Begins a checkpoint where one is due.
    pub fn turn(&mut self, engine: &mut Engine, now: Now) {
        let known = std::mem::replace(&mut self.known, engine.instances());
        if self.known > known {
            self.next = self.next.min(now.mono + SOON);
        }
        if self.draft.is_some() || now.mono < self.next {
            return;
        }
        self.next = now.mono + EVERY;
        let whole = self.store.wants_whole();
        if whole || engine.has_changed() {
            self.draft = Some(engine.begin_checkpoint(whole, now));
        }
    }

    /// Whether there is more to read in a checkpoint.
    pub fn is_busy(&self) -> bool {
        self.draft.is_some()
    }

    /// Reads a slice of the checkpoint that is under way.
    pub fn read_on(&mut self, engine: &mut Engine, now: Now) {
        let Some(draft) = self.draft.take() else {
            return;
        };
        match engine.read_on(draft, SLICE, now) {
            Ok(checkpoint) => self.store.checkpoint(checkpoint),
            Err(more) => self.draft = Some(more),
        }
    }

    /// At the end: a last checkpoint, in one go.
    pub fn finish(&mut self, engine: &mut Engine, now: Now) {
        let read = |checkpointer: &mut Self, engine: &mut Engine| {
            while checkpointer.is_busy() {
                checkpointer.read_on(engine, now);
            }
        };
        read(self, engine);
        self.next = now.mono;
        self.turn(engine, now);
        read(self, engine);
    }
}
