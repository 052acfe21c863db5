//! The status of lastbeat.

use super::downstream::Downstream;
use super::{Blind, BlindSeconds, Counts, Seconds, Timestamp};
use crate::core::snapshot::threshold_rows::ThresholdRow;
use crate::core::snapshot::{AppRow, Snapshot, VerdictRow};
use crate::format::threshold::threshold;
use crate::io::http::readiness::{Readiness, Reason};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The status of lastbeat, and what it knows.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Status {
    /// The time that all of it is of.
    pub now: Timestamp,
    /// lastbeat receives logs and delivers alerts.
    pub ready: bool,
    /// The reasons why it is not ready.
    pub reasons: Vec<Reason>,
    /// The log stream.
    pub stream: Stream,
    /// Time in which silence was evidence.
    pub listened_seconds: Seconds,
    /// Time in which it was not, by reason.
    pub blind_seconds: BlindSeconds,
    /// The last blind intervals, the newest first.
    pub blind_intervals: Vec<BlindInterval>,
    /// All instances by verdict.
    pub instances: Counts,
    /// Each app in each region, by name.
    pub apps: Vec<AppRegion>,
    /// Apps whose heartbeats have `seq=`, and the share that is lost; of others three in a thousand are assumed.
    pub losses: Vec<Loss>,
    /// Open incidents.
    pub open_incidents: u64,
    /// Rules in force.
    pub rules: u64,
    /// The version of lastbeat.
    pub version: &'static str,
    /// The state file.
    pub store: StoreStatus,
    /// Each notifier.
    pub notifiers: Vec<NotifierStatus>,
    /// Log shippers, in the order of the rules.
    pub downstreams: Vec<Downstream>,
    /// Entries since the start that look like a heartbeat in a form that does not count, by form.
    pub unrecognised_beats: Vec<UnrecognisedBeats>,
}

/// Entries that look like a heartbeat in a form that does not count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct UnrecognisedBeats {
    /// The form, as in `lastbeat_beats_unrecognised_total{form}`.
    #[schema(examples("sentence"))]
    pub form: &'static str,
    /// The number of entries.
    pub count: u64,
    /// The subject of the last one.
    #[schema(examples("logs.web.iad.148ed123a00089"))]
    pub last: String,
    /// The remedy.
    pub hint: &'static str,
}

/// The log stream.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Stream {
    /// The arrival of the last entry; null before the first.
    pub last_entry: Option<Timestamp>,
    /// Entries received since the start, of apps that are known.
    pub entries: u64,
    /// No entries arrive.
    pub stalled: bool,
    /// The reason why lastbeat is blind now; null where it is not.
    pub blind: Option<Blind>,
    /// The delay of entries: their arrival less their own time.
    pub lag_seconds: Seconds,
    /// The round trip of the last canary; null where there was none.
    pub canary_seconds: Option<Seconds>,
}

/// A time in which no entries could be received.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct BlindInterval {
    /// Its start.
    pub from: Timestamp,
    /// Its end.
    pub to: Timestamp,
    /// Its reason.
    pub reason: Blind,
}

/// An app in one region.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct AppRegion {
    /// The app.
    pub app: String,
    /// The region.
    pub region: String,
    /// Its instances by verdict.
    pub instances: Counts,
}

/// The share of lost heartbeats of an app.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Loss {
    /// The app.
    pub app: String,
    /// The share in the last day, from gaps in `seq=`.
    #[schema(minimum = 0, maximum = 1)]
    pub lost_ratio: f64,
}

/// The state file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct StoreStatus {
    /// Its path; null: the state is in memory only.
    pub file: Option<String>,
    /// Its fault; null if there is none.
    pub trouble: Option<String>,
}

/// A notifier.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct NotifierStatus {
    /// Its name.
    pub notifier: String,
    /// Notifications that wait.
    pub pending: usize,
    /// Attempts in a row that failed.
    pub failed_tries: u32,
    /// The receiver's last answer to a notification that it refuses, as in `401 Unauthorized`; null: it refuses none. A
    /// refused notification is retried for a day.
    pub refused: Option<String>,
    /// Notifications given up since the start.
    pub given_up: u64,
}

