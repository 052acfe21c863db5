//! The store's thread, which owns the store, since writing waits for a disk.
//!
//! Decisions pass through here on their way to the notifiers: rendered, written in one transaction, then sent. Where
//! the file cannot be written they are sent all the same, and what is to be written is written in order once that is
//! possible. Only queries of the history wait for this thread.

#[cfg(test)]
mod tests;
mod worker;

use super::delivery::{Finished, Outbox};
use crate::clock::Clock;
use crate::core::last_words::LastWord;
use crate::core::notice::{IncidentId, Notice};
use crate::core::persist::{
    Checkpoint, Decision, ForgottenTarget, IncidentQuery, PastIncident, Saved,
};
use crate::core::silence::Silence;
use crate::core::snapshot::outages::Outages;
use crate::core::time::Wall;
use crate::io::metrics::Metrics;
use crate::io::store::{Opened, StoreFault};
use arc_swap::ArcSwapOption;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;
use tracing::error;
use worker::Worker;

/// Orders that may wait, checkpoints aside: a disk that hangs for minutes while everything fires. Some kilobytes each.
const MAX_WAITING: usize = 20_000;
/// Time limit of a query: beyond it the disk hangs.
const HISTORY_WITHIN: Duration = Duration::from_secs(5);

/// The core's decisions of one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decided {
    /// Notices to send.
    pub notices: Vec<Notice>,
    /// State to write before they are sent.
    pub decision: Decision,
    /// Targets that fired and are no longer watched.
    pub forgotten: Vec<ForgottenTarget>,
}

/// Gives the core the state and silences of a file that could be opened only after the start. Returns once the core
/// has taken them: everything the core knows is then written in place of the file's content.
pub type Adopt = Box<dyn Fn(Saved, Vec<Silence>) + Send>;

/// Gives the last entries of the instance of a subject, at most so many, the oldest first.
pub type LastWordsOf = Box<dyn Fn(&str, usize) -> Vec<LastWord> + Send>;

/// The thread's inputs and outputs.
pub struct StoreThreadDeps {
    /// The state file; `None`: in memory.
    pub path: Option<PathBuf>,
    /// Receives deliveries.
    pub outbox: Arc<dyn Outbox>,
    /// Called when the file is opened late.
    pub adopt: Adopt,
    /// Gives the last entries of an instance.
    pub words: LastWordsOf,
    /// The store's metrics.
    pub metrics: Arc<Metrics>,
    /// Dates the timeline.
    pub clock: Clock,
}

enum StoreCommand {
    Decided(Box<Decided>),
    Checkpoint(Box<Checkpoint>),
    Silences(Vec<Silence>),
    Finished(Finished),
    /// Adds a line to the timeline of an incident.
    Happened(IncidentId, String),
    History(
        Box<IncidentQuery>,
        oneshot::Sender<Result<Vec<PastIncident>, String>>,
    ),
    Outages(Wall, oneshot::Sender<Result<Outages, String>>),
    Forgotten(Wall, oneshot::Sender<Result<Vec<ForgottenTarget>, String>>),
    /// Answered once all before it is written, or could not be.
    Flush(oneshot::Sender<bool>),
}

/// State of the thread, for other threads.
#[derive(Default)]
struct StoreStatus {
    wants_whole: AtomicBool,
    /// Orders that wait, checkpoints aside.
    waiting: AtomicUsize,
    /// A checkpoint waits or is being written.
    has_checkpoint: AtomicBool,
    problem: ArcSwapOption<String>,
    /// The thread, once it runs.
    thread: OnceLock<JoinHandle<()>>,
}

/// Sends commands to the thread, from any thread. The thread ends once every handle is dropped.
pub struct StoreHandle {
    commands: Sender<StoreCommand>,
    status: Arc<StoreStatus>,
}

/// The receiving end of a [`StoreHandle`], before the thread runs.
pub struct StoreInbox {
    commands: Receiver<StoreCommand>,
    status: Arc<StoreStatus>,
}

/// A handle, and the inbox that the thread is started with: the notifiers, which the thread needs, report to the handle.
pub fn channel() -> (StoreHandle, StoreInbox) {
    let (sender, commands) = std::sync::mpsc::channel();
    let status = Arc::new(StoreStatus::default());
    let handle = StoreHandle {
        commands: sender,
        status: Arc::clone(&status),
    };
    (handle, StoreInbox { commands, status })
}

impl StoreInbox {
    /// Starts the thread. `opened` is the result of opening `deps.path`, without what the core has already restored;
    /// its pending deliveries are sent again. If opening failed, it is retried with each checkpoint.
    ///
    /// # Errors
    /// The operating system cannot start a thread.
    pub fn start(
        self,
        opened: Result<Opened, StoreFault>,
        deps: StoreThreadDeps,
    ) -> io::Result<()> {
        let StoreInbox { commands, status } = self;
        // The first checkpoint also rids the file of what the core did not restore.
        status.wants_whole.store(true, Ordering::Release);
        let worker = Worker::new(deps, Arc::clone(&status));
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || worker.run(opened, &commands))?;
        // Set once: starting consumes the inbox.
        let _ = status.thread.set(thread);
        Ok(())
    }
}

impl StoreHandle {
    /// Keeps what was decided, then tells it.
    pub fn decided(&self, decided: Decided) {
        self.order(StoreCommand::Decided(Box::new(decided)));
    }

