//! The loop that owns the core: messages, news of the connection, questions and time in; outputs out.
//!
//! One turn takes what is there: news and questions first, then a batch of messages, then the deadlines, so
//! that a backlog is drained before anybody is judged. Run it on a runtime thread of its own, unconstrained:
//! otherwise the connection's task fills the queue faster than this loop may empty it.

use super::ingest::Ingest;
use super::pulse::Pulse;
use crate::clock::Clock;
use crate::core::engine::{Feed, Output};
use crate::core::snapshot::Snapshot;
use crate::core::time::{Mono, Now};
use crate::decode::log_line;
use crate::io::feed::{Link, Raw, Source};
use crate::io::http::readiness::{Readiness, Reason};
use crate::io::metrics::Metrics;
use arc_swap::ArcSwap;
use futures_util::{FutureExt, StreamExt};
use prometheus::Histogram;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};

/// Messages taken before news and questions get their turn: well under a millisecond of work.
const BATCH: usize = 1024;
/// How often an entry's own time is read for the lag where it is no beat.
const LAG_EVERY: Duration = Duration::from_millis(100);
/// Losses and failed attempts are logged at most this often.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// A question to the core.
#[derive(Debug)]
pub enum Ask {
    /// A copy of what it knows.
    Snapshot(oneshot::Sender<Arc<Snapshot>>),
}

/// The ways into the loop.
#[derive(Debug)]
pub struct Inlets<S> {
    /// News of the connection.
    pub links: mpsc::Receiver<Link<S>>,
    /// Questions.
    pub asks: mpsc::Receiver<Ask>,
    /// Ends the loop.
    pub stop: oneshot::Receiver<()>,
}

/// What the loop shows, and to whom it tells.
pub struct Outlets {
    /// Every output of the core, in order; must not block.
    pub tell: Box<dyn FnMut(Output) + Send>,
    /// The live metrics.
    pub metrics: Arc<Metrics>,
    /// Whether lastbeat can see.
    pub readiness: Arc<ArcSwap<Readiness>>,
    /// Series of instances and beats in a snapshot at most.
    pub max_series: usize,
}

/// The owner of the core.
pub struct Keeper<S> {
    ingest: Ingest,
    clock: Clock,
    outlets: Outlets,
    source: Option<S>,
    /// Messages taken from the present source.
    taken: u64,
    /// Messages of the present source known to be lost.
    lost: u64,
    /// Why there is no source.
    trouble: Option<String>,
    pulse: Pulse,
    intervals: Vec<Option<Histogram>>,
    wake: Mono,
    next_lag: Mono,
    next_loss_log: Mono,
    next_link_log: Mono,
}

impl<S: Source> Keeper<S> {
    /// A keeper that is not connected yet.
    pub fn new(ingest: Ingest, clock: Clock, outlets: Outlets) -> Self {
        let now = clock.now();
        Keeper {
            ingest,
            clock,
            outlets,
            source: None,
            taken: 0,
            lost: 0,
            trouble: Some("not connected yet".to_owned()),
            pulse: Pulse::new(now),
            intervals: Vec::new(),
            wake: now.mono,
            next_lag: now.mono,
            next_loss_log: now.mono,
            next_link_log: now.mono,
        }
    }

    /// Runs until it is told to stop; what was decided by then is told.
    pub async fn run(mut self, mut inlets: Inlets<S>) {
        let mut timer = pin!(tokio::time::sleep(Duration::ZERO));
        let mut armed = self.wake;
        loop {
            tokio::select! {
                biased;
                _ = &mut inlets.stop => return self.last_turn(),
                Some(link) = inlets.links.recv() => self.link(link),
                Some(ask) = inlets.asks.recv() => self.answer(ask),
                message = next(&mut self.source) => self.batch(message),
                () = &mut timer => {
                    self.tick(armed);
                    armed = Mono::NEVER;
                }
            }
            self.outputs();
            if self.wake < armed {
                armed = self.wake;
                timer.set(tokio::time::sleep(armed.since(self.clock.mono())));
            }
        }
    }

    fn last_turn(mut self) {
        if self.drain() {
            self.evaluate();
        }
        self.outputs();
    }

    fn batch(&mut self, first: Option<S::Item>) {
        let Some(first) = first else {
            return self.ended();
        };
        if self.take(first) && self.ingest.engine.overdue() {
            self.evaluate();
        }
    }

    /// Time to judge: what waits is taken first, and then only judged if all of it could be taken.
    fn tick(&mut self, armed: Mono) {
        let drained = self.drain();
        let now = self.turn();
        self.outlets
            .metrics
            .evaluation_lateness
            .observe(now.mono.since(armed).as_secs_f64());
        if drained {
            self.check_losses(now);
        }
        self.evaluate();
    }

    fn drain(&mut self) -> bool {
        match self
            .source
            .as_mut()
            .map(|source| source.next().now_or_never())
        {
            None | Some(None) => true,
            Some(Some(Some(message))) => self.take(message),
            Some(Some(None)) => {
                self.ended();
                true
            }
        }
    }

    /// Takes a message and those that wait behind it. Whether none waits any more.
    fn take(&mut self, first: S::Item) -> bool {
        let Some(mut source) = self.source.take() else {
            return true;
        };
        let now = self.turn();
        self.ingest.engine.arrive(now);
        if now.mono >= self.next_lag {
            self.next_lag = now.mono + LAG_EVERY;
            self.sample_lag(now, &first);
        }
        let mut message = first;
        for _ in 1..BATCH {
            self.message(&message);
            message = match source.next().now_or_never() {
                Some(Some(message)) => message,
                Some(None) => {
                    self.ended();
                    return true;
                }
                None => {
                    self.source = Some(source);
                    return true;
                }
            };
        }
        self.message(&message);
        self.source = Some(source);
        false
    }

