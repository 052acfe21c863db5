//! Everything that can go wrong at once, in an order that a seed decides: the server is killed, the receiver refuses or is
//! down, the disk is full, the wall clock jumps, lastbeat is stopped, killed and told to read its rules again, instances
//! fall silent and come back.
//!
//! Whatever the order, what was delivered has a beginning and an end each, a death that lasts is notified, and an instance
//! that never fell silent is in no notification. `LASTBEAT_CHAOS=SEED,SEED` runs other seeds than those of the suite.

mod disk;
mod wall_clock;

use crate::support::child::Child;
use crate::support::feed::Feed;
use crate::support::http::Server;
use crate::support::lastbeat::Setup;
use crate::support::metrics::Metrics;
use crate::support::nats::{Nats, Peer};
use crate::support::org::Instance;
use crate::support::random::Random;
use crate::support::receiver::{Receiver, Taken};
use crate::support::wait::{let_pass, wait_until};
use disk::Disk;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use wall_clock::WallClock;

const SEEDS: [u64; 5] = [1, 2, 3, 4, 5];
/// Things that go wrong in one run.
const ACTIONS: usize = 12;
const EVERY: Duration = Duration::from_millis(250);
const START: Duration = Duration::from_secs(20);
const RULES: &str = "\
[stream]
max_gap = '30s'
[[rule]]
name = 'beats'
max_gap = '2s'
group_wait = '0s'
[notify.hook]
type = 'webhook'
url = '${HOOK_URL}'
";

/// The first never falls silent, the second does for good.
fn instances() -> Vec<Instance> {
    let instance = |number| Instance {
        app: format!("app{number}"),
        region: format!("r{number}"),
        id: format!("i{number}"),
    };
    (0..6).map(instance).collect()
}

struct Stage {
    nats: Nats,
    feed: Feed,
    receiver: Receiver,
    setup: Setup,
    random: Random,
    all: Vec<Instance>,
    child: Child,
    server: Server,
    /// The state lies there.
    disk: Disk,
    clock: WallClock,
    /// What was done, for a run that fails.
    done: Vec<&'static str>,
    /// Nothing can be stored.
    is_full: bool,
    /// Incidents that were open when a process ended that could not store them: nobody knows of them any more.
    unknown: BTreeSet<String>,
}

impl Stage {
    fn new(seed: u64) -> Self {
        let nats = Nats::start(Peer::Current);
        let feed = Feed::connect(&nats);
        let all = instances();
        feed.beat(&all, EVERY);
        let receiver = Receiver::start();
        let (disk, clock) = (Disk::new(), WallClock::new());
        let state = disk.path().join("state.db");
        let setup = clock
            .given_to(Setup::new())
            .nats(&nats)
            .rules("beats.toml", RULES)
            .env("HOOK_URL", &receiver.url("/hook"))
            .env("LASTBEAT_STATE", &state.to_string_lossy());
        let (child, server) = start(&setup);
        let stage = Stage {
            nats,
            feed,
            receiver,
            setup,
            random: Random::new(seed),
            all,
            child,
            server,
            disk,
            clock,
            done: Vec::new(),
            is_full: false,
            unknown: BTreeSet::new(),
        };
        let all_live = |status: &Value| status["instances"]["live"] == stage.all.len();
        wait_until("all are live", START, || {
            stage.status().is_some_and(|status| all_live(&status))
        });
        // One that dies before it was stored once is not known after a kill: the state is written each five seconds.
        let before = stage.checkpoints();
        wait_until("all are stored", START, || stage.checkpoints() > before);
        stage
    }

    /// How often the state was written.
    fn checkpoints(&self) -> f64 {
        let answer = self.server.get("/metrics").expect("it answers");
        Metrics::parse(&answer.body).one("lastbeat_store_checkpoint_seconds_count")
    }

    fn status(&self) -> Option<Value> {
        let answer = self.server.get("/api/v1/status").ok()?;
        serde_json::from_str(&answer.body).ok()
    }

