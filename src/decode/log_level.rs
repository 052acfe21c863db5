//! The level of an entry.

use serde_json::{Map, Value};

/// The level in a payload, in lower case: `log.level` as Fly has it, else `level` or `severity`, of the payload or of a
/// message that is JSON itself. `None` where there is none.
pub fn level(payload: &[u8]) -> Option<String> {
    of_fields(serde_json::from_slice::<Value>(payload).ok()?.as_object()?)
}

/// As [`level`], of a payload that was read already.
pub fn of_fields(payload: &Map<String, Value>) -> Option<String> {
    let message = payload.get("message").and_then(Value::as_str);
    let inner = message.filter(|text| text.trim_start().starts_with('{'));
    let inner: Option<Value> = inner.and_then(|text| serde_json::from_str(text).ok());
    let of = |value: &Value| value.as_object().and_then(own);
    let outer = payload.get("log").and_then(of);
    inner
        .as_ref()
        .and_then(of)
        .or(outer)
        .or_else(|| own(payload))
}

fn own(fields: &Map<String, Value>) -> Option<String> {
    let own = fields.get("level").or_else(|| fields.get("severity"));
    own.and_then(Value::as_str).map(canonical)
}

/// One word for each level, whatever a logger calls it.
pub fn canonical(level: &str) -> String {
    let level = level.to_ascii_lowercase();
    match level.as_str() {
        "err" => "error",
        "warning" => "warn",
        "information" | "notice" => "info",
        "critical" | "crit" | "panic" | "emerg" | "alert" => "fatal",
        other => other,
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_found_where_loggers_put_it() {
        for (payload, expected) in [
            (r#"{"log":{"level":"info"},"message":"x"}"#, Some("info")),
            (r#"{"level":"WARNING","msg":"x"}"#, Some("warn")),
            (r#"{"severity":"ERROR"}"#, Some("error")),
            (
                r#"{"log":{"level":"info"},"message":"{\"level\":\"error\"}"}"#,
                Some("error"),
            ),
            (r#"{"message":"level=error"}"#, None),
            ("error", None),
            (r#"{"level":30}"#, None),
        ] {
            assert_eq!(level(payload.as_bytes()).as_deref(), expected, "{payload}");
        }
    }
}
