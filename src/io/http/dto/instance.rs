//! Instances and their heartbeats.

use super::entry::LastEntry;
use super::{Seconds, Timestamp, Verdict};
use crate::core::snapshot::detail::Detail;
use crate::core::snapshot::{BeatRow, InstanceRow, Snapshot};
use crate::core::time::Wall;
use crate::decode::api_query::{self, InstanceQuery};
use crate::format;
use serde::Serialize;
use std::collections::HashMap;
use utoipa::ToSchema;

/// A page of instances.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Instances {
    /// The time that all of it is of.
    pub now: Timestamp,
    /// The number of all instances that match, on any page.
    pub total: usize,
    /// Series left out of /metrics (LASTBEAT_MAX_SERIES).
    pub suppressed: u64,
    /// The instances of this page, by name.
    #[schema(max_items = 1000)]
    pub instances: Vec<Instance>,
    /// The `cursor` of the next page; null on the last one.
    pub next: Option<String>,
}

/// An instance.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Instance {
    /// The time that all of it is of; left out in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Timestamp, required = false)]
    pub now: Option<Timestamp>,
    /// Its app.
    pub app: String,
    /// Its region.
    pub region: String,
    /// Its name.
    pub instance: String,
    /// The worst verdict of what is watched of it.
    pub verdict: Verdict,
    /// The reason of the verdict, where more is known.
    pub reason: Option<String>,
    /// The time since when the reason holds.
    pub reason_since: Option<Timestamp>,
    /// The arrival of its last entry of any kind.
    pub last_seen: Timestamp,
    /// Its heartbeats, by name.
    pub beats: Vec<Beat>,
    /// No heartbeats from before this time are known; left out in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Timestamp, required = false)]
    pub known_since: Option<Timestamp>,
    /// Its last entries of any kind, the oldest first; left out in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<LastEntry>, required = false, max_items = 50)]
    pub last_words: Option<Vec<LastEntry>>,
}

/// A heartbeat of an instance.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Beat {
    /// Its `name=`; empty where it has none.
    pub beat: String,
    /// Its verdict.
    pub verdict: Verdict,
    /// The arrival of the last one.
    pub last_seen: Timestamp,
    /// The deadline of the next one; null where no rule watches it, or its alert fires already.
    pub due: Option<Timestamp>,
    /// The longest silence allowed; null where no rule watches it.
    pub max_gap_seconds: Option<Seconds>,
    /// The rule that watches it.
    pub rule: Option<String>,
    /// The interval that it declares by `every=`.
    pub every_seconds: Option<Seconds>,
    /// The longest interval that is usual; null until two are known.
    pub usual_seconds: Option<Seconds>,
    /// The text of the last one, without control characters.
    pub text: String,
    /// The arrivals of the last ones, in seconds since 1970, the oldest first; left out in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<Seconds>, required = false, max_items = 2000)]
    pub times: Option<Vec<Seconds>>,
}

impl Instances {
    /// The page of instances that is asked for. Sorting twenty thousand takes milliseconds: for a blocking thread.
    pub fn page(snapshot: &Snapshot, asked: &InstanceQuery) -> Self {
        let matching = snapshot.instances.iter().filter(|row| matches(row, asked));
        let mut rows: Vec<&InstanceRow> = matching.collect();
        let total = rows.len();
        rows.sort_unstable_by(|a, b| a.subject.cmp(&b.subject));
        let begins = asked.after.as_deref().map_or(0, |after| {
            rows.partition_point(|row| &*row.subject <= after)
        });
        let page = &rows[begins..rows.len().min(begins + asked.limit)];
        let last = page.last().filter(|_| begins + page.len() < rows.len());
        let mut beats: HashMap<&str, Vec<Beat>> =
            page.iter().map(|row| (&*row.subject, Vec::new())).collect();
        for row in &snapshot.beats {
            if let Some(beats) = beats.get_mut(&*row.subject) {
                beats.push(Beat::new(row, None));
            }
        }
        let shown = page.iter().map(|row| {
            let beats = beats.remove(&*row.subject);
            Instance::new(row, beats.unwrap_or_default())
        });
        Instances {
            now: snapshot.now.wall.into(),
            total,
            suppressed: snapshot.suppressed,
            instances: shown.collect(),
            next: last.map(|row| api_query::cursor(&row.subject)),
        }
    }
}

fn matches(row: &InstanceRow, asked: &InstanceQuery) -> bool {
    let is =
        |name: &str, asked: &Option<String>| asked.as_deref().is_none_or(|asked| asked == name);
    is(&row.app, &asked.app)
        && is(&row.region, &asked.region)
        && is(row.instance(), &asked.instance)
        && asked.verdict.is_none_or(|verdict| verdict == row.verdict)
}

impl Instance {
    fn new(row: &InstanceRow, beats: Vec<Beat>) -> Self {
        let clean = |reason: &str| format::sanitize(reason, format::TEXT_CHARS);
        Instance {
            now: None,
            app: row.app.to_string(),
            region: row.region.to_string(),
            instance: row.instance().to_owned(),
            verdict: Verdict(row.verdict),
            reason: row.reason.as_deref().map(clean),
            reason_since: row.since.map(Timestamp::from),
            last_seen: row.seen.into(),
            beats,
            known_since: None,
            last_words: None,
        }
    }
}

impl From<&Detail> for Instance {
    fn from(detail: &Detail) -> Self {
        let beats = detail.beats.iter();
        let beats = beats.map(|(row, times)| Beat::new(row, Some(times)));
        Instance {
            now: Some(detail.now.wall.into()),
            known_since: Some(detail.known_since.into()),
            last_words: None,
            ..Instance::new(&detail.instance, beats.collect())
        }
    }
}

impl Beat {
    fn new(row: &BeatRow, times: Option<&Vec<Wall>>) -> Self {
        let tenths = |at: &Wall| Seconds((at.seconds() * 10.0).round() / 10.0);
        Beat {
            beat: row.beat.to_string(),
            verdict: Verdict(row.verdict),
            last_seen: row.seen.into(),
            due: row.due.map(Timestamp::from),
            max_gap_seconds: row.max_gap.map(Seconds::from),
            rule: row.rule.as_deref().map(str::to_owned),
            every_seconds: row.every.map(Seconds::from),
            usual_seconds: row.usual.map(Seconds::from),
            text: format::sanitize(&row.text, format::TEXT_CHARS),
            times: times.map(|times| times.iter().map(tenths).collect()),
        }
    }
}
