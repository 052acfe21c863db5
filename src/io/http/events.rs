//! `GET /api/v1/events`: what changes, as server-sent events. For whoever may see the API; a browser's `EventSource` works.
//!
//! Each event has a name, one line of JSON, and an id of the form `BOOT-NUMBER`; times are RFC 3339, spans are seconds,
//! text comes as it was said (so whoever shows it escapes it). Between events a comment comes at least every 15 seconds:
//! who hears nothing for 30 has no connection. `retry: 2000` stands first.
//!
//! | event | when | its data |
//! | --- | --- | --- |
//! | `snapshot` | first on each connection; again after a reader was too slow | `{"now", "status", "incidents", "instances"}`: all that was known at most a second ago; it replaces whatever was shown, and events since then follow |
//! | `incident` | an incident is told of | `{"kind", "number", "incident"}` |
//! | `status` | once a second | `{"now", "status"}` |
//! | `instances` | at most once a second, and only where something changed | `{"now", "total", "folded", "changed", "gone"}` |
//! | `lost` | a reader was too slow | `{"events"}`: how many passed it by; a `snapshot` follows at once |
//! | `error` | the core does not answer | `{"error"}`: what is shown is old from here on, until the next `status` |
//!
//! - `status` is the object of `/api/v1/status`: `stream`, `ready`, `reasons`, `instances` (counts by verdict), `apps` (each
//!   `{"app", "region", "instances": {VERDICT: COUNT}}`: the cells of the map, complete in each event), `open_incidents` and so on.
//! - `incidents` is the list of `/api/v1/incidents?state=open`: at most a hundred, the newest first.
//! - `incident` is one object as in that list, with `"state": "closed"` and a `reason` where it is over. `kind` is `opened`,
//!   `updated`, `reminder` or `closed`; `number` counts updates and reminders from 1, and is null otherwise. The incident's
//!   `id` is the key. While a silence holds it back, an incident is told of to nobody, and is open in `incidents` of the next
//!   snapshot only. A verdict changes at once, and its incident is told of a moment later, when its reach is known.
//! - `instances` of a snapshot is `{"total", "folded", "rows"}`. With at most [`ROWS`] instances `rows` has all of them and
//!   `folded` is false. With more, `folded` is true and `rows` has those only that are neither live nor stopped, at most
//!   [`ROWS`]: the cells of `status.apps` stand for the others, and `/api/v1/instances?app=&region=` lists them.
//! - A row is `{"app", "region", "instance", "verdict", "reason", "last_seen", "last_beat", "due", "rule"}`. `app`, `region` and
//!   `instance` together are the key. `reason` says why, in words, or is null. `last_seen` is its last entry; `last_beat` its last
//!   beat, or null; `due` when the first of its beats fires unless heard before, or null; `rule` that beat's rule, or null.
//!   Texts of beats, intervals and `max_gap` are in `/api/v1/instances?app=&region=&instance=`.
//! - `changed` are whole rows, new or changed, to be put in place of those with the same key; `gone` are keys,
//!   `{"app", "region", "instance"}`, to be taken away: forgotten, or live again while folded. A row that differs in
//!   `last_seen` alone is sent at most every ten seconds, so a beat ticks by `last_beat`.
//!
//! With `Last-Event-ID` (a browser sends it by itself) the `incident` events since then follow the snapshot, as far as they are
//! among the last 256 of this process; so what opened and closed while a page was away is told too. Of an id of another process
//! nothing is replayed.
//!
//! At most a hundred readers; one more gets 503 with Retry-After.

mod rows;

use super::incidents;
use super::ring::{Place, Ring, Weight};
use super::sse;
use crate::core::notice::{Notice, NoticeKind};
use crate::core::persist::IncidentQuery;
use crate::core::snapshot::Snapshot;
use crate::format;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream;
use hyper::Response;
use rows::Rows;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::MissedTickBehavior;

pub use rows::ROWS;

/// Readers at once: a team with a tab each, and screens on walls.
const READERS: usize = 100;
/// How often is looked for what changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Events kept for readers that fall behind: half an hour of a quiet organisation.
const KEPT: usize = 4_096;
/// Bytes of those.
const KEPT_BYTES: usize = 16 << 20;
/// Incident events kept for who comes back.
const REPLAYED: usize = 256;
/// Notices that wait to become events: the listener's thread takes them within milliseconds, unless it is stuck.
const WAITING: usize = 1_024;
/// Open incidents in a snapshot: as many as the core's copy has.
const INCIDENTS: u32 = 100;