    /// One thing goes wrong, or is mended.
    fn act(&mut self) {
        let what = match self.random.below(13) {
            0 => {
                self.nats.kill();
                let_pass(Duration::from_millis(self.random.below(2_500) as u64));
                self.nats.restart();
                "the server was away"
            }
            1 => {
                self.receiver.answer(500);
                "the receiver is down"
            }
            2 => {
                self.receiver
                    .answer([401, 403, 404, 413, 422][self.random.below(5)]);
                "the receiver refuses"
            }
            3 => {
                self.receiver.answer(200);
                "the receiver is well"
            }
            4 => {
                self.child.signal("STOP");
                let_pass(Duration::from_millis(self.random.below(3_000) as u64));
                self.child.signal("CONT");
                "suspended"
            }
            5 => {
                let rules = format!("{RULES}# {}\n", self.done.len());
                let path = self.setup.rules_folder().join("beats.toml");
                std::fs::write(path, rules).expect("the folder is there");
                self.child.signal("HUP");
                "the rules were read again"
            }
            6 => {
                self.child.kill();
                self.forget();
                (self.child, self.server) = start(&self.setup);
                "killed"
            }
            7 => {
                self.child.signal("TERM");
                self.child.wait_end(Duration::from_secs(5));
                self.forget();
                (self.child, self.server) = start(&self.setup);
                "stopped"
            }
            8 => {
                self.is_full |= self.disk.fill();
                "the disk is full"
            }
            9 => {
                self.disk.empty();
                self.is_full = false;
                "the disk has room"
            }
            10 => {
                // Hours, days, and back to what is right.
                let jump = [-7_200, 7_200, 691_200, -691_200, 0][self.random.below(5)];
                match self.clock.jump(jump) {
                    true => "the clock jumped",
                    false => "nothing",
                }
            }
            _ => {
                let one = &self.all[2 + self.random.below(self.all.len() - 2)];
                if self.random.below(2) == 0 {
                    self.feed.silence(one);
                    "one fell silent"
                } else {
                    self.feed.resume(one);
                    "one came back"
                }
            }
        };
        self.done.push(what);
        let_pass(Duration::from_millis(self.random.below(2_000) as u64));
    }

    /// A process ended.
    fn forget(&mut self) {
        if self.is_full {
            let open = self
                .told()
                .into_iter()
                .filter(|(_, states)| states.len() < 2);
            self.unknown.extend(open.map(|(incident, _)| incident));
        }
    }

    /// The beginning and the end that the receiver took of each incident. Delivery is at least once.
    fn told(&self) -> BTreeMap<String, Vec<String>> {
        let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for notice in self.accepted() {
            let text = |key: &str| notice[key].as_str().expect("a text").to_owned();
            let states = told.entry(text("incident")).or_default();
            let state = text("state");
            if matches!(state.as_str(), "opened" | "closed") && !states.contains(&state) {
                states.push(state);
            }
        }
        told
    }

    /// What the receiver took of it, each notification once.
    fn accepted(&self) -> Vec<Value> {
        let taken = self.receiver.taken();
        let accepted = taken.iter().filter(|one| one.answered == 200);
        let body = |one: &Taken| serde_json::from_str(&one.body).expect("a notice is JSON");
        accepted.map(body).collect()
    }

    fn is_told(&self, instance: &Instance, state: &str) -> bool {
        let of = |one: &Value| one["state"] == state && one.to_string().contains(&instance.id);
        self.accepted().iter().any(of)
    }
}

fn start(setup: &Setup) -> (Child, Server) {
    let (child, server) = setup.run(START);
    // From then on it handles signals too.
    wait_until("it serves", START, || server.get("/healthz").is_ok());
    (child, server)
}

fn run(seed: u64) {
    let mut stage = Stage::new(seed);
    let dead = stage.all[1].clone();
    stage.feed.silence(&dead);
    for _ in 0..ACTIONS {
        stage.act();
    }
    eprintln!("seed {seed}: {}", stage.done.join(", "));
    stage.receiver.answer(200);
    stage.disk.empty();
    // While it is ahead, each entry looks late, as it would on a stream that lags.
    stage.clock.jump(0);
    wait_until(
        "the death that lasts is notified",
        Duration::from_secs(90),
        || stage.is_told(&dead, "opened"),
    );
    stage.feed.resume_all();
    wait_until(
        "nothing is open, and nothing waits",
        Duration::from_secs(400),
        || {
            stage.status().is_some_and(|status| {
                let pending = |one: &Value| one["pending"].as_u64().unwrap_or(1) > 0;
                let notifiers = status["notifiers"].as_array().expect("a list");
                status["open_incidents"] == 0
                    && status["instances"]["live"] == stage.all.len()
                    && !notifiers.iter().any(pending)
            })
        },
    );
    let whole = || {
        let told = stage.told().into_iter();
        told.filter(|(incident, _)| !stage.unknown.contains(incident))
            .collect::<BTreeMap<_, _>>()
    };
    let what = format!("seed {seed}: each beginning has its end");
    wait_until(&what, START, || {
        whole().values().all(|states| states.len() == 2)
    });
    for notice in stage.accepted() {
        let blamed = stage.all[0].id.as_str();
        assert_ne!(
            notice["target"]["instance"], blamed,
            "seed {seed}: it never fell silent: {notice}"
        );
    }
    for (incident, states) in &whole() {
        assert_eq!(
            states,
            &["opened", "closed"],
            "seed {seed}: incident {incident}"
        );
    }
    assert!(!stage.told().is_empty());
}

#[test]
fn whatever_goes_wrong_each_death_has_one_beginning_and_one_end() {
    let given = std::env::var("LASTBEAT_CHAOS").ok();
    let seeds: Vec<u64> = match &given {
        Some(seeds) => seeds
            .split(',')
            .map(|seed| seed.parse().expect("a number"))
            .collect(),
        None => SEEDS.to_vec(),
    };
    std::thread::scope(|scope| {
        for seed in seeds {
            scope.spawn(move || run(seed));
        }
    });
}
