//! The outbox: notices on their way to the notifiers.
//!
//! Each notifier has a task and a queue of its own, so that a dead one never delays another. A notice is rendered to
//! bytes ([`Outbox::prepare`]), stored, handed to the queues ([`Outbox::send`]), waits in order, and is retried until it
//! is accepted; then [`OnFinished`] is called. A pending delivery is a plain value, so that a store can keep it.
//! Nothing here feeds back into what is decided.
//!
//! Notifiers come and go with the rules. A removed one gets no new notices, and stays until its pending ones are
//! delivered.

mod attempts;
mod backlog;
mod line_limit;
mod messages;
mod open_alerts;
mod queue;
mod status;
mod timer;

pub use messages::{Finished, OnFinished};
pub use status::{NotifierStatus, StuckNotifier};

use crate::clock::NowFn;
use crate::core::notice::{Notice, NoticeKind};
use crate::core::rule::Severity;
use crate::core::time::{Mono, Now};
use crate::format;
use crate::io::http_client::HttpSend;
use crate::io::metrics::{Metrics, NotifierMetrics};
use crate::io::notifier::{Delivery, Notifier, Outcome, RenderedNotice};
use arc_swap::ArcSwap;
use line_limit::LineLimit;
use messages::QueueCommand;
use queue::{Queue, QueueDeps};
use status::QueueStatus;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// Limit of removed notifiers with pending notices; beyond it the notices of the oldest are dropped.
const MAX_RETIRED: usize = 50;
/// Least time for which a removed notifier's queue stays: a notice rendered for it a moment ago may still be in the store.
const RETIRED_STAYS: Duration = Duration::from_secs(5);

struct NotifierQueue {
    notifier: Arc<dyn Notifier>,
    orders: mpsc::UnboundedSender<QueueCommand>,
    status: Arc<QueueStatus>,
    metrics: NotifierMetrics,
    /// Arrival clock: when it was removed; `None`: it is current.
    retired: Option<Mono>,
}

impl NotifierQueue {
    fn pending(&self) -> usize {
        self.status.pending.load(Ordering::Relaxed)
    }

    fn name(&self) -> &str {
        self.notifier.name()
    }

    /// True if the notice is addressed to it.
    fn hears(&self, notice: &Notice) -> bool {
        let name = self.notifier.route_name();
        let named = |names: &Vec<String>| names.iter().any(|one| one == name);
        self.retired.is_none()
            && self.notifier.accepts(notice.kind)
            && notice.notify.as_ref().is_none_or(named)
    }

    /// Renders a notice for this notifier.
    fn render(&self, notice: &Notice, now: Now) -> RenderedNotice {
        RenderedNotice {
            incident: notice.incident,
            kind: notice.kind,
            severity: notice.severity,
            body: self.notifier.render(notice),
            due_at: now.wall_of(notice.due_mono),
            queued_at: now.wall,
        }
    }
}

/// Sends notices. Once it is dropped, the tasks deliver what is pending and end.
pub struct DeliveryHandle {
    /// Replaced as a whole when notifiers change: the store's thread sends, the main one changes.
    queues: ArcSwap<Vec<Arc<NotifierQueue>>>,
    http_send: HttpSend,
    now: NowFn,
    on_finished: OnFinished,
    metrics: Arc<Metrics>,
    lines: Mutex<LineLimit>,
}

/// Starts a task for each notifier on the current runtime. The tasks return their notifier's name when they end,
/// which those of removed notifiers do once nothing is pending, and others not while the handle lives.
pub fn start(
    notifiers: Vec<Arc<dyn Notifier>>,
    http_send: &HttpSend,
    metrics: &Arc<Metrics>,
    now: &NowFn,
    on_finished: &OnFinished,
) -> (DeliveryHandle, JoinSet<String>) {
    let mut tasks = JoinSet::new();
    let handle = DeliveryHandle {
        queues: ArcSwap::default(),
        http_send: Arc::clone(http_send),
        now: Arc::clone(now),
        on_finished: Arc::clone(on_finished),
        metrics: Arc::clone(metrics),
        lines: Mutex::default(),
    };
    handle.change(notifiers, &[], &mut tasks);
    (handle, tasks)
}

