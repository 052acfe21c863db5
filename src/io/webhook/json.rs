//! lastbeat's own JSON: a contract. No key leaves or changes its meaning within a `schema`, and each is always there.
//! Texts that do not apply are empty, numbers and times that do not apply are null.
//!
//! | key | value |
//! | --- | --- |
//! | `schema` | 1 |
//! | `incident`, `state` | its number; `opened`, `updated`, `reminder` or `closed` |
//! | `update`, `reminder`, `reason` | the how manieth update; the how manieth reminder; why closed |
//! | `alarm`, `scope`, `rule`, `severity` | as in Sentry's tags |
//! | `title`, `text` | one line; everything a person needs |
//! | `target` | `app`, `region`, `instance`, `host`, `beat` |
//! | `affected`, `affected_total` | the first of those concerned, as `app/region/instance`; how many in all |
//! | `since`, `due`, `decided` | RFC 3339: last heard, deadline, decided |
//! | `gap_seconds`, `listened_seconds`, `max_gap_seconds` | how long silent, how much of it listened, how long allowed |
//! | `labels`, `rules`, `runbooks` | labels of the rules, by name; every rule by which members fire, and their runbooks |
//! | `fingerprint` | what it is about: the same from its opening to its end, and the next time |
//! | `link` | the incident on lastbeat's page, where `LASTBEAT_PUBLIC_URL` is set |
//! | `last_text`, `detail`, `runbook` | the last beat's text, what else is known, where to read on |
//! | `last_words` | the last entries of a single instance, the oldest first: `at`, `message` |

use crate::core::last_words::LastWord;
use crate::core::notice::{Notice, NoticeKind};
use crate::format;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// Counts up where a key leaves or changes its meaning.
const SCHEMA: u32 = 1;

/// The body, as a value.
pub(super) fn body(notice: &Notice, page: Option<&str>) -> serde_json::Value {
    let who = &notice.who;
    let seconds = |span: Duration| span.as_millis() as f64 / 1e3;
    let (update, reminder, reason) = match notice.kind {
        NoticeKind::Opened => (None, None, ""),
        NoticeKind::Updated(count) => (Some(count), None, ""),
        NoticeKind::Reminder(count) => (None, Some(count), ""),
        NoticeKind::Closed(reason) => (None, None, reason.label()),
    };
    let text = |text: &str| format::sanitize(text, format::TEXT_CHARS);
    let labels = notice.labels.iter();
    let labels: BTreeMap<&String, String> =
        labels.map(|(name, value)| (name, text(value))).collect();
    let rules: Vec<String> = match notice.between.rules.as_slice() {
        [] => vec![format::name(&notice.rule)],
        rules => rules.iter().map(|rule| format::name(rule)).collect(),
    };
    let runbooks: Vec<&String> = match notice.between.runbooks.as_slice() {
        [] => notice.runbook.iter().collect(),
        runbooks => runbooks.iter().collect(),
    };
    json!({
        "schema": SCHEMA,
        "incident": notice.incident.to_string(),
        "state": notice.kind.label(),
        "update": update,
        "reminder": reminder,
        "reason": reason,
        "alarm": notice.alarm.name(notice.scope),
        "scope": notice.scope.label(),
        "rule": format::name(&notice.rule),
        "severity": notice.severity.label(),
        "title": format::title(notice),
        "text": format::description(notice),
        "target": {
            "app": format::name(&who.app),
            "region": format::name(&who.region),
            "instance": format::name(&who.instance),
            "host": format::name(&who.host),
            "beat": format::name(&who.beat),
        },
        "affected": notice.affected.iter().map(|one| text(one)).collect::<Vec<_>>(),
        "affected_total": notice.affected_total,
        "since": format::rfc3339(notice.since),
        "due": format::rfc3339(notice.due),
        "decided": format::rfc3339(notice.decided),
        "gap_seconds": seconds(notice.gap),
        "listened_seconds": seconds(notice.listened),
        "max_gap_seconds": seconds(notice.max_gap),
        "last_text": text(&notice.last_text),
        "last_words": notice.last_words.iter().map(word).collect::<Vec<_>>(),
        "detail": text(&notice.detail),
        "runbook": notice.runbook.clone().unwrap_or_default(),
        "link": page.unwrap_or_default(),
        "labels": labels,
        "rules": rules,
        "runbooks": runbooks,
        "fingerprint": format::key(&notice.fingerprint, format::TEXT_CHARS),
    })
}

fn word(word: &LastWord) -> serde_json::Value {
    json!({"at": format::rfc3339(word.at), "message": format::last_word::message(word)})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::notice::CloseReason;
    use crate::format::tests::{closed, notice};

    #[test]
    fn each_key_is_always_there() {
        let keys = |notice: &Notice| {
            let value = body(notice, None);
            let keys = value.as_object().expect("an object").keys();
            keys.cloned().collect::<Vec<_>>()
        };
        let expected = [
            "affected",
            "affected_total",
            "alarm",
            "decided",
            "detail",
            "due",
            "fingerprint",
            "gap_seconds",
            "incident",
            "labels",
            "last_text",
            "last_words",
            "link",
            "listened_seconds",
            "max_gap_seconds",
            "reason",
            "reminder",
            "rule",
            "rules",
            "runbook",
            "runbooks",
            "schema",
            "scope",
            "severity",
            "since",
            "state",
            "target",
            "text",
            "title",
            "update",
        ];
        assert_eq!(keys(&notice()), expected);
        assert_eq!(keys(&closed(CloseReason::Stopped)), expected);
        let of = |kind| body(&Notice { kind, ..notice() }, None);
        let reminder = of(NoticeKind::Reminder(3));
        assert_eq!(
            (
                &reminder["state"],
                &reminder["reminder"],
                &reminder["update"]
            ),
            (&json!("reminder"), &json!(3), &json!(null))
        );
        let update = of(NoticeKind::Updated(2));
        assert_eq!(
            (&update["state"], &update["update"]),
            (&json!("updated"), &json!(2))
        );
        assert_eq!(update["schema"], 1);
        assert_eq!(update["target"]["app"], notice().who.app);
    }
}
