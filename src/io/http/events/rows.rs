//! The instances that readers of events see one by one, and what changed of them between two looks.

use crate::core::snapshot::{InstanceRow, Snapshot, Verdict};
use crate::core::time::Wall;
use crate::format;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Instances shown one by one: as many as a page moves smoothly, some 400 kB.
pub const ROWS: usize = 2_000;
/// Times are told anew where they moved by more than this: they are computed anew from two clocks at each look.
const MOVED: Duration = Duration::from_millis(500);
/// A deadline alone moves on all the time while lastbeat is blind.
const DUE_MOVED: Duration = Duration::from_secs(5);
/// Any entry moves this, which nobody watches by the second.
const SEEN_MOVED: Duration = Duration::from_secs(10);

/// One instance.
#[derive(Clone, Debug)]
struct Row {
    app: Arc<str>,
    region: Arc<str>,
    subject: Arc<str>,
    verdict: Verdict,
    reason: Option<String>,
    seen: Wall,
    beat: Option<Wall>,
    due: Option<Wall>,
    rule: Option<Arc<str>>,
}

/// All that are shown.
#[derive(Debug)]
pub(super) struct Rows {
    total: u64,
    folded: bool,
    rows: BTreeMap<Arc<str>, Row>,
}

impl Rows {
    /// Those of a copy that are to be shown.
    pub fn of(snapshot: &Snapshot) -> Self {
        let total = snapshot.verdicts.iter().map(|row| row.count).sum();
        let folded = total > ROWS as u64;
        let is_shown = |row: &&InstanceRow| {
            !folded || !matches!(row.verdict, Verdict::Live | Verdict::Stopped)
        };
        let shown = snapshot.instances.iter().filter(is_shown).take(ROWS);
        let mut rows: BTreeMap<Arc<str>, Row> = shown
            .map(|row| (Arc::clone(&row.subject), Row::of(row)))
            .collect();
        for beat in &snapshot.beats {
            let Some(row) = rows.get_mut(&beat.subject) else {
                continue;
            };
            row.beat = row.beat.max(Some(beat.seen));
            let sooner = match (row.due, beat.due) {
                (None, _) => row.rule.is_none() || beat.due.is_some(),
                (Some(due), Some(other)) => other < due,
                (Some(_), None) => false,
            };
            if sooner {
                row.due = beat.due;
                row.rule = beat.rule.clone();
            }
        }
        Rows {
            total,
            folded,
            rows,
        }
    }

    /// As a snapshot has them.
    pub fn json(&self) -> Value {
        let rows: Vec<Value> = self.rows.values().map(Row::json).collect();
        json!({"total": self.total, "folded": self.folded, "rows": rows})
    }

    /// The data of `instances`: what changed since `before`; `None` where nothing did. Rows of which too little changed to
    /// be told stay as they were told.
    pub fn since(&mut self, before: &Rows, now: &str) -> Option<Value> {
        let mut changed = Vec::new();
        for (key, row) in &mut self.rows {
            match before.rows.get(key) {
                Some(told) if !row.is_news(told) => *row = told.clone(),
                _ => changed.push(row.json()),
            }
        }
        let gone = before.rows.iter();
        let gone = gone.filter(|(key, _)| !self.rows.contains_key(*key));
        let gone: Vec<Value> = gone.map(|(_, row)| row.key()).collect();
        let same = (self.total, self.folded) == (before.total, before.folded);
        if same && changed.is_empty() && gone.is_empty() {
            return None;
        }
        Some(json!({
            "now": now, "total": self.total, "folded": self.folded, "changed": changed, "gone": gone,
        }))
    }
}

impl Row {
    fn of(row: &InstanceRow) -> Self {
        let reason = row.reason.as_deref();
        Row {
            app: Arc::clone(&row.app),
            region: Arc::clone(&row.region),
            subject: Arc::clone(&row.subject),
            verdict: row.verdict,
            reason: reason.map(|reason| format::sanitize(reason, format::TEXT_CHARS)),
            seen: row.seen,
            beat: None,
            due: None,
            rule: None,
        }
    }

    fn is_news(&self, told: &Row) -> bool {
        let moved = |now: Option<Wall>, told: Option<Wall>, by: Duration| match (now, told) {
            (Some(now), Some(told)) => now.since(told).max(told.since(now)) > by,
            (now, told) => now.is_some() != told.is_some(),
        };
        self.verdict != told.verdict
            || self.reason != told.reason
            || self.rule != told.rule
            || moved(self.beat, told.beat, MOVED)
            || moved(self.due, told.due, DUE_MOVED)
            || moved(Some(self.seen), Some(told.seen), SEEN_MOVED)
    }

    fn instance(&self) -> &str {
        crate::core::snapshot::last_token(&self.subject)
    }

    fn key(&self) -> Value {
        json!({"app": &*self.app, "region": &*self.region, "instance": self.instance()})
    }

    fn json(&self) -> Value {
        json!({
            "app": &*self.app,
            "region": &*self.region,
            "instance": self.instance(),
            "verdict": self.verdict.label(),
            "reason": self.reason,
            "last_seen": format::rfc3339(self.seen),
            "last_beat": self.beat.map(format::rfc3339),
            "due": self.due.map(format::rfc3339),
            "rule": self.rule.as_deref(),
        })
    }
}
