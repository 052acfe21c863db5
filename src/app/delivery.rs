//! The outbox: notices on their way to the notifiers.
//!
//! Each notifier has a task and a queue of its own, so that a dead one never delays another. A notice is rendered
//! to bytes when it is told, waits in order, and is sent until it is taken. What waits is a plain value, so that a
//! store can keep it. Nothing here feeds back into what is decided.
//!
//! Notifiers come and go with the rules. One that goes is told nothing more, and stays until what waits for it is
//! delivered.

mod queue;

use crate::core::notice::{IncidentId, Notice, NoticeKind};
use crate::core::rule::Severity;
use crate::core::time::Mono;
use crate::io::metrics::{Metrics, NotifierMetrics, Outcome};
use crate::io::post::{Answer, PostFault, Poster};
use crate::io::sentry::{Sentry, rate_limit};
use crate::words;
use arc_swap::ArcSwap;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http_body_util::Full;
use hyper::Request;
use queue::Queue;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// Notices that may wait for one notifier. Some kilobytes each: tens of megabytes at the very most, after an
/// outage that fired ten thousand times.
pub const WAITING_LIMIT: usize = 10_000;
/// Notifiers that went and still have notices waiting; beyond it the oldest are given up.
const MAX_RETIRED: usize = 50;
/// A try that takes longer is over; a healthy notifier answers in a second.
const TRY_WITHIN: Duration = Duration::from_secs(10);

/// One party that is told.
pub trait Notifier: Send + Sync + 'static {
    /// As it stands in the settings: a label's value.
    fn name(&self) -> &str;
    /// The bytes that tell of this notice; the same for the same notice.
    fn render(&self, notice: &Notice) -> Bytes;
    /// The request that delivers a notice rendered for it.
    fn request(&self, waiting: &Waiting) -> Request<Full<Bytes>>;
    /// A text without the notifier's secrets: what a peer answers may repeat them.
    fn hide(&self, text: &str) -> String;
    /// How long an answer asks us to wait before the next try, in the notifier's own way.
    fn pause(&self, answer: &Answer) -> Option<Duration> {
        answer.retry_after
    }
}

impl Notifier for Sentry {
    fn name(&self) -> &str {
        "sentry"
    }

    fn render(&self, notice: &Notice) -> Bytes {
        self.envelope(notice)
    }

    fn request(&self, waiting: &Waiting) -> Request<Full<Bytes>> {
        Sentry::request(self, waiting.body.clone())
    }

    fn hide(&self, text: &str) -> String {
        Sentry::hide(self, text)
    }

    fn pause(&self, answer: &Answer) -> Option<Duration> {
        let limit = answer.rate_limits.as_deref().and_then(rate_limit);
        limit.max(answer.retry_after)
    }
}

/// Reads the arrival clock.
pub type Clock = Arc<dyn Fn() -> Mono + Send + Sync>;

/// Carries a request to its peer: [`post`] in the program, a script in tests.
pub type Carry = Arc<
    dyn Fn(Request<Full<Bytes>>) -> BoxFuture<'static, Result<Answer, PostFault>> + Send + Sync,
>;

/// Carries requests over HTTP, each with ten seconds to be answered.
pub fn post(poster: Poster) -> Carry {
    Arc::new(move |request| {
        let poster = poster.clone();
        async move { poster.post(request, TRY_WITHIN).await }.boxed()
    })
}

/// One notice on its way to one notifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The incident it is about.
    pub incident: IncidentId,
    /// What it says of it.
    pub kind: NoticeKind,
    /// As rendered for the notifier.
    pub body: Bytes,
    /// Arrival clock: the deadline from which its delay is measured.
    pub due: Mono,
    /// Arrival clock: when it was told.
    pub told: Mono,
}

/// What reaches a notifier's task.
enum Order {
    Tell(Waiting),
    /// Try at once from now on; answer when nothing waits any more.
    Flush(oneshot::Sender<()>),
    /// Give up what waits.
    GiveUp,
}

