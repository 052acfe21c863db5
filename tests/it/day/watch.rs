//! The real core watches the day: lines decoded as they come, 2% of them lost, every tenth poll failed.

use super::platform::{Machine as Real, Platform, Said, State};
use crate::support::random::Random;
use lastbeat::core::engine::{Engine, Options, Output};
use lastbeat::core::entry::{BeatLine, MarkerId, Provider, Subject};
use lastbeat::core::inventory::{Listed, Machine, Poll, Purpose};
use lastbeat::core::notice::NoticeKind;
use lastbeat::core::rule::Globs;
use lastbeat::core::time::{Mono, Now, Wall};
use lastbeat::decode::lifecycle;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Of a hundred lines of the platform so many are lost, and of a hundred polls so many fail.
const LINES_LOST: usize = 2;
const POLLS_FAILED: usize = 10;
const POLL_EVERY: u64 = 30;
/// Seconds between two looks at the deadlines: five times as many as the program lets pass, for speed.
const TICK: u64 = 5;
/// The list follows the platform by so much.
const LIST_LAGS: u64 = 5;
const MAX_GAP: Duration = Duration::from_secs(180);
const RULES: &str = "[[rule]]\nname = \"beats\"\nmax_gap = \"3m\"\n";

/// What the watcher is told beside beats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Knows {
    All,
    Lines,
    Inventory,
}

/// A death, and when it was told.
#[derive(Debug)]
pub struct Found {
    pub who: String,
    pub after: Option<Duration>,
    pub max_gap: Duration,
}

#[derive(Debug, Default)]
pub struct Report {
    pub days: u64,
    pub false_alarms: Vec<String>,
    pub deaths: Vec<Found>,
}

impl Report {
    pub fn and(mut self, other: Report) -> Report {
        self.days += other.days;
        self.false_alarms.extend(other.false_alarms);
        self.deaths.extend(other.deaths);
        self
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = self.deaths.iter().filter_map(|death| death.after);
        let (count, longest) = (found.clone().count(), found.max().unwrap_or_default());
        let (days, alarms, deaths) = (self.days, self.false_alarms.len(), self.deaths.len());
        write!(
            f,
            "{days} days, {alarms} false alarms, {count} of {deaths} deaths told, the last {longest:?} after its last beat"
        )
    }
}

fn at(second: u64) -> Now {
    let span = Duration::from_secs(second);
    Now {
        mono: Mono::ZERO + span,
        wall: Wall::ZERO + Duration::from_secs(1_700_000_000) + span,
    }
}

/// What somebody was told.
struct Told {
    at: u64,
    opened: bool,
    name: String,
    whom: Vec<String>,
}

struct Watcher {
    engine: Engine,
    knows: Knows,
    luck: Random,
    /// When somebody was told of whom.
    told: Vec<Told>,
    next_poll: u64,
    last_beat: Vec<u64>,
}

/// Plays a day.
pub fn day(mut platform: Platform, knows: Knows) -> Report {
    let reading =
        lastbeat::decode::rules_file::read(&[("day.toml".to_owned(), RULES.as_bytes().to_vec())]);
    let rules = reading.set.expect("the rules are good");
    let options = Options {
        inventory: knows != Knows::Lines,
        ignore: Globs::default(),
        limits: Default::default(),
        first_incident: 1,
        own: None,
        notifiers: Vec::new(),
    };
    let mut watcher = Watcher {
        engine: Engine::new(rules, options, at(0)),
        knows,
        luck: Random::new(platform.machines.len() as u64 * 7 + 1),
        told: Vec::new(),
        next_poll: 5,
        last_beat: Vec::new(),
    };
    let mut tick = 0;
    while let Some((now, said)) = platform.next() {
        while tick < now {
            watcher.turn(&platform, tick);
            tick += TICK;
        }
        for (who, said) in said {
            watcher.hear(&platform.machines[who], who, &said, now);
        }
    }
    watcher.report(&platform)
}

