//! The event loop, which owns the core: messages, connection events, requests and time in; outputs out.
//!
//! One turn handles what is there: connection events and requests first, then a batch of messages, then the deadlines, so
//! that a backlog is drained before any deadline is evaluated. Run it on a runtime thread of its own, unconstrained:
//! otherwise the connection's task fills the queue faster than this loop may empty it.

mod channels;
mod downstream;
mod requests;
mod rules_change;
#[cfg(test)]
mod tests;
mod thresholds;

use super::archive::Recorder;
use super::canary::Canary;
use super::checkpoints::Checkpointer;
use super::connection_status::ConnectionStatus;
use super::connections::Connections;
use super::ingest::Ingest;
use super::snapshots::SnapshotPublisher;
use super::suspend_detector::SuspendDetector;
use crate::clock::Clock;
use crate::core::engine::{Feed, Output};
use crate::core::inventory::Candidate;
use crate::core::targets::question::Question;
use crate::core::time::{Mono, Now, Wall};
use crate::decode::archive_line::Mark;
use crate::decode::log_line;
use crate::io::feed::{
    ConnectionErrorKind, ConnectionEvent, ConnectionState, MessageSource, RawMessage, Remaining,
};
use crate::io::http::logs::Tails;
use crate::io::metrics::Metrics;
use futures_util::{FutureExt, StreamExt};
use prometheus::Histogram;
use rules_change::RulesChange;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tracing::warn;

pub use channels::{CoreRequest, EventLoopDeps, GivenUp, LoopInputs, OutputSink};

/// Messages handled before events and requests get their turn: well under a millisecond of work.
const BATCH: usize = 1024;
/// Entries that come this long after an evaluation do the next one too, which was due in a moment: an idle machine
/// is woken less often.
const NEARLY_A_TICK: Duration = Duration::from_millis(900);
/// Sampling interval of the lag of entries that are no beats.
const LAG_EVERY: Duration = Duration::from_millis(100);
/// Losses are logged at most this often.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// The owner of the core.
pub struct EventLoop<S> {
    ingest: Ingest,
    clock: Clock,
    metrics: Arc<Metrics>,
    tails: Arc<Tails>,
    recorder: Option<Recorder>,
    missed: watch::Sender<bool>,
    give_up_after: Option<Duration>,
    checkpointer: Checkpointer,
    outputs: OutputSink,
    candidates: Box<dyn Fn(Vec<Candidate>) + Send>,
    questions: Box<dyn Fn(Question) + Send>,
    connections: Connections<S>,
    connection_status: ConnectionStatus,
    canary: Option<Canary>,
    snapshots: SnapshotPublisher,
    rules_change: Option<RulesChange>,
    /// The last arrival of anything; later where the process stood still.
    heard_at: Mono,
    /// Wall clock of the last arrival; `None`: no reader of live entries.
    tailed_at: Option<Wall>,
    given_up: Option<GivenUp>,
    suspend_detector: SuspendDetector,
    intervals: Vec<Option<Histogram>>,
    /// Arrival clock: the last evaluation of deadlines.
    evaluated_at: Mono,
    wake: Mono,
    next_lag: Mono,
    next_loss_log: Mono,
}

impl<S: MessageSource> EventLoop<S> {
    /// An event loop without a connection.
    pub fn new(ingest: Ingest, clock: Clock, deps: EventLoopDeps) -> Self {
        let now = clock.now();
        let metrics = deps.metrics;
        let canary = |plan| Canary::new(plan, metrics.clone(), now.mono);
        EventLoop {
            ingest,
            clock,
            tails: deps.tails,
            recorder: deps.recorder,
            missed: deps.missed,
            give_up_after: deps.give_up_after,
            checkpointer: Checkpointer::new(deps.store, now.mono),
            outputs: deps.outputs,
            candidates: deps.candidates,
            questions: deps.questions,
            connections: Connections::new(),
            canary: deps.canary.map(canary),
            snapshots: SnapshotPublisher::new(deps.max_series),
            rules_change: None,
            connection_status: ConnectionStatus::new(metrics.clone(), deps.readiness, now.mono),
            heard_at: now.mono,
            tailed_at: None,
            given_up: None,
            suspend_detector: SuspendDetector::new(now),
            intervals: Vec::new(),
            evaluated_at: now.mono,
            wake: now.mono,
            next_lag: now.mono,
            next_loss_log: now.mono,
            metrics,
        }
    }

