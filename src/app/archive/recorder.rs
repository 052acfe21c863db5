//! The event loop's end of the archive.

use super::chunk::Chunk;
use crate::core::inventory::{Listed, Poll};
use crate::core::time::{self, Mono, Now, Wall};
use crate::decode::archive_line::Mark;
use crate::decode::inventory::machines;
use prometheus::IntCounter;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{
    Receiver, Sender, SyncSender, TrySendError, channel as unbounded, sync_channel,
};
use std::time::Duration;

/// Bytes of a chunk: the thread is woken once for some hundred entries.
const CHUNK_BYTES: usize = 128 * 1024;
/// Bytes that a chunk has room for: the last entry may go beyond.
const CHUNK_ROOM: usize = CHUNK_BYTES + 32 * 1024;
/// A chunk with a longer entry is not used again, so that one dump holds no memory for ever.
const LARGE_CHUNK: usize = 2 * CHUNK_BYTES;
/// Chunks that wait for the thread.
const WAITING: usize = 96;
/// Bytes of those: half a second of 20 MB/s, while a disk hesitates.
const WAITING_BYTES: usize = 12 << 20;
/// Machines whose state is remembered; beyond, all are written again.
const MAX_MACHINES: usize = 100_000;
/// Interval in which all machines are written.
const HOUR: Duration = Duration::from_secs(3600);
/// A chunk that is not full waits this long.
const AGE: Duration = Duration::from_millis(500);
/// Interval of chunks that do not wait.
const URGENT_EVERY: Duration = Duration::from_millis(50);

/// Copies entries for the archive; never waits.
#[derive(Debug)]
pub struct Recorder {
    chunk: Chunk,
    /// Arrival clock: the time of the oldest entry in the chunk.
    begun: Mono,
    now: Now,
    /// Arrival clock: the earliest time at which a chunk is handed over at once.
    urgent_at: Mono,
    /// Wall clock, to the microsecond: the arrival of the entries that come.
    arrival: Wall,
    /// Entries of chunks that found no room, until that is marked.
    lost: u64,
    chunks: SyncSender<Chunk>,
    empty: Receiver<Chunk>,
    waiting: Arc<AtomicUsize>,
    lost_total: IntCounter,
    /// The last state written of each machine, by subject.
    machines: HashMap<String, Box<str>>,
    /// The hour of those, by the wall clock.
    machines_hour: u64,
}

/// The thread's end.
pub struct Inbox {
    /// Full chunks.
    pub chunks: Receiver<Chunk>,
    empty: Sender<Chunk>,
    waiting: Arc<AtomicUsize>,
}

impl Inbox {
    /// Gives the memory of a chunk back.
    pub fn done(&self, chunk: Chunk) {
        self.waiting.fetch_sub(chunk.len(), Ordering::Relaxed);
        if chunk.capacity() <= LARGE_CHUNK {
            // The recorder is gone if the program stops.
            let _ = self.empty.send(chunk);
        }
    }
}

/// A recorder, and the end that the thread reads. `lost` counts entries that find no room.
pub fn channel(now: Now, lost_total: IntCounter) -> (Recorder, Inbox) {
    let (to, chunks) = sync_channel(WAITING);
    let (back, empty) = unbounded();
    let waiting = Arc::new(AtomicUsize::new(0));
    let mut recorder = Recorder {
        chunk: Chunk::with_capacity(CHUNK_ROOM),
        begun: now.mono,
        now,
        urgent_at: now.mono,
        arrival: micros(now.wall),
        lost: 0,
        chunks: to,
        empty,
        waiting: Arc::clone(&waiting),
        lost_total,
        machines: HashMap::new(),
        machines_hour: 0,
    };
    recorder.mark(now, &Mark::Start(env!("CARGO_PKG_VERSION")));
    let inbox = Inbox {
        chunks,
        empty: back,
        waiting,
    };
    (recorder, inbox)
}

impl Recorder {
    /// The entries from here on arrived at `now`.
    pub fn arrive(&mut self, now: Now) {
        self.arrival = micros(now.wall);
        self.now = now;
        self.turn(now);
    }

    /// Copies an entry.
    #[inline]
    pub fn entry(&mut self, subject: &str, payload: &[u8]) {
        if self.chunk.is_empty() {
            self.begun = self.now.mono;
        }
        self.chunk.entry(self.arrival, subject, payload);
        if self.chunk.len() >= CHUNK_BYTES {
            self.flush();
        }
    }

    /// Writes a line of lastbeat itself.
    pub fn mark(&mut self, now: Now, mark: &Mark<'_>) {
        if self.chunk.is_empty() {
            self.begun = now.mono;
        }
        self.chunk.mark(now.wall, mark);
    }

