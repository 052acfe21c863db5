//! A recorded stream: an archive, or JSON lines of other tools.

pub(super) mod marks;

use super::archive_files;
use super::exit::Stop;
use super::moment;
use crate::clock;
use crate::clock::Clock;
use crate::core::time::{Mono, Wall};
use crate::decode::archive_line::{ArchivedEntry, Mark};
use crate::decode::json_entry::{self, JsonEntry};
use crate::io::archive::search::{Finds, Query, search};
use crate::io::archive::segment::Segment;
use clap::Args;
use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The part of an archive that is read where nobody says.
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
/// Blocks in which machines are looked for: each hour has all of them.
const LOOKED_BLOCKS: usize = 64;
/// A replay that is longer shows its progress.
const LONG: Duration = Duration::from_secs(1);

/// The recorded stream that is asked for.
pub(super) struct Recorded {
    /// Segments, folders of them, or files of JSON lines; empty: the archive of the environment.
    pub files: Vec<PathBuf>,
    /// Wall clock: the earliest arrival.
    pub since: Option<Wall>,
    /// Wall clock: arrivals before.
    pub until: Option<Wall>,
    /// The app of entries that name none.
    pub app: String,
}

/// The flags that name a recorded stream.
#[derive(Clone, Debug, Args)]
pub(super) struct RecordedArgs {
    /// Segments, folders of them, or files of JSON lines [default: the folder of LASTBEAT_ARCHIVE]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Only what arrived since then: a span before now or a time [default: 7d of an archive, all of a file]
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only what arrived before
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

impl RecordedArgs {
    /// The stream; `app` is that of entries that name none. An error is a time that cannot be read.
    pub fn recorded(&self, app: &str) -> Result<Recorded, Stop> {
        let time = |text: &Option<String>| {
            let time = text.as_deref().map(moment::parse).transpose();
            time.map_err(Stop::bad_input)
        };
        Ok(Recorded {
            files: self.files.clone(),
            since: time(&self.since)?,
            until: time(&self.until)?,
            app: app.to_owned(),
        })
    }
}

/// One line of it.
pub(super) enum Line<'l> {
    /// An entry.
    Entry(Wall, &'l str, &'l [u8]),
    /// A line of lastbeat itself.
    Mark(Wall, &'l Mark<'l>),
}

impl Line<'_> {
    /// Wall clock: its arrival.
    pub fn at(&self) -> Wall {
        match self {
            Line::Entry(at, ..) | Line::Mark(at, _) => *at,
        }
    }
}

/// A recorded stream that can be read.
pub(super) struct Input {
    content: Content,
    query: Query,
}

enum Content {
    Archive(Vec<Segment>),
    /// In the order of their times.
    Json(Vec<JsonEntry>),
}

impl Input {
    /// Opens it.
    ///
    /// # Errors
    /// It is not there, or cannot be read.
    pub fn open(recorded: &Recorded) -> Result<Self, Stop> {
        let mut query = Query {
            since: recorded.since,
            until: recorded.until,
            marks: true,
            ..Query::default()
        };
        let is_archive = |path: &PathBuf| path.is_dir() || Segment::of_file(path).is_some();
        let content = if recorded.files.is_empty() {
            let Some(folder) = archive_files::folder_of_environment() else {
                return Err(Stop::bad_input(
                    "no archive: name its files, or its folder by LASTBEAT_ARCHIVE",
                ));
            };
            query.since = Some(recorded.since.unwrap_or(clock::wall() - WEEK));
            Content::Archive(archive_files::segments(&[folder])?)
        } else if recorded.files.iter().all(is_archive) {
            Content::Archive(archive_files::segments(&recorded.files)?)
        } else {
            let mut entries = Vec::new();
            for file in &recorded.files {
                entries.extend(json_lines(file, recorded)?);
            }
            entries.sort_by_key(|entry| entry.at);
            Content::Json(entries)
        };
        Ok(Input { content, query })
    }

