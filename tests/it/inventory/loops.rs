//! The task that keeps the inventory: what it hands on, when it asks, and what it says of its faults.

use super::{DEPLOYED, STARTED, candidate, items, settings, source};
use crate::support::dns_server::{DnsServer, Said};
use crate::support::machines_api::{Failing, MachinesServer, TOKEN, machine};
use crate::support::metrics::Metrics as Scraped;
use crate::support::wait::wall;
use arc_swap::ArcSwapOption;
use lastbeat::app::inventory::{InventoryDeps, InventoryRequest, Machines, run};
use lastbeat::clock::Clock;
use lastbeat::core::inventory::{Candidate, Poll};
use lastbeat::core::time::Mono;
use lastbeat::io::inventory::InventorySource;
use lastbeat::io::inventory::dns::Dns;
use lastbeat::io::inventory::machines::MachinesApi;
use lastbeat::io::metrics::Metrics;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Less than the half minute after which it is asked anyway: a hurried poll comes sooner.
const SOON: Duration = Duration::from_secs(20);

struct Kept {
    asks: mpsc::Sender<InventoryRequest>,
    polls: mpsc::UnboundedReceiver<Poll>,
    trouble: Arc<ArcSwapOption<String>>,
    metrics: Arc<Metrics>,
    clock: Clock,
    task: tokio::task::JoinHandle<std::convert::Infallible>,
}

impl Kept {
    fn start(source: Option<InventorySource>, restarts: Option<MachinesApi>) -> Self {
        let (asks, asked) = mpsc::channel(16);
        let (taken, polls) = mpsc::unbounded_channel();
        let (trouble, metrics) = (Arc::default(), Arc::new(Metrics::new("0", "x")));
        let clock = Clock::start();
        let deps = InventoryDeps {
            machines: Machines {
                source,
                restarts,
                logs: None,
            },
            polls: Box::new(move |poll| taken.send(poll).expect("the test listens")),
            problem: Arc::clone(&trouble),
            metrics: Arc::clone(&metrics),
            now: clock.now_fn(),
        };
        let task = tokio::spawn(run(deps, asked));
        Kept {
            asks,
            polls,
            trouble,
            metrics,
            clock,
            task,
        }
    }

    async fn poll(&mut self) -> Poll {
        let poll = tokio::time::timeout(SOON, self.polls.recv()).await;
        poll.expect("a poll within the bound")
            .expect("the task lives")
    }

    async fn hurry(&self, candidates: Vec<Candidate>) {
        self.asks
            .send(InventoryRequest::Candidates(candidates))
            .await
            .expect("the task lives");
    }

    async fn restart(&self, id: &str) -> Result<(), String> {
        let (answer, answered) = oneshot::channel();
        let candidate = candidate(id);
        self.asks
            .send(InventoryRequest::Restart { candidate, answer })
            .await
            .expect("the task lives");
        answered.await.expect("an answer")
    }

    fn count(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let text = String::from_utf8(self.metrics.render(None)).expect("text");
        Scraped::parse(&text).sum(name, labels)
    }

