//! Requests to refill a sink: JSON in, a checked request or every fault at once out.

use super::{globs, request_object, rfc3339};
use crate::core::globs::Globs;
use crate::core::time::Wall;
use serde_json::Value;

const KEYS: [&str; 4] = ["from", "until", "sink", "app"];

/// A checked request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RefillRequest {
    /// Wall clock: the earliest arrival, and arrivals before; `None`: what is known to be missing.
    pub range: Option<(Wall, Wall)>,
    /// Name of the sink; `None`: the one of the downstream.
    pub sink: Option<String>,
    /// Globs of apps, with commas between; empty: all.
    pub app: String,
}

/// Reads `{"from":"...","until":"...","sink":"...","app":"..."}`, of which everything may be left out.
///
/// # Errors
/// Every fault there is, each a line for people.
pub fn read(bytes: &[u8]) -> Result<RefillRequest, Vec<String>> {
    let bytes = if bytes.is_empty() { b"{}" } else { bytes };
    let (object, mut faults) = request_object::read(bytes, &KEYS)?;
    let mut take = |key: &str| match object.get(key) {
        None => None,
        Some(Value::String(text)) => Some(text.clone()),
        Some(_) => {
            faults.push(format!("{key}: expected a text"));
            None
        }
    };
    let [from, until, sink, app] = KEYS.map(&mut take);
    let mut at = |key: &str, text: &Option<String>| {
        let at = rfc3339::time(text.as_deref()?);
        if at.is_none() {
            faults.push(format!(
                "{key}: expected a time such as 2026-01-31T18:00:00Z"
            ));
        }
        at
    };
    let range = match (at("from", &from), at("until", &until)) {
        (Some(from), Some(until)) if from < until => Some((from, until)),
        (Some(_), Some(_)) => {
            faults.push("from: is not before until".to_owned());
            None
        }
        _ => None,
    };
    if object.contains_key("from") != object.contains_key("until") {
        faults.push("from and until: give both or none".to_owned());
    }
    let app = app.unwrap_or_default();
    let wrong = Globs::of_list(&app).0;
    let wrong = wrong.iter().find_map(|glob| globs::check(glob).err());
    faults.extend(wrong.map(|why| format!("app: {why}")));
    match faults.is_empty() {
        true => Ok(RefillRequest { range, sink, app }),
        false => Err(faults),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_may_be_left_out_and_every_fault_is_reported() {
        for empty in ["", "{}"] {
            assert_eq!(read(empty.as_bytes()), Ok(RefillRequest::default()));
        }
        let all = br#"{"from":"2023-11-14T22:13:20Z","until":"2023-11-14T22:13:21Z","sink":"loki","app":"web-*, api"}"#;
        let wanted = RefillRequest {
            range: Some((
                Wall::from_nanos(1_700_000_000_000_000_000),
                Wall::from_nanos(1_700_000_001_000_000_000),
            )),
            sink: Some("loki".to_owned()),
            app: "web-*, api".to_owned(),
        };
        assert_eq!(read(all), Ok(wanted));
        for (body, count) in [
            ("[]", 1),
            ("{", 1),
            (r#"{"sink":"a","sink":"b"}"#, 1),
            (r#"{"from":"2023-11-14T22:13:20Z"}"#, 1),
            (r#"{"from":"yesterday","until":7,"name":"x","app":"[a"}"#, 4),
            (
                r#"{"from":"2023-11-14T22:13:20Z","until":"2023-11-14T22:13:20Z"}"#,
                1,
            ),
        ] {
            let faults = read(body.as_bytes()).expect_err(body);
            assert_eq!(faults.len(), count, "{body}: {faults:?}");
        }
    }
}
