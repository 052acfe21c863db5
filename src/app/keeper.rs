//! The loop that owns the core: messages, news of the connection, questions and time in; outputs out.
//!
//! One turn takes what is there: news and questions first, then a batch of messages, then the deadlines, so
//! that a backlog is drained before anybody is judged. Run it on a runtime thread of its own, unconstrained:
//! otherwise the connection's task fills the queue faster than this loop may empty it.

mod changing;
mod ends;
#[cfg(test)]
mod tests;

use super::canary::Canary;
use super::copier::Copier;
use super::ingest::Ingest;
use super::pulse::Pulse;
use super::scribe::Scribe;
use super::sight::Sight;
use super::taps::Taps;
use crate::clock::Clock;
use crate::core::engine::Feed;
use crate::core::inventory::Suspect;
use crate::core::time::{Mono, Now, Wall};
use crate::decode::log_line;
use crate::format;
use crate::io::feed::{Left, Link, LinkState, Raw, Source};
use changing::Changing;
use futures_util::{FutureExt, StreamExt};
use prometheus::Histogram;
use std::pin::pin;
use std::time::Duration;
use tracing::warn;

pub use ends::{Ask, GivenUp, Inlets, Outlets, Shown};

/// Messages taken before news and questions get their turn: well under a millisecond of work.
const BATCH: usize = 1024;
/// Entries that come this long after a look at the deadlines take the next along, which was due in a moment: an idle machine
/// is woken less often.
const NEARLY_A_TICK: Duration = Duration::from_millis(900);
/// How often an entry's own time is read for the lag where it is no beat.
const LAG_EVERY: Duration = Duration::from_millis(100);
/// Losses are logged at most this often.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// The owner of the core.
pub struct Keeper<S> {
    ingest: Ingest,
    clock: Clock,
    outlets: Shown,
    scribe: Scribe,
    suspects: Box<dyn Fn(Vec<Suspect>) + Send>,
    taps: Taps<S>,
    sight: Sight,
    canary: Option<Canary>,
    copier: Copier,
    changing: Option<Changing>,
    /// The last arrival of anything; later where the process stood still.
    heard_at: Mono,
    /// Wall clock of the last arrival, while somebody looks on.
    tailed_at: Option<Wall>,
    given_up: Option<GivenUp>,
    pulse: Pulse,
    intervals: Vec<Option<Histogram>>,
    /// When deadlines were last looked at.
    judged_at: Mono,
    wake: Mono,
    next_lag: Mono,
    next_loss_log: Mono,
}

impl<S: Source> Keeper<S> {
    /// A keeper that is not connected yet.
    pub fn new(ingest: Ingest, clock: Clock, outlets: Outlets) -> Self {
        let now = clock.now();
        let Outlets {
            desk,
            shown: outlets,
            suspects,
            canary,
        } = outlets;
        let (metrics, readiness) = (outlets.metrics.clone(), outlets.readiness.clone());
        let fly = |plan| Canary::new(plan, metrics.clone(), now.mono);
        let canary = canary.map(fly);
        let copier = Copier::new(outlets.max_series);
        Keeper {
            ingest,
            clock,
            outlets,
            scribe: Scribe::new(desk, now.mono),
            suspects,
            taps: Taps::new(),
            canary,
            copier,
            changing: None,
            sight: Sight::new(metrics, readiness, now.mono),
            heard_at: now.mono,
            tailed_at: None,
            given_up: None,
            pulse: Pulse::new(now),
            intervals: Vec::new(),
            judged_at: now.mono,
            wake: now.mono,
            next_lag: now.mono,
            next_loss_log: now.mono,
        }
    }

