//! One notifier's queue: in order, one at a time, each retried until it is accepted.

use super::attempts::{self, AttemptResult};
use super::backlog::Backlog;
use super::messages::{Finished, OnFinished, QueueCommand};
use super::open_alerts::OpenAlerts;
use super::status::QueueStatus;
use crate::backoff::Backoff;
use crate::clock::NowFn;
use crate::core::notice::NoticeKind;
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

/// Wait between attempts; a notifier that is back gets the notice within a minute.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(60),
};
/// Least wait, whatever the jitter: a refused connection fails within microseconds.
const SHORTEST_WAIT: Duration = Duration::from_millis(100);
/// Limit of a peer's `Retry-After`: a day's must not stop notifications for a day.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// Wait between attempts while stopping: as many as fit into the remaining seconds.
const STOPPING_WAIT: Duration = Duration::from_millis(250);
/// Interval of the age metric while deliveries are pending.
const SHOW_EVERY: Duration = Duration::from_secs(1);
/// Failed attempts in a row after which another incident has its turn: a server that fails on one notice may accept the next.
/// Five minutes or so of a server that is simply down.
const TRIES_A_TURN: u32 = 10;
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
    /// Failed attempts in a row.
    failed: u32,
    /// No attempt before this.
    not_before: Instant,
    in_flight: Option<InFlight>,
    flushed: Vec<oneshot::Sender<()>>,
    stopping: bool,
}

