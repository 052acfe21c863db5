//! The heartbeat line, `HEARTBEAT every=30s name=worker seq=1042`, wherever it stands in an entry.
//!
//! docs/heartbeat-line.md is the grammar for people. Text counts by the position of the marker (`position`), behind
//! prefixes (`prefix`); JSON by the fields in which loggers keep their message (`json`). One entry may hold several
//! lines, and each of them a beat.

mod json;
mod key;
mod keys;
mod marker;
mod position;
mod prefix;
#[cfg(test)]
mod tests;
mod visible;

pub use marker::Markers;
pub use visible::without_escapes;

use super::log_line::{self, LogLine};
use crate::core::entry::{BeatLine, MarkerId, Reject};
use json::Object;
use key::Key;
use keys::{Keys, Own};
use marker::Case;
use position::Miss;
use std::borrow::Cow;
use visible::{Holds, visible};

/// Limit of beats read from one entry: each is work, and no sender writes so many at once.
const MAX_BEATS: usize = 64;
/// Objects within texts within objects; a collector around a collector around a logger are three.
const MAX_DEPTH: u8 = 4;
/// The platform's own envelopes begin so: their fields are never keys of a beat.
const ENVELOPE: &[u8] = b"{\"event\":{\"provider\":";

/// One thing read in an entry that carries a marker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<'f> {
    /// A heartbeat.
    Beat(BeatLine<'f>),
    /// A broken part; where it is a key, its beat counts.
    Rejected(Reject),
    /// A line that looks like a heartbeat in a form that does not count; at most one an entry, and only where the
    /// entry has no beat.
    Unrecognised(Unrecognised),
}

/// The form of a line that looks like a heartbeat and does not count. Each is a value of the label `form`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unrecognised {
    /// The marker in another case: `heartbeat`.
    OtherCase,
    /// The marker within a sentence: `Sending HEARTBEAT request`.
    Sentence,
    /// The marker as another key's value, or in a path: `apiKey=HEARTBEAT`, `GET /HEARTBEAT`.
    Value,
    /// The marker in a JSON field that is not a message's.
    JsonField,
    /// The marker in a JSON object that does not end, or has another fault.
    BrokenJson,
    /// More lines with a beat in one entry than are read.
    TooMany,
}

impl Unrecognised {
    /// Every form, in the order of their numbers.
    pub const ALL: [Unrecognised; 6] = [
        Unrecognised::OtherCase,
        Unrecognised::Sentence,
        Unrecognised::Value,
        Unrecognised::JsonField,
        Unrecognised::BrokenJson,
        Unrecognised::TooMany,
    ];

    /// The label's value.
    pub const fn label(self) -> &'static str {
        match self {
            Unrecognised::OtherCase => "other_case",
            Unrecognised::Sentence => "sentence",
            Unrecognised::Value => "value",
            Unrecognised::JsonField => "json_field",
            Unrecognised::BrokenJson => "broken_json",
            Unrecognised::TooMany => "too_many",
        }
    }

    /// The remedy, for people.
    pub const fn hint(self) -> &'static str {
        match self {
            Unrecognised::OtherCase => {
                "Write the marker as the rule does, in upper case: HEARTBEAT."
            }
            Unrecognised::Sentence => {
                "If it is meant as a heartbeat, begin the line with the marker: HEARTBEAT every=30s."
            }
            Unrecognised::Value => {
                "If it is meant as a heartbeat, write the marker as a word of its own, at the start of the line."
            }
            Unrecognised::JsonField => {
                "Write the marker into the message: message, msg, event, text, log or body."
            }
            Unrecognised::BrokenJson => "The JSON is cut or has a fault: write less in one line.",
            Unrecognised::TooMany => {
                "More than 64 heartbeats are in one entry: write one entry for each."
            }
        }
    }
}