/// The rules in force.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Rules {
    /// The rules as in a rule file, with every default; secrets are `***`.
    #[schema(value_type = Option<Object>)]
    pub rules: Option<serde_json::Value>,
    /// The silence that each rule allows, of those whose targets declare their interval; null where the core does not answer.
    pub thresholds: Option<Vec<Threshold>>,
}

/// The silence that a rule allows the targets that declare their interval.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Threshold {
    /// The rule.
    pub rule: String,
    /// All of it in a sentence.
    pub text: String,
    /// Targets that declare their interval.
    pub targets: u64,
    /// Heartbeats in a row that must be lost before an alert: the most of its targets.
    pub factor: u32,
    /// The share of heartbeats that are lost in the app of that target.
    #[schema(minimum = 0, maximum = 1)]
    pub lost_ratio: f64,
    /// That share is assumed: its heartbeats have no `seq=`.
    pub lost_ratio_is_assumed: bool,
    /// False alarms by lost heartbeats to expect in a day.
    pub expected_false_alarms_per_day: f64,
    /// More than one a week is to be expected.
    pub is_noisy: bool,
}

impl From<&ThresholdRow> for Threshold {
    fn from(row: &ThresholdRow) -> Self {
        let longest = &row.longest;
        Threshold {
            rule: row.rule.to_string(),
            text: threshold(row),
            targets: row.targets,
            factor: longest.factor,
            lost_ratio: longest.odds.lost,
            lost_ratio_is_assumed: longest.odds.is_assumed(),
            expected_false_alarms_per_day: row.expected_a_day(),
            is_noisy: row.is_noisy(),
        }
    }
}

impl Status {
    /// The status at a copy of the core.
    pub fn new(
        snapshot: &Snapshot,
        readiness: &Readiness,
        store: StoreStatus,
        notifiers: Vec<NotifierStatus>,
        unrecognised_beats: Vec<UnrecognisedBeats>,
    ) -> Self {
        let mut instances = Counts::default();
        for row in &snapshot.verdicts {
            instances.add(row.verdict, row.count);
        }
        let blind = snapshot.blind.iter();
        let blind = blind.map(|(why, length)| (why.label(), (*length).into()));
        let intervals = snapshot.blind_intervals.iter();
        let intervals = intervals.map(|&(from, to, why)| BlindInterval {
            from: from.into(),
            to: to.into(),
            reason: Blind(why),
        });
        Status {
            now: snapshot.now.wall.into(),
            ready: readiness.is_ready(),
            reasons: readiness.reasons.clone(),
            stream: Stream {
                last_entry: snapshot.stream_seen.map(Timestamp::from),
                entries: snapshot.apps.iter().map(|app| app.entries).sum(),
                stalled: snapshot.stalled,
                blind: snapshot.blind_now.map(Blind),
                lag_seconds: snapshot.lag.into(),
                canary_seconds: snapshot.canary.map(Seconds::from),
            },
            listened_seconds: snapshot.listened.into(),
            blind_seconds: BlindSeconds(blind.collect()),
            blind_intervals: intervals.collect(),
            instances,
            apps: app_regions(&snapshot.verdicts),
            losses: losses(&snapshot.apps),
            open_incidents: snapshot.incidents.iter().map(|(_, count)| count).sum(),
            rules: snapshot.rules,
            version: env!("CARGO_PKG_VERSION"),
            store,
            notifiers,
            downstreams: snapshot.downstreams.iter().map(Downstream::from).collect(),
            unrecognised_beats,
        }
    }
}

fn losses(apps: &[AppRow]) -> Vec<Loss> {
    let counted = apps.iter().filter(|app| !app.odds.is_assumed());
    let loss = |app: &AppRow| Loss {
        app: app.name.to_string(),
        lost_ratio: app.odds.lost,
    };
    counted.map(loss).collect()
}

fn app_regions(rows: &[VerdictRow]) -> Vec<AppRegion> {
    let mut counts: BTreeMap<(&str, &str), Counts> = BTreeMap::new();
    for row in rows {
        let counts = counts.entry((&row.app, &row.region)).or_default();
        counts.add(row.verdict, row.count);
    }
    let counts = counts.into_iter();
    let row = counts.map(|((app, region), instances)| AppRegion {
        app: app.to_owned(),
        region: region.to_owned(),
        instances,
    });
    row.collect()
}
