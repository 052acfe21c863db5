//! Notifications to several notifiers: whatever falls silent, returns, is silenced, changes its rules or is killed, each
//! notifier hears of an incident once, and of its end once.

use crate::core::engine::{Engine, Options, Output};
use crate::core::entry::{BeatLine, MarkerId};
use crate::core::notice::routing::Hours;
use crate::core::notice::{IncidentId, Notice, NoticeKind};
use crate::core::rule::{
    Matchers, MaxGap, NotifierKind, NotifierRule, Rule, RuleSet, Severity, StreamRule,
};
use crate::core::silence::Silence;
use crate::core::tests::bench::{at, checkpoint, hear, rule, seconds};
use crate::core::tests::restart::Disk;
use crate::core::time::Wall;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Twelve instances: three apps in two regions, two of each.
const ALL: [&str; 12] = [
    "web.iad.a",
    "web.iad.b",
    "web.lhr.c",
    "web.lhr.d",
    "api.iad.e",
    "api.iad.f",
    "api.lhr.g",
    "api.lhr.h",
    "db.iad.i",
    "db.iad.j",
    "db.lhr.k",
    "db.lhr.l",
];

fn notifier(name: &str, severity: &[Severity]) -> NotifierRule {
    NotifierRule {
        name: name.to_owned(),
        kind: NotifierKind::Sentry {
            dsn: None,
            resolve: None,
        },
        severity: severity.to_vec(),
    }
}

fn names(names: &[&str]) -> Option<Vec<String>> {
    Some(names.iter().map(|&name| name.to_owned()).collect())
}

/// Five sets of rules over the same instances; the notifiers are the same.
fn rules(variant: u8) -> RuleSet {
    let web = Rule {
        notify: names(&["web", "everyone"]),
        severity: Severity::Critical,
        ..rule("web", "web", 30.0)
    };
    let api = Rule {
        notify: names(&["api"]),
        active: Some("hours".to_owned()),
        remind: Some(seconds(200.0)),
        ..rule("api", "api", 45.0)
    };
    let rest = Rule {
        severity: Severity::Warning,
        ..rule("rest", "*", 30.0)
    };
    let mut rules = vec![web, api, rest];
    match variant % 5 {
        0 => {}
        1 => rules[0].severity = Severity::Warning,
        2 => rules[1].notify = None,
        3 => drop(rules.remove(1)),
        _ => rules[2].notify = names(&["api", "critical"]),
    }
    RuleSet {
        stream: StreamRule {
            max_gap: MaxGap::Fixed(seconds(60.0)),
            ..StreamRule::default()
        },
        rules,
        notifiers: vec![
            notifier("everyone", &[]),
            notifier("web", &[]),
            notifier("api", &[Severity::Error, Severity::Warning]),
            notifier("critical", &[Severity::Critical]),
        ],
        ..RuleSet::default()
    }
}

/// A step of a story; each takes some seconds, in which the living beat.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Those of the mask fall silent.
    Die(u16),
    /// Those of the mask beat again.
    Return(u16),
    /// The rules are others.
    Reload(u8),
    /// An app is silenced from now on; 3: none is.
    Mute(u8),
    /// The hours of the rule "api" begin or end.
    Hours(bool),
    /// The process is killed, and starts again some seconds later.
    Kill,
    /// The state of all instances is stored.
    Checkpoint,
}

fn story() -> impl Strategy<Value = Vec<(Step, u8)>> {
    // All of an app, all of a region, or anybody.
    let mask = prop_oneof![
        (0..3_u16).prop_map(|app| 0b1111 << (app * 4)),
        Just(0b0011_0011_0011),
        any::<u16>(),
        (0..12_u16).prop_map(|one| 1 << one),
    ];
    let mask = mask.boxed();
    let step = prop_oneof![
        4 => mask.clone().prop_map(Step::Die),
        4 => mask.prop_map(Step::Return),
        1 => any::<u8>().prop_map(Step::Reload),
        1 => (0..4_u8).prop_map(Step::Mute),
        1 => any::<bool>().prop_map(Step::Hours),
        1 => Just(Step::Kill),
        1 => Just(Step::Checkpoint),
    ];
    proptest::collection::vec((step, 1..120_u8), 1..30)
}

/// A core, its store, and what its notifiers were sent.
struct World {
    engine: Engine,
    disk: Disk,
    variant: u8,
    now: u64,
    alive: u16,
    muted: Vec<Silence>,
    hours: Hours,
    /// The notifiers that know of each incident, and those that know of its end.
    known: BTreeMap<IncidentId, BTreeMap<String, bool>>,
    firsts: BTreeSet<IncidentId>,
}

impl World {
    fn new() -> Self {
        World {
            engine: World::engine(0, 0, 1),
            disk: Disk::default(),
            variant: 0,
            now: 0,
            alive: u16::MAX,
            muted: Vec::new(),
            hours: Hours::new(),
            known: BTreeMap::new(),
            firsts: BTreeSet::new(),
        }
    }

