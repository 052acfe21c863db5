//! The parts of a payload: its provider, its message, its own time.
//!
//! Fly's entries are JSON objects whose values are strings. Any field may be missing or of another type, and
//! off Fly a payload may be plain text; both are entries all the same.

use super::lone_surrogates;
use crate::core::entry::{Provider, Reject};
use crate::core::time::Wall;
use memchr::memmem::Finder;
use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;
use std::time::UNIX_EPOCH;

/// A decoded payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine<'a> {
    /// The writer: the app, or a part of the platform.
    pub provider: Provider,
    /// The physical host; empty where there is none.
    pub host: Cow<'a, str>,
    /// The logged text; of an object without an envelope the whole object.
    pub message: Cow<'a, str>,
    /// Its own time; `None` where there is none that can be read.
    pub entry_time: Option<Wall>,
}

/// Reads a payload. Bytes that are not UTF-8, half surrogates and keys that stand twice cost only themselves.
///
/// # Errors
/// [`Reject::PayloadJson`] where it begins as JSON and is broken.
pub fn read(payload: &[u8]) -> Result<LogLine<'_>, Reject> {
    if payload.trim_ascii_start().first() != Some(&b'{') {
        return Ok(plain(payload));
    }
    let Ok(raw) = raw(payload) else {
        return damaged(payload).ok_or(Reject::PayloadJson);
    };
    let Some(message) = raw.message.0 else {
        // No envelope: the object itself is the logged message.
        return Ok(plain(payload));
    };
    Ok(LogLine {
        provider: raw
            .event
            .provider
            .0
            .as_deref()
            .map_or(Provider::Unknown, named),
        host: raw.host.0.unwrap_or_default(),
        message,
        entry_time: raw.timestamp.0.as_deref().and_then(time),
    })
}

fn raw(payload: &[u8]) -> serde_json::Result<RawLine<'_>> {
    match std::str::from_utf8(payload) {
        // To check the whole once takes a fraction of what checking string by string does.
        Ok(text) => serde_json::from_str(text),
        // It may still hold a beat: the invalid part may be in a field that is not used.
        Err(_) => serde_json::from_slice(payload),
    }
}

/// The writer of a payload, found without parsing it: enough for counting signs of life, and no more.
#[inline]
pub fn provider(payload: &[u8]) -> Provider {
    const HEAD: &[u8] = b"{\"event\":{\"provider\":\"";
    match payload.strip_prefix(HEAD) {
        Some(rest) => until_quote(rest),
        None => provider_anywhere(payload),
    }
}

/// An entry's own time, found at the end of the payload without parsing it.
pub fn tail_time(payload: &[u8]) -> Option<Wall> {
    static KEY: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"timestamp\":\""));
    let tail = &payload[payload.len().saturating_sub(60)..];
    let rest = &tail[KEY.find(tail)? + KEY.needle().len()..];
    let end = memchr::memchr(b'"', rest)?;
    time(std::str::from_utf8(&rest[..end]).ok()?)
}

fn provider_anywhere(payload: &[u8]) -> Provider {
    static KEY: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"provider\""));
    let Some(at) = KEY.find(payload) else {
        return Provider::Unknown;
    };
    let rest = payload[at + KEY.needle().len()..].trim_ascii_start();
    let value = rest
        .strip_prefix(b":")
        .map(<[u8]>::trim_ascii_start)
        .and_then(|rest| rest.strip_prefix(b"\""));
    value.map_or(Provider::Unknown, until_quote)
}

/// As [`named`], of what begins behind the opening quote: every entry comes by here.
fn until_quote(rest: &[u8]) -> Provider {
    match rest {
        _ if rest.starts_with(b"app\"") => Provider::App,
        _ if rest.starts_with(b"runner\"") => Provider::Runner,
        _ if rest.starts_with(b"proxy\"") => Provider::Proxy,
        _ if rest.starts_with(b"health\"") => Provider::Health,
        _ => Provider::Unknown,
    }
}

fn named(provider: &str) -> Provider {
    match provider {
        "app" => Provider::App,
        "runner" => Provider::Runner,
        "proxy" => Provider::Proxy,
        "health" => Provider::Health,
        _ => Provider::Unknown,
    }
}

/// A payload that is nothing but a message.
pub(super) fn plain(payload: &[u8]) -> LogLine<'_> {
    LogLine {
        provider: Provider::Unknown,
        host: Cow::Borrowed(""),
        message: text(payload),
        entry_time: None,
    }
}

/// A payload as text. Of bytes that are not UTF-8 only Latin-1's non-breaking blank has a meaning.
pub(super) fn text(payload: &[u8]) -> Cow<'_, str> {
    const BLANK: u8 = 0xa0;
    if let Ok(text) = std::str::from_utf8(payload) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(payload.len());
    for chunk in payload.utf8_chunks() {
        text.push_str(chunk.valid());
        let signs = chunk.invalid().iter().map(|&byte| match byte {
            BLANK => ' ',
            _ => char::REPLACEMENT_CHARACTER,
        });
        text.extend(signs);
    }
    Cow::Owned(text)
}

