mod downstreams;
mod faults;
mod history;
mod kill;
mod migration;
mod round_trip;
mod volume;

use super::*;
use crate::core::notice::NoticeKind;
use crate::core::notice::{Alarm, CloseReason, Notice, Scope, TargetName};
use crate::core::persist::SavedStamp;
use crate::core::persist::{
    SavedBeat, SavedClock, SavedKey, SavedNotified, SavedRhythm, SavedTarget, SavedWatched,
};
use crate::core::rule::Severity;
use crate::core::snapshot::Verdict;
use crate::core::time::Listened;
use crate::core::time::Mono;
use crate::io::notifier::RenderedNotice;
use bytes::Bytes;
use std::sync::atomic::{AtomicU32, Ordering};

/// 2026-11-21T13:55:02Z.
const NOW: Wall = Wall::from_nanos(1_795_269_302_000_000_000);

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("lastbeat-store-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("temporary folders can be made");
        Folder(path)
    }

    fn db(&self) -> PathBuf {
        self.0.join("lastbeat.db")
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).expect("the folder is there");
        let mut names: Vec<String> = entries
            .map(|entry| {
                entry
                    .expect("readable")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed disturbs nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn open(path: &Path) -> Opened {
    Store::open(Some(path), NOW)
        .unwrap_or_else(|fault| panic!("{}", crate::format::error_chain(&fault)))
}

fn at(seconds: u64) -> Wall {
    NOW + Duration::from_secs(seconds)
}

fn instance(slot: u32, seconds: u64) -> SavedInstance {
    let seen = SavedStamp {
        at: at(seconds),
        listened: Listened::from_nanos(seconds),
    };
    SavedInstance {
        slot,
        subject: format!("logs.web.iad.{slot:04}").into(),
        host: None,
        seen,
        spoke: None,
        logs: false,
        stop: None,
        crash: None,
        said_bye: false,
        verdict: Verdict::Live,
        logs_rhythm: SavedRhythm::default(),
        beats: vec![SavedBeat {
            marker: "HEARTBEAT".into(),
            name: "".into(),
            seen,
            stopped: false,
            every_ms: 30_000,
            seq: Some(seconds),
            offset_ms: None,
            rhythm: SavedRhythm::default(),
            text: format!("HEARTBEAT every=30s seq={seconds} from {slot}"),
        }],
    }
}

fn incident(id: u64, app: &str) -> SavedIncident {
    SavedIncident {
        key: SavedKey::Flapping(SavedTarget {
            rule: "beats".into(),
            watched: SavedWatched::Logs {
                subject: format!("logs.{app}.iad.1").into(),
            },
            recovered: 0,
        }),
        notice: Notice {
            incident: IncidentId(id),
            kind: NoticeKind::Opened,
            alarm: Alarm::Heartbeat,
            scope: Scope::Instance,
            rule: "beats".to_owned(),
            notify: None,
            affected: Vec::new(),
            affected_total: 1,
            severity: Severity::Error,
            who: TargetName {
                app: app.to_owned(),
                region: "iad".to_owned(),
                instance: format!("m{id}"),
                ..TargetName::default()
            },
            since: at(id),
            gap: Duration::from_secs(91),
            listened: Duration::from_secs(90),
            max_gap: Duration::from_secs(90),
            due: at(id),
            due_mono: Mono::ZERO,
            decided: at(id),
            last_text: String::new(),
            last_words: Vec::new(),
            detail: String::new(),
            summary: None,
            runbook: None,
            labels: Default::default(),
            fingerprint: String::new(),
            between: Default::default(),
            is_first: false,
            acknowledged: None,
        },
        opened_at: at(id),
        closed: None,
        notified: vec![SavedNotified {
            notifier: "oncall".into(),
            at: at(id),
            reminders: 0,
            updates: 0,
            severity: Severity::Error,
            silent: 1,
        }],
        back: Vec::new(),
        remind: None,
        members: Vec::new(),
    }
}

fn closed(id: u64, app: &str, seconds: u64) -> SavedIncident {
    let mut incident = incident(id, app);
    incident.closed = Some((at(seconds), CloseReason::Resolved));
    incident.notice.kind = NoticeKind::Closed(CloseReason::Resolved);
    incident
}

fn checkpoint(whole: bool, instances: Vec<SavedInstance>) -> Batch {
    Batch {
        checkpoint: Some(Checkpoint {
            whole,
            instances,
            clock: SavedClock {
                taken_at: NOW,
                ..SavedClock::default()
            },
            ..Checkpoint::default()
        }),
        ..Batch::default()
    }
}

fn opened_incident(id: u64) -> Batch {
    Batch {
        incidents: vec![incident(id, "web")],
        timeline: vec![(IncidentId(id), row(id, "opened"))],
        deliveries: vec![delivery(id)],
        ..Batch::default()
    }
}

fn row(seconds: u64, what: &str) -> TimelineRow {
    TimelineRow {
        at: at(seconds),
        what: what.to_owned(),
    }
}

fn delivery(id: u64) -> Delivery {
    Delivery {
        id,
        notifier: "sentry".to_owned(),
        rendered: RenderedNotice {
            incident: IncidentId(id),
            kind: NoticeKind::Opened,
            severity: Default::default(),
            due_at: at(id),
            queued_at: at(id),
            body: Bytes::from_static(b"{}\n\0"),
        },
    }
}

fn everything() -> IncidentQuery {
    IncidentQuery {
        limit: 100,
        ..IncidentQuery::default()
    }
}
