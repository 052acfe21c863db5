//! Refills: ship a range of the archive to a sink again, for the command and for the service.
//!
//! The next batch is read and encoded while the sink takes the one before, so that neither waits for the other. Batches are
//! shipped one after another, in order, and the cursor moves behind each that was taken.

pub mod cursor;
pub mod service;

use crate::app::shipping::{Found, Hears, ShipFault, Shipped, Ships, ship_all};
use crate::core::globs::Globs;
use crate::core::time::Wall;
use crate::io::archive::search::{Place, Query, Searched};
use crate::io::archive::segment::Segment;
use crate::io::sink::Batch;
use cursor::{Cursor, Range};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::{JoinHandle, spawn_blocking};

/// A sink that takes nothing for so long is not waited for: a refill can be begun again.
const GIVE_UP: Duration = Duration::from_secs(600);

/// Sees a refill go on.
pub trait Sees {
    /// Entries were refused for good, and are kept in the file of rejected entries.
    fn rejected(&mut self, entries: u64, why: &str);
    /// An attempt failed, and there will be another after the wait.
    fn waits(&mut self, why: &str, wait: Duration);
    /// A batch is done; `last`: the arrival of its last entry, `None` where there was nothing to ship.
    fn moved(&mut self, cursor: &Cursor, last: Option<Wall>);
}

/// The end of a refill before its end. It can be begun again, behind what was taken.
#[derive(Debug, thiserror::Error)]
pub enum RefillFault {
    /// A segment.
    #[error("cannot read the archive")]
    Archive(#[source] io::Error),
    /// The sink.
    #[error(transparent)]
    Ship(#[from] ShipFault),
    /// The cursor file.
    #[error("cannot write {}", file.display())]
    Cursor {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Ships everything behind the cursor, and moves it. Gives the number of damaged parts of the archive that were left out.
///
/// # Errors
/// [`RefillFault`].
pub async fn refill<S: Ships + Send + Sync + 'static>(
    segments: Vec<Segment>,
    sink: Arc<S>,
    cursor: &mut Cursor,
    sees: &mut impl Sees,
) -> Result<u64, RefillFault> {
    let reader = Reader {
        source: Arc::new((segments, query(cursor.range()))),
        sink: Arc::clone(&sink),
        is_cancelled: Arc::default(),
    };
    let mut damaged = 0;
    let mut next = reader.read(cursor.place());
    loop {
        let read = next
            .await
            .unwrap_or_else(|fault| Err(io::Error::other(fault)));
        let (found, searched) = read.map_err(RefillFault::Archive)?;
        let following = (!searched.is_done).then(|| reader.read(searched.next.clone()));
        damaged += searched.damaged;
        let last = found.batch.last_arrival();
        let mut shipped = Shipped::default();
        if !found.batch.is_empty() {
            let mut hearer = Hearer { cursor, sees };
            shipped = ship_all(found.batch, &*sink, &mut hearer, GIVE_UP).await?;
        }
        let moved = cursor.move_to(searched.next, shipped, found.lost + found.dropped);
        moved.map_err(|source| RefillFault::Cursor {
            file: cursor.file().to_owned(),
            source,
        })?;
        sees.moved(cursor, last);
        match following {
            Some(following) => next = following,
            None => return Ok(damaged),
        }
    }
}

fn query(range: &Range) -> Query {
    Query {
        since: Some(range.from),
        until: Some(range.until),
        app: Globs::of_list(&range.app),
        // They say what the archive itself lacks.
        marks: true,
        ..Query::default()
    }
}

/// Reads and encodes batches on blocking threads, until it is dropped.
struct Reader<S> {
    source: Arc<(Vec<Segment>, Query)>,
    sink: Arc<S>,
    is_cancelled: Arc<AtomicBool>,
}

impl<S: Ships + Send + Sync + 'static> Reader<S> {
    fn read(&self, from: Option<Place>) -> JoinHandle<io::Result<(Found, Searched)>> {
        let (source, sink) = (Arc::clone(&self.source), Arc::clone(&self.sink));
        let found = Found {
            is_cancelled: Arc::clone(&self.is_cancelled),
            ..Found::default()
        };
        spawn_blocking(move || {
            let (segments, query) = &*source;
            found.next(segments, query, from.as_ref(), &*sink)
        })
    }
}

impl<S> Drop for Reader<S> {
    fn drop(&mut self) {
        self.is_cancelled.store(true, Ordering::Relaxed);
    }
}

/// Keeps what is rejected.
struct Hearer<'a, S> {
    cursor: &'a Cursor,
    sees: &'a mut S,
}

impl<S: Sees> Hears for Hearer<'_, S> {
    fn rejected(&mut self, batch: &Batch, why: &str) -> io::Result<()> {
        self.sees.rejected(batch.len() as u64, why);
        self.cursor.reject(batch, why)
    }

    fn waits(&mut self, why: &str, wait: Duration) {
        self.sees.waits(why, wait);
    }
}

#[cfg(test)]
mod tests;