    /// Runs until it is asked to stop, or gives up the stream and returns why; what was decided by then is handed on.
    pub async fn run(mut self, mut inputs: LoopInputs<S>) -> Option<GivenUp> {
        let mut timer = pin!(tokio::time::sleep(Duration::ZERO));
        let mut armed = self.wake;
        loop {
            tokio::select! {
                biased;
                _ = &mut inputs.stop => {
                    self.last_turn();
                    return None;
                }
                Some(link) = inputs.events.recv() => self.timed(|this| this.link(link)),
                Some(ask) = inputs.requests.recv(), if self.rules_change.is_none() => self.timed(|this| this.answer(ask)),
                message = self.connections.next() => if self.batch(message, armed) {
                    armed = Mono::NEVER;
                },
                () = &mut timer, if self.rules_change.is_none() => {
                    self.tick(armed);
                    armed = Mono::NEVER;
                }
                // What goes by slices is finished soon where nothing else is to do, and the connection reads on meanwhile.
                () = tokio::task::yield_now(), if self.is_busy() => {}
            }
            self.slice();
            self.outputs();
            if let Some(given_up) = self.given_up.take() {
                self.finish();
                return Some(given_up);
            }
            if self.wake < armed {
                armed = self.wake;
                timer.set(tokio::time::sleep(armed.since(self.clock.mono())));
            }
        }
    }

    /// True while work in slices is in progress.
    fn is_busy(&self) -> bool {
        self.rules_change.is_some() || self.snapshots.is_busy() || self.checkpointer.is_busy()
    }

    /// Does a slice of what is under way. While the rules change nothing else is, for it would count by both.
    fn slice(&mut self) {
        if self.rules_change.is_some() {
            return self.timed(Self::change_on);
        }
        if self.snapshots.is_busy() {
            self.timed(Self::copy);
        }
        if self.checkpointer.is_busy() {
            self.timed(Self::read_on);
        }
    }

    fn last_turn(mut self) {
        self.finish_change();
        if self.drain() {
            self.evaluate();
        }
        self.outputs();
        self.finish();
    }

    fn finish(mut self) {
        let now = self.clock.now();
        if let Some(recorder) = self.recorder.take() {
            recorder.finish(now);
        }
        self.checkpointer.finish(&mut self.ingest.engine, now);
    }

    /// Handles a batch of messages. True if the armed tick was done along with it.
    fn batch(&mut self, first: Option<S::Item>, armed: Mono) -> bool {
        let Some(first) = first else {
            self.ended();
            return false;
        };
        if !self.take(first) || self.rules_change.is_some() {
            return false;
        }
        let ticks = self.heard_at >= self.evaluated_at + NEARLY_A_TICK;
        if ticks {
            self.tick(armed);
        } else if self.ingest.engine.overdue() {
            self.timed(Self::evaluate);
        }
        ticks
    }

    /// Evaluates deadlines: waiting messages first; losses are checked only if all of them could be handled.
    fn tick(&mut self, armed: Mono) {
        let drained = self.drain();
        let now = self.turn();
        self.metrics
            .evaluation_lateness
            .observe(now.mono.since(armed).as_secs_f64());
        if drained {
            self.check_losses(now);
        }
        self.timed(|this| {
            this.evaluate();
            this.outputs();
            this.checkpointer.turn(&mut this.ingest.engine, now);
        });
    }

    /// Does work that keeps entries waiting, and measures its duration.
    fn timed(&mut self, work: impl FnOnce(&mut Self)) {
        let began = self.clock.mono();
        work(self);
        let took = self.clock.mono().since(began);
        self.metrics.core_pause.observe(took.as_secs_f64());
    }

    fn copy(&mut self) {
        let canary = self.canary.as_ref().and_then(Canary::trip);
        let now = self.clock.now();
        self.snapshots.turn(&self.ingest.engine, now, canary);
    }

    fn drain(&mut self) -> bool {
        match self.connections.next().now_or_never() {
            None => true,
            Some(Some(message)) => self.take(message),
            Some(None) => {
                self.ended();
                true
            }
        }
    }

