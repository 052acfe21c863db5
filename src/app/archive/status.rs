//! The archive, for other threads.

use crate::core::last_words::{LastWord, LastWords};
use arc_swap::ArcSwapOption;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// Bytes of the last words of all instances: a thousand that log half a kilobyte a line, or a hundred thousand whose
/// entries are few.
const LAST_WORDS_BYTES: usize = 32 << 20;

/// The last words of each instance, shared by the thread that keeps them and those that show them.
#[derive(Clone)]
pub struct SharedWords(Arc<Mutex<LastWords>>);

impl SharedWords {
    fn new() -> Self {
        SharedWords(Arc::new(Mutex::new(LastWords::new(LAST_WORDS_BYTES))))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, LastWords> {
        // Every change of them is whole at each point at which it could panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last entries of an instance, the oldest first; at most `most`.
    pub fn of(&self, subject: &str, most: usize) -> Vec<LastWord> {
        self.lock().of(subject, most)
    }
}

/// The state of the thread.
#[derive(Default)]
pub(super) struct ArchiveStatus {
    problem: ArcSwapOption<String>,
}

impl ArchiveStatus {
    pub(super) fn fail(&self, why: String) {
        self.problem.store(Some(Arc::new(why)));
    }

    pub(super) fn well(&self) {
        self.problem.store(None);
    }
}

/// The archive, for those that show it.
pub struct ArchiveHandle {
    folder: Option<PathBuf>,
    words: SharedWords,
    status: Arc<ArchiveStatus>,
    ended: Option<oneshot::Receiver<()>>,
}

impl ArchiveHandle {
    pub(super) fn new(folder: Option<PathBuf>, ended: oneshot::Receiver<()>) -> Self {
        ArchiveHandle {
            folder,
            words: SharedWords::new(),
            status: Arc::default(),
            ended: Some(ended),
        }
    }

    pub(super) fn off() -> Self {
        ArchiveHandle {
            folder: None,
            words: SharedWords::new(),
            status: Arc::default(),
            ended: None,
        }
    }

    pub(super) fn status(&self) -> Arc<ArchiveStatus> {
        Arc::clone(&self.status)
    }

    /// The folder of segments; `None`: there is none.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// The last words of each instance.
    pub fn words(&self) -> SharedWords {
        self.words.clone()
    }

    /// The reason why nothing is archived, for people; `None`: all is well.
    pub fn problem(&self) -> Option<String> {
        self.status.problem.load().as_deref().cloned()
    }

    /// Waits until the thread has written everything, at most this long.
    pub async fn ended(&mut self, within: Duration) {
        if let Some(ended) = self.ended.take() {
            // Late: the disk hangs, and what it has not is lost.
            let _ = tokio::time::timeout(within, ended).await;
        }
    }
}
