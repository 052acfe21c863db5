//! `GET /api/logs`: entries as they pass, for people who look on. natstream's API, so its clients work unchanged: frames
//! `data: {"message","timestamp","type","persistent"}`, the first of type `system`, entries of type `log` with the payload as
//! text and the arrival in milliseconds, trouble of type `error`.
//!
//! `?app=&region=&instance=` are globs, several with commas between them, and `q=` a part of the payload; together they say
//! which entries are wanted. With `?subject=1` each entry's frame has its subject too. A reader that is too slow loses
//! entries, and is told by a frame of type `error` with their number in `lost`: of all that passed, wanted or not, since
//! nobody looked at them.
//!
//! It costs the core one look at a counter for each entry while nobody reads, and while somebody does a reference to the
//! payload, put where it is fetched from every few milliseconds. Where that place is full the entry is lost to the readers,
//! never to the core.

use super::readiness::Readiness;
use super::ring::{Place, Ring, Weight};
use super::sse;
use crate::core::time::Wall;
use crate::decode::api_query::TailQuery;
use arc_swap::ArcSwap;
use bytes::Bytes;
use futures_util::stream;
use hyper::Response;
use memchr::memmem::Finder;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};

/// Readers at once: a team with a tab each, and scripts.
const READERS: usize = 100;
/// How often entries are fetched for the readers: no eye sees the difference, and the core wakes nobody.
const FETCH_EVERY: Duration = Duration::from_millis(20);
/// Entries that wait to be fetched: 100 ms of the fastest stream that was ever fed to it.
const WAITING: usize = 16 * 1024;
/// Bytes of those: they hold the memory into which the connection reads.
const WAITING_BYTES: usize = 16 << 20;
/// Entries kept for readers that fall behind: a second and a half at 20,000 a second.
const KEPT: usize = 32 * 1024;
/// Bytes of those, text and payload.
const KEPT_BYTES: usize = 32 << 20;
/// Entries that a reader looks at before others get their turn.
const TURN: usize = 512;
/// Bytes of those, and so of what is put together for a reader that takes nothing: a hundred of them hold 12 MB.
const TURN_BYTES: usize = 128 * 1024;
/// Bytes that an entry in the ring takes beside its texts.
const BESIDE: usize = 128;

/// What stands in the ring.
enum Passed {
    Entry(Entry),
    /// Said to every reader.
    Said(Value),
}

/// An entry, kept once for all readers.
struct Entry {
    at: Wall,
    subject: Box<str>,
    payload: Bytes,
    /// The frame, but for its last brace; made by the first reader that wants it.
    frame: OnceLock<String>,
}

/// The readers of entries, and what they read.
pub struct Tails {
    places: Arc<Semaphore>,
    hop: mpsc::Sender<Entry>,
    hopped: Mutex<mpsc::Receiver<Entry>>,
    waiting_bytes: AtomicUsize,
    /// Entries for which there was no room to wait.
    missed: AtomicU64,
    ring: Ring<Passed>,
    /// Rung by the first reader.
    bell: Notify,
}

impl Default for Tails {
    fn default() -> Self {
        let (hop, hopped) = mpsc::channel(WAITING);
        Tails {
            places: Arc::new(Semaphore::new(READERS)),
            hop,
            hopped: Mutex::new(hopped),
            waiting_bytes: AtomicUsize::new(0),
            missed: AtomicU64::new(0),
            ring: Ring::new(KEPT, KEPT_BYTES),
            bell: Notify::new(),
        }
    }
}

impl Tails {
    /// Whether anybody reads.
    #[inline]
    pub fn is_read(&self) -> bool {
        self.places.available_permits() < READERS
    }

