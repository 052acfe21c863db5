//! One notifier's queue: in order, one at a time, until each is taken.

use super::backlog::Backlog;
use super::held::Held;
use super::tries::{self, Tried};
use super::{Carry, Clock, Done, Ended, Notifier, Order, Parcel, Standing, Waiting};
use crate::backoff::Backoff;
use crate::core::notice::NoticeKind;
use crate::format;
use crate::io::metrics::{NotifierMetrics, Outcome};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior};

/// Between tries of a notice that was not taken; a notifier that is back hears of it within a minute.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(60),
};
/// No wait is shorter, whatever the dice say: a refused connection is answered in microseconds.
const SHORTEST_WAIT: Duration = Duration::from_millis(100);
/// A peer's own word is kept up to here; a day's `Retry-After` must not silence us for a day.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// Between tries while stopping: as many as fit into the seconds that are left.
const STOPPING_WAIT: Duration = Duration::from_millis(250);
/// How often the age of the oldest is looked at while something waits.
const SHOW_EVERY: Duration = Duration::from_secs(1);
/// Tries in a row after which another incident has its turn: a server that chokes on one notice may take the next.
/// Five minutes or so of a server that is simply down.
const TRIES_A_TURN: u32 = 10;
/// Incidents told again in one request: hundreds of kilobytes at most.
const REFRESH_BATCH: usize = 256;

pub(super) struct Queue {
    notifier: Arc<dyn Notifier>,
    carry: Carry,
    standing: Arc<Standing>,
    metrics: NotifierMetrics,
    now: Clock,
    done: Done,
    backlog: Backlog,
    held: Held,
    /// When what is held is to be said again.
    refresh_at: Instant,
    /// Refreshes in a row that failed.
    refresh_failed: u32,
    /// Tries in a row that failed.
    failed: u32,
    /// No try before this.
    not_before: Instant,
    doing: Option<Doing>,
    flushed: Vec<oneshot::Sender<()>>,
    stopping: bool,
}

/// What is under way.
enum Doing {
    Notice(BoxFuture<'static, Tried>),
    Refresh(BoxFuture<'static, Tried>),
}

/// What has ended.
enum Did {
    Notice(Tried),
    Refresh(Tried),
}

/// What a queue works with.
pub(super) struct Means {
    pub(super) notifier: Arc<dyn Notifier>,
    pub(super) carry: Carry,
    pub(super) standing: Arc<Standing>,
    pub(super) metrics: NotifierMetrics,
    pub(super) now: Clock,
    pub(super) done: Done,
}

impl Queue {
    pub(super) fn new(means: Means) -> Self {
        Queue {
            notifier: means.notifier,
            carry: means.carry,
            standing: means.standing,
            metrics: means.metrics,
            now: means.now,
            done: means.done,
            backlog: Backlog::default(),
            held: Held::default(),
            refresh_at: timer(),
            refresh_failed: 0,
            failed: 0,
            not_before: timer(),
            doing: None,
            flushed: Vec::new(),
            stopping: false,
        }
    }

    /// Runs until nobody can tell any more and nothing waits; returns the notifier's name.
    pub(super) async fn run(mut self, mut incoming: mpsc::UnboundedReceiver<Order>) -> String {
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
                did = progress(&mut self.doing), if self.doing.is_some() => {
                    self.doing = None;
                    self.conclude(did);
                }
                () = until(wake), if wake.is_some() => self.begin(),
                _ = show.tick(), if !idle => self.look_at_ages(),
            }
            self.show();
        }
        self.notifier.name().to_owned()
    }

    fn take(&mut self, order: Order) {
        match order {
            Order::Tell(parcel) => {
                let gone = self.backlog.push(parcel, self.is_sending());
                for parcel in gone {
                    self.give_up(&parcel, "more wait than there is room for");
                }
            }
            Order::Hold(waiting) => {
                let subject = self.notifier.subject(&waiting);
                self.held.take(waiting, subject, (self.now)().wall);
                self.refresh_at = timer();
            }
            Order::Retire => self.held.clear(),
            Order::Flush(done) => {
                self.stopping = true;
                self.not_before = timer();
                self.flushed.push(done);
            }
            Order::GiveUp => {
                self.doing = None;
                while let Some(parcel) = self.backlog.pop() {
                    self.give_up(&parcel, "its notifier is long gone");
                }
            }
        }
    }

    fn is_sending(&self) -> bool {
        matches!(self.doing, Some(Doing::Notice(_)))
    }