    /// Keeps a checkpoint. Where one waits already this one is left out, and the next is asked to be whole.
    pub fn checkpoint(&self, checkpoint: Checkpoint) {
        if self.status.has_checkpoint.swap(true, Ordering::AcqRel) {
            self.status.wants_whole.store(true, Ordering::Release);
            return;
        }
        self.give(StoreCommand::Checkpoint(Box::new(checkpoint)));
    }

    /// Keeps the silences made while running, in place of those before.
    pub fn silences(&self, silences: Vec<Silence>) {
        self.order(StoreCommand::Silences(silences));
    }

    /// A delivery was delivered, refused or given up: it is not sent again after a restart.
    pub fn finished(&self, finished: Finished) {
        self.order(StoreCommand::Finished(finished));
    }

    /// Adds a line to the timeline of an incident.
    pub fn happened(&self, incident: IncidentId, what: String) {
        self.order(StoreCommand::Happened(incident, what));
    }

    /// Incidents with their timelines, the newest first.
    ///
    /// # Errors
    ///
    /// In words: why the store cannot answer.
    pub async fn history(&self, query: IncidentQuery) -> Result<Vec<PastIncident>, String> {
        let (answer, answered) = oneshot::channel();
        self.order(StoreCommand::History(Box::new(query), answer));
        answer_of(answered).await
    }

    /// When which incidents were open since `from`.
    ///
    /// # Errors
    ///
    /// In words: why the store cannot answer.
    pub async fn outages(&self, from: Wall) -> Result<Outages, String> {
        let (answer, answered) = oneshot::channel();
        self.order(StoreCommand::Outages(from, answer));
        answer_of(answered).await
    }

    /// Targets that fired and were forgotten since `from`, the newest first.
    ///
    /// # Errors
    ///
    /// In words: why the store cannot answer.
    pub async fn forgotten(&self, from: Wall) -> Result<Vec<ForgottenTarget>, String> {
        let (answer, answered) = oneshot::channel();
        self.order(StoreCommand::Forgotten(from, answer));
        answer_of(answered).await
    }

    /// True while a checkpoint waits or is being written.
    pub fn has_checkpoint(&self) -> bool {
        self.status.has_checkpoint.load(Ordering::Acquire)
    }

    /// True if the next checkpoint must hold everything.
    pub fn wants_whole(&self) -> bool {
        self.status.wants_whole.load(Ordering::Acquire)
    }

    /// The reason why state cannot be written, for people; `None`: it can.
    pub fn problem(&self) -> Option<String> {
        if self
            .status
            .thread
            .get()
            .is_some_and(JoinHandle::is_finished)
        {
            return Some("the store's thread has died: restart lastbeat".to_owned());
        }
        if self.status.waiting.load(Ordering::Acquire) >= MAX_WAITING {
            return Some("the state file's disk hangs: check its volume".to_owned());
        }
        let problem = self.status.problem.load();
        problem.as_ref().map(|words| words.to_string())
    }

    /// True if all earlier commands were written within this time; they were sent to the notifiers either way.
    /// was sent to the notifiers.
    pub async fn flush(&self, within: Duration) -> bool {
        let (answer, answered) = oneshot::channel();
        self.order(StoreCommand::Flush(answer));
        matches!(tokio::time::timeout(within, answered).await, Ok(Ok(true)))
    }

    fn order(&self, order: StoreCommand) {
        let waiting = self.status.waiting.fetch_add(1, Ordering::AcqRel);
        if waiting >= MAX_WAITING {
            self.status.waiting.fetch_sub(1, Ordering::AcqRel);
            self.status.wants_whole.store(true, Ordering::Release);
            lost(&order, "the state file's disk hangs");
            return;
        }
        self.give(order);
    }

    fn give(&self, order: StoreCommand) {
        if let Err(dead) = self.commands.send(order) {
            lost(&dead.0, "the store's thread has died");
        }
    }
}

/// Waits for the thread's answer.
async fn answer_of<T>(answered: oneshot::Receiver<Result<T, String>>) -> Result<T, String> {
    match tokio::time::timeout(HISTORY_WITHIN, answered).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => Err("the store's thread has died: restart lastbeat".to_owned()),
        Err(_) => Err(format!(
            "the state file did not answer within {}s: its disk hangs",
            HISTORY_WITHIN.as_secs()
        )),
    }
}

/// Logs a command that is lost.
fn lost(order: &StoreCommand, why: &str) {
    match order {
        StoreCommand::Decided(decided) => {
            for notice in &decided.notices {
                let sentence = crate::format::description(notice);
                error!(incident = %notice.incident, why, "notification lost: {sentence}");
            }
        }
        StoreCommand::Finished(finished) => {
            error!(incident = %finished.incident, why, "a delivered notification may be sent again after a restart");
        }
        StoreCommand::Happened(incident, what) => {
            error!(incident = %incident, why, "a line of the timeline could not be stored: {what}");
        }
        StoreCommand::Silences(_) => error!(why, "a change of silences could not be stored"),
        // The receiver gets the fault; the next checkpoint has everything.
        StoreCommand::History(..)
        | StoreCommand::Outages(..)
        | StoreCommand::Forgotten(..)
        | StoreCommand::Flush(_)
        | StoreCommand::Checkpoint(_) => {}
    }
}
