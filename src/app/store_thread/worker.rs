//! The worker on the store's thread: its state, and its handling of each command.

use super::{Adopt, LastWordsOf, StoreCommand, StoreStatus, StoreThreadDeps};
use crate::app::delivery::{Finished, Outbox};
use crate::clock::Clock;
use crate::core::notice::{IncidentId, Notice, NoticeKind, Scope};
use crate::core::persist::{Checkpoint, TimelineRow};
use crate::core::silence::Silence;
use crate::core::time::Mono;
use crate::format;
use crate::io::metrics::Metrics;
use crate::io::notifier::{Delivery, Outcome};
use crate::io::store::{Batch, Opened, Repaired, Store, StoreFault, stored_kind};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;
use tracing::{error, info, warn};

/// Commands that share one transaction if so many wait: a storm of incidents costs little more than one.
const TOGETHER: usize = 256;
/// Limit of rows that wait for a file that cannot be written: an hour of a bad day, at some kilobytes each. Beyond it the oldest
/// are dropped, and what is still open or unsent is written again.
const MAX_BACKLOG: usize = 20_000;
/// Retry interval of a file that cannot be written, without checkpoints.
const TRY_EVERY: Duration = Duration::from_secs(5);
/// Interval in which the same problem is logged.
const LOG_EVERY: Duration = Duration::from_secs(60);
/// Interval in which the history is pruned.
const PRUNE_EVERY: Duration = Duration::from_secs(3600);

/// Last entries of an instance in a notification.
const LAST_WORDS: usize = 5;

pub(super) struct Worker {
    path: Option<PathBuf>,
    outbox: Arc<dyn Outbox>,
    adopt: Adopt,
    metrics: Arc<Metrics>,
    words: LastWordsOf,
    clock: Clock,
    status: Arc<StoreStatus>,
    /// `None`: it could not be opened yet.
    store: Option<Store>,
    /// True while the file's slots are another run's: it was opened late or created anew. Only a whole checkpoint writes instances then.
    is_strange: bool,
    /// Batches that could not be written, in order.
    backlog: VecDeque<Batch>,
    backlog_rows: usize,
    /// Unfinished deliveries, for a new file.
    unsent: BTreeMap<u64, Delivery>,
    /// Silences for a new file; `None`: not known here.
    silences: Option<Vec<Silence>>,
    /// True if all of the above are to be written, beside the backlog.
    writes_all: bool,
    last_id: u64,
    log_after: Mono,
    prune_after: Mono,
}

impl Worker {
    pub(super) fn new(deps: StoreThreadDeps, status: Arc<StoreStatus>) -> Self {
        for reason in StoreFault::LABELS {
            deps.metrics.store_failed(reason, 0);
        }
        Worker {
            path: deps.path,
            outbox: deps.outbox,
            adopt: deps.adopt,
            metrics: deps.metrics,
            words: deps.words,
            clock: deps.clock,
            status,
            store: None,
            is_strange: false,
            backlog: VecDeque::new(),
            backlog_rows: 0,
            unsent: BTreeMap::new(),
            silences: None,
            writes_all: false,
            last_id: 0,
            log_after: Mono::ZERO,
            prune_after: Mono::ZERO,
        }
    }

