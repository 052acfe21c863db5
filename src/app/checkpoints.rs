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
        if self.draft.is_some() || now.mono < self.next {
            return;
        }
        self.next = now.mono + EVERY;
        let whole = self.store.wants_whole();
        if whole || engine.has_changed() {
            self.draft = Some(engine.begin_checkpoint(whole, now));
        }
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
        self.next = now.mono;
        self.turn(engine, now);
        read(self, engine);
    }
}
