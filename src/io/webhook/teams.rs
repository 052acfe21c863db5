//! An adaptive card for a workflow of Microsoft Teams ("when a webhook request is received"), the successor of its connectors.

use super::wording::{escaped, facts, headline, link};
use crate::core::notice::{Notice, NoticeKind};
use crate::core::rule::Severity;
use crate::format;
use serde_json::{Value, json};

/// Characters of the title.
const TITLE: usize = 500;
/// Characters of the text: Teams takes 28 kB for all of the message.
const TEXT: usize = 4_000;

/// The body, as a value.
pub(super) fn body(notice: &Notice, page: Option<&str>) -> Value {
    let colour = match (notice.kind, notice.severity) {
        (NoticeKind::Closed(_), _) => "Good",
        (_, Severity::Critical | Severity::Error) => "Attention",
        (_, Severity::Warning) => "Warning",
        (_, Severity::Info) => "Accent",
    };
    let facts: Vec<Value> = facts(notice)
        .iter()
        .map(|(name, value)| json!({"title": escape(name, TITLE), "value": escape(value, TITLE)}))
        .collect();
    let mut rows = vec![json!({
        "type": "TextBlock", "text": escape(&headline(notice), TITLE), "weight": "Bolder", "size": "Medium", "wrap": true,
        "color": colour,
    })];
    let explanation = format::explanation(notice);
    if !explanation.is_empty() {
        rows.push(json!({"type": "TextBlock", "text": escape(&explanation, TEXT), "wrap": true}));
    }
    rows.push(json!({"type": "FactSet", "facts": facts}));
    let open =
        |title: &str, url: &str| json!({"type": "Action.OpenUrl", "title": title, "url": url});
    let page = page.map(|page| open("Open the incident", page));
    let runbook = link(notice).map(|runbook| open("Runbook", runbook));
    let actions: Vec<Value> = page.into_iter().chain(runbook).collect();
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "msteams": {"width": "Full"},
                "body": rows,
                "actions": actions,
            },
        }],
    })
}

/// The Markdown that a card reads stays text.
fn escape(text: &str, most: usize) -> String {
    let is_markup = |char: char| "\\*_[]()#`~<>".contains(char);
    escaped(text, most, |char| {
        is_markup(char).then(|| format!("\\{char}"))
    })
}
