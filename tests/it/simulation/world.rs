//! An organisation and its misfortunes, made from a seed.

use crate::support::random::Random;
use lastbeat::core::entry::MarkerId;
use lastbeat::core::rule::{
    By, FORGET_AFTER, FalseAlarms, Globs, MaxGap, Rule, RuleSet, Severity, StreamRule, Watch,
};
use std::time::Duration;

/// Nanoseconds of a second.
pub const SECOND: u64 = 1_000_000_000;

/// What happens at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// One speaks.
    Speech {
        /// A place in [`World::cast`].
        who: usize,
        /// What it says.
        says: Says,
    },
    /// The connection is lost.
    Lost,
    /// Messages turn out to be lost.
    Dropped,
    /// A check finds none lost.
    Intact,
    /// The process stood still.
    Suspended,
}

/// What one says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// A line of its log.
    Log,
    /// The platform says something of it.
    Platform,
    /// A beat, with its number among the names.
    Beat(usize),
    /// A beat that says bye.
    Bye(usize),
}

/// Names of beats.
pub const NAMES: [&str; 2] = ["", "w"];

/// One instance.
#[derive(Clone, Debug)]
pub struct Actor {
    pub app: String,
    pub region: String,
    pub host: String,
    pub subject: String,
    /// The interval that its beats declare.
    pub every: Option<Duration>,
}

/// A whole run.
#[derive(Debug)]
pub struct World {
    pub rules: RuleSet,
    pub cast: Vec<Actor>,
    /// In order of their moments, in nanoseconds.
    pub story: Vec<(u64, Happening)>,
    /// How long after its moment a deadline may be judged, at most, in nanoseconds.
    pub lateness: u64,
    /// For what the driver decides.
    pub seed: u64,
}

/// A span in which somebody or everybody is not heard.
#[derive(Clone, Copy, Debug)]
struct Hole {
    from: u64,
    to: u64,
}

impl Hole {
    fn holds(&self, at: u64) -> bool {
        self.from <= at && at < self.to
    }
}

/// The world of a seed.
pub fn world(seed: u64) -> World {
    let mut dice = Random::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    (0..4).for_each(|_| {
        dice.next();
    });
    let cast = cast(&mut dice);
    let declares = cast[0].every.is_some();
    let rules = rules(&mut dice, declares);
    let length = (600 + dice.below(3_000) as u64) * SECOND;
    let end = length + recovery(&rules);
    let mut story = Vec::new();
    let common = common_holes(&mut dice, length, &mut story);
    let shared = shared_holes(&mut dice, &cast, length);
    for (who, actor) in cast.iter().enumerate() {
        live(
            &mut dice,
            who,
            actor,
            (length, end),
            &shared[who],
            &mut story,
        );
    }
    story.retain(|(at, happening)| {
        !matches!(happening, Happening::Speech { .. }) || common.iter().all(|hole| !hole.holds(*at))
    });
    let checks = (0..end / (5 * SECOND)).map(|n| n * 5 * SECOND + 7);
    story.extend(checks.map(|at| (at, Happening::Intact)));
    // Whole seconds, so that something also happens at the very moment of a deadline.
    let whole = dice.below(3) == 0;
    if whole {
        story.iter_mut().for_each(|(at, _)| *at -= *at % SECOND);
    }
    story.sort_by_key(|(at, _)| *at);
    World {
        rules,
        cast,
        story,
        lateness: [0, 0, SECOND, 4 * SECOND][dice.below(4)],
        seed,
    }
}

/// How long after the misfortunes everyone lives well: longer than any flapping, any patience, any outage.
fn recovery(rules: &RuleSet) -> u64 {
    let spans = rules.rules.iter().map(|rule| match rule.max_gap {
        MaxGap::Fixed(span) => span,
        MaxGap::Auto => Duration::from_secs(60),
    });
    11 * spans.max().unwrap_or_default().as_nanos() as u64 + 300 * SECOND
}

fn cast(dice: &mut Random) -> Vec<Actor> {
    let (apps, regions, hosts) = (1 + dice.below(3), 1 + dice.below(3), 1 + dice.below(4));
    let count = 1 + dice.below(9);
    let declares = dice.below(2) == 0;
    (0..count)
        .map(|number| {
            let app = format!("app{}", dice.below(apps));
            let region = format!("r{}", dice.below(regions));
            Actor {
                subject: format!("logs.{app}.{region}.i{number}"),
                host: format!("h{}", dice.below(hosts)),
                every: declares.then(|| Duration::from_secs(10 + dice.below(10) as u64)),
                app,
                region,
            }
        })
        .collect()
}

fn rules(dice: &mut Random, declares: bool) -> RuleSet {
    let count = 1 + dice.below(3);
    let mut rules: Vec<Rule> = (0..count)
        .map(|number| rule(dice, number, declares))
        .collect();
    if dice.below(3) == 0 {
        rules.push(Rule {
            watch: Watch::Logs,
            ..rule(dice, count, false)
        });
    }
    RuleSet {
        stream: StreamRule {
            max_gap: MaxGap::Fixed(Duration::from_secs(30 + dice.below(60) as u64)),
            ..StreamRule::default()
        },
        rules,
        ..RuleSet::default()
    }
}

