//! A rule's own sentence, with its placeholders filled in.

use super::text::{SUMMARY_CHARS, name, sanitize};
use super::times::{duration, exact_duration, since};
use crate::core::notice::Notice;

/// Replaces `{app}`, `{region}`, `{instance}`, `{host}`, `{beat}`, `{since}`, `{gap}`, `{max_gap}`, `{rule}` and `{scope}`;
/// other braces stay as they are. One pass: braces in a name that was filled in are not looked at again.
pub fn fill_template(template: &str, notice: &Notice) -> String {
    let mut text = String::with_capacity(template.len() + 32);
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        text.push_str(&rest[..open]);
        let tail = &rest[open..];
        let filled = tail
            .find('}')
            .and_then(|end| Some((value(&tail[1..end], notice)?, end)));
        match filled {
            Some((value, end)) => {
                text.push_str(&value);
                rest = &tail[end + 1..];
            }
            None => {
                text.push('{');
                rest = &tail[1..];
            }
        }
    }
    text.push_str(rest);
    sanitize(&text, SUMMARY_CHARS)
}

fn value(key: &str, notice: &Notice) -> Option<String> {
    let who = &notice.who;
    Some(match key {
        "app" => name(&who.app),
        "region" => name(&who.region),
        "instance" => name(&who.instance),
        "host" => name(&who.host),
        "beat" => name(&who.beat),
        "rule" => name(&notice.rule),
        "scope" => notice.scope.label().to_owned(),
        "since" => since(notice),
        "gap" => duration(notice.gap),
        "max_gap" => exact_duration(notice.max_gap),
        _ => return None,
    })
}