    /// Writes the machines of a poll whose state is not the last one written; each hour all of them, so that a replay may
    /// begin at any.
    pub fn machines(&mut self, now: Now, poll: &Poll) {
        let hour = now.wall.nanos() / time::nanos(HOUR);
        if self.machines_hour != hour || self.machines.len() > MAX_MACHINES {
            self.machines_hour = hour;
            self.machines.clear();
        }
        let mut listed = HashSet::new();
        for one in &poll.machines {
            let subject = format!("logs.{}.{}.{}", one.app, one.region, one.id);
            let word = match machines::listed(&one.word) == one.listed {
                true => &*one.word,
                false => machines::word(one.listed),
            };
            if self
                .machines
                .get(&subject)
                .is_none_or(|known| **known != *word)
            {
                self.mark(now, &Mark::Machine(&subject, word));
                self.machines.insert(subject.clone(), word.into());
                if self.chunk.len() >= CHUNK_BYTES {
                    self.flush();
                }
            }
            listed.insert(subject);
        }
        if poll.whole && poll.unread_regions.is_empty() {
            let known = self.machines.keys();
            let gone: Vec<String> = known
                .filter(|subject| !listed.contains(*subject))
                .cloned()
                .collect();
            for subject in gone {
                self.mark(now, &Mark::Machine(&subject, machines::word(Listed::Gone)));
                self.machines.remove(&subject);
            }
        }
    }

    /// Hands the chunk over where it has waited long enough.
    pub fn turn(&mut self, now: Now) {
        self.now.mono = self.now.mono.max(now.mono);
        if !self.chunk.is_empty() && now.mono.since(self.begun) >= AGE {
            self.flush();
        }
    }

    /// Hands the chunk over at once, but not many small ones in a row, for which there is no room.
    pub fn hand_over(&mut self, now: Now) {
        if now.mono >= self.urgent_at {
            self.urgent_at = now.mono + URGENT_EVERY;
            self.flush();
        }
    }

    /// Hands over what is there, at the end.
    pub fn finish(mut self, now: Now) {
        self.mark(now, &Mark::Stop);
        self.flush();
    }

    #[cold]
    fn flush(&mut self) {
        let bytes = self.chunk.len();
        // The last one that came back is nearest to the processor; more than one are not needed.
        let mut next = self.empty.try_iter().last().unwrap_or_default();
        next.clear(CHUNK_ROOM);
        let chunk = std::mem::replace(&mut self.chunk, next);
        let before = self.waiting.fetch_add(bytes, Ordering::Relaxed);
        let refused = if before + bytes > WAITING_BYTES && before > 0 {
            Some(chunk)
        } else {
            match self.chunks.try_send(chunk) {
                Ok(()) => None,
                Err(TrySendError::Full(chunk) | TrySendError::Disconnected(chunk)) => Some(chunk),
            }
        };
        let Some(mut chunk) = refused else {
            self.lost = 0;
            return;
        };
        self.waiting.fetch_sub(bytes, Ordering::Relaxed);
        self.lost += chunk.entries();
        self.lost_total.inc_by(chunk.entries());
        chunk.clear(CHUNK_ROOM);
        self.chunk = chunk;
        self.mark_loss();
    }

    /// Begins the next chunk with the number of entries that were lost before it.
    fn mark_loss(&mut self) {
        if self.lost > 0 {
            self.chunk.mark(self.now.wall, &Mark::Lost(self.lost));
        }
        self.begun = self.now.mono;
    }
}

