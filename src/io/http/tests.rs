mod program;

use super::connection_limit::{ConnectionLimit, MAX_CONNECTIONS};
use super::server::{MAX_HEAD_BYTES, MAX_HEADERS, WRITE_TIMEOUT, connection};
use super::write_timeout::WriteTimeout;
use super::*;
use arc_swap::ArcSwap;
use program::Program;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};

/// A bound on every wait here; passed only where something hangs.
const BOUND: Duration = Duration::from_secs(20);

struct Running {
    at: SocketAddr,
    stop: oneshot::Sender<()>,
    done: tokio::task::JoinHandle<()>,
    readiness: Arc<ArcSwap<Readiness>>,
}

fn state(core_hangs: bool, bytes: usize, readiness: &Arc<ArcSwap<Readiness>>) -> Arc<AppState> {
    let backend = Box::new(Program { core_hangs, bytes });
    let readiness = Arc::clone(readiness);
    let (tails, events) = Default::default();
    let access = Arc::new(WebAccess::new(None, false));
    Arc::new(AppState::new(backend, readiness, access, tails, events))
}

/// A listener that shows that.
async fn running(core_hangs: bool, bytes: usize) -> Running {
    let readiness = Arc::new(ArcSwap::from_pointee(Readiness::not_yet(
        "nats",
        "not connected yet",
    )));
    let state = state(core_hangs, bytes, &readiness);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let at = listener.local_addr().expect("bound");
    let (stop, stopped) = oneshot::channel::<()>();
    let stop_now = async move { drop(stopped.await) };
    let done = tokio::spawn(serve(listener, state, stop_now));
    Running {
        at,
        stop,
        done,
        readiness,
    }
}

/// Sends these bytes and reads until the listener closes.
async fn say(at: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(at).await.expect("a listener");
    stream.write_all(bytes).await.expect("sent");
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    // A reset after the answer is an end as well.
    let _ = tokio::time::timeout(BOUND, read)
        .await
        .expect("an end of the answer");
    String::from_utf8_lossy(&answer).into_owned()
}

async fn ask(at: SocketAddr, method: &str, path: &str) -> String {
    say(
        at,
        format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            .as_bytes(),
    )
    .await
}

