//! The time of a sink's newest entry, out of its JSON answer.

use crate::core::time::Wall;
use serde_json::Value;
use std::time::UNIX_EPOCH;

/// Seconds beyond this are a time in a smaller unit: the year 2286.
const MOST_SECONDS: f64 = 1e10;

/// The time at a JSON pointer: RFC 3339, or a Unix time in seconds, milliseconds, microseconds or nanoseconds, as a
/// number or a text. `None`: there is nothing at the pointer, which means that the sink has no entry.
///
/// # Errors
/// The answer is not JSON, or no time is at the pointer.
pub fn newest(answer: &[u8], pointer: &str) -> Result<Option<Wall>, String> {
    let answer: Value = serde_json::from_slice(answer)
        .map_err(|fault| format!("the answer is not JSON: {fault}"))?;
    match answer.pointer(pointer) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => {
            let time = of_text(text);
            time.map(Some)
                .ok_or_else(|| format!("no time at {pointer}: {text:?}"))
        }
        Some(Value::Number(number)) => {
            let time = number.as_f64().and_then(of_number);
            time.map(Some)
                .ok_or_else(|| format!("no time at {pointer}: {number}"))
        }
        Some(_) => Err(format!("no time at {pointer}")),
    }
}

fn of_text(text: &str) -> Option<Wall> {
    if let Ok(number) = text.parse() {
        return of_number(number);
    }
    // ClickHouse writes a blank in place of the T, and no zone, for UTC.
    let dated = text.replacen(' ', "T", 1);
    let zoned = dated.trim_end_matches("+00:00");
    let time = humantime::parse_rfc3339_weak(zoned).ok()?;
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    Some(Wall::from_nanos(u64::try_from(since.as_nanos()).ok()?))
}

/// A Unix time in the unit that its size tells.
fn of_number(number: f64) -> Option<Wall> {
    if !number.is_finite() || number < 0.0 {
        return None;
    }
    let mut nanos = number * 1e9;
    while nanos >= MOST_SECONDS * 1e9 {
        nanos /= 1e3;
    }
    // A float holds the time of today to a quarter of a microsecond.
    Some(Wall::from_nanos((nanos / 1e3).round() as u64 * 1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The time in milliseconds: as floats, times of today are not exact.
    fn millis(answer: &str, pointer: &str) -> Result<Option<u64>, String> {
        let time = newest(answer.as_bytes(), pointer);
        time.map(|time| time.map(|time| time.nanos() / 1_000_000))
    }

    #[test]
    fn times_of_all_kinds_are_read() {
        let prometheus = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1700000001.5,"1700000000.25"]}]}}"#;
        assert_eq!(
            millis(prometheus, "/data/result/0/value/1"),
            Ok(Some(1_700_000_000_250))
        );
        let empty = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;
        assert_eq!(millis(empty, "/data/result/0/value/1"), Ok(None));
        for same in [
            r#"[1700000000]"#,
            r#"["1700000000"]"#,
            r#"[1700000000000]"#,
            r#"["1700000000000000000"]"#,
            r#"["2023-11-14T22:13:20Z"]"#,
            r#"["2023-11-14 22:13:20.000"]"#,
            r#"["2023-11-14T22:13:20+00:00"]"#,
        ] {
            assert_eq!(millis(same, "/0"), Ok(Some(1_700_000_000_000)), "{same}");
        }
        for wrong in [r#"["soon"]"#, "[true]", "[-1]", "no"] {
            assert!(millis(wrong, "/0").is_err(), "{wrong}");
        }
    }
}
