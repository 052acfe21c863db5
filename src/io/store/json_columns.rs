//! JSON columns: an incident's notice, key and members; and a silence's matchers. A new field
//! gets `#[serde(default)]`: files exist without it.

use super::stored_enums::{StoredEnum, kind_from_stored, stored_kind};
use super::stream_columns::MissingRow;
use crate::core::notice::{Acknowledgement, Alarm, Between, IncidentId, Notice, Scope, TargetName};
use crate::core::persist::{SavedBack, SavedNotified, SavedStamp, SavedTarget, SavedWatched};
use crate::core::rule::{Globs, Matchers, Severity};
use crate::core::time::{Listened, Mono, Wall, nanos};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// As text; the mappings below hold nothing that JSON has not.
pub(super) fn text(value: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

#[derive(Serialize, Deserialize)]
struct NoticeRow<'a> {
    kind: String,
    alarm: Cow<'a, str>,
    scope: Cow<'a, str>,
    rule: Cow<'a, str>,
    notify: Option<Cow<'a, [String]>>,
    affected: Cow<'a, [String]>,
    affected_total: u64,
    severity: Cow<'a, str>,
    app: Cow<'a, str>,
    region: Cow<'a, str>,
    instance: Cow<'a, str>,
    host: Cow<'a, str>,
    beat: Cow<'a, str>,
    since_at: u64,
    gap_ns: u64,
    listened_ns: u64,
    max_gap_ns: u64,
    due_at: u64,
    decided_at: u64,
    last_text: Cow<'a, str>,
    detail: Cow<'a, str>,
    summary: Option<Cow<'a, str>>,
    runbook: Option<Cow<'a, str>>,
    #[serde(default)]
    labels: Cow<'a, BTreeMap<String, String>>,
    #[serde(default)]
    fingerprint: Cow<'a, str>,
    #[serde(default)]
    between: BetweenRow<'a>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    acknowledged: Option<AcknowledgementRow<'a>>,
}

#[derive(Serialize, Deserialize)]
struct AcknowledgementRow<'a> {
    at: u64,
    author: Cow<'a, str>,
    note: Cow<'a, str>,
}

impl<'a> AcknowledgementRow<'a> {
    fn of(word: &'a Acknowledgement) -> Self {
        AcknowledgementRow {
            at: word.at.nanos(),
            author: word.author.as_str().into(),
            note: word.note.as_str().into(),
        }
    }

    fn into(self) -> Acknowledgement {
        Acknowledgement {
            at: Wall::from_nanos(self.at),
            author: self.author.into_owned(),
            note: self.note.into_owned(),
        }
    }
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct BetweenRow<'a> {
    rules: Cow<'a, [String]>,
    runbooks: Cow<'a, [String]>,
    longest_max_gap_ns: u64,
    of_total: u64,
    regions: u64,
    back: u64,
    logging: u64,
    cut_off: bool,
    apps: Cow<'a, [String]>,
    apps_total: u64,
    missing: Option<MissingRow>,
    sink: Cow<'a, str>,
}

impl<'a> BetweenRow<'a> {
    fn of(between: &'a Between) -> Self {
        BetweenRow {
            rules: Cow::Borrowed(&between.rules),
            runbooks: Cow::Borrowed(&between.runbooks),
            longest_max_gap_ns: nanos(between.longest_max_gap),
            of_total: between.of_total,
            regions: between.regions,
            back: between.back,
            logging: between.logging,
            cut_off: between.cut_off,
            apps: Cow::Borrowed(&between.apps),
            apps_total: between.apps_total,
            missing: between.missing.as_ref().map(MissingRow::of),
            sink: between.sink.as_str().into(),
        }
    }

    fn into(self) -> Between {
        Between {
            rules: self.rules.into_owned(),
            runbooks: self.runbooks.into_owned(),
            longest_max_gap: Duration::from_nanos(self.longest_max_gap_ns),
            of_total: self.of_total,
            regions: self.regions,
            back: self.back,
            logging: self.logging,
            cut_off: self.cut_off,
            apps: self.apps.into_owned(),
            apps_total: self.apps_total,
            missing: self.missing.map(MissingRow::into),
            sink: self.sink.into_owned(),
        }
    }
}

/// A notice but for its incident's number, which is the row's.
pub(super) fn notice(notice: &Notice) -> rusqlite::Result<String> {
    let who = &notice.who;
    text(&NoticeRow {
        kind: stored_kind(notice.kind),
        alarm: notice.alarm.stored().into(),
        scope: notice.scope.stored().into(),
        rule: notice.rule.as_str().into(),
        notify: notice.notify.as_deref().map(Cow::Borrowed),
        affected: Cow::Borrowed(&notice.affected),
        affected_total: notice.affected_total,
        severity: notice.severity.stored().into(),
        app: who.app.as_str().into(),
        region: who.region.as_str().into(),
        instance: who.instance.as_str().into(),
        host: who.host.as_str().into(),
        beat: who.beat.as_str().into(),
        since_at: notice.since.nanos(),
        gap_ns: nanos(notice.gap),
        listened_ns: nanos(notice.listened),
        max_gap_ns: nanos(notice.max_gap),
        due_at: notice.due.nanos(),
        decided_at: notice.decided.nanos(),
        last_text: notice.last_text.as_str().into(),
        detail: notice.detail.as_str().into(),
        summary: notice.summary.as_deref().map(Cow::Borrowed),
        runbook: notice.runbook.as_deref().map(Cow::Borrowed),
        labels: Cow::Borrowed(&notice.labels),
        fingerprint: notice.fingerprint.as_str().into(),
        between: BetweenRow::of(&notice.between),
        acknowledged: notice.acknowledged.as_ref().map(AcknowledgementRow::of),
    })
}

