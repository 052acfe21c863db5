//! The archive's thread: from chunks to last words and segments.

use super::chunk::Chunk;
use super::content::Content;
use super::disk::{Disk, is_no_room};
use super::recorder::Inbox;
use super::remembered;
use super::status::{ArchiveHandle, ArchiveStatus, SharedWords};
use super::{ArchiveDeps, ReportProblem};
use crate::clock::Clock;
use crate::core::rule::RuleSet;
use crate::core::time::{Mono, Now};
use crate::decode::archive_line::{Mark, write_mark};
use crate::format;
use crate::io::metrics::Metrics;
use arc_swap::ArcSwap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;
use tracing::{info, warn};

/// Longest wait for a chunk: what is due by time is done then.
const TURN: Duration = Duration::from_millis(500);
/// Interval of attempts to write again.
const RETRY: Duration = Duration::from_secs(5);
/// Trouble that lasts this long is an incident.
const ALERT_AFTER: Duration = Duration::from_secs(30);

pub(super) struct Worker {
    folder: Option<PathBuf>,
    rules: Arc<ArcSwap<RuleSet>>,
    content: Content,
    words: SharedWords,
    status: Arc<ArchiveStatus>,
    report: ReportProblem,
    metrics: Arc<Metrics>,
    clock: Clock,
    disk: Option<Disk>,
    /// Entries that the disk did not take, until that is marked.
    lost: u64,
    /// Arrival clock: the beginning of the trouble.
    failing_since: Option<Mono>,
    why: String,
    retry_at: Mono,
    /// The last report that was taken; `None`: nothing was reported yet.
    reported: Option<bool>,
    is_remembered: bool,
    /// Something was written, or nothing is to be: an archive that is open may still be full.
    is_proved: bool,
    sealed: u64,
}

impl Worker {
    pub(super) fn new(folder: Option<PathBuf>, deps: ArchiveDeps, handle: &ArchiveHandle) -> Self {
        Worker {
            is_proved: folder.is_none(),
            folder,
            content: Content::new(deps.rules.load_full()),
            rules: deps.rules,
            words: handle.words(),
            status: handle.status(),
            report: deps.report,
            metrics: deps.metrics,
            clock: deps.clock,
            disk: None,
            lost: 0,
            failing_since: None,
            why: String::new(),
            retry_at: Mono::ZERO,
            reported: None,
            is_remembered: false,
            sealed: 0,
        }
    }

    pub(super) fn run(mut self, inbox: &Inbox) {
        self.open();
        loop {
            match inbox.chunks.recv_timeout(TURN) {
                Ok(chunk) => {
                    self.chunk(&chunk);
                    inbox.done(chunk);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.turn();
        }
        if let Some(disk) = &mut self.disk {
            disk.finish();
        }
    }

    /// Opens the folder, where there is one and it is not open.
    fn open(&mut self) {
        let now = self.clock.now();
        let Some(folder) = self
            .folder
            .clone()
            .filter(|_| self.disk.is_none() && now.mono >= self.retry_at)
        else {
            return;
        };
        match Disk::open(&folder, now) {
            Ok(disk) => {
                info!(folder = %folder.display(), segments = disk.segments().len(), "the archive is open");
                if !std::mem::replace(&mut self.is_remembered, true) {
                    let redact = self.content.rule().redact.clone();
                    remembered::start(&self.words, disk.segments(), now.wall, redact);
                }
                self.disk = Some(disk);
            }
            Err(fault) => self.failed(&fault, now),
        }
    }

    fn chunk(&mut self, chunk: &Chunk) {
        let now = self.clock.now();
        let rules = self.rules.load_full();
        if !self.content.is_of(&rules) {
            self.content = Content::new(rules);
        }
        self.open();
        let rule = self.content.rule().clone();
        let is_written = self.folder.is_some();
        let (lines, entries) = self.content.take(chunk, &self.words, is_written);
        if !is_written {
            return;
        }
        let disk = self.disk.as_mut().filter(|_| now.mono >= self.retry_at);
        let appended = disk.map(|disk| match self.lost {
            0 => disk.append(lines, &rule, now),
            lost => {
                let mut with_loss = Vec::with_capacity(lines.len() + 64);
                write_mark(&mut with_loss, now.wall, &Mark::Lost(lost));
                with_loss.extend_from_slice(lines);
                disk.append(&with_loss, &rule, now)
            }
        });
        match appended {
            Some(Ok(())) => {
                self.metrics.archive.entries.inc_by(entries);
                self.lost = 0;
                self.is_proved = true;
                self.well();
            }
            Some(Err(fault)) => {
                self.lose(entries);
                self.failed(&fault, now);
            }
            None => self.lose(entries),
        }
    }

    fn turn(&mut self) {
        self.open();
        let now = self.clock.now();
        if let Some(disk) = self.disk.as_mut().filter(|_| now.mono >= self.retry_at) {
            let turned = disk.turn(self.content.rule(), now);
            let (sizes, sealed) = (disk.sizes(), disk.sealed());
            let metrics = &self.metrics.archive;
            metrics
                .bytes
                .set(i64::try_from(sizes.bytes).unwrap_or(i64::MAX));
            metrics
                .segments
                .set(i64::try_from(sizes.segments).unwrap_or(i64::MAX));
            metrics.oldest.set(sizes.oldest as f64);
            metrics.sealed.inc_by(sealed.saturating_sub(self.sealed));
            self.sealed = sealed;
            match turned {
                Ok(()) if self.lost == 0 => self.well(),
                Ok(()) => {}
                Err(fault) => self.failed(&fault, now),
            }
        }
        self.tell(now);
    }

    fn lose(&mut self, entries: u64) {
        self.lost += entries;
        self.metrics.archive.lost_on_disk().inc_by(entries);
    }

    fn well(&mut self) {
        if self.failing_since.take().is_some() {
            info!("the archive is written again");
        }
        self.metrics.archive.writable.set(1);
        self.status.well();
    }

    fn failed(&mut self, fault: &io::Error, now: Now) {
        self.retry_at = now.mono + RETRY;
        let folder = self
            .folder
            .as_deref()
            .unwrap_or_else(|| std::path::Path::new(""));
        self.why = format!("{}: {}", folder.display(), format::error_chain(fault));
        if self.failing_since.is_none() {
            self.failing_since = Some(now.mono);
            warn!("nothing is archived: {}; trying again every 5 s", self.why);
        }
        if !is_no_room(fault) {
            self.disk = None;
        }
        self.metrics.archive.writable.set(0);
        self.status.fail(self.why.clone());
    }

    /// Tells the core of trouble that lasts, and of its end.
    fn tell(&mut self, now: Now) {
        let lasts = self
            .failing_since
            .is_some_and(|since| now.mono.since(since) >= ALERT_AFTER);
        let is_well = self.failing_since.is_none();
        let news = match self.reported {
            Some(true) if is_well => false,
            Some(false) if lasts => true,
            None if lasts => true,
            // An incident of an earlier run ends with the first lines, and not before.
            None if is_well && self.is_proved => false,
            _ => return,
        };
        if (self.report)(news.then(|| self.why.clone())) {
            self.reported = Some(news);
        }
    }
}
