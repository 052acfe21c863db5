//! One notifier's queue: one at a time, in order within each incident, each retried until it is accepted.

pub(super) mod conclude;

use super::attempts::{self, AttemptResult};
use super::backlog::{ALERT_WAITS, Arrival, Backlog, Dropped, LaneId, Pending};
use super::line_limit::LineLimit;
use super::messages::{OnFinished, QueueCommand};
use super::open_alerts::OpenAlerts;
use super::status::QueueStatus;
use super::timer::timer;
use crate::clock::NowFn;
use crate::core::notice::NoticeKind;
use crate::core::time::Mono;
use crate::format;
use crate::io::http_client::HttpSend;
use crate::io::metrics::NotifierMetrics;
use crate::io::notifier::{Delivery, Notifier, Outcome, RenderedNotice};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior};

/// Least time for which a delivery of an earlier run is tried.
const TRIED_AT_LEAST: Duration = Duration::from_secs(3600);
/// Interval of the age metric while deliveries are pending.
const SHOW_EVERY: Duration = Duration::from_secs(1);
/// Open alerts resent in one request: hundreds of kilobytes at most.
const REFRESH_BATCH: usize = 256;

pub(super) struct Queue {
    notifier: Arc<dyn Notifier>,
    http_send: HttpSend,
    status: Arc<QueueStatus>,
    metrics: NotifierMetrics,
    now: NowFn,
    on_finished: OnFinished,
    backlog: Backlog,
    open_alerts: OpenAlerts,
    /// Time of the next resend of open alerts.
    refresh_at: Instant,
    /// Failed resends in a row.
    refresh_failed: u32,
    /// The lines of the log about notices that are sent or dropped.
    lines: LineLimit,
    /// Failed attempts in a row, of a receiver that fails whatever it is sent.
    failed: u32,
    /// Incidents in a row whose delivery the receiver refused or put off.
    put_off: u32,
    /// No attempt before this.
    not_before: Instant,
    in_flight: Option<InFlight>,
    flushed: Vec<oneshot::Sender<()>>,
    stopping: bool,
}

