//! The start, step by step: each step makes one part and hands it the parts that it needs.

use super::core_thread::{self, Feeder};
use super::fault::ServiceFault;
use super::restore::State;
use super::supervision::Parts;
use super::web;
use crate::app::api::ApiBackend;
use crate::app::archive::query::Searches;
use crate::app::archive::{self, ArchiveDeps};
use crate::app::canary::CanaryPlan;
use crate::app::delivery;
use crate::app::downstream::{self, DownstreamDeps};
use crate::app::event_loop::EventLoopDeps;
use crate::app::forward::{self, ForwardDeps, Positions};
use crate::app::ingest::Ingest;
use crate::app::inventory::{self, InventoryDeps, Machines};
use crate::app::refill::{self, service::refills};
use crate::app::reload::{self, ReaderDeps, ReloadConfig, RulesApplier};
use crate::app::second_opinion::{self, SecondOpinionDeps};
use crate::app::silences::Silences;
use crate::app::store_thread::{self, StoreThreadDeps};
use crate::app::watchdog::{self, WatchdogDeps};
use crate::app::web_token::{self, ReadToken};
use crate::app::wiring;
use crate::clock::Clock;
use crate::core::engine::{Engine, Options, Output};
use crate::core::rule::{Globs, RuleSet};
use crate::core::tracker::Limits;
use crate::decode::settings::ArchiveSetting;
use crate::decode::subject;
use crate::io::feed::{ConnectionErrorKind, MessageSource};
use crate::io::http::events::Events;
use crate::io::http::logs::Tails;
use crate::io::http::readiness::Readiness;
use crate::io::http::state::AppState;
use crate::io::http::{self, WebAccess};
use crate::io::http_client::HttpClient;
use crate::io::metrics::Metrics;
use crate::io::notifier::Notifier;
use arc_swap::{ArcSwap, ArcSwapOption};
use futures_util::FutureExt;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::info;

/// Requests that may wait for the core: scrapes are rendered one after another anyway.
const WAITING_CORE_REQUESTS: usize = 16;
/// Requests that may wait for the inventory: one poll answers all of them.
const WAITING_INVENTORY_REQUESTS: usize = 16;

/// Everything that the service is made of.
pub struct Service<S> {
    /// The rules.
    pub rules: RuleSet,
    /// Settings of the reload; `None`: rules are never read again.
    pub reload: Option<ReloadConfig>,
    /// Access to the page and the API.
    pub web_access: WebAccess,
    /// Reads the token again on SIGHUP; `None`: it stands in no file.
    pub read_token: Option<ReadToken>,
    /// The state file; `None`: state is kept in memory only.
    pub state: Option<PathBuf>,
    /// The place of the archive.
    pub archive: ArchiveSetting,
    /// The inventory's sources.
    pub machines: Machines,
    /// Watchdogs outside, pinged each minute.
    pub watchdogs: Vec<watchdog::Endpoint>,
    /// Apps that are no targets.
    pub ignore: Globs,
    /// Limits of what is tracked.
    pub limits: Limits,
    /// Address of the HTTP listener.
    pub listen: SocketAddr,
    /// The notifiers beside the log, those of the rules included.
    pub notifiers: Vec<Arc<dyn Notifier>>,
    /// Memory in bytes at which the program ends, for its supervisor to restart it; `None`: it never does.
    pub max_memory: Option<u64>,
    /// Limit of the series of instances and beats.
    pub max_series: usize,
    /// The canary; `None`: no canary.
    pub canary: Option<CanaryPlan>,
    /// Without an entry for this long the program ends, for its supervisor to restart it; `None`: never.
    pub give_up_after: Option<Duration>,
    /// The source of entries.
    pub feeder: Feeder<S>,
    /// Sees every output of the core too.
    pub listener: Box<dyn FnMut(&Output) + Send>,
    /// Called with the address once HTTP is served.
    pub on_listening: Box<dyn FnOnce(SocketAddr) + Send>,
}

