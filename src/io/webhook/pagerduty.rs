//! An event of PagerDuty's Events API v2. What the incident is about is the key by which PagerDuty knows it again: what opens it,
//! updates and reminders trigger, the end resolves.

use super::wording::link;
use crate::core::notice::{Notice, NoticeKind};
use crate::format;
use bytes::Bytes;
use serde_json::{Value, json};

/// Characters of a summary that PagerDuty takes.
const SUMMARY: usize = 1_024;
/// Characters of a dedup key that PagerDuty takes are 255; with room for what stands before it.
const DEDUP_KEY: usize = 240;

/// The body, as a value, without the key of the service: what waits may be written to a file.
pub(super) fn body(notice: &Notice, page: Option<&str>) -> Value {
    let dedup_key = dedup_key(notice);
    if let NoticeKind::Closed(_) = notice.kind {
        return json!({"event_action": "resolve", "dedup_key": dedup_key});
    }
    let page_link = page.map(|page| json!({"href": page, "text": "incident in lastbeat"}));
    let runbook = link(notice).map(|runbook| json!({"href": runbook, "text": "runbook"}));
    let links: Vec<Value> = page_link.into_iter().chain(runbook).collect();
    let mut event = json!({
        "event_action": "trigger",
        "dedup_key": dedup_key,
        "client": "lastbeat",
        "links": links,
        "payload": {
            "summary": format::sanitize(&format::headline(notice), SUMMARY),
            "source": format::target_name(notice),
            "severity": notice.severity.label(),
            "timestamp": format::rfc3339(notice.decided),
            "component": format::name(&notice.who.app),
            "group": format::name(&notice.rule),
            "class": notice.alarm.name(notice.scope),
            "custom_details": super::json::body(notice, page),
        },
    });
    if let Some(page) = page {
        event["client_url"] = page.into();
    }
    event
}

/// Identifies the subject of the incident; its number, if an earlier version of lastbeat opened it under that.
fn dedup_key(notice: &Notice) -> String {
    if notice.fingerprint.is_empty() {
        return format!("lastbeat-{}", notice.incident);
    }
    format!("lastbeat-{}", format::key(&notice.fingerprint, DEDUP_KEY))
}

/// The dedup key of a body.
pub(super) fn key_of(body: &[u8]) -> Option<Bytes> {
    let body: Value = serde_json::from_slice(body).ok()?;
    Some(body.get("dedup_key")?.as_str()?.to_owned().into())
}
