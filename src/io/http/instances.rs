//! `/api/v1/instances`: each instance with its beats, by name, page by page.

use super::api::{self, AskDetail};
use super::site::{self, SNAPSHOT_WITHIN};
use super::status::seconds;
use crate::core::snapshot::detail::Detail;
use crate::core::snapshot::{BeatRow, InstanceRow, Snapshot};
use crate::core::time::Wall;
use crate::decode::api_query::{self, InstanceQuery};
use crate::format;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Response, StatusCode};
use serde_json::{Value, json};
use std::collections::HashMap;

/// The instances that are asked for, in the order of their subjects. Sorting twenty thousand takes milliseconds: not on
/// a thread that others wait for.
pub(super) fn instances(snapshot: &Snapshot, asked: &InstanceQuery) -> Value {
    let mut rows: Vec<&InstanceRow> = snapshot
        .instances
        .iter()
        .filter(|row| wanted(row, asked))
        .collect();
    let total = rows.len();
    rows.sort_unstable_by(|a, b| a.subject.cmp(&b.subject));
    let begins = asked.after.as_deref().map_or(0, |after| {
        rows.partition_point(|row| &*row.subject <= after)
    });
    let page = &rows[begins..rows.len().min(begins + asked.limit)];
    let is_last = begins + page.len() == rows.len();
    let next = page
        .last()
        .filter(|_| !is_last)
        .map(|row| api_query::cursor(&row.subject));
    let mut beats: HashMap<&str, Vec<Value>> =
        page.iter().map(|row| (&*row.subject, Vec::new())).collect();
    for row in &snapshot.beats {
        if let Some(beats) = beats.get_mut(&*row.subject) {
            beats.push(beat(row));
        }
    }
    let shown = page
        .iter()
        .map(|row| instance(row, beats.remove(&*row.subject).unwrap_or_default()));
    json!({
        "now": format::rfc3339(snapshot.now.wall),
        "total": total,
        "suppressed": snapshot.suppressed,
        "instances": shown.collect::<Vec<_>>(),
        "next": next,
    })
}

fn wanted(row: &InstanceRow, asked: &InstanceQuery) -> bool {
    let is =
        |name: &str, asked: &Option<String>| asked.as_deref().is_none_or(|asked| asked == name);
    is(&row.app, &asked.app)
        && is(&row.region, &asked.region)
        && is(row.instance(), &asked.instance)
        && asked.verdict.is_none_or(|verdict| verdict == row.verdict)
}

fn instance(row: &InstanceRow, beats: Vec<Value>) -> Value {
    json!({
        "app": &*row.app,
        "region": &*row.region,
        "instance": row.instance(),
        "verdict": row.verdict.label(),
        "reason": row.reason.as_deref().map(|reason| format::sanitize(reason, format::TEXT_CHARS)),
        "reason_since": row.since.map(format::rfc3339),
        "last_seen": format::rfc3339(row.seen),
        "beats": beats,
    })
}

/// Answers `GET /api/v1/instances/APP/REGION/INSTANCE`; `ask` is `None` where nothing is known of single ones.
pub(super) async fn answer(ask: Option<&AskDetail>, names: &[String]) -> Response<Full<Bytes>> {
    let found = match ask {
        Some(ask) => tokio::time::timeout(SNAPSHOT_WITHIN, ask(subject(names))).await,
        None => Ok(Some(None)),
    };
    match found {
        Ok(Some(Some(detail))) => site::json(StatusCode::OK, &one(&detail)),
        Ok(Some(None)) => api::error(
            StatusCode::NOT_FOUND,
            "no such instance is known; GET /api/v1/instances lists them",
        ),
        Ok(None) | Err(_) => api::late(),
    }
}

fn subject(names: &[String]) -> String {
    format!("logs.{}", names.join("."))
}

/// One instance with all that is known of it, the times of its last beats among it.
pub(super) fn one(detail: &Detail) -> Value {
    let with_times = |(row, times): &(BeatRow, Vec<Wall>)| {
        let mut value = beat(row);
        let tenths = |at: &Wall| (at.seconds() * 10.0).round() / 10.0;
        value["times"] = times.iter().map(tenths).collect();
        value
    };
    let beats = detail.beats.iter().map(with_times).collect();
    let mut value = instance(&detail.instance, beats);
    value["now"] = json!(format::rfc3339(detail.now.wall));
    value["known_since"] = json!(format::rfc3339(detail.known_since));
    value
}

fn beat(row: &BeatRow) -> Value {
    json!({
        "beat": &*row.beat,
        "verdict": row.verdict.label(),
        "last_seen": format::rfc3339(row.seen),
        "due": row.due.map(format::rfc3339),
        "max_gap_seconds": row.max_gap.map(seconds),
        "rule": row.rule.as_deref(),
        "every_seconds": row.every.map(seconds),
        "usual_seconds": row.usual.map(seconds),
        "text": format::sanitize(&row.text, format::TEXT_CHARS),
    })
}
