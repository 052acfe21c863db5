//! A log shipper of the tests' own, with Vector's names of metrics, and the sink that it sends to. Each can be broken in
//! the ways in which real ones break.

use super::nats::{Nats, ORG, TOKEN};
use super::receiver::{Taken, take};
use super::wait::let_pass;
use futures_util::StreamExt;
use std::io::{BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;
use tokio::runtime::Builder;

/// Entries of one answer of the sink.
const LIMIT: usize = 1_000;
/// Between two attempts to deliver.
const RETRY: Duration = Duration::from_millis(100);

/// The part that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// None.
    Nothing,
    /// The shipper receives nothing.
    Subscription,
    /// The shipper is gone, with its metrics.
    Shipper,
    /// The sink takes nothing.
    Sink,
    /// The sink takes entries slowly.
    Slow,
    /// The store of the sink drops each tenth canary, and each tenth of everything else.
    Drops,
    /// Queries are answered with 401.
    Refused,
    /// Queries are not answered.
    Hangs,
    /// The shipper's metrics are answered with 500.
    Metrics,
}

/// A shipper with its sink.
pub struct LogShipper {
    shared: Arc<Shared>,
    sink: u16,
    metrics: u16,
}

struct Shared {
    broken: Mutex<Broken>,
    stored: Mutex<Vec<String>>,
    received: AtomicU64,
    sent: AtomicU64,
}

impl Shared {
    fn broken(&self) -> Broken {
        *self.broken.lock().expect("no thread panics")
    }
}

impl LogShipper {
    /// Ships `logs.>` of the organisation.
    pub fn start(nats: &Nats) -> Self {
        let shared = Arc::new(Shared {
            broken: Mutex::new(Broken::Nothing),
            stored: Mutex::default(),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
        });
        let sink = serve(&shared, answer_of_sink);
        let metrics = serve(&shared, answer_of_metrics);
        let (entries, taken) = mpsc::channel();
        let of_stream = Arc::clone(&shared);
        let url = nats.url();
        thread::spawn(move || receive(&url, &of_stream, &entries));
        let of_sink = Arc::clone(&shared);
        thread::spawn(move || deliver(sink, &of_sink, &taken));
        LogShipper {
            shared,
            sink,
            metrics,
        }
    }

    /// Breaks a part, or mends it.
    pub fn set(&self, broken: Broken) {
        *self.shared.broken.lock().expect("no thread panics") = broken;
    }

    /// Its part of a rule file, with a search for canaries.
    pub fn rule(&self, name: &str) -> String {
        let (sink, metrics) = (self.sink, self.metrics);
        format!(
            "[[downstream]]\nname = '{name}'\nmax_delay = '5s'\nevery = '1s'\n\
             [downstream.find]\nurl = 'http://127.0.0.1:{sink}/search?q={{nonce}}&since={{since_s}}'\n\
             headers = {{ Authorization = 'Bearer s3cret-of-sink' }}\n\
             [downstream.shipper]\nmetrics = 'http://127.0.0.1:{metrics}/metrics'\n\
             in = 'vector_component_received_events_total{{component_id=\"nats\"}}'\n\
             out = 'vector_component_sent_events_total{{component_id=\"sink\"}}'\n"
        )
    }
}

/// Receives entries, and counts them.
fn receive(url: &str, shared: &Shared, entries: &mpsc::Sender<String>) {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime needs no more than threads");
    runtime.block_on(async {
        let options = async_nats::ConnectOptions::with_user_and_password(ORG.into(), TOKEN.into());
        let options = options.reconnect_delay_callback(|_| Duration::from_millis(200));
        let client = options
            .connect(url)
            .await
            .expect("the organisation may connect");
        let mut messages = client.subscribe("logs.>").await.expect("it may subscribe");
        while let Some(message) = messages.next().await {
            if matches!(shared.broken(), Broken::Subscription | Broken::Shipper) {
                continue;
            }
            shared.received.fetch_add(1, Ordering::Relaxed);
            let text = String::from_utf8_lossy(&message.payload).into_owned();
            if entries.send(text).is_err() {
                break;
            }
        }
    });
}