    #[inline]
    fn message(&mut self, message: &S::Item) {
        self.taken += 1;
        let Some(interval) = self.ingest.message(message.subject(), message.payload()) else {
            return;
        };
        let app = interval.app as usize;
        if self.intervals.len() <= app {
            self.intervals.resize_with(app + 1, || None);
        }
        let (engine, metrics) = (&self.ingest.engine, &self.outlets.metrics);
        let histogram = self.intervals[app]
            .get_or_insert_with(|| metrics.interval(engine.app_name(interval.app)));
        histogram.observe(interval.length.as_secs_f64());
    }

    fn sample_lag(&mut self, now: Now, message: &S::Item) {
        if let Some(entry_time) = log_line::tail_time(message.payload()) {
            let lag = now.wall.since(entry_time);
            self.outlets.metrics.stream_lag.observe(lag.as_secs_f64());
            if let Some(id) = self.ingest.engine.find(message.subject()) {
                self.ingest.engine.lag_sample(id, lag);
            }
        }
    }

    /// Reads the clocks for this turn, and tells the core where the process stood still before it.
    fn turn(&mut self) -> Now {
        let now = self.clock.now();
        if self.pulse.stood_still(now) {
            warn!("lastbeat itself stood still for a while; that time blames nobody");
            self.ingest.engine.feed(Feed::Suspended, now);
        }
        now
    }

    fn evaluate(&mut self) {
        let now = self.clock.now();
        self.wake = self.ingest.engine.evaluate(now);
        let took = self.clock.mono().since(now.mono);
        self.outlets.metrics.evaluation.observe(took.as_secs_f64());
        self.show_readiness();
    }

    fn outputs(&mut self) {
        for output in self.ingest.engine.drain() {
            (self.outlets.tell)(output);
        }
    }

    /// With nothing waiting, what was received and not taken is lost.
    fn check_losses(&mut self, now: Now) {
        let Some(received) = self.source.as_ref().and_then(Source::received) else {
            return;
        };
        let lost = received.saturating_sub(self.taken);
        let more = lost.saturating_sub(self.lost);
        if more == 0 {
            return self.ingest.engine.feed(Feed::Intact, now);
        }
        self.lost = lost;
        self.outlets.metrics.nats_dropped.inc_by(more);
        self.ingest.engine.feed(Feed::Dropped, now);
        if now.mono >= self.next_loss_log {
            self.next_loss_log = now.mono + LOG_EVERY;
            warn!(
                lost,
                "messages were lost because they came faster than they were taken; that time blames nobody"
            );
        }
    }

    fn link(&mut self, link: Link<S>) {
        let now = self.turn();
        let metrics = &self.outlets.metrics;
        match link {
            Link::Up(source) => {
                self.source = Some(source);
                (self.taken, self.lost) = (0, 0);
                self.trouble = None;
                metrics.nats_connected.set(1);
                info!("connected and subscribed");
            }
            Link::Down(trouble) => {
                self.source = None;
                metrics.nats_connected.set(0);
                metrics.nats_reconnected(trouble.kind.label());
                warn!(
                    reason = trouble.kind.label(),
                    "connection lost: {}; connecting again", trouble.what
                );
                self.trouble = Some(trouble.what);
                self.ingest.engine.feed(Feed::Lost, now);
            }
            Link::Failed(trouble) => {
                if now.mono >= self.next_link_log {
                    self.next_link_log = now.mono + LOG_EVERY;
                    warn!(
                        reason = trouble.kind.label(),
                        "cannot connect: {}; trying again", trouble.what
                    );
                }
                self.trouble = Some(trouble.what);
                self.ingest.engine.feed(Feed::Lost, now);
            }
            Link::RoundTrip(seconds) => metrics.nats_rtt.set(seconds),
        }
        self.show_readiness();
    }

    /// The messages ended; news of the connection says why.
    fn ended(&mut self) {
        self.source = None;
        let now = self.clock.now();
        self.ingest.engine.feed(Feed::Lost, now);
    }

    fn answer(&mut self, ask: Ask) {
        match ask {
            Ask::Snapshot(to) => {
                let snapshot = self
                    .ingest
                    .engine
                    .snapshot(self.clock.now(), self.outlets.max_series);
                // Whoever asked may be gone already.
                let _ = to.send(Arc::new(snapshot));
            }
        }
    }

    fn show_readiness(&self) {
        let engine = &self.ingest.engine;
        let what = if let Some(trouble) = &self.trouble {
            Some(format!("not connected: {trouble}"))
        } else if !engine.has_heard() {
            Some(
                "connected, but no entry has arrived yet: nothing proves that the stream flows"
                    .to_owned(),
            )
        } else if engine.is_stalled() {
            Some("connected, but no entry arrives".to_owned())
        } else {
            None
        };
        let shown = self.outlets.readiness.load();
        if shown.reasons.first().map(|reason| &reason.what) != what.as_ref() {
            let reasons = what
                .map(|what| Reason {
                    part: "stream".to_owned(),
                    what,
                })
                .into_iter()
                .collect();
            self.outlets
                .readiness
                .store(Arc::new(Readiness { reasons }));
        }
    }
}

/// The next message; never where there is no source.
async fn next<S: Source>(source: &mut Option<S>) -> Option<S::Item> {
    match source {
        Some(source) => source.next().await,
        None => std::future::pending().await,
    }
}
