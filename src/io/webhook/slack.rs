//! A message of Slack's incoming webhooks: blocks, beside a bar in the colour of the severity.
//!
//! Slack reads `&`, `<` and `>` as the beginning of mentions and links: they are escaped_markup, so that no log line can call
//! a channel together.

use super::wording::{colour, escaped_markup, facts, headline, links};
use crate::core::notice::Notice;
use crate::format;
use serde_json::{Value, json};

/// Characters of a section's text that Slack takes: 3000.
const SECTION: usize = 3_000;
/// Characters of the message's own text: what a phone shows, well below Slack's 4000.
const TEXT: usize = 1_000;
/// Characters of a field that are shown; Slack takes 2000.
const FIELD: usize = 400;
/// Fields of a section that Slack takes.
const MOST_FIELDS: usize = 10;

/// The body, as a value.
pub(super) fn body(notice: &Notice, page: Option<&str>) -> Value {
    // `verbatim`: names and addresses in it are not made into links and mentions.
    let text = |text: String| json!({"type": "mrkdwn", "verbatim": true, "text": text});
    let mut blocks = Vec::new();
    let explanation = format::explanation(notice);
    if !explanation.is_empty() {
        blocks
            .push(json!({"type": "section", "text": text(escaped_markup(&explanation, SECTION))}));
    }
    let fields = facts(notice).into_iter().take(MOST_FIELDS);
    let fields =
        fields.map(|(name, value)| text(format!("*{name}*\n{}", escaped_markup(&value, FIELD))));
    blocks.push(json!({"type": "section", "fields": fields.collect::<Vec<_>>()}));
    if let Some(links) = links(notice, page, anchor) {
        blocks.push(json!({"type": "context", "elements": [text(links)]}));
    }
    json!({
        "text": escaped_markup(&headline(notice), TEXT),
        "attachments": [{"color": format!("#{:06x}", colour(notice)), "blocks": blocks}],
    })
}

fn anchor(url: &str, text: &str) -> String {
    format!("<{}|{text}>", url.replace('&', "&amp;"))
}