/// One event.
struct Event {
    name: &'static str,
    data: String,
}

/// What was known at a look.
struct Shown {
    /// The ring's number from which on events are news to whoever was shown this.
    number: u64,
    rows: Rows,
    /// Everything but the rows.
    rest: Value,
    /// The data of `snapshot`, made once somebody needs it.
    snapshot: OnceLock<String>,
}

/// Notices on their way to the readers, and those that were on it last.
#[derive(Default)]
struct Told {
    waiting: VecDeque<Notice>,
    /// Event numbers and data.
    recent: VecDeque<(u64, String)>,
}

/// The readers of changes, and what they read.
pub struct Events {
    places: Arc<Semaphore>,
    told: Mutex<Told>,
    ring: Ring<Event>,
    /// `None`: nobody has looked since somebody began to read.
    shown: watch::Sender<Option<Arc<Shown>>>,
    /// Rung by a notice and by a reader.
    bell: Notify,
    /// Stands in each id, so that one of another process is known as such.
    boot: String,
}

/// A look at everything: the core's copy, and `/api/v1/status` made of it.
pub(super) type Look = (Arc<Snapshot>, Value);

impl Default for Events {
    fn default() -> Self {
        Events {
            places: Arc::new(Semaphore::new(READERS)),
            told: Mutex::default(),
            ring: Ring::new(KEPT, KEPT_BYTES),
            shown: watch::Sender::new(None),
            bell: Notify::new(),
            boot: format!("{:x}", crate::clock::wall().nanos()),
        }
    }
}

impl Events {
    /// Somebody is told of an incident. Never waits.
    pub fn tell(&self, notice: &Notice) {
        let mut told = self.told();
        if told.waiting.len() >= WAITING {
            told.waiting.pop_front();
        }
        told.waiting.push_back(notice.clone());
        drop(told);
        self.bell.notify_one();
    }

    fn is_read(&self) -> bool {
        self.places.available_permits() < READERS
    }

