//! The security pass: what strangers, pages of others and log lines try. docs/security.md describes it.
//! `access.rs` has the first of it.

use crate::access::{TOKEN, running};
use crate::support::child::Child;
use crate::support::feed::Feed;
use crate::support::http::Server;
use crate::support::lastbeat::{Lastbeat, Setup};
use crate::support::nats::{Nats, Peer};
use crate::support::org::Instance;
use crate::support::sse::Sse;
use crate::support::wait::wait_for;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

/// Sends these bytes as they are, and gives all that comes back until the other side ends it.
fn say(mut stream: TcpStream, bytes: &[u8]) -> String {
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

fn raw(lastbeat: &Lastbeat, text: &str) -> String {
    let stream = TcpStream::connect(&lastbeat.server.address).expect("it listens");
    say(stream, text.as_bytes())
}

/// A demo, which has no token, and its address.
fn demo() -> (Child, String) {
    let mut child = Setup::new().command(&["demo", "--listen", "127.0.0.1:0"]);
    let address = child.wait_line("where to look", SOON, |line| {
        let (_, rest) = line.split_once("metrics   http://")?;
        Some(rest.strip_suffix("/metrics")?.to_owned())
    });
    (child, address)
}

fn raw_at(address: &str, text: &str) -> String {
    say(
        TcpStream::connect(address).expect("it listens"),
        text.as_bytes(),
    )
}

/// A connection that comes from this address of the machine's.
fn from(lastbeat: &Lastbeat, address: &str) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build();
    let runtime = runtime.expect("a runtime");
    let connected = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.bind(format!("{address}:0").parse().expect("an address"))?;
        let to = lastbeat.server.address.parse().expect("an address");
        socket.connect(to).await?.into_std()
    });
    let stream = connected.expect("each address of 127/8 is this machine's");
    stream.set_nonblocking(false).expect("a socket");
    stream
}

/// The status codes of all answers in it.
fn statuses(answers: &str) -> Vec<&str> {
    let lines = answers.split("HTTP/1.").skip(1);
    lines
        .map(|rest| rest.get(2..5).unwrap_or_default())
        .collect()
}

#[test]
fn a_request_names_its_host_once_and_without_a_token_it_is_this_machine() {
    let (_demo, at) = demo();
    let ask = |path: &str, version: &str, headers: &str| {
        let answer = raw_at(
            &at,
            &format!("GET {path} HTTP/{version}\r\n{headers}Connection: close\r\n\r\n"),
        );
        statuses(&answer).concat()
    };
    let twice = format!("Host: {at}\r\nHost: evil.example\r\n");
    for path in ["/healthz", "/metrics", "/", "/api/v1/status"] {
        assert_eq!(ask(path, "1.1", ""), "400", "{path}");
        assert_eq!(ask(path, "1.1", &twice), "400", "{path}");
    }
    assert_eq!(ask("/metrics", "1.0", ""), "200", "as old checks ask");
    for path in [
        "/metrics",
        "/",
        "/page.js",
        "/sign-in",
        "/api/logs",
        "/nothing",
    ] {
        for name in [
            "evil.example",
            "127.0.0.1.evil.example:9090",
            "localhost.evil.example",
        ] {
            let host = format!("Host: {name}\r\n");
            assert_eq!(ask(path, "1.1", &host), "403", "{path} {name}");
        }
    }
    for name in ["localhost", "127.0.0.1:1", "[::1]:9090", "10.1.2.3"] {
        let host = format!("Host: {name}\r\n");
        assert_eq!(ask("/metrics", "1.1", &host), "200", "{name}");
    }
    assert_eq!(
        ask("/healthz", "1.1", "Host: evil.example\r\n"),
        "200",
        "it tells nothing"
    );

    let (_nats, lastbeat) = running(Some(TOKEN));
    let named = "GET /metrics HTTP/1.1\r\nHost: lastbeat.example\r\nConnection: close\r\n\r\n";
    assert_eq!(
        statuses(&raw(&lastbeat, named)),
        ["200"],
        "with a token any name"
    );
    lastbeat.stop();
}

