//! `/api/v1/status`: how lastbeat is, and what it knows, as JSON.
//!
//! Times are RFC 3339, spans are seconds.

use super::readiness::Readiness;
use crate::core::listening::Blind;
use crate::core::snapshot::{Snapshot, VerdictRow};
use crate::core::time::Wall;
use crate::format;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// How a notifier stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotifierStand {
    /// Its name.
    pub notifier: String,
    /// Notices that wait.
    pub pending: usize,
    /// Tries in a row that failed.
    pub failed_tries: u32,
    /// Notices given up since the start.
    pub given_up: u64,
}

/// How the store stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreStand {
    /// The file; `None`: in memory only.
    pub file: Option<String>,
    /// What is wrong with it, for people; `None` where nothing is.
    pub trouble: Option<String>,
}

/// What stands around the core.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The store.
    pub store: StoreStand,
    /// Each notifier.
    pub notifiers: Vec<NotifierStand>,
}

/// Whether lastbeat can see and tell, how long it listened and was blind, and how many have which verdict.
pub(super) fn status(snapshot: &Snapshot, readiness: &Readiness, standing: &Standing) -> Value {
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
        "now": format::rfc3339(snapshot.now.wall),
        "ready": readiness.is_ready(),
        "reasons": reasons.collect::<Vec<_>>(),
        "stream": {
            "last_entry": snapshot.stream_seen.map(format::rfc3339),
            "stalled": snapshot.stalled,
            "blind": snapshot.blind_now.map(Blind::label),
            "lag_seconds": seconds(snapshot.lag),
            "canary_seconds": snapshot.canary.map(seconds),
        },
        "listened_seconds": seconds(snapshot.listened),
        "blind_seconds": blind.collect::<serde_json::Map<_, _>>(),
        "blind_intervals": snapshot.blind_intervals.iter().map(interval).collect::<Vec<_>>(),
        "instances": verdicts,
        "apps": apps(&snapshot.verdicts),
        "open_incidents": snapshot.incidents.iter().map(|(_, count)| count).sum::<u64>(),
        "rules": snapshot.rules,
        "version": env!("CARGO_PKG_VERSION"),
        "store": {"file": standing.store.file, "trouble": standing.store.trouble},
        "notifiers": standing.notifiers.iter().map(notifier).collect::<Vec<_>>(),
    })
}

fn notifier(stand: &NotifierStand) -> Value {
    json!({
        "notifier": stand.notifier,
        "pending": stand.pending,
        "failed_tries": stand.failed_tries,
        "given_up": stand.given_up,
    })
}

/// Each app in each region with its instances by verdict, in the order of their names.
fn apps(rows: &[VerdictRow]) -> Vec<Value> {
    let mut places: BTreeMap<(&str, &str), serde_json::Map<String, Value>> = BTreeMap::new();
    for row in rows {
        let counts = places.entry((&row.app, &row.region)).or_default();
        counts.insert(row.verdict.label().to_owned(), row.count.into());
    }
    let place = |((app, region), counts)| json!({"app": app, "region": region, "instances": Value::Object(counts)});
    places.into_iter().map(place).collect()
}

fn interval(&(from, to, why): &(Wall, Wall, Blind)) -> Value {
    json!({"from": format::rfc3339(from), "to": format::rfc3339(to), "reason": why.label()})
}

/// Seconds, to the millisecond.
pub(super) fn seconds(length: Duration) -> Value {
    json!(length.as_millis() as f64 / 1e3)
}
