//! The archive: entries from the event loop to a thread that keeps the last words of each instance and writes the
//! segments.
//!
//! The event loop copies each entry once, into a chunk, and hands full chunks over; it never waits. Where the thread is
//! late chunks are lost, which is counted, and marked in the archive.

mod chunk;
mod content;
mod disk;
pub mod query;
pub mod recorder;
mod remembered;
mod sealer;
mod status;
mod worker;

#[cfg(test)]
mod tests;

pub use recorder::Recorder;
pub use status::{ArchiveHandle, SharedWords};

use crate::clock::Clock;
use crate::core::rule::RuleSet;
use crate::decode::settings::ArchiveSetting;
use crate::io::metrics::Metrics;
use arc_swap::ArcSwap;
use std::io;
use std::sync::Arc;
use tokio::sync::oneshot;
use worker::Worker;

/// Tells the core that the archive stopped, and why, or that it is well; false where it has to be told again.
pub type ReportProblem = Box<dyn Fn(Option<String>) -> bool + Send>;

/// The thread's inputs and outputs.
pub struct ArchiveDeps {
    /// Its place.
    pub place: ArchiveSetting,
    /// The rules in force.
    pub rules: Arc<ArcSwap<RuleSet>>,
    /// Told of trouble that lasts.
    pub report: ReportProblem,
    /// Counts and sizes.
    pub metrics: Arc<Metrics>,
    /// Dates lines and segments.
    pub clock: Clock,
}

/// Starts the thread. The recorder goes into the event loop, and the thread ends once that is dropped; `None`: nothing is kept.
///
/// # Errors
/// The operating system cannot start a thread.
pub fn start(deps: ArchiveDeps) -> io::Result<(Option<Recorder>, ArchiveHandle)> {
    let (ended, is_ended) = oneshot::channel();
    let folder = match &deps.place {
        ArchiveSetting::Folder(folder) => Some(folder.clone()),
        ArchiveSetting::Memory => None,
        ArchiveSetting::Off => {
            // An incident of an earlier run must not stay open for ever.
            (deps.report)(None);
            return Ok((None, ArchiveHandle::off()));
        }
    };
    let handle = ArchiveHandle::new(folder.clone(), is_ended);
    let (recorder, inbox) =
        recorder::channel(deps.clock.now(), deps.metrics.archive.lost_in_queue());
    let worker = Worker::new(folder, deps, &handle);
    let status = handle.status();
    std::thread::Builder::new()
        .name("archive".to_owned())
        .spawn(move || {
            let run = std::panic::AssertUnwindSafe(|| worker.run(&inbox));
            if std::panic::catch_unwind(run).is_err() {
                // The panic itself is logged by its hook.
                status.fail("the archive's thread panicked; restart lastbeat".to_owned());
            }
            // The receiver is gone if the program ended first.
            let _ = ended.send(());
        })?;
    Ok((Some(recorder), handle))
}