/// Reads the payload of an entry in which [`Markers::in_bytes`] found a marker, and hands over what it holds, in
/// order. `subject` is the entry's: the names in it may stand beside a marker.
pub fn read(payload: &[u8], subject: &str, markers: &Markers, mut found: impl FnMut(Found<'_>)) {
    match log_line::read(payload) {
        Ok(line) if line.provider.is_app() => {
            Reader::new(&line, subject, markers, &mut found).entry(payload);
        }
        Ok(_) => {}
        Err(why) => broken(payload, subject, markers, &mut found, why),
    }
}

/// Reads a payload that is no JSON as a whole: lines of their own, or an object with text behind it.
#[cold]
fn broken(
    payload: &[u8],
    subject: &str,
    markers: &Markers,
    found: &mut dyn FnMut(Found<'_>),
    why: Reject,
) {
    let mut lines = payload.split(|&byte| byte == b'\n').peekable();
    let is_object = |line: &[u8]| json::object(log_line::text(line).trim_start()).is_some();
    if !lines.peek().is_some_and(|first| is_object(first)) {
        return found(Found::Rejected(why));
    }
    for line in lines.filter(|line| markers.in_bytes(line)) {
        match log_line::read(line) {
            Ok(entry) if entry.provider.is_app() => {
                Reader::new(&entry, subject, markers, found).entry(line);
            }
            Ok(_) => {}
            Err(_) if is_object(line) && log_line::provider(line).is_app() => {
                Reader::new(&log_line::plain(line), subject, markers, found).entry(line);
            }
            Err(why) => found(Found::Rejected(why)),
        }
    }
}

/// A reader of one entry.
struct Reader<'r> {
    line: &'r LogLine<'r>,
    own: Own<'r>,
    markers: &'r Markers,
    found: &'r mut dyn FnMut(Found<'_>),
    beats: usize,
    /// The first line that looked like a beat and was none.
    near: Option<Unrecognised>,
}

/// Where a text stands.
#[derive(Clone, Copy)]
struct Place<'p> {
    /// Objects around it.
    depth: u8,
    /// True if it is the message of a JSON object.
    in_json: bool,
    /// Keys beside it in its object.
    beside: &'p [(Key, String)],
}