    /// Shows the readers an entry that arrived at `at`. Never waits.
    pub fn offer(&self, at: Wall, subject: &str, payload: Bytes) {
        let bytes = payload.len();
        let before = self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        let entry = || Entry {
            at,
            subject: subject.into(),
            payload,
            frame: OnceLock::new(),
        };
        if before + bytes > WAITING_BYTES || self.hop.try_send(entry()).is_err() {
            self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Fetches what was offered, and tells when the stream itself is in trouble, for as long as anybody reads.
    pub(super) async fn fetch(&self, readiness: &ArcSwap<Readiness>) -> Infallible {
        let mut told = None;
        loop {
            if !self.is_read() {
                // What was offered last is nobody's any more.
                self.fetched();
                self.missed.store(0, Ordering::Relaxed);
                self.ring.clear();
                self.bell.notified().await;
                told = trouble(&readiness.load());
            }
            tokio::time::sleep(FETCH_EVERY).await;
            let mut news = self.fetched();
            let missed = self.missed.swap(0, Ordering::Relaxed);
            if missed > 0 {
                news.push(Passed::Said(lost(missed)));
            }
            let trouble = trouble(&readiness.load());
            // The words of one trouble change as it lasts: it is told once.
            match (&told, &trouble) {
                (None, Some(what)) => news.push(Passed::Said(said("error", what))),
                (Some(_), None) => {
                    news.push(Passed::Said(said("system", "the stream is well again")))
                }
                _ => {}
            }
            told = trouble;
            self.ring.push(news.into_iter().map(|passed| {
                let weight = passed.weight();
                (passed, weight)
            }));
        }
    }

    fn fetched(&self) -> Vec<Passed> {
        let mut hopped = self.hopped.lock().unwrap_or_else(PoisonError::into_inner);
        let mut fetched = Vec::new();
        // As many as were waiting at most: what comes meanwhile is for the next time.
        for _ in 0..hopped.len() {
            let Ok(entry) = hopped.try_recv() else { break };
            self.waiting_bytes
                .fetch_sub(entry.payload.len(), Ordering::Relaxed);
            fetched.push(Passed::Entry(entry));
        }
        fetched
    }

    /// Ends every reader's stream.
    pub(super) fn end(&self) {
        self.ring.end();
    }

    /// A reader's stream; `None` where there are as many as may be.
    pub(super) fn answer(
        self: &Arc<Self>,
        asked: TailQuery,
        readiness: &Readiness,
    ) -> Option<Response<sse::Body>> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        self.bell.notify_one();
        let mut begin = frame(&said("system", "Connected to log stream"));
        if let Some(what) = trouble(readiness) {
            begin.push_str(&frame(&said("error", &what)));
        }
        let reader = Reader {
            tails: Arc::clone(self),
            place: self.ring.place(),
            begin: Some(begin),
            finder: asked.q.as_deref().map(|q| Finder::new(q).into_owned()),
            asked,
            _seat: place,
        };
        let chunks = stream::unfold(reader, async |mut reader| {
            reader.chunk().await.map(|chunk| (chunk, reader))
        });
        Some(sse::answer(chunks))
    }
}

/// One reader.
struct Reader {
    tails: Arc<Tails>,
    place: Place,
    /// What it is told first.
    begin: Option<String>,
    asked: TailQuery,
    finder: Option<Finder<'static>>,
    _seat: OwnedSemaphorePermit,
}

impl Reader {
    /// What is next for it; `None` at the end.
    async fn chunk(&mut self) -> Option<Bytes> {
        if let Some(begin) = self.begin.take() {
            return Some(begin.into());
        }
        let mut chunk = String::new();
        loop {
            let taken = self.tails.ring.take(&mut self.place, TURN, TURN_BYTES);
            if taken.lost > 0 {
                chunk.push_str(&frame(&lost(taken.lost)));
            }
            for passed in &taken.items {
                self.write(passed, &mut chunk);
            }
            if chunk.len() >= sse::CHUNK_BYTES || taken.items.is_empty() && !chunk.is_empty() {
                return Some(chunk.into());
            }
            if taken.items.is_empty() && !self.place.wait().await {
                return None;
            }
            tokio::task::yield_now().await;
        }
    }

    fn write(&self, passed: &Passed, chunk: &mut String) {
        match passed {
            Passed::Said(said) => chunk.push_str(&frame(said)),
            Passed::Entry(entry) if self.wants(entry) => {
                chunk.push_str("data: ");
                chunk.push_str(entry.frame());
                if self.asked.with_subject {
                    chunk.push_str(",\"subject\":");
                    chunk.push_str(&json!(entry.subject).to_string());
                }
                chunk.push_str("}\n\n");
            }
            Passed::Entry(_) => {}
        }
    }

