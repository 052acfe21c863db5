//! What outlives the process, taken back at the start and kept from then on.

use super::ServiceFault;
use crate::app::checkpoints::StoreSink;
use crate::app::delivery::{DeliveryHandle, Done};
use crate::app::event_loop::CoreRequest;
use crate::app::inventory;
use crate::app::silences::Silences;
use crate::app::store_thread::{self, Decided, StoreHandle, StoreThreadDeps};
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
                    let notices = opened.deliveries.len();
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
            // The store_thread tries again, and says so.
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
pub(super) struct Kept(Arc<OnceLock<Arc<StoreHandle>>>);

impl Kept {
    /// Where the notifiers say what became of a notice.
    pub fn done(&self) -> Done {
        let kept = self.clone();
        Arc::new(move |ended| {
            if let Some(store_thread) = kept.0.get() {
                store_thread.done(ended);
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
    ) -> Result<Arc<StoreHandle>, ServiceFault> {
        let Around {
            silences,
            core_requests,
            metrics,
            clock,
        } = around;
        let (prepares, sends) = (Arc::clone(delivery), Arc::clone(delivery));
        let ports = StoreThreadDeps {
            prepare: Box::new(move |notice| prepares.prepare(notice)),
            send: Box::new(move |deliveries| sends.send(deliveries)),
            adopt: Box::new(move |saved, made| {
                silences.restore(made);
                let (done, is_done) = oneshot::channel();
                // A core that is gone ends the program elsewhere.
                if core_requests
                    .blocking_send(CoreRequest::Adopt(Box::new(saved), done))
                    .is_ok()
                {
                    let _ = is_done.blocking_recv();
                }
            }),
        };
        let started = store_thread::start(state.opened, state.path, ports, metrics, clock);
        let store_thread = Arc::new(started.map_err(|source| ServiceFault::Start {
            part: "the state's thread",
            source,
        })?);
        // Set once: there is one start.
        let _ = self.0.set(Arc::clone(&store_thread));
        Ok(store_thread)
    }
}

/// What the store's thread is handed.
pub(super) struct Around {
    /// The silences.
    pub silences: Arc<Silences>,
    /// Ways to the core.
    pub core_requests: mpsc::Sender<CoreRequest>,
    /// Where it is counted.
    pub metrics: Arc<Metrics>,
    /// Reads the clocks.
    pub clock: Clock,
}

/// Where the core's words go: to whoever listens, to the store, and from there to the notifiers.
pub(super) fn store_sink(
    store_thread: &Arc<StoreHandle>,
    begins_whole: bool,
    restarts: mpsc::Sender<inventory::InventoryRequest>,
    core_requests: mpsc::Sender<CoreRequest>,
    mut listener: Box<dyn FnMut(&Output) + Send>,
) -> StoreSink {
    let (decides, keeps, asked) = (
        Arc::clone(store_thread),
        Arc::clone(store_thread),
        Arc::clone(store_thread),
    );
    let first = AtomicBool::new(begins_whole);
    StoreSink {
        decided: Box::new(move |outputs, decision| {
            let mut notices = Vec::new();
            for output in outputs {
                listener(&output);
                match output {
                    Output::Tell(notice) => notices.push(*notice),
                    Output::Restart(incident, suspect) => {
                        super::machines::restart(incident, suspect, &restarts, &core_requests);
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
