//! An entry as a line of the terminal. An app may log anything, also bytes that would move the cursor, rename the window or
//! type for the reader: symbols stand for those.

use crate::core::time::Wall;
use crate::decode::archive_line::arrival_text;
use crate::decode::beat;
use crate::format;
use serde_json::Value;
use std::fmt::Write;

/// Those of the 256 colours that can be distinguished on black and on white.
const COLOURS: [u8; 12] = [31, 33, 37, 64, 71, 99, 130, 136, 162, 166, 168, 172];

/// The form of lines.
pub(in crate::commands) struct Style {
    /// As JSON.
    pub json: bool,
    /// With the date beside the time.
    pub dated: bool,
    /// With colours.
    pub colour: bool,
}

impl Style {
    /// Writes an entry's frame.
    pub fn write(&self, frame: &Value, to: &mut String) {
        if self.json {
            to.push_str(&escaped(&frame.to_string()));
            to.push('\n');
            return;
        }
        let subject = frame["subject"].as_str().unwrap_or_default();
        let mut tokens = subject.splitn(4, '.').skip(1);
        let app = tokens.next().unwrap_or_default();
        let place = tokens.fold(app.to_owned(), |place, token| format!("{place}/{token}"));
        let (place, text) = (harmless(&place), text(frame));
        let at = time(frame["timestamp"].as_u64().unwrap_or_default(), self.dated);
        // Writing to a text never fails.
        let _ = if self.colour {
            let colour = COLOURS[hash(app) % COLOURS.len()];
            writeln!(
                to,
                "\x1b[2m{at}\x1b[0m \x1b[38;5;{colour}m{place}\x1b[0m {text}"
            )
        } else {
            writeln!(to, "{at} {place} {text}")
        };
    }
}

/// The entry's text: its `message`, where its payload is JSON and has one.
fn text(frame: &Value) -> String {
    let payload = frame["message"].as_str().unwrap_or_default();
    let line: Option<Value> = serde_json::from_str(payload).ok();
    let message = line.as_ref().and_then(|line| line["message"].as_str());
    harmless(&beat::without_escapes(message.unwrap_or(payload)))
}

/// The text with symbols in place of control characters.
pub(in crate::commands) fn harmless(text: &str) -> String {
    let text = text.trim_end_matches(['\n', '\r']);
    let sign = |c: char| match c {
        '\t' => ' ',
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
        '\x7f' => '\u{2421}',
        c if acts(c) => '\u{fffd}',
        c => c,
    };
    text.chars().map(sign).collect()
}

/// True for characters that a terminal acts on: controls, and those that turn or hide text.
fn acts(c: char) -> bool {
    c.is_control() || format::is_invisible(c)
}

/// JSON in which these are escaped too; they stand in its texts only.
fn escaped(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if acts(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// `HH:MM:SS.mmm` in UTC, behind the date where it is wanted.
fn time(ms: u64, dated: bool) -> String {
    if dated {
        let text = arrival_text(Wall::from_nanos(ms.saturating_mul(1_000_000)));
        return String::from_utf8_lossy(&text[..23]).replace('T', " ");
    }
    let (seconds, ms) = (ms / 1000, ms % 1000);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{hour:02}:{minute:02}:{second:02}.{ms:03}")
}

/// The same number for the same name, here and on the next run.
fn hash(name: &str) -> usize {
    let fnv = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    name.bytes().fold(0x811c_9dc5, fnv) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(message: &str, json: bool) -> String {
        let frame = json!({"message": message, "timestamp": 3_723_004_u64, "type": "log", "subject": "logs.web.iad.a\u{1b}"});
        let mut line = String::new();
        Style {
            json,
            dated: false,
            colour: false,
        }
        .write(&frame, &mut line);
        line
    }

    #[test]
    fn an_entry_is_a_line_and_nothing_of_it_is_done() {
        // Sequences that steer a terminal are taken out whole; what else would act is shown.
        let payload = json!({"message": "\u{1b}[32mok\u{1b}[0m \u{1b}]0;title\u{7} \u{9b}2J a\nb\u{202e}c\r\n"});
        assert_eq!(
            shown(&payload.to_string(), false),
            "01:02:03.004 web/iad/a\u{241b} ok   a\u{240a}b\u{fffd}c\n"
        );
        assert_eq!(
            shown("plain", false),
            "01:02:03.004 web/iad/a\u{241b} plain\n"
        );
    }

    #[test]
    fn as_json_too_and_the_text_is_the_same_when_read() {
        let text = "\u{1b}[2J\u{9b}2J\u{7f}\u{202e}\u{e0041}\"ä";
        let line = shown(text, true);
        assert!(!line.trim_end().contains(|c: char| acts(c)), "{line:?}");
        let read: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(read["message"], text);
    }
}