/// The attempt in progress.
enum InFlight {
    Notice(LaneId, BoxFuture<'static, AttemptResult>),
    Refresh(BoxFuture<'static, AttemptResult>),
}

/// An attempt that has ended.
enum Completed {
    Notice(LaneId, AttemptResult),
    Refresh(AttemptResult),
}

/// The mark of an opening that was dropped, in the store.
#[derive(Default)]
struct Mark {
    /// True: the delivery stays there as one.
    left: bool,
    /// The number of one that goes; 0: none.
    released: u64,
}

/// A queue's inputs and outputs.
pub(super) struct QueueDeps {
    pub(super) notifier: Arc<dyn Notifier>,
    pub(super) http_send: HttpSend,
    pub(super) status: Arc<QueueStatus>,
    pub(super) metrics: NotifierMetrics,
    pub(super) now: NowFn,
    pub(super) on_finished: OnFinished,
}

impl Queue {
    pub(super) fn new(deps: QueueDeps) -> Self {
        Queue {
            notifier: deps.notifier,
            http_send: deps.http_send,
            status: deps.status,
            metrics: deps.metrics,
            now: deps.now,
            on_finished: deps.on_finished,
            backlog: Backlog::default(),
            open_alerts: OpenAlerts::default(),
            refresh_at: timer(),
            refresh_failed: 0,
            lines: LineLimit::default(),
            failed: 0,
            put_off: 0,
            not_before: timer(),
            in_flight: None,
            flushed: Vec::new(),
            stopping: false,
        }
    }

    /// Runs until the handle is dropped and nothing is pending; returns the notifier's name.
    pub(super) async fn run(
        mut self,
        mut incoming: mpsc::UnboundedReceiver<QueueCommand>,
    ) -> String {
        let mut show = tokio::time::interval(SHOW_EVERY);
        show.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut open = true;
        while open || !self.backlog.is_empty() {
            let idle = self.backlog.is_empty();
            let wake = self.wake();
            tokio::select! {
                // All that waits is taken before the next one is chosen by its severity.
                biased;
                order = incoming.recv(), if open => match order {
                    Some(order) => self.take(order),
                    None => open = false,
                },
                did = progress(&mut self.in_flight), if self.in_flight.is_some() => {
                    self.in_flight = None;
                    self.conclude(did);
                }
                () = until(wake), if wake.is_some() => self.begin(),
                _ = show.tick(), if !idle || self.lines.is_used() => self.look_at_ages(),
            }
            self.show();
        }
        self.notifier.name().to_owned()
    }

    fn take(&mut self, order: QueueCommand) {
        match order {
            QueueCommand::Send(delivery) => self.add(delivery),
            QueueCommand::Hold(rendered) => {
                let subject = self.notifier.dedup_key(&rendered);
                self.open_alerts.take(rendered, subject, (self.now)().wall);
                self.refresh_at = timer();
            }
            QueueCommand::Retire => self.open_alerts.clear(),
            QueueCommand::Flush(done) => {
                self.stopping = true;
                self.not_before = timer();
                self.backlog.release(timer());
                self.flushed.push(done);
            }
            QueueCommand::GiveUp => {
                self.in_flight = None;
                let dropped = self.backlog.drop_all("its notifier was removed");
                self.give_up_all(&dropped);
            }
        }
    }

    fn add(&mut self, delivery: Delivery) {
        let rendered = &delivery.rendered;
        let now = (self.now)();
        if rendered.body.is_empty() {
            // A mark: its opening was dropped by an earlier run.
            self.backlog.mark(rendered.incident, delivery.id);
            self.uncount();
            return;
        }
        // What was queued in this run is new, whatever the wall clock says. What an earlier one left is tried for a
        // while at least: its age hangs on two readings of a clock that may be wrong.
        let age = now.wall.since(rendered.queued_at);
        let age = age.min(ALERT_WAITS.saturating_sub(TRIED_AT_LEAST));
        let held = self.notifier.send_delay(rendered.kind).saturating_sub(age);
        // What no store keeps is lost where it is not sent now.
        let at_once = self.stopping && delivery.id == 0;
        let arrival = Arrival {
            key: self.notifier.dedup_key(rendered),
            now: now.mono,
            age,
            ready_at: timer() + if at_once { Duration::ZERO } else { held },
            delivery,
        };
        let dropped = self.backlog.push(arrival, self.sending());
        self.give_up_all(&dropped);
    }

    /// The lane whose first delivery is being sent.
    fn sending(&self) -> Option<LaneId> {
        match &self.in_flight {
            Some(InFlight::Notice(lane, _)) => Some(*lane),
            _ => None,
        }
    }

    /// Drops what is too old, and shows the age of the oldest that stays.
    fn look_at_ages(&mut self) {
        let now = (self.now)().mono;
        self.sum_up(now);
        let dropped = self.backlog.take_old(now, self.sending());
        self.give_up_all(&dropped);
        let age = self.backlog.iter().map(|one| one.age(now)).max();
        let age = age.unwrap_or_default();
        self.metrics.oldest.set(age.as_secs_f64());
    }

    fn sum_up(&mut self, now: Mono) {
        if let Some(left_out) = self.lines.summary(now) {
            tracing::warn!(
                notifier = self.notifier.name(),
                lines = left_out.lines,
                "so many notifications in a minute are not logged one by one: {}",
                left_out.most
            );
        }
    }

    fn give_up_all(&mut self, dropped: &[Dropped]) {
        for one in dropped {
            self.give_up(one, Outcome::GivenUp);
        }
    }

    fn give_up(&mut self, dropped: &Dropped, outcome: Outcome) {
        let now = (self.now)().mono;
        let rendered = &dropped.pending.delivery.rendered;
        if matches!(rendered.kind, NoticeKind::Closed(_)) {
            self.open_alerts.forget(rendered.incident);
        }
        self.status.gave_up(now);
        let mark = Mark {
            left: dropped.leaves_mark,
            released: dropped.releases,
        };
        self.done_with(&dropped.pending, outcome, mark);
        if !self.lines.admit(dropped.why, now) {
            return;
        }
        tracing::error!(
            notifier = self.notifier.name(),
            incident = %rendered.incident,
            state = rendered.kind.label(),
            waited = format::duration(dropped.pending.age(now)),
            "notification dropped: {}",
            dropped.why
        );
    }

    /// Time of the next attempt; `None` during an attempt, or if nothing is pending.
    fn wake(&self) -> Option<Instant> {
        if self.in_flight.is_some() {
            return None;
        }
        let notice = self.backlog.ready_at(timer());
        let notice = notice.map(|at| at.max(self.not_before));
        notice.into_iter().chain(self.refresh_due()).min()
    }

    fn refresh_due(&self) -> Option<Instant> {
        let wanted = self.notifier.resend_interval().is_some() && !self.open_alerts.is_empty();
        wanted.then(|| self.refresh_at.max(self.not_before))
    }

    fn begin(&mut self) {
        let now = timer();
        let refresh = self.refresh_due().is_some_and(|at| at <= now);
        self.in_flight = if refresh {
            Some(InFlight::Refresh(self.again()))
        } else if self.not_before <= now {
            let lane = self.backlog.next(now);
            lane.and_then(|lane| Some(InFlight::Notice(lane, self.attempt(lane)?)))
        } else {
            None
        };
    }

    /// `None`: nothing waits in the lane.
    fn attempt(&self, lane: LaneId) -> Option<BoxFuture<'static, AttemptResult>> {
        let now = (self.now)().wall;
        let pending = self.backlog.head(lane)?;
        let (failed, shortened) = self
            .backlog
            .lane(lane)
            .map_or((0, 0), |lane| (lane.failed, lane.shortened));
        let whole = &pending.delivery.rendered;
        let shorter = || self.notifier.shorten(&whole.body, shortened);
        let shorter = (shortened > 0).then(shorter).flatten();
        let rendered = &RenderedNotice {
            body: shorter.unwrap_or_else(|| whole.body.clone()),
            ..whole.clone()
        };
        let before = self.replaced(rendered);
        let requests = match (self.goes_on(rendered), &before) {
            (false, None) => self.notifier.requests(rendered, now),
            (false, Some(before)) => self.notifier.replace(before, rendered, now),
            // Another incident keeps what it is now; what it was ends.
            (true, Some(before)) => self.notifier.requests(before, now),
            (true, None) => Vec::new(),
        };
        let notifier = Arc::clone(&self.notifier);
        Some(attempts::send(notifier, Arc::clone(&self.http_send), requests, failed).boxed())
    }

    /// The open alert of its incident, where it was another at the peer than it is now.
    fn replaced(&self, rendered: &RenderedNotice) -> Option<RenderedNotice> {
        let subject = self.notifier.dedup_key(rendered);
        self.open_alerts.before(rendered, subject.as_ref())
    }

    /// True if it closes an alert that another open incident still holds open at the peer.
    fn goes_on(&self, rendered: &RenderedNotice) -> bool {
        if !self.notifier.tracks_open_alerts() || !matches!(rendered.kind, NoticeKind::Closed(_)) {
            return false;
        }
        let Some(subject) = self.notifier.dedup_key(rendered) else {
            return false;
        };
        let begins = |pending: &Pending| {
            let delivery = &pending.delivery;
            delivery.rendered.kind == NoticeKind::Opened
                && delivery.rendered.incident != rendered.incident
                && self.notifier.dedup_key(&delivery.rendered).as_ref() == Some(&subject)
        };
        self.open_alerts.stands(rendered, Some(&subject)) || self.backlog.iter().any(begins)
    }

    /// Resends all open alerts, batch by batch, as far as the peer accepts them.
    fn again(&mut self) -> BoxFuture<'static, AttemptResult> {
        let now = (self.now)().wall;
        let again = self.open_alerts.again(now);
        let again: Vec<&RenderedNotice> = again.iter().collect();
        let batches: Vec<_> = again
            .chunks(REFRESH_BATCH)
            .map(|batch| self.notifier.resend(batch, now))
            .collect();
        let (notifier, http_send) = (Arc::clone(&self.notifier), Arc::clone(&self.http_send));
        async move {
            let mut worst = AttemptResult::nothing();
            for batch in batches {
                let tried =
                    attempts::send(Arc::clone(&notifier), Arc::clone(&http_send), batch, 0).await;
                // What is wrong with one batch need not be wrong with the next.
                let refused = tried.outcome == Outcome::Rejected;
                if worst.outcome == Outcome::Delivered {
                    worst = tried;
                }
                if !refused && worst.outcome == Outcome::Retried {
                    break;
                }
            }
            worst
        }
        .boxed()
    }

    /// Updates status and metrics, and answers a flush.
    fn show(&mut self) {
        let failed = self.failed.max(self.refresh_failed);
        self.status.failed_tries.store(failed, Ordering::Relaxed);
        if self.backlog.is_empty() {
            self.metrics.oldest.set(0.0);
        }
        let now = timer();
        let kept = |one: &Pending| one.delivery.id != 0 && one.is_held_back(now);
        if !self.flushed.is_empty() && self.backlog.iter().all(kept) {
            for done in self.flushed.drain(..) {
                // The receiver may have given up.
                let _ = done.send(());
            }
        }
    }
}

/// Waits for the attempt in progress. Safe to drop and begin again.
async fn progress(in_flight: &mut Option<InFlight>) -> Completed {
    match in_flight {
        Some(InFlight::Notice(lane, tried)) => Completed::Notice(*lane, tried.await),
        Some(InFlight::Refresh(tried)) => Completed::Refresh(tried.await),
        None => std::future::pending().await,
    }
}

async fn until(wake: Option<Instant>) {
    match wake {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
