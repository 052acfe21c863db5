//! The running program: starts the parts, watches them, and stops them in order.

mod core_thread;
pub mod machines;
mod parts;
mod state;
mod web;

use super::api;
use super::canary::CanaryPlan;
use super::delivery::{self, Notifier};
use super::event_loop::{EventLoopDeps, GivenUp};
use super::ingest::Ingest;
use super::reload::{self, ReloadConfig, RulesApplier};
use super::silences::Silences;
use super::watchdog;
use crate::clock::Clock;
use crate::core::engine::{Engine, Options, Output};
use crate::core::rule::{Globs, RuleSet};
use crate::core::tracker::Limits;
use crate::decode::settings::Secret;
use crate::io::feed::{ConnectionError, ConnectionErrorKind, ConnectionReporter, MessageSource};
use crate::io::http;
use crate::io::http::events::Events;
use crate::io::http::logs::Tails;
use crate::io::http::readiness::Readiness;
use crate::io::http::status::StoreStand;
use crate::io::http_client::HttpClient;
use crate::io::metrics::Metrics;
use arc_swap::{ArcSwap, ArcSwapOption};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use machines::Machines;
use parts::{Parts, Signals};
use state::{Kept, State};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::info;

/// Questions that may wait for the core: scrapes are rendered one after another anyway.
const WAITING_ASKS: usize = 16;

/// A task that feeds the core: it tells of connections for ever, or says why there will never be one.
pub type Feeder<S> = Box<
    dyn FnOnce(
            Clock,
            ConnectionReporter<S>,
        ) -> BoxFuture<'static, Result<Infallible, ConnectionError>>
        + Send,
>;

/// What is to run.
pub struct Service<S> {
    /// The rules.
    pub rules: RuleSet,
    /// Where they are read again from; `None`: never.
    pub reload: Option<ReloadConfig>,
    /// Opens what only this machine may see and change otherwise.
    pub web_token: Option<Secret>,
    /// Where what is known outlives the process; `None`: nowhere.
    pub state: Option<PathBuf>,
    /// Where machines are looked up.
    pub machines: Machines,
    /// Who outside is told each minute how we are.
    pub watchdogs: Vec<watchdog::Endpoint>,
    /// Apps that are no targets.
    pub ignore: Globs,
    /// How many are tracked at once.
    pub limits: Limits,
    /// Where HTTP is served.
    pub listen: SocketAddr,
    /// Who is told, beside the log; those of the rules among them.
    pub notifiers: Vec<Arc<dyn Notifier>>,
    /// Series of instances and beats shown at most.
    pub max_series: usize,
    /// The canary that is to fly.
    pub canary: Option<CanaryPlan>,
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
    /// The state file is not for this program.
    #[error("{0}")]
    State(String),
    /// The stream will never come.
    #[error("{}", .0.message)]
    Feed(ConnectionError),
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

/// Runs until a signal core_requests to stop.
///
/// # Errors
/// Why it could not start, or which part died.
pub async fn run<S: MessageSource>(service: Service<S>) -> Result<(), ServiceFault> {
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
    ConnectionErrorKind::ALL
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
    let now = clock.now_fn();
    let http_send = delivery::post(HttpClient::new());
    let rules = service.rules.clone();
    let silences = Arc::new(Silences::default());
    silences.schedule(&rules.silences);
    let mut state = State::open(service.state.clone(), &silences, clock.now())?;
    let kept = Kept::default();
    let (delivery, notifiers) =
        delivery::start(service.notifiers, &http_send, &metrics, &now, &kept.done());
    let delivery = Arc::new(delivery);
    let looks = service.machines.source.is_some();
    let options = options(service.ignore, service.limits, looks);
    let mut engine = Engine::new(service.rules, options, clock.now());
    let (begins_whole, open) = state.restore(&mut engine, &silences, clock.now());
    delivery.hold(&open);

    let (core_requests, asked) = mpsc::channel(WAITING_ASKS);
    let around = state::Around {
        silences: silences.clone(),
        core_requests: core_requests.clone(),
        metrics: metrics.clone(),
        clock,
    };
    let store_thread = kept.start(state, &delivery, around)?;
    let rules_trouble = Arc::new(ArcSwapOption::empty());
    let shown_rules = Arc::new(ArcSwap::from_pointee(rules.clone()));
    let in_force = RulesApplier {
        notifiers: rules.notifiers.clone(),
        rules: shown_rules.clone(),
        core_requests: core_requests.clone(),
        silences: silences.clone(),
        store_thread: store_thread.clone(),
    };
    let shown = reload::ReaderDeps {
        trouble: rules_trouble.clone(),
        metrics: metrics.clone(),
    };
    let helpers = reload::start(service.reload, rules, shown, &in_force);
    let (mut helpers, loaded) = helpers.map_err(|source| ServiceFault::Start {
        part: "signal handling",
        source,
    })?;
    let (inventory, _) = machines::start(
        service.machines,
        core_requests.clone(),
        metrics.clone(),
        clock,
        &mut helpers,
    );
    let around = watchdog::WatchdogDeps {
        readiness: readiness.clone(),
        http_send: http_send.clone(),
        metrics: metrics.clone(),
        now: now.clone(),
    };
    for endpoint in service.watchdogs {
        let watch = watchdog::watch(endpoint, around.clone());
        helpers.spawn(async { match watch.await {} });
    }
    let (missed, missing) = watch::channel(false);
    let (tails, events) = (Arc::<Tails>::default(), Arc::<Events>::default());
    let core = core_thread::start(
        Ingest::new(engine),
        clock,
        EventLoopDeps {
            store_sink: state::store_sink(
                &store_thread,
                begins_whole,
                inventory.clone(),
                core_requests.clone(),
                web::telling(events.clone(), service.listener),
            ),
            metrics: metrics.clone(),
            readiness: sight.clone(),
            max_series: service.max_series,
            missed,
            tails: tails.clone(),
            give_up_after: service.give_up_after,
            suspects: machines::suspects(inventory),
            canary: service.canary,
        },
        missing,
        asked,
        service.feeder,
    )?;
    let (stop_http, http_stops) = oneshot::channel();
    let store = store_thread.clone();
    let file = service.state.map(|path| path.display().to_string());
    let api = api::api(api::ApiDeps {
        token: service.web_token,
        silences,
        rules: shown_rules,
        delivery: delivery.clone(),
        http_send,
        now,
        store: Box::new(move || StoreStand {
            file: file.clone(),
            trouble: store.trouble(),
        }),
    });
    let api = api
        .with_detail(web::detail(core_requests.clone()))
        .with_outages(web::outages(store_thread.clone()));
    let site = web::site(core_requests, metrics, readiness.clone()).with_live(tails, events);
    let site = site.with_api(api.with_history(web::history(store_thread.clone())));
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
        delivery,
        store_thread,
    };
    let outcome = parts.watch(&mut signals, &sight, &readiness).await;
    readiness.store(Arc::new(readiness.load().stopping()));
    parts.stop().await;
    outcome
}

fn options(ignore: Globs, limits: Limits, inventory: bool) -> Options {
    // Milliseconds since the epoch, with room for 256 incidents each: numbers never return after a restart.
    let first_incident = (crate::clock::wall().nanos() / 1_000_000) << 8;
    Options {
        inventory,
        ignore,
        limits,
        first_incident,
    }
}