/// What a notifier's task shows to others.
#[derive(Default)]
struct Standing {
    /// Told and neither delivered nor left out.
    pending: AtomicUsize,
    /// Tries of the foremost notice that failed.
    failed_tries: AtomicU32,
}

struct Line {
    notifier: Arc<dyn Notifier>,
    orders: mpsc::UnboundedSender<Order>,
    standing: Arc<Standing>,
    metrics: NotifierMetrics,
    /// No longer told anything; there until nothing waits.
    retired: bool,
}

impl Line {
    fn pending(&self) -> usize {
        self.standing.pending.load(Ordering::Relaxed)
    }
}

/// Whose hand it is in tells notices. The tasks end when it is dropped and what waits is delivered.
pub struct DeliveryHandle {
    /// Replaced as a whole where notifiers come and go: the core's thread tells, the main one changes.
    lines: ArcSwap<Vec<Arc<Line>>>,
    carry: Carry,
    now: Clock,
}

/// A notifier that does not take its foremost notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// The notifier's name.
    pub notifier: String,
    /// Notices that wait.
    pub pending: usize,
    /// Tries in a row that failed.
    pub failed_tries: u32,
}

/// Starts a task for each notifier on the current runtime. The tasks return their notifier's name when they end,
/// which those of retired notifiers do once nothing waits for them, and others not while the handle lives.
pub fn start(
    notifiers: Vec<Arc<dyn Notifier>>,
    carry: &Carry,
    metrics: &Metrics,
    now: &Clock,
) -> (DeliveryHandle, JoinSet<String>) {
    let mut tasks = JoinSet::new();
    let handle = DeliveryHandle {
        lines: ArcSwap::default(),
        carry: Arc::clone(carry),
        now: Arc::clone(now),
    };
    handle.change(notifiers, &[], metrics, &mut tasks);
    (handle, tasks)
}

impl DeliveryHandle {
    /// Takes in notifiers, and retires those of these names that were there before.
    pub fn change(
        &self,
        added: Vec<Arc<dyn Notifier>>,
        retired: &[String],
        metrics: &Metrics,
        tasks: &mut JoinSet<String>,
    ) {
        let before = self.lines.load_full();
        let mut lines: Vec<Arc<Line>> = Vec::with_capacity(before.len() + added.len());
        for line in before.iter() {
            if line.retired || !retired.iter().any(|name| name == line.notifier.name()) {
                lines.push(Arc::clone(line));
                continue;
            }
            tracing::info!(
                notifier = line.notifier.name(),
                pending = line.pending(),
                "notifier retired: what waits is still delivered"
            );
            lines.push(Arc::new(Line {
                notifier: Arc::clone(&line.notifier),
                orders: line.orders.clone(),
                standing: Arc::clone(&line.standing),
                metrics: line.metrics.clone(),
                retired: true,
            }));
        }
        lines.extend(
            added
                .into_iter()
                .map(|one| Arc::new(self.line(one, metrics, tasks))),
        );
        let surplus = lines
            .iter()
            .filter(|line| line.retired)
            .count()
            .saturating_sub(MAX_RETIRED);
        for line in lines.iter().filter(|line| line.retired).take(surplus) {
            // A task that is dead has nothing that waits.
            let _ = line.orders.send(Order::GiveUp);
        }
        self.lines.store(Arc::new(lines));
        self.sweep();
    }

    fn line(
        &self,
        notifier: Arc<dyn Notifier>,
        metrics: &Metrics,
        tasks: &mut JoinSet<String>,
    ) -> Line {
        let (orders, incoming) = mpsc::unbounded_channel();
        let standing = Arc::new(Standing::default());
        let metrics = metrics.notifier(notifier.name());
        let queue = Queue::new(
            Arc::clone(&notifier),
            Arc::clone(&self.carry),
            Arc::clone(&standing),
            metrics.clone(),
            Arc::clone(&self.now),
        );
        tasks.spawn(queue.run(incoming));
        Line {
            notifier,
            orders,
            standing,
            metrics,
            retired: false,
        }
    }

