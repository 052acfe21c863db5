//! A fleet whose beats are lost on the way.

use crate::support::random::Random;
use lastbeat::core::engine::{Engine, Feed, Options, Output};
use lastbeat::core::entry::{BeatLine, MarkerId, Provider, Subject};
use lastbeat::core::rule::{
    By, FORGET_AFTER, FalseAlarms, Globs, MaxGap, Rule, RuleSet, Severity, Watch,
};
use lastbeat::core::targets::table::State;
use lastbeat::core::time::{Mono, Now, Wall};
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;
const EPOCH: u64 = 1_700_000_000 * SECOND;
/// Instances that die at the end.
const DEATHS: usize = 20;

/// The way in which beats are lost.
#[derive(Clone, Copy)]
pub struct Loss {
    /// The share that is lost.
    share: f64,
    /// Half of the losses come three in a row.
    in_runs: bool,
}

impl Loss {
    /// Each beat is lost by itself.
    pub fn alone(share: f64) -> Self {
        Loss {
            share,
            in_runs: false,
        }
    }

    /// Half of the losses come three in a row.
    pub fn in_runs(share: f64) -> Self {
        Loss {
            share,
            in_runs: true,
        }
    }

    pub fn name(self) -> String {
        let how = if self.in_runs { "in runs" } else { "alone" };
        format!("{}% {how}", self.share * 100.0)
    }

    /// Beats in a row that are lost from here on.
    fn next(self, dice: &mut Random) -> u32 {
        let roll = (dice.next() >> 11) as f64 / (1_u64 << 53) as f64;
        match (self.in_runs, self.share) {
            (false, share) => u32::from(roll < share),
            (true, share) if roll < share / 6.0 => 3,
            (true, share) => u32::from(roll < share / 6.0 + share / 2.0),
        }
    }
}

/// The outcome of a fleet.
#[derive(Default)]
pub struct Report {
    /// Alerts of instances that lived.
    pub false_alarms: u64,
    /// The longest time from the last beat that was sent to the alert of a death.
    pub slowest: Duration,
    /// Deaths that were never found.
    pub unfound: u64,
    /// The largest factor that was in force at the end.
    pub factor: u32,
}

impl Report {
    pub fn and(self, other: Report) -> Report {
        Report {
            false_alarms: self.false_alarms + other.false_alarms,
            slowest: self.slowest.max(other.slowest),
            unfound: self.unfound + other.unfound,
            factor: self.factor.max(other.factor),
        }
    }
}

/// Instances of one app under one rule.
pub struct Fleet {
    pub instances: usize,
    pub every: Duration,
    pub loss: Loss,
    /// Beats have `seq=`.
    pub counts: bool,
    pub rule: Rule,
}

pub fn rule(max_gap: MaxGap, false_alarms: FalseAlarms) -> Rule {
    Rule {
        name: "beats".to_owned(),
        watch: Watch::Heartbeat {
            marker: MarkerId(0),
            beat: None,
        },
        app: Globs::default(),
        region: Globs::default(),
        host: Globs::default(),
        by: By::Instance,
        max_gap,
        false_alarms,
        hold: Duration::ZERO,
        on_crash: false,
        restart_silent: false,
        recover: 1,
        severity: Severity::Error,
        summary: None,
        runbook: None,
        expect: Vec::new(),
        at_least: None,
        remind: None,
        notify: None,
        active: None,
        labels: Default::default(),
        min_rate: None,
        group_wait: Duration::from_secs(1),
        forget_after: FORGET_AFTER,
    }
}

fn now(at: u64) -> Now {
    Now {
        mono: Mono::from_nanos(at),
        wall: Wall::from_nanos(EPOCH + at),
    }
}

/// The core, and what is done to it.
struct Watcher {
    engine: Engine,
    every: Duration,
    /// The next evaluation.
    wake: u64,
    /// When which instance's alert fired, and when it was over.
    fired: Vec<(u64, String)>,
    resolved: Vec<(u64, String)>,
}