    /// True where an inventory of machines was polled.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn has_machines(&self) -> Result<bool, Stop> {
        let Content::Archive(segments) = &self.content else {
            return Ok(false);
        };
        let mut look = Look::default();
        search(segments, &self.query, None, &mut look).map_err(unreadable)?;
        Ok(look.found)
    }

    /// Gives each line to `each`; the number of damaged parts that were left out.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn play(&self, each: impl FnMut(Line<'_>)) -> Result<u64, Stop> {
        match &self.content {
            Content::Archive(segments) => {
                let clock = Clock::start();
                let mut play = Play {
                    each,
                    began: clock.mono(),
                    clock,
                    is_terminal: std::io::stderr().is_terminal(),
                    shown: None,
                };
                let searched = search(segments, &self.query, None, &mut play);
                if play.shown.is_some() {
                    eprint!("\r\x1b[K");
                }
                searched
                    .map(|searched| searched.damaged)
                    .map_err(unreadable)
            }
            Content::Json(entries) => {
                let mut each = each;
                for entry in entries {
                    each(Line::Entry(entry.at, &entry.subject, &entry.payload));
                }
                Ok(0)
            }
        }
    }
}

fn unreadable(fault: std::io::Error) -> Stop {
    Stop::failed(format!("cannot read the archive: {fault}"))
}

/// The entries of a file of JSON lines within the time that is asked for; what is none is counted, and said.
fn json_lines(path: &Path, recorded: &Recorded) -> Result<Vec<JsonEntry>, Stop> {
    let shown = path.display();
    let file = File::open(path).map_err(|fault| Stop::bad_input(format!("{shown}: {fault}")))?;
    let (mut entries, mut left_out) = (Vec::new(), 0_u64);
    for line in BufReader::new(file).split(b'\n') {
        let line = line.map_err(|fault| Stop::failed(format!("{shown}: {fault}")))?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let Some(entry) = json_entry::read(&line, &recorded.app) else {
            left_out += 1;
            continue;
        };
        let is_late = recorded.since.is_none_or(|since| entry.at >= since);
        if is_late && recorded.until.is_none_or(|until| entry.at < until) {
            entries.push(entry);
        }
    }
    if left_out > 0 && entries.is_empty() {
        return Err(Stop::bad_input(format!(
            "{shown}: no line of it is an entry: expected JSON with timestamp, and subject or region and instance"
        )));
    }
    if left_out > 0 {
        eprintln!("-- {shown}: {left_out} lines are no entries, and were left out");
    }
    Ok(entries)
}

/// Looks for machines.
#[derive(Default)]
struct Look {
    found: bool,
    blocks: usize,
}

impl Finds for Look {
    fn entry(&mut self, _: &ArchivedEntry<'_>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn mark(&mut self, _: Wall, mark: &Mark<'_>) -> ControlFlow<()> {
        self.found |= matches!(mark, Mark::Machine(..));
        match self.found {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    fn go_on(&mut self, _: f64) -> ControlFlow<()> {
        self.blocks += 1;
        match self.blocks > LOOKED_BLOCKS {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }
}

/// Plays what is found, and shows the progress.
struct Play<F> {
    each: F,
    clock: Clock,
    began: Mono,
    is_terminal: bool,
    shown: Option<u32>,
}

impl<F: FnMut(Line<'_>)> Finds for Play<F> {
    fn entry(&mut self, entry: &ArchivedEntry<'_>) -> ControlFlow<()> {
        (self.each)(Line::Entry(entry.at, entry.subject, &entry.payload));
        ControlFlow::Continue(())
    }

    fn mark(&mut self, at: Wall, mark: &Mark<'_>) -> ControlFlow<()> {
        (self.each)(Line::Mark(at, mark));
        ControlFlow::Continue(())
    }

    fn go_on(&mut self, share: f64) -> ControlFlow<()> {
        let percent = (share * 100.0) as u32;
        let is_long = self.clock.mono().since(self.began) >= LONG;
        if self.is_terminal && is_long && self.shown != Some(percent) {
            self.shown = Some(percent);
            eprint!("\r\x1b[Kreplaying: {percent}%");
        }
        ControlFlow::Continue(())
    }
}
