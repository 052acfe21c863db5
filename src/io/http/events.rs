//! `GET /api/v1/events`: changes, as server-sent events. A browser's `EventSource` works.
//!
//! Each event has a name, one line of JSON, and an id of the form `BOOT-NUMBER`; times are RFC 3339, spans are seconds,
//! text comes unescaped. Between events a comment comes at least every 15 seconds: a client that receives nothing for 30 has
//! lost its connection. `retry: 2000` stands first.
//!
//! | event | when | its data |
//! | --- | --- | --- |
//! | `snapshot` | first on each connection; again after a reader was too slow | `{"now", "status", "incidents", "instances"}`: all that was known at most a second ago; it replaces everything before, and events since then follow |
//! | `incident` | a notification of an incident is sent | `{"kind", "number", "incident"}` |
//! | `status` | once a second | `{"now", "status"}` |
//! | `instances` | at most once a second, and only where something changed | `{"now", "total", "folded", "changed", "gone"}` |
//! | `lost` | a reader was too slow | `{"events"}`: the number of events that it missed; a `snapshot` follows at once |
//! | `error` | the core does not answer | `{"error"}`: everything shown is outdated from here on, until the next `status` |
//!
//! - `status` is the object of `/api/v1/status`: `stream`, `ready`, `reasons`, `instances` (counts by verdict), `apps` (each
//!   `{"app", "region", "instances": {VERDICT: COUNT}}`: the cells of the map, complete in each event), `open_incidents` and so on.
//! - `incidents` is the list of `/api/v1/incidents?state=open`: at most a hundred, the newest first.
//! - `incident` is one object as in that list, with `"state": "closed"` and a `reason` where it is over. `kind` is `opened`,
//!   `updated`, `reminder` or `closed`; `number` counts updates and reminders from 1, and is null otherwise. The incident's
//!   `id` is the key. A silenced incident sends no notification, and is open in `incidents` of the next snapshot only. A
//!   verdict changes at once, and its incident follows a moment later, when its scope is known.
//! - `instances` of a snapshot is `{"total", "folded", "rows"}`. With at most [`ROWS`] instances `rows` has all of them and
//!   `folded` is false. With more, `folded` is true and `rows` has those only that are neither live nor stopped, at most
//!   [`ROWS`]: the cells of `status.apps` stand for the others, and `/api/v1/instances?app=&region=` lists them.
//! - A row is `{"app", "region", "instance", "verdict", "reason", "last_seen", "last_beat", "due", "rule"}`. `app`, `region` and
//!   `instance` together are the key. `reason` gives the reason of the verdict, or is null. `last_seen` is its last entry; `last_beat` its last
//!   beat, or null; `due` when the first of its beats fires unless heard before, or null; `rule` that beat's rule, or null.
//!   Texts of beats, intervals and `max_gap` are in `/api/v1/instances?app=&region=&instance=`.
//! - `changed` are whole rows, new or changed, to be put in place of those with the same key; `gone` are keys,
//!   `{"app", "region", "instance"}`, to be taken away: forgotten, or live again while folded. A row that differs in
//!   `last_seen` alone is sent at most every ten seconds, so a beat ticks by `last_beat`.
//!
//! With `Last-Event-ID` (a browser sends it by itself) the `incident` events since then follow the snapshot, as far as they are
//! among the last 256 of this process; so a page that was away learns of incidents that opened and closed meanwhile. After an
//! id of another process nothing is replayed.
//!
//! At most a hundred readers; the next one gets 503 with Retry-After.

mod rows;

use super::broadcast::{Broadcast, Cursor, Weight};
use super::dto::incident::Incident;
use super::dto::live::{IncidentEvent, LostEvent, SnapshotEvent, StatusEvent};
use super::dto::status::Status;
use super::dto::{self, Timestamp};
use crate::core::notice::{Notice, NoticeKind};
use crate::core::snapshot::Snapshot;
use axum::response::sse;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, Stream};
use rows::Rows;
use serde::Serialize;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::MissedTickBehavior;

pub use rows::ROWS;

/// Readers at once: a team with a tab each, and screens on walls.
const READERS: usize = 100;
/// Pause between two snapshots that are compared.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Events kept for readers that fall behind: half an hour of a quiet organisation.
const KEPT: usize = 4_096;
/// Bytes of those.
const KEPT_BYTES: usize = 16 << 20;
/// Incident events kept for readers that come back.
const REPLAYED: usize = 256;
/// Notices that wait to become events: the listener's thread takes them within milliseconds, unless it is stuck.
const WAITING: usize = 1_024;
/// Open incidents in a snapshot: as many as the core's copy has.
const INCIDENTS: usize = 100;
/// Time after which a client that lost its connection connects again.
const RETRY: Duration = Duration::from_secs(2);

