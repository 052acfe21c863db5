//! The parts that run, watched until the end, and stopped in order.

use super::ServiceFault;
use super::core_thread::Core;
use crate::app::delivery::DeliveryHandle;
use crate::app::reload::{Loaded, RulesApplier};
use crate::app::store_thread::StoreHandle;
use crate::format;
use crate::io::http;
use crate::io::http::readiness::{Readiness, Reason};
use arc_swap::{ArcSwap, ArcSwapOption};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tracing::{error, info};

/// How often readiness is put together.
const READY_EVERY: Duration = Duration::from_secs(1);
/// Tries that fail in a row before a notifier makes us not ready.
const TRIES_UNTIL_UNREADY: u32 = 3;
/// Steps of the stop; together under four seconds, since the platform gives five.
const CORE_STOPS_WITHIN: Duration = Duration::from_millis(500);
const STATE_KEPT_WITHIN: Duration = Duration::from_millis(500);
const NOTICES_FLUSH_WITHIN: Duration = Duration::from_millis(2000);
const DONE_KEPT_WITHIN: Duration = Duration::from_millis(300);
const HTTP_STOPS_WITHIN: Duration = Duration::from_millis(500);

/// Everything that runs.
pub(super) struct Parts {
    /// The core's thread.
    pub core: Core,
    /// HTTP.
    pub http: tokio::task::JoinHandle<Result<(), http::HttpFault>>,
    /// The notifiers' tasks.
    pub notifiers: JoinSet<String>,
    /// Tasks that never end.
    pub helpers: JoinSet<&'static str>,
    /// Good rules that were read.
    pub loaded: mpsc::Receiver<Loaded>,
    /// Where they go.
    pub in_force: RulesApplier,
    /// Why the rules in force are not those of the files.
    pub rules_trouble: Arc<ArcSwapOption<Reason>>,
    /// Ends HTTP.
    pub stop_http: oneshot::Sender<()>,
    /// The outbox.
    pub delivery: Arc<DeliveryHandle>,
    /// The store's thread.
    pub store_thread: Arc<StoreHandle>,
}

impl Parts {
    /// Waits for a signal, or for the end of a part that never ends.
    pub async fn watch(
        &mut self,
        signals: &mut Signals,
        sight: &ArcSwap<Readiness>,
        readiness: &ArcSwap<Readiness>,
    ) -> Result<(), ServiceFault> {
        let died = |part: &str, why: String| {
            Err(ServiceFault::Died {
                part: part.to_owned(),
                why,
            })
        };
        let mut ready = tokio::time::interval(READY_EVERY);
        loop {
            tokio::select! {
                name = signals.next() => {
                    info!("{name}: stopping");
                    return Ok(());
                }
                ended = &mut self.core.ended => return match ended {
                    Ok(Some(fault)) => Err(fault),
                    Ok(None) => died("the core", "it stopped by itself".to_owned()),
                    Err(_) => died("the core", "its thread panicked".to_owned()),
                },
                ended = &mut self.http => return match ended {
                    Ok(Ok(())) => died("HTTP", "it stopped by itself".to_owned()),
                    Ok(Err(fault)) => died("HTTP", format::error_chain(&fault)),
                    Err(fault) => died("HTTP", fault.to_string()),
                },
                Some(ended) = self.notifiers.join_next() => match ended {
                    Ok(notifier) => info!(notifier, "a retired notifier has delivered everything"),
                    Err(fault) => return died("a notifier", fault.to_string()),
                },
                Some(ended) = self.helpers.join_next() => return match ended {
                    Ok(part) => died(part, "it stopped by itself".to_owned()),
                    Err(fault) => died("a helper", fault.to_string()),
                },
                Some(loaded) = self.loaded.recv() => {
                    self.in_force.take(loaded, &self.delivery, &mut self.notifiers).await;
                }
                _ = ready.tick() => {
                    self.delivery.sweep();
                    readiness.store(Arc::new(self.readiness(&sight.load())));
                }
            }
        }
    }

    /// Able to see, to tell, and to remember.
    fn readiness(&self, sight: &Readiness) -> Readiness {
        let stuck = self.delivery.stuck().into_iter().filter_map(|stuck| {
            let what = stuck.words(TRIES_UNTIL_UNREADY)?;
            Some(Reason {
                part: stuck.notifier,
                what,
            })
        });
        let store = self.store_thread.trouble().map(|what| Reason {
            part: "store".to_owned(),
            what,
        });
        let rules = self.rules_trouble.load_full();
        let rules = rules.as_deref().cloned();
        let sight = sight.reasons.iter().cloned();
        Readiness {
            reasons: sight.chain(rules).chain(store).chain(stuck).collect(),
        }
    }

    /// The core, what it decided, the notices, that they were told, HTTP.
    pub async fn stop(mut self) {
        if let Some(stop) = self.core.stop.take()
            && stop.send(()).is_ok()
            && tokio::time::timeout(CORE_STOPS_WITHIN, self.core.ended)
                .await
                .is_err()
        {
            error!("the core did not stop in time");
        }
        let kept = self.store_thread.flush(STATE_KEPT_WITHIN).await;
        let left = self.delivery.flush(NOTICES_FLUSH_WITHIN).await;
        let kept = self.store_thread.flush(DONE_KEPT_WITHIN).await && kept;
        info!(left, kept, "notices flushed");
        drop(self.stop_http);
        if !self.http.is_finished()
            && tokio::time::timeout(HTTP_STOPS_WITHIN, self.http)
                .await
                .is_err()
        {
            info!("connections were cut");
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
