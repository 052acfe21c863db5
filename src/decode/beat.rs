//! The heartbeat line: `HEARTBEAT every=30s name=worker seq=1042`, wherever it stands in an entry.

use super::log_line::LogLine;
use super::rules_file;
use crate::core::entry::{BeatLine, MarkerId, Reject};
use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::Value;
use std::borrow::Cow;
use std::time::Duration;

/// Longest `name=` of a beat, in bytes.
const MAX_NAME: usize = 64;
/// Words read after the marker: a line that happens to hold the marker may go on for kilobytes.
const MAX_WORDS: usize = 32;

/// The markers that the rules look for, ready for searching.
#[derive(Clone, Debug)]
pub struct Markers(Vec<Marker>);

#[derive(Clone, Debug)]
struct Marker {
    text: String,
    /// Where in it the byte stands that is rarest in logs, and that byte in both cases.
    rare: usize,
    bytes: (u8, u8),
    exact: Finder<'static>,
}

impl Markers {
    /// Prepares them; their places in the list are their ids.
    pub fn new(markers: &[String]) -> Self {
        Markers(markers.iter().map(|text| Marker::new(text)).collect())
    }

    /// Whether a payload carries any marker, in any case: if not, nothing in it needs parsing.
    #[inline]
    pub fn in_bytes(&self, payload: &[u8]) -> bool {
        self.0
            .iter()
            .any(|marker| marker.find_any_case(payload).is_some())
    }
}

impl Marker {
    fn new(text: &str) -> Self {
        let rare = (0..text.len())
            .min_by_key(|&at| frequency(text.as_bytes()[at]))
            .unwrap_or(0);
        let byte = text.as_bytes().get(rare).copied().unwrap_or(0);
        Marker {
            text: text.to_owned(),
            rare,
            bytes: (byte.to_ascii_lowercase(), byte.to_ascii_uppercase()),
            exact: Finder::new(text.as_bytes()).into_owned(),
        }
    }

    #[inline]
    fn find_any_case(&self, bytes: &[u8]) -> Option<usize> {
        let is = |at: &usize| {
            let found = at
                .checked_sub(self.rare)
                .and_then(|start| bytes.get(start..start + self.text.len()));
            found.is_some_and(|found| found.eq_ignore_ascii_case(self.text.as_bytes()))
        };
        memchr::memchr2_iter(self.bytes.0, self.bytes.1, bytes)
            .find(is)
            .map(|at| at - self.rare)
    }

    /// Where the marker stands in a text as a word of its own.
    fn find_word(&self, text: &str, any_case: bool) -> Option<usize> {
        // Most beats begin with it.
        if text.starts_with(&self.text) && is_word(text, 0, self.text.len()) {
            return Some(0);
        }
        let mut from = 0;
        loop {
            let rest = &text.as_bytes()[from..];
            let found = if any_case {
                self.find_any_case(rest)
            } else {
                self.exact.find(rest)
            };
            let start = from + found?;
            if is_word(text, start, start + self.text.len()) {
                return Some(start);
            }
            from = start + 1;
        }
    }
}

/// A heartbeat line, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beat<'a> {
    marker: MarkerId,
    text: Cow<'a, str>,
    name: Cow<'a, str>,
    every: Option<Duration>,
    seq: Option<u64>,
    bye: bool,
}

impl Beat<'_> {
    /// As the core takes it, with what its entry tells beside it.
    pub fn line<'a>(&'a self, entry: &'a LogLine<'_>) -> BeatLine<'a> {
        BeatLine {
            marker: self.marker,
            text: &self.text,
            name: &self.name,
            every: self.every,
            seq: self.seq,
            bye: self.bye,
            host: &entry.host,
            entry_time: entry.entry_time,
        }
    }
}

/// A message without its colours.
pub fn without_colours(message: &str) -> Cow<'_, str> {
    if memchr::memchr(0x1b, message.as_bytes()).is_none() {
        return Cow::Borrowed(message);
    }
    let mut plain = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(at) = rest.find('\u{1b}') {
        plain.push_str(&rest[..at]);
        rest = after_escape(&rest[at + 1..]);
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

/// Reads the beat in a message without colours; `None` where it has none. What is broken in it is handed to
/// `reject`, and the beat still counts.
pub fn read<'a>(
    message: &'a str,
    markers: &Markers,
    mut reject: impl FnMut(Reject),
) -> Option<Beat<'a>> {
    if message.trim_start().starts_with('{')
        && let Ok(object) = serde_json::from_str::<JsonBeat>(message)
    {
        return object.read(markers, &mut reject);
    }
    let (marker, start) = find(message, markers, false)?;
    let mut beat = Beat::new(marker, &message[start..]);
    beat.words(&message[start..], &mut reject);
    Some(beat)
}

