//! Snapshots for readers, built slice by slice between batches of entries.

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

/// Builds snapshots for readers.
#[derive(Debug)]
pub(super) struct SnapshotPublisher {
    /// Limit of the rows of instances and beats in a snapshot.
    max_series: usize,
    under_way: Option<Box<Copying>>,
    /// Readers of the snapshot in progress.
    readers: Vec<Reader>,
    /// Readers that asked after it was begun. They get the next one, which holds what they have just changed.
    later: Vec<Reader>,
}

impl SnapshotPublisher {
    /// No snapshot in progress, no readers.
    pub fn new(max_series: usize) -> Self {
        SnapshotPublisher {
            max_series,
            under_way: None,
            readers: Vec::new(),
            later: Vec::new(),
        }
    }

    /// Adds a reader, for the next snapshot to begin.
    pub fn ask(&mut self, reader: Reader) {
        self.later.push(reader);
    }

    /// True while there is a slice to copy.
    pub fn is_busy(&self) -> bool {
        self.under_way.is_some() || !self.later.is_empty()
    }

    /// Begins the snapshot in progress again: the rules have changed, and with them the numbers of targets.
    pub fn begin_anew(&mut self, engine: &Engine) {
        if self.under_way.is_some() {
            self.under_way = Some(engine.begin_copy(self.max_series));
        }
    }

    /// Copies a slice. `canary` is the canary's last round trip.
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
                    // The receiver may be gone already.
                    let _ = reader.send(snapshot.clone());
                }
            }
        }
    }
}