    /// Leaves out what is too old, and shows the age of the oldest that stays.
    fn look_at_ages(&mut self) {
        let now = (self.now)().wall;
        for parcel in self.backlog.take_old(now, self.is_sending()) {
            self.give_up(&parcel, "it waited too long to be worth telling");
        }
        let age = self.backlog.oldest().map(|told| now.since(told));
        let age = age.unwrap_or_default();
        self.metrics.oldest.set(age.as_secs_f64());
    }

    fn give_up(&mut self, parcel: &Parcel, why: &str) {
        let waiting = &parcel.waiting;
        if matches!(waiting.kind, NoticeKind::Closed(_)) {
            self.held.forget(waiting.incident);
        }
        self.standing.gave_up((self.now)().mono);
        self.done_with(parcel, Outcome::GivenUp);
        tracing::error!(
            notifier = self.notifier.name(),
            incident = %waiting.incident,
            state = waiting.kind.label(),
            waited = format::duration((self.now)().wall.since(waiting.told)),
            "a notice is given up: {why}"
        );
    }

    /// When the next thing is to be done; `None` while something is under way or nothing is to do.
    fn wake(&self) -> Option<Instant> {
        if self.doing.is_some() {
            return None;
        }
        let notice = self.backlog.front().map(|parcel| self.ready_at(parcel));
        notice.into_iter().chain(self.refresh_due()).min()
    }

    fn refresh_due(&self) -> Option<Instant> {
        let wanted = self.notifier.refresh_every().is_some() && !self.held.is_empty();
        wanted.then(|| self.refresh_at.max(self.not_before))
    }

    fn ready_at(&self, parcel: &Parcel) -> Instant {
        let left = self.held_back(parcel);
        // What no store keeps is lost where it is not sent now.
        if left.is_zero() || (self.stopping && parcel.id == 0) {
            self.not_before
        } else {
            self.not_before.max(timer() + left)
        }
    }

    /// How much longer it may not be sent yet.
    fn held_back(&self, parcel: &Parcel) -> Duration {
        let waited = (self.now)().wall.since(parcel.waiting.told);
        let kind = parcel.waiting.kind;
        self.notifier.hold_back(kind).saturating_sub(waited)
    }

    fn begin(&mut self) {
        let now = timer();
        let refresh = self.refresh_due().is_some_and(|at| at <= now);
        self.doing = if refresh {
            Some(Doing::Refresh(self.again()))
        } else {
            let foremost = self.backlog.front().filter(|one| self.ready_at(one) <= now);
            foremost.map(|parcel| Doing::Notice(self.attempt(&parcel.waiting)))
        };
    }

