//! The organisation: 40 apps, 11 regions, 400 machines, and what happens to them in a day. Beside them a few that beat
//! twice an hour and do not say so, and daily jobs, which beat on the two days before as well.

use super::machine::{Death, Kind, Machine, Rest, Said, State, Trouble, WrongClock};
use crate::support::random::Random;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

pub const REGIONS: [&str; 11] = [
    "iad", "ord", "sjc", "lhr", "ams", "fra", "nrt", "sin", "syd", "gru", "jnb",
];
pub const APPS: usize = 40;
const MACHINES: usize = 400;
const OOM: &str = " INFO Process appears to have been OOM killed!";
/// Seconds of a day, and of an hour.
pub const DAY: u64 = 86_400;
pub const HOUR: u64 = 3_600;
/// The day that is looked at begins after two in which only jobs, slow machines and the canary beat.
pub const BEGIN: u64 = 2 * DAY;
/// Nothing is looked at any more.
pub const END: u64 = BEGIN + DAY;
/// Seconds between two beats: of most machines, of the slow ones, and of the canary.
pub const EVERY: u64 = 60;
pub const SLOW: u64 = 1_800;
const CANARY: u64 = 10;
/// Machines of the apps `slow` and `job`.
const SLOW_ONES: usize = 4;
const JOBS: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Beat(u32),
    Rest,
    Wake,
    Back,
    Deploy,
    /// The next machine of a rolling deploy that began then.
    Roll(u64),
    Die(u8),
}

pub struct Platform {
    pub seed: u64,
    pub machines: Vec<Machine>,
    random: Random,
    queue: BinaryHeap<Reverse<(u64, usize, What)>>,
    pub deaths: Vec<Death>,
    /// The link is lost for 46 s of each two minutes, where this is `Some`.
    pub blind: Option<Trouble>,
    /// The lag of all entries grows to five minutes, and goes.
    pub lag: Option<Trouble>,
}

impl Platform {
    pub fn new(seed: u64) -> Self {
        let mut platform = Platform {
            seed,
            machines: Vec::new(),
            random: Random::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            queue: BinaryHeap::new(),
            deaths: Vec::new(),
            blind: None,
            lag: None,
        };
        platform.blind = platform.trouble();
        platform.lag = platform.trouble();
        for number in 0..MACHINES {
            let app = number % APPS;
            let rest = [
                Rest::Never,
                Rest::Autostop,
                Rest::Never,
                Rest::Autosuspend,
                Rest::Never,
            ][app % 5];
            let region = REGIONS[(app + platform.random.below(3)) % REGIONS.len()];
            let who = platform.create(app, region, rest, BEGIN);
            platform.machines[who].clock = match number {
                100..104 => Some(WrongClock::Frozen),
                104..108 => Some(WrongClock::Ahead),
                108..112 => Some(WrongClock::Coarse),
                _ => None,
            };
        }
        platform.steady_ones();
        for hour in 1..24 {
            let app = platform.random.below(APPS);
            let minute = platform.random.below(60) as u64;
            platform.at(BEGIN + hour * HOUR + minute * 60, app, What::Deploy);
        }
        let deaths = 1 + platform.random.below(3);
        for _ in 0..deaths {
            let at = BEGIN + HOUR + platform.random.below((DAY - 4 * HOUR) as usize) as u64;
            let how = platform.random.below(4) as u8;
            platform.at(at, 0, What::Die(how));
        }
        platform
    }

    /// An hour of the day or none.
    fn trouble(&mut self) -> Option<Trouble> {
        let from = BEGIN + 2 * HOUR + self.random.below(18 * HOUR as usize) as u64;
        let to = from + HOUR;
        (self.random.below(2) == 0).then_some(Trouble { from, to })
    }

    /// True if lastbeat receives nothing: the link is lost for 46 s of each two minutes.
    pub fn is_blind(&self, at: u64) -> bool {
        self.blind
            .is_some_and(|hour| hour.holds(at) && (at - hour.from) % 120 < 46)
    }

    /// Machines that beat seldom, of which one may die, and the canary.
    fn steady_ones(&mut self) {
        let kinds = [Kind::Canary].into_iter();
        let kinds = kinds
            .chain([Kind::Slow; SLOW_ONES])
            .chain([Kind::Job; JOBS]);
        for kind in kinds {
            let app = match kind {
                Kind::Slow => "slow",
                Kind::Job => "job",
                Kind::Usual { .. } | Kind::Canary => "canary",
            };
            let first = match kind {
                Kind::Slow => self.random.below(SLOW as usize) as u64,
                Kind::Job => HOUR + self.random.below(20 * HOUR as usize) as u64,
                Kind::Usual { .. } | Kind::Canary => 0,
            };
            let who = self.machine(app.to_owned(), "iad", Rest::Never, 0, kind);
            self.at(first, who, What::Beat(0));
        }
        let mut dies = |who: usize, at: u64| {
            let (at, started) = (BEGIN + at, None);
            self.machines[who].since = at;
            self.deaths.push(Death { who, at, started });
        };
        let first = MACHINES + 1;
        // The job's last beat was at the same time of the day before.
        if self.random.below(3) == 0 {
            dies(first, HOUR + self.random.below(20 * HOUR as usize) as u64);
        }
        if self.random.below(3) == 0 {
            dies(first + SLOW_ONES, 0);
        }
    }

