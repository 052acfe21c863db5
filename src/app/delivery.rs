//! The outbox: notices on their way to the notifiers.
//!
//! Each notifier has a task and a queue of its own, so that a dead one never delays another. A notice is rendered
//! to bytes when it is told, waits in order, and is sent until it is taken. What waits is a plain value, so that a
//! store can keep it. Nothing here feeds back into what is decided.

mod queue;

use crate::core::notice::{IncidentId, Notice, NoticeKind};
use crate::core::rule::Severity;
use crate::core::time::Mono;
use crate::io::metrics::{Metrics, NotifierMetrics, Outcome};
use crate::io::post::{Answer, PostFault, Poster};
use crate::io::sentry::{Sentry, rate_limit};
use crate::words;
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
/// A try that takes longer is over; a healthy notifier answers in a second.
const TRY_WITHIN: Duration = Duration::from_secs(10);

/// One party that is told.
pub trait Notifier: Send + Sync + 'static {
    /// As it stands in the settings: a label's value.
    fn name(&self) -> &str;
    /// The bytes that tell of this notice; the same for the same notice.
    fn render(&self, notice: &Notice) -> Bytes;
    /// The request that delivers such bytes.
    fn request(&self, body: Bytes) -> Request<Full<Bytes>>;
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

    fn request(&self, body: Bytes) -> Request<Full<Bytes>> {
        Sentry::request(self, body)
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
}

/// Whose hand it is in tells notices. The tasks end when it is dropped and what waits is delivered.
pub struct DeliveryHandle {
    lines: Vec<Line>,
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
/// which none may while the handle lives: the caller watches them.
pub fn start(
    notifiers: Vec<Arc<dyn Notifier>>,
    carry: &Carry,
    metrics: &Metrics,
    now: &Clock,
) -> (DeliveryHandle, JoinSet<String>) {
    let mut tasks = JoinSet::new();
    let lines = notifiers.into_iter().map(|notifier| {
        let (orders, incoming) = mpsc::unbounded_channel();
        let standing = Arc::new(Standing::default());
        let metrics = metrics.notifier(notifier.name());
        let queue = Queue::new(
            Arc::clone(&notifier),
            Arc::clone(carry),
            Arc::clone(&standing),
            metrics.clone(),
            Arc::clone(now),
        );
        tasks.spawn(queue.run(incoming));
        Line {
            notifier,
            orders,
            standing,
            metrics,
        }
    });
    let lines = lines.collect();
    (
        DeliveryHandle {
            lines,
            now: Arc::clone(now),
        },
        tasks,
    )
}

impl DeliveryHandle {
    /// Logs the notice and hands it to every notifier. Never blocks.
    pub fn tell(&self, notice: &Notice) {
        log(notice);
        for line in &self.lines {
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
    }

    /// At stop: every wait is cut short, and what waits has this long to be delivered. Returns how many notices
    /// are left undelivered, over all notifiers.
    pub async fn flush(&self, within: Duration) -> usize {
        let (asked, answers): (Vec<_>, Vec<_>) = self
            .lines
            .iter()
            .map(|line| {
                let (done, is_done) = oneshot::channel();
                (line.orders.send(Order::Flush(done)), is_done)
            })
            .unzip();
        drop(asked);
        // A dead task drops its answer: that ends the wait for it, and its notices stay counted.
        let _ = tokio::time::timeout(within, futures_util::future::join_all(answers)).await;
        let left = |line: &Line| {
            let left = line.standing.pending.load(Ordering::Relaxed);
            if left > 0 {
                tracing::error!(
                    notifier = line.notifier.name(),
                    left,
                    "stopping with notices undelivered"
                );
            }
            left
        };
        self.lines.iter().map(left).sum()
    }

    /// The notifiers that do not take their foremost notice, for /readyz.
    pub fn stuck(&self) -> Vec<Stuck> {
        let stuck = self.lines.iter().filter_map(|line| {
            let failed_tries = line.standing.failed_tries.load(Ordering::Relaxed);
            (failed_tries > 0).then(|| Stuck {
                notifier: line.notifier.name().to_owned(),
                pending: line.standing.pending.load(Ordering::Relaxed),
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
