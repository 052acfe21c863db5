//! A message of Discord's webhooks: one embed, in the colour of its severity.
//!
//! Nothing in it may ping anyone (`allowed_mentions` is empty), and what Discord reads as markup is escaped.

use super::wording::{colour, escaped, facts, headline, link};
use crate::core::notice::Notice;
use crate::format;
use serde_json::{Value, json};

/// Characters of an embed's title and description, and of a field's value, that Discord takes.
const TITLE: usize = 256;
const DESCRIPTION: usize = 4_096;
const FIELD: usize = 1_024;
/// Fields of an embed that Discord takes.
const MOST_FIELDS: usize = 25;

/// The body, as a value. Its title links to the incident, or to the runbook where the page has no address.
pub(super) fn body(notice: &Notice, page: Option<&str>) -> Value {
    let field = |name: &str, text: &str| {
        let text = if text.is_empty() { "-" } else { text };
        json!({"name": name, "value": escape(text, FIELD), "inline": true})
    };
    let mut fields: Vec<Value> = facts(notice)
        .iter()
        .map(|(name, value)| field(name, value))
        .collect();
    fields.truncate(MOST_FIELDS - 1);
    let runbook = link(notice);
    if let (Some(_), Some(runbook)) = (page, runbook) {
        fields.push(json!({"name": "runbook", "value": runbook, "inline": false}));
    }
    let mut embed = json!({
        "title": escape(&headline(notice), TITLE),
        "description": escape(&format::explanation(notice), DESCRIPTION),
        "color": colour(notice),
        "timestamp": format::rfc3339(notice.decided),
        "fields": fields,
    });
    if let Some(url) = page.or(runbook) {
        embed["url"] = url.into();
    }
    json!({"embeds": [embed], "allowed_mentions": {"parse": []}})
}

fn escape(text: &str, most: usize) -> String {
    let is_markup = |char: char| "\\*_~`|<>@#[]()".contains(char);
    escaped(text, most, |char| {
        is_markup(char).then(|| format!("\\{char}"))
    })
}
