//! Search: the entries of an archive that match, in the order in which they arrived.

use super::reader::{BlockFacts, SegmentReader};
use super::segment::{Form, Segment, Stem};
use crate::core::rule::Globs;
use crate::core::time::Wall;
use crate::decode::archive_line::{self, ArchiveLine, ArchivedEntry, Mark};
use memchr::{memchr, memmem, memrchr};
use regex::bytes::Regex;
use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::io;
use std::ops::ControlFlow;

/// Subjects whose match is remembered at most.
const REMEMBERED: usize = 100_000;

/// Selects entries; an empty field matches all.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Wall clock: the earliest arrival.
    pub since: Option<Wall>,
    /// Wall clock: arrivals before.
    pub until: Option<Wall>,
    /// Apps.
    pub app: Globs,
    /// Regions.
    pub region: Globs,
    /// Instances.
    pub instance: Globs,
    /// A part of the payload.
    pub text: Option<String>,
    /// An expression that matches a part of the payload.
    pub regex: Option<Regex>,
    /// Levels, in lower case.
    pub levels: Vec<String>,
    /// Lines of lastbeat itself are wanted too.
    pub marks: bool,
}

/// A place in an archive: a search that begins there does not find what lies before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The segment.
    pub stem: Stem,
    /// Plain bytes from its beginning.
    pub offset: u64,
}

/// The text of a place, and back.
impl Place {
    /// The text: `2026-01-31T12-00-00Z.1234`.
    pub fn text(&self) -> String {
        format!("{}.{}", self.stem.as_str(), self.offset)
    }

    /// Reads a text; `None` where it is no place.
    pub fn parse(text: &str) -> Option<Self> {
        let (stem, offset) = text.split_once('.')?;
        Some(Place {
            stem: Stem::parse(stem)?,
            offset: offset.parse().ok()?,
        })
    }
}

/// The end of a search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Searched {
    /// The place at which it goes on; `None`: nothing was there.
    pub next: Option<Place>,
    /// True where it came to the end of the archive, or of the time asked for.
    pub is_done: bool,
    /// Damaged frames that were left out.
    pub damaged: u64,
    /// Plain bytes that were read.
    pub read: u64,
}