/// The attempt in progress.
enum InFlight {
    Notice(BoxFuture<'static, AttemptResult>),
    Refresh(BoxFuture<'static, AttemptResult>),
}

/// An attempt that has ended.
enum Completed {
    Notice(AttemptResult),
    Refresh(AttemptResult),
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
            failed: 0,
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
                order = incoming.recv(), if open => match order {
                    Some(order) => self.take(order),
                    None => open = false,
                },
                did = progress(&mut self.in_flight), if self.in_flight.is_some() => {
                    self.in_flight = None;
                    self.conclude(did);
                }
                () = until(wake), if wake.is_some() => self.begin(),
                _ = show.tick(), if !idle => self.look_at_ages(),
            }
            self.show();
        }
        self.notifier.name().to_owned()
    }

    fn take(&mut self, order: QueueCommand) {
        match order {
            QueueCommand::Tell(delivery) => {
                let gone = self.backlog.push(delivery, self.is_sending());
                for delivery in gone {
                    self.give_up(&delivery, "the queue is full");
                }
            }
            QueueCommand::Hold(rendered) => {
                let subject = self.notifier.dedup_key(&rendered);
                self.open_alerts.take(rendered, subject, (self.now)().wall);
                self.refresh_at = timer();
            }
            QueueCommand::Retire => self.open_alerts.clear(),
            QueueCommand::Flush(done) => {
                self.stopping = true;
                self.not_before = timer();
                self.flushed.push(done);
            }
            QueueCommand::GiveUp => {
                self.in_flight = None;
                while let Some(delivery) = self.backlog.pop() {
                    self.give_up(&delivery, "its notifier was removed");
                }
            }
        }
    }

    fn is_sending(&self) -> bool {
        matches!(self.in_flight, Some(InFlight::Notice(_)))
    }

    /// Drops what is too old, and shows the age of the oldest that stays.
    fn look_at_ages(&mut self) {
        let now = (self.now)().wall;
        for delivery in self.backlog.take_old(now, self.is_sending()) {
            self.give_up(&delivery, "it waited too long");
        }
        let age = self.backlog.oldest().map(|told| now.since(told));
        let age = age.unwrap_or_default();
        self.metrics.oldest.set(age.as_secs_f64());
    }

    fn give_up(&mut self, delivery: &Delivery, why: &str) {
        let rendered = &delivery.rendered;
        if matches!(rendered.kind, NoticeKind::Closed(_)) {
            self.open_alerts.forget(rendered.incident);
        }
        self.status.gave_up((self.now)().mono);
        self.done_with(delivery, Outcome::GivenUp);
        tracing::error!(
            notifier = self.notifier.name(),
            incident = %rendered.incident,
            state = rendered.kind.label(),
            waited = format::duration((self.now)().wall.since(rendered.queued_at)),
            "notification dropped: {why}"
        );
    }

    /// Time of the next attempt; `None` during an attempt, or if nothing is pending.
    fn wake(&self) -> Option<Instant> {
        if self.in_flight.is_some() {
            return None;
        }
        let notice = self.backlog.front().map(|delivery| self.ready_at(delivery));
        notice.into_iter().chain(self.refresh_due()).min()
    }

    fn refresh_due(&self) -> Option<Instant> {
        let wanted = self.notifier.resend_interval().is_some() && !self.open_alerts.is_empty();
        wanted.then(|| self.refresh_at.max(self.not_before))
    }

    fn ready_at(&self, delivery: &Delivery) -> Instant {
        let left = self.held_back(delivery);
        // What no store keeps is lost where it is not sent now.
        if left.is_zero() || (self.stopping && delivery.id == 0) {
            self.not_before
        } else {
            self.not_before.max(timer() + left)
        }
    }

    /// Remaining send delay.
    fn held_back(&self, delivery: &Delivery) -> Duration {
        let waited = (self.now)().wall.since(delivery.rendered.queued_at);
        let kind = delivery.rendered.kind;
        self.notifier.send_delay(kind).saturating_sub(waited)
    }

    fn begin(&mut self) {
        let now = timer();
        let refresh = self.refresh_due().is_some_and(|at| at <= now);
        self.in_flight = if refresh {
            Some(InFlight::Refresh(self.again()))
        } else {
            let foremost = self.backlog.front().filter(|one| self.ready_at(one) <= now);
            foremost.map(|delivery| InFlight::Notice(self.attempt(&delivery.rendered)))
        };
    }

    fn attempt(&self, rendered: &RenderedNotice) -> BoxFuture<'static, AttemptResult> {
        let now = (self.now)().wall;
        let before = self.replaced(rendered);
        let requests = match (self.goes_on(rendered), &before) {
            (false, None) => self.notifier.requests(rendered, now),
            (false, Some(before)) => self.notifier.replace(before, rendered, now),
            // Another incident keeps what it is now; what it was ends.
            (true, Some(before)) => self.notifier.requests(before, now),
            (true, None) => Vec::new(),
        };
        let notifier = Arc::clone(&self.notifier);
        attempts::send(notifier, Arc::clone(&self.http_send), requests, self.failed).boxed()
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
        let begins = |delivery: &Delivery| {
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

    fn conclude(&mut self, did: Completed) {
        match did {
            Completed::Notice(tried) => self.conclude_notice(&tried),
            Completed::Refresh(tried) => self.conclude_refresh(&tried),
        }
    }

    fn conclude_notice(&mut self, tried: &AttemptResult) {
        if tried.outcome == Outcome::Retried {
            self.failed += 1;
            self.metrics.count(Outcome::Retried);
        } else if let Some(sent) = self.backlog.pop() {
            self.failed = 0;
            self.done_with(&sent, tried.outcome);
            self.report(&sent.rendered, tried);
            self.keep(sent.rendered, tried.outcome);
        }
        let wait = self.next_wait(tried);
        self.not_before = timer() + wait;
        if tried.outcome == Outcome::Retried {
            tracing::warn!(
                notifier = self.notifier.name(),
                tries = self.failed,
                again_in = format::duration(wait),
                pending = self.backlog.len(),
                "notification failed, will be retried: {}",
                tried.said
            );
            if self.failed.is_multiple_of(TRIES_A_TURN) {
                self.backlog.yield_turn();
            }
        }
    }

    fn keep(&mut self, rendered: RenderedNotice, outcome: Outcome) {
        if !self.notifier.tracks_open_alerts() {
            return;
        }
        match outcome {
            Outcome::Delivered => {
                let subject = self.notifier.dedup_key(&rendered);
                // The first one sets the beat of what is said again.
                if let (true, Some(every)) =
                    (self.open_alerts.is_empty(), self.notifier.resend_interval())
                {
                    self.refresh_at = timer() + every;
                }
                self.open_alerts.take(rendered, subject, (self.now)().wall);
            }
            _ if matches!(rendered.kind, NoticeKind::Closed(_)) => {
                self.open_alerts.forget(rendered.incident);
            }
            _ => {}
        }
    }

    fn conclude_refresh(&mut self, tried: &AttemptResult) {
        if tried.outcome == Outcome::Delivered {
            self.refresh_failed = 0;
            self.refresh_at = timer() + self.notifier.resend_interval().unwrap_or_default();
            self.report_missed(tried);
            return;
        }
        self.refresh_failed += 1;
        let pause = tried.pause.unwrap_or_default().min(LONGEST_PAUSE);
        let wait = BACKOFF
            .delay(self.refresh_failed)
            .max(SHORTEST_WAIT)
            .max(pause);
        self.refresh_at = timer() + wait;
        tracing::warn!(
            notifier = self.notifier.name(),
            tries = self.refresh_failed,
            again_in = format::duration(wait),
            "resending open alerts failed: {}",
            tried.said
        );
    }

    fn report(&self, sent: &RenderedNotice, tried: &AttemptResult) {
        let (notifier, incident, state) = (self.notifier.name(), sent.incident, sent.kind.label());
        if tried.outcome == Outcome::Delivered {
            let delay = (self.now)().wall.since(sent.due_at);
            self.metrics.delay.observe(delay.as_secs_f64());
            tracing::info!(notifier, %incident, state, delay = format::duration(delay), "notification sent");
            self.report_missed(tried);
        } else {
            tracing::error!(notifier, %incident, state, "notification rejected: {}", tried.said);
        }
    }

    fn report_missed(&self, tried: &AttemptResult) {
        for said in &tried.missed {
            tracing::warn!(
                notifier = self.notifier.name(),
                "one of several peers failed, another accepted: {said}"
            );
        }
    }

    fn done_with(&self, delivery: &Delivery, outcome: Outcome) {
        self.metrics.count(outcome);
        self.metrics.pending.dec();
        self.status.pending.fetch_sub(1, Ordering::Relaxed);
        (self.on_finished)(Finished {
            id: delivery.id,
            incident: delivery.rendered.incident,
            kind: delivery.rendered.kind,
            notifier: delivery.notifier.clone(),
            outcome,
            delay: (self.now)().wall.since(delivery.rendered.due_at),
        });
    }

    /// The wait before the next attempt. A peer's Retry-After holds for any next request; while stopping
    /// none does, since what is not sent now is late by a restart at least.
    fn next_wait(&self, tried: &AttemptResult) -> Duration {
        let ours = match tried.outcome {
            Outcome::Retried => BACKOFF.delay(self.failed).max(SHORTEST_WAIT),
            _ => Duration::ZERO,
        };
        if self.stopping {
            return ours.min(STOPPING_WAIT);
        }
        ours.max(tried.pause.unwrap_or_default().min(LONGEST_PAUSE))
    }

    /// Updates status and metrics, and answers a flush.
    fn show(&mut self) {
        let failed = self.failed.max(self.refresh_failed);
        self.status.failed_tries.store(failed, Ordering::Relaxed);
        if self.backlog.is_empty() {
            self.metrics.oldest.set(0.0);
        }
        let kept = |delivery: &Delivery| delivery.id != 0 && !self.held_back(delivery).is_zero();
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
        Some(InFlight::Notice(tried)) => Completed::Notice(tried.await),
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

/// The runtime's timer, which only says when to wake; no time that is shown or measured comes from it.
#[expect(
    clippy::disallowed_methods,
    reason = "sleep_until takes the timer's own clock, which tests can pause"
)]
pub(super) fn timer() -> Instant {
    Instant::now()
}
