//! A message of ntfy, published as JSON to the address above the topic. The topic is added when it is sent: who knows it
//! may read it.

use super::wording::{headline, link};
use crate::core::notice::{Notice, NoticeKind};
use crate::core::rule::Severity;
use crate::format;
use serde_json::{Value, json};

/// Characters of a title; a phone shows fewer.
const TITLE: usize = 250;
/// Characters of a message: ntfy makes one of more than 4096 bytes an attachment.
const MESSAGE: usize = 1_000;

/// The body, as a value.
pub(super) fn body(notice: &Notice, page: Option<&str>) -> Value {
    // 1 to 5; from 4 on a phone is loud.
    let (priority, tag) = match (notice.kind, notice.severity) {
        (NoticeKind::Closed(_), _) => (2, "white_check_mark"),
        (_, Severity::Critical) => (5, "rotating_light"),
        (_, Severity::Error) => (4, "rotating_light"),
        (_, Severity::Warning) => (3, "warning"),
        (_, Severity::Info) => (2, "information_source"),
    };
    let runbook = link(notice);
    let mut message = json!({
        "title": format::sanitize(&headline(notice), TITLE),
        "message": format::sanitize(&format::description(notice), MESSAGE),
        "priority": priority,
        "tags": [tag, notice.severity.label()],
    });
    if let Some(url) = page.or(runbook) {
        message["click"] = url.into();
    }
    let view = |label: &str, url: &str| json!({"action": "view", "label": label, "url": url});
    let page = page.map(|page| view("Open the incident", page));
    let runbook = runbook.map(|runbook| view("Runbook", runbook));
    let actions: Vec<Value> = page.into_iter().chain(runbook).collect();
    if !actions.is_empty() {
        message["actions"] = actions.into();
    }
    message
}