/// Starts every part, each after those that it reports to.
pub(super) async fn start<S: MessageSource>(service: Service<S>) -> Result<Parts, ServiceFault> {
    let listener = listen(service.listen, service.on_listening).await?;
    let clock = Clock::start();
    let now = clock.now_fn();
    let metrics = metrics();
    let connection = not_ready("stream", "not connected yet");
    let readiness = not_ready("start", "lastbeat is starting");
    let http_send = HttpClient::new().into_send();
    let (core, core_requests) = mpsc::channel(WAITING_CORE_REQUESTS);

    // The state of the last run.
    let silences = Arc::new(Silences::default());
    silences.schedule(&service.rules.silences);
    let mut state = State::open(service.state.clone(), &silences, clock.now())?;
    let (store, store_inbox) = store_thread::channel();
    let store = Arc::new(store);

    // The notifiers.
    let lone = lone_notifiers(&service.notifiers, &service.rules);
    let on_finished = wiring::on_finished(&store);
    let (delivery, notifiers) =
        delivery::start(service.notifiers, &http_send, &metrics, &now, &on_finished);
    let delivery = Arc::new(delivery);

    // The core.
    let has_inventory = service.machines.source.is_some();
    let second_opinion = service.machines.logs.clone();
    let options = Options {
        second_opinion: second_opinion.is_some(),
        notifiers: lone,
        own: service.canary.as_ref().and_then(own_place),
        ..options(service.ignore, service.limits, has_inventory)
    };
    let mut engine = Engine::new(service.rules.clone(), options, clock.now());
    delivery.hold(&state.restore(&mut engine, &silences, clock.now()));

    let rules = Arc::new(ArcSwap::from_pointee(service.rules.clone()));

    // The archive.
    let forward_from = match &service.archive {
        ArchiveSetting::Folder(folder) => Some(folder.clone()),
        ArchiveSetting::Memory | ArchiveSetting::Off => None,
    };
    let deps = ArchiveDeps {
        place: service.archive,
        rules: rules.clone(),
        report: wiring::archive_problem(core.clone()),
        metrics: metrics.clone(),
        clock,
    };
    let (recorder, archive) = archive::start(deps).map_err(|source| ServiceFault::Start {
        part: "the archive's thread",
        source,
    })?;

    // The store's thread.
    let deps = StoreThreadDeps {
        path: state.path,
        outbox: delivery.clone(),
        adopt: wiring::adopt(silences.clone(), core.clone()),
        words: wiring::last_words(archive.words()),
        metrics: metrics.clone(),
        clock,
    };
    let started = store_inbox.start(state.opened, deps);
    started.map_err(|source| ServiceFault::Start {
        part: "the store's thread",
        source,
    })?;

    // The readers of rules and silences.
    let rules_problem = Arc::new(ArcSwapOption::empty());
    let rules_applier = RulesApplier {
        notifiers: service.rules.notifiers.clone(),
        rules: rules.clone(),
        core: core.clone(),
        silences: silences.clone(),
        store: store.clone(),
    };
    let deps = ReaderDeps {
        problem: rules_problem.clone(),
        metrics: metrics.clone(),
    };
    let started = reload::start(service.reload, service.rules, deps, &rules_applier);
    let (mut tasks, loaded_rules) = started.map_err(|source| ServiceFault::Start {
        part: "signal handling",
        source,
    })?;

    // The inventory, second opinions and the watchdogs.
    let (inventory, inventory_requests) = mpsc::channel(WAITING_INVENTORY_REQUESTS);
    let deps = InventoryDeps {
        machines: service.machines,
        polls: wiring::polls(core.clone()),
        problem: Arc::default(),
        metrics: metrics.clone(),
        now: now.clone(),
    };
    tasks.spawn(async move { match inventory::run(deps, inventory_requests).await {} });
    let (logs, questions) = mpsc::channel(WAITING_INVENTORY_REQUESTS);
    let deps = SecondOpinionDeps {
        logs: second_opinion,
        questions,
        answers: wiring::opinions(core.clone()),
        metrics: metrics.clone(),
    };
    tasks.spawn(async move { match second_opinion::run(deps).await {} });
    let (refills, begun) = refills(
        forward_from.clone(),
        rules.clone(),
        now.clone(),
        core.clone(),
    );
    tasks.spawn(async move { match refill::service::run(begun).await {} });
    let forwards = Positions::default();
    let deps = ForwardDeps {
        rules: rules.clone(),
        folder: forward_from,
        positions: forwards.clone(),
        metrics: metrics.clone(),
        now: now.clone(),
    };
    tasks.spawn(async move { match forward::run(deps).await {} });
    let deps = DownstreamDeps {
        forwards,
        rules: rules.clone(),
        core: core.clone(),
        nonce: service.canary.as_ref().map(|canary| canary.nonce.clone()),
        metrics: metrics.clone(),
        now: now.clone(),
    };
    tasks.spawn(async move { match downstream::run(deps).await {} });
    let deps = WatchdogDeps {
        readiness: readiness.clone(),
        http_send: http_send.clone(),
        metrics: metrics.clone(),
        now: now.clone(),
    };
    for endpoint in service.watchdogs {
        let watch = watchdog::watch(endpoint, deps.clone());
        tasks.spawn(async { match watch.await {} });
    }

    // The core's thread, with the connection.
    let (missed_to, missed) = watch::channel(false);
    let (tails, events) = (Arc::<Tails>::default(), Arc::<Events>::default());
    let see_outputs = web::publishing(events.clone(), service.listener);
    let outputs = wiring::outputs(store.clone(), inventory.clone(), core.clone(), see_outputs);
    let deps = EventLoopDeps {
        store: store.clone(),
        outputs,
        metrics: metrics.clone(),
        readiness: connection.clone(),
        max_series: service.max_series,
        missed: missed_to,
        tails: tails.clone(),
        recorder,
        give_up_after: service.give_up_after,
        candidates: wiring::candidates(inventory),
        questions: wiring::questions(logs),
        canary: service.canary,
    };
    let ingest = Ingest::new(engine);
    let core_thread =
        core_thread::start(ingest, clock, deps, missed, core_requests, service.feeder)?;

    // HTTP.
    let (stop_http, http_stops) = oneshot::channel();
    let backend = ApiBackend {
        core,
        store: store.clone(),
        state_file: service.state.map(|path| path.display().to_string()),
        silences,
        rules,
        delivery: delivery.clone(),
        http_send,
        words: archive.words(),
        refills,
        searches: Searches::new(archive.folder().map(Into::into), now.clone()),
        now,
        metrics,
    };
    let access = Arc::new(service.web_access);
    if let Some(read) = service.read_token {
        let rereading = web_token::hangups().map(|on| web_token::reread(read, access.clone(), on));
        let rereading = rereading.map_err(|source| ServiceFault::Start {
            part: "signal handling",
            source,
        })?;
        tasks.spawn(async { match rereading.await {} });
    }
    let state = AppState::new(Box::new(backend), readiness.clone(), access, tails, events);
    let http = tokio::spawn(http::serve(
        listener,
        Arc::new(state),
        http_stops.map(|_| ()),
    ));

    Ok(Parts {
        core: core_thread,
        http,
        notifiers,
        tasks,
        loaded_rules,
        rules_applier,
        rules_problem,
        archive,
        connection,
        readiness,
        stop_http,
        delivery,
        store,
        max_memory: service.max_memory,
    })
}