#[test]
fn a_demo_may_be_read_and_neither_pages_of_others_nor_proxies_change_it() {
    let (_demo, at) = demo();
    let body = r#"{"app":["web"],"duration":"1h","reason":"x","author":"y"}"#;
    let change = |header: &str| {
        let asked = format!(
            "POST /api/v1/silences HTTP/1.1\r\nHost: {at}\r\n{header}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        statuses(&raw_at(&at, &asked)).concat()
    };
    for header in [
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
        "Origin: http://localhost:3000",
        "Origin: null",
        "X-Forwarded-For: 192.0.2.1",
        "Forwarded: for=192.0.2.1",
        "X-Real-IP: 192.0.2.1",
        "Via: 1.1 proxy",
    ] {
        assert_eq!(change(header), "403", "{header}");
        let read = format!(
            "GET /api/v1/status HTTP/1.1\r\nHost: {at}\r\n{header}\r\nConnection: close\r\n\r\n"
        );
        assert_eq!(statuses(&raw_at(&at, &read)), ["200"], "{header}");
    }
    let own = format!("Origin: http://{at}\r\nSec-Fetch-Site: same-origin");
    assert_eq!(change(&own), "201");
}

#[test]
fn who_guesses_keeps_nobody_out_but_those_beside_it() {
    let (_nats, lastbeat) = running(Some(TOKEN));
    let ask = |address: &str, token: &str| {
        let asked = format!(
            "GET /api/v1/status HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        );
        statuses(&say(from(&lastbeat, address), asked.as_bytes())).concat()
    };
    let signed_in = lastbeat
        .server
        .post("/sign-in", &serde_json::json!({ "token": TOKEN }))
        .expect("it answers");
    let cookie = signed_in
        .head
        .split_once("set-cookie: ")
        .expect("a cookie")
        .1;
    let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
    let at = &lastbeat.server.address;
    let by_cookie = || {
        let asked = format!(
            "GET /api/v1/status HTTP/1.1\r\nHost: {at}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"
        );
        statuses(&say(from(&lastbeat, "127.9.9.9"), asked.as_bytes())).concat()
    };
    for guess in 0..10 {
        assert_eq!(ask("127.9.9.9", &format!("guess{guess}")), "401");
    }
    assert_eq!(ask("127.9.9.9", TOKEN), "429");
    assert_eq!(by_cookie(), "200", "who is signed in stays so");
    assert_eq!(ask("127.9.9.8", TOKEN), "200", "another machine");
    for number in 0..300 {
        let address = format!("127.{}.{}.1", 20 + number / 200, number % 200);
        assert_eq!(ask(&address, "guess"), "401");
    }
    assert_eq!(
        ask("127.0.0.1", TOKEN),
        "200",
        "however many guess elsewhere"
    );
    for number in 0..50 {
        ask(&format!("127.9.9.{}", 50 + number), "guess");
    }
    assert_eq!(
        ask("127.9.9.200", TOKEN),
        "429",
        "one network guesses together"
    );
    assert_eq!(ask("127.9.8.200", TOKEN), "200");
    let warned = lastbeat.said(&["too many wrong tokens from one address"]);
    assert!((1..=3).contains(&warned), "{warned} warnings for all of it");
    assert_eq!(lastbeat.said(&["guess1"]) + lastbeat.said(&[TOKEN]), 0);
    lastbeat.stop();
}

#[test]
fn odd_heads_are_one_request_or_none() {
    let (_nats, lastbeat) = running(None);
    let host = format!("Host: {}\r\n", lastbeat.server.address);
    for (head, status) in [
        (
            format!("GET /healthz HTTP/1.1\n{}\n", host.replace('\r', "")),
            "200",
        ),
        (
            format!("GET /healthz HTTP/1.1\r\n{host}X: a\n\tb: c\r\n\r\n"),
            "400",
        ),
        (
            format!("GET /healthz HTTP/1.1\r\n{host}X: a\0b\r\n\r\n"),
            "400",
        ),
        (
            format!("GET /healthz HTTP/1.1\r\n{host}X : a\r\n\r\n"),
            "400",
        ),
        (format!("GET /healthz HTTP/1.1\r\n{host}: a\r\n\r\n"), "400"),
        (format!("GET /healthz HTTP/1.1\r\n{host}X\r\n\r\n"), "400"),
        (format!("GET  /healthz HTTP/1.1\r\n{host}\r\n"), "400"),
        (
            format!("GET /healthz HTTP/1.1 HTTP/1.1\r\n{host}\r\n"),
            "400",
        ),
        (format!("GET /healthz HTTP/3.0\r\n{host}\r\n"), "400"),
        (format!("G\u{e9}T /healthz HTTP/1.1\r\n{host}\r\n"), "400"),
        (format!("OPTIONS * HTTP/1.1\r\n{host}\r\n"), "404"),
        (
            format!("CONNECT {} HTTP/1.1\r\n{host}\r\n", lastbeat.server.address),
            "404",
        ),
        (format!("TRACE /healthz HTTP/1.1\r\n{host}\r\n"), "405"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), "400"),
    ] {
        let asked = head.replacen("\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1);
        let asked = if head.contains("\r\n\r\n") {
            asked
        } else {
            head.replace("\n\n", "\nConnection: close\n\n")
        };
        let answers = raw(&lastbeat, &asked);
        let all = statuses(&answers);
        assert!(
            all == [status] || status == "400" && all.is_empty(),
            "{head:?}: {answers}"
        );
    }
    // A body that nobody asked for is not the next request.
    let inner = format!("GET /readyz HTTP/1.1\r\n{host}\r\n");
    for method in ["GET", "HEAD", "POST", "DELETE"] {
        let asked = format!(
            "{method} /healthz HTTP/1.1\r\n{host}Content-Length: {}\r\n\r\n{inner}",
            inner.len()
        );
        let closing = format!("{asked}GET /healthz HTTP/1.1\r\n{host}Connection: close\r\n\r\n");
        let answers = raw(&lastbeat, &closing);
        assert!(!answers.contains("\"ready\""), "{method}: {answers}");
    }
    lastbeat.stop();
}

#[test]
fn names_and_lines_of_others_stay_text_wherever_they_are_shown() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let lastbeat = Setup::new().nats(&nats).start();
    nats.wait_subscribed("logs.>");
    let evil = Instance {
        app: "<img/src=x/onerror=alert(1)>\"\\".to_owned(),
        region: "</script><script>".to_owned(),
        id: "\u{202e}cod\u{200b}".to_owned(),
    };
    let mut tail = Sse::open(&lastbeat.server, "/api/logs?subject=1", "");
    let line = "HEARTBEAT <script>alert(1)</script>\n\ndata: {\"type\":\"system\"}\n\nevent: x\r\n\u{1b}]0;t\u{7}";
    feed.say(&evil, line);
    feed.publish(vec![(
        "logs.a\u{1b}[2J.iad.i".to_owned(),
        b"HEARTBEAT".to_vec(),
    )]);
    let seen = tail
        .find("the line", |event| event.data["type"] == "log")
        .data;
    let payload: Value =
        serde_json::from_str(seen["message"].as_str().expect("a text")).expect("JSON");
    assert_eq!(payload["message"], line, "one frame, and all of it");
    assert_eq!(seen["subject"], evil.subject());

    let listed = wait_for("the instance", SOON, || {
        let listed = lastbeat.get("/api/v1/instances");
        listed.body.contains("onerror").then_some(listed)
    });
    for answer in [
        &listed,
        &lastbeat.get("/api/v1/status"),
        &lastbeat.get("/metrics"),
    ] {
        let head = answer.head.to_lowercase();
        assert!(
            head.contains("x-content-type-options: nosniff") && !head.contains("text/html"),
            "{head}"
        );
        assert!(!answer.body.contains('\u{1b}'), "{}", answer.body);
    }
    let metrics = lastbeat.get("/metrics").body;
    assert!(
        metrics.contains(r#"target_app="<img/src=x/onerror=alert(1)>\"\\""#),
        "{metrics}"
    );
    let rejected = lastbeat.metrics();
    assert_eq!(
        rejected.sum(
            "lastbeat_entries_rejected_total",
            &[("reason", "subject_text")]
        ),
        1.0
    );

    let url = format!("http://{}", lastbeat.server.address);
    let mut shown = Setup::new().env("LASTBEAT_URL", &url).command(&["status"]);
    shown.wait_end(SOON);
    let shown = shown.lines().join("\n");
    assert!(shown.contains("onerror"), "{shown}");
    let acts = |c: char| c.is_control() && c != '\n' || matches!(c, '\u{200b}' | '\u{202e}');
    assert!(!shown.contains(acts), "{shown:?}");
    assert!(
        !lastbeat.child.lines().join("\n").contains(acts),
        "its own log"
    );
    lastbeat.stop();
}

#[test]
fn who_may_not_see_learns_nothing_and_takes_no_reader_s_place() {
    let (_nats, lastbeat) = running(Some(TOKEN));
    let server = Server {
        token: Some(TOKEN.to_owned()),
        ..lastbeat.server.clone()
    };
    let mut held = Vec::new();
    for _ in 0..150 {
        let refused = Sse::ask(&lastbeat.server, "/api/logs", "");
        assert!(refused.head.contains(" 401 "), "{}", refused.head);
        held.push(refused);
    }
    for path in [
        "/api/v1/status",
        "/api/v1/nothing",
        "/api/v1/silences/1",
        "/api/",
    ] {
        assert_eq!(lastbeat.get(path).status, 401, "{path}");
    }
    let mut tail = Sse::open(&server, "/api/logs", "");
    assert!(tail.next().is_some());
    lastbeat.stop();
}