    /// Handles a message and those that wait behind it. True if none waits any more.
    fn take(&mut self, first: S::Item) -> bool {
        let now = self.turn();
        self.heard_at = now.mono;
        self.tailed_at = self.tails.is_read().then_some(now.wall);
        if let Some(recorder) = &mut self.recorder {
            recorder.arrive(now);
        }
        self.connection_status.flows();
        self.ingest.engine.arrive(now);
        if now.mono >= self.next_lag {
            self.next_lag = now.mono + LAG_EVERY;
            self.sample_lag(now, &first);
        }
        self.message(&first);
        // Let go in the order in which they came: the allocator hands its blocks out again in the order in which it got
        // them back, and only what is walked in order is fetched ahead.
        drop(first);
        let mut connections = std::mem::replace(&mut self.connections, Connections::new());
        let left = connections.visit_waiting(BATCH - 1, |message| self.message(message));
        self.connections = connections;
        if left == Remaining::End {
            self.ended();
        }
        left != Remaining::Maybe
    }

    #[inline]
    fn message(&mut self, message: &S::Item) {
        if let Some(at) = self.tailed_at {
            let tails = &self.tails;
            tails.offer(at, message.subject(), message.shared());
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.entry(message.subject(), message.payload());
        }
        if let Some(canary) = &mut self.canary {
            let back = canary.heard(message.subject(), message.payload(), self.heard_at);
            self.ingest.canary_back(back);
        }
        let Some(interval) = self.ingest.message(message.subject(), message.payload()) else {
            return;
        };
        let app = interval.app as usize;
        if self.intervals.len() <= app {
            self.intervals.resize_with(app + 1, || None);
        }
        let (engine, metrics) = (&self.ingest.engine, &self.metrics);
        let histogram = self.intervals[app]
            .get_or_insert_with(|| metrics.interval(engine.app_name(interval.app)));
        histogram.observe(interval.length.as_secs_f64());
    }

    fn sample_lag(&mut self, now: Now, message: &S::Item) {
        if let Some(entry_time) = log_line::tail_time(message.payload()) {
            let lag = now.wall.since(entry_time);
            self.metrics.stream_lag.observe(lag.as_secs_f64());
            if let Some(id) = self.ingest.engine.find(message.subject()) {
                self.ingest.engine.lag_sample(id, lag);
            }
        }
    }

    /// Reads the clocks for this turn, and tells the core if the process stood still before it.
    fn turn(&mut self) -> Now {
        let now = self.clock.now();
        if self.suspend_detector.stood_still(now) {
            warn!("lastbeat was suspended; that time counts towards no silence");
            self.ingest.engine.feed(Feed::Suspended, now);
            self.heard_at = now.mono;
            self.mark(now, &Mark::Suspended);
        }
        now
    }

    fn evaluate(&mut self) {
        let now = self.clock.now();
        self.evaluated_at = now.mono;
        if let Some(recorder) = &mut self.recorder {
            recorder.turn(now);
        }
        self.wake = self.ingest.engine.evaluate(now);
        let took = self.clock.mono().since(now.mono);
        self.metrics.evaluation.observe(took.as_secs_f64());
        self.show();
        if let Some(canary) = &mut self.canary {
            let at_most = self.ingest.engine.canary_every();
            canary.turn(now, self.connections.is_open(), at_most);
        }
        let tasks = tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks();
        self.metrics.core_tasks.set(tasks as i64);
        self.check_give_up(now);
    }

    fn check_give_up(&mut self, now: Now) {
        let Some(after) = self.give_up_after else {
            return;
        };
        let silent = now.mono.since(self.heard_at);
        if silent >= after {
            self.given_up = Some(GivenUp {
                after: silent,
                words: self.connection_status.words(),
            });
        } else {
            self.wake = self.wake.min(self.heard_at + after);
        }
    }