/// Reads an object that is JSON but for some of its text.
#[cold]
fn damaged(payload: &[u8]) -> Option<LogLine<'_>> {
    let text = text(payload);
    let mended = lone_surrogates::mended(&text);
    let pairs: Pairs = serde_json::from_str(mended.as_deref().unwrap_or(&text)).ok()?;
    let all = |name: &str| {
        let values = pairs.0.iter().filter(|(key, _)| key == name);
        let texts = values.filter_map(|(_, value)| value.as_str());
        texts.map(str::to_owned).collect::<Vec<_>>()
    };
    let mut event = pairs.0.iter().filter(|(key, _)| key == "event");
    let provider = event.find_map(|(_, event)| event.get("provider")?.as_str());
    // Of two messages either may be meant: they are lines of one.
    let messages = all("message");
    let message = if messages.is_empty() {
        text
    } else {
        Cow::Owned(messages.join("\n"))
    };
    Some(LogLine {
        provider: provider.map_or(Provider::Unknown, named),
        host: Cow::Owned(all("host").pop().unwrap_or_default()),
        message,
        entry_time: all("timestamp").pop().as_deref().and_then(time),
    })
}

/// The fields of an object in their order; a name may stand twice.
struct Pairs(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = fields.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }

        from.deserialize_map(Fields)
    }
}

fn time(text: &str) -> Option<Wall> {
    let since = humantime::parse_rfc3339_weak(text)
        .ok()?
        .duration_since(UNIX_EPOCH)
        .ok()?;
    Some(Wall::ZERO + since)
}

#[derive(Deserialize)]
struct RawLine<'a> {
    #[serde(borrow, default)]
    event: RawEvent<'a>,
    /// Never read: named, since what is nested in a field without a name needs memory to be skipped.
    #[serde(borrow, default, rename = "fly")]
    _fly: Text<'a>,
    #[serde(borrow, default)]
    host: Text<'a>,
    #[serde(borrow, default)]
    message: Text<'a>,
    #[serde(borrow, default)]
    timestamp: Text<'a>,
}

/// `event`, whatever its type.
#[derive(Default)]
struct RawEvent<'a> {
    provider: Text<'a>,
}

impl<'de: 'a, 'a> Deserialize<'de> for RawEvent<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(RawEvent {
            provider: from.deserialize_any(Lenient {
                key: Some("provider"),
            })?,
        })
    }
}

/// A string; a value of any other type is taken for none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text<'a>(pub Option<Cow<'a, str>>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Lenient { key: None })
    }
}

/// Takes any JSON value; of an object the text under `key`.
struct Lenient {
    key: Option<&'static str>,
}