impl Watcher {
    fn new(rule: &Rule, every: Duration) -> Self {
        let rules = RuleSet {
            rules: vec![rule.clone()],
            ..RuleSet::default()
        };
        let options = Options {
            first_incident: 1,
            ..Options::default()
        };
        Watcher {
            engine: Engine::new(rules, options, now(0)),
            every,
            wake: 0,
            fired: Vec::new(),
            resolved: Vec::new(),
        }
    }

    /// Lets time pass: something else on the stream is heard each second, and deadlines are evaluated.
    fn pass(&mut self, at: u64) {
        while self.wake < at {
            self.entry("logs.noise.iad.n", self.wake);
            self.engine.evaluate(now(self.wake));
            self.keep();
            self.wake += SECOND;
        }
    }

    fn keep(&mut self) {
        for output in self.engine.drain() {
            let Output::Changed(change) = output else {
                continue;
            };
            let at = change.at.nanos() - EPOCH;
            match (change.from, change.to) {
                (_, State::Firing) => self.fired.push((at, change.who.instance)),
                (State::Firing, _) => self.resolved.push((at, change.who.instance)),
                _ => {}
            }
        }
    }

    fn entry(&mut self, raw: &str, at: u64) -> lastbeat::core::tracker::InstanceId {
        self.engine.arrive(now(at));
        let id = self.engine.find(raw).unwrap_or_else(|| {
            let mut tokens = raw.splitn(4, '.').skip(1);
            let mut next = || tokens.next().expect("app.region.instance");
            let subject = Subject {
                raw,
                app: next(),
                region: next(),
                instance: next(),
            };
            let admitted = self.engine.admit(&subject, 100);
            admitted.expect("there is room").expect("it is not ignored")
        });
        self.engine.heard(id, Provider::App, 100);
        id
    }

    fn beat(&mut self, raw: &str, seq: Option<u64>, at: u64) {
        let id = self.entry(raw, at);
        let line = BeatLine {
            marker: MarkerId(0),
            text: "HEARTBEAT",
            name: "",
            every: Some(self.every),
            seq,
            bye: false,
            host: "",
            entry_time: None,
        };
        self.engine.beat(id, &line).expect("there is room");
    }

    fn factor(&self, at: u64) -> u32 {
        let snapshot = self.engine.snapshot(now(at), 0);
        let row = snapshot
            .thresholds
            .first()
            .expect("beats declare their interval");
        row.longest.factor
    }
}

impl Fleet {
    /// So many days, and the deaths after them.
    pub fn live(&self, seed: u64, days: u64) -> Report {
        let every = self.every.as_nanos() as u64;
        let mut dice = Random::new(seed + 7_919);
        (0..20).for_each(|_| {
            dice.next();
        });
        let mut phases: Vec<u64> = (0..self.instances).map(|_| dice.next() % every).collect();
        phases.sort_unstable();
        let names: Vec<String> = (0..self.instances)
            .map(|n| format!("logs.web.iad.{n:04}"))
            .collect();
        let mut to_lose = vec![0_u32; self.instances];
        let mut watch = Watcher::new(&self.rule, self.every);
        let rounds = days * 86_400 * SECOND / every;
        for round in 0..rounds {
            for (n, phase) in phases.iter().enumerate() {
                let at = round * every + phase;
                watch.pass(at);
                if to_lose[n] == 0 {
                    to_lose[n] = self.loss.next(&mut dice);
                }
                if to_lose[n] > 0 {
                    to_lose[n] -= 1;
                } else {
                    watch.beat(&names[n], self.counts.then_some(round), at);
                }
            }
        }
        let false_alarms = watch.fired.len() as u64;
        self.die(watch, &names, &phases, rounds, false_alarms)
    }

