//! What the API tells of the stream, of blindness and of open incidents.

use crate::support::feed::Feed;
use crate::support::lastbeat::{Lastbeat, Setup};
use crate::support::nats::{Nats, Peer};
use crate::support::org::org;
use crate::support::wait::wait_until;
use serde_json::Value;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

fn ask(lastbeat: &Lastbeat, path: &str) -> Value {
    let answer = lastbeat.get(path);
    assert_eq!(answer.status, 200, "{}", answer.body);
    serde_json::from_str(&answer.body).expect("the answer is JSON")
}

#[test]
fn a_cut_is_a_blind_interval_and_an_incident_that_is_open_is_listed() {
    let mut nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let instances = org(&["web"], &["sjc", "ams"]);
    feed.beat(&instances, Duration::from_millis(300));
    let rules = "[stream]\nmax_gap = '1s'\n[[rule]]\nname = 'beats'\nmax_gap = '20s'\n";
    let lastbeat = Setup::new().nats(&nats).rules("beats.toml", rules).start();
    lastbeat.wait_live(2);
    wait_until("it is ready", SOON, || {
        ask(&lastbeat, "/api/v1/status")["ready"] == true
    });

    nats.kill();
    wait_until("the stalled stream is an open incident", SOON, || {
        ask(&lastbeat, "/api/v1/status")["open_incidents"] == 1
    });
    let open = ask(&lastbeat, "/api/v1/incidents?state=open");
    let open = &open["incidents"][0];
    assert_eq!(
        (&open["alarm"], &open["scope"]),
        (&"StreamStalled".into(), &"stream".into())
    );
    assert!(
        open["detail"]
            .as_str()
            .is_some_and(|detail| detail.contains("not connected")),
        "{open}"
    );

    nats.restart();
    wait_until("the stream is back", SOON, || {
        ask(&lastbeat, "/api/v1/status")["open_incidents"] == 0
    });
    let status = ask(&lastbeat, "/api/v1/status");
    let blind = &status["blind_intervals"][0];
    assert_eq!(blind["reason"], "disconnected", "{status}");
    assert!(
        status["blind_seconds"]["disconnected"]
            .as_f64()
            .is_some_and(|seconds| seconds > 0.9),
        "{status}"
    );
    lastbeat.stop();
}

/// Runs `lastbeat status` against that lastbeat; its exit code and what it showed.
fn status(lastbeat: &Lastbeat, arguments: &[&str]) -> (i32, String) {
    let url = format!("http://{}", lastbeat.server.address);
    let mut child = Setup::new()
        .env("LASTBEAT_URL", &url)
        .command(&[&["status"], arguments].concat());
    (child.wait_end(SOON), child.lines().join("\n"))
}

#[test]
fn status_shows_what_is_silent_first_and_says_so_by_its_exit_code() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let instances = org(&["api", "web"], &["sjc", "ams"]);
    feed.beat(&instances, Duration::from_millis(300));
    let rules = "[[rule]]\nname = 'beats'\nmax_gap = '2s'\n";
    let setup = Setup::new().nats(&nats).rules("beats.toml", rules);
    let state = setup.rules_folder().with_file_name("state.db");
    let lastbeat = setup
        .env("LASTBEAT_STATE", &state.to_string_lossy())
        .start();
    lastbeat.wait_live(4);
    lastbeat.wait_ready(200);
    let (code, shown) = status(&lastbeat, &[]);
    assert_eq!(code, 0, "{shown}");
    assert!(
        shown.starts_with("stream     flows: last entry ")
            && shown.contains("\nno incident is open\n"),
        "{shown}"
    );

    feed.silence(&instances[3]);
    wait_until("an incident is open", SOON, || {
        ask(&lastbeat, "/api/v1/status")["open_incidents"] == 1
    });
    let (code, shown) = status(&lastbeat, &[]);
    assert_eq!(code, 1, "{shown}");
    let at = |word: &str| {
        shown
            .find(word)
            .unwrap_or_else(|| panic!("{word} is not in {shown}"))
    };
    assert!(
        at("1 incident open") < at("HeartbeatMissed") && at("HeartbeatMissed") < at("APP "),
        "{shown}"
    );
    let silent = shown.lines().position(|line| line.starts_with("web  ams"));
    let header = shown.lines().position(|line| line.starts_with("APP "));
    assert_eq!(silent, header.map(|at| at + 1), "{shown}");
    assert!(!shown.contains('\u{1b}'), "colours without a terminal");
    let (code, whole) = status(&lastbeat, &["--json"]);
    let whole: Value = serde_json::from_str(&whole).expect("JSON");
    assert_eq!(
        (code, &whole["incidents"][0]["instance"]),
        (1, &instances[3].id.as_str().into())
    );
    let one = &instances[3];
    let name = format!("{}/{}/{}", one.app, one.region, one.id);
    let (code, shown) = status(&lastbeat, &[&one.app]);
    let row = shown.lines().position(|line| line.starts_with("silent "));
    let header = shown.lines().position(|line| line.starts_with("VERDICT "));
    assert_eq!((code, row), (1, header.map(|at| at + 1)), "{shown}");
    let (code, shown) = status(&lastbeat, &[&name]);
    assert!(
        code == 1
            && shown.starts_with(&format!("{name}  silent"))
            && shown.contains("heartbeat: silent"),
        "{shown}"
    );
    let (code, shown) = status(&lastbeat, &["nobody"]);
    assert!(
        code == 1 && shown.contains("no instance of an app \"nobody\""),
        "{shown}"
    );
    let setup = Setup::new().env(
        "LASTBEAT_URL",
        &format!("http://{}", lastbeat.server.address),
    );
    let watch = setup.command(&["status", "--watch"]);
    wait_until("it is shown again", SOON, || {
        let lines = watch.lines();
        let heads = lines.iter().filter(|line| line.starts_with("stream "));
        heads.count() >= 2
    });
    drop(watch);
    let other = format!("https://{}", lastbeat.server.address);
    let (code, shown) = status(&lastbeat, &["--url", &other]);
    assert!(
        code == 1 && shown.contains("it does not speak TLS: try --url http://127.0.0.1:"),
        "{shown}"
    );
    let file = lastbeat.folder().join("state.db");
    let file = file.to_string_lossy().into_owned();
    wait_until("the state file has it too", SOON, || {
        let (code, shown) = status(&lastbeat, &["--state", &file]);
        code == 1 && shown.contains("HeartbeatMissed") && shown.contains("web  ams")
    });
    let (code, shown) = status(&lastbeat, &["--url", "127.0.0.1:9"]);
    assert!(
        code == 1 && shown.contains("is lastbeat running there?"),
        "{shown}"
    );
    lastbeat.stop();
}

