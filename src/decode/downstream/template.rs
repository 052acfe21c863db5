//! Placeholders in the URL, body and headers of a query.

use crate::core::time::Wall;
use std::time::{Duration, UNIX_EPOCH};

/// Names of the placeholders.
pub const PLACEHOLDERS: &[&str] = &["nonce", "since_s", "since_rfc3339"];
/// The placeholder that a search for canaries needs.
pub const NONCE: &str = "{nonce}";

/// Values of the placeholders in one query.
#[derive(Clone, Debug)]
pub struct Values {
    /// The nonce of lastbeat's canaries since its start.
    pub nonce: String,
    /// Wall clock: the time from which the sink is to be searched.
    pub since: Wall,
}

/// The text with every placeholder filled in. One pass: nothing that was filled in is looked at again.
pub fn fill(text: &str, values: &Values) -> String {
    let seconds = (values.since.nanos() / 1_000_000_000).to_string();
    let since = UNIX_EPOCH + Duration::from_nanos(values.since.nanos());
    let rfc3339 = humantime::format_rfc3339_seconds(since).to_string();
    let mut filled = String::with_capacity(text.len() + 64);
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        let (before, after) = rest.split_at(at);
        filled.push_str(before);
        let value = [
            ("{nonce}", &values.nonce),
            ("{since_s}", &seconds),
            ("{since_rfc3339}", &rfc3339),
        ]
        .into_iter()
        .find_map(|(name, value)| Some((value, after.strip_prefix(name)?)));
        match value {
            Some((value, after)) => {
                filled.push_str(value);
                rest = after;
            }
            None => {
                filled.push('{');
                rest = &after[1..];
            }
        }
    }
    filled.push_str(rest);
    filled
}

/// The first word in braces that is no placeholder; braces of JSON hold no bare word.
pub fn unknown(text: &str) -> Option<&str> {
    text.split('{').skip(1).find_map(|part| {
        let (word, _) = part.split_once('}')?;
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let is_word = !word.is_empty() && word.bytes().all(fits);
        (is_word && !PLACEHOLDERS.contains(&word)).then_some(word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_once_and_other_braces_stay() {
        let values = Values {
            nonce: "{since_s}".to_owned(),
            since: Wall::from_nanos(1_700_000_000_900_000_000),
        };
        let text = r#"{"q":"{nonce}","from":{since_s},"at":"{since_rfc3339}","x":{}}{"#;
        let filled = fill(text, &values);
        let expected = r#"{"q":"{since_s}","from":1700000000,"at":"2023-11-14T22:13:20Z","x":{}}{"#;
        assert_eq!(filled, expected);
    }

    #[test]
    fn an_unknown_placeholder_is_found() {
        assert_eq!(unknown("a {nonce} {\"a\":{}} {0x} {A} {a b}"), Some("0x"));
        assert_eq!(unknown("{nonc}"), Some("nonc"));
        assert_eq!(unknown(r#"{"size":1,"q":{"a":"{nonce}"}}"#), None);
    }
}
