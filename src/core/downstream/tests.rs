//! Downstreams in virtual time: a stream with canaries, a shipper with counters, and a sink, each of which may fail.

use super::counters::{Counters, Hop};
use super::rule::{DownstreamRule, Find, Proof, Shipper};
use super::watch::{Answer, DownstreamState, UNSEEN_AFTER, Watch};
use crate::core::severity::Severity;
use crate::core::time::{Mono, Now, Wall};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

fn now(millis: u64) -> Now {
    Now {
        mono: Mono::from_nanos(millis * 1_000_000),
        wall: Wall::from_nanos(1_700_000_000_000_000_000 + millis * 1_000_000),
    }
}

fn rule(max_delay: u64, every: u64, proof: Proof) -> DownstreamRule {
    DownstreamRule {
        name: "loki".to_owned(),
        max_delay: Duration::from_secs(max_delay),
        every: Duration::from_secs(every),
        severity: Severity::Error,
        runbook: None,
        notify: None,
        remind: None,
        active: None,
        labels: BTreeMap::new(),
        restart: None,
        forward: None,
        find: Find {
            url: "http://sink/?q={nonce}".to_owned(),
            body: None,
            headers: BTreeMap::new(),
            proof,
            shape: None,
        },
        shipper: Some(Shipper {
            metrics: "http://shipper/metrics".to_owned(),
            received: super::rule::CounterName::default(),
            sent: super::rule::CounterName::default(),
        }),
    }
}

/// A fault of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// The shipper receives nothing.
    Stuck,
    /// The shipper is gone, with its metrics.
    Gone,
    /// The sink takes nothing; the shipper keeps what it has.
    Sink,
    /// The sink takes entries, and drops them.
    Store,
    /// The sink takes three entries a canary's interval fewer than come.
    Slow,
    /// The sink drops every tenth entry.
    Drops,
    /// Queries are refused.
    Refused,
    /// Queries hang until their time limit.
    Hangs,
    /// The shipper's metrics do not answer.
    NoMetrics,
    /// lastbeat's own connection is cut.
    Cut,
    /// lastbeat starts anew.
    Restart,
}

/// The world, one canary a second.
struct World {
    watch: Watch,
    millis: u64,
    canary: u64,
    /// Canaries that wait in the shipper, with the time at which they came.
    buffer: VecDeque<(u64, u64)>,
    sink: Vec<u64>,
    counters: Counters,
    states: Vec<(u64, DownstreamState, Option<Hop>)>,
    /// Seconds between two entries that a slow sink takes.
    slow_next: u64,
    /// Milliseconds that an entry takes in a healthy shipper.
    delay: u64,
    asked: Option<u64>,
}

impl World {
    fn new(max_delay: u64, every: u64) -> Self {
        World {
            watch: Watch::new(rule(max_delay, every, Proof::Canary), now(0).mono),
            millis: 0,
            canary: 0,
            buffer: VecDeque::new(),
            sink: Vec::new(),
            counters: Counters {
                received: Some(0.0),
                sent: Some(0.0),
            },
            states: Vec::new(),
            slow_next: 0,
            delay: 300,
            asked: None,
        }
    }

    fn step(&mut self, fault: Fault, canary_every: u64) {
        let cut = fault == Fault::Cut;
        if fault == Fault::Restart {
            self.watch = Watch::new(self.watch.rule.clone(), now(self.millis).mono);
        }
        if cut {
            self.watch.blinded(now(self.millis).mono);
        } else if self.millis.is_multiple_of(canary_every * 1_000) {
            self.canary += 1;
            let sent = now(self.millis).wall;
            self.watch.entered(self.canary, sent, now(self.millis).mono);
            let receives = !matches!(fault, Fault::Stuck | Fault::Gone);
            if receives {
                self.buffer.push_back((self.canary, self.millis));
                self.counters.received = self.counters.received.map(|count| count + 1.0);
            }
        }
        self.ship(fault);
        let every = u64::try_from(self.watch.rule.every.as_millis()).expect("short");
        if self.millis.is_multiple_of(every) {
            self.ask(fault);
        }
        if let Some(asked) = self.asked.filter(|asked| self.millis >= asked + 10_000) {
            self.asked = None;
            let failed = Answer::Failed("no answer".to_owned());
            self.watch.answered(now(asked).mono, failed);
        }
        self.watch.evaluate(now(self.millis).mono, !cut);
        let last = self.states.last().map(|(_, state, hop)| (*state, *hop));
        let state = (self.watch.state, self.watch.hop);
        if last != Some(state) {
            self.states.push((self.millis, state.0, state.1));
        }
        self.millis += 250;
    }

