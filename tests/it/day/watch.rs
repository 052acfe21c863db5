//! The real core watches the day: lines decoded as they come, 2% of them lost, every tenth poll failed.

use super::machine::{Death, Kind, Machine as Real, Said, State, Trouble, WrongClock};
use super::platform::{BEGIN, DAY, END, EVERY, Platform, SLOW};
use crate::support::random::Random;
use lastbeat::core::engine::{Engine, Feed, Options, Output};
use lastbeat::core::entry::{BeatLine, MarkerId, Provider, Subject};
use lastbeat::core::inventory::{Exit, Listed, Machine, Poll, Purpose};
use lastbeat::core::notice::{Alarm, NoticeKind};
use lastbeat::core::time::{Mono, Now, Wall};
use lastbeat::decode::lifecycle;
use std::collections::BTreeSet;
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
const RULES: &str = r#"
[[rule]]
name = "beats"
app = "app*"
max_gap = "3m"

[[rule]]
name = "slow"
app = "slow"
max_gap = "auto"

[[rule]]
name = "jobs"
app = "job"
max_gap = "25h"
"#;

/// How long a machine may be silent by these rules.
fn max_gap(kind: Kind) -> Duration {
    Duration::from_secs(match kind {
        Kind::Usual { .. } | Kind::Canary => 180,
        // Three times the longest usual interval, which is kept to a hundredth.
        Kind::Slow => 3 * (SLOW + 30) * 101 / 100 + 1,
        Kind::Job => 25 * 3_600,
    })
}

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
    /// From its last beat, or from the start that was to be followed by one.
    pub after: Option<Duration>,
    /// `max_gap`, and for each blind stretch its length and an interval.
    pub within: Duration,
    /// It is of a deploy that hangs, and no answer of the inventory fell into the time of its machine's restart.
    pub is_unlisted: bool,
    /// As `after`, to the end of the day.
    until: Duration,
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
            "{days} days, {alarms} false alarms, {count} of {deaths} deaths notified, at most {longest:?} after the last beat"
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
    alarm: Alarm,
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
    /// The machines that an answer listed as being replaced, of those that do not come up again.
    seen_down: BTreeSet<usize>,
    is_blind: bool,
}

/// Plays a day.
pub fn day(mut platform: Platform, knows: Knows) -> Report {
    let reading =
        lastbeat::decode::rules_file::read(&[("day.toml".to_owned(), RULES.as_bytes().to_vec())]);
    let rules = reading.set.expect("the rules are good");
    let options = Options {
        inventory: knows != Knows::Lines,
        first_incident: 1,
        ..Options::default()
    };
    let mut watcher = Watcher {
        engine: Engine::new(rules, options, at(0)),
        knows,
        luck: Random::new(platform.machines.len() as u64 * 7 + 1),
        told: Vec::new(),
        next_poll: 5,
        last_beat: Vec::new(),
        seen_down: BTreeSet::new(),
        is_blind: false,
    };
    let mut tick = 0;
    while let Some((now, said)) = platform.next() {
        while tick < now {
            watcher.turn(&platform, tick);
            // Before the day itself little happens.
            tick += if tick < BEGIN { 12 * TICK } else { TICK };
        }
        for (who, said) in said {
            watcher.hear(&platform, who, &said, now);
        }
    }
    watcher.report(&platform)
}

impl Watcher {
    fn turn(&mut self, platform: &Platform, now: u64) {
        let is_blind = platform.is_blind(now);
        if is_blind && !self.is_blind {
            self.engine.feed(Feed::Lost, at(now));
        }
        self.is_blind = is_blind;
        let candidates = self.engine.take_candidates().is_some();
        if self.knows != Knows::Lines && (now >= self.next_poll || candidates) {
            self.next_poll = now + POLL_EVERY;
            self.poll(platform, now);
        }
        self.engine.evaluate(at(now));
        let outputs: Vec<Output> = self.engine.drain().collect();
        for output in outputs {
            if let Output::Notify(notice) = output
                && !matches!(notice.kind, NoticeKind::Closed(_))
            {
                let who = &notice.who;
                let name = format!(
                    "{} {}/{}/{}{}",
                    notice.alarm.name(notice.scope),
                    who.app,
                    who.region,
                    who.instance,
                    self.circumstances(platform, &who.instance, now)
                );
                let mut whom = notice.affected.clone();
                whom.push(format!("{}/{}/{}", who.app, who.region, who.instance));
                self.told.push(Told {
                    at: now,
                    opened: notice.kind == NoticeKind::Opened,
                    name,
                    alarm: notice.alarm,
                    whom,
                });
            }
        }
    }

    /// What is true of a machine when its alert is notified.
    fn circumstances(&self, platform: &Platform, id: &str, now: u64) -> String {
        let mut machines = platform.machines.iter().enumerate();
        let Some((who, machine)) = machines.find(|(_, machine)| *machine.id == *id) else {
            return String::new();
        };
        let ago = |at: u64| now.saturating_sub(at);
        let last_beat = self.last_beat.get(who).copied().unwrap_or_default();
        let holds = |hour: &Trouble| hour.from <= now && now < hour.to + 600;
        format!(
            " ({:?} for {} s, last beat {} s ago{}{})",
            machine.state,
            ago(machine.since),
            ago(last_beat),
            if platform.blind.as_ref().is_some_and(holds) {
                ", blind at times"
            } else {
                ""
            },
            if platform.lag.as_ref().is_some_and(holds) {
                ", late"
            } else {
                ""
            },
        )
    }

