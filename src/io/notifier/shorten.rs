//! Bodies for receivers that find them too long: texts and lists are cut, and what identifies an alert stays whole.

use bytes::Bytes;
use serde_json::Value;

/// Limits of a text's characters and of a list's elements, level by level.
const LEVELS: [(usize, usize); 3] = [(500, 20), (150, 5), (60, 1)];
/// Characters of a body that is plain text, level by level.
const TEXT_LEVELS: [usize; 3] = [2_000, 500, 150];
/// Keys whose values identify something at the receiver.
const IDENTITIES: [&str; 7] = [
    "dedup_key",
    "event_action",
    "event_id",
    "fingerprint",
    "incident",
    "labels",
    "startsAt",
];

/// A body of JSON or of plain text, shortened; `None`: it is no shorter than that already.
pub fn body(body: &Bytes, level: u8) -> Option<Bytes> {
    let (level_index, text_level) = (limits(level)?, *TEXT_LEVELS.get(index(level)?)?);
    let shorter: Bytes = match serde_json::from_slice::<Value>(body) {
        Ok(mut value) => {
            cut(&mut value, level_index);
            value.to_string().into()
        }
        Err(_) => {
            let text = String::from_utf8_lossy(body);
            text.chars().take(text_level).collect::<String>().into()
        }
    };
    (shorter.len() < body.len()).then_some(shorter)
}

/// A Sentry envelope of one item, shortened; `None`: it is no shorter than that already.
pub fn envelope(body: &Bytes, level: u8) -> Option<Bytes> {
    let limits = limits(level)?;
    let mut lines = body.splitn(3, |byte| *byte == b'\n');
    let (head, item, payload) = (lines.next()?, lines.next()?, lines.next()?);
    let mut value: Value = serde_json::from_slice(payload).ok()?;
    cut(&mut value, limits);
    let payload = value.to_string();
    let mut item: Value = serde_json::from_slice(item).ok()?;
    item.as_object_mut()?
        .insert("length".to_owned(), payload.len().into());
    let item = item.to_string();
    let shorter = [head, item.as_bytes(), payload.as_bytes(), b""].join(&b'\n');
    (shorter.len() < body.len()).then(|| shorter.into())
}

fn index(level: u8) -> Option<usize> {
    usize::from(level).checked_sub(1)
}

fn limits(level: u8) -> Option<(usize, usize)> {
    LEVELS.get(index(level)?).copied()
}

fn cut(value: &mut Value, limits: (usize, usize)) {
    let (chars, elements) = limits;
    match value {
        Value::String(text) => {
            if let Some((at, _)) = text.char_indices().nth(chars) {
                text.truncate(at);
            }
        }
        Value::Array(list) => {
            list.truncate(elements);
            list.iter_mut().for_each(|one| cut(one, limits));
        }
        Value::Object(map) => {
            let cuttable = map
                .iter_mut()
                .filter(|(key, _)| !IDENTITIES.contains(&key.as_str()));
            cuttable.for_each(|(_, one)| cut(one, limits));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn texts_and_lists_are_cut_and_identities_stay() {
        let long = "x".repeat(5_000);
        let whole = json!({
            "dedup_key": long, "labels": {"a": long}, "text": long, "members": [long, long, long, 4, 5, 6]
        });
        let whole = Bytes::from(whole.to_string());
        let lengths = [1, 2, 3].map(|level| {
            let shorter = body(&whole, level).expect("shorter");
            let value: Value = serde_json::from_slice(&shorter).expect("JSON");
            assert_eq!(value["dedup_key"], long.as_str());
            assert_eq!(value["labels"]["a"], long.as_str());
            let members = value["members"].as_array().expect("a list").len();
            (
                value["text"].as_str().expect("text").chars().count(),
                members,
            )
        });
        assert_eq!(lengths, [(500, 6), (150, 5), (60, 1)]);
        assert!(body(&whole, 4).is_none(), "no further level");
        assert!(body(&whole, 0).is_none());
        assert!(
            body(&Bytes::from_static(b"{}"), 1).is_none(),
            "short already"
        );
    }

    #[test]
    fn a_plain_text_is_cut_at_a_character() {
        let whole = Bytes::from("ü".repeat(3_000));
        let shorter = body(&whole, 1).expect("shorter");
        assert_eq!(shorter, "ü".repeat(2_000));
    }

    #[test]
    fn an_envelope_says_its_new_length() {
        let payload =
            json!({"event_id": "e", "fingerprint": ["f".repeat(900)], "message": "m".repeat(900)});
        let payload = payload.to_string();
        let whole = format!(
            "{{\"event_id\":\"e\"}}\n{{\"type\":\"event\",\"length\":{}}}\n{payload}\n",
            payload.len()
        );
        let shorter = envelope(&whole.into(), 2).expect("shorter");
        let text = String::from_utf8(shorter.to_vec()).expect("text");
        let lines: Vec<&str> = text.split('\n').collect();
        assert_eq!(lines[0], "{\"event_id\":\"e\"}");
        let item: Value = serde_json::from_str(lines[1]).expect("a head");
        assert_eq!(item["length"], lines[2].len());
        assert_eq!(item["type"], "event");
        let event: Value = serde_json::from_str(lines[2]).expect("an event");
        assert_eq!(event["fingerprint"][0], "f".repeat(900));
        assert_eq!(event["message"].as_str().map(str::len), Some(150));
        assert_eq!((lines[3], lines.len()), ("", 4));
    }
}
