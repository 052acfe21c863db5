//! One notifier's queue: in order, one at a time, until each is taken.

use super::{Carry, Clock, Notifier, Order, Standing, WAITING_LIMIT, Waiting};
use crate::io::metrics::{NotifierMetrics, Outcome};
use crate::io::post::{Answer, PostFault};
use crate::retry::Backoff;
use crate::words;
use futures_util::future::BoxFuture;
use hyper::StatusCode;
use std::collections::VecDeque;
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
/// How often the age of the oldest is shown while something waits.
const SHOW_EVERY: Duration = Duration::from_secs(1);
/// Characters of an answer's body in the log.
const BODY_CHARS: usize = 500;

pub(super) struct Queue {
    notifier: Arc<dyn Notifier>,
    carry: Carry,
    standing: Arc<Standing>,
    metrics: NotifierMetrics,
    now: Clock,
    waiting: VecDeque<Waiting>,
    /// Whether the foremost one has just been left out while it was being sent.
    overtaken: bool,
    /// Tries of the foremost one that failed.
    failed: u32,
    /// No try before this.
    not_before: Instant,
    flushed: Vec<oneshot::Sender<()>>,
    stopping: bool,
}

/// What is under way.
enum Doing {
    Nothing,
    Trying(BoxFuture<'static, Result<Answer, PostFault>>),
}

impl Queue {
    pub(super) fn new(
        notifier: Arc<dyn Notifier>,
        carry: Carry,
        standing: Arc<Standing>,
        metrics: NotifierMetrics,
        now: Clock,
    ) -> Self {
        Queue {
            notifier,
            carry,
            standing,
            metrics,
            now,
            waiting: VecDeque::new(),
            overtaken: false,
            failed: 0,
            not_before: timer(),
            flushed: Vec::new(),
            stopping: false,
        }
    }

    /// Runs until nobody can tell any more and nothing waits; returns the notifier's name.
    pub(super) async fn run(mut self, mut incoming: mpsc::UnboundedReceiver<Order>) -> String {
        let mut show = tokio::time::interval(SHOW_EVERY);
        show.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut doing = Doing::Nothing;
        let mut open = true;
        while open || !self.waiting.is_empty() {
            let idle = self.waiting.is_empty();
            tokio::select! {
                order = incoming.recv(), if open => match order {
                    Some(order) => self.take(order),
                    None => open = false,
                },
                result = progress(&mut doing, self.not_before), if !idle => match result {
                    Some(result) => {
                        doing = Doing::Nothing;
                        self.conclude(result);
                    }
                    None => doing = Doing::Trying(self.attempt()),
                },
                _ = show.tick(), if !idle => {}
            }
            self.show();
        }
        self.notifier.name().to_owned()
    }

    fn take(&mut self, order: Order) {
        match order {
            Order::Tell(waiting) => {
                self.waiting.push_back(waiting);
                if self.waiting.len() > WAITING_LIMIT {
                    self.leave_out_oldest("more wait than there is room for");
                }
            }
            Order::Flush(done) => {
                self.stopping = true;
                self.not_before = timer();
                self.flushed.push(done);
            }
            Order::GiveUp => {
                while !self.waiting.is_empty() {
                    self.leave_out_oldest("its notifier is long gone");
                }
            }
        }
    }

    /// The oldest goes, not the newest: an opening always stands before its closing, so no notifier is left with an
    /// alert that never ends.
    fn leave_out_oldest(&mut self, why: &str) {
        // Index 0 may be on its way right now; its answer then decides nothing.
        let Some(left_out) = self.waiting.pop_front() else {
            return;
        };
        self.overtaken = true;
        self.failed = 0;
        self.done_with_one(Outcome::GivenUp);
        tracing::error!(
            notifier = self.notifier.name(),
            incident = %left_out.incident,
            state = left_out.kind.label(),
            limit = WAITING_LIMIT,
            "a notice is given up: {why}"
        );
    }

    fn attempt(&mut self) -> BoxFuture<'static, Result<Answer, PostFault>> {
        self.overtaken = false;
        let foremost = self.waiting.front();
        let request = foremost.map(|waiting| self.notifier.request(waiting));
        (self.carry)(request.unwrap_or_default())
    }

