//! The running program: starts the parts, watches them, and stops them in order.

use super::api;
use super::canary::Plan;
use super::delivery::{self, DeliveryHandle, Notifier};
use super::ingest::Ingest;
use super::keeper::{self, Ask, GivenUp, Inlets, Keeper, Outlets};
use super::reload::{self, InForce, Loaded, Reloading};
use super::scribe::Desk;
use super::silences::Silences;
use super::watchdog;
use crate::clock::Clock;
use crate::core::engine::{Engine, Options, Output};
use crate::core::rule::{Globs, RuleSet};
use crate::core::snapshot::Snapshot;
use crate::decode::settings::Secret;
use crate::io::feed::{Line, Source, Trouble, TroubleKind};
use crate::io::http::readiness::{Readiness, Reason};
use crate::io::http::status::StoreStand;
use crate::io::http::{self, site::Site};
use crate::io::metrics::Metrics;
use crate::io::post::Poster;
use crate::words;
use arc_swap::{ArcSwap, ArcSwapOption};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tracing::{error, info};

/// News of the connection that may wait for the core.
const WAITING_LINKS: usize = 16;
/// Questions that may wait for the core: scrapes are rendered one after another anyway.
const WAITING_ASKS: usize = 16;
/// How often readiness is put together.
const READY_EVERY: Duration = Duration::from_millis(500);
/// Tries that fail in a row before a notifier makes us not ready.
const TRIES_UNTIL_UNREADY: u32 = 3;
/// Steps of the stop; together under four seconds, since the platform gives five.
const CORE_STOPS_WITHIN: Duration = Duration::from_millis(500);
const NOTICES_FLUSH_WITHIN: Duration = Duration::from_millis(2500);
const HTTP_STOPS_WITHIN: Duration = Duration::from_millis(500);

/// A task that feeds the core: it tells of connections for ever, or says why there will never be one.
pub type Feeder<S> =
    Box<dyn FnOnce(Clock, Line<S>) -> BoxFuture<'static, Result<Infallible, Trouble>> + Send>;

/// What is to run.
pub struct Service<S> {
    /// The rules.
    pub rules: RuleSet,
    /// Where they are read again from; `None`: never.
    pub reload: Option<Reloading>,
    /// Opens what only this machine may see and change otherwise.
    pub web_token: Option<Secret>,
    /// Who outside is told each minute how we are.
    pub watchdogs: Vec<watchdog::Party>,
    /// Apps that are no targets.
    pub ignore: Globs,
    /// Where HTTP is served.
    pub listen: SocketAddr,
    /// Who is told, beside the log; those of the rules among them.
    pub notifiers: Vec<Arc<dyn Notifier>>,
    /// Series of instances and beats shown at most.
    pub max_series: usize,
    /// The canary that is to fly.
    pub canary: Option<Plan>,
    /// Without an entry for this long the program ends, for the supervisor to start it afresh; `None`: never.
    pub give_up_after: Option<Duration>,
    /// Where entries come from.
    pub feeder: Feeder<S>,
    /// Sees every output of the core too.
    pub listener: Box<dyn FnMut(&Output) + Send>,
    /// Told the address once HTTP is served.
    pub on_listening: Box<dyn FnOnce(SocketAddr) + Send>,
}

/// Why the program ended without being asked to.
#[derive(Debug, Error)]
pub enum ServiceFault {
    /// The address is taken, or not ours.
    #[error("cannot listen on {address} (LASTBEAT_LISTEN): {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// Signals or threads cannot be had.
    #[error("cannot start {part}")]
    Start {
        /// Which part.
        part: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// The stream will never come.
    #[error("{}", .0.what)]
    Feed(Trouble),
    /// No entry came for so long that a fresh start elsewhere is the better chance.
    #[error(
        "the stream is given up: no entry for {} (LASTBEAT_GIVE_UP_AFTER); {}",
        humantime::format_duration(Duration::from_secs(.0.after.as_secs())), .0.words
    )]
    GivenUp(GivenUp),
    /// A part that never ends has ended.
    #[error("{part} ended, which it never should: {why}")]
    Died {
        /// Which part.
        part: String,
        /// What it said.
        why: String,
    },
}