/// Receives what a search finds.
pub trait Finds {
    /// An entry that matches.
    fn entry(&mut self, entry: &ArchivedEntry<'_>) -> ControlFlow<()>;
    /// A line of lastbeat itself.
    fn mark(&mut self, _at: Wall, _mark: &Mark<'_>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
    /// Asked before each block, with the share of the segments that is done, from 0 to 1.
    fn go_on(&mut self, _share: f64) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// Searches segments, from a place on.
///
/// # Errors
/// A segment cannot be read.
pub fn search(
    segments: &[Segment],
    query: &Query,
    from: Option<&Place>,
    finds: &mut dyn Finds,
) -> io::Result<Searched> {
    let mut matcher = Matcher::new(query);
    let mut searched = Searched {
        next: from.cloned(),
        ..Searched::default()
    };
    let mut block = Vec::new();
    let total = segments.len().max(1) as f64;
    for (number, segment) in segments.iter().enumerate() {
        let begin = match from {
            Some(from) if segment.stem < from.stem => continue,
            Some(from) if segment.stem == from.stem => from.offset,
            _ => 0,
        };
        let Some(mut reader) = open(segment)? else {
            continue;
        };
        let plain = reader.plain_bytes().max(1) as f64;
        reader.seek(begin);
        let mut next = begin;
        loop {
            let share = (number as f64 + (next as f64 / plain).min(1.0)) / total;
            if finds.go_on(share).is_break() {
                searched.next = Some(Place {
                    stem: segment.stem.clone(),
                    offset: next,
                });
                searched.damaged += reader.damaged();
                return Ok(searched);
            }
            let Some(at) = reader.next_block(&mut block, |facts| matcher.wants(facts))? else {
                break;
            };
            // A cursor may lie within a frame.
            let skip = usize::try_from(begin.saturating_sub(at)).unwrap_or(usize::MAX);
            let lines = block.get(skip..).unwrap_or_default();
            searched.read += lines.len() as u64;
            let stopped = matcher.block(lines, finds);
            let done = stopped.unwrap_or(lines.len());
            next = at + (skip.min(block.len()) + done) as u64;
            if stopped.is_some() {
                searched.next = Some(Place {
                    stem: segment.stem.clone(),
                    offset: next,
                });
                searched.damaged += reader.damaged();
                return Ok(searched);
            }
        }
        let end = match segment.form {
            Form::Sealed => reader.plain_bytes(),
            // It may have grown meanwhile.
            Form::Plain | Form::Sealing => next,
        };
        searched.damaged += reader.damaged();
        searched.next = Some(Place {
            stem: segment.stem.clone(),
            offset: end.max(next),
        });
    }
    searched.is_done = true;
    Ok(searched)
}

/// Opens a segment; `None` where it was deleted meanwhile. One that was sealed meanwhile is read sealed.
fn open(segment: &Segment) -> io::Result<Option<SegmentReader>> {
    match SegmentReader::open(segment) {
        Ok(reader) => Ok(Some(reader)),
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => Err(fault),
        Err(_) => {
            let folder = segment.path.parent();
            let sealed = folder.and_then(|folder| Segment::of_file(&segment.stem.sealed(folder)));
            match sealed.map(|sealed| SegmentReader::open(&sealed)) {
                Some(Err(fault)) if fault.kind() != io::ErrorKind::NotFound => Err(fault),
                Some(Ok(reader)) => Ok(Some(reader)),
                _ => Ok(None),
            }
        }
    }
}

type Seeded<K, V> = HashMap<K, V, BuildHasherDefault<std::hash::DefaultHasher>>;

/// A query, with what it remembers.
struct Matcher<'q> {
    query: &'q Query,
    finder: Option<memmem::Finder<'q>>,
    /// The text has bytes that an escaped payload writes in another way.
    is_escaped: bool,
    subjects: Seeded<Box<str>, bool>,
    apps: Seeded<Box<str>, bool>,
}

impl<'q> Matcher<'q> {
    fn new(query: &'q Query) -> Self {
        let text = query.text.as_deref().filter(|text| !text.is_empty());
        Matcher {
            query,
            finder: text.map(memmem::Finder::new),
            is_escaped: text.is_some_and(|text| text.contains(['\n', '\\'])),
            subjects: Seeded::default(),
            apps: Seeded::default(),
        }
    }

    /// True where a frame may have a match.
    fn wants(&mut self, facts: &BlockFacts<'_>) -> bool {
        let (from, to) = facts.span();
        let since = self.query.since.map_or(0, |at| at.nanos() / 1_000);
        let until = self.query.until.map_or(u64::MAX, |at| at.nanos() / 1_000);
        if to < since || from > until {
            return false;
        }
        let (apps, globs) = (&mut self.apps, &self.query.app);
        if globs.0.is_empty() {
            return true;
        }
        let marks = self.query.marks;
        facts.has_app(|app| {
            if app.is_empty() {
                return marks;
            }
            if let Some(known) = apps.get(app) {
                return *known;
            }
            let is_one = globs.matches(app);
            if apps.len() < REMEMBERED {
                apps.insert(app.into(), is_one);
            }
            is_one
        })
    }

    /// Searches whole lines; gives the place behind the line at which the receiver had enough.
    fn block(&mut self, lines: &[u8], finds: &mut dyn Finds) -> Option<usize> {
        if self.finder.is_some() && !self.is_escaped && !self.query.marks {
            return self.by_text(lines, finds);
        }
        let mut at = 0;
        while let Some(end) = memchr(b'\n', &lines[at..]) {
            let line = &lines[at..at + end];
            at += end + 1;
            if self.line(line, finds).is_break() {
                return Some(at);
            }
        }
        None
    }

    /// Looks at lines alone that hold the text.
    fn by_text(&mut self, lines: &[u8], finds: &mut dyn Finds) -> Option<usize> {
        let mut at = 0;
        loop {
            let found = at + self.finder.as_ref()?.find(&lines[at..])?;
            let begin = memrchr(b'\n', &lines[..found]).map_or(0, |before| before + 1);
            let end = found + memchr(b'\n', &lines[found..])?;
            at = end + 1;
            if self.line(&lines[begin..end], finds).is_break() {
                return Some(at);
            }
        }
    }

    fn line(&mut self, line: &[u8], finds: &mut dyn Finds) -> ControlFlow<()> {
        if line.first() == Some(&b'#') && !self.query.marks {
            return ControlFlow::Continue(());
        }
        match archive_line::read(line) {
            Some(ArchiveLine::Entry(entry)) if self.matches(&entry) => finds.entry(&entry),
            Some(ArchiveLine::Mark(at, mark)) if self.query.marks && self.is_in_time(at) => {
                finds.mark(at, &mark)
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn is_in_time(&self, at: Wall) -> bool {
        self.query.since.is_none_or(|since| at >= since)
            && self.query.until.is_none_or(|until| at < until)
    }

    fn matches(&mut self, entry: &ArchivedEntry<'_>) -> bool {
        self.is_in_time(entry.at)
            && self.is_subject(entry.subject)
            && self
                .finder
                .as_ref()
                .is_none_or(|finder| finder.find(&entry.payload).is_some())
            && self
                .query
                .regex
                .as_ref()
                .is_none_or(|regex| regex.is_match(&entry.payload))
            && (self.query.levels.is_empty() || self.is_level(&entry.payload))
    }

    fn is_subject(&mut self, subject: &str) -> bool {
        let query = self.query;
        if query.app.0.is_empty() && query.region.0.is_empty() && query.instance.0.is_empty() {
            return true;
        }
        if let Some(known) = self.subjects.get(subject) {
            return *known;
        }
        let mut tokens = subject.splitn(4, '.').skip(1);
        let mut is = |globs: &Globs| {
            let token = tokens.next().unwrap_or_default();
            globs.0.is_empty() || globs.matches(token)
        };
        let is_one = is(&query.app) && is(&query.region) && is(&query.instance);
        if self.subjects.len() < REMEMBERED {
            self.subjects.insert(subject.into(), is_one);
        }
        is_one
    }

    fn is_level(&self, payload: &[u8]) -> bool {
        let level = crate::decode::log_level::level(payload);
        level.is_some_and(|level| self.query.levels.contains(&level))
    }
}
