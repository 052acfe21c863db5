//! Tests of rules: TOML in, typed cases or every fault with its place out.
//!
//! A file names its rules and holds `[[test]]` tables; each has events in `lines` and expectations in `expect`.
//! Moments are counted from the start of the test.

mod case;
mod event;
mod expect;
mod names;
mod nobody;
mod speech;
#[cfg(test)]
mod tests;
mod words;

pub use case::{Case, Expected, Line, Recording, RulesFrom, TestFile};
pub use event::{ClockFault, Event};
pub use expect::{Expect, Kind, Times as ToldTimes, To, Told};
pub use names::{Name, Pattern};
pub use speech::{Speech, Start, When};
pub use words::{Count, Span, Times};

use super::nearest;
use super::rules_file::Fault;
use crate::core::time::Wall;
use std::time::{Duration, UNIX_EPOCH};
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use words::Bad;

/// Wall clock at the start of a test that does not say: a Thursday, 2026-01-01T00:00:00Z.
const START: Wall = Wall::from_nanos(1_767_225_600_000_000_000);
/// Longest test file, in bytes: ten times the largest that was ever seen.
pub const MAX_FILE_BYTES: usize = 32 << 20;
/// Tests of one file, and lines of one test: beyond them it is likelier not a test file.
const MAX_CASES: usize = 10_000;
const MAX_LINES: usize = 100_000;
/// The events that a recorded stream may go with.
const RECORDED_ALLOWED: &str =
    "beats, logs, says, silent, stream, lastbeat, messages dropped, silence, rules become";
/// Faults shown of one file; a file of something else has one in each line.
const MAX_FAULTS: usize = 100;

/// `, nearest is ...` where a known name is near an unknown one; else nothing.
pub fn hint(name: &str, known: &[&str]) -> String {
    nearest::hint(name, known)
}

/// Reads a file of tests.
///
/// # Errors
///
/// Every fault, in the order of their places.
pub fn read(name: &str, bytes: &[u8]) -> Result<TestFile, Vec<Fault>> {
    let mut reader = Reader {
        file: name,
        text: "",
        starts: Vec::new(),
        faults: Vec::new(),
    };
    if bytes.len() > MAX_FILE_BYTES {
        let what = format!("the file is longer than {} MB", MAX_FILE_BYTES >> 20);
        reader.fault(0, None, &what, "split it into several test files");
        return Err(reader.faults);
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(error) => {
            let what = format!("byte {} is not UTF-8", error.valid_up_to());
            reader.fault(0, None, &what, "test files are UTF-8 text");
            return Err(reader.faults);
        }
    };
    reader.text = text;
    let breaks = memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1);
    reader.starts = std::iter::once(0).chain(breaks).collect();
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let at = error.span().map_or(0, |span| span.start.min(text.len()));
        reader.fault(at, None, error.message(), "");
    }
    let file = reader.document(document.get_ref());
    if reader.faults.is_empty() {
        Ok(file)
    } else {
        reader.faults.sort_by_key(|fault| (fault.line, fault.col));
        let left = reader.faults.len().saturating_sub(MAX_FAULTS);
        reader.faults.truncate(MAX_FAULTS);
        if left > 0 {
            let what = format!("{left} more faults are not shown");
            reader.fault(text.len(), None, &what, "mend those above first");
        }
        Err(reader.faults)
    }
}

struct Reader<'t> {
    file: &'t str,
    text: &'t str,
    /// Offsets of the beginnings of all lines.
    starts: Vec<usize>,
    faults: Vec<Fault>,
}

type Item<'d> = Spanned<DeValue<'d>>;

