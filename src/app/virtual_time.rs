//! The core in virtual time: entries and events in, in the order of their times; outputs are kept with the
//! time at which they came.
//!
//! It does what [`super::event_loop`] does, with a clock that is set: entries of a moment are handled
//! before its deadlines are evaluated, losses are checked at each wake, and the core is woken when it asks for it.

use super::ingest::Ingest;
use crate::core::engine::{Engine, Feed, Options, Output};
use crate::core::inventory::{Machine, Poll};
use crate::core::persist::Saved;
use crate::core::rule::RuleSet;
use crate::core::silence::Silence;
use crate::core::time::{Mono, Now, Wall};
use crate::decode::{active_hours, log_line, schedule};
use std::time::Duration;

/// Sampling interval of the lag; as in the event loop.
const LAG_EVERY: Duration = Duration::from_millis(100);
/// Interval in which windows of scheduled silences are computed: well before [`schedule::AHEAD`] is over.
const SCHEDULE_EVERY: Duration = Duration::from_secs(6 * 3600);

/// Interval of polls of the inventory.
const INVENTORY_EVERY: Duration = Duration::from_secs(30);
/// Delay of a poll for which alerts wait.
const INVENTORY_SOON: Duration = Duration::from_millis(100);
/// Incidents are numbered anew from the next multiple of this after a restart.
const INCIDENTS_OF_A_LIFE: u64 = 1 << 32;

/// The inventory: machines by moments, from the start; `None` where it does not answer.
pub type Inventory = Box<dyn Fn(Duration) -> Option<Vec<Machine>>>;

/// An output of the core.
#[derive(Clone, Debug, PartialEq)]
pub struct TimedOutput {
    /// Its time, from the start.
    pub at: Duration,
    /// The output.
    pub output: Output,
}

/// The core, and a clock of its own.
pub struct VirtualTime {
    ingest: Ingest,
    options: Options,
    inventory: Option<Inventory>,
    next_poll: Mono,
    start: Wall,
    now: Duration,
    wake: Mono,
    next_lag: Mono,
    next_schedule: Mono,
    connected: bool,
    dropped: bool,
    /// Silences beside those of the rules.
    silences: Vec<Silence>,
    outputs: Vec<TimedOutput>,
}

impl VirtualTime {
    /// A connected core that has heard nothing; `start` is the wall clock.
    pub fn new(rules: RuleSet, options: Options, start: Wall) -> Self {
        let now = Now {
            mono: Mono::ZERO,
            wall: start,
        };
        VirtualTime {
            ingest: Ingest::new(Engine::new(rules, options.clone(), now)),
            options,
            inventory: None,
            next_poll: Mono::NEVER,
            start,
            now: Duration::ZERO,
            wake: Mono::ZERO,
            next_lag: Mono::ZERO,
            next_schedule: Mono::ZERO,
            connected: true,
            dropped: false,
            silences: Vec::new(),
            outputs: Vec::new(),
        }
    }

    /// Lets time pass to just before `at`; the core is woken as often as it asks.
    pub fn pass(&mut self, at: Duration) {
        let end = Mono::ZERO + at;
        loop {
            let next = self.wake.min(self.next_poll);
            if next >= end {
                break;
            }
            self.now = self.now.max(next.since(Mono::ZERO));
            if self.next_poll <= self.wake {
                self.poll();
            } else {
                self.tick();
            }
        }
        self.now = self.now.max(at);
    }

