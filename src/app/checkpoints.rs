//! When the core's state is read for the store, and in slices of what size.

use crate::core::engine::{Engine, Output};
use crate::core::persist::export::Draft;
use crate::core::persist::{Checkpoint, Decision};
use crate::core::time::{Mono, Now};
use std::time::Duration;

/// Between two checkpoints: so much of last-seen a crash loses, which then counts as blind.
const EVERY: Duration = Duration::from_secs(5);
/// A checkpoint is due so soon after somebody new was heard: whoever is known to us is known after a crash.
const SOON: Duration = Duration::from_millis(200);
/// Slots read before entries get their turn: well under a millisecond, whatever their beats say.
const SLICE: usize = 256;

/// Where what is to be kept goes. None of it may block.
pub struct StoreSink {
    /// What the core said, with what is to be kept before anybody is told.
    pub decided: Box<dyn FnMut(Vec<Output>, Option<Decision>) + Send>,
    /// What changed since the last one.
    pub checkpoint: Box<dyn FnMut(Checkpoint) + Send>,
    /// Whether the next checkpoint is to be of everything.
    pub wants_whole: Box<dyn Fn() -> bool + Send>,
}

/// Reads the core for the store.
pub struct Checkpointer {
    store_sink: StoreSink,
    next: Mono,
    /// How many instances were known at the last look.
    known: usize,
    draft: Option<Box<Draft>>,
}

impl Checkpointer {
    /// A checkpointer whose first checkpoint is due soon after `now`.
    pub fn new(store_sink: StoreSink, now: Mono) -> Self {
        Checkpointer {
            store_sink,
            next: now + EVERY,
            known: 0,
            draft: None,
        }
    }

    /// Hands on what the core said and decided.
    pub fn hand_on(&mut self, engine: &mut Engine) {
        let outputs: Vec<Output> = engine.drain().collect();
        let decision = engine.decision();
        if !outputs.is_empty() || decision.is_some() {
            (self.store_sink.decided)(outputs, decision);
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
        let whole = (self.store_sink.wants_whole)();
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
            Ok(checkpoint) => (self.store_sink.checkpoint)(checkpoint),
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