/// Runs until a signal asks to stop.
///
/// # Errors
/// Why it could not start, or which part died.
pub async fn run<S: Source>(service: Service<S>) -> Result<(), ServiceFault> {
    let mut signals = Signals::new().map_err(|source| ServiceFault::Start {
        part: "signal handling",
        source,
    })?;
    let address = service.listen;
    let listening = |source| ServiceFault::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(listening)?;
    let address = listener.local_addr().map_err(listening)?;
    info!("listening on http://{address}");
    (service.on_listening)(address);

    let clock = Clock::start();
    let metrics = Arc::new(Metrics::new(
        env!("CARGO_PKG_VERSION"),
        option_env!("LASTBEAT_REVISION").unwrap_or("unknown"),
    ));
    // A counter that is there from the start shows its first increase.
    TroubleKind::ALL
        .iter()
        .for_each(|kind| metrics.nats_expect(kind.label()));
    metrics.rules_reload_successful.set(1);
    metrics.rules_reload_at.set(crate::clock::wall().seconds());
    let sight = Arc::new(ArcSwap::from_pointee(Readiness::not_yet(
        "stream",
        "not connected yet",
    )));
    let readiness = Arc::new(ArcSwap::from_pointee(Readiness::not_yet(
        "start",
        "lastbeat is starting",
    )));
    let now: delivery::Clock = Arc::new(move || clock.now());
    let carry = delivery::post(Poster::new());
    let done: delivery::Done = Arc::new(|_| {});
    let (delivery, notifiers) = delivery::start(service.notifiers, &carry, &metrics, &now, &done);
    let delivery = Arc::new(delivery);
    let rules = service.rules.clone();

    let (missed, missing) = watch::channel(false);
    let core = start_core(
        Ingest::new(Engine::new(
            service.rules,
            options(service.ignore),
            clock.now(),
        )),
        clock,
        Outlets {
            desk: desk(delivery.clone(), service.listener),
            shown: keeper::Shown {
                metrics: metrics.clone(),
                readiness: sight.clone(),
                max_series: service.max_series,
                missed,
                give_up_after: service.give_up_after,
            },
            suspects: Box::new(|_| {}),
            canary: service.canary,
        },
        missing,
        service.feeder,
    )?;
    let silences = Arc::new(Silences::default());
    silences.schedule(&rules.silences);
    let rules_trouble = Arc::new(ArcSwapOption::empty());
    let shown_rules = Arc::new(ArcSwap::from_pointee(rules.clone()));
    let in_force = InForce {
        notifiers: rules.notifiers.clone(),
        rules: shown_rules.clone(),
        asks: core.asks.clone(),
        silences: silences.clone(),
        metrics: metrics.clone(),
    };
    let shown = reload::Shown {
        trouble: rules_trouble.clone(),
        metrics: metrics.clone(),
    };
    let helpers = reload::start(service.reload, rules, shown, &in_force);
    let (mut helpers, loaded) = helpers.map_err(|source| ServiceFault::Start {
        part: "signal handling",
        source,
    })?;
    let around = watchdog::Around {
        readiness: readiness.clone(),
        carry: carry.clone(),
        metrics: metrics.clone(),
        now: Arc::new(move || clock.now()),
    };
    for party in service.watchdogs {
        let watch = watchdog::watch(party, around.clone());
        helpers.spawn(async { match watch.await {} });
    }
    let (stop_http, http_stops) = oneshot::channel();
    let site = site(core.asks.clone(), metrics, readiness.clone());
    let site = site.with_api(api::api(api::Behind {
        token: service.web_token,
        silences,
        rules: shown_rules,
        delivery: delivery.clone(),
        carry: carry.clone(),
        now: now.clone(),
        store: Box::new(StoreStand::default),
    }));
    let http = tokio::spawn(http::serve(
        listener,
        Arc::new(site),
        http_stops.map(|_| ()),
    ));
    let mut parts = Parts {
        core,
        http,
        notifiers,
        helpers,
        loaded,
        in_force,
        rules_trouble,
        stop_http,
    };
    let outcome = parts
        .watch(&mut signals, &sight, &readiness, &delivery)
        .await;
    readiness.store(Arc::new(Readiness::not_yet("stop", "lastbeat is stopping")));
    parts.stop(&delivery).await;
    outcome
}

fn options(ignore: Globs) -> Options {
    // Milliseconds since the epoch, with room for 256 incidents each: numbers never return after a restart.
    let first_incident = (crate::clock::wall().nanos() / 1_000_000) << 8;
    Options {
        inventory: false,
        ignore,
        first_incident,
    }
}

fn desk(delivery: Arc<DeliveryHandle>, listener: Box<dyn FnMut(&Output) + Send>) -> Desk {
    let mut tell = teller(delivery, listener);
    Desk {
        decided: Box::new(move |outputs, _| outputs.into_iter().for_each(&mut tell)),
        checkpoint: Box::new(|_| {}),
        wants_whole: Box::new(|| false),
    }
}

fn teller(
    delivery: Arc<DeliveryHandle>,
    mut listener: Box<dyn FnMut(&Output) + Send>,
) -> Box<dyn FnMut(Output) + Send> {
    Box::new(move |output| {
        listener(&output);
        match &output {
            Output::Tell(notice) => delivery.tell(notice),
            Output::Restart(..) => {}
            Output::Changed(change) => tracing::debug!(
                rule = &*change.rule,
                target_app = words::name(&change.who.app),
                target_region = words::name(&change.who.region),
                target_instance = words::name(&change.who.instance),
                from = change.from.label(),
                to = change.to.label(),
                at = words::wall(change.at),
                "{}",
                change.reason.label()
            ),
        }
    })
}