#[test]
fn a_missing_token_and_a_wrong_one_are_two_sentences() {
    let nats = Nats::start(Peer::Current);
    let lastbeat = Setup::new()
        .nats(&nats)
        .env("LASTBEAT_TOKEN", "the right one of many")
        .start();
    let url = format!("http://{}", lastbeat.server.address);
    let ask = |token: &str| {
        let setup = Setup::new()
            .env("LASTBEAT_URL", &url)
            .env("LASTBEAT_TOKEN", token);
        let mut child = setup.command(&["status"]);
        (child.wait_end(SOON), child.lines().join("\n"))
    };
    let (code, said) = ask("");
    assert!(
        code == 1 && said.contains("asks for its token: give it by --token-file"),
        "{said}"
    );
    let (code, said) = ask("a wrong one");
    assert!(
        code == 1 && said.contains("refuses the token of --token-file"),
        "{said}"
    );
    let taken = Setup::new()
        .nats(&nats)
        .env("LASTBEAT_LISTEN", &lastbeat.server.address);
    let mut second = taken.command(&["run"]);
    assert_eq!(second.wait_end(SOON), 1);
    let said = second.lines().join("\n");
    assert_eq!(said.matches("in use").count(), 1, "{said}");
    assert!(said.contains("most likely another lastbeat"), "{said}");
    let (_, said) = ask("the right one of many");
    assert!(said.starts_with("stream "), "{said}");
    lastbeat.stop();
}

#[test]
fn instances_are_filtered_and_paged_and_a_bad_question_is_told_what_may_be_asked() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let instances = org(&["api", "web", "worker"], &["sjc", "ams", "lhr"]);
    feed.beat(&instances, Duration::from_millis(300));
    let lastbeat = Setup::new().nats(&nats).start();
    lastbeat.wait_live(9);
    let mut seen = Vec::new();
    let mut path = "/api/v1/instances?limit=4".to_owned();
    loop {
        let page = ask(&lastbeat, &path);
        assert_eq!(page["total"], 9, "{page}");
        let rows = page["instances"].as_array().expect("rows");
        assert!(rows.len() <= 4);
        for row in rows {
            assert_eq!(row["beats"].as_array().map(Vec::len), Some(1), "{row}");
            seen.push(row["instance"].as_str().unwrap_or_default().to_owned());
        }
        match page["next"].as_str() {
            Some(next) => path = format!("/api/v1/instances?limit=4&cursor={next}"),
            None => break,
        }
    }
    let mut expected: Vec<(&str, &str, &str)> = instances
        .iter()
        .map(|one| (&*one.app, &*one.region, &*one.id))
        .collect();
    expected.sort_unstable();
    assert_eq!(
        seen,
        expected.iter().map(|one| one.2).collect::<Vec<_>>(),
        "each once, in order"
    );
    let some = ask(
        &lastbeat,
        "/api/v1/instances?app=web&region=lhr&verdict=live",
    );
    assert_eq!(
        (&some["total"], &some["instances"][0]["app"]),
        (&1.into(), &"web".into())
    );
    assert_eq!(
        ask(&lastbeat, "/api/v1/instances?verdict=silent")["total"],
        0
    );
    assert_eq!(
        ask(&lastbeat, "/api/v1/rules")["rules"]["stream"]["max_gap"],
        "auto"
    );
    let bad = lastbeat.get("/api/v1/instances?verdct=live&limit=0");
    assert_eq!(bad.status, 400, "{}", bad.body);
    assert!(
        bad.body.contains("nearest is verdict") && bad.body.contains("from 1 to 1000"),
        "{}",
        bad.body
    );
    lastbeat.stop();
}