    fn at(&mut self, second: u64, who: usize, what: What) {
        self.queue.push(Reverse((second, who, what)));
    }

    fn create(&mut self, app: usize, region: &str, rest: Rest, now: u64) -> usize {
        let kind = Kind::Usual {
            named: app.is_multiple_of(2),
        };
        let who = self.machine(format!("app{app:02}"), region, rest, now, kind);
        self.starts(who, now);
        who
    }

    fn machine(&mut self, name: String, region: &str, rest: Rest, now: u64, kind: Kind) -> usize {
        let id = format!("{:014x}", self.random.next() >> 8);
        let who = self.machines.len();
        self.machines.push(Machine {
            subject: format!("logs.{name}.{region}.{id}"),
            app: Arc::from(name),
            region: Arc::from(region),
            id: Arc::from(id),
            state: State::Started,
            since: now,
            rest,
            kind,
            clock: None,
            life: 0,
        });
        who
    }

    /// It begins to beat within its first seconds, and to rest after a while.
    fn starts(&mut self, who: usize, now: u64) {
        self.machines[who].life += 1;
        let life = self.machines[who].life;
        let first = now + 1 + self.random.below(20) as u64;
        self.at(first, who, What::Beat(life));
        if self.machines[who].rest != Rest::Never {
            let awake = 300 + self.random.below(3 * HOUR as usize) as u64;
            self.at(now + awake, who, What::Rest);
        }
    }

    fn become_(&mut self, who: usize, state: State, now: u64) {
        self.machines[who].state = state;
        self.machines[who].since = now;
    }

    /// The next thing that happens: when, to whom, and what is said of it. `None`: the day is over.
    pub fn next(&mut self) -> Option<(u64, Vec<(usize, Said)>)> {
        let Reverse((now, who, what)) = self.queue.pop()?;
        if now >= END {
            return None;
        }
        let said = match what {
            What::Beat(life) => self.beat(who, life, now),
            What::Rest => self.rest(who, now),
            What::Wake => self.wake(who, now),
            What::Back => self.back(who, now),
            What::Deploy => self.deploy(who, now),
            What::Roll(since) => self.roll(who, since, now),
            What::Die(how) => self.die(how, now),
        };
        Some((now, said))
    }

    fn beat(&mut self, who: usize, life: u32, now: u64) -> Vec<(usize, Said)> {
        let machine = &self.machines[who];
        if machine.state != State::Started || machine.life != life {
            return Vec::new();
        }
        let kind = machine.kind;
        let is_dead = self
            .deaths
            .iter()
            .any(|one| one.who == who && one.at <= now);
        if is_dead {
            return Vec::new();
        }
        let next = match kind {
            // Whole minutes with a little jitter.
            Kind::Usual { .. } => now + EVERY - 2 + self.random.below(5) as u64,
            Kind::Slow => now + SLOW - 30 + self.random.below(60) as u64,
            Kind::Job => now + DAY,
            Kind::Canary => now + CANARY,
        };
        self.at(next, who, What::Beat(life));
        vec![(who, Said::Beat)]
    }

    fn rest(&mut self, who: usize, now: u64) -> Vec<(usize, Said)> {
        let machine = &self.machines[who];
        if machine.state != State::Started {
            return Vec::new();
        }
        let how = if machine.rest == Rest::Autostop {
            "autostopping"
        } else {
            "autosuspending"
        };
        let line = format!(
            "App {} has excess capacity, {how} machine {}. 0 out of 1 machines left running (region={}, process group=app)",
            machine.app, machine.id, machine.region
        );
        self.become_(who, State::Stopped, now);
        let asleep = 60 + self.random.below(4 * HOUR as usize) as u64;
        self.at(now + asleep, who, What::Wake);
        vec![(who, Said::Line("proxy", line))]
    }

    fn wake(&mut self, who: usize, now: u64) -> Vec<(usize, Said)> {
        if self.machines[who].state != State::Stopped {
            return Vec::new();
        }
        self.become_(who, State::Started, now);
        self.starts(who, now);
        vec![
            (who, Said::Line("proxy", "Starting machine".to_owned())),
            (
                who,
                Said::Line("runner", "Machine started in 864ms".to_owned()),
            ),
        ]
    }