impl Watcher {
    fn turn(&mut self, platform: &Platform, now: u64) {
        let candidates = self.engine.take_candidates().is_some();
        if self.knows != Knows::Lines && (now >= self.next_poll || candidates) {
            self.next_poll = now + POLL_EVERY;
            self.poll(platform, now);
        }
        self.engine.evaluate(at(now));
        for output in self.engine.drain() {
            if let Output::Tell(notice) = output
                && !matches!(notice.kind, NoticeKind::Closed(_))
            {
                let who = &notice.who;
                let name = format!(
                    "{} {}/{}/{}",
                    notice.alarm.name(notice.scope),
                    who.app,
                    who.region,
                    who.instance
                );
                let mut whom = notice.affected.clone();
                whom.push(format!("{}/{}/{}", who.app, who.region, who.instance));
                let mut whom = notice.affected.clone();
                whom.push(format!("{}/{}/{}", who.app, who.region, who.instance));
                self.told.push(Told {
                    at: now,
                    opened: notice.kind == NoticeKind::Opened,
                    name,
                    whom,
                });
            }
        }
    }

    fn poll(&mut self, platform: &Platform, now: u64) {
        if self.luck.below(100) < POLLS_FAILED {
            // It is asked again soon.
            self.next_poll = now + 2;
            return;
        }
        let listed = |machine: &Real| {
            let fresh = now < machine.since + LIST_LAGS;
            let listed = match machine.state {
                State::Started | State::Dead => Listed::Started,
                State::Replacing => Listed::Starting,
                State::Stopped if fresh => Listed::Started,
                State::Stopped => Listed::Stopped,
                State::Destroyed if fresh => Listed::Started,
                State::Destroyed => return None,
            };
            Some(Machine {
                app: Arc::clone(&machine.app),
                region: Arc::clone(&machine.region),
                id: Arc::clone(&machine.id),
                listed,
                word: Arc::from("as the list says"),
                unreachable: false,
                purpose: Purpose::Unknown,
                group: None,
                exit: None,
            })
        };
        let poll = Poll {
            asked_at: at(now).mono,
            machines: platform.machines.iter().filter_map(listed).collect(),
            whole: true,
            unread_regions: Vec::new(),
        };
        self.engine.inventory(&poll, at(now));
    }

    fn hear(&mut self, machine: &Real, who: usize, said: &Said, now: u64) {
        self.last_beat.resize(self.last_beat.len().max(who + 1), 0);
        let (provider, message) = match said {
            Said::Beat => (Provider::App, "HEARTBEAT"),
            Said::Line(..) if self.knows == Knows::Inventory => return,
            Said::Line(..) if self.luck.below(100) < LINES_LOST => return,
            Said::Line("proxy", line) => (Provider::Proxy, line.as_str()),
            Said::Line(_, line) => (Provider::Runner, line.as_str()),
        };
        self.engine.arrive(at(now));
        let subject = Subject {
            raw: &machine.subject,
            app: &machine.app,
            region: &machine.region,
            instance: &machine.id,
        };
        let id = match self.engine.find(&machine.subject) {
            Some(id) => id,
            None => self
                .engine
                .admit(&subject, 100)
                .expect("room")
                .expect("none is ignored"),
        };
        self.engine.heard(id, provider, 100);
        if provider == Provider::App {
            self.last_beat[who] = now;
            let line = BeatLine {
                marker: MarkerId(0),
                text: message,
                name: "",
                every: None,
                seq: None,
                bye: false,
                host: "",
                entry_time: None,
            };
            self.engine.beat(id, &line).expect("room");
        } else if let Some(what) = lifecycle::read(provider, message, &machine.id) {
            self.engine.lifecycle(id, what);
        }
    }

    fn report(self, platform: &Platform) -> Report {
        let names = |told: &Told, who: usize| {
            let id = &*platform.machines[who].id;
            told.whom.iter().any(|one| one.ends_with(id))
        };
        let found = |&(who, at): &(usize, u64)| {
            let told = self
                .told
                .iter()
                .find(|told| told.at >= at && names(told, who));
            Found {
                who: format!(
                    "day {}: {} dead at {at}s",
                    platform.seed, platform.machines[who].subject
                ),
                after: told.map(|told| Duration::from_secs(told.at - self.last_beat[who])),
                max_gap: MAX_GAP,
            }
        };
        let is_false = |told: &&Told| {
            let a_death = platform.deaths.iter().any(|(who, _)| names(told, *who));
            told.opened && !a_death
        };
        let words = |told: &Told| format!("day {}: at {}s {}", platform.seed, told.at, told.name);
        Report {
            days: 1,
            deaths: platform.deaths.iter().map(found).collect(),
            false_alarms: self.told.iter().filter(is_false).map(words).collect(),
        }
    }
}