    /// Makes events of what is told, and looks once a second for what changed as long as anybody reads.
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
                self.ring.clear();
                self.bell.notified().await;
                each.reset_immediately();
                continue;
            }
            tokio::select! {
                () = self.bell.notified() => {}
                _ = each.tick() => self.look(look()).await,
            }
        }
    }

    fn incidents(&self) {
        let mut told = self.told();
        while let Some(notice) = told.waiting.pop_front() {
            let data = incident(&notice).to_string();
            told.recent.push_back((self.ring.next(), data.clone()));
            if told.recent.len() > REPLAYED {
                told.recent.pop_front();
            }
            self.push("incident", data);
        }
    }

    fn push(&self, name: &'static str, data: String) {
        let weight = Weight {
            bytes: data.len(),
            counts: 1,
        };
        self.ring.push([(Event { name, data }, weight)]);
    }

    async fn look(&self, look: BoxFuture<'_, Option<Look>>) {
        // What is told from here on may or may not be in the core's copy; to be told it twice does no harm.
        let number = self.ring.next();
        let Some((snapshot, status)) = look.await else {
            let what = "the core does not answer; see /readyz";
            return self.push("error", json!({ "error": what }).to_string());
        };
        let before = self.shown.borrow().clone();
        let compared =
            tokio::task::spawn_blocking(move || compare(number, &snapshot, status, before));
        let Ok((shown, status, instances)) = compared.await else {
            let what = "what changed could not be found; see the log";
            return self.push("error", json!({ "error": what }).to_string());
        };
        self.push("status", status);
        if let Some(instances) = instances {
            self.push("instances", instances);
        }
        self.shown.send_replace(Some(Arc::new(shown)));
    }

    /// Ends every reader's stream.
    pub(super) fn end(&self) {
        self.ring.end();
    }

    /// A reader's stream; `None` where there are as many as may be. `last` is its `Last-Event-ID`.
    pub(super) fn answer(self: &Arc<Self>, last: Option<&str>) -> Option<Response<sse::Body>> {
        let seat = Arc::clone(&self.places).try_acquire_owned().ok()?;
        self.bell.notify_one();
        let last = last.and_then(|last| {
            let (boot, number) = last.split_once('-')?;
            (boot == self.boot).then(|| number.parse().ok())?
        });
        let reader = Reader {
            events: Arc::clone(self),
            place: self.ring.place(),
            begins: true,
            last,
            hello: Some("retry: 2000\n\n"),
            _seat: seat,
        };
        let chunks = stream::unfold(reader, async |mut reader| {
            reader.chunk().await.map(|chunk| (chunk, reader))
        });
        Some(sse::answer(chunks))
    }

    fn write(&self, chunk: &mut String, number: u64, name: &str, data: &str) {
        let boot = &self.boot;
        // Writing to a text never fails.
        let _ = write!(
            chunk,
            "id: {boot}-{number}\nevent: {name}\ndata: {data}\n\n"
        );
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        // Every change of it is whole at each point at which it could panic.
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One reader.
struct Reader {
    events: Arc<Events>,
    place: Place,
    /// Whether it is to be shown everything first.
    begins: bool,
    /// The number of the last event that it saw, once.
    last: Option<u64>,
    hello: Option<&'static str>,
    _seat: OwnedSemaphorePermit,
}

impl Reader {
    /// What is next for it; `None` at the end.
    async fn chunk(&mut self) -> Option<Bytes> {
        if let Some(hello) = self.hello.take() {
            return Some(Bytes::from_static(hello.as_bytes()));
        }
        let mut chunk = String::new();
        while chunk.is_empty() {
            if self.begins {
                self.begin(&mut chunk).await?;
                continue;
            }
            let from = self.place.next;
            let taken = self.events.ring.take(&mut self.place, 1, 0);
            if taken.lost > 0 {
                let lost = json!({ "events": taken.lost }).to_string();
                let last = (from + taken.lost).saturating_sub(1);
                self.events.write(&mut chunk, last, "lost", &lost);
                self.begins = true;
            } else if let Some(event) = taken.items.first() {
                self.events.write(&mut chunk, from, event.name, &event.data);
            } else if !self.place.wait().await {
                return None;
            }
        }
        Some(chunk.into())
    }

    /// Shows it everything, once that is known; until then it learns of faults.
    async fn begin(&mut self, chunk: &mut String) -> Option<()> {
        let mut looked = self.events.shown.subscribe();
        let shown = looked.borrow_and_update().clone();
        let Some(shown) = shown else {
            let from = self.place.next;
            let taken = self.events.ring.take(&mut self.place, 1, 0);
            if let Some(event) = taken.items.first() {
                if event.name == "error" {
                    self.events.write(chunk, from, event.name, &event.data);
                }
                return Some(());
            }
            tokio::select! {
                // The sender lives as long as we hold the events.
                _ = looked.changed() => {}
                goes_on = self.place.wait() => return goes_on.then_some(()),
            }
            return Some(());
        };
        let snapshot = shown.snapshot();
        self.events
            .write(chunk, shown.number - 1, "snapshot", snapshot);
        if let Some(last) = self.last.take() {
            for (number, data) in &self.events.told().recent {
                if (last + 1..shown.number).contains(number) {
                    self.events.write(chunk, *number, "incident", data);
                }
            }
        }
        self.events.ring.seek(&mut self.place, shown.number);
        self.begins = false;
        Some(())
    }
}

impl Shown {
    fn snapshot(&self) -> &str {
        self.snapshot.get_or_init(|| {
            let mut whole = self.rest.clone();
            whole["instances"] = self.rows.json();
            whole.to_string()
        })
    }
}

/// What is known now, and the data of `status` and, where something changed, of `instances`.
fn compare(
    number: u64,
    snapshot: &Snapshot,
    status: Value,
    before: Option<Arc<Shown>>,
) -> (Shown, String, Option<String>) {
    let now = format::rfc3339(snapshot.now.wall);
    let mut rows = Rows::of(snapshot);
    let instances = before.and_then(|before| rows.since(&before.rows, &now));
    let told = json!({"now": now, "status": status}).to_string();
    let asked = IncidentQuery {
        limit: INCIDENTS,
        ..IncidentQuery::default()
    };
    let open = incidents::open(snapshot, &asked)["incidents"].take();
    let shown = Shown {
        number,
        rows,
        rest: json!({"now": now, "status": status, "incidents": open}),
        snapshot: OnceLock::new(),
    };
    (
        shown,
        told,
        instances.map(|instances| instances.to_string()),
    )
}

fn incident(notice: &Notice) -> Value {
    let number = match notice.kind {
        NoticeKind::Updated(number) | NoticeKind::Reminder(number) => Some(number),
        NoticeKind::Opened | NoticeKind::Closed(_) => None,
    };
    let incident = incidents::of_notice(notice);
    json!({"kind": notice.kind.label(), "number": number, "incident": incident})
}