    fn back(&mut self, who: usize, now: u64) -> Vec<(usize, Said)> {
        if self.machines[who].state != State::Replacing {
            return Vec::new();
        }
        self.become_(who, State::Started, now);
        self.starts(who, now);
        vec![(
            who,
            Said::Line("runner", "Machine started in 1.2s".to_owned()),
        )]
    }

    /// Rolling and immediate in place, or blue-green with machines that are new; sometimes scaled while at it.
    fn deploy(&mut self, app: usize, now: u64) -> Vec<(usize, Said)> {
        let name = format!("app{app:02}");
        let of_app = |(_, machine): &(usize, &Machine)| {
            *machine.app == *name && machine.state == State::Started
        };
        let running: Vec<usize> = self
            .machines
            .iter()
            .enumerate()
            .filter(of_app)
            .map(|(who, _)| who)
            .collect();
        let mut said = Vec::new();
        match self.random.below(4) {
            0 => said = self.roll(app, now, now),
            1 => {
                for &who in &running {
                    said.extend(self.replace(who, now));
                }
            }
            2 => {
                for &who in &running {
                    let (region, rest) = (
                        self.machines[who].region.to_string(),
                        self.machines[who].rest,
                    );
                    self.create(app, &region, rest, now);
                    self.become_(who, State::Destroyed, now);
                }
            }
            _ => {
                // Scaled down by one, or up by one.
                if self.random.below(2) == 0 && running.len() > 1 {
                    self.become_(running[0], State::Destroyed, now);
                } else if let Some(&who) = running.first() {
                    let (region, rest) = (
                        self.machines[who].region.to_string(),
                        self.machines[who].rest,
                    );
                    self.create(app, &region, rest, now);
                }
            }
        }
        said
    }

    /// One machine a minute, those first that run for longest, until all are newer than the deploy.
    fn roll(&mut self, app: usize, since: u64, now: u64) -> Vec<(usize, Said)> {
        let name = format!("app{app:02}");
        let old = |(_, machine): &(usize, &Machine)| {
            *machine.app == *name && machine.state == State::Started && machine.since < since
        };
        let next = self.machines.iter().enumerate().filter(old);
        let Some(who) = next
            .min_by_key(|(_, machine)| machine.since)
            .map(|(who, _)| who)
        else {
            return Vec::new();
        };
        self.at(now + 60, app, What::Roll(since));
        self.replace(who, now)
    }

    fn replace(&mut self, who: usize, now: u64) -> Vec<(usize, Said)> {
        self.become_(who, State::Replacing, now);
        let down = 10 + self.random.below(60) as u64;
        self.at(now + down, who, What::Back);
        let mut said = vec![(
            who,
            Said::Line("runner", "Configuring firecracker".to_owned()),
        )];
        if self.machines[who].kind == (Kind::Usual { named: true }) {
            said.insert(0, (who, Said::Bye));
        }
        said
    }

    /// One that lives hangs; or is deployed, says bye, starts, and hangs; or crashes.
    fn die(&mut self, how: u8, now: u64) -> Vec<(usize, Said)> {
        let alive = |machine: &&Machine| {
            let named = machine.kind == (Kind::Usual { named: true });
            machine.state == State::Started
                && machine.rest == Rest::Never
                && matches!(machine.kind, Kind::Usual { .. })
                && now > machine.since + 600
                && (how != 0 || named)
        };
        // A machine whose lines are all lost and that is listed as not started cannot be told from one that was stopped.
        let is_seen = (now..now + 120).all(|second| !self.is_blind(second));
        if how == 1 && !is_seen {
            self.at(now + 60, 0, What::Die(how));
            return Vec::new();
        }
        let count = self.machines.iter().filter(alive).count();
        let chosen = self.random.below(count);
        let index = self
            .machines
            .iter()
            .enumerate()
            .filter(|(_, machine)| alive(machine))
            .nth(chosen);
        let Some((who, _)) = index else {
            return Vec::new();
        };
        let mut death = Death {
            who,
            at: now,
            started: None,
        };
        let runner = |text: &str| (who, Said::Line("runner", text.to_owned()));
        let said = match how {
            0 => {
                let started = now + 20;
                death.started = Some(started);
                self.become_(who, State::Replacing, now);
                self.at(started, who, What::Back);
                vec![(who, Said::Bye), runner("Configuring firecracker")]
            }
            1 => {
                self.become_(who, State::Crashed, now);
                vec![
                    (who, Said::Line("app", OOM.to_owned())),
                    runner("machine exited with exit code 137, not restarting"),
                    runner("machine has reached its max restart count of 10"),
                ]
            }
            _ => {
                self.become_(who, State::Dead, now);
                Vec::new()
            }
        };
        self.deaths.push(death);
        said
    }
}
