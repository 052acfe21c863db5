//! Copies for readers, made slice by slice between batches of entries.

use crate::core::engine::Engine;
use crate::core::snapshot::Snapshot;
use crate::core::snapshot::copy::Copying;
use crate::core::time::Now;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Slots copied before entries get their turn: a tenth of a millisecond or so.
const SLICE: usize = 256;

type Reader = oneshot::Sender<Arc<Snapshot>>;

/// Who makes them.
#[derive(Debug)]
pub(super) struct SnapshotPublisher {
    /// Rows of instances and beats in a copy at most.
    max_series: usize,
    under_way: Option<Box<Copying>>,
    /// Who gets the copy that is under way.
    readers: Vec<Reader>,
    /// Who asked after it was begun, and gets the next: what they have just changed is in it.
    later: Vec<Reader>,
}

impl SnapshotPublisher {
    /// Nobody has asked yet.
    pub fn new(max_series: usize) -> Self {
        SnapshotPublisher {
            max_series,
            under_way: None,
            readers: Vec::new(),
            later: Vec::new(),
        }
    }

    /// Somebody core_requests.
    pub fn ask(&mut self, reader: Reader) {
        self.later.push(reader);
    }

    /// Whether a slice is to be copied.
    pub fn is_busy(&self) -> bool {
        self.under_way.is_some() || !self.later.is_empty()
    }

    /// The rules have changed: what is under way counts by numbers that are no more.
    pub fn begin_anew(&mut self, engine: &Engine) {
        if self.under_way.is_some() {
            self.under_way = Some(engine.begin_copy(self.max_series));
        }
    }

    /// Copies a slice. `canary` is how long the last one was under way.
    pub fn turn(&mut self, engine: &Engine, now: Now, canary: Option<Duration>) {
        let copying = self.under_way.take().unwrap_or_else(|| {
            self.readers = std::mem::take(&mut self.later);
            engine.begin_copy(self.max_series)
        });
        match engine.copy_on(copying, SLICE, now) {
            Err(unfinished) => self.under_way = Some(unfinished),
            Ok(mut snapshot) => {
                snapshot.canary = canary;
                let snapshot = Arc::new(snapshot);
                for reader in self.readers.drain(..) {
                    // Whoever asked may be gone already.
                    let _ = reader.send(snapshot.clone());
                }
            }
        }
    }
}
