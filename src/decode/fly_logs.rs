//! Answers of Fly's HTTP logs API: `{"data":[{"attributes":{"timestamp":"...","message":"...","instance":"..."}}]}`.

use crate::core::targets::question::{Opinion, Question};
use crate::core::time::Wall;
use crate::decode::beat::{self, Found, Markers};
use serde::Deserialize;

#[derive(Deserialize)]
struct Page {
    data: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    attributes: Attributes,
}

#[derive(Deserialize)]
struct Attributes {
    timestamp: String,
    message: String,
    #[serde(default)]
    instance: String,
}

/// The newest heartbeat in an answer that a question is about.
///
/// # Errors
/// The answer is not of the documented shape.
pub fn newest(answer: &[u8], question: &Question) -> Result<Opinion, serde_json::Error> {
    let page: Page = serde_json::from_slice(answer)?;
    let markers = Markers::new(&[question.marker.to_string()]);
    let instance = question.subject.rsplit('.').next().unwrap_or_default();
    let rows = page.data.iter().map(|row| &row.attributes);
    let own = rows.filter(|row| row.instance.is_empty() || row.instance == instance);
    let newest = own.filter_map(|row| said_at(row, question, &markers)).max();
    Ok(newest.map_or(Opinion::NoBeat, Opinion::Beat))
}

/// The time of an entry that carries the beat; `None` where it carries none, or a `bye`.
fn said_at(row: &Attributes, question: &Question, markers: &Markers) -> Option<Wall> {
    let entry = serde_json::json!({"event": {"provider": "app"}, "message": row.message});
    let mut is_beat = false;
    beat::read(
        entry.to_string().as_bytes(),
        &question.subject,
        markers,
        |found| {
            if let Found::Beat(line) = found {
                is_beat |= line.name == &*question.name && !line.bye;
            }
        },
    );
    let said = humantime::parse_rfc3339_weak(&row.timestamp).ok()?;
    let since = said.duration_since(std::time::UNIX_EPOCH).ok()?;
    is_beat.then(|| Wall::ZERO + since)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(name: &str) -> Question {
        Question {
            target: 7,
            subject: "logs.web.iad.148e".into(),
            marker: "HEARTBEAT".into(),
            name: name.into(),
        }
    }

    fn row(second: u64, message: &str, instance: &str) -> serde_json::Value {
        serde_json::json!({"id": "1", "attributes": {
            "timestamp": format!("2026-01-01T00:00:{second:02}.5Z"), "message": message,
            "level": "info", "instance": instance, "region": "iad", "meta": {},
        }})
    }

    #[test]
    fn the_newest_beat_of_that_name_and_instance_counts() {
        let rows = [
            row(1, "HEARTBEAT seq=1", "148e"),
            row(3, "HEARTBEAT seq=2", "148e"),
            row(5, "HEARTBEAT name=worker", "148e"),
            row(6, "HEARTBEAT bye", "148e"),
            row(7, "HEARTBEAT", "other"),
            row(8, "failed to send out heartbeat on time", "148e"),
        ];
        let answer = serde_json::json!({"data": rows, "meta": {"next_token": "8"}}).to_string();
        let seconds = |name: &str| match newest(answer.as_bytes(), &question(name)) {
            Ok(Opinion::Beat(at)) => at.seconds() % 60.0,
            other => panic!("{other:?}"),
        };
        assert_eq!((seconds(""), seconds("worker")), (3.5, 5.5));
        let other = newest(answer.as_bytes(), &question("cron"));
        assert_eq!(other.ok(), Some(Opinion::NoBeat));
    }

    #[test]
    fn what_is_not_documented_is_a_fault() {
        for answer in ["", "{}", "[]", "{\"data\":[{}]}", "{\"data\":{}}", "<html>"] {
            assert!(
                newest(answer.as_bytes(), &question("")).is_err(),
                "{answer}"
            );
        }
        let none = newest(b"{\"data\":[]}", &question(""));
        assert_eq!(none.ok(), Some(Opinion::NoBeat));
    }
}
