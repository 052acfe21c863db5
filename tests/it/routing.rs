//! Who is told: notifiers of the rules, named by a rule, and changed while it runs.

use crate::support::feed::Feed;
use crate::support::lastbeat::Setup;
use crate::support::nats::{Nats, Peer};
use crate::support::org::org;
use crate::support::wait::wait_until;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

/// One request: its path, its Idempotency-Key, its body.
type Request = (String, String, Value);

/// An address that takes everything.
struct Hook {
    port: u16,
    taken: Arc<Mutex<Vec<Request>>>,
}

impl Hook {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let taken = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&taken);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let into = Arc::clone(&into);
                thread::spawn(move || {
                    let mut reader = BufReader::new(stream);
                    while let Some(request) = take(&mut reader) {
                        into.lock().expect("no thread panics").push(request);
                        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                        if reader.get_mut().write_all(answer).is_err() {
                            break;
                        }
                    }
                });
            }
        });
        Hook { port, taken }
    }

    /// `path state` of each request, sorted.
    fn told(&self) -> Vec<String> {
        let taken = self.taken.lock().expect("no thread panics");
        let mut told: Vec<String> = taken
            .iter()
            .map(|(path, _, body)| {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                format!("{path} {} {}", text(&body["rule"]), text(&body["state"]))
            })
            .collect();
        told.sort();
        told
    }
}

fn take(reader: &mut impl BufRead) -> Option<Request> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim().is_empty() {
            break;
        }
        lines.push(line);
    }
    let header = |name: &str| {
        let found = lines
            .iter()
            .find(|line| line.to_lowercase().starts_with(name));
        found
            .and_then(|line| line.split_once(": "))
            .map(|(_, value)| value.trim().to_owned())
    };
    let length: usize = header("content-length: ")?.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let path = lines[0].split(' ').nth(1)?.to_owned();
    let body = serde_json::from_slice(&body).ok()?;
    Some((path, header("idempotency-key: ")?, body))
}

#[test]
fn a_rule_tells_whom_it_names_and_notifiers_come_and_go_with_the_rules() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let hook = Hook::start();
    let instances = org(&["sandwich", "batch"], &["sjc", "ams"]);
    feed.beat(&instances, Duration::from_millis(500));
    let rules = "[[rule]]\nname = 'sandwiches'\napp = 'sandwich'\nmax_gap = '2s'\nnotify = 'oncall'\n\
                 [[rule]]\nname = 'others'\nmax_gap = '2s'\n";
    let notifier = |name: &str, path: &str| {
        format!("[notify.{name}]\ntype = 'webhook'\nurl = '${{HOOK}}/{path}'\n")
    };
    let lastbeat = Setup::new()
        .nats(&nats)
        .env("HOOK", &format!("http://127.0.0.1:{}/s3cret", hook.port))
        .rules("rules.toml", rules)
        .rules(
            "notify.toml",
            &format!(
                "{}{}",
                notifier("oncall", "oncall"),
                notifier("chat", "chat")
            ),
        )
        .start();
    lastbeat.wait_live(4);
    feed.silence(&instances[0]);
    feed.silence(&instances[3]);
    let opened = [
        "/s3cret/chat others opened",
        "/s3cret/oncall others opened",
        "/s3cret/oncall sandwiches opened",
    ];
    wait_until("both are told", SOON, || hook.told() == opened);

    // `chat` goes, `oncall` moves, `night` comes; what is open is closed where its rule tells now.
    let now = format!(
        "{}{}",
        notifier("oncall", "moved"),
        notifier("night", "night")
    );
    lastbeat.rewrite("notify.toml", &now);
    lastbeat.wait_metrics("the new notifier", SOON, |metrics| {
        metrics
            .all("lastbeat_notices_pending", &[("notifier", "night")])
            .count()
            == 1
    });
    feed.resume(&instances[0]);
    feed.resume(&instances[3]);
    let closed = [
        "/s3cret/chat others opened",
        "/s3cret/moved others closed",
        "/s3cret/moved sandwiches closed",
        "/s3cret/night others closed",
        "/s3cret/oncall others opened",
        "/s3cret/oncall sandwiches opened",
    ];
    wait_until("both ends are told", SOON, || hook.told() == closed);
    let keys: Vec<String> = hook
        .taken
        .lock()
        .expect("no thread panics")
        .iter()
        .map(|(_, key, body)| {
            let expected = format!(
                "{}-{}",
                body["incident"].as_str().unwrap_or_default(),
                body["state"].as_str().unwrap_or_default()
            );
            assert_eq!(*key, expected);
            key.clone()
        })
        .collect();
    assert_eq!(keys.len(), 6);
    assert_eq!(lastbeat.said(&["s3cret"]), 0, "an address is in the log");
    lastbeat.stop();
}
