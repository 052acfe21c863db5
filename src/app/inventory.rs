//! Polls the inventory of machines: every half minute, and at once when an alert waits for its answer.
//!
//! A task of its own, which delays no entry. A failed poll changes nothing: what is known stays, and
//! grows old.

mod poll_schedule;

use crate::clock::NowFn;
use crate::core::inventory::{Candidate, Listed, Poll};
use crate::core::time::{Mono, Now};
use crate::decode::inventory::Read;
use crate::format;
use crate::io::inventory::logs::FlyLogs;
use crate::io::inventory::machines::MachinesApi;
use crate::io::inventory::{InventoryFault, InventoryFaultKind, InventorySource};
use crate::io::metrics::Metrics;
use arc_swap::ArcSwapOption;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use poll_schedule::PollSchedule;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};

/// Limit of candidates of a poll. Only the first few are queried one by one; the others are in the list anyhow.
const MAX_CANDIDATES: usize = 100;
/// Limit of restarts in progress: the rules allow a few an hour, and the API one a second.
const MAX_RESTARTS: usize = 4;
/// Outcome label of a poll that was read.
const ANSWERED: &str = "answered";
/// Listed states, with their label values.
const LISTED: [(Listed, &str); 6] = [
    (Listed::Started, "started"),
    (Listed::Starting, "starting"),
    (Listed::Stopped, "stopped"),
    (Listed::Failed, "failed"),
    (Listed::Gone, "gone"),
    (Listed::Unknown, "unheard"),
];

/// A request to the task.
#[derive(Debug)]
pub enum InventoryRequest {
    /// Alerts of these instances wait for the answer: poll as soon as allowed.
    Candidates(Vec<Candidate>),
    /// Restart a machine.
    Restart {
        /// The machine.
        candidate: Candidate,
        /// Receives the result; an error is a text for people.
        answer: oneshot::Sender<Result<(), String>>,
    },
}

/// The inventory's sources.
#[derive(Default)]
pub struct Machines {
    /// Lists machines; `None`: no inventory.
    pub source: Option<InventorySource>,
    /// Restarts machines; `None`: restarts are refused.
    pub restarts: Option<MachinesApi>,
    /// The platform's own logs, for second opinions; `None`: nobody is asked.
    pub logs: Option<FlyLogs>,
}

/// The task's inputs and outputs.
pub struct InventoryDeps {
    /// The sources.
    pub machines: Machines,
    /// Receives each poll that was read; must not block.
    pub polls: Box<dyn Fn(Poll) + Send>,
    /// The reason why the inventory is not known, for people; `None`: it is, or no poll has ended yet.
    pub problem: Arc<ArcSwapOption<String>>,
    /// Counts polls and machines.
    pub metrics: Arc<Metrics>,
    /// Reads the clocks.
    pub now: NowFn,
}

/// Keeps the inventory for ever. Drop it to stop it.
pub async fn run(
    deps: InventoryDeps,
    mut requests: mpsc::Receiver<InventoryRequest>,
) -> Infallible {
    let mut task = Poller::new(deps);
    let mut polling: BoxFuture<'static, Polled> = idle();
    let mut is_polling = false;
    let mut restarts: FuturesUnordered<BoxFuture<'static, ()>> = FuturesUnordered::new();
    let mut is_open = true;
    loop {
        tokio::select! {
            request = requests.recv(), if is_open => match request {
                Some(InventoryRequest::Candidates(candidates)) => task.hurry(candidates),
                Some(InventoryRequest::Restart { candidate, answer }) => {
                    if let Some(restart) = task.restart(candidate, answer, restarts.len()) {
                        restarts.push(restart);
                    }
                }
                None => is_open = false,
            },
            () = tokio::time::sleep(task.wait()), if !is_polling && task.source.is_some() => {
                polling = task.poll();
                is_polling = true;
            }
            polled = &mut polling => {
                polling = idle();
                is_polling = false;
                task.conclude(polled);
            }
            Some(()) = restarts.next() => {}
        }
    }
}

/// A finished poll.
struct Polled {
    asked_at: Mono,
    candidates: BTreeSet<Candidate>,
    result: Result<Read, InventoryFault>,
}

fn idle() -> BoxFuture<'static, Polled> {
    Box::pin(std::future::pending())
}

struct Poller {
    source: Option<Arc<InventorySource>>,
    deps: InventoryDeps,
    schedule: PollSchedule,
    /// Candidates of the next poll.
    candidates: BTreeSet<Candidate>,
    /// Failed polls in a row.
    failed: u32,
}