#[tokio::test]
async fn each_path_answers_and_others_say_what_there_is() {
    let running = running(false, 3).await;
    let health = ask(running.at, "GET", "/healthz").await;
    assert!(
        health.starts_with("HTTP/1.1 200 ") && health.ends_with("\r\n\r\nok\n"),
        "{health}"
    );
    let page = ask(running.at, "GET", "/?x=1").await;
    assert!(
        page.contains("/metrics") && page.contains("content-type: text/plain"),
        "{page}"
    );
    let metrics = ask(running.at, "GET", "/metrics").await;
    assert!(
        metrics.contains("content-type: text/plain; version=0.0.4"),
        "{metrics}"
    );
    assert!(metrics.ends_with("\r\n\r\nmmm"), "{metrics}");
    let head = ask(running.at, "HEAD", "/metrics").await;
    assert!(
        head.contains("content-length: 3") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
    let nothing = ask(running.at, "GET", "/nothing").await;
    assert!(
        nothing.starts_with("HTTP/1.1 404 ") && nothing.contains("/readyz"),
        "{nothing}"
    );
    let post = ask(running.at, "POST", "/metrics").await;
    assert!(
        post.starts_with("HTTP/1.1 405 ") && post.contains("allow: GET, HEAD"),
        "{post}"
    );
}

#[tokio::test]
async fn readiness_is_read_anew_for_each_request() {
    let running = running(false, 0).await;
    let not_yet = ask(running.at, "GET", "/readyz").await;
    assert!(not_yet.starts_with("HTTP/1.1 503 "), "{not_yet}");
    assert!(
        not_yet
            .ends_with(r#"{"ready":false,"reasons":[{"part":"nats","what":"not connected yet"}]}"#),
        "{not_yet}"
    );
    running.readiness.store(Arc::default());
    let ready = ask(running.at, "GET", "/readyz").await;
    assert!(ready.starts_with("HTTP/1.1 200 "), "{ready}");
    assert!(ready.ends_with(r#"{"ready":true,"reasons":[]}"#), "{ready}");
}

#[tokio::test]
async fn a_core_that_hangs_costs_a_scrape_two_seconds_and_its_values() {
    let running = running(true, 3).await;
    let scrapes = (0..8).map(|_| ask(running.at, "GET", "/metrics"));
    let all = tokio::time::timeout(BOUND, futures_util::future::join_all(scrapes))
        .await
        .expect("answers");
    for metrics in all {
        assert!(metrics.ends_with("\r\n\r\nmmm"), "{metrics}");
    }
}

#[tokio::test]
async fn nonsense_and_endless_heads_are_refused() {
    let running = running(false, 0).await;
    assert!(
        say(running.at, b"\x16\x03\x01\x00 no http\r\n\r\n")
            .await
            .starts_with("HTTP/1.1 400 ")
    );
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(2 * MAX_HEAD_BYTES));
    let answer = say(running.at, long.as_bytes()).await;
    assert!(!answer.contains(" 200 "), "{answer}");
    let many = format!(
        "GET / HTTP/1.1\r\n{}\r\n",
        "a: b\r\n".repeat(MAX_HEADERS + 1)
    );
    assert!(
        say(running.at, many.as_bytes())
            .await
            .starts_with("HTTP/1.1 431 ")
    );
    assert!(ask(running.at, "GET", "/healthz").await.ends_with("ok\n"));
}

#[tokio::test]
async fn clients_that_hold_every_seat_lose_them() {
    let running = running(false, 0).await;
    let mut silent = Vec::new();
    for _ in 0..MAX_CONNECTIONS {
        silent.push(TcpStream::connect(running.at).await.expect("a place"));
    }
    assert!(ask(running.at, "GET", "/healthz").await.ends_with("ok\n"));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_nothing_is_cut_off() {
    let (near, mut far) = tokio::io::duplex(16);
    let mut near = WriteTimeout::new(near, WRITE_TIMEOUT);
    let fault = near.write_all(&[0; 64]).await.expect_err("nobody reads");
    assert_eq!(fault.kind(), io::ErrorKind::TimedOut);
    let reader = tokio::spawn(async move {
        let mut slowly = [0; 4];
        for _ in 0..40 {
            tokio::time::advance(WRITE_TIMEOUT / 2).await;
            far.read_exact(&mut slowly).await.expect("bytes");
        }
    });
    near.write_all(&[0; 100]).await.expect("slow is not dead");
    reader.abort();
}

/// A reader of a stream may pause for a minute, a reader of a whole answer for ten seconds.
#[tokio::test(start_paused = true)]
async fn who_takes_nothing_is_cut_off_after_as_long_as_its_answer_allows() {
    let router = router::router(state(false, 1 << 20, &Arc::default()));
    let limit = Arc::new(ConnectionLimit::new(MAX_CONNECTIONS));
    let (_closing, open) = watch::channel(());
    for (path, seconds) in [("/api/logs", 60), ("/api/v1/events", 60), ("/healthz", 10)] {
        let (near, mut far) = tokio::io::duplex(32);
        let peer = IpAddr::from([127, 0, 0, 1]);
        let slot = limit.acquire(peer).expect("there is room");
        let asks = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        let asks = async {
            far.write_all(asks.as_bytes()).await.expect("it reads");
            std::future::pending::<()>().await;
        };
        let talk = connection(near, peer, slot, router.clone(), open.clone());
        let mut talk = pin!(async {
            tokio::select! {
                () = talk => (),
                () = asks => (),
            }
        });
        let soon = Duration::from_secs(seconds - 1);
        let early = tokio::time::timeout(soon, &mut talk).await;
        assert!(early.is_err(), "{path} was cut off too soon");
        let late = tokio::time::timeout(Duration::from_secs(2), &mut talk).await;
        assert!(late.is_ok(), "{path} is waited for still");
    }
}

#[tokio::test]
async fn it_stops_soon_whoever_is_connected() {
    let running = running(false, 64 << 20).await;
    let _idle = TcpStream::connect(running.at).await.expect("a listener");
    let mut greedy = TcpStream::connect(running.at).await.expect("a listener");
    greedy
        .write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .expect("sent");
    greedy
        .read_exact(&mut [0; 12])
        .await
        .expect("the beginning of the answer");
    running.stop.send(()).expect("it runs");
    let ended = tokio::time::timeout(Duration::from_secs(3), running.done)
        .await
        .expect("stopped in time");
    ended.expect("no panic");
    assert!(
        TcpStream::connect(running.at).await.is_err(),
        "nobody listens any more"
    );
}

/// Asks the API as a program on this machine; the status and the body.
async fn ask_api(at: SocketAddr, head: &str, body: &str) -> (u16, String) {
    let length = body.len();
    let request = format!(
        "{head} HTTP/1.1\r\nhost: {at}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    let answer = say(at, request.as_bytes()).await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("a whole answer");
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    (status.expect("a status"), body.trim().to_owned())
}

#[tokio::test]
async fn the_api_says_clearly_what_it_does_not_take() {
    let running = running(false, 0).await;
    let json = "content-type: application/json; charset=utf-8";
    let path = "/api/v1/silences";
    let good = r#"{"app":"web","duration":"1h","reason":"x","author":"ada"}"#;
    let cases = [
        (format!("GET {path}"), "", 200, r#"{"silences":[]}"#),
        (format!("POST {path}"), good, 415, "Content-Type"),
        (format!("PUT {path}"), good, 405, "GET, HEAD, POST"),
        (format!("GET {path}/1"), "", 405, "DELETE"),
        (
            format!("DELETE {path}/1"),
            "",
            404,
            "no silence has this id",
        ),
        (format!("DELETE {path}/rules-1"), "", 409, "rule files"),
        (
            "GET /api/v1/incidents/1/acknowledge".to_owned(),
            "",
            405,
            "POST",
        ),
        ("GET /api/v2".to_owned(), "", 404, "known are /api/logs"),
    ];
    for (head, body, status, words) in cases {
        let (found, said) = ask_api(running.at, &head, body).await;
        assert!(
            found == status && said.contains(words),
            "{head}: {found} {said}"
        );
    }
    let post = async |headers: &str, body: &str| {
        let (at, length) = (running.at, body.len());
        let request = format!(
            "POST {path} HTTP/1.1\r\n{headers}\r\nhost: {at}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        say(at, request.as_bytes()).await
    };
    assert!(
        post(json, good).await.starts_with("HTTP/1.1 507 "),
        "no room"
    );
    assert!(post(json, "{").await.starts_with("HTTP/1.1 400 "));
    let foreign = format!("{json}\r\norigin: http://evil.example");
    assert!(post(&foreign, good).await.starts_with("HTTP/1.1 403 "));
    let long = "x".repeat(17_000);
    assert!(post(json, &long).await.starts_with("HTTP/1.1 413 "));
}

#[tokio::test]
async fn the_history_is_read_page_by_page_and_one_by_one() {
    let running = running(false, 0).await;
    let at = running.at;
    let get = async |query: &str| {
        let (status, body) = ask_api(at, &format!("GET /api/v1/incidents{query}"), "").await;
        let value: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        (status, value)
    };
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let (status, page) = get(&format!("?state=open&limit=50{cursor}")).await;
        assert_eq!(status, 200, "{page}");
        let rows = page["incidents"].as_array().expect("rows");
        seen.extend(
            rows.iter()
                .map(|row| row["id"].as_str().unwrap_or_default().to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let expected: Vec<String> = (1..=250)
        .rev()
        .filter(|n| n % 2 == 1)
        .map(|n| format!("{n:012x}"))
        .collect();
    assert_eq!(seen, expected);
    let (_, one) = get("/0000000000fa").await;
    assert_eq!(
        (&one["state"], &one["reason"]),
        (&"closed".into(), &"resolved".into()),
        "{one}"
    );
    assert_eq!(one["timeline"][0]["what"], "opened");
    assert_eq!(get("/0000000000fb").await.0, 404);
    assert_eq!(get("/0").await.0, 404);
    assert_eq!(get("/x").await.0, 404);
    let acknowledge = async |id: &str, body: &str| {
        let request = format!(
            "POST /api/v1/incidents/{id}/acknowledge HTTP/1.1\r\ncontent-type: application/json\r\nhost: {at}\r\n\
             connection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        say(at, request.as_bytes()).await
    };
    let body = r#"{"note":"looking","author":"ada"}"#;
    for (id, body, status, words) in [
        ("fb", body, 404, "no incident has this id"),
        ("fa", body, 409, "this incident is over"),
        ("f9", body, 200, "0000000000f9"),
        ("f9", "{}", 400, "author: missing"),
    ] {
        let answer = acknowledge(id, body).await;
        let is_so = answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.contains(words);
        assert!(is_so, "{id}: {answer}");
    }
    let (status, refused) = get("?stat=open&limit=many").await;
    assert_eq!(
        (status, refused["faults"].as_array().map(Vec::len)),
        (400, Some(2)),
        "{refused}"
    );
    let (status, broken) = get("?app=broken").await;
    assert!(
        status == 503
            && broken["error"]
                .as_str()
                .is_some_and(|said| said.contains("the disk is gone"))
    );
}

#[tokio::test]
async fn a_drill_is_asked_for_as_a_silence_is_and_says_who_took_it() {
    let running = running(false, 0).await;
    let at = running.at;
    assert_eq!(ask_api(at, "GET /api/v1/drill", "").await.0, 405);
    assert_eq!(ask_api(at, "POST /api/v1/drill", "").await.0, 415);
    let json = "POST /api/v1/drill HTTP/1.1\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: 0";
    let foreign = say(
        at,
        format!("{json}\r\nhost: evil.example\r\n\r\n").as_bytes(),
    )
    .await;
    assert!(foreign.starts_with("HTTP/1.1 403 "), "{foreign}");
    let answer = say(at, format!("{json}\r\nhost: {at}\r\n\r\n").as_bytes()).await;
    assert!(
        answer.contains(r#""notifier":"oncall""#) && answer.contains(r#""well":false"#),
        "{answer}"
    );
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let running = running(false, 0).await;
    let at = running.at;
    let request = format!(
        "POST /api/v1/silences HTTP/1.1\r\nhost: {at}\r\ncontent-type: application/json\r\nconnection: close\r\n\
         content-length: 100\r\n\r\n{{"
    );
    let answer = say(at, request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}
