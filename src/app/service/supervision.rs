//! The running parts, and their supervision.

use super::core_thread::Core;
use super::fault::ServiceFault;
use crate::app::archive::ArchiveHandle;
use crate::app::delivery::DeliveryHandle;
use crate::app::reload::{Loaded, RulesApplier};
use crate::app::store_thread::StoreHandle;
use crate::io::http::readiness::{Readiness, Reason};
use crate::io::memory;
use arc_swap::{ArcSwap, ArcSwapOption};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tracing::info;

/// Interval in which readiness is computed.
const READY_EVERY: Duration = Duration::from_secs(1);
/// Interval in which the process's memory is compared with its limit: a server that sends one endless line at 10 Gbit/s
/// brings 125 MB in it.
const MEMORY_LOOK_EVERY: Duration = Duration::from_millis(100);
/// Failed attempts in a row after which a notifier makes lastbeat not ready.
const TRIES_UNTIL_UNREADY: u32 = 3;

/// Everything that runs.
pub(super) struct Parts {
    /// The core's thread.
    pub core: Core,
    /// HTTP.
    pub http: tokio::task::JoinHandle<()>,
    /// The notifiers' tasks.
    pub notifiers: JoinSet<String>,
    /// Tasks that never end; each returns its name if it does.
    pub tasks: JoinSet<&'static str>,
    /// Valid rules that were read.
    pub loaded_rules: mpsc::Receiver<Loaded>,
    /// Puts them in force.
    pub rules_applier: RulesApplier,
    /// The reason why the files' rules are not in force; `None`: they are.
    pub rules_problem: Arc<ArcSwapOption<Reason>>,
    /// The archive.
    pub archive: ArchiveHandle,
    /// Readiness of the connection alone; the event loop writes it.
    pub connection: Arc<ArcSwap<Readiness>>,
    /// Readiness of the whole; written here, each second.
    pub readiness: Arc<ArcSwap<Readiness>>,
    /// Ends HTTP.
    pub stop_http: oneshot::Sender<()>,
    /// The outbox.
    pub delivery: Arc<DeliveryHandle>,
    /// The store's thread.
    pub store: Arc<StoreHandle>,
    /// Memory in bytes at which the program ends; `None`: it never does.
    pub max_memory: Option<u64>,
}

impl Parts {
    /// Waits for a signal, or for the end of a part that never ends.
    pub async fn supervise(&mut self, signals: &mut Signals) -> Result<(), ServiceFault> {
        let died = |part: &str, why: String| {
            Err(ServiceFault::Died {
                part: part.to_owned(),
                why,
            })
        };
        let mut ready = tokio::time::interval(READY_EVERY);
        let mut memory_looks = tokio::time::interval(MEMORY_LOOK_EVERY);
        memory_looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                name = signals.next() => {
                    info!("{name}: stopping");
                    return Ok(());
                }
                ended = &mut self.core.ended => return match ended {
                    Ok(Some(fault)) => Err(fault),
                    Ok(None) => died("the core", "it ended by itself".to_owned()),
                    Err(_) => died("the core", "its thread panicked".to_owned()),
                },
                ended = &mut self.http => return match ended {
                    Ok(()) => died("HTTP", "it ended by itself".to_owned()),
                    Err(fault) => died("HTTP", fault.to_string()),
                },
                Some(ended) = self.notifiers.join_next() => match ended {
                    Ok(notifier) => info!(notifier, "a removed notifier has delivered everything"),
                    Err(fault) => return died("a notifier", fault.to_string()),
                },
                Some(ended) = self.tasks.join_next() => return match ended {
                    Ok(part) => died(part, "it ended by itself".to_owned()),
                    Err(fault) => died("a task", fault.to_string()),
                },
                Some(loaded) = self.loaded_rules.recv() => {
                    self.rules_applier.apply(loaded, &self.delivery, &mut self.notifiers).await;
                }
                _ = memory_looks.tick() => {
                    if let Some(fault) = self.memory_fault() {
                        return Err(fault);
                    }
                }
                _ = ready.tick() => {
                    self.delivery.sweep();
                    self.readiness.store(Arc::new(self.readiness()));
                }
            }
        }
    }

    /// The fault of a process that has grown to its limit. Its end is in order, unlike the one that the system would make.
    fn memory_fault(&self) -> Option<ServiceFault> {
        let limit = self.max_memory?;
        let used = memory::used().filter(|used| *used >= limit)?;
        Some(ServiceFault::Memory { used, limit })
    }

    /// Ready: receives entries, applies its rules, stores state, and delivers notifications.
    fn readiness(&self) -> Readiness {
        let stuck = self.delivery.stuck().into_iter().filter_map(|stuck| {
            let what = stuck.words(TRIES_UNTIL_UNREADY)?;
            Some(Reason {
                part: stuck.notifier,
                what,
            })
        });
        let store = self.store.problem().map(|what| Reason {
            part: "store".to_owned(),
            what,
        });
        let rules = self.rules_problem.load_full();
        let rules = rules.as_deref().cloned();
        let connection = self.connection.load();
        let connection = connection.reasons.iter().cloned();
        // Without a copy of the stream lastbeat still receives logs and delivers alerts.
        let archive = self.archive.problem().map(|what| Reason {
            part: "archive".to_owned(),
            what,
        });
        Readiness {
            reasons: connection.chain(rules).chain(store).chain(stuck).collect(),
            warnings: archive.into_iter().collect(),
        }
    }
}

/// The signals that ask to stop.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Listens for them from now on.
    pub fn new() -> std::io::Result<Self> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}