async fn listen(
    address: SocketAddr,
    on_listening: impl FnOnce(SocketAddr),
) -> Result<TcpListener, ServiceFault> {
    let fault = |error| ServiceFault::Listen { address, error };
    let listener = TcpListener::bind(address).await.map_err(fault)?;
    let bound = listener.local_addr().map_err(fault)?;
    info!("listening on http://{bound}");
    on_listening(bound);
    Ok(listener)
}

/// All metrics. A counter that is there from the start shows its first increase.
fn metrics() -> Arc<Metrics> {
    let revision = option_env!("LASTBEAT_REVISION").unwrap_or("unknown");
    let metrics = Metrics::new(env!("CARGO_PKG_VERSION"), revision);
    for kind in ConnectionErrorKind::ALL {
        metrics.nats_expect(kind.label());
    }
    metrics.rules_reload_successful.set(1);
    let now = crate::clock::wall();
    metrics.rules_reload_at.set(now.seconds());
    Arc::new(metrics)
}

fn not_ready(part: &'static str, why: &str) -> Arc<ArcSwap<Readiness>> {
    Arc::new(ArcSwap::from_pointee(Readiness::not_yet(part, why)))
}

/// The app, region and instance under which lastbeat's own canary comes back.
fn own_place(canary: &CanaryPlan) -> Option<(String, String, String)> {
    let own = subject::read(&canary.subject).ok()?;
    let names = [own.app, own.region, own.instance].map(str::to_owned);
    Some(names.into())
}

/// The notifiers that no rule makes.
fn lone_notifiers(notifiers: &[Arc<dyn Notifier>], rules: &RuleSet) -> Vec<String> {
    let of_rules = |name: &str| rules.notifiers.iter().any(|rule| rule.name == name);
    let names = notifiers.iter().map(|notifier| notifier.route_name());
    let lone: BTreeSet<&str> = names.filter(|name| !of_rules(name)).collect();
    lone.into_iter().map(str::to_owned).collect()
}

fn options(ignore: Globs, limits: Limits, inventory: bool) -> Options {
    // Milliseconds since the epoch, with room for 256 incidents each: numbers never return after a restart.
    let first_incident = (crate::clock::wall().nanos() / 1_000_000) << 8;
    Options {
        inventory,
        ignore,
        limits,
        first_incident,
        ..Options::default()
    }
}
