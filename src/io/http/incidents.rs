//! `/api/v1/incidents`: what is open and what is over, the newest first, page by page; and one by its id.

use super::status::seconds;
use crate::core::notice::{Notice, NoticeKind};
use crate::core::persist::{IncidentQuery, PastIncident, SavedIncident, SavedTarget, SavedWatched};
use crate::core::snapshot::{Snapshot, last_token};
use crate::format;
use serde_json::{Value, json};

/// A page of the history. One more than asked for tells whether there is a next page.
pub(super) fn page(mut found: Vec<PastIncident>, limit: u32) -> Value {
    let limit = limit as usize;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found
        .last()
        .filter(|_| more)
        .map(|last| last.incident.notice.incident.to_string());
    let rows: Vec<Value> = found.iter().map(|past| incident(&past.incident)).collect();
    json!({"incidents": rows, "next": next, "history": true})
}

/// Those of the open ones that are asked for, where no history is kept: at most a hundred are known.
pub(super) fn open(snapshot: &Snapshot, asked: &IncidentQuery) -> Value {
    let matching = snapshot.open.iter().filter(|notice| wanted(notice, asked));
    let rows: Vec<&Notice> = matching.take(asked.limit as usize + 1).collect();
    let more = rows.len() > asked.limit as usize;
    let shown = &rows[..rows.len().min(asked.limit as usize)];
    let next = shown
        .last()
        .filter(|_| more)
        .map(|last| last.incident.to_string());
    json!({"incidents": shown.iter().map(|notice| of_notice(notice)).collect::<Vec<_>>(), "next": next, "history": false})
}

/// One, with all that happened to it.
pub(super) fn one(past: &PastIncident) -> Value {
    let mut value = incident(&past.incident);
    let timeline = past.timeline.iter();
    let timeline = timeline.map(|row| json!({"at": format::rfc3339(row.at), "what": format::sanitize(&row.what, format::TEXT_CHARS)}));
    value["timeline"] = timeline.collect();
    value["members"] = past.incident.members.iter().map(member).collect();
    value
}

fn wanted(notice: &Notice, asked: &IncidentQuery) -> bool {
    let is =
        |asked: &Option<String>, value: &str| asked.as_deref().is_none_or(|asked| asked == value);
    asked.open != Some(false)
        && is(&asked.app, &notice.who.app)
        && is(&asked.region, &notice.who.region)
        && is(&asked.instance, &notice.who.instance)
        && is(&asked.rule, &notice.rule)
        && is(&asked.scope, notice.scope.label())
        && is(&asked.severity, notice.severity.label())
        && asked.from.is_none_or(|from| notice.due >= from)
        && asked.until.is_none_or(|until| notice.due < until)
        && asked.before.is_none_or(|before| notice.incident.0 < before)
}

/// An incident as the API tells it, without its timeline.
pub fn incident(saved: &SavedIncident) -> Value {
    let mut value = of_notice(&saved.notice);
    let (closed_at, reason) = saved
        .closed
        .map(|(at, why)| (format::rfc3339(at), why.label()))
        .unzip();
    value["state"] = json!(if saved.closed.is_some() {
        "closed"
    } else {
        "open"
    });
    value["opened_at"] = json!(format::rfc3339(saved.opened_at));
    value["closed_at"] = json!(closed_at);
    value["reason"] = json!(reason);
    value["told"] = json!(saved.told.map(|told| json!({
        "at": format::rfc3339(told.at), "reminders": told.reminders, "updates": told.updates,
    })));
    value
}

pub(super) fn of_notice(notice: &Notice) -> Value {
    let (state, reason) = match notice.kind {
        NoticeKind::Closed(reason) => ("closed", Some(reason.label())),
        NoticeKind::Opened | NoticeKind::Updated(_) | NoticeKind::Reminder(_) => ("open", None),
    };
    json!({
        "id": notice.incident.to_string(),
        "state": state,
        "alarm": notice.alarm.name(notice.scope),
        "scope": notice.scope.label(),
        "rule": notice.rule,
        "severity": notice.severity.label(),
        "app": notice.who.app,
        "region": notice.who.region,
        "instance": notice.who.instance,
        "host": notice.who.host,
        "beat": notice.who.beat,
        "since": format::rfc3339(notice.since),
        "due": format::rfc3339(notice.due),
        "opened_at": format::rfc3339(notice.due),
        "closed_at": null,
        "reason": reason,
        "told": null,
        "max_gap_seconds": seconds(notice.max_gap),
        "affected": notice.affected,
        "affected_total": notice.affected_total,
        "detail": format::sanitize(&notice.detail, format::TEXT_CHARS),
        "last_beat": format::sanitize(&notice.last_text, format::TEXT_CHARS),
        "runbook": notice.runbook,
        "what": format::description(notice),
    })
}

/// `web/iad/0e28 (rule)`, as far as it has these.
fn member(target: &SavedTarget) -> Value {
    let tail = |subject: &str| subject.split('.').skip(1).collect::<Vec<_>>().join("/");
    let (who, beat) = match &target.watched {
        SavedWatched::Beat { subject, name, .. } => (tail(subject), Some(name.to_string())),
        SavedWatched::Logs { subject } => (tail(subject), None),
        SavedWatched::Group { app, region } => {
            let parts = [app, region]
                .into_iter()
                .flatten()
                .map(|part| part.to_string());
            (parts.collect::<Vec<_>>().join("/"), None)
        }
    };
    let instance = match &target.watched {
        SavedWatched::Beat { subject, .. } | SavedWatched::Logs { subject } => {
            Some(last_token(subject).to_owned())
        }
        SavedWatched::Group { .. } => None,
    };
    json!({"rule": &*target.rule, "target": who, "instance": instance, "beat": beat.filter(|beat| !beat.is_empty())})
}
