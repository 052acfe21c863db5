use super::cursor::Range;
use super::*;
use crate::core::sink_rule::{SinkKind, SinkRule};
use crate::io::archive::segment::readable;
use crate::io::sink::{Outcome, Sink};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

const ENTRIES: usize = 2_500;
/// Bytes of a payload: about 1,000 entries are a batch.
const PAYLOAD: usize = 1_000;
const SOON: Duration = Duration::from_secs(120);

/// An archive in a folder of its own, which is removed at the end.
struct Archive(PathBuf);

impl Archive {
    fn new(name: &str) -> Self {
        let name = format!("lastbeat-refill-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder");
        let mut lines = String::new();
        let filling = "x".repeat(PAYLOAD);
        for number in 0..ENTRIES {
            let (second, micros) = (number / 1_000, number % 1_000);
            let payload = format!(r#"{{"message":"{number} {filling}"}}"#);
            writeln!(
                lines,
                "2026-01-31T12:00:{second:02}.{micros:06}Z logs.web.sjc.{} {payload}",
                number % 40
            )
            .expect("memory");
        }
        std::fs::write(folder.join("2026-01-31T12-00-00Z.log"), lines).expect("it is written");
        Archive(folder)
    }

    fn cursor(&self) -> Cursor {
        let at = |text: &str| {
            let stamp: jiff::Timestamp = text.parse().expect("a time");
            Wall::from_nanos(u64::try_from(stamp.as_nanosecond()).expect("after 1970"))
        };
        let range = Range {
            sink: "otel".to_owned(),
            from: at("2026-01-31T12:00:00Z"),
            until: at("2026-01-31T13:00:00Z"),
            app: String::new(),
        };
        Cursor::open(range.file(&self.0), range).expect("a new one")
    }

    fn segments(&self) -> Vec<Segment> {
        readable(&self.0).expect("it can be read")
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[derive(Default)]
struct Seen {
    moved: usize,
    waits: usize,
}

impl Sees for Seen {
    fn rejected(&mut self, _: u64, _: &str) {}

    fn waits(&mut self, _: &str, _: Duration) {
        self.waits += 1;
    }

    fn moved(&mut self, _: &Cursor, _: Option<Wall>) {
        self.moved += 1;
    }
}

/// A sink that takes a batch once the next one is prepared.
struct Slow {
    batches: usize,
    prepared: watch::Sender<usize>,
    taken: Mutex<Vec<usize>>,
}

impl Ships for Slow {
    fn ship<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Outcome> {
        async move {
            let next = self.taken.lock().expect("no panic").len() + 2;
            let mut prepared = self.prepared.subscribe();
            let wanted = next.min(self.batches);
            let _ = prepared.wait_for(|count| *count >= wanted).await;
            self.taken.lock().expect("no panic").push(batch.len());
            Outcome::Taken
        }
        .boxed()
    }

    fn prepare(&self, _: &mut Batch) {
        self.prepared.send_modify(|count| *count += 1);
    }
}

#[tokio::test]
async fn the_next_batch_is_made_while_the_sink_takes_the_one_before() {
    let archive = Archive::new("overlap");
    let slow = Arc::new(Slow {
        batches: 3,
        prepared: watch::channel(0).0,
        taken: Mutex::default(),
    });
    let (mut cursor, mut seen) = (archive.cursor(), Seen::default());
    let done = refill(
        archive.segments(),
        Arc::clone(&slow),
        &mut cursor,
        &mut seen,
    );
    let done = timeout(SOON, done).await.expect("none waits for the other");
    assert_eq!(done.ok(), Some(0));
    let taken = slow.taken.lock().expect("no panic").clone();
    assert_eq!((taken.len(), taken.iter().sum()), (3, ENTRIES), "{taken:?}");
    assert_eq!(cursor.counts().shipped, ENTRIES as u64);
    assert_eq!((seen.moved, seen.waits), (3, 0));
}

/// A collector: answers with each status once and then with 200; counts connections, and keeps the bodies.
async fn collector(listener: TcpListener, statuses: Vec<u16>, asked: Arc<Asked>) {
    let statuses = Arc::new(Mutex::new(statuses.into_iter()));
    loop {
        let (peer, _) = listener.accept().await.expect("a connection");
        asked.connections.fetch_add(1, Ordering::Relaxed);
        let (asked, statuses) = (Arc::clone(&asked), Arc::clone(&statuses));
        tokio::spawn(async move {
            let mut peer = peer;
            while let Some(body) = body_of(&mut peer).await {
                asked.bodies.lock().expect("no panic").push(body);
                let status = statuses.lock().expect("no panic").next().unwrap_or(200);
                let answer = format!(
                    "HTTP/1.1 {status} Said\r\ncontent-length: 2\r\nretry-after: 0\r\n\r\n{{}}"
                );
                if peer.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
        });
    }
}

#[derive(Default)]
struct Asked {
    connections: AtomicUsize,
    bodies: Mutex<Vec<Vec<u8>>>,
}

/// The body of the next request; `None` at the end of the connection.
async fn body_of(peer: &mut TcpStream) -> Option<Vec<u8>> {
    let mut read = Vec::new();
    loop {
        if peer.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
        let Some(end) = memchr::memmem::find(&read, b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
        let mut lines = head.lines();
        let length = lines.find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.expect("it is said").parse().expect("a number");
        if read.len() >= end + 4 + length {
            return Some(read.split_off(end + 4));
        }
    }
}

#[tokio::test]
async fn a_refill_over_otlp_is_a_request_a_batch_on_one_connection() {
    let archive = Archive::new("otlp");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let rule = SinkRule {
        name: "otel".to_owned(),
        url: format!("http://{}", listener.local_addr().expect("an address")),
        headers: BTreeMap::new(),
        kind: SinkKind::Otlp,
    };
    let asked = Arc::<Asked>::default();
    let server = tokio::spawn(collector(listener, vec![200, 503], Arc::clone(&asked)));
    let sink = Arc::new(Sink::new(&rule, None).expect("a sink"));
    let (mut cursor, mut seen) = (archive.cursor(), Seen::default());
    let done = refill(archive.segments(), sink, &mut cursor, &mut seen);
    let done = timeout(SOON, done).await.expect("it is done");
    assert_eq!(done.ok(), Some(0), "{}", archive.path().display());
    server.abort();
    let bodies = asked.bodies.lock().expect("no panic");
    // Three batches, of which the second is sent twice.
    assert_eq!((bodies.len(), seen.waits), (4, 1));
    assert_eq!(bodies[1], bodies[2]);
    assert_eq!(asked.connections.load(Ordering::Relaxed), 1);
    assert_eq!(cursor.counts().shipped, ENTRIES as u64);
}
