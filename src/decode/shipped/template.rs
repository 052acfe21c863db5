//! The JSON of one entry, by a template: `{"dt": {time}, "message": {message}, "app": {app}}`.
//!
//! A placeholder stands for a whole JSON value, with its quotes.

use super::entry::ShippedEntry;
use crate::core::time::Wall;
use serde_json::Value;
use std::time::{Duration, UNIX_EPOCH};

/// The template where a sink has none: the payload as it came.
pub const DEFAULT: &str = "{payload}";
/// Names of the placeholders.
pub const PLACEHOLDERS: &[&str] = &[
    "payload", "message", "level", "time", "time_ms", "arrival", "subject", "app", "region",
    "instance",
];

/// Appends the JSON of an entry.
pub fn fill(template: &str, entry: &ShippedEntry<'_>, out: &mut Vec<u8>) {
    let mut rest = template;
    while let Some(at) = rest.find('{') {
        let (before, after) = rest.split_at(at);
        out.extend_from_slice(before.as_bytes());
        let placeholder = after[1..].split_once('}');
        match placeholder.filter(|(word, _)| PLACEHOLDERS.contains(word)) {
            Some((word, behind)) => {
                value(word, entry, out);
                rest = behind;
            }
            None => {
                out.push(b'{');
                rest = &after[1..];
            }
        }
    }
    out.extend_from_slice(rest.as_bytes());
}

/// The fault of a template that makes no JSON; `None`: there is none.
pub fn fault(template: &str) -> Option<String> {
    let entry = ShippedEntry::read(Wall::ZERO, "logs.a.b.c", b"{}");
    let mut made = Vec::new();
    fill(template, &entry, &mut made);
    match serde_json::from_slice::<Value>(&made) {
        Ok(_) => None,
        Err(fault) => Some(format!("no JSON once it is filled in: {fault}")),
    }
}

fn value(word: &str, entry: &ShippedEntry<'_>, out: &mut Vec<u8>) {
    match word {
        "payload" => payload(entry, out),
        "message" => text(&entry.message(), out),
        "level" => match entry.level() {
            Some(level) => text(&level, out),
            None => out.extend_from_slice(b"null"),
        },
        "time" => text(&rfc3339(entry.at), out),
        "time_ms" => out.extend_from_slice((entry.at.nanos() / 1_000_000).to_string().as_bytes()),
        "arrival" => text(&rfc3339(entry.arrival), out),
        "subject" => text(entry.subject, out),
        "app" => text(entry.app, out),
        "region" => text(entry.region, out),
        _ => text(entry.instance, out),
    }
}

/// An object as it came, on one line; anything else as a text.
fn payload(entry: &ShippedEntry<'_>, out: &mut Vec<u8>) {
    if entry.fields.is_empty() && entry.payload.trim_ascii() != b"{}" {
        return text(&entry.text(), out);
    }
    if entry
        .payload
        .iter()
        .any(|byte| matches!(byte, b'\n' | b'\r'))
    {
        // Its newlines stand between its parts: within texts JSON escapes them.
        let line = entry.payload.iter();
        out.extend(line.map(|&byte| {
            if matches!(byte, b'\n' | b'\r') {
                b' '
            } else {
                byte
            }
        }));
    } else {
        out.extend_from_slice(entry.payload);
    }
}

fn text(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("text is JSON, and memory can be written");
}

fn rfc3339(at: Wall) -> String {
    let time = UNIX_EPOCH + Duration::from_nanos(at.nanos());
    humantime::format_rfc3339_nanos(time).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(template: &str, payload: &[u8]) -> String {
        let at = Wall::from_nanos(1_700_000_000_123_456_000);
        let entry = ShippedEntry::read(at, "logs.web.sjc.1a", payload);
        let mut out = Vec::new();
        fill(template, &entry, &mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn placeholders_stand_for_values_of_json() {
        let template = r#"{"dt":{time},"ms":{time_ms},"m":{message},"l":{level},"a":{app},"r":{region},"i":{instance},"x":{}}"#;
        assert_eq!(fault(template), None);
        let payload = br#"{"message":"say \"hi\" {app}","level":"error"}"#;
        let expected = r#"{"dt":"2023-11-14T22:13:20.123456000Z","ms":1700000000123,"m":"say \"hi\" {app}","l":"error","a":"web","r":"sjc","i":"1a","x":{}}"#;
        assert_eq!(filled(template, payload), expected);
    }

    #[test]
    fn a_payload_stays_as_it_is_on_one_line_and_other_bytes_become_a_text() {
        for (payload, expected) in [
            (&b"{\"b\":1,\n \"a\":2.50}"[..], "{\"b\":1,  \"a\":2.50}"),
            (b"{}", "{}"),
            (b"say \"hi\"\nnow", "\"say \\\"hi\\\"\\nnow\""),
            (b"{broken", "\"{broken\""),
            (b"\xff", "\"\u{fffd}\""),
        ] {
            assert_eq!(filled(DEFAULT, payload), expected);
        }
    }

    #[test]
    fn a_template_that_makes_no_json_is_at_fault() {
        assert_eq!(fault(DEFAULT), None);
        for template in ["", r#"{"a":"{app}"}"#, "{ap}", r#"{"a":{nothing}}"#] {
            assert!(fault(template).is_some(), "{template}");
        }
    }
}
