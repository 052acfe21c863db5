//! Answers made smaller: for who asks, and the same when they are unpacked.

use crate::support::feed::Feed;
use crate::support::http::Server;
use crate::support::lastbeat::{Lastbeat, Setup, WEB_TOKEN};
use crate::support::nats::{Nats, Peer};
use crate::support::org::org;
use crate::support::prometheus::Prometheus;
use crate::support::wait::{wait_for, wait_until};
use flate2::read::GzDecoder;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

fn running() -> (Nats, Feed, Lastbeat) {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let lastbeat = Setup::new().nats(&nats).start();
    nats.wait_subscribed("logs.>");
    feed.beat(
        &org(&["web", "api", "batch"], &["ams", "iad", "sjc", "nrt"]),
        Duration::from_secs(1),
    );
    lastbeat.wait_live(12);
    (nats, feed, lastbeat)
}

/// Head and body as they came.
fn ask(lastbeat: &Lastbeat, path: &str, headers: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(&lastbeat.server.address).expect("it listens");
    stream.set_read_timeout(Some(SOON)).expect("a bound");
    let host = &lastbeat.server.address;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {WEB_TOKEN}\r\n{headers}Connection: close\r\n\r\n"
    )
    .expect("it reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it answers");
    let end = answer
        .windows(4)
        .position(|at| at == b"\r\n\r\n")
        .expect("a head");
    let body = answer.split_off(end + 4);
    (String::from_utf8(answer).expect("a head is text"), body)
}

fn unpacked(bytes: &[u8]) -> String {
    let mut text = String::new();
    GzDecoder::new(bytes)
        .read_to_string(&mut text)
        .expect("gzip of a text");
    text
}

fn header<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    lines
        .filter(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
        .collect()
}

#[test]
fn page_and_long_json_come_packed_with_their_length_and_the_same_text() {
    let (_nats, _feed, lastbeat) = running();
    let gzip = "Accept-Encoding: gzip, br\r\n";
    for (path, accept) in [
        ("/", "Accept: text/html\r\n"),
        ("/page.js", ""),
        ("/page.css", ""),
        ("/api/v1/openapi.json", ""),
    ] {
        let (_, plain) = ask(&lastbeat, path, accept);
        let (head, packed) = ask(&lastbeat, path, &format!("{accept}{gzip}"));
        assert_eq!(
            header(&head, "content-encoding"),
            ["gzip"],
            "{path}: {head}"
        );
        assert_eq!(
            header(&head, "content-length"),
            [packed.len().to_string()],
            "{path}"
        );
        assert!(
            header(&head, "vary").contains(&"Accept-Encoding"),
            "{path}: {head}"
        );
        assert_eq!(unpacked(&packed).as_bytes(), plain, "{path}");
        assert!(
            packed.len() * 2 < plain.len(),
            "{path}: {} of {}",
            packed.len(),
            plain.len()
        );
        let tag = header(&head, "etag")[0];
        let (known, nothing) = ask(
            &lastbeat,
            path,
            &format!("{accept}{gzip}If-None-Match: {tag}\r\n"),
        );
        assert!(
            known.starts_with("HTTP/1.1 304 ") && nothing.is_empty(),
            "{path}: {known}"
        );
        assert!(
            header(&known, "vary").contains(&"Accept-Encoding"),
            "{path}: {known}"
        );
    }
    let (head, packed) = ask(&lastbeat, "/api/v1/instances", gzip);
    assert_eq!(header(&head, "content-encoding"), ["gzip"], "{head}");
    assert_eq!(header(&head, "cache-control"), ["no-store"], "{head}");
    assert!(unpacked(&packed).contains("\"web\""));
    let (head, short) = ask(&lastbeat, "/api/v1/silences", gzip);
    assert_eq!(
        (header(&head, "content-encoding").len(), short[0]),
        (0, b'{'),
        "{head}"
    );
    let refused = ask(
        &lastbeat,
        "/api/v1/instances",
        "Accept-Encoding: gzip;q=0\r\n",
    );
    assert_eq!(
        (header(&refused.0, "content-encoding").len(), refused.1[0]),
        (0, b'{')
    );
    let tail = crate::support::sse::Sse::open(&lastbeat.server, "/api/logs", gzip);
    assert!(!tail.head.contains("content-encoding"), "{}", tail.head);
    lastbeat.stop();
}

/// Passes connections on, and keeps what the server says.
fn relay(to: &str) -> (Server, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let (kept, to) = (Arc::new(Mutex::new(Vec::new())), to.to_owned());
    let keeps = Arc::clone(&kept);
    thread::spawn(move || {
        for near in listener.incoming().flatten() {
            let Ok(far) = TcpStream::connect(&to) else {
                return;
            };
            let (mut asks, mut says) = (
                near.try_clone().expect("a socket"),
                far.try_clone().expect("a socket"),
            );
            let (mut near, mut far, keeps) = (near, far, Arc::clone(&keeps));
            // Both end with the test.
            thread::spawn(move || io::copy(&mut asks, &mut far));
            thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(read @ 1..) = says.read(&mut buffer) {
                    keeps
                        .lock()
                        .expect("nobody panics with it")
                        .extend_from_slice(&buffer[..read]);
                    if near.write_all(&buffer[..read]).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (Server::local(port), kept)
}

#[test]
fn prometheus_asks_for_packed_scrapes_and_reads_them() {
    let (_nats, _feed, lastbeat) = running();
    // A row may be new between two scrapes.
    let (packed, text) = wait_for("two scrapes with the same rows", SOON, || {
        let (_, plain) = ask(&lastbeat, "/metrics", "");
        let (head, packed) = ask(&lastbeat, "/metrics", "Accept-Encoding: gzip\r\n");
        assert_eq!(header(&head, "content-length"), [packed.len().to_string()]);
        let (plain, text) = (String::from_utf8(plain).expect("text"), unpacked(&packed));
        (plain.lines().count() == text.lines().count()).then_some((packed, text))
    });
    assert!(
        packed.len() * 4 < text.len(),
        "{} of {}",
        packed.len(),
        text.len()
    );

    let (server, kept) = relay(&lastbeat.server.address);
    let prometheus = Prometheus::start(&server);
    wait_until("twelve live instances in Prometheus", SOON, || {
        let rows = prometheus.query("sum(lastbeat_instances{verdict=\"live\"}) == 12");
        rows.is_ok_and(|rows| rows.len() == 1)
    });
    let said = kept.lock().expect("nobody panics with it").clone();
    let said = String::from_utf8_lossy(&said);
    let answers = said.matches("HTTP/1.1 200 OK").count();
    assert!(
        answers >= 2 && said.matches("content-encoding: gzip").count() == answers,
        "{answers} answers"
    );
    lastbeat.stop();
}
