//! Entries as other tools write them, a JSON object a line: Fly's own payload, what Vector's file sink makes of it,
//! `fly logs --json`, and the frames of `lastbeat tail --json` and `logs --json`.

use super::rfc3339;
use crate::core::time::Wall;
use serde_json::Value;

/// An entry of another tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonEntry {
    /// Wall clock: its arrival, or its own time where the tool keeps no other.
    pub at: Wall,
    /// Its subject.
    pub subject: String,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// Reads a line; `app` stands in where the tool does not write one, as `fly logs`. `None` where it has no time or names no
/// instance.
pub fn read(line: &[u8], app: &str) -> Option<JsonEntry> {
    let value: Value = serde_json::from_slice(line).ok()?;
    let at = time(value.get("timestamp")?)?;
    let text = |path: &str| value.pointer(path).and_then(Value::as_str);
    if let (Some(subject), Some(message)) = (text("/subject"), text("/message"))
        && subject.starts_with("logs.")
    {
        return Some(JsonEntry {
            at,
            subject: subject.to_owned(),
            payload: message.as_bytes().to_vec(),
        });
    }
    let region = text("/fly/region")
        .or(text("/region"))
        .or(text("/meta/region"))?;
    let instance = text("/fly/app/instance")
        .or(text("/instance"))
        .or(text("/meta/instance"))?;
    let app = text("/fly/app/name").or(text("/app")).unwrap_or(app);
    let is_name =
        |name: &str| !name.is_empty() && !name.contains(|c: char| c == '.' || c.is_whitespace());
    if ![app, region, instance].into_iter().all(is_name) {
        return None;
    }
    // What has Fly's envelope is a payload as it is; others get one, so that the platform's lines are known as such.
    let payload = match value.get("fly") {
        Some(_) => line.to_vec(),
        None => {
            let provider = text("/meta/event/provider").or(text("/event/provider"));
            serde_json::json!({
                "event": {"provider": provider.unwrap_or("app")},
                "message": text("/message").unwrap_or_default(),
                "timestamp": at_text(at),
            })
            .to_string()
            .into_bytes()
        }
    };
    Some(JsonEntry {
        at,
        subject: format!("logs.{app}.{region}.{instance}"),
        payload,
    })
}

fn at_text(at: Wall) -> String {
    String::from_utf8_lossy(&super::archive_line::arrival_text(at)).into_owned()
}

/// A time in RFC 3339, or a number of milliseconds or seconds.
fn time(value: &Value) -> Option<Wall> {
    match value {
        Value::String(text) => rfc3339::time(text),
        Value::Number(number) => {
            let number = number.as_f64().filter(|number| *number > 0.0)?;
            // Seconds reach that number of milliseconds in the year 5138.
            let seconds = if number < 1e11 { number } else { number / 1e3 };
            Some(Wall::from_nanos((seconds * 1e9) as u64))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Option<(u64, String, String)> {
        let entry = read(line.as_bytes(), "given")?;
        let payload = String::from_utf8(entry.payload).expect("text");
        Some((entry.at.nanos() / 1_000_000, entry.subject, payload))
    }

    #[test]
    fn entries_of_each_tool_are_read() {
        let fly = r#"{"event":{"provider":"app"},"fly":{"app":{"instance":"a","name":"web"},"region":"iad"},"message":"HEARTBEAT","timestamp":"2026-01-31T12:00:00.5Z"}"#;
        let expected = Some((
            1_769_860_800_500,
            "logs.web.iad.a".to_owned(),
            fly.to_owned(),
        ));
        assert_eq!(of(fly), expected);
        let vector = r#"{"message":"{\"message\":\"x\"}","subject":"logs.web.iad.a","timestamp":"2026-01-31T12:00:00Z","source_type":"nats"}"#;
        let expected = (
            1_769_860_800_000,
            "logs.web.iad.a".to_owned(),
            "{\"message\":\"x\"}".to_owned(),
        );
        assert_eq!(of(vector), Some(expected.clone()));
        let tail = r#"{"message":"{\"message\":\"x\"}","subject":"logs.web.iad.a","timestamp":1769860800000,"type":"log"}"#;
        assert_eq!(of(tail), Some(expected));
        let flyctl = r#"{"level":"info","instance":"a","message":"HEARTBEAT","region":"iad","timestamp":"2026-01-31T12:00:00Z","meta":{"instance":"a","region":"iad","event":{"provider":"runner"}}}"#;
        let (at, subject, payload) = of(flyctl).expect("read");
        assert_eq!(
            (at, subject.as_str()),
            (1_769_860_800_000, "logs.given.iad.a")
        );
        assert!(
            payload.starts_with(r#"{"event":{"provider":"runner"},"message":"HEARTBEAT","#),
            "{payload}"
        );
    }

    #[test]
    fn what_names_no_instance_or_no_time_is_left_out() {
        for line in [
            "",
            "HEARTBEAT",
            "[]",
            r#"{"message":"x"}"#,
            r#"{"message":"x","timestamp":"2026-01-31T12:00:00Z"}"#,
            r#"{"message":"x","region":"iad","instance":"a b","timestamp":"2026-01-31T12:00:00Z"}"#,
            r#"{"message":"x","region":"iad","instance":"a","timestamp":"noon"}"#,
            r#"{"message":"x","region":"iad","instance":"a","timestamp":-1}"#,
        ] {
            assert_eq!(of(line), None, "{line}");
        }
    }
}
