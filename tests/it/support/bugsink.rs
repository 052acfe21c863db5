//! A real Sentry-compatible server, one for all tests, a project for each.

use super::child::{Child, command};
use super::folder::Folder;
use super::http::Server;
use super::testbed::{fetched, script};
use super::wait::{wait_for, wait_until};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, mpsc};
use std::time::{Duration, SystemTime};
use std::{fs, thread};

/// Half a second alone; more where many tests start at once.
const START: Duration = Duration::from_secs(30);
const API: &str = "/api/canonical/0";

/// One test's project.
pub struct Project {
    id: String,
    dsn: String,
}

/// One event as the server keeps it.
#[derive(Clone, Debug)]
pub struct Event {
    /// The issue into which it was grouped.
    pub issue: String,
    /// Wall clock: when the server had it.
    pub ingested: SystemTime,
    /// The event as it was sent.
    pub data: Value,
}

impl Event {
    /// A tag's value; empty where there is none.
    pub fn tag(&self, key: &str) -> &str {
        self.data["tags"][key].as_str().unwrap_or_default()
    }

    /// The exception's type: the first word of the title.
    pub fn kind(&self) -> &str {
        self.exception("type")
    }

    /// The exception's value: the rest of the title.
    pub fn value(&self) -> &str {
        self.exception("value")
    }

    /// The level; Sentry takes a missing one for an error.
    pub fn level(&self) -> &str {
        self.data["level"].as_str().unwrap_or("error")
    }

    fn exception(&self, key: &str) -> &str {
        let values = &self.data["exception"];
        let first = if values.is_array() {
            &values[0]
        } else {
            &values["values"][0]
        };
        first[key].as_str().unwrap_or_default()
    }
}

impl Project {
    /// A new, empty one. `name` is for people who look into the server's database after a failure.
    pub fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("{name} {}", COUNT.fetch_add(1, Ordering::Relaxed));
        let server = server();
        let team =
            TEAM.get_or_init(|| text(&post(server, "/teams/", &json!({"name": "tests"}))["id"]));
        let id = text(&post(server, "/projects/", &json!({"name": name, "team": team}))["id"]);
        let dsn = text(&get(server, &format!("/projects/{id}/"))["dsn"]);
        Project { id, dsn }
    }

    /// Where its events go.
    pub fn dsn(&self) -> &str {
        &self.dsn
    }

    /// How many events it has.
    pub fn count(&self) -> u64 {
        self.issues()
            .iter()
            .map(|issue| issue["digested_event_count"].as_u64().unwrap_or_default())
            .sum()
    }

    /// All of its events, in the order of their arrival.
    pub fn events(&self) -> Vec<Event> {
        let mut events: Vec<Event> = self
            .issues()
            .iter()
            .flat_map(|issue| events_of(&text(&issue["id"])))
            .collect();
        events.sort_by_key(|event| event.ingested);
        events
    }

    /// Waits until it has so many events.
    #[track_caller]
    pub fn wait_events(&self, count: u64, within: Duration) -> Vec<Event> {
        wait_until(
            &format!("event {count} at the Sentry-compatible server"),
            within,
            || self.count() >= count,
        );
        self.events()
    }

    /// What it was told of alerts by the end of a test: so many events, each kept whole by Sentry's own normaliser.
    /// Faults of lastbeat's own are none of them.
    #[track_caller]
    pub fn only(&self, count: usize) -> Vec<Event> {
        let mut events = self.events();
        events.retain(|event| event.tag("own").is_empty());
        // Shown with --nocapture, and where the test fails.
        for event in &events {
            println!("{} {}: {}", event.tag("state"), event.kind(), event.value());
        }
        assert_eq!(events.len(), count, "events at the end");
        kept_whole(&events);
        events
    }

    fn issues(&self) -> Vec<Value> {
        results(server(), &format!("/issues/?project={}", self.id))
    }
}