fn site(
    asks: mpsc::Sender<Ask>,
    metrics: Arc<Metrics>,
    readiness: Arc<ArcSwap<Readiness>>,
) -> Site {
    let snapshot = move || {
        let asks = asks.clone();
        async move {
            let (to, answer) = oneshot::channel::<Arc<Snapshot>>();
            asks.send(Ask::Snapshot(to)).await.ok()?;
            answer.await.ok()
        }
        .boxed()
    };
    let render = move |snapshot: Option<&Snapshot>| metrics.render(snapshot);
    Site::new(Box::new(snapshot), Arc::new(render), readiness)
}

/// The thread of the core and of the connection.
struct Core {
    asks: mpsc::Sender<Ask>,
    stop: Option<oneshot::Sender<()>>,
    /// How it ended; a lost sender means that it panicked.
    ended: oneshot::Receiver<Option<ServiceFault>>,
}

fn start_core<S: Source>(
    ingest: Ingest,
    clock: Clock,
    outlets: Outlets,
    missing: watch::Receiver<bool>,
    feeder: Feeder<S>,
) -> Result<Core, ServiceFault> {
    let starting = |source| ServiceFault::Start {
        part: "the core's thread",
        source,
    };
    let (link_to, links) = mpsc::channel(WAITING_LINKS);
    let (asks, asked) = mpsc::channel(WAITING_ASKS);
    let (stop, stopped) = oneshot::channel();
    let (end, ended) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(starting)?;
    let keeper = Keeper::new(ingest, clock, outlets);
    let run = async move {
        let feeder = tokio::spawn(feeder(
            clock,
            Line {
                links: link_to,
                missed: missing,
            },
        ));
        tokio::select! {
            ended = keeper.run(Inlets { links, asks: asked, stop: stopped }) => ended.map(ServiceFault::GivenUp),
            fed = feeder => Some(match fed {
                Ok(Err(trouble)) => ServiceFault::Feed(trouble),
                Err(died) => ServiceFault::Died { part: "the connection".to_owned(), why: died.to_string() },
            }),
        }
    };
    let body = move || {
        let fault = runtime.block_on(tokio::task::unconstrained(run));
        // Nobody waits where the program ended before us.
        let _ = end.send(fault);
    };
    std::thread::Builder::new()
        .name("core".to_owned())
        .spawn(body)
        .map_err(starting)?;
    Ok(Core {
        asks,
        stop: Some(stop),
        ended,
    })
}

struct Parts {
    core: Core,
    http: tokio::task::JoinHandle<Result<(), http::HttpFault>>,
    notifiers: JoinSet<String>,
    helpers: JoinSet<&'static str>,
    loaded: mpsc::Receiver<Loaded>,
    in_force: InForce,
    rules_trouble: Arc<ArcSwapOption<Reason>>,
    stop_http: oneshot::Sender<()>,
}

impl Parts {
    /// Waits for a signal, or for the end of a part that never ends.
    async fn watch(
        &mut self,
        signals: &mut Signals,
        sight: &ArcSwap<Readiness>,
        readiness: &ArcSwap<Readiness>,
        delivery: &DeliveryHandle,
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
                    Ok(Err(fault)) => died("HTTP", words::chain(&fault)),
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
                    self.in_force.take(loaded, delivery, &mut self.notifiers).await;
                }
                _ = ready.tick() => {
                    delivery.sweep();
                    let trouble = self.rules_trouble.load_full();
                    readiness.store(Arc::new(together(&sight.load(), trouble.as_deref(), delivery)));
                }
            }
        }
    }

    /// Not ready any more; then the core, the notices, HTTP.
    async fn stop(mut self, delivery: &DeliveryHandle) {
        if let Some(stop) = self.core.stop.take()
            && stop.send(()).is_ok()
            && tokio::time::timeout(CORE_STOPS_WITHIN, self.core.ended)
                .await
                .is_err()
        {
            error!("the core did not stop in time");
        }
        let left = delivery.flush(NOTICES_FLUSH_WITHIN).await;
        info!(left, "notices flushed");
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

/// Able to see, and able to tell.
fn together(sight: &Readiness, rules: Option<&Reason>, delivery: &DeliveryHandle) -> Readiness {
    let stuck = delivery.stuck().into_iter().filter_map(|stuck| {
        let what = stuck.words(TRIES_UNTIL_UNREADY)?;
        Some(Reason {
            part: stuck.notifier,
            what,
        })
    });
    Readiness {
        reasons: sight
            .reasons
            .iter()
            .chain(rules)
            .cloned()
            .chain(stuck)
            .collect(),
    }
}

/// The signals that ask to stop.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
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