    /// Some die after their last beat, which arrives; the others live on.
    fn die(
        &self,
        mut watch: Watcher,
        names: &[String],
        phases: &[u64],
        rounds: u64,
        false_alarms: u64,
    ) -> Report {
        let every = self.every.as_nanos() as u64;
        let deaths = DEATHS.min(self.instances.div_ceil(2));
        let step = self.instances / deaths;
        let is_dead = |n: usize| n.is_multiple_of(step) && n / step < deaths;
        let factor = watch.factor(rounds * every);
        for round in rounds..rounds + 12 {
            for (n, phase) in phases.iter().enumerate() {
                let at = round * every + phase;
                watch.pass(at);
                if !is_dead(n) || round == rounds {
                    watch.beat(&names[n], self.counts.then_some(round), at);
                }
            }
        }
        watch.pass((rounds + 13) * every);
        let mut report = Report {
            false_alarms,
            factor,
            ..Report::default()
        };
        for n in (0..self.instances).filter(|n| is_dead(*n)) {
            let died = rounds * every + phases[n];
            let name = names[n].rsplit('.').next().expect("a name");
            let mut found = watch.fired.iter().skip(false_alarms as usize);
            match found.find(|(at, who)| who == name && *at > died) {
                Some((at, _)) => {
                    report.slowest = report.slowest.max(Duration::from_nanos(at - died))
                }
                None => report.unfound += 1,
            }
        }
        report
    }
}

/// A hundred instances, of which some die; then nine hundred more come, and more lost beats are allowed: no alert is over
/// for that, and none that waits.
pub fn grow(rule: &Rule) {
    let every = Duration::from_secs(30);
    let mut watch = Watcher::new(rule, every);
    let name = |n: usize| format!("logs.web.iad.{n:04}");
    let mut before = 0;
    for round in 0..40_u64 {
        let all = if round < 20 { 100 } else { 1_000 };
        for n in 0..all {
            let at = round * 30 * SECOND + n as u64 * 29 * SECOND / all as u64;
            watch.pass(at);
            // Five are dead before the growth, and five are so long silent in it that their alert is about to be.
            let dies = match n {
                0..5 => 10,
                5..10 => 18,
                _ => 100,
            };
            if round < dies {
                watch.beat(&name(n), None, at);
            }
        }
        if round == 19 {
            before = watch.factor(round * 30 * SECOND);
        }
    }
    watch.pass(1_200 * SECOND);
    assert!(before < watch.factor(1_200 * SECOND), "the factor rose");
    assert_eq!(watch.resolved, [], "no alert is taken back");
    assert_eq!(watch.fired.len(), 10, "{:?}", watch.fired);
    for (at, who) in &watch.fired {
        let n: u64 = who.parse().expect("a number");
        let last = if n < 5 { 9 } else { 17 };
        let sent = last * 30 * SECOND + n * 29 * SECOND / 100;
        let after = Duration::from_nanos(at - sent);
        assert!(after <= Duration::from_secs(92), "{who} after {after:?}");
    }
}

/// A disconnect of a minute, an outage of a region for five, and a death: none of it is loss.
pub fn outages(rule: &Rule) {
    let every = Duration::from_secs(30);
    let mut watch = Watcher::new(rule, every);
    for round in 0..240_u64 {
        let disconnected = (60..62).contains(&round);
        let cut = |n: usize| (100..110).contains(&round) && n < 10;
        let dead = |n: usize| (150..170).contains(&round) && n == 15;
        for n in 0..20 {
            let at = round * 30 * SECOND + n as u64 * SECOND;
            if disconnected {
                continue;
            }
            watch.pass(at);
            if !cut(n) && !dead(n) {
                watch.beat(&format!("logs.web.iad.{n:04}"), Some(round), at);
            }
        }
        if round == 59 {
            watch
                .engine
                .feed(Feed::Lost, now(59 * 30 * SECOND + 20 * SECOND));
            watch.wake = 62 * 30 * SECOND;
        }
    }
    let at = 240 * 30 * SECOND;
    watch.pass(at);
    assert!(
        !watch.fired.is_empty(),
        "the outage of the region is an alert"
    );
    let snapshot = watch.engine.snapshot(now(at), 0);
    let web = snapshot.apps.iter().find(|app| &*app.name == "web");
    let odds = web.expect("it was heard").odds;
    assert!(odds.counted > 4_000, "{odds:?}");
    assert_eq!(
        (odds.lost, odds.longest),
        (0.001, 0),
        "nothing counts as lost"
    );
}
