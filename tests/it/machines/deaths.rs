//! Deaths that were once taken for something else, on the real server: a crash that the inventory lists as not started, a
//! deploy that hangs after a named bye, wrong clocks and a lag that grows, a machine that is stuck on its way.

use super::{DEPLOYED, MAX_GAP, RULE, SLACK, STARTED, Stage, list, text, with_dns};
use crate::support::dns_server::DnsServer;
use crate::support::machines_api::{MachinesServer, ORGANISATION, TOKEN, machine};
use crate::support::org::{Instance, org};
use crate::support::wait::wall;
use lastbeat::core::engine::{Engine, Options, Output};
use lastbeat::core::entry::{Provider, Subject};
use lastbeat::core::inventory::Poll;
use lastbeat::core::time::{Mono, Now, Wall};
use lastbeat::decode::settings::{ApiSettings, Secret, TokenSource};
use lastbeat::format;
use lastbeat::io::inventory::InventorySource;
use lastbeat::io::inventory::machines::MachinesApi;
use serde_json::json;
use std::time::{Duration, SystemTime};

impl Stage {
    /// A line of the platform's runner about an instance.
    fn runner_says(&self, one: &Instance, line: &str) {
        let entry = one.entry(line);
        let entry = entry.replace(r#""provider":"app""#, r#""provider":"runner""#);
        self.feed.publish(vec![(one.subject(), entry.into_bytes())]);
    }

    /// A heartbeat whose own time is another than the true one.
    fn beat_at(&self, one: &Instance, time: SystemTime) {
        let mut entry = serde_json::from_str::<serde_json::Value>(&one.beat()).expect("JSON");
        entry["timestamp"] = json!(humantime::format_rfc3339_nanos(time).to_string());
        let entry = entry.to_string().into_bytes();
        self.feed.publish(vec![(one.subject(), entry)]);
    }
}

#[test]
fn a_crash_that_dns_lists_as_not_started_is_told_and_a_stop_is_not() {
    let server = DnsServer::start();
    let all = org(&["web", "api"], &["sjc", "ams", "nrt"]);
    list(&server, STARTED, &all);
    list(&server, DEPLOYED, &all);
    let stage = Stage::new(with_dns(&server), RULE, &["nrt"]);
    let (crashed, stopped) = (&all[0], &all[5]);
    let up = |one: &&Instance| ![crashed, stopped].contains(one);
    stage.runner_says(crashed, "machine exited with exit code 137, not restarting");
    stage.runner_says(crashed, "machine has reached its max restart count of 10");
    list(&server, STARTED, all.iter().filter(up));
    let last_beat = stage.feed.silence(crashed);
    stage.feed.silence(stopped);
    let (text, delay) = stage.wait_alert(crashed, last_beat);
    assert!(text.contains("gave up restarting it"), "{text}");
    assert!(delay < SLACK, "{delay:?}");
    stage.wait_verdict(crashed, "silent");
    let reason = stage.wait_verdict(stopped, "stopped");
    assert_eq!(reason, "not running, says the inventory");
    stage.nothing_else(1);
}

#[test]
fn a_deploy_that_hangs_after_a_named_bye_is_told_max_gap_after_its_start() {
    let server = DnsServer::start();
    let worker = Instance {
        app: "web".to_owned(),
        region: "nrt".to_owned(),
        id: "e784079b449483".to_owned(),
    };
    let all = org(&["web", "api"], &["sjc", "ams"]);
    list(&server, STARTED, all.iter().chain([&worker]));
    list(&server, DEPLOYED, all.iter().chain([&worker]));
    let stage = Stage::new(with_dns(&server), RULE, &[]);
    stage.feed.say(&worker, "HEARTBEAT name=worker");
    stage.wait_verdict(&worker, "live");
    stage.feed.say(&worker, "HEARTBEAT name=worker bye");
    stage.wait_verdict(&worker, "stopped");
    // It says bye, and for as long as it does not start nobody misses it.
    stage
        .lastbeat
        .wait_listened(MAX_GAP + Duration::from_secs(1));
    assert_eq!(stage.told().len(), 0);
    let started = wall();
    stage.runner_says(&worker, "Machine started in 864ms");
    stage.feed.say(&worker, "listening on port 8080");
    let (text, delay) = stage.wait_alert(&worker, started);
    assert!(text.contains("worker"), "{text}");
    assert!(delay < SLACK, "{delay:?}");
    stage.nothing_else(1);
}

#[test]
fn wrong_clocks_and_a_lag_that_grows_kill_nobody_and_hide_no_death() {
    let odd = |region: &str, number: u32| Instance {
        app: "odd".to_owned(),
        region: region.to_owned(),
        id: format!("0e2865ffff{number:04x}"),
    };
    let stage = Stage::new(crate::support::lastbeat::Setup::new(), RULE, &[]);
    let [frozen, ahead, ancient] = [odd("sjc", 1), odd("sjc", 2), odd("ams", 3)];
    let late: Vec<Instance> = (10..14).map(|number| odd("nrt", number)).collect();
    let begin = wall();
    let mut last_beat = begin;
    // The lag grows by 400 ms with each round, to more than four times max_gap.
    for round in 0..36_u32 {
        let lag = Duration::from_millis(400) * round;
        stage.beat_at(&ahead, wall() + Duration::from_secs(3_600));
        stage.beat_at(&ancient, SystemTime::UNIX_EPOCH + Duration::from_secs(1));
        for one in &late {
            stage.beat_at(one, wall() - lag);
        }
        // One dies, and the others live on.
        if round < 18 {
            stage.beat_at(&frozen, begin);
            last_beat = wall();
            assert_eq!(stage.told().len(), 0, "round {round}");
        }
        stage.lastbeat.wait_listened(Duration::from_millis(400));
    }
    let (_, delay) = stage.wait_alert(&frozen, last_beat);
    assert!(delay < SLACK, "{delay:?}");
    let told: Vec<String> = stage.told().iter().map(|one| text(&one.json())).collect();
    assert_eq!(told.len(), 1, "{told:#?}");
    for one in late.iter().chain([&ahead, &ancient]) {
        assert_eq!(stage.thinks(one)["verdict"], "live", "{}", one.subject());
    }
    stage.lastbeat.stop();
}

fn at(second: u64) -> Now {
    let span = Duration::from_secs(second);
    Now {
        mono: Mono::ZERO + span,
        wall: Wall::ZERO + Duration::from_secs(1_780_000_000) + span,
    }
}

/// The answers of a Machines API to the core, in virtual time: five minutes would be long.
#[tokio::test]
async fn a_machine_that_stays_in_created_is_told_after_five_minutes() {
    let server = MachinesServer::start();
    let settings = ApiSettings {
        url: server.url.clone(),
        token: TokenSource::Given(Secret::new(TOKEN)),
    };
    let source = InventorySource::Machines(MachinesApi::new(settings).organisation(ORGANISATION));
    let rules = b"[[rule]]\nname = 'beats'\napp = ['web']\nmax_gap = '3s'\n".to_vec();
    let rules = lastbeat::decode::rules_file::read(&[("rules.toml".to_owned(), rules)]);
    let options = Options {
        inventory: true,
        first_incident: 1,
        ..Options::default()
    };
    let mut engine = Engine::new(rules.set.expect("good rules"), options, at(0));
    let witness = Subject {
        raw: "logs.log.fra.x",
        app: "log",
        region: "fra",
        instance: "x",
    };
    let mut told = Vec::new();
    for second in 0..400 {
        engine.arrive(at(second));
        let id = match engine.find(witness.raw) {
            Some(id) => id,
            None => engine.admit(&witness, 1).expect("room").expect("watched"),
        };
        engine.heard(id, Provider::App, 1);
        if second % 30 == 0 {
            let state = |id: &str, state: &str| machine("web", "yyz", id, state);
            server.has(vec![state("m0", "created"), state("m1", "stopped")], 1000);
            let read = source.poll(&[]).await.expect("read");
            let poll = Poll {
                asked_at: at(second).mono,
                machines: read.machines,
                whole: true,
                unread_regions: read.unread_regions,
            };
            engine.inventory(&poll, at(second));
        }
        engine.evaluate(at(second));
        for output in engine.drain() {
            if let Output::Notify(notice) = output {
                told.push((second, format::description(&notice)));
            }
        }
    }
    let [(second, text)] = told.as_slice() else {
        panic!("{told:#?}");
    };
    assert!((300..340).contains(second), "{second}: {text}");
    assert!(text.contains("stuck in created"), "{text}");
}
