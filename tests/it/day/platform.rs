//! The organisation: 40 apps, 11 regions, 400 machines, and what happens to them in a day.

use crate::support::random::Random;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

pub const REGIONS: [&str; 11] = [
    "iad", "ord", "sjc", "lhr", "ams", "fra", "nrt", "sin", "syd", "gru", "jnb",
];
pub const APPS: usize = 40;
const MACHINES: usize = 400;
/// Seconds of a day, and of an hour.
pub const DAY: u64 = 86_400;
const HOUR: u64 = 3_600;
/// Seconds between two beats.
const EVERY: u64 = 60;

/// How an app's machines rest when nobody asks for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    Never,
    Autostop,
    Autosuspend,
}

/// How a machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Started,
    Replacing,
    Stopped,
    Destroyed,
    /// It runs by every list, and says nothing any more.
    Dead,
}

#[derive(Clone, Debug)]
pub struct Machine {
    pub app: Arc<str>,
    pub region: Arc<str>,
    pub id: Arc<str>,
    pub subject: String,
    pub state: State,
    /// When its state became so.
    pub since: u64,
    rest: Rest,
    /// Beats of an earlier life are not said any more.
    life: u32,
}

/// What reaches the watcher.
#[derive(Clone, Debug)]
pub enum Said {
    Beat,
    /// A line of the platform's: provider and message.
    Line(&'static str, String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Beat(u32),
    Rest,
    Wake,
    Back,
    Deploy,
    /// The next machine of a rolling deploy that began then.
    Roll(u64),
    Die,
}

pub struct Platform {
    pub seed: u64,
    pub machines: Vec<Machine>,
    random: Random,
    queue: BinaryHeap<Reverse<(u64, usize, What)>>,
    /// Who died, and when.
    pub deaths: Vec<(usize, u64)>,
}

impl Platform {
    pub fn new(seed: u64) -> Self {
        let mut platform = Platform {
            seed,
            machines: Vec::new(),
            random: Random::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            queue: BinaryHeap::new(),
            deaths: Vec::new(),
        };
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
            platform.create(app, region, rest, 0);
        }
        for hour in 1..24 {
            let app = platform.random.below(APPS);
            let minute = platform.random.below(60) as u64;
            platform.at(hour * HOUR + minute * 60, app, What::Deploy);
        }
        let deaths = 1 + platform.random.below(3);
        for _ in 0..deaths {
            let at = HOUR + platform.random.below((DAY - 3 * HOUR) as usize) as u64;
            platform.at(at, 0, What::Die);
        }
        platform
    }

    fn at(&mut self, second: u64, who: usize, what: What) {
        self.queue.push(Reverse((second, who, what)));
    }

    fn create(&mut self, app: usize, region: &str, rest: Rest, now: u64) -> usize {
        let name = format!("app{app:02}");
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
            life: 0,
        });
        self.starts(who, now);
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
        if now >= DAY {
            return None;
        }
        let said = match what {
            What::Beat(life) => self.beat(who, life, now),
            What::Rest => self.rest(who, now),
            What::Wake => self.wake(who, now),
            What::Back => self.back(who, now),
            What::Deploy => self.deploy(who, now),
            What::Roll(since) => self.roll(who, since, now),
            What::Die => self.die(now),
        };
        Some((now, said))
    }

    fn beat(&mut self, who: usize, life: u32, now: u64) -> Vec<(usize, Said)> {
        let machine = &self.machines[who];
        if machine.state != State::Started || machine.life != life {
            return Vec::new();
        }
        // Whole minutes with a little jitter.
        let next = now + EVERY - 2 + self.random.below(5) as u64;
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
        vec![(
            who,
            Said::Line("runner", "Configuring firecracker".to_owned()),
        )]
    }

    fn die(&mut self, now: u64) -> Vec<(usize, Said)> {
        let alive = |machine: &&Machine| {
            machine.state == State::Started
                && machine.rest == Rest::Never
                && now > machine.since + 600
        };
        let count = self.machines.iter().filter(alive).count();
        let chosen = self.random.below(count);
        let index = self
            .machines
            .iter()
            .enumerate()
            .filter(|(_, machine)| alive(machine))
            .nth(chosen);
        if let Some((who, _)) = index {
            self.become_(who, State::Dead, now);
            self.deaths.push((who, now));
        }
        Vec::new()
    }
}