impl DeliveryHandle {
    /// Adds notifiers, and removes previous ones by name. Open alerts are to be given to
    /// the new ones by [`Self::hold`].
    pub fn change(
        &self,
        added: Vec<Arc<dyn Notifier>>,
        retired: &[String],
        tasks: &mut JoinSet<String>,
    ) {
        let before = self.queues.load_full();
        let mut queues: Vec<Arc<NotifierQueue>> = Vec::with_capacity(before.len() + added.len());
        for queue in before.iter() {
            let goes = queue.retired.is_none() && retired.iter().any(|name| name == queue.name());
            queues.push(if goes {
                Arc::new(self.retire(queue))
            } else {
                Arc::clone(queue)
            });
        }
        queues.extend(
            added
                .into_iter()
                .map(|one| Arc::new(self.queue(one, tasks))),
        );
        let retired = || queues.iter().filter(|queue| queue.retired.is_some());
        let surplus = retired().count().saturating_sub(MAX_RETIRED);
        for queue in retired().take(surplus) {
            // A task that is dead has nothing that waits.
            let _ = queue.orders.send(QueueCommand::GiveUp);
        }
        self.queues.store(Arc::new(queues));
        self.sweep();
    }

    fn retire(&self, queue: &NotifierQueue) -> NotifierQueue {
        tracing::info!(
            notifier = queue.name(),
            pending = queue.pending(),
            "notifier removed: pending notifications are still delivered"
        );
        // A task that is dead holds nothing.
        let _ = queue.orders.send(QueueCommand::Retire);
        NotifierQueue {
            notifier: Arc::clone(&queue.notifier),
            orders: queue.orders.clone(),
            status: Arc::clone(&queue.status),
            metrics: queue.metrics.clone(),
            retired: Some((self.now)().mono),
        }
    }

    fn queue(&self, notifier: Arc<dyn Notifier>, tasks: &mut JoinSet<String>) -> NotifierQueue {
        let (orders, incoming) = mpsc::unbounded_channel();
        let status = Arc::new(QueueStatus::default());
        let metrics = self.metrics.notifier(notifier.name());
        let queue = Queue::new(QueueDeps {
            notifier: Arc::clone(&notifier),
            http_send: Arc::clone(&self.http_send),
            status: Arc::clone(&status),
            metrics: metrics.clone(),
            now: Arc::clone(&self.now),
            on_finished: Arc::clone(&self.on_finished),
        });
        tasks.spawn(queue.run(incoming));
        NotifierQueue {
            notifier,
            orders,
            status,
            metrics,
            retired: None,
        }
    }

    /// The lines of the log about notices. A panic elsewhere cannot leave them half-written.
    fn lines(&self) -> MutexGuard<'_, LineLimit> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops removed notifiers without pending notices: their tasks end. Says what the log left out.
    pub fn sweep(&self) {
        if let Some(left_out) = self.lines().summary((self.now)().mono) {
            tracing::warn!(
                lines = left_out.lines,
                apps = left_out.apps,
                "so many notifications in a minute are not logged one by one; the most are of: {}",
                left_out.most
            );
        }
        let queues = self.queues.load();
        let now = (self.now)().mono;
        let stays = |queue: &&Arc<NotifierQueue>| {
            let fresh = |since: Mono| now.since(since) < RETIRED_STAYS;
            queue.retired.is_none_or(fresh) || queue.pending() > 0
        };
        let left: Vec<Arc<NotifierQueue>> = queues.iter().filter(stays).cloned().collect();
        if left.len() < queues.len() {
            self.queues.store(Arc::new(left));
        }
    }

    fn lose(&self, delivery: &Delivery, why: &str) {
        let rendered = &delivery.rendered;
        if rendered.body.is_empty() {
            return;
        }
        let notifier = delivery.notifier.as_str();
        self.metrics.notifier(notifier).count(Outcome::GivenUp);
        tracing::error!(
            notifier,
            incident = %rendered.incident,
            state = rendered.kind.label(),
            "notification dropped: {why}"
        );
        (self.on_finished)(Finished {
            id: delivery.id,
            incident: rendered.incident,
            kind: rendered.kind,
            notifier: delivery.notifier.clone(),
            outcome: Outcome::GivenUp,
            delay: (self.now)().wall.since(rendered.due_at),
            leaves_mark: false,
            released: 0,
        });
    }

    /// Open alerts that were sent before: after a start, and after [`Self::change`]. Notifiers that resend open alerts
    /// begin with them, the others ignore them. Logs and counts nothing.
    pub fn hold(&self, open: &[Notice]) {
        let queues = self.queues.load();
        let now = (self.now)();
        for queue in queues
            .iter()
            .filter(|queue| queue.notifier.tracks_open_alerts())
        {
            for notice in open.iter().filter(|notice| queue.hears(notice)) {
                // A dead task ends the program elsewhere.
                let _ = queue
                    .orders
                    .send(QueueCommand::Hold(queue.render(notice, now)));
            }
        }
    }