fn find(text: &str, markers: &Markers, any_case: bool) -> Option<(MarkerId, usize)> {
    let found = |(id, marker): (usize, &Marker)| {
        Some((MarkerId(id as u16), marker.find_word(text, any_case)?))
    };
    markers.0.iter().enumerate().find_map(found)
}

/// A structured logger's object.
#[derive(Deserialize)]
struct JsonBeat {
    msg: Option<Value>,
    message: Option<Value>,
    every: Option<Value>,
    seq: Option<Value>,
    name: Option<Value>,
    bye: Option<Value>,
}

impl JsonBeat {
    fn read<'a>(&self, markers: &Markers, reject: &mut impl FnMut(Reject)) -> Option<Beat<'a>> {
        let texts = [&self.msg, &self.message]
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        let (text, (marker, start)) = texts
            .filter_map(|text| Some((text, find(text, markers, true)?)))
            .next()?;
        let mut beat = Beat::new(marker, &text[start..]);
        beat.words(&text[start..], reject);
        let scalar = |value: &Value| {
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
        };
        let beside = [
            ("every", &self.every),
            ("seq", &self.seq),
            ("name", &self.name),
        ];
        let beside = beside.map(|(key, value)| (key, value.as_ref().map(scalar)));
        for (key, value) in &beside {
            if let Some(value) = value {
                beat.key(key, value, reject);
            }
        }
        beat.bye |= self.bye == Some(Value::Bool(true));
        Some(beat.into_owned())
    }
}

impl<'a> Beat<'a> {
    fn new(marker: MarkerId, from_marker: &'a str) -> Self {
        let text = Cow::Borrowed(from_marker.trim_end());
        Beat {
            marker,
            text,
            name: Cow::Borrowed(""),
            every: None,
            seq: None,
            bye: false,
        }
    }

    fn into_owned(self) -> Beat<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        let Beat {
            marker,
            every,
            seq,
            bye,
            ..
        } = self;
        Beat {
            marker,
            text: owned(self.text),
            name: owned(self.name),
            every,
            seq,
            bye,
        }
    }

    /// Reads what stands behind the marker.
    fn words(&mut self, from_marker: &'a str, reject: &mut impl FnMut(Reject)) {
        for word in from_marker.split_whitespace().skip(1).take(MAX_WORDS) {
            let word = word.trim_matches(['"', '\'', ',', ';']);
            match word.split_once('=') {
                Some((key, value)) => self.key(key, value.trim_matches(['"', '\'']), reject),
                None => self.bye |= word == "bye",
            }
        }
    }

    fn key(&mut self, key: &str, value: &'a str, reject: &mut impl FnMut(Reject)) {
        match key {
            "every" => match rules_file::duration(value) {
                Ok(every) if every >= Duration::from_millis(1) => self.every = Some(every),
                _ => reject(Reject::BeatEvery),
            },
            "seq" => match value.parse() {
                Ok(seq) => self.seq = Some(seq),
                Err(_) => reject(Reject::BeatSeq),
            },
            "name" if value.is_empty() || value.len() > MAX_NAME => reject(Reject::BeatName),
            "name" => self.name = Cow::Borrowed(value),
            _ => {}
        }
    }
}

/// Whether the bytes from `start` to `end` are a word: `HEARTBEATS`, `NO_HEARTBEAT` and `HEARTBEAT=1` hold none.
fn is_word(text: &str, start: usize, end: usize) -> bool {
    let joins = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let before = text.get(..start).and_then(|text| text.chars().next_back());
    let after = text.get(end..).and_then(|text| text.chars().next());
    !before.is_some_and(joins) && !after.is_some_and(|c| joins(c) || c == '=')
}

/// What follows an escape sequence whose ESC is gone already.
fn after_escape(rest: &str) -> &str {
    let ends = |c: char| ('\u{40}'..='\u{7e}').contains(&c);
    match rest.strip_prefix('[') {
        // A control sequence ends with its first letter; one that never ends takes nothing with it.
        Some(sequence) => sequence
            .find(ends)
            .map_or(sequence, |end| &sequence[end + 1..]),
        None => rest,
    }
}