    fn ship(&mut self, fault: Fault) {
        while let Some(&(canary, came)) = self.buffer.front() {
            let waits = match fault {
                Fault::Sink | Fault::Gone => true,
                Fault::Slow => self.millis < self.slow_next,
                _ => self.millis < came + self.delay,
            };
            if waits {
                break;
            }
            if fault == Fault::Slow {
                self.slow_next = self.millis + 1_500;
            }
            self.buffer.pop_front();
            self.counters.sent = self.counters.sent.map(|count| count + 1.0);
            let dropped = fault == Fault::Store || (fault == Fault::Drops && canary % 10 == 3);
            if !dropped {
                self.sink.push(canary);
            }
        }
    }

    fn ask(&mut self, fault: Fault) {
        if self.asked.is_some() {
            return;
        }
        let at = now(self.millis).mono;
        let answers = !matches!(fault, Fault::Gone | Fault::NoMetrics);
        self.watch.counters(at, answers.then_some(self.counters));
        match fault {
            Fault::Hangs => self.asked = Some(self.millis),
            Fault::Refused => self.watch.answered(at, Answer::Failed("401".to_owned())),
            _ => {
                let numbers = self.sink.iter().rev().take(450).copied().collect();
                self.watch.answered(
                    at,
                    Answer::Canaries {
                        numbers,
                        whole: true,
                    },
                );
            }
        }
    }

    fn run(&mut self, seconds: u64, fault: Fault) {
        let until = self.millis + seconds * 1_000;
        while self.millis < until {
            self.step(fault, 1);
        }
    }

    /// The states since a time, in order.
    fn since(&self, millis: u64) -> Vec<DownstreamState> {
        let since = self.states.iter().filter(|(at, ..)| *at >= millis);
        let mut states: Vec<_> = since.map(|(_, state, _)| *state).collect();
        states.dedup();
        states
    }
}

#[test]
fn a_stall_is_found_in_time_with_its_hop_and_ends_with_the_range_that_is_missing() {
    for (fault, hop) in [
        (Fault::Stuck, Hop::Subscription),
        (Fault::Gone, Hop::Gone),
        (Fault::Sink, Hop::Sink),
        (Fault::Store, Hop::Store),
    ] {
        let mut world = World::new(5, 1);
        world.run(60, Fault::None);
        assert_eq!(world.watch.state, DownstreamState::Ok, "{fault:?}");
        let began = world.millis;
        world.run(40, fault);
        let stalled = world
            .states
            .iter()
            .find(|(_, state, _)| *state == DownstreamState::Stalled);
        let (at, _, found) = *stalled.expect("it stalls");
        assert!(at - began <= 7_000, "{fault:?} after {} ms", at - began);
        assert_eq!(found, Some(hop), "{fault:?}");
        assert_eq!(world.since(began), [DownstreamState::Stalled], "{fault:?}");
        let ended = world.millis;
        world.run(60, Fault::None);
        assert_eq!(world.watch.state, DownstreamState::Ok, "{fault:?}");
        let missing = world.watch.missing;
        // The shipper keeps what its sink does not take, and loses nothing.
        let Some(missing) = missing else {
            assert_eq!(fault, Fault::Sink);
            continue;
        };
        assert!((35..=42).contains(&missing.marks), "{fault:?} {missing:?}");
        assert!(missing.from <= now(began).wall, "{fault:?} {missing:?}");
        assert!(
            missing.until + Duration::from_secs(1) >= now(ended).wall,
            "{fault:?} {missing:?}"
        );
    }
}

#[test]
fn a_slow_sink_lags_and_one_that_drops_loses() {
    for (fault, expected) in [
        (Fault::Slow, DownstreamState::Lagging),
        (Fault::Drops, DownstreamState::Losing),
    ] {
        let mut world = World::new(5, 1);
        world.run(60, Fault::None);
        let began = world.millis;
        world.run(60, fault);
        assert_eq!(world.since(began), [expected], "{fault:?}");
        world.run(300, Fault::None);
        assert_eq!(world.watch.state, DownstreamState::Ok, "{fault:?}");
        assert_eq!(
            world.watch.missing.is_some(),
            fault == Fault::Drops,
            "{fault:?}"
        );
    }
}

#[test]
fn nobody_is_blamed_for_what_is_not_broken_downstream() {
    for fault in [
        Fault::Refused,
        Fault::Hangs,
        Fault::NoMetrics,
        Fault::Cut,
        Fault::Restart,
    ] {
        let mut world = World::new(5, 1);
        world.run(60, Fault::None);
        let began = world.millis;
        let seconds = if fault == Fault::Restart { 1 } else { 120 };
        world.run(seconds, fault);
        world.run(120, Fault::None);
        let states = world.since(began);
        let blames = |state: &DownstreamState| {
            !matches!(state, DownstreamState::Ok | DownstreamState::Blind)
        };
        assert!(!states.iter().any(blames), "{fault:?}: {states:?}");
        assert_eq!(world.watch.state, DownstreamState::Ok, "{fault:?}");
        assert_eq!(world.watch.lost_total, 0, "{fault:?}");
    }
}