    async fn until(&self, what: &str, done: impl Fn(&Self) -> bool) {
        let waits = async {
            while !done(self) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        assert!(
            tokio::time::timeout(SOON, waits).await.is_ok(),
            "waited in vain for: {what}"
        );
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.task.abort();
    }
}

const POLLS: &str = "lastbeat_inventory_polls_total";

#[tokio::test]
async fn the_first_poll_comes_at_once_and_a_hurried_one_a_second_later() {
    let server = DnsServer::start();
    server.say_text(STARTED, items(0..2));
    server.say_text(DEPLOYED, items(0..3));
    let mut kept = Kept::start(Some(InventorySource::Dns(Dns::new(server.address))), None);
    let before = kept.clock.mono();
    let first = kept.poll().await;
    assert!(first.asked_at.since(before) < SOON && first.machines.len() == 3);
    server.say(STARTED, Said::NoSuchName);
    let hurried_at = kept.clock.mono();
    kept.hurry(vec![candidate("m0")]).await;
    kept.hurry(vec![candidate("m1")]).await;
    let second = kept.poll().await;
    assert!(second.asked_at >= hurried_at, "asked after the hurry");
    let apart = second.asked_at.since(first.asked_at);
    assert!(apart >= Duration::from_secs(1) && apart < SOON, "{apart:?}");
    assert_eq!(
        kept.count(POLLS, &[("source", "dns"), ("outcome", "answered")]),
        2.0
    );
    assert_eq!(
        kept.count("lastbeat_inventory_machines", &[("listed", "stopped")]),
        3.0
    );
    let age = wall()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970")
        .as_secs_f64()
        - kept.count("lastbeat_inventory_last_success_timestamp_seconds", &[]);
    assert!(age.abs() < 10.0, "{age}");
}

#[tokio::test]
async fn a_poll_that_fails_hands_nothing_on_and_one_that_hurries_is_tried_again() {
    let server = MachinesServer::start();
    server.has(vec![machine("web", "yyz", "m0", "stopped")], 1000);
    server.fail("/orgs/", Failing::Status(500, None, "oops".to_owned()));
    let mut kept = Kept::start(Some(source(&server)), None);
    kept.until("a failed poll", |kept| {
        kept.count(POLLS, &[("outcome", "failed")]) == 1.0
    })
    .await;
    let trouble = kept.trouble.load_full().expect("trouble is told");
    assert!(trouble.contains("500"), "{trouble}");
    kept.hurry(vec![candidate("m0")]).await;
    kept.until("a hurried poll that fails", |kept| {
        kept.count(POLLS, &[("outcome", "failed")]) == 2.0
    })
    .await;
    server.recover();
    let poll = kept.poll().await;
    assert_eq!(poll.machines.len(), 1);
    assert!(
        poll.machines[0].exit.is_some(),
        "the candidate is remembered over the fault"
    );
    assert!(kept.trouble.load().is_none());
    assert!(kept.polls.try_recv().is_err());
}

#[tokio::test]
async fn being_told_to_wait_is_obeyed_however_much_anybody_hurries() {
    let server = MachinesServer::start();
    server.fail("/orgs/", Failing::Status(429, Some(3), String::new()));
    let mut kept = Kept::start(Some(source(&server)), None);
    kept.until("a refusal", |kept| {
        kept.count(POLLS, &[("outcome", "rate_limited")]) == 1.0
    })
    .await;
    let refused_at = kept.clock.mono();
    server.recover();
    kept.hurry(vec![candidate("m0")]).await;
    let poll = kept.poll().await;
    let waited = poll.asked_at.since(refused_at);
    assert!(waited > Duration::from_millis(2800), "{waited:?}");
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn restarts_go_on_beside_a_poll_that_hangs() {
    let server = MachinesServer::start();
    server.has(vec![machine("web", "yyz", "m0", "started")], 1000);
    server.fail("/orgs/", Failing::Silence);
    let api = MachinesApi::new(settings(&server, TOKEN));
    let kept = Kept::start(Some(source(&server)), Some(api));
    let asked = |wanted: &str| {
        server
            .requests()
            .iter()
            .any(|request| request.contains(wanted))
    };
    kept.until("a poll under way", |_| asked("/orgs/")).await;
    assert_eq!(kept.restart("m0").await, Ok(()));
    assert_eq!(kept.count(POLLS, &[]), 0.0, "the poll still hangs");
    let gone = kept.restart("m1").await.expect_err("404");
    assert!(gone.contains("404"), "{gone}");
}

#[tokio::test]
async fn without_a_source_or_a_token_it_says_so_and_lives() {
    let kept = Kept::start(None, None);
    let why = kept.restart("m0").await.expect_err("no token");
    assert!(why.contains("LASTBEAT_INVENTORY_TOKEN"), "{why}");
    kept.hurry(vec![candidate("m0")]).await;
    assert_eq!(kept.count(POLLS, &[]), 0.0);
    assert!(kept.clock.mono() > Mono::ZERO && !kept.task.is_finished());
}