impl Reader<'_> {
    fn document(&mut self, table: &DeTable<'_>) -> TestFile {
        self.deny_unknown(table, &["rules", "other_rules", "test"]);
        let rules = table.get("rules").and_then(|item| self.rules(item));
        let mut file = TestFile::default();
        if let Some(item) = table.get("other_rules") {
            match item.get_ref().as_table() {
                Some(others) => {
                    for (name, item) in others {
                        let rules = self.rules(item);
                        file.other_rules
                            .extend(rules.map(|rules| (name.get_ref().to_string(), rules)));
                    }
                }
                None => self.fault(
                    item.span().start,
                    Some("other_rules"),
                    "no table",
                    "NAME = RULES",
                ),
            }
        }
        let tests = table.get("test").map(Spanned::get_ref);
        let Some(tests) = tests.and_then(DeValue::as_array) else {
            if self.faults.is_empty() {
                self.fault(0, Some("test"), "no test in this file", "write [[test]]");
            }
            return file;
        };
        if tests.len() > MAX_CASES {
            let what = format!("more than {MAX_CASES} tests");
            self.fault(0, Some("test"), &what, "split the file");
        }
        for item in tests.iter().take(MAX_CASES) {
            match item.get_ref().as_table() {
                Some(table) => {
                    let case = self.case(table, item.span().start, rules.as_ref());
                    file.cases.extend(case);
                }
                None => self.fault(
                    item.span().start,
                    Some("test"),
                    "no table",
                    "write [[test]]",
                ),
            }
        }
        self.other_rules_exist(&file);
        file
    }

    /// A switch to rules that are not there.
    fn other_rules_exist(&mut self, file: &TestFile) {
        for case in &file.cases {
            for line in &case.lines {
                let Event::Rules { name, .. } = &line.what else {
                    continue;
                };
                if !file.other_rules.contains_key(name) {
                    let known: Vec<&str> = file.other_rules.keys().map(String::as_str).collect();
                    let what = format!("rules become \"{name}\", which is none of other_rules");
                    let allowed = format!("known are {}", known.join(", "));
                    self.fault(self.start_of(case.line), Some("lines"), &what, &allowed);
                }
            }
        }
    }

    fn case(&mut self, table: &DeTable<'_>, at: usize, rules: Option<&RulesFrom>) -> Option<Case> {
        self.deny_unknown(
            table,
            &[
                "name", "rules", "archive", "start", "until", "lines", "expect",
            ],
        );
        let name = match table.get("name").and_then(|item| item.get_ref().as_str()) {
            Some(name) if !name.trim().is_empty() => name.to_owned(),
            _ => {
                self.fault(at, Some("name"), "missing", "each [[test]] has a name");
                return None;
            }
        };
        let own = table.get("rules").and_then(|item| self.rules(item));
        let rules = own.or_else(|| rules.cloned());
        if rules.is_none() {
            let allowed =
                "rules = \"a path\" or rules = \"\"\"...\"\"\", at the top or in the test";
            self.fault(at, Some("rules"), "missing", allowed);
        }
        let start = table.get("start").and_then(|item| self.moment(item));
        let until = table.get("until").and_then(|item| self.duration(item));
        let recording = table.get("archive").and_then(|item| {
            let Some(path) = item.get_ref().as_str().filter(|path| !path.is_empty()) else {
                let allowed = "a folder or a file of an archive, or a file of JSON lines";
                self.fault(
                    item.span().start,
                    Some("archive"),
                    "this is no text",
                    allowed,
                );
                return None;
            };
            Some(Recording {
                path: path.to_owned(),
                since: start,
                length: until,
            })
        });
        let event = |place, text: &str| {
            let what = event::read(text)?;
            let text = text.to_owned();
            Ok(Line { text, place, what })
        };
        let lines = match recording.is_some() && !table.contains_key("lines") {
            true => Vec::new(),
            false => self.list(table, at, "lines", event),
        };
        let expected = self.list(table, at, "expect", |place, text| {
            let what = expect::read(text)?;
            let text = text.to_owned();
            Ok(Expected { text, place, what })
        });
        let last = lines.iter().map(|line| event::last_moment(&line.what));
        let last = last.chain(expected.iter().map(|one| expect::last_moment(&one.what)));
        let end = until.into_iter().chain(last).max().unwrap_or_default();
        if recording.is_some() {
            for line in lines.iter().filter(|line| line.what.is_of_own_entries()) {
                let at = self.start_of(line.place.0) + line.place.1 - 1;
                let what = "not with archive: its entries and machines are as they were recorded";
                self.fault(at, Some("lines"), what, RECORDED_ALLOWED);
            }
        } else {
            for (place, key, what) in nobody::faults(&lines, &expected) {
                let at = self.start_of(place.0) + place.1 - 1;
                self.fault(at, Some(key), &what, nobody::ALLOWED);
            }
        }
        Some(Case {
            name,
            line: self.place(at).0,
            rules: rules?,
            start: start.unwrap_or(START),
            end,
            recording,
            lines,
            expected,
        })
    }

    fn list<T>(
        &mut self,
        table: &DeTable<'_>,
        at: usize,
        key: &str,
        read: impl Fn((usize, usize), &str) -> Result<T, Bad>,
    ) -> Vec<T> {
        let list = table.get(key).and_then(|item| item.get_ref().as_array());
        let Some(list) = list.filter(|list| !list.is_empty()) else {
            self.fault(at, Some(key), "missing", "a list of texts");
            return Vec::new();
        };
        if list.len() > MAX_LINES {
            let what = format!("more than {MAX_LINES} lines");
            self.fault(at, Some(key), &what, "split the test");
        }
        let mut read_ones = Vec::new();
        for item in list.iter().take(MAX_LINES) {
            let start = item.span().start;
            let Some(text) = item.get_ref().as_str() else {
                self.fault(start, Some(key), "this is no text", "each line is a text");
                continue;
            };
            match read(self.place(start), text) {
                Ok(one) => read_ones.push(one),
                Err(bad) => {
                    let at = self.within(start, text, bad.at);
                    self.fault(at, Some(key), &bad.what, &bad.allowed);
                }
            }
        }
        read_ones
    }

    fn rules(&mut self, item: &Item<'_>) -> Option<RulesFrom> {
        let start = item.span().start;
        let Some(text) = item.get_ref().as_str().filter(|text| !text.is_empty()) else {
            let allowed = "a path, or the rules themselves between \"\"\" and \"\"\"";
            self.fault(start, Some("rules"), "this is no text", allowed);
            return None;
        };
        if !text.contains('\n') {
            return Some(RulesFrom::Path(text.to_owned()));
        }
        // A line break right after the quotes is not part of the text.
        let trimmed = self.text[start..].trim_start_matches(['"', '\'']);
        let breaks = trimmed.starts_with(['\n', '\r']);
        Some(RulesFrom::Text {
            text: text.to_owned(),
            lines_before: self.place(start).0 - 1 + usize::from(breaks),
        })
    }

    fn moment(&mut self, item: &Item<'_>) -> Option<Wall> {
        let text = match item.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Datetime(time) => time.to_string(),
            _ => String::new(),
        };
        let read = humantime::parse_rfc3339_weak(&text).ok();
        let since = read.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        if since.is_none() {
            let allowed = "a time in UTC is like \"2026-03-29T00:00:00Z\"";
            self.fault(item.span().start, Some("start"), "this is no time", allowed);
        }
        since.map(|since| Wall::ZERO + since)
    }

    fn duration(&mut self, item: &Item<'_>) -> Option<Duration> {
        let start = item.span().start;
        match words::duration(0, item.get_ref().as_str().unwrap_or("")) {
            Ok(until) => Some(until),
            Err(bad) => {
                self.fault(start, Some("until"), &bad.what, &bad.allowed);
                None
            }
        }
    }

    fn deny_unknown(&mut self, table: &DeTable<'_>, known: &[&str]) {
        for (key, _) in table {
            if !known.contains(&key.get_ref().as_ref()) {
                let allowed = format!("known are {}", known.join(", "));
                self.fault(
                    key.span().start,
                    Some(key.get_ref()),
                    "unknown key",
                    &allowed,
                );
            }
        }
    }

    /// The offset in the file of an offset in a text that stands in it without escapes.
    fn within(&self, start: usize, text: &str, at: usize) -> usize {
        let quotes =
            self.text[start..].len() - self.text[start..].trim_start_matches(['"', '\'']).len();
        let begin = start + quotes.min(1);
        match self.text[begin..].starts_with(&text[..at]) {
            true => begin + at,
            false => start,
        }
    }

    fn start_of(&self, line: usize) -> usize {
        self.starts
            .get(line - 1)
            .copied()
            .unwrap_or(self.text.len())
    }

    /// Line and column of an offset, each from 1.
    fn place(&self, at: usize) -> (usize, usize) {
        let at = at.min(self.text.len());
        let line = self.starts.partition_point(|start| *start <= at).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or(0);
        (line, self.text[start..at].chars().count() + 1)
    }

    fn fault(&mut self, at: usize, key: Option<&str>, what: &str, allowed: &str) {
        let (line, col) = self.place(at);
        self.faults.push(Fault {
            file: self.file.to_owned(),
            line,
            col,
            rule: None,
            key: key.map(str::to_owned),
            what: what.to_owned(),
            allowed: allowed.to_owned(),
        });
    }
}
