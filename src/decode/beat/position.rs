//! The positions in a line of text where a marker counts.

use super::keys::{self, Own};
use super::marker::{Case, Marker};
use super::prefix;

/// Characters that join a marker to what stands before it: a longer word, a path, a value.
const JOINS_BEFORE: &str = "_-=/\\.@#$%&?+~:";
/// Characters that join a marker to what stands behind it.
const JOINS_BEHIND: &str = "_-=/\\@(&+";
/// Characters that may open around a marker: quotes, brackets, stars.
const OPENS: &str = "\"'`*([{<\u{201c}\u{2018}\u{ab}";

/// Places of a marker that are looked at in one line: a line of megabytes may hold nothing else.
const MAX_PLACES: usize = 16;

/// True if a line of text begins with a marker.
#[inline]
pub(super) fn begins(text: &str, marker: &Marker) -> bool {
    text.strip_prefix(marker.text()).is_some_and(ends_word)
}

/// The first place where a marker counts in a line of text.
pub(super) fn find(text: &str, marker: &Marker, own: &Own<'_>, case: Case) -> Option<usize> {
    let mut from = 0;
    for _ in 0..MAX_PLACES {
        let start = marker.next(text, from, case)?;
        if counts(text, start, start + marker.text().len(), own) {
            return Some(start);
        }
        from = start + 1;
    }
    None
}

/// A marker as a word of a sentence, or as part of a value or a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Miss {
    /// A word of a sentence.
    Sentence,
    /// A value of another key, or part of a path.
    Value,
}

/// The first place of a marker, in its own case, where it does not count: what it is there. `None` where it stands
/// nowhere as a word.
pub(super) fn miss(text: &str, marker: &Marker) -> Option<Miss> {
    let mut from = 0;
    loop {
        let start = marker.next(text, from, Case::Exact)?;
        let before = text[..start].chars().next_back();
        if ends_word(&text[start + marker.text().len()..])
            && !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '-')
        {
            let opened = text[..start].trim_end_matches(|c| OPENS.contains(c));
            let joined = opened.ends_with(|c| JOINS_BEFORE.contains(c));
            return Some(if joined { Miss::Value } else { Miss::Sentence });
        }
        from = start + 1;
    }
}

/// True if a text is the marker in any case, and keys; nothing else.
pub(super) fn is_whole(text: &str, marker: &Marker) -> bool {
    let text = text.trim();
    let length = marker.text().len();
    let is = text
        .get(..length)
        .is_some_and(|start| start.eq_ignore_ascii_case(marker.text()));
    is && (text.len() == length
        || (text[length..].starts_with(char::is_whitespace) && keys::only_keys(&text[length..])))
}

/// True if a marker from `start` to `end` counts.
fn counts(text: &str, start: usize, end: usize, own: &Own<'_>) -> bool {
    ends_word(&text[end..]) && (start == 0 || counts_behind(&text[..start], &text[end..], own))
}

fn counts_behind(before: &str, behind: &str, own: &Own<'_>) -> bool {
    let opened = before.trim_end_matches(|c| OPENS.contains(c));
    let Some(last) = opened.chars().next_back() else {
        return true;
    };
    if last == '=' {
        return is_message_value(opened);
    }
    if last.is_whitespace() {
        return prefix::is_prefix(opened) || goes_on(behind, own);
    }
    if matches!(last, ':' | '|' | ']' | ')' | '>' | '}') {
        return opened.len() == before.len() && prefix::is_prefix(opened);
    }
    // Only what has no words, such as an emoji.
    !JOINS_BEFORE.contains(last) && !opened.contains(char::is_alphanumeric)
}

/// True if a text ends with the key of a logger's message and `=`.
fn is_message_value(before: &str) -> bool {
    let before = before.trim_end_matches('=');
    let begin = before
        .rfind(|c: char| c.is_whitespace() || c == ',')
        .map_or(0, |at| at + 1);
    before.get(begin..).is_some_and(prefix::is_message_key)
}

/// True if nothing but the end, a key or one of the instance's own names follows.
fn goes_on(behind: &str, own: &Own<'_>) -> bool {
    let closes = |c: char| matches!(c, '"' | '\'' | '`' | '*' | ')' | ']' | '}' | '>');
    let rest = behind.trim_start_matches(closes);
    let separates = |c: char| c.is_whitespace() || matches!(c, ',' | ';' | ':' | '|' | '-');
    let rest = rest.trim_start_matches(separates);
    if rest.is_empty() || keys::begins_with_key(rest) {
        return true;
    }
    let word = rest.split_whitespace().next().unwrap_or_default();
    own.has(word) || own.has(word.trim_matches(|c: char| c.is_ascii_punctuation()))
}

/// True if a word ends where a text begins: `HEARTBEATS`, `HEARTBEAT=1` and `HEARTBEAT.md` go on.
#[inline]
fn ends_word(behind: &str) -> bool {
    let mut rest = behind.chars();
    match rest.next() {
        None | Some(' ') => true,
        Some('.') => !rest.next().is_some_and(char::is_alphanumeric),
        Some(c) => !c.is_alphanumeric() && !JOINS_BEHIND.contains(c),
    }
}