    pub(super) fn run(
        mut self,
        opened: Result<Opened, StoreFault>,
        orders: &Receiver<StoreCommand>,
    ) {
        match opened {
            Ok(opened) => {
                self.silences = Some(opened.silences);
                self.opened(opened.store, opened.deliveries);
            }
            Err(fault) => self.failed(&fault),
        }
        loop {
            match orders.recv_timeout(TRY_EVERY) {
                Ok(order) => self.take(order, orders),
                Err(RecvTimeoutError::Timeout) => {
                    self.recover();
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.recover();
    }

    /// Takes over an open store, and sends its pending deliveries.
    fn opened(&mut self, store: Store, deliveries: Vec<Delivery>) {
        self.store = Some(store);
        self.well();
        self.last_id = deliveries
            .iter()
            .map(|one| one.id)
            .fold(self.last_id, u64::max);
        let unsent = deliveries.iter().map(|one| (one.id, one.clone()));
        self.unsent.extend(unsent);
        self.outbox.send(deliveries);
    }

    /// Handles a command and those that wait behind it, as far as they share a transaction.
    fn take(&mut self, first: StoreCommand, orders: &Receiver<StoreCommand>) {
        let mut batch = Batch::default();
        let mut deliveries = Vec::new();
        let mut next = Some(first);
        let mut taken = 0;
        while let Some(order) = next.take() {
            if !matches!(order, StoreCommand::Checkpoint(_)) {
                self.status.waiting.fetch_sub(1, Ordering::AcqRel);
            }
            match order {
                StoreCommand::Decided(decided) => {
                    for notice in &decided.notices {
                        self.notice(notice, &mut batch, &mut deliveries);
                    }
                    batch.incidents.extend(decided.decision.incidents);
                    batch.instances.extend(decided.decision.instances);
                    batch.forgotten.extend(decided.forgotten);
                }
                StoreCommand::Finished(finished) => self.done(&finished, &mut batch),
                StoreCommand::Happened(incident, what) => self.happened(incident, what, &mut batch),
                StoreCommand::Silences(silences) => {
                    self.silences = Some(silences.clone());
                    batch.silences = Some(silences);
                }
                alone => {
                    self.write(std::mem::take(&mut batch), std::mem::take(&mut deliveries));
                    self.alone(alone);
                }
            }
            taken += 1;
            if taken < TOGETHER {
                next = orders.try_recv().ok();
            }
        }
        self.write(batch, deliveries);
    }

    /// Handles a command that does not share a transaction.
    fn alone(&mut self, order: StoreCommand) {
        match order {
            StoreCommand::Checkpoint(checkpoint) => {
                self.checkpoint(*checkpoint);
                self.status.has_checkpoint.store(false, Ordering::Release);
            }
            StoreCommand::History(query, answer) => {
                // The receiver may be gone.
                let found = self.read(|store| store.history(&query));
                let _ = answer.send(found);
            }
            StoreCommand::Outages(from, answer) => {
                let found = self.read(|store| store.outages(from));
                let _ = answer.send(found);
            }
            StoreCommand::Forgotten(from, answer) => {
                let found = self.read(|store| store.forgotten(from));
                let _ = answer.send(found);
            }
            StoreCommand::Flush(answer) => {
                let is_well = self.recover();
                let _ = answer.send(is_well);
                if let Some(Err(fault)) = self.store.as_ref().map(Store::empty_log) {
                    let fault = format::error_chain(&fault);
                    tracing::debug!(fault, "the log of the state file was not emptied");
                }
            }
            StoreCommand::Decided(_)
            | StoreCommand::Finished(_)
            | StoreCommand::Happened(..)
            | StoreCommand::Silences(_) => {}
        }
    }

    /// Adds the last words of a single instance that is silent.
    fn with_last_words(&self, notice: &Notice) -> Notice {
        let who = &notice.who;
        let is_one = notice.scope == Scope::Instance && !who.instance.is_empty();
        let is_over = matches!(notice.kind, NoticeKind::Closed(_));
        let mut notice = notice.clone();
        if is_one && !is_over {
            let who = &notice.who;
            let subject = format!("logs.{}.{}.{}", who.app, who.region, who.instance);
            notice.last_words = (self.words)(&subject, LAST_WORDS);
        }
        notice
    }

    fn notice(&mut self, notice: &Notice, batch: &mut Batch, deliveries: &mut Vec<Delivery>) {
        let what = stored_kind(notice.kind);
        let row = TimelineRow {
            at: notice.decided,
            what,
        };
        batch.timeline.push((notice.incident, row));
        for mut one in self.outbox.prepare(&self.with_last_words(notice)) {
            one.id = self.next_id();
            self.unsent.insert(one.id, one.clone());
            batch.deliveries.push(one.clone());
            deliveries.push(one);
        }
    }

    /// The next delivery's number, from the wall clock: none returns after a restart, whatever the file lost.
    fn next_id(&mut self) -> u64 {
        let now = (self.clock.now().wall.nanos() / 1_000_000) << 8;
        self.last_id = now.max(self.last_id + 1);
        self.last_id
    }

    fn done(&mut self, finished: &Finished, batch: &mut Batch) {
        if finished.leaves_mark {
            if let Some(mark) = self.unsent.get_mut(&finished.id) {
                mark.rendered.body = Bytes::new();
                batch.deliveries.push(mark.clone());
            }
        } else if self.unsent.remove(&finished.id).is_some() {
            batch.done.push(finished.id);
        }
        if self.unsent.remove(&finished.released).is_some() {
            batch.done.push(finished.released);
        }
        let (notifier, after) = (&finished.notifier, delay(finished.delay));
        let kind = stored_kind(finished.kind);
        let what = match finished.outcome {
            Outcome::Delivered => format!("sent to {notifier} after {after}: {kind}"),
            Outcome::Rejected => format!("rejected by {notifier} after {after}: {kind}"),
            Outcome::GivenUp => format!("dropped for {notifier} after {after}: {kind}"),
            Outcome::Retried => return,
        };
        self.happened(finished.incident, what, batch);
    }

    fn happened(&self, incident: IncidentId, what: String, batch: &mut Batch) {
        let at = self.clock.now().wall;
        batch.timeline.push((incident, TimelineRow { at, what }));
    }

    /// Writes a batch, or adds it to the backlog; its deliveries are sent either way.
    fn write(&mut self, mut batch: Batch, deliveries: Vec<Delivery>) {
        if self.is_strange {
            batch.instances.clear();
        }
        if batch != Batch::default() {
            let can = self.store.is_some() && self.backlog.is_empty() && !self.writes_all;
            if !can || !self.save(&batch) {
                self.put_off(batch);
            }
        }
        if !deliveries.is_empty() {
            self.outbox.send(deliveries);
        }
    }

    fn put_off(&mut self, batch: Batch) {
        self.backlog_rows += rows(&batch);
        self.backlog.push_back(batch);
        while self.backlog_rows > MAX_BACKLOG
            && let Some(oldest) = self.backlog.pop_front()
        {
            self.backlog_rows -= rows(&oldest);
            self.writes_all = true;
            warn!(
                incidents = oldest.incidents.len(),
                "the history has a gap: too much is pending for a state file that cannot be written"
            );
        }
    }

    fn checkpoint(&mut self, mut checkpoint: Checkpoint) {
        let is_whole = checkpoint.whole;
        // One that was begun before the file was opened lacks what the file held.
        let is_late = self.store.is_none();
        if !self.recover() || is_late || (self.is_strange && !is_whole) {
            self.status.wants_whole.store(true, Ordering::Release);
            return;
        }
        let batch = Batch {
            checkpoint: Some(std::mem::take(&mut checkpoint)),
            ..Batch::default()
        };
        let begun = self.clock.mono();
        // Before it is written: what fails meanwhile asks for another.
        if is_whole {
            self.status.wants_whole.store(false, Ordering::Release);
            self.is_strange = false;
        }
        if !self.save(&batch) {
            self.status.wants_whole.store(true, Ordering::Release);
            return;
        }
        let took = self.clock.mono().since(begun);
        self.metrics.store_checkpoint.observe(took.as_secs_f64());
        self.prune();
    }

    fn prune(&mut self) {
        let now = self.clock.now();
        let Some(store) = &mut self.store else { return };
        if now.mono >= self.prune_after {
            self.prune_after = now.mono + PRUNE_EVERY;
            match store.prune(now.wall) {
                Ok(0) => {}
                Ok(gone) => info!(gone, "old incidents were pruned from the history"),
                Err(fault) => self.failed(&fault),
            }
        }
        let bytes = self.store.as_ref().map_or(0, Store::bytes);
        self.metrics
            .store_bytes
            .set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Reads from the store; an error is a text for people.
    fn read<T>(&self, read: impl Fn(&Store) -> Result<T, StoreFault>) -> Result<T, String> {
        let Some(store) = &self.store else {
            let problem = self.status.problem.load();
            let why = problem
                .as_ref()
                .map_or(String::new(), |why| why.to_string());
            return Err(why);
        };
        read(store).map_err(|fault| format::error_chain(&fault))
    }

    /// Opens the file if it is not open, and writes the backlog. True if all is written.
    fn recover(&mut self) -> bool {
        if self.store.is_none() && !self.open_late() {
            return false;
        }
        if self.writes_all {
            let all = Batch {
                deliveries: self.unsent.values().cloned().collect(),
                silences: self.silences.clone(),
                ..Batch::default()
            };
            if !self.save(&all) {
                return false;
            }
            self.writes_all = false;
        }
        while let Some(mut batch) = self.backlog.pop_front() {
            let rows = rows(&batch);
            if self.is_strange {
                batch.instances.clear();
            }
            if !self.save(&batch) {
                self.backlog.push_front(batch);
                return false;
            }
            self.backlog_rows -= rows;
            self.status.wants_whole.store(true, Ordering::Release);
        }
        self.well();
        true
    }

    /// Gives the core what it does not know of the file's content; then the core's state replaces it.
    fn open_late(&mut self) -> bool {
        match Store::open(self.path.as_deref(), self.clock.now().wall) {
            Ok(opened) => {
                let (instances, open) =
                    (opened.saved.instances.len(), opened.saved.incidents.len());
                let notices = opened.deliveries.len();
                info!(instances, open, notices, "the state file was opened");
                if let Some(ours) = &mut self.silences {
                    let is_new = |one: &&Silence| !ours.iter().any(|our| our.id == one.id);
                    let theirs: Vec<_> = opened.silences.iter().filter(is_new).cloned().collect();
                    ours.extend(theirs);
                }
                (self.adopt)(opened.saved, opened.silences);
                self.is_strange = true;
                self.writes_all = true;
                self.status.wants_whole.store(true, Ordering::Release);
                self.opened(opened.store, opened.deliveries);
                true
            }
            Err(fault) => {
                self.failed(&fault);
                false
            }
        }
    }

    /// Writes a batch in one transaction, and once more if the file could be repaired. True if it is written.
    fn save(&mut self, batch: &Batch) -> bool {
        let Some(store) = &mut self.store else {
            return false;
        };
        let fault = match store.save(batch) {
            Ok(()) => return true,
            Err(fault) => fault,
        };
        self.metrics.store_failed(fault.label(), 1);
        let what = format::error_chain(&fault);
        let mended = match store.repair(fault, self.clock.now().wall) {
            Ok(mended) => mended,
            Err(fault) => {
                self.say(&fault);
                return false;
            }
        };
        self.status.wants_whole.store(true, Ordering::Release);
        match mended {
            Repaired::Copied(aside) => {
                error!(?aside, "{what}: all state was written to a new one");
            }
            Repaired::Anew(aside) => {
                error!(
                    ?aside,
                    "{what}: it was moved aside, and a new one without its history was created"
                );
                self.is_strange = true;
                self.writes_all = true;
            }
        }
        let Some(store) = &mut self.store else {
            return false;
        };
        match store.save(batch) {
            Ok(()) => true,
            Err(fault) => {
                self.failed(&fault);
                false
            }
        }
    }

    fn failed(&mut self, fault: &StoreFault) {
        self.metrics.store_failed(fault.label(), 1);
        self.say(fault);
    }

    fn say(&mut self, fault: &StoreFault) {
        let what = format::error_chain(fault);
        self.metrics.store_writable.set(0);
        let now = self.clock.mono();
        if now >= self.log_after {
            self.log_after = now + LOG_EVERY;
            error!(
                waiting = self.backlog_rows,
                "state is not stored, lastbeat continues from memory: {what}"
            );
        }
        self.status.problem.store(Some(Arc::new(what)));
    }

    fn well(&mut self) {
        self.metrics.store_writable.set(1);
        // A disk that is nearly full takes some of it, again and again: its problem is logged once a minute all the same.
        if self.status.problem.swap(None).is_some() && self.clock.mono() >= self.log_after {
            info!("state is stored again");
        }
    }
}

/// A delay for people: in tenths of a second below a minute.
fn delay(length: Duration) -> String {
    match length.as_secs() {
        0..60 => format!("{:.1}s", length.as_secs_f64()),
        _ => format::duration(length),
    }
}

/// Rows of a batch, for the limit of the backlog.
fn rows(batch: &Batch) -> usize {
    1 + batch.incidents.len()
        + batch.instances.len()
        + batch.deliveries.len()
        + batch.timeline.len()
        + batch.done.len()
        + batch.forgotten.len()
}
