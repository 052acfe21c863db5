//! Killed with -9 at random instants, over and over, while incidents open and close: whoever is told hears of each
//! incident once, and of its end once.
//!
//! `LASTBEAT_KILLS=200 cargo test --release --test it crash` kills more often than an ordinary run.

use crate::support::bugsink::Project;
use crate::support::child::Child;
use crate::support::feed::Feed;
use crate::support::lastbeat::Setup;
use crate::support::nats::{Nats, Peer};
use crate::support::org::Instance;
use crate::support::random::Random;
use crate::support::receiver::Receiver;
use crate::support::wait::{let_pass, wait_until};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Kills of an ordinary run, with a receiver of the test's own; a fifth of them with a real server.
const KILLS: usize = 25;
/// It has started and listens by then.
const START: Duration = Duration::from_secs(20);
const EVERY: Duration = Duration::from_millis(250);
const RULES: &str = "\
[stream]
max_gap = \"30s\"

[[rule]]
name = \"even\"
app = \"app[02468]\"
max_gap = \"1s\"
group_wait = \"0s\"
severity = \"critical\"

[[rule]]
name = \"odd\"
app = \"!app[02468]\"
max_gap = \"1s\"
group_wait = \"0s\"
";
/// One is notified of everything, one by the severity of the rules, one by the rules' own choice.
const NOTIFIERS: &str = "\
[notify.hook]
type = \"webhook\"
url = \"${HOOK_URL}\"

[notify.pager]
type = \"webhook\"
url = \"${HOOK_URL}/pager\"
severity = \"critical\"