fn rule(dice: &mut Random, number: usize, declares: bool) -> Rule {
    let seconds = |count: usize| Duration::from_secs(count as u64);
    let apps = [vec![], vec!["app0".to_owned()], vec!["app[01]".to_owned()]];
    let names = [None, None, Some("w".to_owned())];
    let holds = [0, 0, 10, 30];
    let waits = [0, 1, 5];
    Rule {
        on_crash: false,
        restart_silent: false,
        active: None,
        labels: Default::default(),
        name: format!("rule{number}"),
        watch: Watch::Heartbeat {
            marker: MarkerId(0),
            beat: dice.pick(&names).clone(),
        },
        app: Globs(dice.pick(&apps).clone()),
        region: Globs::default(),
        host: Globs::default(),
        by: By::Instance,
        // What is learned is another model's matter.
        max_gap: match dice.below(4) {
            0 if declares => MaxGap::Auto,
            _ => MaxGap::Fixed(seconds(20 + dice.below(100))),
        },
        false_alarms: FalseAlarms::default(),
        min_rate: None,
        hold: seconds(*dice.pick(&holds)),
        recover: 1 + dice.below(3) as u32,
        severity: Severity::Error,
        summary: None,
        runbook: None,
        expect: Vec::new(),
        at_least: None,
        remind: (dice.below(4) == 0).then(|| seconds(300)),
        notify: None,
        group_wait: seconds(*dice.pick(&waits)),
        forget_after: match dice.below(3) {
            0 => seconds(600 + dice.below(600)),
            _ => FORGET_AFTER,
        },
    }
}

/// What keeps lastbeat from hearing anyone.
fn common_holes(dice: &mut Random, length: u64, story: &mut Vec<(u64, Happening)>) -> Vec<Hole> {
    let mut holes = Vec::new();
    for _ in 0..dice.below(5) {
        let from = dice.below(length as usize) as u64;
        let long = [2, 20, 70, 400][dice.below(4)] * SECOND;
        let to = from + 1 + dice.below(long as usize) as u64;
        match dice.below(4) {
            0 => story.push((from, Happening::Lost)),
            1 => story.push((to, Happening::Suspended)),
            2 => story.push((to, Happening::Dropped)),
            // The stream just stalls.
            _ => {}
        }
        holes.push(Hole { from, to });
    }
    holes
}

/// What keeps a region, a host or an app from being heard, for each instance.
fn shared_holes(dice: &mut Random, cast: &[Actor], length: u64) -> Vec<Vec<Hole>> {
    let mut holes = vec![Vec::new(); cast.len()];
    for _ in 0..dice.below(4) {
        let from = dice.below(length as usize) as u64;
        let hole = Hole {
            from,
            to: from + (30 + dice.below(400) as u64) * SECOND,
        };
        let one = dice.pick(cast).clone();
        let kind = dice.below(4);
        for (who, actor) in cast.iter().enumerate() {
            let hit = match kind {
                0 => actor.region == one.region,
                1 => actor.host == one.host,
                2 => actor.app == one.app,
                _ => actor.app == one.app && actor.region == one.region,
            };
            if hit {
                holes[who].push(hole);
            }
        }
    }
    holes
}

/// The life of one: beats with jitter and losses, chatter, silences of its own, byes.
fn live(
    dice: &mut Random,
    who: usize,
    actor: &Actor,
    (length, end): (u64, u64),
    shared: &[Hole],
    story: &mut Vec<(u64, Happening)>,
) {
    let mut holes = shared.to_vec();
    for _ in 0..dice.below(3) {
        let from = dice.below(length as usize) as u64;
        let to = from + (20 + dice.below(600) as u64) * SECOND;
        holes.push(Hole { from, to });
    }
    let names = 1 + usize::from(dice.below(4) == 0);
    let beats = dice.below(8) != 0;
    let every = actor
        .every
        .map_or(8 * SECOND, |every| every.as_nanos() as u64);
    let every = every - SECOND * dice.below(3) as u64;
    let mut at = dice.below(60 * SECOND as usize) as u64;
    let mut away_until = 0;
    while at < end {
        at += every - SECOND + dice.below(2 * SECOND as usize) as u64;
        let calm = at >= length;
        let heard = calm || holes.iter().all(|hole| !hole.holds(at));
        if heard && (calm || away_until <= at) && (calm || dice.below(20) != 0) {
            let leaves = !calm && dice.below(60) == 0;
            for name in 0..names {
                let says = if !beats {
                    Says::Log
                } else if leaves {
                    away_until = at + dice.below(300) as u64 * SECOND;
                    Says::Bye(name)
                } else {
                    Says::Beat(name)
                };
                story.push((at + name as u64, Happening::Speech { who, says }));
            }
        }
        if heard && dice.below(4) == 0 {
            let says = [Says::Log, Says::Platform][usize::from(dice.below(3) == 0)];
            let later = dice.below(3 * SECOND as usize) as u64;
            if holes.iter().all(|hole| !hole.holds(at + later)) && away_until <= at {
                story.push((at + later, Happening::Speech { who, says }));
            }
        }
    }
}