/// How often a byte stands in logs, roughly: letters by their frequency in English, hexadecimal digits and
/// blanks often, the rest seldom.
fn frequency(byte: u8) -> usize {
    const RARE_FIRST: &[u8] = b"zqjxkvwygpumbhlcfdnrtsoiea";
    RARE_FIRST
        .iter()
        .position(|&letter| letter == byte.to_ascii_lowercase())
        .unwrap_or(RARE_FIRST.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn markers() -> Markers {
        Markers::new(&["HEARTBEAT".to_owned(), "PULSE".to_owned()])
    }

    /// What is read of a message, and what of it is rejected.
    fn reading(message: &str) -> (Option<Beat<'static>>, Vec<Reject>) {
        let mut rejected = Vec::new();
        let plain = without_colours(message);
        let beat = read(&plain, &markers(), |why| rejected.push(why)).map(Beat::into_owned);
        (beat, rejected)
    }

    #[test]
    fn a_marker_counts_as_a_word_of_its_own() {
        for (message, counts) in [
            ("HEARTBEAT", true),
            (
                "12:00:01 heartbeat.1   | HEARTBEAT 3287e2f4c04d18 iad",
                true,
            ),
            ("\u{1b}[32mINFO\u{1b}[0mHEARTBEAT", false),
            ("\u{1b}[32mHEARTBEAT\u{1b}[0m", true),
            ("level=info msg=HEARTBEAT", true),
            ("HEARTBEATS HEARTBEAT", true),
            ("PULSE", true),
            ("\u{e9}HEARTBEAT", false),
            ("NOHEARTBEAT_MODE=1 HEARTBEATS disabled", false),
            ("NO-HEARTBEAT", false),
            ("HEARTBEAT=off", false),
            ("heartbeat", false),
            ("Heartbeat sent", false),
            (r#"{"msg":"heartbeat"}"#, true),
            (r#"{"message":"Heartbeat every=5s"}"#, true),
            (r#"{"event":"HEARTBEAT"}"#, false),
            (r#"{"msg":5,"message":"HEARTBEAT"}"#, true),
            ("", false),
        ] {
            assert_eq!(reading(message).0.is_some(), counts, "{message}");
            let carries = markers().in_bytes(message.as_bytes());
            assert!(
                carries || !counts,
                "the byte search misses a beat: {message}"
            );
        }
    }

    #[test]
    fn keys_are_read_from_text_and_from_json() {
        let seconds = |count| Some(Duration::from_secs(count));
        for (message, every, name, seq, bye) in [
            (
                "HEARTBEAT every=30s name=worker seq=1042",
                seconds(30),
                "worker",
                Some(1042),
                false,
            ),
            (
                r#"level=info msg="HEARTBEAT every=30s seq=7""#,
                seconds(30),
                "",
                Some(7),
                false,
            ),
            (
                r#"{"msg":"HEARTBEAT seq=1","every":"2m","name":"w"}"#,
                seconds(120),
                "w",
                Some(1),
                false,
            ),
            (
                r#"{"msg":"HEARTBEAT","seq":"12","bye":true}"#,
                None,
                "",
                Some(12),
                true,
            ),
            ("HEARTBEAT bye", None, "", None, true),
            ("HEARTBEAT goodbye bye=no", None, "", None, false),
        ] {
            let (beat, rejected) = reading(message);
            let beat = beat.expect(message);
            assert_eq!(
                (beat.every, &*beat.name, beat.seq, beat.bye),
                (every, name, seq, bye),
                "{message}"
            );
            assert_eq!(rejected, [], "{message}");
        }
    }

    #[test]
    fn a_broken_key_costs_only_itself() {
        let long = format!("HEARTBEAT name={}", "x".repeat(65));
        for (message, why) in [
            ("HEARTBEAT every=0s", Reject::BeatEvery),
            ("HEARTBEAT every=900y", Reject::BeatEvery),
            // Overflows inside the duration crate.
            (
                "HEARTBEAT every=18446744073709551615s1000ms",
                Reject::BeatEvery,
            ),
            ("HEARTBEAT seq=18446744073709551616", Reject::BeatSeq),
            (r#"{"msg":"HEARTBEAT","every":30}"#, Reject::BeatEvery),
            (long.as_str(), Reject::BeatName),
        ] {
            let (beat, rejected) = reading(message);
            assert!(beat.is_some_and(|beat| beat.every.is_none()
                && beat.seq.is_none()
                && beat.name.is_empty()));
            assert_eq!(rejected, [why], "{message}");
        }
    }
}
