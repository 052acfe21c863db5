//! A message of Slack's incoming webhooks, with a bar in the colour of its severity.
//!
//! Slack reads `&`, `<` and `>` as the beginning of mentions and links: they are escaped, so that no log line can call
//! a channel together.

use super::wording::{colour, escaped, headline, link};
use crate::core::notice::Notice;
use crate::format;
use serde_json::{Value, json};

/// Characters of a section's text that Slack takes: 3000.
const SECTION: usize = 3_000;
/// Characters of the message's own text: what a phone shows, well below Slack's 4000.
const TEXT: usize = 1_000;

/// The body, as a value.
pub(super) fn body(notice: &Notice) -> Value {
    let mut context = format!(
        "rule {} · scope {} · incident {}",
        format::name(&notice.rule),
        notice.scope.label(),
        notice.incident
    );
    for (name, value) in &notice.labels {
        context.push_str(&format!(" · {name} {}", format::name(value)));
    }
    context = escape(&context, TEXT);
    if let Some(runbook) = link(notice) {
        context.push_str(&format!(" · <{}|runbook>", runbook.replace('&', "&amp;")));
    }
    // `verbatim`: names and addresses in it are not made into links and mentions.
    let text = |text: String| json!({"type": "mrkdwn", "verbatim": true, "text": text});
    json!({
        "text": escape(&headline(notice), TEXT),
        "attachments": [{
            "color": format!("#{:06x}", colour(notice)),
            "blocks": [
                {"type": "section", "text": text(escape(&format::description(notice), SECTION))},
                {"type": "context", "elements": [text(context)]},
            ],
        }],
    })
}

fn escape(text: &str, most: usize) -> String {
    escaped(text, most, |char| {
        let entity = match char {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            _ => return None,
        };
        Some(entity.to_owned())
    })
}
