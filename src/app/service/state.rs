//! What outlives the process, taken back at the start and kept from then on.

use super::ServiceFault;
use crate::app::archive::{self, ArchiveHandle, Decided, Ports};
use crate::app::delivery::{DeliveryHandle, Done};
use crate::app::inventory;
use crate::app::keeper::Ask;
use crate::app::scribe;
use crate::app::silences::Silences;
use crate::clock::Clock;
use crate::core::engine::{Engine, Output};
use crate::core::notice::Notice;
use crate::core::persist::Saved;
use crate::core::time::Now;
use crate::format;
use crate::io::metrics::Metrics;
use crate::io::store::{Opened, Store, StoreFault};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};

/// The state file, opened and read.
pub(super) struct State {
    path: Option<PathBuf>,
    opened: Result<Opened, StoreFault>,
    saved: Saved,
}

impl State {
    /// Opens the file; `None`: in memory.
    ///
    /// # Errors
    /// Where the file is one that this program must not touch. Whatever else is wrong with it is said in the log, and
    /// what is known is kept in memory.
    pub fn open(
        path: Option<PathBuf>,
        silences: &Silences,
        now: Now,
    ) -> Result<Self, ServiceFault> {
        let mut opened = Store::open(path.as_deref(), now.wall);
        let mut saved = Saved::default();
        match &mut opened {
            Ok(opened) => {
                saved = std::mem::take(&mut opened.saved);
                if let Some(aside) = &opened.set_aside {
                    warn!(aside = %aside.display(), "the state file is damaged: it was set aside, and a new one begun");
                }
                if opened.skipped > 0 {
                    warn!(
                        rows = opened.skipped,
                        "rows of the state file made no sense and were left out"
                    );
                }
                let (instances, open) = (saved.instances.len(), saved.incidents.len());
                if path.is_some() {
                    let notices = opened.parcels.len();
                    info!(
                        instances,
                        open, notices, "the state of the last run was taken back"
                    );
                }
                silences.restore(std::mem::take(&mut opened.silences));
            }
            Err(fault) if fault.is_refusal() => {
                return Err(ServiceFault::State(format::error_chain(fault)));
            }
            // The archive tries again, and says so.
            Err(_) => {}
        }
        Ok(State {
            path,
            opened,
            saved,
        })
    }

    /// Puts what was known back into a core. Whether the file is to be written anew, and what was open and told.
    pub fn restore(
        &mut self,
        engine: &mut Engine,
        silences: &Silences,
        now: Now,
    ) -> (bool, Vec<Notice>) {
        // What a silence holds back must not be told by the first look.
        engine.set_silences(silences.in_force(now.wall), now);
        let saved = std::mem::take(&mut self.saved);
        let as_saved = engine.restore(&saved, now);
        let told = saved
            .incidents
            .iter()
            .filter(|incident| incident.told.is_some());
        let told = told.map(|incident| incident.notice.clone()).collect();
        (!as_saved, told)
    }
}

/// The store's thread, before and after it runs: notifiers are made before it, and tell it what they delivered.
#[derive(Clone, Default)]
pub(super) struct Kept(Arc<OnceLock<Arc<ArchiveHandle>>>);

impl Kept {
    /// Where the notifiers say what became of a notice.
    pub fn done(&self) -> Done {
        let kept = self.clone();
        Arc::new(move |ended| {
            if let Some(archive) = kept.0.get() {
                archive.done(ended);
            }
        })
    }

    /// Starts the thread.
    ///
    /// # Errors
    /// Where the system gives none.
    pub fn start(
        &self,
        state: State,
        delivery: &Arc<DeliveryHandle>,
        around: Around,
    ) -> Result<Arc<ArchiveHandle>, ServiceFault> {
        let Around {
            silences,
            asks,
            metrics,
            clock,
        } = around;
        let (prepares, sends) = (Arc::clone(delivery), Arc::clone(delivery));
        let ports = Ports {
            prepare: Box::new(move |notice| prepares.prepare(notice)),
            send: Box::new(move |parcels| sends.send(parcels)),
            adopt: Box::new(move |saved, made| {
                silences.restore(made);
                let (done, is_done) = oneshot::channel();
                // A core that is gone ends the program elsewhere.
                if asks
                    .blocking_send(Ask::Adopt(Box::new(saved), done))
                    .is_ok()
                {
                    let _ = is_done.blocking_recv();
                }
            }),
        };
        let started = archive::start(state.opened, state.path, ports, metrics, clock);
        let archive = Arc::new(started.map_err(|source| ServiceFault::Start {
            part: "the state's thread",
            source,
        })?);
        // Set once: there is one start.
        let _ = self.0.set(Arc::clone(&archive));
        Ok(archive)
    }
}

/// What the store's thread is handed.
pub(super) struct Around {
    /// The silences.
    pub silences: Arc<Silences>,
    /// Ways to the core.
    pub asks: mpsc::Sender<Ask>,
    /// Where it is counted.
    pub metrics: Arc<Metrics>,
    /// Reads the clocks.
    pub clock: Clock,
}

/// Where the core's words go: to whoever listens, to the store, and from there to the notifiers.
pub(super) fn desk(
    archive: &Arc<ArchiveHandle>,
    begins_whole: bool,
    restarts: mpsc::Sender<inventory::Ask>,
    asks: mpsc::Sender<Ask>,
    mut listener: Box<dyn FnMut(&Output) + Send>,
) -> scribe::Desk {
    let (decides, keeps, asked) = (
        Arc::clone(archive),
        Arc::clone(archive),
        Arc::clone(archive),
    );
    let first = AtomicBool::new(begins_whole);
    scribe::Desk {
        decided: Box::new(move |outputs, decision| {
            let mut notices = Vec::new();
            for output in outputs {
                listener(&output);
                match output {
                    Output::Tell(notice) => notices.push(*notice),
                    Output::Restart(incident, suspect) => {
                        super::machines::restart(incident, suspect, &restarts, &asks);
                    }
                    Output::Changed(change) => tracing::debug!(
                        rule = &*change.rule,
                        target_app = format::name(&change.who.app),
                        target_region = format::name(&change.who.region),
                        target_instance = format::name(&change.who.instance),
                        from = change.from.label(),
                        to = change.to.label(),
                        at = format::rfc3339(change.at),
                        "{}",
                        change.reason.label()
                    ),
                }
            }
            if decision.is_some() || !notices.is_empty() {
                let decision = decision.unwrap_or_default();
                decides.decided(Decided { notices, decision });
            }
        }),
        checkpoint: Box::new(move |checkpoint| keeps.checkpoint(checkpoint)),
        wants_whole: Box::new(move || first.swap(false, Ordering::Relaxed) || asked.wants_whole()),
    }
}
