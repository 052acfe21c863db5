//! `GET /api/logs`: entries as they arrive. natstream's API, so its clients work unchanged: frames
//! `data: {"message","timestamp","type","persistent"}`, the first of type `system`, entries of type `log` with the payload as
//! text and the arrival in milliseconds, trouble of type `error`.
//!
//! `?app=&region=&instance=` are globs, several with commas between them, and `q=` a part of the payload; an entry has to
//! match all of them. With `?subject=1` each entry's frame has its subject too. A reader that is too slow loses entries, and
//! gets a frame of type `error` with their number in `lost`: of all that passed, matching or not.
//!
//! Without readers an entry costs the core one look at a counter; with some, a reference to the payload in a queue that is
//! emptied every few milliseconds. Where that queue is full the entry is lost to the readers, never to the core.

use super::broadcast::{Broadcast, Cursor, Weight};
use super::dto::live::{Frame, FrameType};
use super::readiness::Readiness;
use super::sse;
use crate::core::time::Wall;
use crate::decode::api_query::TailQuery;
use arc_swap::ArcSwap;
use bytes::Bytes;
use futures_util::stream::{self, Stream};
use memchr::memmem::Finder;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};

/// Readers at once: a team with a tab each, and scripts.
const READERS: usize = 100;
/// Pause between two fetches of entries: no eye sees the difference, and the core wakes no task.
const FETCH_EVERY: Duration = Duration::from_millis(20);
/// Entries that wait to be fetched: 100 ms of the fastest stream measured.
const WAITING: usize = 16 * 1024;
/// Bytes of those: they hold the memory into which the connection reads.
const WAITING_BYTES: usize = 16 << 20;
/// Entries kept for readers that fall behind: a second and a half at 20,000 a second.
const KEPT: usize = 32 * 1024;
/// Bytes of those, text and payload.
const KEPT_BYTES: usize = 32 << 20;
/// Entries that a reader takes before others get their turn.
const TURN: usize = 512;
/// Bytes of those, and so of the chunk of a reader that takes nothing: a hundred of them hold 12 MB.
const TURN_BYTES: usize = 128 * 1024;
/// Bytes that an entry takes beside its texts.
const BESIDE: usize = 128;

/// An item of the broadcast.
enum Item {
    Entry(Entry),
    /// A message to every reader: its frame, and the number of entries that it reports as lost.
    Message(String, u64),
}

/// An entry, kept once for all readers.
struct Entry {
    at: Wall,
    subject: Box<str>,
    payload: Bytes,
    /// The frame, but for its last brace; made by the first reader that wants it.
    frame: OnceLock<String>,
}

/// The readers of entries, and the entries that they read.
pub struct Tails {
    readers: Arc<Semaphore>,
    queue: mpsc::Sender<Entry>,
    queued: Mutex<mpsc::Receiver<Entry>>,
    waiting_bytes: AtomicUsize,
    /// Entries for which the queue had no room.
    missed: AtomicU64,
    passed: Broadcast<Item>,
    /// Woken by the first reader.
    wake: Notify,
}

impl Default for Tails {
    fn default() -> Self {
        let (queue, queued) = mpsc::channel(WAITING);
        Tails {
            readers: Arc::new(Semaphore::new(READERS)),
            queue,
            queued: Mutex::new(queued),
            waiting_bytes: AtomicUsize::new(0),
            missed: AtomicU64::new(0),
            passed: Broadcast::new(KEPT, KEPT_BYTES),
            wake: Notify::new(),
        }
    }
}

impl Tails {
    /// True while there are readers.
    #[inline]
    pub fn is_read(&self) -> bool {
        self.readers.available_permits() < READERS
    }