    fn engine(variant: u8, now: u64, first_incident: u64) -> Engine {
        let options = Options {
            first_incident,
            ..Options::default()
        };
        Engine::new(rules(variant), options, at(now as f64))
    }

    fn play(&mut self, step: Step, seconds: u8) {
        let now = at(self.now as f64);
        match step {
            Step::Die(mask) => self.alive &= !mask,
            Step::Return(mask) => self.alive |= mask,
            Step::Reload(variant) => {
                self.variant = variant;
                self.engine.reload(rules(variant), now);
            }
            Step::Mute(app) => {
                let app = ["web", "api", "db"].get(usize::from(app));
                self.muted = app.map(|app| silence(app)).into_iter().collect();
                self.engine.set_silences(self.muted.clone(), now);
            }
            Step::Hours(open) => {
                let whole = (Wall::ZERO, Wall::from_nanos(u64::MAX));
                let windows = if open { vec![whole] } else { Vec::new() };
                self.hours = BTreeMap::from([("hours".to_owned(), windows)]);
                self.engine.set_hours(self.hours.clone(), now);
            }
            Step::Kill => self.kill(),
            Step::Checkpoint => {
                let kept = checkpoint(&mut self.engine, false, 5, now);
                self.disk.checkpoint(kept);
            }
        }
        self.keep();
        self.run(u64::from(seconds));
    }

    fn kill(&mut self) {
        self.now += 3;
        let now = at(self.now as f64);
        let last = self.known.keys().next_back().map_or(0, |id| id.0);
        self.engine = World::engine(self.variant, self.now, last + 1);
        self.engine.set_hours(self.hours.clone(), now);
        self.engine.set_silences(self.muted.clone(), now);
        assert!(self.engine.restore(&self.disk.saved(), now));
    }

    fn run(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now += 1;
            let now = at(self.now as f64);
            for (n, name) in ALL.iter().enumerate() {
                if self.alive >> n & 1 == 1 && (self.now + n as u64).is_multiple_of(10) {
                    self.beat(name);
                }
            }
            self.engine.evaluate(now);
            self.keep();
        }
    }

    fn beat(&mut self, name: &str) {
        let id = hear(&mut self.engine, name, self.now as f64).expect("it is not ignored");
        let line = BeatLine {
            marker: MarkerId(0),
            text: "HEARTBEAT",
            name: "",
            every: None,
            seq: None,
            bye: false,
            host: "",
            entry_time: None,
        };
        self.engine.beat(id, &line).expect("there is room");
    }

    /// Sends what the core decided, after it was stored.
    fn keep(&mut self) {
        if let Some(decision) = self.engine.decision() {
            self.disk.decision(decision);
        }
        let outputs: Vec<Output> = self.engine.drain().collect();
        for output in outputs {
            if let Output::Notify(notice) = output {
                self.send(&notice);
            }
        }
    }

    fn send(&mut self, notice: &Notice) {
        let id = notice.incident;
        if notice.is_first {
            assert!(self.firsts.insert(id), "{id:?} is first twice");
        }
        let known = self.known.entry(id).or_default();
        let notifiers = notice.notify.as_ref().expect("notifiers are named");
        assert!(!notifiers.is_empty(), "sent to nobody: {notice:?}");
        for name in notifiers {
            let allowed: &[Severity] = match name.as_str() {
                "critical" => &[Severity::Critical],
                "api" => &[Severity::Error, Severity::Warning],
                _ => &[Severity::Critical, Severity::Error, Severity::Warning],
            };
            let is_over = known.get(name).copied();
            match notice.kind {
                NoticeKind::Opened => {
                    assert_eq!(is_over, None, "opened twice for {name}: {notice:?}");
                    assert!(allowed.contains(&notice.severity), "{name}: {notice:?}");
                    known.insert(name.clone(), false);
                }
                NoticeKind::Updated(_) | NoticeKind::Reminder(_) => {
                    assert_eq!(is_over, Some(false), "not open for {name}: {notice:?}");
                }
                NoticeKind::Closed(_) => {
                    assert_eq!(is_over, Some(false), "closed for {name}: {notice:?}");
                    known.insert(name.clone(), true);
                }
            }
        }
        assert!(self.firsts.contains(&id), "no first notice of {id:?}");
    }
}

fn silence(app: &str) -> Silence {
    Silence {
        id: app.to_owned(),
        matchers: Matchers {
            app: crate::core::rule::Globs(vec![app.to_owned()]),
            ..Matchers::default()
        },
        windows: vec![(Wall::ZERO, Wall::from_nanos(u64::MAX))],
        reason: "work on it".to_owned(),
        author: String::new(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn openings_and_closings_pair_for_each_notifier(story in story()) {
        let mut world = World::new();
        world.run(40);
        for (step, seconds) in story {
            world.play(step, seconds);
        }
        world.play(Step::Return(u16::MAX), 1);
        world.play(Step::Mute(3), 1);
        // Flapping is over after ten max_gap, or twice its longest pause.
        world.run(4_000);
        for (id, known) in &world.known {
            for (name, is_over) in known {
                prop_assert!(is_over, "{id:?} never ended for {name}");
            }
        }
    }
}
