//! Who tries to get in, to keep others out, or to make of one request two.

use crate::support::http::Server;
use crate::support::lastbeat::{Lastbeat, Setup, WEB_TOKEN};
use crate::support::nats::{Nats, Peer};
use crate::support::sse::Sse;
use crate::support::wait::wait_until;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);
pub(crate) const TOKEN: &str = "s3cret-token-of-18";

/// A lastbeat with this token, or with that of the tests, and its server.
pub(crate) fn running(token: Option<&str>) -> (Nats, Lastbeat) {
    let nats = Nats::start(Peer::Current);
    let mut setup = Setup::new().nats(&nats);
    if let Some(token) = token {
        setup = setup.env("LASTBEAT_TOKEN", token);
    }
    let lastbeat = setup.start();
    (nats, lastbeat)
}

/// Sends these bytes as they are, and gives all that comes back until the other side ends it or is quiet for long.
fn raw(lastbeat: &Lastbeat, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(&lastbeat.server.address).expect("it listens");
    stream.set_read_timeout(Some(SOON)).expect("a bound");
    // It may have refused before all of it was sent.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        answer.extend_from_slice(&buffer[..read]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// The status codes of all answers in it.
fn statuses(answers: &str) -> Vec<&str> {
    let lines = answers.split("HTTP/1.").skip(1);
    lines
        .map(|rest| rest.get(2..5).unwrap_or_default())
        .collect()
}

#[test]
fn who_guesses_the_token_waits_and_the_right_one_waits_too() {
    let (_nats, lastbeat) = running(Some(TOKEN));
    let as_bearer = |token: &str| Server {
        token: Some(token.to_owned()),
        ..lastbeat.server.clone()
    };
    let ask = |token: &str, path: &str| as_bearer(token).get(path).expect("it answers");
    assert_eq!(ask(TOKEN, "/api/v1/status").status, 200);
    let guesses: Vec<u16> = (0..12)
        .map(|at| ask(&format!("guess{at}"), "/api/v1/status").status)
        .collect();
    assert_eq!(guesses, [vec![401; 10], vec![429; 2]].concat());
    let waits = ask(TOKEN, "/api/logs");
    assert_eq!(waits.status, 429);
    assert!(waits.head.contains("retry-after: "), "{}", waits.head);
    assert!(!waits.body.contains(TOKEN));
    assert_eq!(
        lastbeat.get("/metrics").status,
        200,
        "what is open stays open"
    );
    assert_eq!(
        lastbeat.get("/api/v1/status").status,
        401,
        "without a token nothing is guessed"
    );
    lastbeat.stop();
}

#[test]
fn pages_of_others_change_nothing_and_see_nothing() {
    let (_nats, lastbeat) = running(None);
    let at = &lastbeat.server.address;
    let body = r#"{"app":["web"],"duration":"1h","reason":"x","author":"y"}"#;
    let post = |headers: &str| {
        let length = body.len();
        let token = format!("Authorization: Bearer {WEB_TOKEN}\r\n");
        raw(&lastbeat, format!("POST /api/v1/silences HTTP/1.1\r\n{token}{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}").as_bytes())
    };
    let json = "Content-Type: application/json\r\n";
    for (headers, status) in [
        (
            format!("Host: {at}\r\nOrigin: http://evil.example\r\n{json}"),
            "403",
        ),
        (format!("Host: {at}\r\nOrigin: null\r\n{json}"), "403"),
        (format!("Host: {at}\r\nHost: evil.example\r\n{json}"), "400"),
        (
            format!("Host: {at}\r\nOrigin: http://{at}\r\nContent-Type: text/plain\r\n"),
            "415",
        ),
    ] {
        assert_eq!(statuses(&post(&headers)), [status], "{headers}");
    }
    let without = Server {
        token: None,
        ..lastbeat.server.clone()
    };
    for path in ["/api/logs", "/api/v1/events", "/api/v1/status"] {
        let rebound = without
            .get_as(path, "evil.example:9090")
            .expect("it answers");
        assert_eq!(rebound.status, 401, "{path}");
    }
    lastbeat.stop();

    // With a token: a browser that says whose page asks is believed, whatever it sends along.
    let (_nats, lastbeat) = running(Some(TOKEN));
    let get = |header: &str| {
        let request = format!(
            "GET /api/v1/status HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n{header}Connection: close\r\n\r\n"
        );
        raw(&lastbeat, request.as_bytes())
    };
    assert_eq!(statuses(&get("")), ["200"]);
    assert_eq!(statuses(&get("Origin: http://evil.example\r\n")), ["403"]);
    assert_eq!(statuses(&get("Sec-Fetch-Site: cross-site\r\n")), ["403"]);
    lastbeat.stop();
}

#[test]
fn one_request_is_never_read_as_two() {
    let (_nats, lastbeat) = running(None);
    let host = format!(
        "Host: {}\r\nAuthorization: Bearer {WEB_TOKEN}\r\n",
        lastbeat.server.address
    );
    let inner = format!("GET /healthz HTTP/1.1\r\n{host}\r\n");
    let length = inner.len();
    for shape in [
        format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        format!("Content-Length: 0\r\nContent-Length: {length}\r\n\r\n"),
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n".to_owned(),
        "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n".to_owned(),
        "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n".to_owned(),
        "Transfer-Encoding: \tchunked,identity\r\n\r\n0\r\n\r\n".to_owned(),
        "Content-Length: +0\r\n\r\n".to_owned(),
        "Content-Length: -1\r\n\r\n".to_owned(),
        "Content-Length: 0, 5\r\n\r\n".to_owned(),
        " folded: header\r\nContent-Length: 0\r\n\r\n".to_owned(),
        "X: y\rContent-Length: 0\r\n\r\n".to_owned(),
        "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n\r\n".to_owned(),
        "Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n".to_owned(),
    ] {
        let request = format!(
            "POST /api/v1/silences HTTP/1.1\r\n{host}Content-Type: application/json\r\n{shape}{inner}"
        );
        let answers = raw(&lastbeat, request.as_bytes());
        let all = statuses(&answers);
        assert!(
            all.len() == 1 && all[0].starts_with('4'),
            "{shape:?}: {answers}"
        );
    }
    assert_eq!(lastbeat.get("/healthz").status, 200);
    lastbeat.stop();
}

#[test]
fn long_heads_and_crooked_paths_are_refused() {
    let (_nats, lastbeat) = running(Some(TOKEN));
    let get = |path: &str, headers: &str| {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\n{headers}Connection: close\r\n\r\n",
            lastbeat.server.address
        );
        raw(&lastbeat, request.as_bytes())
    };
    let long = format!("X: {}\r\n", "a".repeat(20_000));
    let many: String = (0..80).map(|at| format!("X{at}: y\r\n")).collect();
    for (path, headers) in [("/healthz", long.as_str()), ("/healthz", many.as_str())] {
        let answer = get(path, headers);
        assert_eq!(statuses(&answer), ["431"], "{answer}");
    }
    let far = format!("/{}", "a".repeat(20_000));
    assert!(matches!(statuses(&get(&far, ""))[..], ["414" | "431"]));
    for (path, status) in [
        ("/../etc/passwd", "404"),
        ("/%2e%2e/etc/passwd", "404"),
        ("//api/v1/status", "404"),
        ("/metrics/..%2fapi/v1/status", "404"),
        ("/healthz/../api/v1/status", "404"),
        ("/API/v1/status", "404"),
        ("/%61pi/v1/status", "404"),
        ("/api/v1/../../api/v1/status", "401"),
        ("/api/logs/", "401"),
        ("/api//logs", "401"),
        ("/api/v1/status;a=b", "401"),
        ("http://evil.example/api/v1/status", "400"),
        ("/api/v1/status?x\0", "400"),
        ("\\api\\v1\\status", "400"),
    ] {
        let answer = get(path, "");
        assert_eq!(statuses(&answer), [status], "{path:?}: {answer}");
    }
    lastbeat.stop();
}