    /// At stop: retries at once, for at most this long. Returns the number of notices that
    /// are left undelivered, over all notifiers.
    pub async fn flush(&self, within: Duration) -> usize {
        let queues = self.queues.load_full();
        let (asked, answers): (Vec<_>, Vec<_>) = queues
            .iter()
            .map(|queue| {
                let (done, is_done) = oneshot::channel();
                (queue.orders.send(QueueCommand::Flush(done)), is_done)
            })
            .unzip();
        drop(asked);
        // A dead task drops its answer: that ends the wait for it, and its notices stay counted.
        let _ = tokio::time::timeout(within, futures_util::future::join_all(answers)).await;
        let left = |queue: &Arc<NotifierQueue>| {
            let left = queue.pending();
            if left > 0 {
                tracing::error!(
                    notifier = queue.name(),
                    left,
                    "stopping with undelivered notifications; a state file keeps them for the next start"
                );
            }
            left
        };
        queues.iter().map(left).sum()
    }

    /// The current notifiers, for a drill.
    pub fn notifiers(&self) -> Vec<Arc<dyn Notifier>> {
        let queues = self.queues.load();
        let here = queues.iter().filter(|queue| queue.retired.is_none());
        here.map(|queue| Arc::clone(&queue.notifier)).collect()
    }

    /// The status of each current notifier, for the page and the API.
    pub fn statuses(&self) -> Vec<NotifierStatus> {
        let queues = self.queues.load();
        let now = (self.now)().mono;
        let here = queues.iter().filter(|queue| queue.retired.is_none());
        here.map(|queue| queue.status.seen(queue.name(), now))
            .collect()
    }

    /// The notifiers that fail now, or dropped notices in the last hour, for /readyz.
    pub fn stuck(&self) -> Vec<StuckNotifier> {
        let statuses = self.statuses();
        statuses.iter().filter_map(NotifierStatus::stuck).collect()
    }
}

/// The outbox as the store's thread sees it.
pub trait Outbox: Send + Sync {
    /// Logs a notice, and renders it for each notifier that it is addressed to. Sends nothing, never blocks.
    fn prepare(&self, notice: &Notice) -> Vec<Delivery>;

    /// Hands deliveries to their notifiers' queues, in order. Never blocks.
    fn send(&self, deliveries: Vec<Delivery>);
}

impl Outbox for DeliveryHandle {
    fn prepare(&self, notice: &Notice) -> Vec<Delivery> {
        let now = (self.now)();
        if self.lines().admit(&notice.who.app, now.mono) {
            log(notice);
        }
        let queues = self.queues.load();
        let known = |name: &str| {
            queues
                .iter()
                .any(|queue| queue.notifier.route_name() == name || queue.name() == name)
        };
        for name in notice.notify.iter().flatten().filter(|name| !known(name)) {
            tracing::warn!(
                notifier = name,
                incident = %notice.incident,
                "unknown notifier: the notification goes to this log only"
            );
        }
        let hears = queues.iter().filter(|queue| queue.hears(notice));
        hears
            .map(|queue| Delivery {
                id: 0,
                notifier: queue.name().to_owned(),
                rendered: queue.render(notice, now),
            })
            .collect()
    }

    /// Deliveries to notifiers that are gone are dropped.
    fn send(&self, deliveries: Vec<Delivery>) {
        let queues = self.queues.load();
        for delivery in deliveries {
            let named = || {
                queues
                    .iter()
                    .filter(|queue| queue.name() == delivery.notifier)
            };
            let live = named().find(|queue| queue.retired.is_none());
            // One that went a moment ago still has its task.
            let Some(queue) = live.or_else(|| named().next_back()) else {
                self.lose(&delivery, "its notifier was removed");
                continue;
            };
            queue.status.pending.fetch_add(1, Ordering::Relaxed);
            queue.metrics.pending.inc();
            if let Err(mpsc::error::SendError(QueueCommand::Send(delivery))) =
                queue.orders.send(QueueCommand::Send(delivery))
            {
                queue.status.pending.fetch_sub(1, Ordering::Relaxed);
                queue.metrics.pending.dec();
                self.lose(&delivery, "its notifier's task has died");
            }
        }
    }
}

/// Logs a notice: the log is the notifier that is always there.
fn log(notice: &Notice) {
    macro_rules! say {
        ($level:ident) => {
            tracing::$level!(
                incident = %notice.incident,
                state = notice.kind.label(),
                rule = format::name(&notice.rule),
                scope = notice.scope.label(),
                severity = notice.severity.label(),
                target_app = format::name(&notice.who.app),
                target_region = format::name(&notice.who.region),
                target_instance = format::name(&notice.who.instance),
                since = format::rfc3339(notice.since),
                gap_seconds = notice.gap.as_secs_f64(),
                "{}",
                format::description(notice)
            )
        };
    }
    match (notice.kind, notice.severity) {
        (NoticeKind::Closed(_), _) | (_, Severity::Info) => say!(info),
        (_, Severity::Warning) => say!(warn),
        (_, Severity::Critical | Severity::Error) => say!(error),
    }
}

#[cfg(test)]
mod tests;