    fn poll(&mut self, platform: &Platform, now: u64) {
        if self.luck.below(100) < POLLS_FAILED {
            // It is asked again soon.
            self.next_poll = now + 2;
            return;
        }
        let dead = platform.deaths.iter().filter(|death| death.at <= now);
        let down = dead.map(|death| death.who);
        let down = down.filter(|who| platform.machines[*who].state == State::Replacing);
        self.seen_down.extend(down);
        let listed = |machine: &Real| {
            let fresh = now < machine.since + LIST_LAGS;
            let listed = match machine.state {
                State::Started | State::Dead => Listed::Started,
                State::Crashed if fresh => Listed::Started,
                State::Crashed => Listed::Stopped,
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
                // The lines tell of a crash; where they are not read, the platform's record does.
                exit: (machine.state == State::Crashed && self.knows == Knows::Inventory)
                    .then_some(Exit {
                        requested: false,
                        code: Some(137),
                        oom: true,
                    }),
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

    fn hear(&mut self, platform: &Platform, who: usize, said: &Said, now: u64) {
        let machine = &platform.machines[who];
        self.last_beat.resize(self.last_beat.len().max(who + 1), 0);
        let (provider, message) = match said {
            _ if platform.is_blind(now) => return,
            Said::Beat | Said::Bye => (Provider::App, "HEARTBEAT"),
            Said::Line(..) if self.knows == Knows::Inventory => return,
            Said::Line(..)
                if machine.state != State::Crashed && self.luck.below(100) < LINES_LOST =>
            {
                return;
            }
            Said::Line("proxy", line) => (Provider::Proxy, line.as_str()),
            Said::Line("app", line) => (Provider::App, line.as_str()),
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
        if matches!(said, Said::Beat | Said::Bye) {
            self.last_beat[who] = now;
            let is_named = machine.kind == (Kind::Usual { named: true });
            let line = BeatLine {
                marker: MarkerId(0),
                text: message,
                name: if is_named { "worker" } else { "" },
                every: None,
                seq: None,
                bye: matches!(said, Said::Bye),
                host: "",
                entry_time: Some(entry_time(platform, machine, now)),
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
        let found = |death: &Death| {
            let Death { who, at, started } = *death;
            let told = self
                .told
                .iter()
                .find(|told| told.at >= at && names(told, who));
            let machine = &platform.machines[who];
            let from = started.unwrap_or(self.last_beat[who]);
            let until = told.map_or(END, |told| told.at);
            let limit = max_gap(machine.kind);
            // A start that neither a line nor the list showed is not known: its last beat counts.
            let last_beat = self.last_beat[who];
            let within = [from, last_beat].into_iter().map(|from| {
                let blind = blindness(platform, machine.kind, from, until);
                from + (limit + blind).as_secs()
            });
            let within = within.max().unwrap_or_default();
            Found {
                who: format!("day {}: {} dead at {at}s", platform.seed, machine.subject),
                after: told.map(|told| Duration::from_secs(told.at - from)),
                is_unlisted: started.is_some() && !self.seen_down.contains(&who),
                until: Duration::from_secs(END - from),
                within: Duration::from_secs(within - from),
            }
        };
        // A beat of a job that was due in a blind stretch may be waited for beyond the day.
        let is_due = |found: &Found| found.after.is_some() || found.within < found.until;
        let is_false = |told: &&Told| {
            let a_death = platform.deaths.iter().any(|death| names(told, death.who));
            let is_true = match told.alarm {
                Alarm::Lagging => platform.lag.is_some(),
                Alarm::Blind => platform.blind.is_some(),
                _ => a_death,
            };
            told.opened && !is_true
        };
        let words = |told: &Told| format!("day {}: at {}s {}", platform.seed, told.at, told.name);
        Report {
            days: 1,
            deaths: platform.deaths.iter().map(found).filter(is_due).collect(),
            false_alarms: self.told.iter().filter(is_false).map(words).collect(),
        }
    }
}

/// The time in the payload of an entry that arrives at `now`.
fn entry_time(platform: &Platform, machine: &Real, now: u64) -> Wall {
    let true_time = platform
        .lag
        .filter(|hour| hour.holds(now))
        .map_or(now, |hour| {
            // The lag grows for half of the time to five minutes, and shrinks again.
            let half = (hour.to - hour.from) / 2;
            let into = (now - hour.from).min(hour.to - now);
            now - into * 300 / half
        });
    let shown = match machine.clock {
        None => true_time,
        Some(WrongClock::Frozen) => BEGIN,
        Some(WrongClock::Ahead) => true_time + 3_600,
        Some(WrongClock::Coarse) => true_time - true_time % 3_600,
    };
    at(shown).wall
}

/// The blind time that delays the notification of a death: of each stretch its length, and one interval.
fn blindness(platform: &Platform, kind: Kind, from: u64, until: u64) -> Duration {
    let interval = match kind {
        Kind::Slow => SLOW,
        Kind::Job => DAY,
        // A restart that neither a line nor the list showed counts as an ordinary interval of more than a minute.
        Kind::Usual { .. } | Kind::Canary => EVERY + EVERY / 10,
    };
    let blind = (from..until).filter(|second| platform.is_blind(*second));
    let begins = |second: &u64| platform.is_blind(*second) && !platform.is_blind(second - 1);
    let stretches = (from..until).filter(begins).count() as u64;
    // One beat a day is due: several stretches of one hour hide no more.
    let hidden = if kind == Kind::Job {
        stretches.min(1)
    } else {
        stretches
    };
    Duration::from_secs(blind.count() as u64 + hidden * interval)
}
