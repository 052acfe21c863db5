//! A notice as an event: its issue, its title, and everything that helps its reader.

use super::{Sentry, TAG_CHARS, sdk};
use crate::core::last_words::LastWord;
use crate::core::notice::{Notice, NoticeKind};
use crate::core::rule::Severity;
use crate::core::time::Wall;
use crate::format;
use sentry::protocol::{Breadcrumb, Context, Event, Exception, Map, Value};
use sentry::types::Uuid;
use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

impl Sentry {
    pub(super) fn event(&self, notice: &Notice) -> Event<'static> {
        let link = self.links.of(notice).unwrap_or_default();
        Event {
            event_id: self.event_id(notice),
            level: level(notice),
            fingerprint: fingerprint(notice)
                .into_iter()
                .map(Cow::Owned)
                .collect::<Vec<_>>()
                .into(),
            transaction: Some(format::name(&notice.rule)),
            // The line below the title: what the transaction would be otherwise.
            culprit: Some(format::target_name(notice)),
            logger: Some("lastbeat".to_owned()),
            platform: "other".into(),
            timestamp: time(notice.decided),
            server_name: Some(self.server_name.clone().into()),
            release: Some(self.release.clone().into()),
            environment: self.environment.clone().map(Cow::Owned),
            contexts: [
                ("incident".to_owned(), incident(notice, &link)),
                ("target".to_owned(), target(notice)),
                ("rule".to_owned(), rule(notice)),
            ]
            .into(),
            breadcrumbs: breadcrumbs(notice).into(),
            // Not `message`: it is the old form, which strict servers refuse, and a title made of an
            // exception's type and value reads better.
            exception: vec![Exception {
                ty: notice.alarm.name(notice.scope).to_owned(),
                value: Some(format::headline(notice)),
                ..Exception::default()
            }]
            .into(),
            tags: tags(notice, &link),
            sdk: Some(Cow::Owned(sdk())),
            ..Event::default()
        }
    }

    fn event_id(&self, notice: &Notice) -> Uuid {
        let count = match notice.kind {
            NoticeKind::Reminder(count) | NoticeKind::Updated(count) => count,
            NoticeKind::Opened | NoticeKind::Closed(_) => 0,
        };
        super::id(&[
            &notice.incident.0.to_be_bytes(),
            notice.kind.label().as_bytes(),
            &count.to_be_bytes(),
            self.server_name.as_bytes(),
        ])
    }
}

fn level(notice: &Notice) -> sentry::Level {
    match (notice.kind, notice.severity) {
        (NoticeKind::Closed(_), _) | (_, Severity::Info) => sentry::Level::Info,
        (_, Severity::Critical) => sentry::Level::Fatal,
        (_, Severity::Error) => sentry::Level::Error,
        (_, Severity::Warning) => sentry::Level::Warning,
    }
}

/// The identity of an issue: what the incident is about. It holds no number of the text, so that every silence of one
/// instance, and its end, is one issue; and no rule, since several may be concerned. A notice of an earlier version of
/// lastbeat has the identity of that time, so that its end reaches its issue.
pub(super) fn fingerprint(notice: &Notice) -> Vec<String> {
    if notice.fingerprint.is_empty() {
        return vec![
            format::name(&notice.rule),
            notice.scope.label().to_owned(),
            format::target_key(notice),
        ];
    }
    vec![format::key(&notice.fingerprint, format::TEXT_CHARS)]
}

fn tags(notice: &Notice, link: &str) -> Map<String, String> {
    let who = &notice.who;
    let incident = notice.incident.to_string();
    let all = [
        ("rule", notice.rule.as_str()),
        ("scope", notice.scope.label()),
        ("target_app", &who.app),
        ("target_region", &who.region),
        ("target_instance", &who.instance),
        ("beat", &who.beat),
        ("incident", &incident),
        ("state", notice.kind.label()),
        ("severity", notice.severity.label()),
        ("reason", reason(notice)),
        // One that is cut leads nowhere.
        (
            "incident_url",
            if link.len() > TAG_CHARS { "" } else { link },
        ),
    ];
    // The rules' own first: those of lastbeat, whose names none of them has, come last.
    let labels = notice.labels.iter();
    let labels = labels.map(|(name, value)| (name.as_str(), value.as_str()));
    let cleaned = labels.chain(all).map(|(key, value)| {
        (
            key.to_owned(),
            format::sanitize(value, TAG_CHARS).trim().to_owned(),
        )
    });
    cleaned.filter(|(_, value)| !value.is_empty()).collect()
}

fn reason(notice: &Notice) -> &'static str {
    match notice.kind {
        NoticeKind::Opened | NoticeKind::Updated(_) | NoticeKind::Reminder(_) => "",
        NoticeKind::Closed(reason) => reason.label(),
    }
}

