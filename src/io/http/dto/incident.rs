//! Incidents.

use super::acknowledge::Acknowledgement;
use super::{CloseReason, Scope, Seconds, Severity, Timestamp};
use crate::core::notice::{Notice, NoticeKind};
use crate::core::persist::{PastIncident, SavedIncident, SavedTarget, SavedWatched};
use crate::core::snapshot::last_token;
use crate::format;
use serde::Serialize;
use utoipa::ToSchema;

/// A page of incidents.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Incidents {
    /// The newest first.
    #[schema(max_items = 1000)]
    pub incidents: Vec<Incident>,
    /// The `cursor` of the next page; null on the last one.
    pub next: Option<String>,
    /// False: only open incidents are known.
    pub history: bool,
}

/// An incident.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Incident {
    /// Its id, in hexadecimal; a later incident has a greater one.
    #[schema(pattern = "^[0-9a-f]{12,16}$", examples("0000000000ff"))]
    pub id: String,
    /// Its state.
    pub state: State,
    /// The kind of alert.
    #[schema(examples("HeartbeatMissed"))]
    pub alarm: &'static str,
    /// Its scope.
    pub scope: Scope,
    /// The rule's name; `stream` for the stream's own rule.
    pub rule: String,
    /// The highest severity of its members.
    pub severity: Severity,
    /// The app; empty where several are affected.
    pub app: String,
    /// The region; empty where several are affected.
    pub region: String,
    /// The instance; empty where several are affected.
    pub instance: String,
    /// The physical host; empty where that is not the scope.
    pub host: String,
    /// The heartbeat's `name=`; empty where it has none.
    pub beat: String,
    /// The last sign of life before the silence.
    pub since: Timestamp,
    /// The deadline that passed; the incident is dated by it.
    pub due: Timestamp,
    /// The time at which it opened.
    pub opened_at: Timestamp,
    /// The time at which it closed; null while it is open.
    pub closed_at: Option<Timestamp>,
    /// The reason why it closed; null while it is open.
    pub reason: Option<CloseReason>,
    /// The last notification; null where none was sent.
    pub told: Option<Notified>,
    /// The longest silence allowed.
    pub max_gap_seconds: Seconds,
    /// The first of its members, as `app/region/instance`.
    pub affected: Vec<String>,
    /// The number of its members.
    pub affected_total: u64,
    /// More that is known of the cause; may be empty.
    pub detail: String,
    /// The text of the last heartbeat; empty where there was none.
    pub last_beat: String,
    /// Instructions for the responder.
    pub runbook: Option<String>,
    /// The word that somebody works on it; null where nobody does.
    pub acknowledged: Option<Acknowledgement>,
    /// The incident in a line, as the title of notifications has it.
    pub title: String,
    /// The incident in one sentence, as of its last notification.
    pub what: String,
    /// Everything that happened to it; left out in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<TimelineEntry>, required = false)]
    pub timeline: Option<Vec<TimelineEntry>>,
    /// All of its members; left out in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<Member>, required = false)]
    pub members: Option<Vec<Member>>,
}

/// The state of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It goes on.
    Open,
    /// It is over.
    Closed,
}

/// The notifications of an incident.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Notified {
    /// The time of the last notification.
    pub at: Timestamp,
    /// Reminders sent.
    pub reminders: u32,
    /// Updates sent.
    pub updates: u32,
}

/// One step of an incident.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TimelineEntry {
    /// The time of the step.
    pub at: Timestamp,
    /// The step, in words.
    pub what: String,
}

/// A target of an incident.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Member {
    /// The rule that watches it.
    pub rule: String,
    /// `app/region/instance`, as far as these apply.
    pub target: String,
    /// The instance; null for a group.
    pub instance: Option<String>,
    /// The heartbeat's `name=`; null where it has none.
    pub beat: Option<String>,
}

