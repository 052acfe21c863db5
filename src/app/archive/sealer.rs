//! The thread that seals segments and syncs the one that grows, since both may take seconds.

use crate::format;
use crate::io::archive::seal::seal;
use crate::io::archive::segment::Stem;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use tracing::warn;

/// Pause after each frame of a megabyte, which takes 1 ms: entries go first.
const PAUSE: Duration = Duration::from_millis(1);

enum Job {
    Seal(Stem),
    Sync(Arc<File>),
}

/// The thread, for the one that gives it work. It ends with this.
pub(super) struct Sealer {
    jobs: Sender<Job>,
    syncs: Sender<Arc<File>>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    sealing: AtomicUsize,
    is_syncing: AtomicBool,
    sealed: AtomicU64,
    sync_failed: AtomicBool,
}

impl Sealer {
    /// Starts it.
    pub(super) fn start(folder: &Path) -> io::Result<Self> {
        let (jobs, waiting) = channel();
        let (syncs, urgent) = channel();
        let state = Arc::new(State::default());
        let thread = Thread {
            folder: folder.to_owned(),
            urgent,
            state: Arc::clone(&state),
        };
        std::thread::Builder::new()
            .name("archive-seal".to_owned())
            .spawn(move || thread.run(&waiting))?;
        Ok(Sealer { jobs, syncs, state })
    }

    /// Seals a segment, after those that wait.
    pub(super) fn seal(&self, stem: Stem) {
        self.state.sealing.fetch_add(1, Ordering::Relaxed);
        // The thread ends with this handle alone.
        let _ = self.jobs.send(Job::Seal(stem));
    }

    /// True while segments wait or are being sealed.
    pub(super) fn is_busy(&self) -> bool {
        self.state.sealing.load(Ordering::Relaxed) > 0
    }

    /// Syncs a file, unless that is under way already.
    pub(super) fn sync(&self, file: Arc<File>) {
        if self.state.is_syncing.swap(true, Ordering::Relaxed) {
            return;
        }
        // While the thread seals, it looks at the second queue after each frame.
        let _ = match self.is_busy() {
            true => self.syncs.send(file).is_ok(),
            false => self.jobs.send(Job::Sync(file)).is_ok(),
        };
    }

    /// True where the last sync failed.
    pub(super) fn take_sync_failed(&self) -> bool {
        self.state.sync_failed.swap(false, Ordering::Relaxed)
    }

    /// Segments that were sealed since the start.
    pub(super) fn sealed(&self) -> u64 {
        self.state.sealed.load(Ordering::Relaxed)
    }
}

struct Thread {
    folder: std::path::PathBuf,
    urgent: Receiver<Arc<File>>,
    state: Arc<State>,
}

impl Thread {
    fn run(&self, jobs: &Receiver<Job>) {
        while let Ok(job) = jobs.recv() {
            match job {
                Job::Sync(file) => self.sync(&file),
                Job::Seal(stem) => {
                    self.seal(&stem);
                    self.state.sealing.fetch_sub(1, Ordering::Relaxed);
                }
            }
            while let Ok(file) = self.urgent.try_recv() {
                self.sync(&file);
            }
        }
    }

    fn seal(&self, stem: &Stem) {
        let pause = || {
            if let Ok(file) = self.urgent.recv_timeout(PAUSE) {
                self.sync(&file);
            }
        };
        match seal(&self.folder, stem, pause) {
            Ok(()) => drop(self.state.sealed.fetch_add(1, Ordering::Relaxed)),
            // Deleted meanwhile, to make room.
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => {}
            Err(fault) => warn!(
                segment = stem.as_str(),
                "a segment of the archive could not be sealed and stays plain; trying again later: {}",
                format::error_chain(&fault)
            ),
        }
    }

    fn sync(&self, file: &File) {
        if file.sync_data().is_err() {
            self.state.sync_failed.store(true, Ordering::Relaxed);
        }
        self.state.is_syncing.store(false, Ordering::Relaxed);
    }
}