    /// Runs until it is told to stop, or gives the stream up and says why; what was decided by then is told.
    pub async fn run(mut self, mut inlets: Inlets<S>) -> Option<GivenUp> {
        let mut timer = pin!(tokio::time::sleep(Duration::ZERO));
        let mut armed = self.wake;
        loop {
            tokio::select! {
                biased;
                _ = &mut inlets.stop => {
                    self.last_turn();
                    return None;
                }
                Some(link) = inlets.links.recv() => self.timed(|keeper| keeper.link(link)),
                Some(ask) = inlets.asks.recv(), if self.changing.is_none() => self.timed(|keeper| keeper.answer(ask)),
                message = self.taps.next() => if self.batch(message, armed) {
                    armed = Mono::NEVER;
                },
                () = &mut timer, if self.changing.is_none() => {
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

    /// Whether a slice of something is to be done.
    fn is_busy(&self) -> bool {
        self.changing.is_some() || self.copier.is_busy() || self.scribe.is_busy()
    }

    /// Does a slice of what is under way. While the rules change nothing else is, for it would count by both.
    fn slice(&mut self) {
        if self.changing.is_some() {
            return self.timed(Self::change_on);
        }
        if self.copier.is_busy() {
            self.timed(Self::copy);
        }
        if self.scribe.is_busy() {
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
        self.scribe.finish(&mut self.ingest.engine, now);
    }

    /// Takes what waits. Whether the tick that is armed was taken along.
    fn batch(&mut self, first: Option<S::Item>, armed: Mono) -> bool {
        let Some(first) = first else {
            self.ended();
            return false;
        };
        if !self.take(first) || self.changing.is_some() {
            return false;
        }
        let ticks = self.heard_at >= self.judged_at + NEARLY_A_TICK;
        if ticks {
            self.tick(armed);
        } else if self.ingest.engine.overdue() {
            self.timed(Self::evaluate);
        }
        ticks
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
        self.timed(|keeper| {
            keeper.evaluate();
            keeper.outputs();
            keeper.scribe.turn(&mut keeper.ingest.engine, now);
        });
    }

    /// Does something that keeps entries waiting, and measures for how long.
    fn timed(&mut self, work: impl FnOnce(&mut Self)) {
        let began = self.clock.mono();
        work(self);
        let took = self.clock.mono().since(began);
        self.outlets.metrics.core_pause.observe(took.as_secs_f64());
    }

    fn copy(&mut self) {
        let canary = self.canary.as_ref().and_then(Canary::trip);
        let now = self.clock.now();
        self.copier.turn(&self.ingest.engine, now, canary);
    }

    fn drain(&mut self) -> bool {
        match self.taps.next().now_or_never() {
            None => true,
            Some(Some(message)) => self.take(message),
            Some(None) => {
                self.ended();
                true
            }
        }
    }

    /// Takes a message and those that wait behind it. Whether none waits any more.
    fn take(&mut self, first: S::Item) -> bool {
        let now = self.turn();
        self.heard_at = now.mono;
        self.tailed_at = self.outlets.tails.is_read().then_some(now.wall);
        self.sight.flows();
        self.ingest.engine.arrive(now);
        if now.mono >= self.next_lag {
            self.next_lag = now.mono + LAG_EVERY;
            self.sample_lag(now, &first);
        }
        self.message(&first);
        // Let go in the order in which they came: the allocator hands its blocks out again in the order in which it got
        // them back, and only what is walked in order is fetched ahead.
        drop(first);
        let mut taps = std::mem::replace(&mut self.taps, Taps::new());
        let left = taps.show_waiting(BATCH - 1, |message| self.message(message));
        self.taps = taps;
        if left == Left::End {
            self.ended();
        }
        left != Left::Perhaps
    }

    #[inline]
    fn message(&mut self, message: &S::Item) {
        if let Some(at) = self.tailed_at {
            let tails = &self.outlets.tails;
            tails.offer(at, message.subject(), message.shared());
        }
        if let Some(canary) = &mut self.canary {
            canary.heard(message.subject(), message.payload(), self.heard_at);
        }
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
            self.heard_at = now.mono;
        }
        now
    }

    fn evaluate(&mut self) {
        let now = self.clock.now();
        self.judged_at = now.mono;
        self.wake = self.ingest.engine.evaluate(now);
        let took = self.clock.mono().since(now.mono);
        self.outlets.metrics.evaluation.observe(took.as_secs_f64());
        self.show();
        if let Some(canary) = &mut self.canary {
            canary.turn(now.mono, self.taps.is_open());
        }
        let tasks = tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks();
        self.outlets.metrics.core_tasks.set(tasks as i64);
        self.judge_giving_up(now);
    }

    fn judge_giving_up(&mut self, now: Now) {
        let Some(after) = self.outlets.give_up_after else {
            return;
        };
        let silent = now.mono.since(self.heard_at);
        if silent >= after {
            self.given_up = Some(GivenUp {
                after: silent,
                words: self.sight.words(),
            });
        } else {
            self.wake = self.wake.min(self.heard_at + after);
        }
    }

    fn outputs(&mut self) {
        for doubt in self.ingest.engine.take_doubts() {
            warn!(
                rule = &*doubt.rule,
                target_app = format::name(&doubt.who.app),
                "max_gap {} is less than two of the {} that a beat declares: one lost entry is an alert; allow three",
                format::exact_duration(doubt.max_gap),
                format::exact_duration(doubt.every),
            );
        }
        for (app, name) in self.ingest.engine.take_forgotten_apps() {
            self.outlets.metrics.forget_app(&name);
            if let Some(interval) = self.intervals.get_mut(app as usize) {
                *interval = None;
            }
        }
        if let Some(suspects) = self.ingest.engine.take_suspects() {
            (self.suspects)(suspects);
        }
        self.scribe.hand_on(&mut self.ingest.engine);
    }

    /// Reads on for the store.
    fn read_on(&mut self) {
        let now = self.clock.now();
        self.scribe.read_on(&mut self.ingest.engine, now);
    }

    /// With nothing waiting, what was received and not taken is lost.
    fn check_losses(&mut self, now: Now) {
        let Some(lost) = self.taps.newly_lost() else {
            return;
        };
        if lost == 0 {
            return self.ingest.engine.feed(Feed::Intact, now);
        }
        self.outlets.metrics.nats_dropped.inc_by(lost);
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
        let mut refused = false;
        match link {
            Link::Up(source) => {
                self.sight.up(self.taps.is_open());
                self.taps.open(source);
            }
            Link::Left => self.taps.leave(),
            Link::Down(trouble) => {
                self.take_all();
                self.taps.close();
                self.canary.iter_mut().for_each(Canary::cut_off);
                self.sight.down(trouble);
                self.ingest.engine.feed(Feed::Lost, now);
            }
            Link::Failed(trouble) => {
                self.sight.failed(trouble, now.mono);
                if !self.taps.is_open() {
                    self.ingest.engine.feed(Feed::Lost, now);
                }
            }
            Link::State(state) => {
                self.sight.state(state);
                refused = state == LinkState::AuthFailed;
            }
            Link::Heal(outcome) => self.sight.heal(outcome),
            Link::MayNotPublish => {
                if self.canary.take().is_some() {
                    warn!(
                        "the server does not let us publish: no canary (LASTBEAT_CANARY); only the stream's own \
                         entries prove it alive"
                    );
                }
            }
            Link::RoundTrip(seconds) => self.outlets.metrics.nats_rtt.set(seconds),
        }
        self.ingest.engine.feed_words(&self.sight.words());
        if refused {
            self.ingest.engine.feed(Feed::Refused, now);
        }
        self.show();
    }

    /// Takes what waits in connections that are about to be dropped.
    fn take_all(&mut self) {
        while !self.drain() {}
        let now = self.clock.now();
        self.check_losses(now);
    }

    /// The messages ended; news of the connection says why.
    fn ended(&mut self) {
        let now = self.clock.now();
        self.ingest.engine.feed(Feed::Lost, now);
    }

    fn answer(&mut self, ask: Ask) {
        match ask {
            Ask::Snapshot(to) => self.copier.ask(to),
            Ask::Detail(subject, to) => {
                let now = self.clock.now();
                let _ = to.send(self.ingest.engine.detail(&subject, now));
            }
            Ask::Reload(rules, done) => self.begin_change(*rules, done),
            Ask::Silence(silences) => {
                let now = self.turn();
                self.ingest.engine.set_silences(silences, now);
                self.wake = now.mono;
            }
            Ask::Adopt(saved, done) => {
                let now = self.turn();
                self.ingest.engine.restore(&saved, now);
                self.wake = now.mono;
                let _ = done.send(());
            }
            Ask::Inventory(poll) => {
                let now = self.turn();
                self.ingest.engine.inventory(&poll, now);
                self.wake = now.mono;
            }
            Ask::Note(incident, words) => self.ingest.engine.note(incident, &words),
        }
    }

    fn show(&mut self) {
        let engine = &self.ingest.engine;
        let stalled = engine.is_stalled();
        self.sight.show(engine.has_heard(), stalled);
        let missed = stalled && self.taps.is_open();
        let differs = |told: &mut bool| std::mem::replace(told, missed) != missed;
        self.outlets.missed.send_if_modified(differs);
    }
}