impl<'r> Reader<'r> {
    fn new(
        line: &'r LogLine<'r>,
        subject: &'r str,
        markers: &'r Markers,
        found: &'r mut dyn FnMut(Found<'_>),
    ) -> Self {
        let own = Own {
            subject,
            host: &line.host,
        };
        Reader {
            line,
            own,
            markers,
            found,
            beats: 0,
            near: None,
        }
    }

    fn entry(&mut self, payload: &[u8]) {
        let place = Place {
            depth: 0,
            in_json: false,
            beside: &[],
        };
        let line = self.line;
        if payload.starts_with(ENVELOPE) || payload.trim_ascii_start().first() != Some(&b'{') {
            self.message(&line.message, place);
        } else {
            // A logger's own object: there may be keys beside its message.
            self.message(&log_line::text(payload), place);
        }
        if self.beats == 0
            && let Some(form) = self.near
        {
            (self.found)(Found::Unrecognised(form));
        }
    }

    /// A message of one line or several.
    fn message(&mut self, text: &str, place: Place<'_>) {
        let holds = Holds::of(text);
        if holds.hides() {
            let text = visible(text);
            let holds = Holds::of(&text);
            self.shown(text.trim_start(), holds, place);
        } else {
            self.shown(text.trim_start(), holds, place);
        }
    }

    /// A message without its invisible characters.
    #[inline]
    fn shown(&mut self, text: &str, holds: Holds, place: Place<'_>) {
        if holds.breaks() || text.starts_with(['{', '"']) {
            self.lines(text, place);
        } else {
            self.line(text, holds.braces(), place);
        }
    }

    fn lines(&mut self, text: &str, place: Place<'_>) {
        if place.depth < MAX_DEPTH
            && text.starts_with('"')
            && let Some(text) = json::string(text)
        {
            let depth = place.depth + 1;
            return self.message(&text, Place { depth, ..place });
        }
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            if rest.starts_with('{')
                && let Some((object, behind)) = json::object(rest)
            {
                let own = &rest[..rest.len() - behind.len()];
                let (tail, next) = match behind.trim_start_matches([' ', '\t']) {
                    next if next.starts_with('{') => ("", next),
                    _ => first_line(behind),
                };
                self.object(object, own, tail, place);
                rest = next.trim_start();
                continue;
            }
            let (line, next) = first_line(rest);
            if line.starts_with("{\"") || line.starts_with("{'") {
                self.unreadable(line);
            } else {
                self.line(line, true, place);
            }
            rest = next.trim_start();
        }
    }

    /// A line of text, in which an object may begin.
    fn line(&mut self, text: &str, braces: bool, place: Place<'_>) {
        let markers = self.markers;
        // Most beats begin with their marker.
        if let Some(id) = markers
            .iter()
            .position(|marker| position::begins(text, marker))
        {
            return self.beat(id, text, 0, place);
        }
        if braces && self.object_behind_prefix(text, place) {
            return;
        }
        for (id, marker) in markers.iter().enumerate() {
            if let Some(start) = position::find(text, marker, &self.own, Case::Exact) {
                return self.beat(id, text, start, place);
            }
        }
        self.no_beat(text, place);
    }

    /// `web.1 | {"msg":"HEARTBEAT"}`: true if the line's marker stands in such an object, whether it counts or not.
    fn object_behind_prefix(&mut self, text: &str, place: Place<'_>) -> bool {
        let Some(open) = memchr::memchr(b'{', text.as_bytes()) else {
            return false;
        };
        let Some((object, behind)) = json::object(&text[open..]) else {
            return false;
        };
        let own = &text[open..text.len() - behind.len()];
        if !self.markers.in_bytes(own.as_bytes()) {
            return false;
        }
        if prefix::is_prefix(&text[..open]) {
            self.object(object, own, behind, place);
        } else {
            self.near.get_or_insert(Unrecognised::Sentence);
        }
        true
    }

    /// A logger's object, and the text behind it.
    fn object(&mut self, mut object: Object, own: &str, behind: &str, place: Place<'_>) {
        if place.depth >= MAX_DEPTH {
            return;
        }
        object.keys.extend(keys::pairs(behind));
        let before = self.beats;
        for text in &object.texts {
            self.message(
                text,
                Place {
                    depth: place.depth + 1,
                    in_json: true,
                    beside: &object.keys,
                },
            );
            // The same message may stand under two names.
            if self.beats > before {
                return;
            }
        }
        let quoted = |marker: &marker::Marker| own.contains(&format!("\"{}\"", marker.text()));
        if self.near.is_none() && self.markers.iter().any(quoted) {
            self.near = Some(Unrecognised::JsonField);
        }
    }

    /// A line that begins like an object but is not one.
    #[cold]
    fn unreadable(&mut self, line: &str) {
        let holds = |marker: &marker::Marker| marker.next(line, 0, Case::Exact).is_some();
        if self.markers.iter().any(holds) {
            self.near.get_or_insert(Unrecognised::BrokenJson);
        }
    }

    fn beat(&mut self, id: usize, text: &str, start: usize, place: Place<'_>) {
        self.beats += 1;
        if self.beats > MAX_BEATS {
            if self.beats == MAX_BEATS + 1 {
                (self.found)(Found::Unrecognised(Unrecognised::TooMany));
            }
            return;
        }
        let text_from_marker = text[start..].trim_end();
        let mut keys = Keys::default();
        let found = &mut *self.found;
        let mut reject = |why| found(Found::Rejected(why));
        if start > 0 && text[..start].trim_end_matches(['"', '\'']).ends_with('=') {
            // `every=30s event=HEARTBEAT`: the order of the pairs means nothing.
            for (key, value) in keys::pairs(&text[..start]) {
                keys.set(key, Cow::Owned(value), &mut reject);
            }
        }
        let length = self.markers.length(id);
        keys.read(&text_from_marker[length..], &self.own, &mut reject);
        for (key, value) in place.beside {
            keys.set(*key, Cow::Borrowed(value), &mut reject);
        }
        let line = self.line;
        (self.found)(Found::Beat(BeatLine {
            marker: MarkerId(id as u16),
            text: text_from_marker,
            name: &keys.name,
            every: keys.every,
            seq: keys.seq,
            bye: keys.bye,
            host: &line.host,
            entry_time: line.entry_time,
        }));
    }

    /// A line in which no marker counts as text.
    #[cold]
    fn no_beat(&mut self, text: &str, place: Place<'_>) {
        let markers = self.markers;
        if place.in_json {
            let whole = |marker: &marker::Marker| position::is_whole(text, marker);
            if let Some(id) = markers.iter().position(whole) {
                return self.beat(id, text, 0, place);
            }
        }
        if self.near.is_some() {
            return;
        }
        self.near = markers.iter().find_map(|marker| {
            if let Some(miss) = position::miss(text, marker) {
                return Some(match miss {
                    Miss::Sentence => Unrecognised::Sentence,
                    Miss::Value => Unrecognised::Value,
                });
            }
            position::find(text, marker, &self.own, Case::Any).map(|_| Unrecognised::OtherCase)
        });
    }
}

/// The first line of a text, and the rest behind its end.
fn first_line(text: &str) -> (&str, &str) {
    match memchr::memchr2(b'\n', b'\r', text.as_bytes()) {
        Some(end) => (&text[..end], &text[end + 1..]),
        None => (text, ""),
    }
}