/// Into how many issues these events were grouped.
pub fn issues(events: &[Event]) -> usize {
    events
        .iter()
        .map(|event| &event.issue)
        .collect::<BTreeSet<_>>()
        .len()
}

/// Runs Sentry's own normaliser over the events: it would drop and rewrite nothing.
#[track_caller]
pub fn kept_whole(events: &[Event]) {
    let events: Vec<&Value> = events.iter().map(|event| &event.data).collect();
    let mut process = Command::new(fetched("sentry-relay/bin/python"))
        .arg(script("sentry_normalise.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python starts");
    let mut stdin = process.stdin.take().expect("the pipe was asked for");
    stdin
        .write_all(json!(events).to_string().as_bytes())
        .expect("the normaliser reads");
    drop(stdin);
    let output = process.wait_with_output().expect("the normaliser ends");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "Sentry would change these events ({}): {said}",
        output.status
    );
}

static TEAM: OnceLock<String> = OnceLock::new();

/// The one server; started by the first who asks.
fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(start)
}

/// Starts the server from a thread that ends with the tests: the kernel ends a child together with the thread
/// that started it.
fn start() -> Server {
    let venv = fetched("bugsink");
    let token =
        fs::read_to_string(fetched("bugsink/template/token")).expect("tests/run wrote the token");
    let folder = Folder::new("bugsink");
    let port = free_port();
    let (started, starting) = mpsc::channel();
    thread::spawn(move || {
        let mut command = command(script("bugsink.sh"));
        command
            .arg("run")
            .arg(venv)
            .arg(folder.path())
            .arg(port.to_string());
        let child = Child::start("bugsink", &mut command);
        // The receiver waits for this one message.
        let _ = started.send(());
        let _kept = (child, folder);
        loop {
            thread::park();
        }
    });
    starting
        .recv()
        .expect("the server's thread lives as long as the tests");
    let server = Server {
        address: format!("127.0.0.1:{port}"),
        token: Some(token.trim().to_owned()),
    };
    wait_until("the Sentry-compatible server", START, || {
        server.get("/health/ready").is_ok_and(|a| a.status == 200)
    });
    server
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener
        .local_addr()
        .expect("a bound listener has an address")
        .port()
}

fn events_of(issue: &str) -> Vec<Event> {
    let rows = results(server(), &format!("/events/?issue={issue}"));
    rows.iter()
        .map(|row| event(issue, &text(&row["id"])))
        .collect()
}

fn event(issue: &str, id: &str) -> Event {
    let row = get(server(), &format!("/events/{id}/"));
    let ingested =
        humantime::parse_rfc3339(&text(&row["ingested_at"])).expect("the server writes RFC 3339");
    Event {
        issue: issue.to_owned(),
        ingested,
        data: row["data"].clone(),
    }
}

/// Rows of a listing; one page of them, which the tests never fill.
fn results(server: &Server, path: &str) -> Vec<Value> {
    let page = get(server, path);
    assert!(page["next"].is_null(), "{path}: more than one page of rows");
    page["results"].as_array().cloned().unwrap_or_default()
}

fn get(server: &Server, path: &str) -> Value {
    // SQLite has one writer: a server that is busy storing may say so once.
    let answer = wait_for(&format!("an answer to GET {path}"), START, || {
        server
            .get(&format!("{API}{path}"))
            .ok()
            .filter(|answer| answer.status < 500)
    });
    assert_eq!(answer.status, 200, "GET {path}: {}", answer.body);
    serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("GET {path}: {error}"))
}

/// Makes something. One at a time: SQLite has one writer.
fn post(server: &Server, path: &str, body: &Value) -> Value {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock();
    let answer = server
        .post(&format!("{API}{path}"), body)
        .unwrap_or_else(|error| panic!("POST {path}: {error}"));
    assert_eq!(answer.status, 201, "POST {path}: {}", answer.body);
    serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("POST {path}: {error}"))
}

/// An id comes as text or as a number.
fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
