//! The silence of an incident. One by labels or notifiers is never claimed: an incident does not tell those.

use super::values::{list, text};
use crate::core::rule::Globs;
use serde_json::Value;

/// The silence in force that concerns all of an incident; `None`: there is none that says so by names.
pub(super) fn silence_of<'a>(silences: &'a Value, incident: &Value) -> Option<&'a Value> {
    list(silences).find(|silence| {
        let by_names = ["app", "region", "instance", "host", "rule"]
            .iter()
            .all(|part| {
                let globs = list(&silence[part]).filter_map(Value::as_str);
                let globs = Globs(globs.map(str::to_owned).collect());
                globs.matches(incident[part].as_str().unwrap_or_default())
            });
        let severities: Vec<&Value> = list(&silence["severity"]).collect();
        silence["holds"] == true
            && by_names
            && (severities.is_empty() || severities.contains(&&incident["severity"]))
            && list(&silence["notifier"]).next().is_none()
            && silence["labels"]
                .as_object()
                .is_none_or(|labels| labels.is_empty())
    })
}

/// `[silenced until 2026-01-31T19:00:00Z by ada: a move] `.
pub(super) fn mark(silence: &Value) -> String {
    let until = text(&silence["windows"][0]["until"]);
    let author = match text(&silence["author"]).as_str() {
        "" => "the rules".to_owned(),
        author => author.to_owned(),
    };
    format!(
        "[silenced until {until} by {author}: {}] ",
        text(&silence["reason"])
    )
}
