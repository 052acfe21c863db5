//! The canary: a beat of lastbeat's own that goes into the stream and back, which proves every hop. It is no
//! target: its app is ignored, and its word is no marker.

use crate::core::time::{Mono, Now, Wall};
use crate::decode::canary::line;
use crate::io::metrics::Metrics;
use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

/// One that is not back after so many of its intervals is lost.
const LOST_AFTER: u32 = 3;

/// Sends a line into the stream; must not block.
pub type Say = Box<dyn FnMut(String) + Send>;

/// Settings of the canary.
pub struct CanaryPlan {
    /// The subject on which it comes back.
    pub subject: String,
    /// Its interval.
    pub every: Duration,
    /// Sends it.
    pub say: Say,
    /// Tells ours from another process' on the same subject, and in a sink from those of earlier runs: [`nonce`].
    pub nonce: String,
}

/// The canaries of this process.
pub(super) struct Canary {
    plan: CanaryPlan,
    metrics: Arc<Metrics>,
    next: Mono,
    sent: u64,
    /// Canaries in the stream: number, and time of sending on both clocks.
    under_way: VecDeque<(u64, Now)>,
    /// Round trip of the last one that came back.
    trip: Option<Duration>,
}

impl Canary {
    /// The first one is due at `now`.
    pub fn new(plan: CanaryPlan, metrics: Arc<Metrics>, now: Mono) -> Self {
        Canary {
            plan,
            metrics,
            next: now,
            sent: 0,
            under_way: VecDeque::new(),
            trip: None,
        }
    }

    /// Round trip of the last one that came back; `None`: none did since one was lost.
    pub fn trip(&self) -> Option<Duration> {
        self.trip
    }

    /// Sends one if it is due, and gives up those that are too old. Called at least once a second; `connected`: without a
    /// connection none can come back; `at_most`: the interval of who asks sinks for it, where that is shorter than its own.
    pub fn turn(&mut self, now: Now, connected: bool, at_most: Option<Duration>) {
        let every = at_most.map_or(self.plan.every, |most| most.min(self.plan.every));
        let longest = self.plan.every * LOST_AFTER;
        let is_lost = |(_, sent): &(u64, Now)| now.mono.since(sent.mono) > longest;
        while self.under_way.front().is_some_and(is_lost) {
            self.under_way.pop_front();
            self.metrics.canaries_lost.inc();
            self.trip = None;
        }
        if now.mono < self.next || !connected {
            return;
        }
        self.next = now.mono + every;
        self.sent += 1;
        self.under_way.push_back((self.sent, now));
        (self.plan.say)(line::line(&self.plan.nonce, self.sent));
    }

    /// The connection is gone, and with it the canaries in the stream: that proves nothing about the stream.
    pub fn cut_off(&mut self) {
        self.under_way.clear();
    }

    /// A message arrived at `now`, perhaps a canary of this process: gives its number and the wall clock of its sending.
    #[inline]
    pub fn heard(&mut self, subject: &str, payload: &[u8], now: Mono) -> Option<(u64, Wall)> {
        if subject == self.plan.subject {
            return self.back(payload, now);
        }
        None
    }

    #[cold]
    fn back(&mut self, payload: &[u8], now: Mono) -> Option<(u64, Wall)> {
        let number = *line::numbers(payload, &self.plan.nonce).first()?;
        let at = self
            .under_way
            .iter()
            .position(|(sent, _)| *sent == number)?;
        let (_, sent) = self.under_way.remove(at)?;
        let trip = now.since(sent.mono);
        self.trip = Some(trip);
        self.metrics.canary_round_trip.observe(trip.as_secs_f64());
        Some((number, sent.wall))
    }
}

/// A nonce for the canaries of this start.
pub fn nonce() -> String {
    format!("{:016x}", RandomState::new().hash_one(0_u8))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, channel};

    fn at(seconds: u64) -> Mono {
        Mono::from_nanos(seconds * 1_000_000_000)
    }

    fn now(seconds: u64) -> Now {
        Now {
            mono: at(seconds),
            wall: Wall::from_nanos(seconds * 1_000_000_000),
        }
    }

    fn canary() -> (Canary, Receiver<String>) {
        let (say, said) = channel();
        let plan = CanaryPlan {
            subject: "logs.me.ams.a".to_owned(),
            every: Duration::from_secs(10),
            say: Box::new(move |line| say.send(line).expect("the test listens")),
            nonce: nonce(),
        };
        let canary = Canary::new(plan, Arc::new(Metrics::new("0", "x")), at(0));
        (canary, said)
    }

    #[test]
    fn it_is_known_on_its_way_back_by_its_own_number_only() {
        let (mut canary, said) = canary();
        canary.turn(now(0), true, None);
        let line = said.try_recv().expect("one departed");
        let entry = format!(r#"{{"message":"{line}","timestamp":"x"}}"#);
        assert_eq!(canary.heard("logs.me.ams.b", entry.as_bytes(), at(1)), None);
        canary.heard("logs.me.ams.a", b"lastbeat-canary nonce=0123 seq=1", at(1));
        let trips = || canary.metrics.canary_round_trip.get_sample_count();
        assert_eq!(trips(), 0);
        let back = canary.heard("logs.me.ams.a", entry.as_bytes(), at(2));
        assert_eq!(back, Some((1, now(0).wall)));
        let again = canary.heard("logs.me.ams.a", entry.as_bytes(), at(3));
        assert_eq!(again, None);
        let histogram = &canary.metrics.canary_round_trip;
        assert_eq!(
            (histogram.get_sample_count(), histogram.get_sample_sum()),
            (1, 2.0)
        );
    }

    #[test]
    fn one_that_does_not_come_back_is_lost_unless_it_was_cut_off() {
        let (mut canary, said) = canary();
        canary.turn(now(0), true, None);
        canary.turn(now(9), true, None);
        assert_eq!(said.try_iter().count(), 1, "one in ten seconds");
        canary.turn(now(31), true, None);
        assert_eq!(canary.metrics.canaries_lost.get(), 1);
        canary.cut_off();
        canary.turn(now(70), false, None);
        assert_eq!(canary.metrics.canaries_lost.get(), 1);
        assert_eq!(said.try_iter().count(), 1, "none without a connection");
    }

    #[test]
    fn a_sink_that_is_asked_more_often_has_canaries_as_often() {
        let (mut canary, said) = canary();
        let most = Some(Duration::from_secs(2));
        for second in 0..10 {
            canary.turn(now(second), true, most);
        }
        assert_eq!(said.try_iter().count(), 5);
    }
}
