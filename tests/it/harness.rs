//! The harness itself: what the other tests stand on is seen to hold.

use crate::support::bugsink::{Project, issues, kept_whole};
use crate::support::feed::Feed;
use crate::support::gate::Gate;
use crate::support::http::Server;
use crate::support::nats::{Nats, ORG, Peer, TOKEN};
use crate::support::org::org;
use crate::support::wait::{since, wait_until};
use futures_util::StreamExt;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);

#[test]
fn beats_go_through_the_current_server() {
    beats_go_through(Peer::Current);
}

#[test]
fn beats_go_through_the_older_server() {
    beats_go_through(Peer::Older);
}

/// The organisation hears the beats, of all subjects under `logs.`, also from a server that came back.
fn beats_go_through(peer: Peer) {
    let mut nats = Nats::start(peer);
    let feed = Feed::connect(&nats);
    let instances = org(&["sandwich", "batch"], &["sjc", "ams"]);
    feed.beat(&instances, Duration::from_millis(100));
    let heard = hear(&nats, instances.len());
    for instance in &instances {
        assert!(
            heard.contains(&instance.subject()),
            "{} is not in {heard:?}",
            instance.subject()
        );
    }
    nats.kill();
    nats.restart();
    assert_eq!(hear(&nats, 4).len(), 4);
    let last = feed.silence(&instances[0]);
    assert!(since(last) < SOON);
}

/// The subjects of the first messages.
fn hear(nats: &Nats, count: usize) -> Vec<String> {
    runtime().block_on(async {
        let options =
            async_nats::ConnectOptions::with_user_and_password(ORG.to_owned(), TOKEN.to_owned());
        let client = options
            .connect(nats.url())
            .await
            .expect("the organisation may connect");
        let entries = client
            .subscribe("logs.>")
            .await
            .expect("the subscription is asked for");
        client.flush().await.expect("the server answers");
        nats.wait_subscribed("logs.>");
        let entries = entries
            .map(|entry| entry.subject.to_string())
            .take(count)
            .collect();
        tokio::time::timeout(SOON, entries)
            .await
            .expect("the beats arrive")
    })
}

#[test]
fn a_wrong_token_is_refused() {
    let nats = Nats::start(Peer::Current);
    let refused = runtime().block_on(async {
        let options =
            async_nats::ConnectOptions::with_user_and_password(ORG.to_owned(), "wrong".to_owned());
        options
            .connect(nats.url())
            .await
            .expect_err("the token is wrong")
    });
    assert!(refused.to_string().contains("authorization"), "{refused}");
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime needs no more than threads")
}

#[test]
fn the_sentry_server_keeps_and_groups_events() {
    let project = Project::new("harness");
    for (state, level) in [("opened", "error"), ("closed", "info")] {
        assert_eq!(send(project.dsn(), &event(state, level)), 200);
    }
    let events = project.wait_events(2, SOON);
    assert_eq!(project.count(), 2);
    assert_eq!(issues(&events), 1);
    assert_eq!(
        (events[0].kind(), events[0].value()),
        ("HeartbeatMissed", "sandwich in sjc is silent")
    );
    assert_eq!(
        (events[1].tag("state"), events[1].level()),
        ("closed", "info")
    );
    assert!(since(events[0].ingested) < SOON);
    kept_whole(&events);
}

#[test]
#[should_panic(expected = "Sentry would change these events")]
fn an_event_that_sentry_would_change_is_found() {
    let project = Project::new("harness-changed");
    let mut odd = event("opened", "error");
    // The schema has nothing against it; Sentry itself drops a tag without a value.
    odd["tags"]["target_app"] = json!("");
    assert_eq!(send(project.dsn(), &odd), 200);
    kept_whole(&project.wait_events(1, SOON));
}

fn event(state: &str, level: &str) -> Value {
    json!({
        "event_id": format!("{:032x}", state.len() + level.len() * 100),
        "timestamp": 1_700_000_000.5,
        "platform": "other",
        "level": level,
        "fingerprint": ["beats", "instance", "sandwich"],
        "tags": {"state": state},
        "exception": {"values": [{"type": "HeartbeatMissed", "value": "sandwich in sjc is silent"}]},
    })
}

/// Posts an envelope to where a DSN points; the status.
fn send(dsn: &str, event: &Value) -> u16 {
    let (key, rest) = dsn
        .strip_prefix("http://")
        .and_then(|rest| rest.split_once('@'))
        .expect("a DSN has a key");
    let (address, project) = rest.split_once('/').expect("a DSN has a project");
    let envelope = format!(
        "{{\"event_id\":{}}}\n{{\"type\":\"event\"}}\n{event}\n",
        event["event_id"]
    );
    let head = format!(
        "POST /api/{project}/envelope/ HTTP/1.0\r\nHost: {address}\r\nContent-Length: {}\r\n\
         X-Sentry-Auth: Sentry sentry_version=7, sentry_key={key}\r\n\r\n",
        envelope.len()
    );
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream
        .write_all(format!("{head}{envelope}").as_bytes())
        .expect("the server reads");
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .expect("the server answers");
    answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .expect("the answer has a status")
}

#[test]
fn a_gate_refuses_until_it_opens() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let behind = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("one comes through");
        let mut request = [0; 1024];
        let length = stream.read(&mut request).expect("it asks");
        stream
            .write_all(b"HTTP/1.0 200 OK\r\n\r\nbehind")
            .expect("it listens");
        String::from_utf8_lossy(&request[..length]).into_owned()
    });
    let gate = Gate::shut(&address);
    let door = Server {
        address: gate.address.clone(),
        token: None,
    };
    assert_eq!(door.get("/").expect("a refusal is an answer").status, 503);
    assert_eq!(gate.refused(), 1);
    gate.open();
    assert_eq!(door.get("/x").expect("it is open").body, "behind");
    assert!(behind.join().expect("it served").starts_with("GET /x "));
}

#[test]
#[should_panic(expected = "in vain for: a day without end")]
fn a_wait_has_a_bound() {
    wait_until("a day without end", Duration::from_millis(50), || false);
}
