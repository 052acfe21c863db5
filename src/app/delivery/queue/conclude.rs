//! The end of an attempt: delivered, to be retried and when, or dropped.
//!
//! A receiver that fails whatever it is sent (no connection, 5xx) makes all deliveries wait. One that refuses a delivery (4xx),
//! or says when to send it again (`Retry-After`), makes that one wait; once it did so for several incidents in a row it
//! means all. Limits that a receiver states for everything (`X-Sentry-Rate-Limits`) hold for all.

use super::{Completed, Mark, Queue};
use crate::app::delivery::attempts::AttemptResult;
use crate::app::delivery::backlog::{LaneId, Pending, Refusal};
use crate::app::delivery::messages::Finished;
use crate::app::delivery::timer::timer;
use crate::backoff::Backoff;
use crate::format;
use crate::io::notifier::{Outcome, RenderedNotice};
use hyper::StatusCode;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Wait between attempts; a notifier that is back gets the notice within a minute.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(60),
};
/// Wait between attempts of a delivery that is refused: a token that is replaced is seen within five minutes.
const REFUSED_BACKOFF: Backoff = Backoff {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(300),
};
/// Time for which a delivery is refused until it is dropped: somebody has mended a wrong address within a day, and what
/// the receiver does not accept for its content is not worth more.
pub(in crate::app::delivery) const REFUSED_FOR: Duration = Duration::from_secs(24 * 3600);
/// Refused incidents in a row after which all wait: the receiver refuses everything.
const REFUSES_ALL: u32 = 3;
/// Least wait, whatever the jitter: a refused connection fails within microseconds.
const SHORTEST_WAIT: Duration = Duration::from_millis(100);
/// Limit of a peer's `Retry-After`: a day's must not stop notifications for a day.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// Wait between attempts while stopping: as many as fit into the remaining seconds.
const STOPPING_WAIT: Duration = Duration::from_millis(250);
/// Failed attempts in a row after which another incident has its turn: a server that fails on one notice may accept the next.
/// Five minutes or so of a server that is simply down.
const TRIES_A_TURN: u32 = 10;

impl Queue {
    pub(super) fn conclude(&mut self, did: Completed) {
        match did {
            Completed::Notice(lane, tried) => self.conclude_notice(lane, &tried),
            Completed::Refresh(tried) => self.conclude_refresh(&tried),
        }
        self.show_refusals();
    }

    fn conclude_notice(&mut self, lane: LaneId, tried: &AttemptResult) {
        match tried.outcome {
            Outcome::Delivered => self.delivered(lane, tried),
            Outcome::Rejected | Outcome::GivenUp => self.refused(lane, tried),
            Outcome::Retried if tried.pause.is_some() && tried.holds_all.is_none() => {
                let pause = tried.pause.unwrap_or_default().min(LONGEST_PAUSE);
                self.put_off(lane, tried, BACKOFF, pause);
            }
            Outcome::Retried => self.failed(lane, tried),
        }
    }

    fn delivered(&mut self, lane: LaneId, tried: &AttemptResult) {
        let Some((sent, released)) = self.backlog.deliver(lane) else {
            return;
        };
        (self.failed, self.put_off) = (0, 0);
        let mark = Mark {
            released,
            ..Mark::default()
        };
        self.done_with(&sent, Outcome::Delivered, mark);
        let delay = sent.delay((self.now)().mono);
        self.metrics.delay.observe(delay.as_secs_f64());
        let rendered = sent.delivery.rendered;
        if self.lines.admit("sent", (self.now)().mono) {
            tracing::info!(
                notifier = self.notifier.name(),
                incident = %rendered.incident,
                state = rendered.kind.label(),
                delay = format::duration(delay),
                "notification sent"
            );
        }
        self.report_missed(tried);
        self.keep(rendered);
        // A wait that a peer asks for beside accepting one is about the others.
        let pause = tried.pause.max(tried.holds_all).unwrap_or_default();
        self.wait(pause.min(LONGEST_PAUSE));
    }

    /// The receiver fails, whatever it is sent.
    fn failed(&mut self, lane: LaneId, tried: &AttemptResult) {
        self.failed += 1;
        self.metrics.count(Outcome::Retried);
        let held = tried.holds_all.unwrap_or_default().min(LONGEST_PAUSE);
        let wait = BACKOFF.delay(self.failed).max(SHORTEST_WAIT).max(held);
        let wait = self.wait(wait);
        self.warn(tried, self.failed, wait);
        self.backlog.update(lane, |lane| lane.failed += 1);
        if self.failed.is_multiple_of(TRIES_A_TURN) {
            self.backlog.yield_turn(lane);
        }
    }

