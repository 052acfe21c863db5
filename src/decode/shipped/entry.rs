//! An entry of the archive with the fields that sinks ask for.

use crate::core::time::Wall;
use crate::decode::{log_level, rfc3339};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// An entry.
pub struct ShippedEntry<'a> {
    /// Wall clock: its own time where it has one, else its arrival.
    pub at: Wall,
    /// Wall clock: its arrival.
    pub arrival: Wall,
    /// Its subject.
    pub subject: &'a str,
    /// The app of its subject; empty where the subject has none.
    pub app: &'a str,
    /// The region of its subject; empty likewise.
    pub region: &'a str,
    /// The instance of its subject; empty likewise.
    pub instance: &'a str,
    /// Its payload, as it came.
    pub payload: &'a [u8],
    /// The payload where that is a JSON object; else empty.
    pub fields: Map<String, Value>,
}

impl<'a> ShippedEntry<'a> {
    /// Reads an entry of the archive.
    pub fn read(arrival: Wall, subject: &'a str, payload: &'a [u8]) -> Self {
        let mut tokens = subject.splitn(4, '.').skip(1);
        let mut token = || tokens.next().unwrap_or_default();
        let (app, region, instance) = (token(), token(), token());
        let fields = match serde_json::from_slice(payload) {
            Ok(Value::Object(fields)) => fields,
            _ => Map::new(),
        };
        let own = fields.get("timestamp").and_then(Value::as_str);
        ShippedEntry {
            at: own.and_then(rfc3339::time).unwrap_or(arrival),
            arrival,
            subject,
            app,
            region,
            instance,
            payload,
            fields,
        }
    }

    /// The logged text: `message` of the payload, else the whole payload.
    pub fn message(&self) -> Cow<'_, str> {
        match self.fields.get("message").and_then(Value::as_str) {
            Some(message) => Cow::Borrowed(message),
            None => self.text(),
        }
    }

    /// The payload as text; bytes that are not UTF-8 are replaced.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.payload)
    }

    /// Its level in lower case; `None` where it has none.
    pub fn level(&self) -> Option<String> {
        log_level::of_fields(&self.fields)
    }

    /// A text of the payload by the names of the objects in which it stands.
    pub fn field(&self, path: &[&str]) -> Option<&str> {
        let (first, rest) = path.split_first()?;
        let first = self.fields.get(*first)?;
        rest.iter()
            .try_fold(first, |value, name| value.get(name))?
            .as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARRIVAL: Wall = Wall::from_nanos(1_700_000_000_000_000_000);

    #[test]
    fn the_fields_of_an_entry_are_found() {
        let payload = br#"{"event":{"provider":"app"},"log":{"level":"WARNING"},"message":"hi","timestamp":"2023-11-14T22:13:19.5Z"}"#;
        let entry = ShippedEntry::read(ARRIVAL, "logs.web.sjc.1a", payload);
        assert_eq!(entry.at.nanos(), 1_699_999_999_500_000_000);
        let place = (entry.app, entry.region, entry.instance);
        assert_eq!(place, ("web", "sjc", "1a"));
        assert_eq!(entry.message(), "hi");
        assert_eq!(entry.level().as_deref(), Some("warn"));
        assert_eq!(entry.field(&["event", "provider"]), Some("app"));
        assert_eq!(entry.field(&["event", "none"]), None);
    }

    #[test]
    fn an_entry_without_fields_has_its_arrival_and_its_whole_text() {
        for payload in [&b"plain"[..], b"[1]", b"{broken", b"\xff", b""] {
            let entry = ShippedEntry::read(ARRIVAL, "logs.web", payload);
            assert_eq!(entry.at, ARRIVAL);
            assert_eq!((entry.app, entry.region), ("web", ""));
            assert_eq!(entry.message(), String::from_utf8_lossy(payload));
            assert_eq!(entry.level(), None);
        }
    }
}