    /// Entries arrive together at `at`, each a subject and a payload.
    pub fn entries<'e>(
        &mut self,
        at: Duration,
        batch: impl IntoIterator<Item = (&'e str, &'e [u8])>,
    ) {
        self.pass(at);
        let now = self.moment();
        self.ingest.engine.arrive(now);
        for (subject, payload) in batch {
            self.ingest.message(subject, payload);
            if now.mono >= self.next_lag {
                self.next_lag = now.mono + LAG_EVERY;
                self.sample_lag(now, subject, payload);
            }
        }
        if self.ingest.engine.overdue() {
            self.evaluate(now);
        }
        self.keep();
    }

    /// The connection is lost at `at`.
    pub fn cut(&mut self, at: Duration) {
        self.pass(at);
        self.connected = false;
        self.feed(Feed::Lost);
    }

    /// The connection is there again at `at`.
    pub fn connect(&mut self, at: Duration) {
        self.pass(at);
        self.connected = true;
    }

    /// Messages were lost up to `at`; it is found at the next look.
    pub fn lose(&mut self, at: Duration) {
        self.pass(at);
        self.dropped = true;
    }

    /// lastbeat stands still from `from` to `to`, and then goes on.
    pub fn stand_still(&mut self, from: Duration, to: Duration) {
        self.pass(from);
        self.now = self.now.max(to);
        self.feed(Feed::Suspended);
        self.wake = self.moment().mono;
    }

    /// lastbeat is killed at `from`, and started again at `to` with the state that it had.
    pub fn restart(&mut self, from: Duration, to: Duration) {
        self.pass(from);
        let now = self.moment();
        let engine = &mut self.ingest.engine;
        let mut draft = engine.begin_checkpoint(true, now);
        let checkpoint = loop {
            match engine.read_on(draft, usize::MAX / 2, now) {
                Ok(checkpoint) => break checkpoint,
                Err(left) => draft = left,
            }
        };
        let saved = Saved {
            clock: checkpoint.clock,
            instances: checkpoint.instances,
            groups: checkpoint.groups,
            losses: checkpoint.losses,
            factors: checkpoint.factors,
            downstreams: checkpoint.downstreams,
            incidents: checkpoint.incidents,
            ..Saved::default()
        };
        let rules = engine.rules().clone();
        self.now = self.now.max(to);
        let now = self.moment();
        self.options.first_incident += INCIDENTS_OF_A_LIFE;
        let mut engine = Engine::new(rules, self.options.clone(), now);
        engine.restore(&saved, now);
        self.ingest = Ingest::new(engine);
        self.connected = true;
        self.dropped = false;
        self.wake = now.mono;
        self.next_lag = now.mono;
        if self.inventory.is_some() {
            self.next_poll = now.mono;
        }
        self.schedule();
    }

    /// This inventory is asked every half minute, and at once where alerts wait for its answer.
    pub fn set_inventory(&mut self, inventory: Inventory) {
        self.inventory = Some(inventory);
        self.next_poll = self.moment().mono;
    }

    /// These silences, and those of the rules, are in force from `at` on.
    pub fn set_silences(&mut self, silences: Vec<Silence>, at: Duration) {
        self.pass(at);
        self.silences = silences;
        self.schedule();
    }

    /// Another rule set is in force from `at` on.
    pub fn reload(&mut self, rules: RuleSet, at: Duration) {
        self.pass(at);
        let now = self.moment();
        let mut hours = active_hours::windows(self.ingest.engine.rules(), now.wall);
        hours.extend(active_hours::windows(&rules, now.wall));
        self.ingest.engine.set_hours(hours, now);
        self.ingest.reload(rules, now);
        self.schedule();
    }

    /// The core.
    pub fn engine(&self) -> &Engine {
        &self.ingest.engine
    }

    /// All outputs, in order.
    pub fn outputs(&self) -> &[TimedOutput] {
        &self.outputs
    }

    fn moment(&self) -> Now {
        Now {
            mono: Mono::ZERO + self.now,
            wall: self.start + self.now,
        }
    }

    fn sample_lag(&mut self, now: Now, subject: &str, payload: &[u8]) {
        let engine = &mut self.ingest.engine;
        if let (Some(id), Some(time)) = (engine.find(subject), log_line::tail_time(payload)) {
            engine.lag_sample(id, now.wall.since(time));
        }
    }

    fn poll(&mut self) {
        let now = self.moment();
        self.next_poll = now.mono + INVENTORY_EVERY;
        let Some(machines) = self.inventory.as_ref().and_then(|asked| asked(self.now)) else {
            return;
        };
        let poll = Poll {
            asked_at: now.mono,
            machines,
            whole: true,
            unread_regions: Vec::new(),
        };
        self.ingest.engine.inventory(&poll, now);
        // Targets that waited for an answer are judged now.
        self.wake = self.wake.min(now.mono + Duration::from_nanos(1));
        self.keep();
    }

    fn tick(&mut self) {
        let now = self.moment();
        if now.mono >= self.next_schedule {
            self.schedule();
        }
        if self.connected {
            let lost = std::mem::take(&mut self.dropped);
            self.feed(if lost { Feed::Dropped } else { Feed::Intact });
        }
        self.evaluate(now);
        self.keep();
    }

    fn evaluate(&mut self, now: Now) {
        // A core that asks to be woken at once is asked again a moment later: time goes on.
        let wake = self.ingest.engine.evaluate(now);
        self.wake = wake.max(now.mono + Duration::from_nanos(1));
    }

    fn feed(&mut self, feed: Feed) {
        let now = self.moment();
        self.ingest.engine.feed(feed, now);
        self.keep();
    }

    /// Computes the windows of scheduled silences and of rules' hours.
    fn schedule(&mut self) {
        let now = self.moment();
        self.next_schedule = now.mono + SCHEDULE_EVERY;
        let rules = self.ingest.engine.rules();
        let hours = active_hours::windows(rules, now.wall);
        self.ingest.engine.set_hours(hours, now);
        let rules = &self.ingest.engine.rules().silences;
        let scheduled = rules.iter().zip(1..).map(|(rule, number)| Silence {
            id: format!("rules-{number}"),
            matchers: rule.matchers.clone(),
            windows: schedule::windows(rule, now.wall),
            reason: rule.reason.clone(),
            author: String::new(),
        });
        let all = scheduled.chain(self.silences.iter().cloned()).collect();
        self.ingest.engine.set_silences(all, now);
        self.keep();
    }

    fn keep(&mut self) {
        let at = self.now;
        if self.inventory.is_some() && self.ingest.engine.take_candidates().is_some() {
            let soon = self.moment().mono + INVENTORY_SOON;
            self.next_poll = self.next_poll.min(soon);
        }
        let outputs = self.ingest.engine.drain();
        self.outputs
            .extend(outputs.map(|output| TimedOutput { at, output }));
    }
}
