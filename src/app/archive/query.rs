//! Searches of the archive for the API: a few at once, and each for a bounded time.

use crate::clock::NowFn;
use crate::core::time::Mono;
use crate::decode::api_query::EntriesQuery;
use crate::decode::archive_line::ArchivedEntry;
use crate::decode::redact;
use crate::io::archive::search::{Finds, Place, Query, search};
use crate::io::archive::segment::readable;
use crate::io::http::backend::EntriesFault;
use crate::io::http::dto::entry::{Entries, Entry};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Searches at once: each takes a core.
const SEARCHES: usize = 2;
/// Time of one search; what it found by then is a page.
const WITHIN: Duration = Duration::from_secs(10);
/// Bytes of the entries of a page.
const PAGE_BYTES: usize = 2 << 20;

/// Searches for the API.
pub struct Searches {
    folder: Option<PathBuf>,
    running: Arc<Semaphore>,
    now: NowFn,
}

impl Searches {
    /// Of the archive in a folder; `None`: there is none.
    pub fn new(folder: Option<PathBuf>, now: NowFn) -> Self {
        Searches {
            folder,
            running: Arc::new(Semaphore::new(SEARCHES)),
            now,
        }
    }

    /// Searches, on a blocking thread.
    ///
    /// # Errors
    /// There is no archive, it cannot be read, or too many searches run.
    pub async fn run(&self, asked: EntriesQuery) -> Result<Entries, EntriesFault> {
        let folder = self.folder.clone().ok_or(EntriesFault::NoArchive)?;
        let running = Arc::clone(&self.running).try_acquire_owned();
        let running = running.map_err(|_| EntriesFault::Busy)?;
        let now = Arc::clone(&self.now);
        let page = tokio::task::spawn_blocking(move || {
            let _running = running;
            page(&folder, asked, &now)
        });
        let page = page
            .await
            .map_err(|fault| EntriesFault::Unreadable(fault.to_string()))?;
        page.map_err(|fault| EntriesFault::Unreadable(fault.to_string()))
    }
}

fn page(folder: &Path, asked: EntriesQuery, now: &NowFn) -> std::io::Result<Entries> {
    let from = asked.cursor.as_deref().and_then(Place::parse);
    let query = Query {
        since: asked.since,
        until: asked.until,
        app: asked.app,
        region: asked.region,
        instance: asked.instance,
        text: asked.q,
        // The query was checked.
        regex: asked.regex.and_then(|regex| redact::compile(&regex).ok()),
        levels: asked.levels,
        marks: false,
    };
    let mut page = Page {
        entries: Vec::new(),
        bytes: 0,
        limit: asked.limit as usize,
        now,
        deadline: now().mono + WITHIN,
    };
    let segments = readable(folder)?;
    let searched = search(&segments, &query, from.as_ref(), &mut page)?;
    Ok(Entries {
        entries: page.entries,
        next: searched.next.map(|place| place.text()),
        done: searched.is_done,
        damaged: searched.damaged,
    })
}

struct Page<'n> {
    entries: Vec<Entry>,
    bytes: usize,
    limit: usize,
    now: &'n NowFn,
    deadline: Mono,
}

impl Finds for Page<'_> {
    fn entry(&mut self, entry: &ArchivedEntry<'_>) -> ControlFlow<()> {
        self.bytes += entry.payload.len();
        self.entries.push(Entry {
            at: entry.at.into(),
            subject: entry.subject.to_owned(),
            message: String::from_utf8_lossy(&entry.payload).into_owned(),
        });
        match self.entries.len() >= self.limit || self.bytes >= PAGE_BYTES {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    fn go_on(&mut self, _: f64) -> ControlFlow<()> {
        match (self.now)().mono >= self.deadline {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }
}