/// One event.
struct Event {
    name: &'static str,
    data: String,
}

/// Everything that was known at one time.
struct Shown {
    /// The number from which on events are news to a reader that was sent this.
    number: u64,
    rows: Rows,
    now: Timestamp,
    status: Status,
    incidents: Vec<Incident>,
    /// The data of the `snapshot` event, made when a reader needs it.
    snapshot: OnceLock<String>,
}

/// Notices to be sent to the readers, and the last ones sent.
#[derive(Default)]
struct Notices {
    waiting: VecDeque<Notice>,
    /// Event numbers and data.
    recent: VecDeque<(u64, String)>,
}

/// The readers of changes, and the events that they read.
pub struct Events {
    readers: Arc<Semaphore>,
    notices: Mutex<Notices>,
    sent: Broadcast<Event>,
    /// `None`: no snapshot was taken since the first reader came.
    shown: watch::Sender<Option<Arc<Shown>>>,
    /// Woken by a notice and by a reader.
    wake: Notify,
    /// Part of each id, so that ids of another process are recognised.
    boot: String,
}

/// The core's copy, and the status made of it.
pub(super) type Look = (Arc<Snapshot>, Status);

impl Default for Events {
    fn default() -> Self {
        Events {
            readers: Arc::new(Semaphore::new(READERS)),
            notices: Mutex::default(),
            sent: Broadcast::new(KEPT, KEPT_BYTES),
            shown: watch::Sender::new(None),
            wake: Notify::new(),
            boot: format!("{:x}", crate::clock::wall().nanos()),
        }
    }
}

impl Events {
    /// Sends a notice to the readers. Never waits.
    pub fn publish(&self, notice: &Notice) {
        let mut notices = self.notices();
        if notices.waiting.len() >= WAITING {
            notices.waiting.pop_front();
        }
        notices.waiting.push_back(notice.clone());
        drop(notices);
        self.wake.notify_one();
    }

    fn is_read(&self) -> bool {
        self.readers.available_permits() < READERS
    }

    /// Makes events of notices, and once a second of changes, as long as there are readers.
    pub(super) async fn watch<'a>(
        &self,
        look: impl Fn() -> BoxFuture<'a, Option<Look>> + Sync,
    ) -> Infallible {
        let mut each = tokio::time::interval(LOOK_EVERY);
        each.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.incidents();
            if !self.is_read() {
                self.shown.send_replace(None);
                self.sent.clear();
                self.wake.notified().await;
                each.reset_immediately();
                continue;
            }
            tokio::select! {
                () = self.wake.notified() => {}
                _ = each.tick() => self.look(look()).await,
            }
        }
    }

    fn incidents(&self) {
        let mut notices = self.notices();
        while let Some(notice) = notices.waiting.pop_front() {
            let data = json(&incident(&notice));
            notices.recent.push_back((self.sent.next(), data.clone()));
            if notices.recent.len() > REPLAYED {
                notices.recent.pop_front();
            }
            self.push("incident", data);
        }
    }

    fn push(&self, name: &'static str, data: String) {
        let weight = Weight {
            bytes: data.len(),
            counts: 1,
        };
        self.sent.push([(Event { name, data }, weight)]);
    }

    async fn look(&self, look: BoxFuture<'_, Option<Look>>) {
        // A notice from here on may or may not be in the core's copy; to send it twice does no harm.
        let number = self.sent.next();
        let Some((snapshot, status)) = look.await else {
            let what = "the core does not answer; see /readyz";
            return self.push("error", json(&dto::Error::from(what.to_owned())));
        };
        let before = self.shown.borrow().clone();
        let compared =
            tokio::task::spawn_blocking(move || compare(number, &snapshot, status, before));
        let Ok((shown, status, instances)) = compared.await else {
            let what = "the changes could not be computed; see the log";
            return self.push("error", json(&dto::Error::from(what.to_owned())));
        };
        self.push("status", status);
        if let Some(instances) = instances {
            self.push("instances", instances);
        }
        self.shown.send_replace(Some(Arc::new(shown)));
    }

    /// Ends every reader's stream.
    pub(super) fn end(&self) {
        self.sent.end();
    }

    /// A new reader's events; `None` at the limit of readers. `last` is its `Last-Event-ID`.
    pub(super) fn read(
        self: &Arc<Self>,
        last: Option<&str>,
    ) -> Option<impl Stream<Item = Result<sse::Event, Infallible>> + use<>> {
        let permit = Arc::clone(&self.readers).try_acquire_owned().ok()?;
        self.wake.notify_one();
        let last = last.and_then(|last| {
            let (boot, number) = last.split_once('-')?;
            (boot == self.boot).then(|| number.parse().ok())?
        });
        let reader = Reader {
            events: Arc::clone(self),
            cursor: self.sent.cursor(),
            begins: true,
            last,
            pending: VecDeque::from([sse::Event::default().retry(RETRY)]),
            _permit: permit,
        };
        Some(stream::unfold(reader, async |mut reader| {
            reader.next().await.map(|event| (Ok(event), reader))
        }))
    }

    fn event(&self, number: u64, name: &str, data: &str) -> sse::Event {
        let id = format!("{}-{number}", self.boot);
        sse::Event::default().id(id).event(name).data(data)
    }

    fn notices(&self) -> MutexGuard<'_, Notices> {
        // Every change of it is whole at each point at which it could panic.
        self.notices.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One reader.
