//! Parts of a message that several formats share.

use crate::core::notice::{Alarm, Notice, NoticeKind};
use crate::core::rule::Severity;
use crate::format;
pub(super) use crate::format::marked_headline as headline;

/// The facts that a message shows as a table, by name: the start, the limit, the rules, the incident's number and the rules' labels.
pub(super) fn facts(notice: &Notice) -> Vec<(String, String)> {
    let fact = |name: &str, value: String| (name.to_owned(), value);
    let rules = match notice.between.rules.as_slice() {
        [] => format::name(&notice.rule),
        rules => {
            let rules = rules.iter().map(|rule| format::name(rule));
            rules.collect::<Vec<_>>().join(", ")
        }
    };
    let mut facts = Vec::new();
    if notice.alarm != Alarm::Drill {
        facts.push(fact("since", format::since(notice)));
    }
    if !notice.max_gap.is_zero() {
        let (least, most) = (notice.max_gap, notice.between.longest_max_gap);
        let mut limit = format::exact_duration(least);
        if !most.is_zero() {
            limit.push_str(&format!(" to {}", format::exact_duration(most)));
        }
        facts.push(fact("limit", limit));
    }
    facts.push(fact("rule", rules));
    facts.push(fact("scope", notice.scope.label().to_owned()));
    facts.push(fact("incident", notice.incident.to_string()));
    let labels = notice.labels.iter();
    facts.extend(labels.map(|(name, value)| fact(name, format::name(value))));
    facts
}

/// Red, orange, yellow, blue, and green for what is over; as web colours.
pub(super) fn colour(notice: &Notice) -> u32 {
    match (notice.kind, notice.severity) {
        (NoticeKind::Closed(_), _) => 0x002e_b67d,
        (_, Severity::Critical) => 0x00c9_1d1d,
        (_, Severity::Error) => 0x00e8_590c,
        (_, Severity::Warning) => 0x00ec_b22e,
        (_, Severity::Info) => 0x0036_8bd6,
    }
}

/// A runbook that is an address and can be a link.
pub(super) fn link(notice: &Notice) -> Option<&str> {
    let plain = |url: &&str| {
        let schemes = url.starts_with("https://") || url.starts_with("http://");
        schemes
            && url
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && !b"<>|\"".contains(&byte))
    };
    notice.runbook.as_deref().filter(plain)
}

/// At most so many characters of a text, each replaced by what stands for it; what was cut shows as `…`.
pub(super) fn escaped(
    text: &str,
    most: usize,
    stands_for: impl Fn(char) -> Option<String>,
) -> String {
    let mut out = String::new();
    let mut length = 0;
    for char in text.chars() {
        let piece = stands_for(char).unwrap_or_else(|| char.to_string());
        length += piece.chars().count();
        if length >= most {
            out.push('…');
            break;
        }
        out.push_str(&piece);
    }
    out
}

/// As [`escaped`], for what reads `&`, `<` and `>` as its own markup.
pub(super) fn escaped_markup(text: &str, most: usize) -> String {
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

/// The links of a message, one beside the other: to the incident and to the runbook. `None` where there are none; `anchor`
/// writes one, from its address and its text.
pub(super) fn links(
    notice: &Notice,
    page: Option<&str>,
    anchor: impl Fn(&str, &str) -> String,
) -> Option<String> {
    let page = page.map(|page| anchor(page, "Open the incident"));
    let runbook = link(notice).map(|runbook| anchor(runbook, "Runbook"));
    let links: Vec<String> = page.into_iter().chain(runbook).collect();
    (!links.is_empty()).then(|| links.join(" · "))
}