    /// Queues an entry that arrived at `at` (wall clock) for the readers. Never waits.
    pub fn offer(&self, at: Wall, subject: &str, payload: Bytes) {
        let bytes = payload.len();
        let before = self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        let entry = || Entry {
            at,
            subject: subject.into(),
            payload,
            frame: OnceLock::new(),
        };
        if before + bytes > WAITING_BYTES || self.queue.try_send(entry()).is_err() {
            self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Broadcasts the queued entries, and messages about trouble of the stream itself, as long as there are readers.
    pub(super) async fn fetch(&self, readiness: &ArcSwap<Readiness>) -> Infallible {
        let mut known = None;
        loop {
            if !self.is_read() {
                // The last entries have no readers any more.
                self.fetched();
                self.missed.store(0, Ordering::Relaxed);
                self.passed.clear();
                self.wake.notified().await;
                known = trouble(&readiness.load());
            }
            tokio::time::sleep(FETCH_EVERY).await;
            let mut news = self.fetched();
            let missed = self.missed.swap(0, Ordering::Relaxed);
            if missed > 0 {
                news.push(Item::Message(lost(missed), missed));
            }
            let trouble = trouble(&readiness.load());
            // The words of one trouble change as it lasts: it is reported once.
            match (&known, &trouble) {
                (None, Some(what)) => news.push(Item::Message(message(FrameType::Error, what), 0)),
                (Some(_), None) => {
                    let what = "the stream is well again";
                    news.push(Item::Message(message(FrameType::System, what), 0));
                }
                _ => {}
            }
            known = trouble;
            self.passed.push(news.into_iter().map(|item| {
                let weight = item.weight();
                (item, weight)
            }));
        }
    }

    fn fetched(&self) -> Vec<Item> {
        let mut queued = self.queued.lock().unwrap_or_else(PoisonError::into_inner);
        let mut fetched = Vec::new();
        // At most as many as waited: entries that arrive meanwhile are for the next time.
        for _ in 0..queued.len() {
            let Ok(entry) = queued.try_recv() else { break };
            self.waiting_bytes
                .fetch_sub(entry.payload.len(), Ordering::Relaxed);
            fetched.push(Item::Entry(entry));
        }
        fetched
    }

    /// Ends every reader's stream.
    pub(super) fn end(&self) {
        self.passed.end();
    }

    /// The chunks of a new reader; `None` at the limit of readers.
    pub(super) fn read(
        self: &Arc<Self>,
        asked: TailQuery,
        readiness: &Readiness,
    ) -> Option<impl Stream<Item = Bytes> + use<>> {
        let permit = Arc::clone(&self.readers).try_acquire_owned().ok()?;
        self.wake.notify_one();
        let mut begin = message(FrameType::System, "Connected to log stream");
        if let Some(what) = trouble(readiness) {
            begin.push_str(&message(FrameType::Error, &what));
        }
        let reader = Reader {
            tails: Arc::clone(self),
            cursor: self.passed.cursor(),
            begin: Some(begin),
            finder: asked.q.as_deref().map(|q| Finder::new(q).into_owned()),
            asked,
            _permit: permit,
        };
        Some(stream::unfold(reader, async |mut reader| {
            reader.chunk().await.map(|chunk| (chunk, reader))
        }))
    }
}

/// One reader.
struct Reader {
    tails: Arc<Tails>,
    cursor: Cursor,
    /// The frames that it gets first.
    begin: Option<String>,
    asked: TailQuery,
    finder: Option<Finder<'static>>,
    _permit: OwnedSemaphorePermit,
}

impl Reader {
    /// The next chunk; `None` at the end.
    async fn chunk(&mut self) -> Option<Bytes> {
        if let Some(begin) = self.begin.take() {
            return Some(begin.into());
        }
        let mut chunk = String::new();
        loop {
            let taken = self.tails.passed.take(&mut self.cursor, TURN, TURN_BYTES);
            if taken.lost > 0 {
                chunk.push_str(&lost(taken.lost));
            }
            for item in &taken.items {
                self.write(item, &mut chunk);
            }
            if chunk.len() >= sse::CHUNK_BYTES || taken.items.is_empty() && !chunk.is_empty() {
                return Some(chunk.into());
            }
            if taken.items.is_empty() && !self.cursor.wait().await {
                return None;
            }
            tokio::task::yield_now().await;
        }
    }

    fn write(&self, item: &Item, chunk: &mut String) {
        match item {
            Item::Message(frame, _) => chunk.push_str(frame),
            Item::Entry(entry) if self.matches(entry) => {
                chunk.push_str("data: ");
                chunk.push_str(entry.frame());
                if self.asked.with_subject {
                    chunk.push_str(",\"subject\":");
                    chunk.push_str(&serde_json::Value::from(&*entry.subject).to_string());
                }
                chunk.push_str("}\n\n");
            }
            Item::Entry(_) => {}
        }
    }

    fn matches(&self, entry: &Entry) -> bool {
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
            let mut frame = json(FrameType::Log, &text, self.at, None);
            frame.pop();
            frame
        })
    }

    /// Bytes of memory at most, once the frame is made: a byte of the payload becomes up to six there.
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

impl Item {
    fn weight(&self) -> Weight {
        match self {
            Item::Entry(entry) => Weight {
                bytes: entry.bytes(),
                counts: 1,
            },
            Item::Message(frame, lost) => Weight {
                bytes: frame.len(),
                counts: *lost,
            },
        }
    }
}

/// The JSON of a frame.
fn json(kind: FrameType, message: &str, at: Wall, lost: Option<u64>) -> String {
    let frame = Frame {
        lost,
        message,
        persistent: false,
        timestamp: at.nanos() / 1_000_000,
        r#type: kind,
        subject: None,
    };
    serde_json::to_string(&frame).expect("texts and numbers are JSON")
}

/// The frame of a message of lastbeat.
fn message(kind: FrameType, message: &str) -> String {
    format!(
        "data: {}\n\n",
        json(kind, message, crate::clock::wall(), None)
    )
}

/// The frame that reports lost entries.
fn lost(entries: u64) -> String {
    let what = format!("too slow: {entries} entries passed by unread");
    let json = json(FrameType::Error, &what, crate::clock::wall(), Some(entries));
    format!("data: {json}\n\n")
}

/// The trouble of the stream itself, in words; `None` where entries may arrive.
fn trouble(readiness: &Readiness) -> Option<String> {
    let of_stream = readiness.reasons.iter().filter(|it| it.part == "stream");
    let words: Vec<&str> = of_stream.map(|reason| &*reason.what).collect();
    (!words.is_empty()).then(|| format!("the stream: {}", words.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::api_query::FromQuery;
    use futures_util::StreamExt;
    use std::pin::pin;

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
        let asked = TailQuery::from_query("").expect("nothing is asked");
        let chunks = tails.read(asked, &Readiness::default());
        let mut body = pin!(chunks.expect("room for a reader"));
        let (count, long) = (400, Bytes::from(vec![b'x'; 20_000]));
        for _ in 0..count {
            tails.offer(Wall::default(), "logs.web.iad.a", long.clone());
        }
        tails.passed.push(tails.fetched().into_iter().map(|item| {
            let weight = item.weight();
            (item, weight)
        }));
        let mut read = 0;
        while read < count {
            let chunk = body.next().await.expect("it goes on");
            assert!(chunk.len() <= MOST_BYTES, "{} bytes", chunk.len());
            read += memchr::memmem::find_iter(&chunk, b"\"type\":\"log\"").count();
        }
        assert_eq!(read, count);
    }
}