impl<'de> Visitor<'de> for Lenient {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Text(self.key.is_none().then_some(Cow::Borrowed(text))))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text(
            self.key.is_none().then(|| Cow::Owned(text.to_owned())),
        ))
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Text(None))
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Text(None))
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Text(None))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Text(None))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(Text(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Text(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let mut found = Text(None);
        // A `Cow` as a key would be copied, and what is nested needs memory to be skipped by other means.
        while let Some(Text(key)) = fields.next_key::<Text<'de>>()? {
            let value = fields.next_value::<Text<'de>>()?;
            if self.key.is_some() && self.key == key.as_deref() {
                found = value;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: &[u8] = br#"{"event":{"provider":"app"},"fly":{"app":{"instance":"0e286551c30586","name":"sandwich"},"region":"sjc"},"host":"0ad1","log":{"level":"info"},"message":"HEARTBEAT 0e286551c30586 sjc","timestamp":"2022-09-27T20:34:37.252022967Z"}"#;

    #[test]
    fn a_whole_entry_is_read_without_copying() {
        let line = read(PUBLIC).expect("it is whole");
        assert_eq!((line.provider, &*line.host), (Provider::App, "0ad1"));
        assert!(matches!(
            line.message,
            Cow::Borrowed("HEARTBEAT 0e286551c30586 sjc")
        ));
        assert_eq!(
            line.entry_time,
            Some(Wall::from_nanos(1_664_310_877_252_022_967))
        );
        assert_eq!(tail_time(PUBLIC), line.entry_time);
        assert_eq!(provider(PUBLIC), Provider::App);
    }

    #[test]
    fn missing_and_odd_fields_cost_only_themselves() {
        for (payload, who, message) in [
            (r#"{"message":"x"}"#, Provider::Unknown, "x"),
            (
                r#"{"event":7,"host":[1,{"a":2}],"message":"x","timestamp":null}"#,
                Provider::Unknown,
                "x",
            ),
            (
                r#"{"event":{"provider":{"a":1}},"message":"x"}"#,
                Provider::Unknown,
                "x",
            ),
            (
                r#"{"event":{"x":[1],"provider":"runner"},"message":"a\nb"}"#,
                Provider::Runner,
                "a\nb",
            ),
            (
                r#"{ "event" : { "provider" : "proxy" } , "message" : "x" }"#,
                Provider::Proxy,
                "x",
            ),
            ("hello world", Provider::Unknown, "hello world"),
            ("", Provider::Unknown, ""),
            (
                r#"{"msg":"no envelope"}"#,
                Provider::Unknown,
                r#"{"msg":"no envelope"}"#,
            ),
        ] {
            let line = read(payload.as_bytes()).expect(payload);
            assert_eq!((line.provider, &*line.message), (who, message), "{payload}");
            assert_eq!(
                (line.entry_time, provider(payload.as_bytes())),
                (None, who),
                "{payload}"
            );
        }
    }

    #[test]
    fn a_provider_is_its_whole_name_with_and_without_parsing() {
        for (name, who) in [
            ("app", Provider::App),
            ("runner", Provider::Runner),
            ("proxy", Provider::Proxy),
            ("health", Provider::Health),
            ("", Provider::Unknown),
            ("ap", Provider::Unknown),
            ("apps", Provider::Unknown),
            ("App", Provider::Unknown),
            ("app ", Provider::Unknown),
            ("a-name-of-more-than-sixteen-bytes", Provider::Unknown),
        ] {
            let whole = format!(r#"{{"event":{{"provider":"{name}"}},"message":"x"}}"#);
            assert_eq!(read(whole.as_bytes()).expect("whole").provider, who);
            let blanks = whole.replace(':', " : ");
            for payload in [&whole, &blanks] {
                assert_eq!(provider(payload.as_bytes()), who, "{payload}");
                // A payload may end anywhere: with the name, and within it.
                let end = payload.find('}').expect("it has one");
                assert_eq!(provider(&payload.as_bytes()[..end]), who, "{payload}");
                let cut = &payload.as_bytes()[..end - 1];
                assert_eq!(provider(cut), Provider::Unknown, "{payload}");
            }
        }
        let broken = b"{\"event\":{\"provider\":\"app\xff\"}";
        assert_eq!(provider(broken), Provider::Unknown);
    }

    #[test]
    fn broken_text_costs_a_payload_only_where_it_is_read() {
        for (payload, whole) in [
            (
                &b"{\"message\":\"x\",\"log\":{\"level\":\"\xff\"}}"[..],
                true,
            ),
            (b"{\"message\":\"x\",\"log\":{\"\xff\":1}}", true),
            (b"{\"message\":\"x\",\"event\":[{\"a\":\"\xff\"}]}", true),
            (b"{\"message\":\"x\",\"\xff\":1}", true),
            (b"{\"message\":\"x\",\"host\":\"\xff\"}", true),
            (
                b"{\"message\":\"x\",\"fly\":{\"app\":{\"name\":\"\xff\"}}}",
                true,
            ),
            (b"{\"message\":\"x\",\"event\":{\"a\":\"\xff\"}}", true),
            (b"{\"message\":\"x\",\"host\":\"a\",\"host\":\"b\"}", true),
            (b"{\"message\":\"x\",\"host\":\"\\udc00\"}", true),
            (b"{\"message\":\"x\"\xff}", false),
            (b"{\"message\":\"x\"}\xff", false),
            (b"{\"message\":\"x\",\"log\":\"\\ud800\"}", true),
        ] {
            let read = read(payload).map(|line| line.message.into_owned());
            let expected = whole.then(|| "x".to_owned()).ok_or(Reject::PayloadJson);
            assert_eq!(read, expected, "{}", payload.escape_ascii());
        }
    }

    #[test]
    fn damaged_text_costs_only_itself() {
        for (payload, message) in [
            (&b"{\"message\":\"\xff\"}"[..], "\u{fffd}"),
            (b"{\"message\":\"a\xa0b\"}", "a b"),
            (b"{\"message\":\"\\ud800x\"}", "\u{fffd}x"),
            (
                b"{\"message\":\"\\ud83d\\ude00\\ud83d\"}",
                "\u{1f600}\u{fffd}",
            ),
            (b"{\"message\":\"a\",\"message\":\"b\"}", "a\nb"),
        ] {
            let line = read(payload).map(|line| line.message.into_owned());
            assert_eq!(line.as_deref(), Ok(message), "{}", payload.escape_ascii());
        }
        let whole = b"{\"event\":{\"provider\":\"proxy\"},\"host\":\"h\",\"host\":\"h\",\"message\":\"x\",\"timestamp\":\"2022-09-27T20:34:37Z\"}";
        let line = read(whole).expect("it is JSON");
        assert_eq!((line.provider, &*line.host), (Provider::Proxy, "h"));
        assert!(line.entry_time.is_some());
    }

    #[test]
    fn broken_json_is_rejected_and_broken_text_is_not() {
        assert_eq!(read(br#"{"message":"trunc"#), Err(Reject::PayloadJson));
        assert_eq!(
            &*read(b"HEARTBEAT \xff").expect("plain").message,
            "HEARTBEAT \u{fffd}"
        );
    }
}
