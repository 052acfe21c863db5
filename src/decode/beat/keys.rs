//! Keys of a heartbeat line: `every=30s name=worker seq=1042 bye`.

use super::json;
use super::key::Key;
use crate::core::entry::Reject;
use crate::decode::rules_file;
use std::borrow::Cow;
use std::time::Duration;

/// Longest `name=` of a beat, in bytes.
const MAX_NAME: usize = 64;
/// Words read behind the marker: a line that happens to hold the marker may go on for kilobytes.
const MAX_WORDS: usize = 32;

/// The keys of one beat. A key that is given twice has its last value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Keys<'a> {
    /// The interval that the beat declares.
    pub(super) every: Option<Duration>,
    /// Counts up by one.
    pub(super) seq: Option<u64>,
    /// Its name; empty for the plain beat.
    pub(super) name: Cow<'a, str>,
    /// Stops on purpose.
    pub(super) bye: bool,
}

impl<'a> Keys<'a> {
    /// Reads the text behind a marker. `bye` counts only where nothing but keys and the instance's own names stand
    /// before it. A broken key is rejected, and costs only itself.
    #[inline]
    pub(super) fn read(&mut self, text: &'a str, own: &Own<'_>, reject: &mut dyn FnMut(Reject)) {
        let mut rest = text;
        let mut prose = false;
        for _ in 0..MAX_WORDS {
            rest = rest.trim_start();
            if rest.is_empty() {
                return;
            }
            if rest.starts_with('{')
                && let Some((fields, behind)) = json::fields(rest)
            {
                for (key, value) in fields {
                    self.set(key, Cow::Owned(value), reject);
                }
                rest = behind;
                continue;
            }
            let (word, behind) = first_word(rest);
            rest = behind;
            if let Some((key, value)) = word.split_once('=') {
                let key = match Key::of_text(key) {
                    None => Key::of_text(key.trim_start_matches(is_mark)),
                    key => key,
                };
                if let Some(key) = key {
                    self.set(key, Cow::Borrowed(trimmed(value)), reject);
                }
            } else if !prose {
                let plain = word.trim_matches(is_mark);
                self.bye |= plain == "bye";
                prose = !(plain.is_empty() || plain == "bye" || own.has(plain) || own.has(word));
            }
        }
    }

    /// Sets one key; the value is text, whatever it was in JSON.
    pub(super) fn set(&mut self, key: Key, value: Cow<'a, str>, reject: &mut dyn FnMut(Reject)) {
        match key {
            Key::Every => match rules_file::duration(&value) {
                Ok(every) if every >= Duration::from_millis(1) => self.every = Some(every),
                _ => reject(Reject::BeatEvery),
            },
            Key::Seq => match value.parse() {
                Ok(seq) => self.seq = Some(seq),
                Err(_) => reject(Reject::BeatSeq),
            },
            Key::Name if value.is_empty() || value.len() > MAX_NAME => reject(Reject::BeatName),
            Key::Name => self.name = value,
            Key::Bye => {
                let yes = ["true", "1", "yes"];
                self.bye |= yes.iter().any(|yes| yes.eq_ignore_ascii_case(&value));
            }
        }
    }
}

/// The keys in a line of `key=value` words, each with its value; also a `bye` before which only such words stand.
pub(super) fn pairs(text: &str) -> Vec<(Key, String)> {
    let mut pairs = Vec::new();
    let mut prose = false;
    let mut rest = text.trim_start();
    while !rest.is_empty() && pairs.len() < MAX_WORDS {
        let (first, behind) = first_word(rest);
        match first.split_once('=') {
            Some((key, value)) => {
                pairs.extend(Key::of_text(key).map(|key| (key, trimmed(value).to_owned())));
            }
            None if prose => {}
            None => match first.trim_matches(is_mark) {
                "bye" => pairs.push((Key::Bye, "true".to_owned())),
                plain => prose = !plain.is_empty(),
            },
        }
        rest = behind.trim_start();
    }
    pairs
}

/// The instance's own names, which may stand beside a marker: `HEARTBEAT 3287e2f4c04d18 iad`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Own<'s> {
    /// The subject of the entry.
    pub(super) subject: &'s str,
    /// The physical host; empty where there is none.
    pub(super) host: &'s str,
}

impl Own<'_> {
    /// True if a word is the instance's app, region, id or host.
    pub(super) fn has(&self, word: &str) -> bool {
        !word.is_empty()
            && (self.host == word || self.subject.split('.').skip(1).any(|own| own == word))
    }
}

/// True if a text goes on with a key: `every=30s`, `{"every":"30s"}`, or a `bye` behind which only keys stand.
pub(super) fn begins_with_key(text: &str) -> bool {
    if text.starts_with('{') {
        return json::fields(text).is_some_and(|(fields, _)| !fields.is_empty());
    }
    let (first, rest) = first_word(text);
    let first = first.trim_start_matches(['"', '\'', '(', '[', '{']);
    match first.split_once('=') {
        Some((key, _)) => Key::of_text(key).is_some(),
        None => first.trim_matches(is_mark) == "bye" && only_keys(rest),
    }
}

/// True if a text holds nothing but keys and punctuation.
pub(super) fn only_keys(text: &str) -> bool {
    let is_key = |word: &str| match word.trim_start_matches(is_mark).split_once('=') {
        Some((key, _)) => Key::of_text(key).is_some(),
        None => matches!(word.trim_matches(is_mark), "" | "bye"),
    };
    text.split_whitespace().all(is_key)
}

fn is_mark(c: char) -> bool {
    c.is_ascii_punctuation()
}

/// The first word of a text, with a quoted value whole, and the rest.
fn first_word(text: &str) -> (&str, &str) {
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    if let Some(equals) = memchr::memchr(b'=', word.as_bytes())
        && let Some(quote @ (b'"' | b'\'')) = word.as_bytes().get(equals + 1).copied()
        && let Some(length) = text[equals + 2..].find(char::from(quote))
    {
        return text.split_at(equals + 2 + length + 1);
    }
    (word, rest)
}

/// A value without the quotes, brackets and full stops around it.
fn trimmed(value: &str) -> &str {
    let is_plain = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    if is_plain(value.as_bytes().first()) && is_plain(value.as_bytes().last()) {
        return value;
    }
    let quotes = ['"', '\'', '\\', ',', ';'];
    let mut value = value.trim_matches(quotes);
    for (open, close) in [('(', ')'), ('[', ']'), ('{', '}')] {
        let closes = |value: &str| value.matches(close).count() > value.matches(open).count();
        if value.ends_with(close) && closes(value) {
            value = value[..value.len() - 1].trim_matches(quotes);
        }
    }
    value.trim_end_matches('.')
}