    fn outputs(&mut self) {
        thresholds::log(&mut self.ingest.engine);
        for (app, name) in self.ingest.engine.take_forgotten_apps() {
            self.metrics.forget_app(&name);
            if let Some(interval) = self.intervals.get_mut(app as usize) {
                *interval = None;
            }
        }
        let metrics = &self.metrics;
        self.ingest
            .take_unrecognised(|form, count, last| metrics.beats_unrecognised(form, count, last));
        if let Some(candidates) = self.ingest.engine.take_candidates() {
            (self.candidates)(candidates);
        }
        let questions = self.ingest.engine.take_questions().into_iter();
        questions.for_each(|question| (self.questions)(question));
        let outputs: Vec<Output> = self.ingest.engine.drain().collect();
        thresholds::observe(&self.metrics, &outputs, self.clock.now().wall);
        self.mark_notices(&outputs);
        let decision = self.ingest.engine.decision();
        if !outputs.is_empty() || decision.is_some() {
            (self.outputs)(outputs, decision);
        }
    }

    /// Reads a slice of the checkpoint in progress.
    fn read_on(&mut self) {
        let now = self.clock.now();
        self.checkpointer.read_on(&mut self.ingest.engine, now);
    }

    /// With no message waiting, what was received and not handled is lost.
    fn check_losses(&mut self, now: Now) {
        let Some(messages) = self.connections.newly_received() else {
            return;
        };
        self.ingest.engine.count_messages(messages, now);
        let lost = messages.lost;
        if lost == 0 {
            return self.ingest.engine.feed(Feed::Intact, now);
        }
        self.metrics.nats_dropped.inc_by(lost);
        self.ingest.engine.feed(Feed::Dropped, now);
        self.mark(now, &Mark::Dropped(lost));
        if now.mono >= self.next_loss_log {
            self.next_loss_log = now.mono + LOG_EVERY;
            warn!(
                lost,
                "messages were lost because they came faster than they were processed; that time counts towards no silence"
            );
        }
    }

    fn link(&mut self, link: ConnectionEvent<S>) {
        let now = self.turn();
        let mut refused = false;
        match link {
            ConnectionEvent::Up(source) => {
                self.connection_status.up(self.connections.is_open());
                self.connections.open(source);
                self.mark(now, &Mark::Connected);
            }
            ConnectionEvent::PreviousClosed => self.connections.leave(),
            ConnectionEvent::Down(error) => {
                self.take_all();
                self.connections.close();
                self.canary.iter_mut().for_each(Canary::cut_off);
                self.mark(now, &Mark::Cut);
                if error.kind == ConnectionErrorKind::Malformed {
                    self.ingest.engine.blind_cause(&error.message);
                }
                self.connection_status.down(error);
                self.ingest.engine.feed(Feed::Lost, now);
            }
            ConnectionEvent::AttemptFailed(error) => {
                self.connection_status.failed(error, now.mono);
                if !self.connections.is_open() {
                    self.ingest.engine.feed(Feed::Lost, now);
                }
            }
            ConnectionEvent::State(state) => {
                self.connection_status.state(state);
                refused = state == ConnectionState::AuthFailed;
            }
            ConnectionEvent::Heal(outcome) => self.connection_status.heal(outcome),
            ConnectionEvent::PublishDenied => {
                if self.canary.take().is_some() {
                    warn!(
                        "the server denies publishing: no canary (LASTBEAT_CANARY); only the stream's own \
                         entries prove it alive"
                    );
                }
            }
            ConnectionEvent::RoundTrip(seconds) => self.metrics.nats_rtt.set(seconds),
        }
        self.ingest
            .engine
            .feed_words(&self.connection_status.words());
        if refused {
            self.ingest.engine.feed(Feed::Refused, now);
        }
        self.show();
    }

    /// Handles what waits in connections that are about to be dropped.
    fn take_all(&mut self) {
        while !self.drain() {}
        let now = self.clock.now();
        self.check_losses(now);
    }

    /// The messages ended; a connection event says why.
    fn ended(&mut self) {
        let now = self.clock.now();
        self.ingest.engine.feed(Feed::Lost, now);
    }

    fn show(&mut self) {
        let engine = &self.ingest.engine;
        let stalled = engine.is_stalled();
        self.connection_status.show(
            engine.has_heard(),
            stalled,
            engine.blind_share(self.clock.now()),
        );
        let missed = stalled && self.connections.is_open();
        let differs = |told: &mut bool| std::mem::replace(told, missed) != missed;
        self.missed.send_if_modified(differs);
    }
}