    /// Lets go of retired notifiers for which nothing waits any more: their tasks end.
    pub fn sweep(&self) {
        let lines = self.lines.load();
        let stays = |line: &&Arc<Line>| !line.retired || line.pending() > 0;
        let left: Vec<Arc<Line>> = lines.iter().filter(stays).cloned().collect();
        if left.len() < lines.len() {
            self.lines.store(Arc::new(left));
        }
    }

    /// Logs the notice and hands it to every notifier that it names, or to all. Never blocks.
    pub fn tell(&self, notice: &Notice) {
        log(notice);
        let lines = self.lines.load();
        let told = |line: &&Arc<Line>| {
            let name = line.notifier.name();
            let named = |names: &Vec<String>| names.iter().any(|one| one == name);
            !line.retired && notice.notify.as_ref().is_none_or(named)
        };
        for line in lines.iter().filter(told) {
            let waiting = Waiting {
                incident: notice.incident,
                kind: notice.kind,
                body: line.notifier.render(notice),
                due: notice.due_mono,
                told: (self.now)(),
            };
            line.standing.pending.fetch_add(1, Ordering::Relaxed);
            line.metrics.pending.inc();
            if line.orders.send(Order::Tell(waiting)).is_err() {
                line.standing.pending.fetch_sub(1, Ordering::Relaxed);
                line.metrics.pending.dec();
                line.metrics.count(Outcome::GivenUp);
                tracing::error!(
                    notifier = line.notifier.name(),
                    incident = %notice.incident,
                    "a notice is lost: the notifier's task is dead"
                );
            }
        }
        let gone = |name: &&String| !lines.iter().any(|line| line.notifier.name() == *name);
        for name in notice.notify.iter().flatten().filter(gone) {
            tracing::warn!(
                notifier = name,
                incident = %notice.incident,
                "there is no such notifier: this log alone tells"
            );
        }
    }

    /// At stop: every wait is cut short, and what waits has this long to be delivered. Returns how many notices
    /// are left undelivered, over all notifiers.
    pub async fn flush(&self, within: Duration) -> usize {
        let lines = self.lines.load_full();
        let (asked, answers): (Vec<_>, Vec<_>) = lines
            .iter()
            .map(|line| {
                let (done, is_done) = oneshot::channel();
                (line.orders.send(Order::Flush(done)), is_done)
            })
            .unzip();
        drop(asked);
        // A dead task drops its answer: that ends the wait for it, and its notices stay counted.
        let _ = tokio::time::timeout(within, futures_util::future::join_all(answers)).await;
        let left = |line: &Arc<Line>| {
            let left = line.pending();
            if left > 0 {
                tracing::error!(
                    notifier = line.notifier.name(),
                    left,
                    "stopping with notices undelivered"
                );
            }
            left
        };
        lines.iter().map(left).sum()
    }

    /// The notifiers that do not take their foremost notice, for /readyz.
    pub fn stuck(&self) -> Vec<Stuck> {
        let lines = self.lines.load();
        let stuck = lines
            .iter()
            .filter(|line| !line.retired)
            .filter_map(|line| {
                let failed_tries = line.standing.failed_tries.load(Ordering::Relaxed);
                (failed_tries > 0).then(|| Stuck {
                    notifier: line.notifier.name().to_owned(),
                    pending: line.pending(),
                    failed_tries,
                })
            });
        stuck.collect()
    }
}

/// The notifier that is always there: the log, written at once by whoever tells.
fn log(notice: &Notice) {
    macro_rules! say {
        ($level:ident) => {
            tracing::$level!(
                incident = %notice.incident,
                state = notice.kind.label(),
                rule = words::name(&notice.rule),
                scope = notice.scope.label(),
                severity = notice.severity.label(),
                target_app = words::name(&notice.who.app),
                target_region = words::name(&notice.who.region),
                target_instance = words::name(&notice.who.instance),
                since = words::wall(notice.since),
                gap_seconds = notice.gap.as_secs_f64(),
                "{}",
                words::sentence(notice)
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