    fn attempt(&self, waiting: &Waiting) -> BoxFuture<'static, Tried> {
        let requests = if self.goes_on(waiting) {
            Vec::new()
        } else {
            self.notifier.requests(waiting, (self.now)().wall)
        };
        let notifier = Arc::clone(&self.notifier);
        tries::send(notifier, Arc::clone(&self.carry), requests, self.failed).boxed()
    }

    /// Whether it is the end of what another incident is to the peer as well, and that one is open.
    fn goes_on(&self, waiting: &Waiting) -> bool {
        if !self.notifier.keeps_open() || !matches!(waiting.kind, NoticeKind::Closed(_)) {
            return false;
        }
        let Some(subject) = self.notifier.subject(waiting) else {
            return false;
        };
        let begins = |parcel: &Parcel| {
            parcel.waiting.kind == NoticeKind::Opened
                && parcel.waiting.incident != waiting.incident
                && self.notifier.subject(&parcel.waiting).as_ref() == Some(&subject)
        };
        self.held.stands(waiting, Some(&subject)) || self.backlog.iter().any(begins)
    }

    /// Says everything that is open again, a batch after the other, as far as the peer takes them.
    fn again(&mut self) -> BoxFuture<'static, Tried> {
        let now = (self.now)().wall;
        let again = self.held.again(now);
        let again: Vec<&Waiting> = again.iter().collect();
        let batches: Vec<_> = again
            .chunks(REFRESH_BATCH)
            .map(|batch| self.notifier.refresh(batch, now))
            .collect();
        let (notifier, carry) = (Arc::clone(&self.notifier), Arc::clone(&self.carry));
        async move {
            let mut worst = Tried::nothing();
            for batch in batches {
                let tried = tries::send(Arc::clone(&notifier), Arc::clone(&carry), batch, 0).await;
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

    fn conclude(&mut self, did: Did) {
        match did {
            Did::Notice(tried) => self.conclude_notice(&tried),
            Did::Refresh(tried) => self.conclude_refresh(&tried),
        }
    }

    fn conclude_notice(&mut self, tried: &Tried) {
        if tried.outcome == Outcome::Retried {
            self.failed += 1;
            self.metrics.count(Outcome::Retried);
        } else if let Some(sent) = self.backlog.pop() {
            self.failed = 0;
            self.done_with(&sent, tried.outcome);
            self.report(&sent.waiting, tried);
            self.keep(sent.waiting, tried.outcome);
        }
        let wait = self.next_wait(tried);
        self.not_before = timer() + wait;
        if tried.outcome == Outcome::Retried {
            tracing::warn!(
                notifier = self.notifier.name(),
                tries = self.failed,
                again_in = format::duration(wait),
                pending = self.backlog.len(),
                "a notice was not taken: {}",
                tried.said
            );
            if self.failed.is_multiple_of(TRIES_A_TURN) {
                self.backlog.yield_turn();
            }
        }
    }

    fn keep(&mut self, waiting: Waiting, outcome: Outcome) {
        if !self.notifier.keeps_open() {
            return;
        }
        match outcome {
            Outcome::Delivered => {
                let subject = self.notifier.subject(&waiting);
                // The first one sets the beat of what is said again.
                if let (true, Some(every)) = (self.held.is_empty(), self.notifier.refresh_every()) {
                    self.refresh_at = timer() + every;
                }
                self.held.take(waiting, subject, (self.now)().wall);
            }
            _ if matches!(waiting.kind, NoticeKind::Closed(_)) => {
                self.held.forget(waiting.incident);
            }
            _ => {}
        }
    }

    fn conclude_refresh(&mut self, tried: &Tried) {
        if tried.outcome == Outcome::Delivered {
            self.refresh_failed = 0;
            self.refresh_at = timer() + self.notifier.refresh_every().unwrap_or_default();
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
            "what is open could not be told again: {}",
            tried.said
        );
    }

    fn report(&self, sent: &Waiting, tried: &Tried) {
        let (notifier, incident, state) = (self.notifier.name(), sent.incident, sent.kind.label());
        if tried.outcome == Outcome::Delivered {
            let delay = (self.now)().wall.since(sent.due);
            self.metrics.delay.observe(delay.as_secs_f64());
            tracing::info!(notifier, %incident, state, delay = format::duration(delay), "told");
            self.report_missed(tried);
        } else {
            tracing::error!(notifier, %incident, state, "a notice was refused for good: {}", tried.said);
        }
    }

    fn report_missed(&self, tried: &Tried) {
        for said in &tried.missed {
            tracing::warn!(
                notifier = self.notifier.name(),
                "one of several did not take what another took: {said}"
            );
        }
    }

    fn done_with(&self, parcel: &Parcel, outcome: Outcome) {
        self.metrics.count(outcome);
        self.metrics.pending.dec();
        self.standing.pending.fetch_sub(1, Ordering::Relaxed);
        (self.done)(Ended {
            id: parcel.id,
            incident: parcel.waiting.incident,
            kind: parcel.waiting.kind,
            notifier: parcel.notifier.clone(),
            outcome,
            delay: (self.now)().wall.since(parcel.waiting.due),
        });
    }

    /// How long to wait before the next try. A peer's own word counts for whatever comes next; while stopping
    /// nothing does, since what is not sent now is late by a restart at least.
    fn next_wait(&self, tried: &Tried) -> Duration {
        let ours = match tried.outcome {
            Outcome::Retried => BACKOFF.delay(self.failed).max(SHORTEST_WAIT),
            _ => Duration::ZERO,
        };
        if self.stopping {
            return ours.min(STOPPING_WAIT);
        }
        ours.max(tried.pause.unwrap_or_default().min(LONGEST_PAUSE))
    }

    /// Brings up to date what others see.
    fn show(&mut self) {
        let failed = self.failed.max(self.refresh_failed);
        self.standing.failed_tries.store(failed, Ordering::Relaxed);
        if self.backlog.is_empty() {
            self.metrics.oldest.set(0.0);
        }
        let kept = |parcel: &Parcel| parcel.id != 0 && !self.held_back(parcel).is_zero();
        if !self.flushed.is_empty() && self.backlog.iter().all(kept) {
            for done in self.flushed.drain(..) {
                // Whoever asked has given up waiting.
                let _ = done.send(());
            }
        }
    }
}

/// Waits until what is under way has ended. Safe to drop and begin again.
async fn progress(doing: &mut Option<Doing>) -> Did {
    match doing {
        Some(Doing::Notice(tried)) => Did::Notice(tried.await),
        Some(Doing::Refresh(tried)) => Did::Refresh(tried.await),
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