#[test]
fn many_who_say_nothing_or_a_letter_at_a_time_keep_nobody_out() {
    let (_nats, lastbeat) = running(Some(TOKEN));
    let at = &lastbeat.server.address;
    let slow = |at: &str| {
        let mut stream = TcpStream::connect(at).expect("it listens");
        // One that was sent away already takes nothing more.
        let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nX: ");
        stream
    };
    let mut slow: Vec<TcpStream> = (0..600).map(|_| slow(at)).collect();
    for _ in 0..5 {
        for stream in &mut slow {
            let _ = stream.write_all(b"x");
        }
        assert_eq!(lastbeat.get("/healthz").status, 200);
    }
    let token = Server {
        token: Some(TOKEN.to_owned()),
        ..lastbeat.server.clone()
    };
    let mut tail = Sse::open(&token, "/api/logs", "");
    assert!(tail.next().is_some());
    let more: Vec<TcpStream> = (0..600)
        .filter_map(|_| TcpStream::connect(at).ok())
        .collect();
    assert_eq!(lastbeat.get("/healthz").status, 200);
    lastbeat.server.get("/healthz").expect("it answers");
    drop((slow, more));
    drop(lastbeat);
    assert!(
        tail.next().is_none_or(|event| event.data["type"] != "log"),
        "who was let in stayed to the end"
    );
}

#[test]
fn readers_of_streams_leave_room_for_everybody_else() {
    let (_nats, lastbeat) = running(None);
    let readers: Vec<Sse> = (0..100)
        .flat_map(|_| {
            ["/api/logs", "/api/v1/events"].map(|path| Sse::open(&lastbeat.server, path, ""))
        })
        .collect();
    for path in ["/api/logs", "/api/v1/events"] {
        let refused = Sse::ask(&lastbeat.server, path, "");
        assert!(
            refused.head.contains(" 503 ") && refused.head.contains("retry-after: "),
            "{}",
            refused.head
        );
        assert!(refused.rest().contains("a hundred readers"));
    }
    assert_eq!(lastbeat.get("/healthz").status, 200);
    assert_eq!(lastbeat.get("/metrics").status, 200);
    assert_eq!(lastbeat.get("/api/v1/status").status, 200);
    drop(readers);
    wait_until("there is room again", SOON, || {
        Sse::ask(&lastbeat.server, "/api/v1/events", "")
            .head
            .contains(" 200 ")
    });
    lastbeat.stop();
}