fn incident(notice: &Notice, link: &str) -> Context {
    let seconds = |span: Duration| Value::from(span.as_millis() as f64 / 1e3);
    let timeline = moments(notice)
        .into_iter()
        .map(|moment| format!("{} {}", format::rfc3339(moment.at), moment.said));
    context([
        ("id", notice.incident.to_string().into()),
        ("page", link.into()),
        ("state", state(notice).into()),
        ("what", format::description(notice).into()),
        ("since", format::rfc3339(notice.since).into()),
        ("due", format::rfc3339(notice.due).into()),
        ("gap_seconds", seconds(notice.gap)),
        ("listened_seconds", seconds(notice.listened)),
        (
            "detail",
            format::sanitize(&notice.detail, format::TEXT_CHARS).into(),
        ),
        ("timeline", timeline.collect::<Vec<_>>().into()),
    ])
}

fn target(notice: &Notice) -> Context {
    let who = &notice.who;
    let (affected, total) = if notice.affected_total > 1 {
        let named = notice.affected.iter().map(|one| format::name(one));
        (named.collect(), notice.affected_total.into())
    } else {
        (Vec::new(), Value::from(""))
    };
    context([
        ("scope", notice.scope.label().into()),
        ("app", format::name(&who.app).into()),
        ("region", format::name(&who.region).into()),
        ("instance", format::name(&who.instance).into()),
        ("host", format::name(&who.host).into()),
        ("beat", format::name(&who.beat).into()),
        (
            "last_beat",
            format::sanitize(&notice.last_text, format::TEXT_CHARS).into(),
        ),
        ("affected", Value::from(affected)),
        ("affected_total", total),
    ])
}

fn rule(notice: &Notice) -> Context {
    context([
        ("name", format::name(&notice.rule).into()),
        ("severity", notice.severity.label().into()),
        ("max_gap", format::exact_duration(notice.max_gap).into()),
        ("runbook", notice.runbook.clone().unwrap_or_default().into()),
    ])
}

/// A context without its empty texts and lists.
fn context<const N: usize>(all: [(&str, Value); N]) -> Context {
    let known = all.into_iter().filter(|(_, value)| match value {
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        _ => true,
    });
    Context::Other(known.map(|(key, value)| (key.to_owned(), value)).collect())
}

/// One line of what led to this notice.
struct Moment {
    at: Wall,
    category: &'static str,
    level: sentry::Level,
    said: String,
}

/// The events that led to this notice, in the order of time.
fn moments(notice: &Notice) -> Vec<Moment> {
    let mut moments = Vec::new();
    if !notice.is_never_seen() {
        let said = match format::sanitize(&notice.last_text, format::TEXT_CHARS) {
            text if text.is_empty() => "last heard".to_owned(),
            text => format!("last heard: {text}"),
        };
        moments.push(Moment {
            at: notice.since,
            category: "beat",
            level: sentry::Level::Info,
            said,
        });
    }
    if !matches!(notice.kind, NoticeKind::Closed(_)) {
        moments.push(Moment {
            at: notice.due,
            category: "deadline",
            level: sentry::Level::Warning,
            said: format!(
                "silent for longer than the limit of {}",
                format::exact_duration(notice.max_gap)
            ),
        });
    }
    moments.push(Moment {
        at: notice.decided,
        category: "incident",
        level: level(notice),
        said: state(notice),
    });
    moments
}

/// An entry of the silent instance.
fn said(word: &LastWord) -> Moment {
    Moment {
        at: word.at,
        category: "log",
        level: sentry::Level::Info,
        said: format::last_word::message(word),
    }
}

fn state(notice: &Notice) -> String {
    match notice.kind {
        NoticeKind::Opened => "opened".to_owned(),
        NoticeKind::Updated(count) => format!("updated, number {count}"),
        NoticeKind::Reminder(count) => format!("reminder {count}"),
        NoticeKind::Closed(reason) => format!("closed: {}", reason.label()),
    }
}

fn breadcrumbs(notice: &Notice) -> Vec<Breadcrumb> {
    let crumb = |moment: Moment| Breadcrumb {
        timestamp: time(moment.at),
        category: Some(moment.category.to_owned()),
        level: moment.level,
        message: Some(moment.said),
        ..Breadcrumb::default()
    };
    let mut all = moments(notice);
    all.extend(notice.last_words.iter().map(said));
    all.sort_by_key(|moment| moment.at);
    all.into_iter().map(crumb).collect()
}

#[expect(
    clippy::disallowed_types,
    reason = "the crate's events take the type; no clock is read"
)]
fn time(at: Wall) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(at.nanos())
}