    /// The receiver refuses this delivery.
    fn refused(&mut self, id: LaneId, tried: &AttemptResult) {
        let now = (self.now)().mono;
        let status = tried.status.unwrap_or(StatusCode::BAD_REQUEST);
        if status == StatusCode::PAYLOAD_TOO_LARGE && self.shorten(id) {
            tracing::warn!(
                notifier = self.notifier.name(),
                "notification too long for its receiver, will be sent shortened: {}",
                tried.said
            );
            return;
        }
        let Some(lane) = self.backlog.lane(id) else {
            return;
        };
        let since = lane.refused.map_or(now, |refusal| refusal.since);
        if now.since(since) >= REFUSED_FOR || lane.is_superseded() {
            tracing::error!(
                notifier = self.notifier.name(),
                "notification rejected: {}",
                tried.said
            );
            let dropped = self.backlog.drop_head(id, "its receiver refuses it");
            for one in &dropped {
                self.give_up(one, Outcome::Rejected);
            }
            return;
        }
        self.backlog
            .update(id, |lane| lane.refused = Some(Refusal { since, status }));
        self.put_off(id, tried, REFUSED_BACKOFF, Duration::ZERO);
    }

    /// True if the lane's first delivery can be sent shorter than it was.
    fn shorten(&mut self, id: LaneId) -> bool {
        let Some((lane, pending)) = self.backlog.lane(id).zip(self.backlog.head(id)) else {
            return false;
        };
        let next = lane.shortened + 1;
        let body = &pending.delivery.rendered.body;
        let can = self.notifier.shorten(body, next).is_some();
        if can {
            self.metrics.count(Outcome::Retried);
            self.backlog.update(id, |lane| lane.shortened = next);
        }
        can
    }

    /// Makes one delivery wait, and all of them after several in a row.
    fn put_off(&mut self, id: LaneId, tried: &AttemptResult, backoff: Backoff, pause: Duration) {
        self.metrics.count(Outcome::Retried);
        let failed = self.backlog.lane(id).map_or(1, |lane| lane.failed + 1);
        let mut wait = backoff.delay(failed).max(SHORTEST_WAIT).max(pause);
        if self.stopping {
            wait = wait.min(STOPPING_WAIT);
        }
        self.backlog.update(id, |lane| {
            lane.failed = failed;
            lane.not_before = timer() + wait;
        });
        self.put_off += 1;
        let beyond = self.put_off.saturating_sub(REFUSES_ALL - 1);
        if beyond > 0 {
            self.wait(BACKOFF.delay(beyond).max(SHORTEST_WAIT).max(pause));
        }
        self.warn(tried, failed, wait);
    }

    fn warn(&self, tried: &AttemptResult, tries: u32, wait: Duration) {
        tracing::warn!(
            notifier = self.notifier.name(),
            tries,
            again_in = format::duration(wait),
            pending = self.backlog.len(),
            "notification failed, will be retried: {}",
            tried.said
        );
    }

    /// Makes all deliveries wait; while stopping not for long, since what is not sent now is late by a restart at least.
    fn wait(&mut self, wait: Duration) -> Duration {
        let wait = if self.stopping {
            wait.min(STOPPING_WAIT)
        } else {
            wait
        };
        self.not_before = timer() + wait;
        wait
    }

    fn keep(&mut self, rendered: RenderedNotice) {
        if !self.notifier.tracks_open_alerts() {
            return;
        }
        let subject = self.notifier.dedup_key(&rendered);
        // The first one sets the beat of what is said again.
        if let (true, Some(every)) = (self.open_alerts.is_empty(), self.notifier.resend_interval())
        {
            self.refresh_at = timer() + every;
        }
        self.open_alerts.take(rendered, subject, (self.now)().wall);
    }

    fn conclude_refresh(&mut self, tried: &AttemptResult) {
        if tried.outcome == Outcome::Delivered {
            self.refresh_failed = 0;
            self.refresh_at = timer() + self.notifier.resend_interval().unwrap_or_default();
            self.report_missed(tried);
            return;
        }
        self.refresh_failed += 1;
        let pause = tried.pause.max(tried.holds_all).unwrap_or_default();
        let wait = BACKOFF
            .delay(self.refresh_failed)
            .max(SHORTEST_WAIT)
            .max(pause.min(LONGEST_PAUSE));
        self.refresh_at = timer() + wait;
        tracing::warn!(
            notifier = self.notifier.name(),
            tries = self.refresh_failed,
            again_in = format::duration(wait),
            "resending open alerts failed: {}",
            tried.said
        );
    }

    fn report_missed(&self, tried: &AttemptResult) {
        for said in &tried.missed {
            tracing::warn!(
                notifier = self.notifier.name(),
                "one of several peers failed, another accepted: {said}"
            );
        }
    }

    pub(super) fn done_with(&self, pending: &Pending, outcome: Outcome, mark: Mark) {
        self.metrics.count(outcome);
        self.uncount();
        let rendered = &pending.delivery.rendered;
        (self.on_finished)(Finished {
            id: pending.delivery.id,
            incident: rendered.incident,
            kind: rendered.kind,
            notifier: pending.delivery.notifier.clone(),
            outcome,
            delay: pending.delay((self.now)().mono),
            leaves_mark: mark.left,
            released: mark.released,
        });
    }

    /// One fewer waits.
    pub(super) fn uncount(&self) {
        self.metrics.pending.dec();
        self.status.pending.fetch_sub(1, Ordering::Relaxed);
    }

    /// Shows the refusal that lasts longest.
    fn show_refusals(&self) {
        let refused = self.backlog.refusals();
        let first = refused.min_by_key(|(_, refusal)| refusal.since);
        self.status
            .refused(first.map(|(failed, refusal)| (failed, refusal.status)));
    }
}