impl Poller {
    fn new(mut deps: InventoryDeps) -> Self {
        let source = deps.machines.source.take().map(Arc::new);
        if let Some(source) = &source {
            for outcome in InventoryFaultKind::ALL
                .map(InventoryFaultKind::label)
                .into_iter()
                .chain([ANSWERED])
            {
                deps.metrics.inventory_polled(source.label(), outcome, 0);
            }
        }
        Poller {
            source,
            schedule: PollSchedule::new((deps.now)().mono),
            deps,
            candidates: BTreeSet::new(),
            failed: 0,
        }
    }

    fn now(&self) -> Now {
        (self.deps.now)()
    }

    fn wait(&self) -> Duration {
        self.schedule.due().since(self.now().mono)
    }

    fn hurry(&mut self, candidates: Vec<Candidate>) {
        self.schedule.hurry();
        self.remember(candidates);
    }

    fn remember(&mut self, candidates: impl IntoIterator<Item = Candidate>) {
        let room = MAX_CANDIDATES.saturating_sub(self.candidates.len());
        self.candidates.extend(candidates.into_iter().take(room));
    }

    fn poll(&mut self) -> BoxFuture<'static, Polled> {
        let Some(source) = self.source.clone() else {
            return idle();
        };
        // Read before the request leaves: the answer is at least as new.
        let asked_at = self.now().mono;
        self.schedule.began(asked_at);
        let candidates = std::mem::take(&mut self.candidates);
        Box::pin(async move {
            let asked: Vec<Candidate> = candidates.iter().cloned().collect();
            Polled {
                asked_at,
                result: source.poll(&asked).await,
                candidates,
            }
        })
    }

    fn conclude(&mut self, polled: Polled) {
        let label = self.source.as_ref().map_or("none", |source| source.label());
        match polled.result {
            Ok(read) => {
                self.schedule.succeeded();
                self.count(label, &read);
                self.is_well(label, read.machines.len());
                (self.deps.polls)(Poll {
                    asked_at: polled.asked_at,
                    machines: read.machines,
                    whole: read.broken == 0,
                    unread_regions: read.unread_regions,
                });
            }
            Err(fault) => {
                let limited = fault.kind() == InventoryFaultKind::RateLimited;
                let limited = limited.then(|| fault.retry_after());
                self.schedule.failed(self.now().mono, limited);
                self.remember(polled.candidates);
                self.is_ill(label, &fault);
            }
        }
    }

    fn count(&self, label: &'static str, read: &Read) {
        let metrics = &self.deps.metrics;
        metrics.inventory_polled(label, ANSWERED, 1);
        metrics.inventory_unreadable.inc_by(read.broken);
        metrics.inventory_read_at.set(self.now().wall.seconds());
        for (listed, label) in LISTED {
            let machines = read.machines.iter();
            let count = machines.filter(|machine| machine.listed == listed).count();
            metrics.inventory_machines(label, count);
        }
    }

    fn is_well(&mut self, label: &'static str, machines: usize) {
        self.deps.problem.store(None);
        if std::mem::take(&mut self.failed) > 0 {
            info!(source = label, machines, "the inventory can be read again");
        }
    }

    /// Logs the first failure in a row; the metrics count the rest.
    fn is_ill(&mut self, label: &'static str, fault: &InventoryFault) {
        let kind = fault.kind().label();
        self.deps.metrics.inventory_polled(label, kind, 1);
        let what = format::error_chain(fault);
        if self.failed == 0 {
            warn!(source = label, kind, "cannot read the inventory: {what}");
        }
        self.failed += 1;
        self.deps.problem.store(Some(Arc::new(what)));
    }

    /// Restarts a machine and answers; `None`: it cannot, which is answered at once.
    fn restart(
        &self,
        candidate: Candidate,
        answer: oneshot::Sender<Result<(), String>>,
        under_way: usize,
    ) -> Option<BoxFuture<'static, ()>> {
        // The receiver may be gone meanwhile; that is no fault.
        let Some(api) = self.deps.machines.restarts.clone() else {
            let why = "no token for the Machines API is set (LASTBEAT_INVENTORY_TOKEN)";
            let _ = answer.send(Err(why.to_owned()));
            return None;
        };
        if under_way >= MAX_RESTARTS {
            let _ = answer.send(Err("too many restarts are in progress".to_owned()));
            return None;
        }
        Some(Box::pin(async move {
            let result = api.restart(&candidate).await;
            let (app, machine) = (format::name(&candidate.app), format::name(&candidate.id));
            let result = result.map_err(|fault| format::error_chain(&fault));
            match &result {
                Ok(()) => info!(app, machine, "restarted a machine"),
                Err(what) => warn!(app, machine, "could not restart a machine: {what}"),
            }
            let _ = answer.send(result);
        }))
    }
}