/// `None` where the text makes no sense.
pub(super) fn notice_of(incident: IncidentId, text: &str) -> Option<Notice> {
    let row: NoticeRow<'_> = serde_json::from_str(text).ok()?;
    Some(Notice {
        incident,
        kind: kind_from_stored(&row.kind)?,
        alarm: Alarm::from_stored(&row.alarm)?,
        scope: Scope::from_stored(&row.scope)?,
        rule: row.rule.into_owned(),
        notify: row.notify.map(Cow::into_owned),
        affected: row.affected.into_owned(),
        affected_total: row.affected_total,
        severity: Severity::from_stored(&row.severity)?,
        who: TargetName {
            app: row.app.into_owned(),
            region: row.region.into_owned(),
            instance: row.instance.into_owned(),
            host: row.host.into_owned(),
            beat: row.beat.into_owned(),
        },
        since: Wall::from_nanos(row.since_at),
        gap: Duration::from_nanos(row.gap_ns),
        listened: Duration::from_nanos(row.listened_ns),
        max_gap: Duration::from_nanos(row.max_gap_ns),
        due: Wall::from_nanos(row.due_at),
        due_mono: Mono::ZERO,
        decided: Wall::from_nanos(row.decided_at),
        last_text: row.last_text.into_owned(),
        last_words: Vec::new(),
        detail: row.detail.into_owned(),
        summary: row.summary.map(Cow::into_owned),
        runbook: row.runbook.map(Cow::into_owned),
        labels: row.labels.into_owned(),
        fingerprint: row.fingerprint.into_owned(),
        between: row.between.into(),
        is_first: false,
        acknowledged: row.acknowledged.map(AcknowledgementRow::into),
    })
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WatchedRow<'a> {
    /// Subject, marker, name.
    Beat(Cow<'a, str>, Cow<'a, str>, Cow<'a, str>),
    /// Subject.
    Logs(Cow<'a, str>),
    /// App, region.
    Group(Option<Cow<'a, str>>, Option<Cow<'a, str>>),
}

#[derive(Serialize, Deserialize)]
pub(super) struct TargetRow<'a> {
    rule: Cow<'a, str>,
    watched: WatchedRow<'a>,
    #[serde(default, skip_serializing_if = "is_zero")]
    recovered: u16,
}

fn is_zero(count: &u16) -> bool {
    *count == 0
}

impl<'a> TargetRow<'a> {
    /// Of a target.
    pub(super) fn of(target: &'a SavedTarget) -> Self {
        let watched = match &target.watched {
            SavedWatched::Beat {
                subject,
                marker,
                name,
            } => WatchedRow::Beat(cow(subject), cow(marker), cow(name)),
            SavedWatched::Logs { subject } => WatchedRow::Logs(cow(subject)),
            SavedWatched::Group { app, region } => {
                WatchedRow::Group(app.as_ref().map(cow), region.as_ref().map(cow))
            }
        };
        TargetRow {
            rule: cow(&target.rule),
            watched,
            recovered: target.recovered,
        }
    }

    /// The target.
    pub(super) fn into(self) -> SavedTarget {
        let watched = match self.watched {
            WatchedRow::Beat(subject, marker, name) => SavedWatched::Beat {
                subject: subject.into(),
                marker: marker.into(),
                name: name.into(),
            },
            WatchedRow::Logs(subject) => SavedWatched::Logs {
                subject: subject.into(),
            },
            WatchedRow::Group(app, region) => SavedWatched::Group {
                app: app.map(Arc::from),
                region: region.map(Arc::from),
            },
        };
        SavedTarget {
            rule: self.rule.into(),
            watched,
            recovered: self.recovered,
        }
    }
}

pub(super) fn cow(text: &Arc<str>) -> Cow<'_, str> {
    Cow::Borrowed(text)
}

/// The targets that fire within an incident.
pub(super) fn members(members: &[SavedTarget]) -> rusqlite::Result<String> {
    let rows: Vec<TargetRow<'_>> = members.iter().map(TargetRow::of).collect();
    text(&rows)
}

/// `None` where the text makes no sense.
pub(super) fn members_of(text: &str) -> Option<Vec<SavedTarget>> {
    let rows: Vec<TargetRow<'_>> = serde_json::from_str(text).ok()?;
    Some(rows.into_iter().map(TargetRow::into).collect())
}

#[derive(Serialize, Deserialize)]
struct BackRow<'a> {
    target: TargetRow<'a>,
    at: u64,
    listened: u64,
}

