use super::error_layer::ErrorLayer;
use super::*;
use crate::decode::settings::Secret;
use futures_util::FutureExt;
use std::process::Command;
use tracing_subscriber::layer::SubscriberExt;

/// A bound that is passed only where something hangs.
const SOON: Duration = Duration::from_secs(20);
/// Says to the child process of the test below that it is one.
const CHILD: &str = "LASTBEAT_TEST_PANIC_TO";

fn reporter() -> (SelfReporter, PendingReports) {
    SelfReporter::new(Redactor::new(["s3cret-token".to_owned()]))
}

fn taken(waiting: &PendingReports) -> Vec<SelfReport> {
    let messages = waiting.0.try_iter();
    let fault = |message| match message {
        Message::Fault(fault) => Some(fault),
        Message::Flush(_) => None,
    };
    messages.filter_map(fault).collect()
}

#[test]
fn errors_of_ours_are_caught_without_secrets_and_alerts_and_delivery_are_not() {
    let (reporter, waiting) = reporter();
    let log = tracing_subscriber::registry().with(ErrorLayer(reporter));
    tracing::subscriber::with_default(log, || {
        tracing::error!(target: "lastbeat::app::service", part = "x", "s3cret-token at https://h/key\x1b[2J");
        tracing::warn!(target: "lastbeat::app::service", "only a warning");
        tracing::error!(target: "lastbeat::alert", "HeartbeatMissed");
        tracing::error!(target: "lastbeat::app::delivery::queue", "given up");
        tracing::error!(target: TARGET, "lastbeat panicked");
        tracing::error!(target: "hyper", "somebody else's");
    });
    let faults = taken(&waiting);
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert_eq!(faults[0].kind, "error");
    assert_eq!(faults[0].text, "*** at https://h/*** part=\"x\"");
    assert!(
        faults[0].place.starts_with("src/app/self_report/tests.rs:"),
        "{}",
        faults[0].place
    );
}

#[test]
fn a_full_queue_blocks_nobody_and_a_muted_catcher_takes_nothing() {
    let (reporter, waiting) = reporter();
    for n in 0..100_u32 {
        // Far apart, so that the rate limit lets each through.
        let now = Mono::ZERO + Duration::from_secs(4000) * n;
        reporter.take_at("error", "x", &n.to_string(), now);
    }
    assert_eq!(taken(&waiting).len(), WAITING);
    let mute = SelfReporter::mute(Redactor::default());
    mute.take("panic", "x", "y");
    mute.flush();
}

/// A receiver that takes everything: what it was sent.
fn receiver() -> (u16, std::thread::JoinHandle<Vec<u8>>) {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let taken = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        stream.set_read_timeout(Some(SOON)).expect("a timeout");
        let mut all = Vec::new();
        let mut part = [0; 4096];
        while !String::from_utf8_lossy(&all).contains("\"exception\"") {
            let read = stream.read(&mut part).expect("more");
            assert!(
                read > 0,
                "the client hung up after {:?}",
                String::from_utf8_lossy(&all)
            );
            all.extend_from_slice(&part[..read]);
        }
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
            .expect("answered");
        all
    });
    (port, taken)
}

fn start(dsn: &str) -> SelfReporter {
    let (reporter, waiting) = reporter();
    let sentry = Sentry::new(
        &Secret::new(dsn),
        None,
        "lastbeat@0".to_owned(),
        "s".to_owned(),
    );
    let http_send = || crate::io::http_client::HttpClient::new().into_send();
    waiting
        .tell(sentry.expect("a DSN"), http_send)
        .expect("a thread");
    reporter
}

/// `run` with a panic in its core's thread: the child process of the test below. Alone it does nothing.
#[test]
fn child_that_panics() {
    let Ok(dsn) = std::env::var(CHILD) else {
        return;
    };
    let reporter = start(&dsn);
    reporter.hook_panics();
    let guard = reporter.flush_on_drop();
    let core = std::thread::Builder::new().name("core".to_owned());
    let died = core
        .spawn(|| panic!("no s3cret-token in the core"))
        .expect("a thread")
        .join();
    assert!(died.is_err());
    drop(guard);
    std::process::exit(3);
}

#[test]
fn a_panic_of_the_core_leaves_before_the_program_ends() {
    let (port, taken) = receiver();
    let child = Command::new(std::env::current_exe().expect("this program"))
        .args([
            "--exact",
            "app::self_report::tests::child_that_panics",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(CHILD, format!("http://dsnkey@127.0.0.1:{port}/1"))
        .output()
        .expect("the child runs");
    assert_eq!(
        child.status.code(),
        Some(3),
        "{}",
        String::from_utf8_lossy(&child.stderr)
    );
    let taken = String::from_utf8(taken.join().expect("taken")).expect("text");
    assert!(
        taken.contains("\"LastbeatPanic\"") && taken.contains("thread core: no *** in the core"),
        "{taken}"
    );
    assert!(
        taken.contains("\"own\":\"true\"") && !taken.contains("s3cret-token"),
        "{taken}"
    );
    let said = [child.stdout, child.stderr].concat();
    assert!(!String::from_utf8_lossy(&said).contains("s3cret-token"));
}

#[test]
fn a_peer_that_hangs_holds_the_end_for_a_bounded_time() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let reporter = start(&format!("http://key@127.0.0.1:{port}/1"));
    reporter.take("panic", "x", "y:1");
    let clock = Clock::start();
    let before = clock.mono();
    reporter.flush();
    let took = clock.mono().since(before);
    assert!(
        took >= FLUSH_AFTER_PANIC && took < FLUSH_AFTER_PANIC * 3,
        "{took:?}"
    );
    drop(listener);
}

#[tokio::test]
async fn what_was_delivered_or_failed_is_not_tried_again() {
    let tries = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counts = Arc::clone(&tries);
    let http_send: HttpSend = Arc::new(move |_| {
        counts.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let peer = "http://x".to_owned();
        async { Err(crate::io::http_client::RequestFault::Timeout { peer, within: SOON }) }.boxed()
    });
    let (reporter, waiting) = reporter();
    reporter.take("error", "x", "y:1");
    drop(reporter);
    let sentry = Sentry::new(
        &Secret::new("http://key@h/1"),
        None,
        "r".to_owned(),
        "s".to_owned(),
    );
    tell(&waiting.0, &sentry.expect("a DSN"), &http_send).await;
    assert_eq!(tries.load(std::sync::atomic::Ordering::Relaxed), 1);
}