    fn wants(&self, entry: &Entry) -> bool {
        let mut tokens = entry.subject.splitn(4, '.').skip(1);
        let mut is = |globs: &crate::core::rule::Globs| {
            let token = tokens.next().unwrap_or_default();
            globs.0.is_empty() || globs.matches(token)
        };
        is(&self.asked.app)
            && is(&self.asked.region)
            && is(&self.asked.instance)
            && self
                .finder
                .as_ref()
                .is_none_or(|finder| finder.find(&entry.payload).is_some())
    }
}

impl Entry {
    fn frame(&self) -> &str {
        self.frame.get_or_init(|| {
            let text = String::from_utf8_lossy(&self.payload);
            let mut frame = told("log", &text, self.at).to_string();
            frame.pop();
            frame
        })
    }

    /// What it takes at most, once its frame is made: a byte of the payload becomes up to six there.
    fn bytes(&self) -> usize {
        let in_json = |byte: &u8| match byte {
            b'"' | b'\\' => 2,
            0..0x20 => 6,
            0x80.. => 3,
            _ => 1,
        };
        let frame: usize = self.payload.iter().map(in_json).sum();
        self.payload.len() + frame + self.subject.len() + BESIDE
    }
}

impl Passed {
    fn weight(&self) -> Weight {
        match self {
            Passed::Entry(entry) => Weight {
                bytes: entry.bytes(),
                counts: 1,
            },
            Passed::Said(said) => Weight {
                bytes: size_of::<Value>(),
                counts: said["lost"].as_u64().unwrap_or_default(),
            },
        }
    }
}

fn told(kind: &str, message: &str, at: Wall) -> Value {
    json!({"message": message, "timestamp": at.nanos() / 1_000_000, "type": kind, "persistent": false})
}

fn said(kind: &str, message: &str) -> Value {
    told(kind, message, crate::clock::wall())
}

fn lost(entries: u64) -> Value {
    let what = format!("too slow: {entries} entries passed by unread");
    let mut said = said("error", &what);
    said["lost"] = json!(entries);
    said
}

fn frame(said: &Value) -> String {
    format!("data: {said}\n\n")
}

/// What is wrong with the stream itself, in words; `None` where entries may come.
fn trouble(readiness: &Readiness) -> Option<String> {
    let of_stream = readiness.reasons.iter().filter(|it| it.part == "stream");
    let words: Vec<&str> = of_stream.map(|reason| &*reason.what).collect();
    (!words.is_empty()).then(|| format!("the stream: {}", words.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::api_query;
    use http_body_util::BodyExt;

    /// Bytes that lie ready for a reader at once: with a hundred readers that take nothing 25 MB.
    const MOST_BYTES: usize = 256 * 1024;

    #[test]
    fn a_stream_in_trouble_is_not_well_again_because_lastbeat_stops() {
        let down = Readiness::not_yet("stream", "not connected");
        let told = trouble(&down);
        assert_eq!(told.as_deref(), Some("the stream: not connected"));
        assert_eq!(trouble(&down.stopping()), told);
        assert_eq!(trouble(&Readiness::default().stopping()), None);
    }

    #[tokio::test]
    async fn of_long_entries_few_lie_ready_for_a_reader_at_once() {
        let tails = Arc::new(Tails::default());
        let asked = api_query::tail("").expect("nothing is asked");
        let answer = tails.answer(asked, &Readiness::default());
        let mut body = answer.expect("a place").into_body();
        let (count, long) = (400, Bytes::from(vec![b'x'; 20_000]));
        for _ in 0..count {
            tails.offer(Wall::default(), "logs.web.iad.a", long.clone());
        }
        tails.ring.push(tails.fetched().into_iter().map(|passed| {
            let weight = passed.weight();
            (passed, weight)
        }));
        let mut read = 0;
        while read < count {
            let frame = body.frame().await.expect("it goes on");
            let chunk = frame.ok().and_then(|frame| frame.into_data().ok());
            let chunk = chunk.expect("it never fails");
            assert!(chunk.len() <= MOST_BYTES, "{} bytes", chunk.len());
            read += memchr::memmem::find_iter(&chunk, b"\"type\":\"log\"").count();
        }
        assert_eq!(read, count);
    }
}
