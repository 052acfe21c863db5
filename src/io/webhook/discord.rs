//! A message of Discord's webhooks: one embed, in the colour of its severity.
//!
//! Nothing in it may ping anyone (`allowed_mentions` is empty), and what Discord reads as markup is escaped.

use super::wording::{colour, escaped, headline, link};
use crate::core::notice::Notice;
use crate::format;
use serde_json::{Value, json};

/// Characters of an embed's title and description, and of a field's value, that Discord takes.
const TITLE: usize = 256;
const DESCRIPTION: usize = 4_096;
const FIELD: usize = 1_024;
/// Labels that are shown: an embed has 25 fields at most.
const MOST_LABELS: usize = 20;

/// The body, as a value.
pub(super) fn body(notice: &Notice) -> Value {
    let field = |name: &str, text: &str| {
        let text = if text.is_empty() { "-" } else { text };
        json!({"name": name, "value": escape(text, FIELD), "inline": true})
    };
    let mut fields = vec![
        field("rule", &format::name(&notice.rule)),
        field("scope", notice.scope.label()),
        field("incident", &notice.incident.to_string()),
    ];
    let labels = notice.labels.iter().take(MOST_LABELS);
    fields.extend(labels.map(|(name, value)| field(name, &format::name(value))));
    let mut embed = json!({
        "title": escape(&headline(notice), TITLE),
        "description": escape(&format::description(notice), DESCRIPTION),
        "color": colour(notice),
        "timestamp": format::rfc3339(notice.decided),
        "fields": fields,
    });
    if let Some(runbook) = link(notice) {
        embed["url"] = runbook.into();
    }
    json!({"embeds": [embed], "allowed_mentions": {"parse": []}})
}

fn escape(text: &str, most: usize) -> String {
    let is_markup = |char: char| "\\*_~`|<>@#[]()".contains(char);
    escaped(text, most, |char| {
        is_markup(char).then(|| format!("\\{char}"))
    })
}