    fn conclude(&mut self, result: Result<Answer, PostFault>) {
        let pause = result
            .as_ref()
            .ok()
            .and_then(|answer| self.notifier.pause(answer));
        let verdict = judge(&result);
        if self.overtaken {
            // What was sent is already counted as given up.
            self.overtaken = false;
        } else if verdict == Outcome::Retried {
            self.failed += 1;
            self.metrics.count(Outcome::Retried);
        } else if let Some(sent) = self.waiting.pop_front() {
            self.failed = 0;
            self.done_with_one(verdict);
            self.report(&sent, verdict, &result);
        }
        let wait = self.next_wait(verdict, pause);
        self.not_before = timer() + wait;
        if verdict == Outcome::Retried {
            tracing::warn!(
                notifier = self.notifier.name(),
                tries = self.failed,
                again_in = words::span(wait),
                pending = self.waiting.len(),
                "a notice was not taken: {}",
                self.said(&result)
            );
        }
    }

    fn report(&self, sent: &Waiting, outcome: Outcome, result: &Result<Answer, PostFault>) {
        let (notifier, incident, state) = (self.notifier.name(), sent.incident, sent.kind.label());
        if outcome == Outcome::Delivered {
            let delay = (self.now)().since(sent.due);
            self.metrics.delay.observe(delay.as_secs_f64());
            tracing::info!(notifier, %incident, state, delay = words::span(delay), "told");
        } else {
            tracing::error!(notifier, %incident, state, "a notice was refused for good: {}", self.said(result));
        }
    }

    fn done_with_one(&self, outcome: Outcome) {
        self.metrics.count(outcome);
        self.metrics.pending.dec();
        self.standing.pending.fetch_sub(1, Ordering::Relaxed);
    }

    /// How long to wait before the next try. A peer's own word counts for whatever comes next; while stopping
    /// nothing does, since what is not sent now is lost.
    fn next_wait(&self, verdict: Outcome, pause: Option<Duration>) -> Duration {
        let ours = match verdict {
            Outcome::Retried => BACKOFF.delay(self.failed).max(SHORTEST_WAIT),
            _ => Duration::ZERO,
        };
        if self.stopping {
            return ours.min(STOPPING_WAIT);
        }
        ours.max(pause.unwrap_or_default().min(LONGEST_PAUSE))
    }

    /// What the peer said, for the log. Servers repeat what they were sent: the key is taken out.
    fn said(&self, result: &Result<Answer, PostFault>) -> String {
        match result {
            Ok(answer) => {
                let body = self.notifier.hide(&String::from_utf8_lossy(&answer.body));
                let body = words::clean(&body, BODY_CHARS);
                format!("{} {body}", answer.status).trim_end().to_owned()
            }
            Err(fault) => words::chain(fault),
        }
    }

    /// Brings up to date what others see.
    fn show(&mut self) {
        self.standing
            .failed_tries
            .store(self.failed, Ordering::Relaxed);
        let age = self
            .waiting
            .front()
            .map(|oldest| (self.now)().since(oldest.told));
        self.metrics
            .oldest
            .set(age.unwrap_or_default().as_secs_f64());
        if self.waiting.is_empty() {
            for done in self.flushed.drain(..) {
                // Whoever asked has given up waiting.
                let _ = done.send(());
            }
        }
    }
}

/// Waits until a try may begin (`None`) or the one under way has ended. Safe to drop and begin again.
async fn progress(doing: &mut Doing, not_before: Instant) -> Option<Result<Answer, PostFault>> {
    match doing {
        Doing::Nothing => {
            tokio::time::sleep_until(not_before).await;
            None
        }
        Doing::Trying(attempt) => Some(attempt.await),
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

fn judge(result: &Result<Answer, PostFault>) -> Outcome {
    let Ok(answer) = result else {
        return Outcome::Retried;
    };
    match answer.status {
        status if status.is_success() => Outcome::Delivered,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Outcome::Retried,
        status if status.is_client_error() => Outcome::Rejected,
        // A redirect too: it is not followed, and may be a proxy's way to say "down for maintenance".
        _ => Outcome::Retried,
    }
}
