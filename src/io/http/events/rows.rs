//! The instances that readers of events see one by one, and the changes between two snapshots.

use crate::core::snapshot::{InstanceRow, Snapshot, Verdict};
use crate::core::time::Wall;
use crate::format;
use crate::io::http::dto::live::{InstanceKey, InstanceRows, InstanceState, InstancesEvent};
use crate::io::http::dto::{Timestamp, Verdict as Label};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Instances listed one by one: as many as a page moves smoothly, some 400 kB.
pub const ROWS: usize = 2_000;
/// A row is sent again where its times moved by more than this: they are computed anew from two clocks at each snapshot.
const MOVED: Duration = Duration::from_millis(500);
/// The same for a deadline, which moves on all the time while lastbeat is blind.
const DUE_MOVED: Duration = Duration::from_secs(5);
/// The same for the last entry, which need not be exact to the second.
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

/// All rows.
#[derive(Debug)]
pub(super) struct Rows {
    total: u64,
    folded: bool,
    rows: BTreeMap<Arc<str>, Row>,
}

impl Rows {
    /// The rows of a snapshot.
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

    /// The rows as a `snapshot` event has them.
    pub fn all(&self) -> InstanceRows {
        InstanceRows {
            total: self.total,
            folded: self.folded,
            rows: self.rows.values().map(Row::state).collect(),
        }
    }

    /// The data of an `instances` event: the changes since `before`; `None` where there are none. A row that changed too
    /// little stays as it was sent.
    pub fn since<'a>(&mut self, before: &Rows, now: &'a Timestamp) -> Option<InstancesEvent<'a>> {
        let mut changed = Vec::new();
        for (key, row) in &mut self.rows {
            match before.rows.get(key) {
                Some(sent) if !row.differs(sent) => *row = sent.clone(),
                _ => changed.push(row.state()),
            }
        }
        let gone = before.rows.iter();
        let gone = gone.filter(|(key, _)| !self.rows.contains_key(*key));
        let gone: Vec<InstanceKey> = gone.map(|(_, row)| row.key()).collect();
        let same = (self.total, self.folded) == (before.total, before.folded);
        if same && changed.is_empty() && gone.is_empty() {
            return None;
        }
        Some(InstancesEvent {
            now,
            total: self.total,
            folded: self.folded,
            changed,
            gone,
        })
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

    fn differs(&self, sent: &Row) -> bool {
        let moved = |now: Option<Wall>, sent: Option<Wall>, by: Duration| match (now, sent) {
            (Some(now), Some(sent)) => now.since(sent).max(sent.since(now)) > by,
            (now, sent) => now.is_some() != sent.is_some(),
        };
        self.verdict != sent.verdict
            || self.reason != sent.reason
            || self.rule != sent.rule
            || moved(self.beat, sent.beat, MOVED)
            || moved(self.due, sent.due, DUE_MOVED)
            || moved(Some(self.seen), Some(sent.seen), SEEN_MOVED)
    }

    fn instance(&self) -> &str {
        crate::core::snapshot::last_token(&self.subject)
    }

    fn key(&self) -> InstanceKey {
        InstanceKey {
            app: self.app.to_string(),
            region: self.region.to_string(),
            instance: self.instance().to_owned(),
        }
    }

    fn state(&self) -> InstanceState {
        InstanceState {
            key: self.key(),
            verdict: Label(self.verdict),
            reason: self.reason.clone(),
            last_seen: self.seen.into(),
            last_beat: self.beat.map(Timestamp::from),
            due: self.due.map(Timestamp::from),
            rule: self.rule.as_deref().map(str::to_owned),
        }
    }
}