#[test]
fn a_sink_that_cannot_be_asked_for_ten_minutes_is_unseen() {
    let mut world = World::new(5, 1);
    world.run(60, Fault::None);
    let began = world.millis;
    world.run(660, Fault::Refused);
    let unseen = world
        .states
        .iter()
        .find(|(_, state, _)| *state == DownstreamState::Unseen);
    let after = Duration::from_millis(unseen.expect("unseen").0 - began);
    assert!(
        after >= UNSEEN_AFTER && after < UNSEEN_AFTER + Duration::from_secs(2),
        "{after:?}"
    );
    assert_eq!(world.watch.fault, "401");
    world.run(60, Fault::None);
    assert_eq!(
        world.since(began),
        [DownstreamState::Unseen, DownstreamState::Ok]
    );
}

#[test]
fn without_canaries_nothing_is_known_and_after_ten_minutes_that_is_said() {
    let mut watch = Watch::new(rule(5, 1, Proof::Canary), now(0).mono);
    let states: Vec<DownstreamState> = (0..700)
        .map(|second| {
            let at = now(second * 1_000).mono;
            let none = Answer::Canaries {
                numbers: Vec::new(),
                whole: true,
            };
            watch.answered(at, none);
            watch.evaluate(at, true);
            watch.state
        })
        .collect();
    assert_eq!(states[599], DownstreamState::Blind);
    assert_eq!(states[601], DownstreamState::Unseen);
}

#[test]
fn the_newest_entry_of_an_app_is_compared_with_the_one_here() {
    let proof = Proof::Newest {
        pointer: "/0".to_owned(),
        app: None,
    };
    let mut watch = Watch::new(rule(20, 5, proof), now(0).mono);
    let mut states = Vec::new();
    for second in (0..400_u64).step_by(5) {
        // The app pauses from 100 s to 200 s; the shipper is dead from 250 s on.
        let here = if (100..200).contains(&second) {
            100
        } else {
            second
        };
        let there = here.min(250);
        watch.newest_here(now(here * 1_000).wall, now(second * 1_000).mono);
        let newest = now((there.max(1) - 1) * 1_000).wall;
        watch.answered(now(second * 1_000).mono, Answer::Newest(Some(newest)));
        watch.evaluate(now(second * 1_000).mono, true);
        if states.last().is_none_or(|(_, state)| *state != watch.state) {
            states.push((second, watch.state));
        }
    }
    let names: Vec<DownstreamState> = states.iter().map(|(_, state)| *state).collect();
    assert_eq!(
        names,
        [DownstreamState::Ok, DownstreamState::Stalled],
        "{states:?}"
    );
    assert!((270..=290).contains(&states[1].0), "{states:?}");
}

/// A small generator with a seed, as the core has no other source of chance.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

#[test]
fn a_week_with_random_faults_that_are_not_the_shippers_blames_nobody() {
    const WEEK: u64 = 7 * 24 * 3_600;
    let mut dice = Dice(0x5eed_cafe_f00d_0001);
    let mut world = World::new(120, 30);
    let mut faults = 0;
    while world.millis < WEEK * 1_000 {
        let calm = 60 + dice.roll(1_200);
        let fault = [
            Fault::Refused,
            Fault::Hangs,
            Fault::NoMetrics,
            Fault::Cut,
            Fault::Restart,
        ];
        let fault = fault[usize::try_from(dice.roll(5)).expect("small")];
        let length = if fault == Fault::Restart {
            1
        } else {
            1 + dice.roll(500)
        };
        world.delay = 200 + dice.roll(60_000);
        for (seconds, fault) in [(calm, Fault::None), (length, fault)] {
            let until = world.millis + seconds * 1_000;
            while world.millis < until {
                world.step(fault, 10);
            }
        }
        faults += 1;
        // The model's sink needs no long memory.
        let kept = world.sink.len().saturating_sub(2_000);
        world.sink.drain(..kept);
        if fault == Fault::Restart {
            // A new process has a new nonce: what older ones sent is not found again.
            world.sink.clear();
            world.buffer.clear();
        }
    }
    assert!(faults > 500, "{faults}");
    let blames = |(_, state, _): &&(u64, DownstreamState, Option<Hop>)| {
        !matches!(state, DownstreamState::Ok | DownstreamState::Blind)
    };
    assert_eq!(world.states.iter().find(blames), None);
}