/// To the microsecond, as lines have it.
fn micros(at: Wall) -> Wall {
    Wall::from_nanos(at.nanos() / 1_000 * 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::archive::chunk::Record;
    use crate::core::inventory::{Machine, Purpose};
    use crate::decode::archive_line::{arrival_text, write_entry};

    fn now(milli: u64) -> Now {
        let nanos = milli * 1_000_000;
        Now {
            mono: Mono::from_nanos(nanos),
            wall: Wall::from_nanos(1_769_860_800_000_000_000 + nanos),
        }
    }

    fn counter() -> IntCounter {
        IntCounter::new("lost", "lost").expect("a valid name")
    }

    fn text(chunk: &Chunk) -> String {
        let mut lines = Vec::new();
        for record in chunk.records() {
            match record {
                Record::Mark(line) => lines.extend_from_slice(line),
                Record::Entry {
                    at,
                    subject,
                    payload,
                } => assert!(write_entry(&mut lines, &arrival_text(at), subject, payload)),
            }
        }
        String::from_utf8_lossy(&lines).into_owned()
    }

    #[test]
    fn a_chunk_is_handed_over_when_it_is_old() {
        let (mut recorder, inbox) = channel(now(0), counter());
        recorder.arrive(now(100));
        recorder.entry("logs.web.iad.a", b"one");
        recorder.turn(now(400));
        assert!(inbox.chunks.try_recv().is_err());
        recorder.turn(now(600));
        let chunk = inbox.chunks.try_recv().expect("it waited long enough");
        let expected = "# start 2026-01-31T12:00:00.000000Z 0.1.0\n\
                        2026-01-31T12:00:00.100000Z logs.web.iad.a one\n";
        assert_eq!((text(&chunk).as_str(), chunk.entries()), (expected, 1));
        recorder.turn(now(9_000));
        assert!(inbox.chunks.try_recv().is_err(), "nothing is there");
        recorder.finish(now(10_000));
        let chunk = inbox.chunks.try_recv().expect("the end");
        assert_eq!(text(&chunk), "# stop 2026-01-31T12:00:10.000000Z\n");
    }

    #[test]
    fn a_chunk_is_handed_over_at_once_where_it_is_urgent_and_not_too_often() {
        let (mut recorder, inbox) = channel(now(0), counter());
        let mut handed = Vec::new();
        for milli in 0..100 {
            recorder.mark(now(milli), &Mark::Notified("HeartbeatMissed", "opened"));
            recorder.hand_over(now(milli));
            handed.extend(inbox.chunks.try_recv().map(|_| milli));
        }
        assert_eq!(handed, [0, 50]);
    }

    #[test]
    fn entries_that_find_no_room_are_counted_and_marked() {
        let lost = counter();
        let (mut recorder, inbox) = channel(now(0), lost.clone());
        let payload = vec![b'x'; 10_000];
        let mut sent = 0;
        while lost.get() == 0 {
            recorder.entry("logs.web.iad.a", &payload);
            sent += 1;
            assert!(sent < 10_000, "the queue has no end");
        }
        let mut received = 0;
        while let Ok(chunk) = inbox.chunks.try_recv() {
            received += chunk.entries();
            inbox.done(chunk);
        }
        assert!(received * 10_000 < WAITING_BYTES as u64 + 100_000);
        recorder.finish(now(1));
        let last = inbox.chunks.try_recv().expect("the end");
        assert_eq!(received + lost.get() + last.entries(), sent);
        let first = text(&last).lines().next().map(str::to_owned);
        let expected = format!("# lost 2026-01-31T12:00:00.000000Z {}", lost.get());
        assert_eq!(first, Some(expected));
    }

    #[test]
    fn machines_are_written_when_they_change_and_each_hour() {
        let (mut recorder, inbox) = channel(now(0), counter());
        let poll = |words: &[(&str, &str)]| Poll {
            asked_at: Mono::ZERO,
            machines: words
                .iter()
                .map(|(id, word)| Machine {
                    app: "web".into(),
                    region: "iad".into(),
                    id: (*id).into(),
                    listed: match *word {
                        "not started" => Listed::Stopped,
                        word => machines::listed(word),
                    },
                    word: (*word).into(),
                    unreachable: false,
                    purpose: Purpose::Service,
                    group: None,
                    exit: None,
                })
                .collect(),
            whole: true,
            unread_regions: Vec::new(),
        };
        let mut written = |milli: u64, words: &[(&str, &str)]| {
            recorder.machines(now(milli), &poll(words));
            recorder.turn(now(milli + 1_000));
            let chunk = inbox.chunks.try_recv();
            let text = chunk.map(|chunk| text(&chunk)).unwrap_or_default();
            let marks = text
                .lines()
                .filter_map(|line| line.strip_prefix("# machine "));
            let marks = marks.map(|line| line[28..].to_owned());
            marks.collect::<Vec<String>>()
        };
        let both = [("a", "started"), ("b", "not started")];
        let first = ["logs.web.iad.a started", "logs.web.iad.b stopped"];
        assert_eq!(written(0, &both), first);
        assert_eq!(written(30_000, &both), [""; 0]);
        assert_eq!(
            written(60_000, &[("a", "started")]),
            ["logs.web.iad.b destroyed"]
        );
        assert_eq!(written(90_000, &both), ["logs.web.iad.b stopped"]);
        assert_eq!(written(3_600_000, &both), first, "another hour");
    }

    #[test]
    fn memory_goes_round() {
        let (mut recorder, inbox) = channel(now(0), counter());
        for _ in 0..2000 {
            recorder.entry("logs.web.iad.a", &[b'x'; 1000]);
            if let Ok(chunk) = inbox.chunks.try_recv() {
                inbox.done(chunk);
            }
        }
        assert_eq!(inbox.waiting.load(Ordering::Relaxed), 0);
        assert!(recorder.empty.try_iter().count() <= 1);
    }
}
