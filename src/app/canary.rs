//! The canary: a beat of lastbeat's own that goes into the stream and back, which proves every hop. It is no
//! target: its app is ignored, and its word is no marker.

use crate::core::time::Mono;
use crate::io::metrics::Metrics;
use memchr::memmem;
use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

/// First word of its lines. No rule's marker, as no rule watches its app.
const WORD: &str = "lastbeat-canary";
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
}

/// The canaries of this process.
pub(super) struct Canary {
    plan: CanaryPlan,
    metrics: Arc<Metrics>,
    /// Tells ours from another process' on the same subject.
    nonce: String,
    next: Mono,
    sent: u64,
    /// Canaries in the stream: number and time of sending.
    under_way: VecDeque<(u64, Mono)>,
    /// Round trip of the last one that came back.
    trip: Option<Duration>,
}

impl Canary {
    /// The first one is due at `now`.
    pub fn new(plan: CanaryPlan, metrics: Arc<Metrics>, now: Mono) -> Self {
        Canary {
            plan,
            metrics,
            nonce: format!("{:016x}", RandomState::new().hash_one(0_u8)),
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

    /// Sends one if it is due, and gives up those that are too old. Called at least once a
    /// second; `connected`: without a connection none can come back.
    pub fn turn(&mut self, now: Mono, connected: bool) {
        let longest = self.plan.every * LOST_AFTER;
        let is_lost = |(_, sent): &(u64, Mono)| now.since(*sent) > longest;
        while self.under_way.front().is_some_and(is_lost) {
            self.under_way.pop_front();
            self.metrics.canaries_lost.inc();
            self.trip = None;
        }
        if now < self.next || !connected {
            return;
        }
        self.next = now + self.plan.every;
        self.sent += 1;
        self.under_way.push_back((self.sent, now));
        (self.plan.say)(format!("{WORD} {} seq={}", self.nonce, self.sent));
    }

    /// The connection is gone, and with it the canaries in the stream: that proves nothing about the stream.
    pub fn cut_off(&mut self) {
        self.under_way.clear();
    }

    /// A message arrived at `now`, perhaps a canary of this process.
    #[inline]
    pub fn heard(&mut self, subject: &str, payload: &[u8], now: Mono) {
        if subject == self.plan.subject {
            self.back(payload, now);
        }
    }

    #[cold]
    fn back(&mut self, payload: &[u8], now: Mono) {
        let Some(number) = number(payload, &self.nonce) else {
            return;
        };
        let at = self.under_way.iter().position(|(sent, _)| *sent == number);
        if let Some((_, sent)) = at.and_then(|at| self.under_way.remove(at)) {
            let trip = now.since(sent);
            self.trip = Some(trip);
            self.metrics.canary_round_trip.observe(trip.as_secs_f64());
        }
    }
}

/// The number in a canary's line, anywhere in the payload; `None`: another process' canary, or none.
fn number(payload: &[u8], nonce: &str) -> Option<u64> {
    let at = memmem::find(payload, WORD.as_bytes())?;
    let rest = payload[at + WORD.len()..].strip_prefix(b" ")?;
    let rest = rest
        .strip_prefix(nonce.as_bytes())?
        .strip_prefix(b" seq=")?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, channel};

    fn at(seconds: u64) -> Mono {
        Mono::from_nanos(seconds * 1_000_000_000)
    }

    fn canary() -> (Canary, Receiver<String>) {
        let (say, said) = channel();
        let plan = CanaryPlan {
            subject: "logs.me.ams.a".to_owned(),
            every: Duration::from_secs(10),
            say: Box::new(move |line| say.send(line).expect("the test listens")),
        };
        let canary = Canary::new(plan, Arc::new(Metrics::new("0", "x")), at(0));
        (canary, said)
    }

    #[test]
    fn it_is_known_on_its_way_back_by_its_own_number_only() {
        let (mut canary, said) = canary();
        canary.turn(at(0), true);
        let line = said.try_recv().expect("one departed");
        let entry = format!(r#"{{"message":"{line}","timestamp":"x"}}"#);
        canary.heard("logs.me.ams.b", entry.as_bytes(), at(1));
        canary.heard("logs.me.ams.a", b"lastbeat-canary 0123 seq=1", at(1));
        let trips = || canary.metrics.canary_round_trip.get_sample_count();
        assert_eq!(trips(), 0);
        canary.heard("logs.me.ams.a", entry.as_bytes(), at(2));
        canary.heard("logs.me.ams.a", entry.as_bytes(), at(3));
        let histogram = &canary.metrics.canary_round_trip;
        assert_eq!(
            (histogram.get_sample_count(), histogram.get_sample_sum()),
            (1, 2.0)
        );
    }

    #[test]
    fn one_that_does_not_come_back_is_lost_unless_it_was_cut_off() {
        let (mut canary, said) = canary();
        canary.turn(at(0), true);
        canary.turn(at(9), true);
        assert_eq!(said.try_iter().count(), 1, "one in ten seconds");
        canary.turn(at(31), true);
        assert_eq!(canary.metrics.canaries_lost.get(), 1);
        canary.cut_off();
        canary.turn(at(70), false);
        assert_eq!(canary.metrics.canaries_lost.get(), 1);
        assert_eq!(said.try_iter().count(), 1, "none without a connection");
    }
}
