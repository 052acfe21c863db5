//! The token of the page and the API: made where none is set, found by commands on the same machine, replaced while
//! lastbeat runs, and not needed for reading where that is asked for.

use crate::support::http::Server;
use crate::support::lastbeat::{Lastbeat, Setup};
use crate::support::nats::{Nats, Peer};
use crate::support::sse::Sse;
use crate::support::wait::wait_until;
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);
const STATUS: &str = "/api/v1/status";

fn with(lastbeat: &Lastbeat, token: &str) -> Server {
    Server {
        token: Some(token.to_owned()),
        ..lastbeat.server.clone()
    }
}

fn status(server: &Server) -> u16 {
    server.get(STATUS).expect("it answers").status
}

#[test]
fn a_token_is_made_beside_the_state_and_commands_on_this_machine_find_it() {
    let nats = Nats::start(Peer::Current);
    let setup = Setup::new().nats(&nats).env("LASTBEAT_TOKEN", "");
    let state = setup.rules_folder().with_file_name("state.db");
    let state = state.to_string_lossy().into_owned();
    let lastbeat = setup.env("LASTBEAT_STATE", &state).start();
    let file = lastbeat.folder().join("state.token");
    let token = std::fs::read_to_string(&file).expect("it is made");
    let token = token.trim();
    assert_eq!(token.len(), 64);
    let mode = std::fs::metadata(&file)
        .expect("a file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(
        lastbeat.said(&["LASTBEAT_TOKEN is not set", "state.token"]),
        1
    );
    assert_eq!(lastbeat.said(&[token]), 0, "the log names the file alone");
    // A proxy on this machine that says nothing of its client is a stranger too.
    assert_eq!(status(&lastbeat.server), 401);
    let silence = json!({"app": "web", "duration": "1h", "reason": "x", "author": "y"});
    let posted = lastbeat.server.post("/api/v1/silences", &silence);
    assert_eq!(posted.expect("it answers").status, 401);
    assert_eq!(status(&with(&lastbeat, token)), 200);
    for path in ["/metrics", "/healthz", "/readyz", "/"] {
        assert_ne!(lastbeat.get(path).status, 401, "{path} is open");
    }
    let url = format!("http://{}", lastbeat.server.address);
    let ask = |state: &str| {
        let setup = Setup::new()
            .env("LASTBEAT_TOKEN", "")
            .env("LASTBEAT_URL", &url);
        let mut child = setup
            .env("LASTBEAT_STATE", state)
            .command(&["silence", "list"]);
        (child.wait_end(SOON), child.lines().join("\n"))
    };
    assert_eq!(
        ask(&state),
        (0, "no silence is active or coming".to_owned())
    );
    let (code, said) = ask("/nowhere/state.db");
    assert!(
        code == 1 && said.contains("the log names"),
        "{code}: {said}"
    );
    lastbeat.stop();
}

#[test]
fn anonymous_reading_changes_nothing() {
    let nats = Nats::start(Peer::Current);
    let lastbeat = Setup::new()
        .nats(&nats)
        .env("LASTBEAT_ANONYMOUS", "read")
        .start();
    let token = lastbeat.server.token.clone();
    let anybody = Server {
        token: None,
        ..lastbeat.server.clone()
    };
    assert_eq!(status(&anybody), 200);
    let logs = Sse::ask(
        &anybody,
        "/api/logs",
        "Origin: http://elsewhere.example\r\n",
    );
    let head = logs.head.to_lowercase();
    assert!(head.contains(" 200 "), "{head}");
    assert!(head.contains("access-control-allow-origin: *"), "{head}");
    let silence = json!({"app": "web", "duration": "1h", "reason": "x", "author": "y"});
    let post = |server: &Server| {
        server
            .post("/api/v1/silences", &silence)
            .expect("an answer")
    };
    assert_eq!(post(&anybody).status, 401);
    assert_eq!(
        anybody
            .ask_with("POST", "/api/v1/drill")
            .expect("an answer")
            .status,
        401
    );
    assert_eq!(post(&lastbeat.server).status, 201, "{token:?}");
    lastbeat.stop();
}

#[test]
fn without_anonymous_reading_no_other_site_reads() {
    let nats = Nats::start(Peer::Current);
    let lastbeat = Setup::new().nats(&nats).start();
    let logs = Sse::ask(&lastbeat.server, "/api/logs", "");
    let head = logs.head.to_lowercase();
    assert!(
        head.contains(" 200 ") && !head.contains("access-control"),
        "{head}"
    );
    lastbeat.stop();
}

#[test]
fn a_weak_token_is_refused_with_a_command_that_makes_a_good_one() {
    let setup = Setup::new().env("NATS_URL", "127.0.0.1:1");
    let mut child = setup
        .env("LASTBEAT_TOKEN", "fifteen-letters")
        .command(&["run"]);
    assert_eq!(child.wait_end(SOON), 64);
    let said = child.lines().join("\n");
    assert!(
        said.contains("openssl rand -hex 32") && !said.contains("fifteen"),
        "{said}"
    );
}

#[test]
fn a_token_in_a_file_is_read_again_on_sighup() {
    let nats = Nats::start(Peer::Current);
    let setup = Setup::new().nats(&nats).env("LASTBEAT_TOKEN", "");
    let file = setup.rules_folder().with_file_name("web-token");
    std::fs::write(&file, "the-first-of-the-tokens\n").expect("written");
    let lastbeat = setup
        .env("LASTBEAT_TOKEN_FILE", &file.to_string_lossy())
        .start();
    let (first, second) = (
        with(&lastbeat, "the-first-of-the-tokens"),
        with(&lastbeat, "the-second-of-the-tokens"),
    );
    assert_eq!(status(&first), 200);
    std::fs::write(&file, "too-weak\n").expect("written");
    lastbeat.child.signal("HUP");
    wait_until("a weak token is refused", SOON, || {
        lastbeat.said(&["the previous token stays in force"]) == 1
    });
    assert_eq!(status(&first), 200);
    std::fs::write(&file, "the-second-of-the-tokens\n").expect("written");
    lastbeat.child.signal("HUP");
    wait_until("the token is replaced", SOON, || status(&second) == 200);
    assert_eq!(status(&first), 401);
    lastbeat.stop();
}

#[test]
fn a_copy_of_a_cookie_is_worth_nothing_after_signing_out() {
    let nats = Nats::start(Peer::Current);
    let token = "a-token-that-is-long-enough";
    let lastbeat = Setup::new()
        .nats(&nats)
        .env("LASTBEAT_TOKEN", token)
        .start();
    let at = lastbeat.server.address.clone();
    let say = |method: &str, path: &str, headers: &str, body: &str| {
        let mut stream = TcpStream::connect(&at).expect("it listens");
        stream.set_read_timeout(Some(SOON)).expect("a bound");
        let asked = format!(
            "{method} {path} HTTP/1.0\r\nHost: {at}\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(asked.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer
    };
    let signed_in = say("POST", "/sign-in", "", &json!({"token": token}).to_string());
    let cookie = signed_in
        .lines()
        .find(|line| line.to_lowercase().starts_with("set-cookie: "))
        .and_then(|line| line["set-cookie: ".len()..].split(';').next())
        .expect("a cookie");
    let cookie = format!("Cookie: {cookie}\r\n");
    assert!(say("GET", STATUS, &cookie, "").contains(" 200 "));
    let left = say("POST", "/sign-out", &cookie, "{}");
    assert!(left.contains(" 200 "), "{left}");
    let again = say("GET", STATUS, &cookie, "");
    assert!(again.contains(" 401 "), "{again}");
    lastbeat.stop();
}