[notify.chat]
type = \"webhook\"
url = \"${HOOK_URL}/chat\"
severity = [\"error\", \"warning\"]
";

fn kills() -> usize {
    let given = std::env::var("LASTBEAT_KILLS").ok();
    given.and_then(|count| count.parse().ok()).unwrap_or(KILLS)
}

/// One instance in each of nine apps and regions, so that each silence is one of its own, and one that never falls
/// silent.
fn instances() -> Vec<Instance> {
    (0..10)
        .map(|number| Instance {
            app: format!("app{number}"),
            region: format!("r{number}"),
            id: format!("i{number}"),
        })
        .collect()
}

/// The stage of one test: a stream with instances that come and go, and a program that is killed.
struct Stage {
    feed: Feed,
    all: Vec<Instance>,
    silent: Vec<bool>,
    random: Random,
    setup: Setup,
    _nats: Nats,
}

impl Stage {
    fn new(seed: u64, setup: impl FnOnce(Setup) -> Setup) -> Self {
        let nats = Nats::start(Peer::Current);
        let feed = Feed::connect(&nats);
        let all = instances();
        feed.beat(&all, EVERY);
        let setup = setup(Setup::new().nats(&nats)).env("LASTBEAT_STATE", "state.db");
        Stage {
            silent: vec![false; all.len()],
            feed,
            all,
            random: Random::new(seed),
            setup,
            _nats: nats,
        }
    }

    /// Some fall silent, some come back; the first never does.
    fn stir(&mut self) {
        for who in 1..self.all.len() {
            if self.random.below(3) > 0 {
                continue;
            }
            self.silent[who] = !self.silent[who];
            if self.silent[who] {
                self.feed.silence(&self.all[who]);
            } else {
                self.feed.resume(&self.all[who]);
            }
        }
    }

    /// Runs it and kills it, so often.
    fn kill_over_and_over(&mut self, kills: usize) {
        // Everyone has beaten before anybody falls silent.
        let_pass(EVERY * 4);
        for _ in 0..kills {
            let (mut child, _server) = self.setup.run(START);
            for _ in 0..1 + self.random.below(3) {
                self.stir();
                let_pass(Duration::from_millis(self.random.below(1500) as u64));
            }
            child.kill();
        }
    }

    /// Everyone beats again; waits until nothing is open and nothing waits to be told. What it knows then is everyone.
    fn come_to_rest(&mut self) -> Child {
        let (child, server) = self.setup.run(START);
        self.feed.resume_all();
        let all = self.all.len();
        wait_until(
            "nothing open, and nothing to tell",
            Duration::from_secs(90),
            || {
                let Ok(status) = server.get("/api/v1/status") else {
                    return false;
                };
                let status: Value = serde_json::from_str(&status.body).expect("a status is JSON");
                let pending = |one: &Value| one["pending"].as_u64().unwrap_or(1) > 0;
                let notifiers = status["notifiers"].as_array().expect("a list");
                status["open_incidents"] == 0
                    && status["instances"]["live"] == all
                    && !notifiers.iter().any(pending)
            },
        );
        child
    }
}

/// Each incident with its states but updates, in the order in which they came; what came twice with the same key counts
/// once.
fn told(keys: impl Iterator<Item = (String, String)>) -> BTreeMap<String, Vec<String>> {
    let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (incident, state) in keys {
        let states = told.entry(incident).or_default();
        if state != "updated" && !states.contains(&state) {
            states.push(state);
        }
    }
    told
}

fn once_each(told: &BTreeMap<String, Vec<String>>) {
    for (incident, states) in told {
        assert_eq!(states, &["opened", "closed"], "incident {incident}");
    }
}

#[test]
fn each_incident_is_told_once_opened_and_once_closed_however_often_it_is_killed() {
    let receiver = Receiver::start();
    let url = receiver.url("/hook");
    let mut stage = Stage::new(0x5eed, |setup| {
        let setup = setup.rules("beats.toml", RULES);
        setup.rules("notify.toml", NOTIFIERS).env("HOOK_URL", &url)
    });
    let kills = kills();
    stage.kill_over_and_over(kills);
    let _child = stage.come_to_rest();
    let paths = ["/hook", "/hook/pager", "/hook/chat"];
    wait_until("each opening has its end", Duration::from_secs(20), || {
        let taken = receiver.taken();
        paths.iter().all(|path| {
            let own = taken.iter().filter(|one| one.path == *path);
            let keys = own.map(|request| {
                let body: Value = serde_json::from_str(&request.body).expect("a notice is JSON");
                let text = |key: &str| body[key].as_str().expect("a text").to_owned();
                (text("incident"), text("state"))
            });
            let told = told(keys);
            told.values()
                .all(|states| states.contains(&"closed".to_owned()))
        })
    });
    let taken = receiver.taken();
    let told_to = |path: &str| {
        let own = taken.iter().filter(|one| one.path == path);
        let keys = own.map(|request| {
            let body: Value = serde_json::from_str(&request.body).expect("a notice is JSON");
            let text = |key: &str| body[key].as_str().expect("a text").to_owned();
            (text("incident"), text("state"), text("severity"))
        });
        keys.collect::<Vec<_>>()
    };
    let once = |path: &str| {
        let keys = told_to(path).into_iter();
        let told = told(keys.map(|(incident, state, _)| (incident, state)));
        once_each(&told);
        told
    };
    let (all, pager, chat) = (once("/hook"), once("/hook/pager"), once("/hook/chat"));
    eprintln!(
        "{kills} kills, {} incidents ({} of the pager, {} of the chat), {} requests",
        all.len(),
        pager.len(),
        chat.len(),
        taken.len()
    );
    assert!(
        all.len() >= 2,
        "incidents open and close meanwhile: {}",
        all.len()
    );
    // Each incident goes to those whose rules its members have: to the one, to the other, or to both.
    let routed: BTreeSet<&String> = pager.keys().chain(chat.keys()).collect();
    assert_eq!(routed, all.keys().collect::<BTreeSet<_>>());
    assert!(!pager.is_empty() && !chat.is_empty());
    let severities = |path: &str| {
        let told = told_to(path).into_iter();
        told.map(|(.., severity)| severity).collect::<BTreeSet<_>>()
    };
    assert_eq!(severities("/hook/pager"), ["critical".to_owned()].into());
    assert_eq!(severities("/hook/chat"), ["error".to_owned()].into());
}

#[test]
fn a_real_server_has_one_event_for_each_opening_and_each_end() {
    let project = Project::new("crash");
    let dsn = project.dsn().to_owned();
    let mut stage = Stage::new(0xbead, |setup| {
        setup.rules("beats.toml", RULES).sentry(&dsn)
    });
    stage.kill_over_and_over(kills() / 5);
    let _child = stage.come_to_rest();
    let key = |event: &crate::support::bugsink::Event| {
        (
            event.tag("incident").to_owned(),
            event.tag("state").to_owned(),
        )
    };
    // The end that was decided last may be on its way from the core to its notifier.
    wait_until("each opening has its end", Duration::from_secs(20), || {
        let events = project.events();
        let of = |state: &str| {
            events
                .iter()
                .filter(|event| event.tag("state") == state)
                .count()
        };
        of("opened") == of("closed")
    });
    let events: Vec<_> = project
        .events()
        .iter()
        .map(key)
        .filter(|(incident, _)| !incident.is_empty())
        .collect();
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    for event in &events {
        *counts.entry(event.clone()).or_default() += 1;
    }
    assert!(counts.values().all(|count| *count == 1), "{counts:?}");
    let mut incidents: BTreeMap<String, usize> = BTreeMap::new();
    let ends = events.into_iter().filter(|(_, state)| state != "updated");
    ends.for_each(|(incident, _)| *incidents.entry(incident).or_default() += 1);
    assert!(!incidents.is_empty());
    assert!(
        incidents.values().all(|count| *count == 2),
        "an opening and an end each: {incidents:?}"
    );
}