struct Reader {
    events: Arc<Events>,
    cursor: Cursor,
    /// It has to get a snapshot first.
    begins: bool,
    /// The number of the last event of its connection before, once.
    last: Option<u64>,
    /// Events that are ready for it.
    pending: VecDeque<sse::Event>,
    _permit: OwnedSemaphorePermit,
}

impl Reader {
    /// The next event; `None` at the end.
    async fn next(&mut self) -> Option<sse::Event> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Some(event);
            }
            if self.begins {
                self.begin().await?;
                continue;
            }
            let from = self.cursor.next;
            let taken = self.events.sent.take(&mut self.cursor, 1, 0);
            if taken.lost > 0 {
                let lost = json(&LostEvent { events: taken.lost });
                let last = (from + taken.lost).saturating_sub(1);
                self.pending
                    .push_back(self.events.event(last, "lost", &lost));
                self.begins = true;
            } else if let Some(event) = taken.items.first() {
                return Some(self.events.event(from, event.name, &event.data));
            } else if !self.cursor.wait().await {
                return None;
            }
        }
    }

    /// Sends the snapshot, once there is one; until then only faults. `None` at the end.
    async fn begin(&mut self) -> Option<()> {
        let mut looked = self.events.shown.subscribe();
        let shown = looked.borrow_and_update().clone();
        let Some(shown) = shown else {
            let from = self.cursor.next;
            let taken = self.events.sent.take(&mut self.cursor, 1, 0);
            if let Some(event) = taken.items.first() {
                if event.name == "error" {
                    let fault = self.events.event(from, event.name, &event.data);
                    self.pending.push_back(fault);
                }
                return Some(());
            }
            tokio::select! {
                // The sender lives as long as the reader holds the events.
                _ = looked.changed() => {}
                goes_on = self.cursor.wait() => return goes_on.then_some(()),
            }
            return Some(());
        };
        let snapshot = self
            .events
            .event(shown.number - 1, "snapshot", shown.snapshot());
        self.pending.push_back(snapshot);
        if let Some(last) = self.last.take() {
            let news = last + 1..shown.number;
            let notices = self.events.notices();
            let missed = notices
                .recent
                .iter()
                .filter(|(number, _)| news.contains(number));
            let missed = missed.map(|(number, data)| self.events.event(*number, "incident", data));
            self.pending.extend(missed);
        }
        self.events.sent.seek(&mut self.cursor, shown.number);
        self.begins = false;
        Some(())
    }
}

impl Shown {
    fn snapshot(&self) -> &str {
        self.snapshot.get_or_init(|| {
            json(&SnapshotEvent {
                now: &self.now,
                status: &self.status,
                incidents: &self.incidents,
                instances: self.rows.all(),
            })
        })
    }
}

/// Everything that is known now, and the data of `status` and, where something changed, of `instances`.
fn compare(
    number: u64,
    snapshot: &Snapshot,
    status: Status,
    before: Option<Arc<Shown>>,
) -> (Shown, String, Option<String>) {
    let now = Timestamp::from(snapshot.now.wall);
    let mut rows = Rows::of(snapshot);
    let instances = before.and_then(|before| rows.since(&before.rows, &now).as_ref().map(json));
    let sent = json(&StatusEvent {
        now: &now,
        status: &status,
    });
    let incidents = snapshot.open.iter().take(INCIDENTS).map(Incident::from);
    let shown = Shown {
        number,
        rows,
        incidents: incidents.collect(),
        now,
        status,
        snapshot: OnceLock::new(),
    };
    (shown, sent, instances)
}

fn incident(notice: &Notice) -> IncidentEvent {
    let number = match notice.kind {
        NoticeKind::Updated(number) | NoticeKind::Reminder(number) => Some(number),
        NoticeKind::Opened | NoticeKind::Closed(_) => None,
    };
    IncidentEvent {
        kind: notice.kind.label(),
        number,
        incident: notice.into(),
    }
}

/// One line of JSON.
fn json<T: Serialize>(data: &T) -> String {
    serde_json::to_string(data).expect("a map here has strings as keys")
}
