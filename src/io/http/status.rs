//! `/api/v1/status` and `/api/v1/incidents`: what lastbeat knows, as JSON.
//!
//! Times are RFC 3339, spans are seconds.

use super::readiness::Readiness;
use crate::core::listening::Blind;
use crate::core::notice::Notice;
use crate::core::snapshot::Snapshot;
use crate::core::time::Wall;
use crate::words;
use serde_json::{Value, json};
use std::time::Duration;

/// Whether lastbeat can see and tell, how long it listened and was blind, and how many have which verdict.
pub(super) fn status(snapshot: &Snapshot, readiness: &Readiness) -> Value {
    let reasons = readiness
        .reasons
        .iter()
        .map(|reason| json!({"part": reason.part, "what": reason.what}));
    let blind = snapshot
        .blind
        .iter()
        .map(|(why, length)| (why.label().to_owned(), seconds(*length)));
    let mut verdicts = serde_json::Map::new();
    for row in &snapshot.verdicts {
        let count = verdicts
            .entry(row.verdict.label())
            .or_insert_with(|| json!(0));
        *count = json!(count.as_u64().unwrap_or(0) + row.count);
    }
    json!({
        "now": words::wall(snapshot.now.wall),
        "ready": readiness.is_ready(),
        "reasons": reasons.collect::<Vec<_>>(),
        "stream": {
            "last_entry": snapshot.stream_seen.map(words::wall),
            "stalled": snapshot.stalled,
        },
        "listened_seconds": seconds(snapshot.listened),
        "blind_seconds": blind.collect::<serde_json::Map<_, _>>(),
        "blind_intervals": snapshot.blind_intervals.iter().map(interval).collect::<Vec<_>>(),
        "instances": verdicts,
        "open_incidents": snapshot.incidents.iter().map(|(_, count)| count).sum::<u64>(),
        "rules": snapshot.rules,
    })
}

/// The incidents that are open, the newest first, at most a hundred.
pub(super) fn incidents(snapshot: &Snapshot) -> Value {
    let total: u64 = snapshot.incidents.iter().map(|(_, count)| count).sum();
    json!({"total": total, "incidents": snapshot.open.iter().map(incident).collect::<Vec<_>>()})
}

fn interval(&(from, to, why): &(Wall, Wall, Blind)) -> Value {
    json!({"from": words::wall(from), "to": words::wall(to), "reason": why.label()})
}

fn incident(notice: &Notice) -> Value {
    json!({
        "id": notice.incident.to_string(),
        "alarm": notice.alarm.name(notice.scope),
        "scope": notice.scope.label(),
        "rule": notice.rule,
        "severity": notice.severity.label(),
        "app": notice.who.app,
        "region": notice.who.region,
        "instance": notice.who.instance,
        "host": notice.who.host,
        "beat": notice.who.beat,
        "since": words::wall(notice.since),
        "due": words::wall(notice.due),
        "max_gap_seconds": seconds(notice.max_gap),
        "affected": notice.affected,
        "affected_total": notice.affected_total,
        "detail": words::clean(&notice.detail, words::TEXT_CHARS),
        "last_beat": words::clean(&notice.last_text, words::TEXT_CHARS),
        "runbook": notice.runbook,
        "what": words::sentence(notice),
    })
}

fn seconds(length: Duration) -> Value {
    json!(length.as_millis() as f64 / 1e3)
}