/// Members that were heard again.
pub(super) fn back(back: &[SavedBack]) -> rusqlite::Result<String> {
    let row = |one: &'_ SavedBack| {
        serde_json::to_value(BackRow {
            target: TargetRow::of(&one.target),
            at: one.at.at.nanos(),
            listened: one.at.listened.nanos(),
        })
    };
    let rows: Result<Vec<_>, _> = back.iter().map(row).collect();
    text(&rows.map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?)
}

/// `None` where the text makes no sense.
pub(super) fn back_of(text: &str) -> Option<Vec<SavedBack>> {
    let rows: Vec<BackRow<'_>> = serde_json::from_str(text).ok()?;
    let back = |row: BackRow<'_>| SavedBack {
        target: row.target.into(),
        at: SavedStamp {
            at: Wall::from_nanos(row.at),
            listened: Listened::from_nanos(row.listened),
        },
    };
    Some(rows.into_iter().map(back).collect())
}

#[derive(Serialize, Deserialize)]
struct NotifiedRow<'a> {
    to: Cow<'a, str>,
    at: u64,
    reminders: u32,
    updates: u32,
    severity: Cow<'a, str>,
    silent: u64,
}

/// The notifications of each notifier.
pub(super) fn notified(notified: &[SavedNotified]) -> rusqlite::Result<String> {
    let row = |one: &'_ SavedNotified| {
        serde_json::to_value(NotifiedRow {
            to: cow(&one.notifier),
            at: one.at.nanos(),
            reminders: one.reminders,
            updates: one.updates,
            severity: one.severity.stored().into(),
            silent: one.silent,
        })
    };
    let rows: Result<Vec<_>, _> = notified.iter().map(row).collect();
    text(&rows.map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?)
}

/// `None` where the text makes no sense.
pub(super) fn notified_of(text: &str) -> Option<Vec<SavedNotified>> {
    let rows: Vec<NotifiedRow<'_>> = serde_json::from_str(text).ok()?;
    let row = |row: NotifiedRow<'_>| {
        Some(SavedNotified {
            notifier: row.to.into(),
            at: Wall::from_nanos(row.at),
            reminders: row.reminders,
            updates: row.updates,
            severity: Severity::from_stored(&row.severity)?,
            silent: row.silent,
        })
    };
    rows.into_iter().map(row).collect()
}

#[derive(Serialize, Deserialize)]
struct MatchersRow<'a> {
    app: Cow<'a, [String]>,
    region: Cow<'a, [String]>,
    instance: Cow<'a, [String]>,
    host: Cow<'a, [String]>,
    rule: Cow<'a, [String]>,
    #[serde(default)]
    severity: Vec<String>,
    #[serde(default)]
    labels: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    notifier: Cow<'a, [String]>,
}

/// Targets that a silence concerns.
pub(super) fn matchers(matchers: &Matchers) -> rusqlite::Result<String> {
    let Matchers {
        app,
        region,
        instance,
        host,
        rule,
        severity,
        labels,
        notifier,
    } = matchers;
    let severity = severity.iter().map(|one| one.stored().to_owned());
    let labels = labels.iter();
    text(&MatchersRow {
        app: Cow::Borrowed(&app.0),
        region: Cow::Borrowed(&region.0),
        instance: Cow::Borrowed(&instance.0),
        host: Cow::Borrowed(&host.0),
        rule: Cow::Borrowed(&rule.0),
        severity: severity.collect(),
        labels: labels
            .map(|(name, globs)| (name.clone(), globs.0.clone()))
            .collect(),
        notifier: Cow::Borrowed(&notifier.0),
    })
}

/// `None` where the text makes no sense.
pub(super) fn matchers_of(text: &str) -> Option<Matchers> {
    let row: MatchersRow<'_> = serde_json::from_str(text).ok()?;
    let severity = row.severity.iter().map(|word| Severity::from_stored(word));
    let labels = row.labels.into_iter();
    Some(Matchers {
        app: Globs(row.app.into_owned()),
        region: Globs(row.region.into_owned()),
        instance: Globs(row.instance.into_owned()),
        host: Globs(row.host.into_owned()),
        rule: Globs(row.rule.into_owned()),
        severity: severity.collect::<Option<_>>()?,
        labels: labels.map(|(name, globs)| (name, Globs(globs))).collect(),
        notifier: Globs(row.notifier.into_owned()),
    })
}

/// When a silence holds: nanoseconds of the Unix epoch, from and until.
pub(super) fn windows(windows: &[(Wall, Wall)]) -> rusqlite::Result<String> {
    let rows: Vec<(u64, u64)> = windows
        .iter()
        .map(|(from, until)| (from.nanos(), until.nanos()))
        .collect();
    text(&rows)
}

/// `None` where the text makes no sense.
pub(super) fn windows_of(text: &str) -> Option<Vec<(Wall, Wall)>> {
    let rows: Vec<(u64, u64)> = serde_json::from_str(text).ok()?;
    let wall = |(from, until)| (Wall::from_nanos(from), Wall::from_nanos(until));
    Some(rows.into_iter().map(wall).collect())
}