/// Delivers one entry after another, until each is taken.
fn deliver(sink: u16, shared: &Shared, entries: &mpsc::Receiver<String>) {
    for entry in entries {
        loop {
            if shared.broken() == Broken::Shipper {
                // What it held is gone with it.
                break;
            }
            if post(sink, &entry).is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")) {
                shared.sent.fetch_add(1, Ordering::Relaxed);
                break;
            }
            let_pass(RETRY);
        }
    }
}

fn post(port: u16, entry: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    let length = entry.len();
    write!(
        stream,
        "POST /ingest HTTP/1.1\r\nhost: sink\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{entry}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Serves on a free port, a thread for each connection; `None` as an answer closes it without a word.
fn serve(shared: &Arc<Shared>, answer: fn(&Shared, &Taken) -> Option<(u16, String)>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let shared = Arc::clone(shared);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let mut reader = BufReader::new(stream);
                let Some(request) = take(&mut reader) else {
                    return;
                };
                let Some((status, body)) = answer(&shared, &request) else {
                    return;
                };
                let length = body.len();
                let head = format!(
                    "HTTP/1.1 {status} Answer\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
                );
                // The client may be gone.
                let _ = reader.get_mut().write_all((head + &body).as_bytes());
            });
        }
    });
    port
}

fn answer_of_sink(shared: &Shared, request: &Taken) -> Option<(u16, String)> {
    let broken = shared.broken();
    if request.head.starts_with("POST") {
        if broken == Broken::Sink {
            return Some((503, String::new()));
        }
        if broken == Broken::Slow {
            let_pass(Duration::from_millis(400));
        }
        let mut stored = shared.stored.lock().expect("no thread panics");
        let is_dropped = broken == Broken::Drops && is_tenth(&request.body);
        if !is_dropped {
            stored.push(request.body.clone());
        }
        return Some((200, String::new()));
    }
    match broken {
        Broken::Refused => return Some((401, "no such token: s3cret-of-sink".to_owned())),
        Broken::Hangs => {
            // Until the part is mended.
            while shared.broken() == Broken::Hangs {
                let_pass(RETRY);
            }
            return None;
        }
        _ => {}
    }
    let query = request.head.split(['?', ' ']).nth(2)?;
    let nonce = query.split('&').find_map(|pair| pair.strip_prefix("q="))?;
    let stored = shared.stored.lock().expect("no thread panics");
    let found = stored
        .iter()
        .rev()
        .filter(|entry| entry.contains(nonce))
        .take(LIMIT);
    let found: Vec<&str> = found.map(String::as_str).collect();
    Some((200, format!("[{}]", found.join(","))))
}

/// True for each tenth canary, and each entry of a second that ends in 3.
fn is_tenth(entry: &str) -> bool {
    match entry.split_once(" seq=") {
        Some((_, number)) => number
            .split(|char: char| !char.is_ascii_digit())
            .next()
            .is_some_and(|digits| digits.ends_with('3')),
        None => false,
    }
}

fn answer_of_metrics(shared: &Shared, _: &Taken) -> Option<(u16, String)> {
    match shared.broken() {
        Broken::Shipper => None,
        Broken::Metrics => Some((500, String::new())),
        _ => {
            let (received, sent) = (
                shared.received.load(Ordering::Relaxed),
                shared.sent.load(Ordering::Relaxed),
            );
            let text = format!(
                "# TYPE vector_component_received_events_total counter\n\
                 vector_component_received_events_total{{component_id=\"nats\",component_kind=\"source\"}} {received}\n\
                 # TYPE vector_component_sent_events_total counter\n\
                 vector_component_sent_events_total{{component_id=\"sink\",component_kind=\"sink\"}} {sent}\n"
            );
            Some((200, text))
        }
    }
}
