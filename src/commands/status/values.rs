//! Values of the API's answers, for a terminal.

use crate::format;
use serde_json::Value;
use std::time::Duration;

/// The members of a list; none where it is none.
pub(super) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// A number; 0 where it is none.
pub(super) fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

/// Text from elsewhere, fit for a terminal.
pub(super) fn text(value: &Value) -> String {
    format::sanitize(value.as_str().unwrap_or_default(), format::SUMMARY_CHARS)
}

/// Seconds as a length of time.
pub(super) fn span(seconds: f64) -> String {
    format::duration(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

/// The age of a time of an answer, at the time of the status: `3s ago`.
pub(super) fn ago(status: &Value, at: &Value) -> String {
    since(status, at).map_or_else(
        || "at an unknown time".to_owned(),
        |age| format!("{age} ago"),
    )
}

/// The length of time from then to the time of the status; `None` where one of them is unknown.
pub(super) fn since(status: &Value, at: &Value) -> Option<String> {
    let time = |value: &Value| humantime::parse_rfc3339(value.as_str()?).ok();
    let age = time(&status["now"])?.duration_since(time(at)?);
    Some(format::duration(age.unwrap_or_default()))
}