impl Incidents {
    /// A page of at most `limit`. One incident more than that shows that there is a next page.
    pub fn page(found: &[PastIncident], limit: usize) -> Self {
        let shown = &found[..found.len().min(limit)];
        let last = shown.last().filter(|_| found.len() > limit);
        Incidents {
            incidents: shown.iter().map(|past| (&past.incident).into()).collect(),
            next: last.map(|last| last.incident.notice.incident.to_string()),
            history: true,
        }
    }
}

impl From<&PastIncident> for Incident {
    fn from(past: &PastIncident) -> Self {
        let entry = |at, what: &str| TimelineEntry {
            at: Timestamp::from(at),
            what: format::sanitize(what, format::TEXT_CHARS),
        };
        let timeline = past.timeline.iter().map(|row| entry(row.at, &row.what));
        Incident {
            timeline: Some(timeline.collect()),
            members: Some(past.incident.members.iter().map(Member::from).collect()),
            ..Incident::from(&past.incident)
        }
    }
}

impl From<&SavedIncident> for Incident {
    fn from(saved: &SavedIncident) -> Self {
        let state = match saved.closed {
            Some(_) => State::Closed,
            None => State::Open,
        };
        Incident {
            state,
            opened_at: saved.opened_at.into(),
            closed_at: saved.closed.map(|(at, _)| at.into()),
            reason: saved.closed.map(|(_, reason)| CloseReason(reason)),
            told: saved
                .notified
                .iter()
                .max_by_key(|one| one.at)
                .map(|told| Notified {
                    at: told.at.into(),
                    reminders: told.reminders,
                    updates: told.updates,
                }),
            ..Incident::from(&saved.notice)
        }
    }
}

impl From<&Notice> for Incident {
    fn from(notice: &Notice) -> Self {
        let (state, reason) = match notice.kind {
            NoticeKind::Closed(reason) => (State::Closed, Some(CloseReason(reason))),
            NoticeKind::Opened | NoticeKind::Updated(_) | NoticeKind::Reminder(_) => {
                (State::Open, None)
            }
        };
        let who = notice.who.clone();
        Incident {
            id: notice.incident.to_string(),
            state,
            alarm: notice.alarm.name(notice.scope),
            scope: Scope(notice.scope),
            rule: notice.rule.clone(),
            severity: Severity(notice.severity),
            app: who.app,
            region: who.region,
            instance: who.instance,
            host: who.host,
            beat: who.beat,
            since: notice.since.into(),
            due: notice.due.into(),
            opened_at: notice.due.into(),
            closed_at: None,
            reason,
            told: None,
            max_gap_seconds: notice.max_gap.into(),
            affected: notice.affected.clone(),
            affected_total: notice.affected_total,
            detail: format::sanitize(&notice.detail, format::TEXT_CHARS),
            last_beat: format::sanitize(&notice.last_text, format::TEXT_CHARS),
            runbook: notice.runbook.clone(),
            acknowledged: notice.acknowledged.as_ref().map(Acknowledgement::from),
            title: format::headline(notice),
            what: format::description(notice),
            timeline: None,
            members: None,
        }
    }
}

impl From<&SavedTarget> for Member {
    fn from(target: &SavedTarget) -> Self {
        let tail = |subject: &str| subject.split('.').skip(1).collect::<Vec<_>>().join("/");
        let (subject, beat) = match &target.watched {
            SavedWatched::Beat { subject, name, .. } => (Some(subject), Some(name.to_string())),
            SavedWatched::Logs { subject } => (Some(subject), None),
            SavedWatched::Group { .. } => (None, None),
        };
        let group = match &target.watched {
            SavedWatched::Group { app, region } => [app, region]
                .into_iter()
                .flatten()
                .map(|part| &**part)
                .collect(),
            _ => Vec::new(),
        };
        Member {
            rule: target.rule.to_string(),
            target: subject.map_or_else(|| group.join("/"), |subject| tail(subject)),
            instance: subject.map(|subject| last_token(subject).to_owned()),
            beat: beat.filter(|beat| !beat.is_empty()),
        }
    }
}
