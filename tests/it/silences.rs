//! Silences made while it runs: by command and by HTTP, and who may make them.

use crate::support::feed::Feed;
use crate::support::http::Server;
use crate::support::lastbeat::{Lastbeat, Setup, WEB_TOKEN};
use crate::support::nats::{Nats, Peer};
use crate::support::org::org;
use crate::support::wait::wait_until;
use serde_json::{Value, json};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);
const PATH: &str = "/api/v1/silences";

/// Runs `lastbeat silence`, against that lastbeat; its exit code and lines.
fn silence(lastbeat: &Lastbeat, token: &str, arguments: &[&str]) -> (i32, Vec<String>) {
    let url = format!("http://{}", lastbeat.server.address);
    let setup = Setup::new()
        .env("LASTBEAT_URL", &url)
        .env("LASTBEAT_TOKEN", token);
    let all = [&["silence"], arguments].concat();
    let mut child = setup.command(&all);
    (child.wait_end(Duration::from_secs(10)), child.lines())
}

#[test]
fn what_fires_in_a_silence_is_told_when_it_ends() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let instances = org(&["sandwich", "batch"], &["sjc", "ams"]);
    feed.beat(&instances, Duration::from_millis(500));
    let lastbeat = Setup::new()
        .nats(&nats)
        .rules("beats.toml", "[[rule]]\nname = 'beats'\nmax_gap = '2s'\n")
        .start();
    lastbeat.wait_live(4);
    let add = [
        "add", "--app", "sandwich", "--for", "1h", "--reason", "moving", "--author", "ada",
    ];
    let (code, lines) = silence(&lastbeat, WEB_TOKEN, &add);
    assert_eq!(code, 0, "{lines:?}");
    let (_, list) = silence(&lastbeat, WEB_TOKEN, &["list"]);
    assert!(
        list.len() == 1 && list[0].contains("active   app sandwich  until "),
        "{list:?}"
    );

    feed.silence(&instances[0]);
    lastbeat.wait_metrics("a firing alert", SOON, |metrics| {
        metrics.sum("lastbeat_alerts", &[("rule", "beats"), ("state", "firing")]) == 1.0
    });
    let told = |state: &str| lastbeat.said(&["HeartbeatMissed: ", &format!("state=\"{state}\"")]);
    lastbeat.wait_listened(Duration::from_secs(2));
    assert_eq!(told("opened"), 0, "told in a silence");

    let id = list[0].split(' ').next().expect("the id");
    let (code, lines) = silence(&lastbeat, WEB_TOKEN, &["expire", id]);
    assert_eq!(code, 0, "{lines:?}");
    wait_until("told after the silence", SOON, || told("opened") == 1);
    assert_eq!(
        silence(&lastbeat, WEB_TOKEN, &["list"]).1,
        ["no silence is active or coming"]
    );
    assert_eq!(silence(&lastbeat, WEB_TOKEN, &["expire", id]).0, 1);
    lastbeat.stop();
}

/// A lastbeat without a stream.
fn alone(setup: Setup) -> (Lastbeat, Nats) {
    let nats = Nats::start(Peer::Current);
    (setup.nats(&nats).start(), nats)
}

#[test]
fn a_schedule_of_the_rules_is_listed_and_is_not_ended_by_hand() {
    let rules =
        "[[silence]]\napp = 'web'\nschedule = '0 * * * *'\nduration = '1h'\nreason = 'always'\n";
    let (lastbeat, _nats) = alone(Setup::new().rules("silence.toml", rules));
    let listed: Value = serde_json::from_str(&lastbeat.get(PATH).body).expect("JSON");
    let row = &listed["silences"][0];
    assert_eq!(
        (&row["holds"], &row["from_rules"]),
        (&json!(true), &json!(true)),
        "{row}"
    );
    let (code, lines) = silence(&lastbeat, WEB_TOKEN, &["expire", "rules-1"]);
    assert!(code == 1 && lines[0].contains("rule files"), "{lines:?}");
    lastbeat.rewrite("silence.toml", "# none\n");
    wait_until("the silence is gone", SOON, || {
        lastbeat.get(PATH).body.trim() == "{\"silences\":[]}"
    });
    lastbeat.stop();
}

fn asked() -> Value {
    json!({"app": "web", "duration": "1h", "reason": "x", "author": "ada"})
}

#[test]
fn a_request_is_checked_whole_and_its_name_opens_nothing() {
    let (lastbeat, _nats) = alone(Setup::new());
    let server = &lastbeat.server;
    let post = |server: &Server, body: &Value| server.post(PATH, body).expect("an answer");
    assert_eq!(post(server, &asked()).status, 201);
    let refused = post(server, &json!({"app": "web", "reasons": 1}));
    assert_eq!(refused.status, 400);
    assert!(
        refused.body.contains("reasons") && refused.body.contains("duration"),
        "{}",
        refused.body
    );
    let long = post(server, &json!({"app": "x".repeat(20_000)}));
    assert_eq!(long.status, 413, "{}", long.body);
    // A name that somebody else lets point to this machine, without the token.
    let without = Server {
        token: None,
        ..server.clone()
    };
    let foreign = without
        .get_as(PATH, "evil.example:9090")
        .expect("an answer");
    assert!(
        foreign.status == 401 && foreign.body.contains("LASTBEAT_TOKEN"),
        "{}",
        foreign.body
    );
    assert_eq!(lastbeat.get("/api/v1/nothing").status, 404);
    lastbeat.stop();
}

#[test]
fn with_a_token_only_who_sends_it_may() {
    let (lastbeat, _nats) = alone(Setup::new().env("LASTBEAT_TOKEN", "s3cret-of-the-web"));
    let mut server = lastbeat.server.clone();
    let without = server.get(PATH).expect("an answer");
    assert_eq!(without.status, 401, "{}", without.body);
    assert!(
        without
            .head
            .to_lowercase()
            .contains("www-authenticate: bearer")
    );
    server.token = Some("s3cret-of-the-weB".to_owned());
    assert_eq!(server.post(PATH, &asked()).expect("an answer").status, 401);
    server.token = Some("s3cret-of-the-web".to_owned());
    assert_eq!(server.post(PATH, &asked()).expect("an answer").status, 201);
    assert_eq!(
        server
            .get_as(PATH, "lastbeat.example")
            .expect("an answer")
            .status,
        200
    );
    assert_eq!(
        silence(&lastbeat, "s3cret-of-the-web", &["list"]).1.len(),
        1
    );
    let (code, lines) = silence(&lastbeat, "", &["list"]);
    assert!(
        code == 1 && lines[0].contains("LASTBEAT_TOKEN"),
        "{lines:?}"
    );
    assert_eq!(lastbeat.get("/metrics").status, 200, "open to all");
    assert_eq!(lastbeat.said(&["s3cret-of-the-web"]), 0);
    lastbeat.stop();
}
