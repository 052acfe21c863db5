//! A message of a Telegram bot (`sendMessage`), as its HTML: `&`, `<` and `>` of texts are escaped. The chat is added when it
//! is sent.

use super::wording::{escaped_markup, headline, links};
use crate::core::notice::{Notice, NoticeKind};
use crate::core::rule::Severity;
use crate::format;
use serde_json::{Value, json};

/// Characters of the title and of the rest that are shown: together well below Telegram's 4096.
const TITLE: usize = 600;
const REST: usize = 2_500;

/// The body, as a value.
pub(super) fn body(notice: &Notice, page: Option<&str>) -> Value {
    let mark = match (notice.kind, notice.severity) {
        (NoticeKind::Closed(_), _) => "\u{2705}",
        (_, Severity::Critical | Severity::Error) => "\u{1f534}",
        (_, Severity::Warning) => "\u{1f7e1}",
        (_, Severity::Info) => "\u{1f535}",
    };
    let mut text = format!("{mark} <b>{}</b>", escaped_markup(&headline(notice), TITLE));
    let explanation = format::explanation(notice);
    if !explanation.is_empty() {
        text.push('\n');
        text.push_str(&escaped_markup(&explanation, REST));
    }
    // Links and no buttons: Telegram refuses a message whose button has an address that only a private network knows.
    if let Some(links) = links(notice, page, anchor) {
        text.push('\n');
        text.push_str(&links);
    }
    let is_quiet =
        matches!(notice.kind, NoticeKind::Closed(_)) || notice.severity == Severity::Info;
    json!({
        "text": text,
        "parse_mode": "HTML",
        "disable_notification": is_quiet,
        "link_preview_options": {"is_disabled": true},
    })
}

fn anchor(url: &str, text: &str) -> String {
    format!("<a href=\"{}\">{text}</a>", url.replace('&', "&amp;"))
}
