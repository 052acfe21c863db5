//! `lastbeat refill`: ships a range of the archive to a sink again.

mod cursor;
mod progress;

use super::archive_files;
use super::exit::Stop;
use super::moment;
use super::rules;
use super::runtime::runtime;
use super::scope_args::globs;
use super::tail::line;
use crate::app::shipping::{Found, ship_all};
use crate::core::sink_rule::SinkRule;
use crate::format;
use crate::io::archive::search::{Query, search};
use crate::io::archive::segment::Segment;
use crate::io::sink::Sink;
use cursor::{Cursor, Range};
use progress::{Progress, entries};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// A sink that takes nothing for so long is not waited for: the command can be given again.
const GIVE_UP: Duration = Duration::from_secs(600);

/// Ship a range of the archive to a sink again
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
The sink is a [sink.NAME] of the rules. Entries are shipped in the order of their arrivals, each at least once, in batches of \
1 MiB. A batch that is not taken is tried again; one that the sink refuses goes to a file of rejected entries. Wrong \
credentials end it. Given again, it goes on behind the last batch that was taken, which a cursor file beside the archive says.

Exit codes: 0 everything was taken; 1 something was rejected, or it is not done; 64 invalid arguments or rules.

  lastbeat refill --from 2026-01-31T18:00:00Z --until 2026-01-31T20:00:00Z --sink loki
  lastbeat refill --from 3h --until 1h --sink loki --app 'web-*'")]
pub struct RefillArgs {
    /// Folders of an archive, or segments; LASTBEAT_ARCHIVE where there are none
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Entries that arrived since then: a time, or a span before now
    #[arg(long, value_name = "TIME")]
    from: String,
    /// Entries that arrived before
    #[arg(long, value_name = "TIME")]
    until: String,
    /// The sink's NAME in the rules
    #[arg(long, value_name = "NAME")]
    sink: String,
    /// Apps: a glob, or several with commas between
    #[arg(long, value_name = "GLOB")]
    app: Option<String>,
    /// Rule file, or a folder of them
    #[arg(long, value_name = "PATH")]
    rules: Option<PathBuf>,
    /// File that says how far it came
    #[arg(long, value_name = "FILE")]
    cursor: Option<PathBuf>,
}

/// Refills: 1 where not everything was taken, 64 where arguments or rules are invalid.
pub fn run(args: &RefillArgs) -> ExitCode {
    match refill(args) {
        Ok(code) => code,
        Err(stop) => {
            for why in stop.why().lines() {
                eprintln!("{}", line::harmless(why));
            }
            stop.code()
        }
    }
}

fn refill(args: &RefillArgs) -> Result<ExitCode, Stop> {
    let range = range(args)?;
    let rule = sink_rule(args)?;
    let paths = match args.paths.as_slice() {
        [] => archive_files::folder_of_environment().map(|folder| vec![folder]),
        paths => Some(paths.to_vec()),
    };
    let paths = paths.ok_or_else(|| {
        Stop::bad_input(
            "no archive: give its folder, or set LASTBEAT_ARCHIVE to one on this machine",
        )
    })?;
    let segments = archive_files::segments(&paths)?;
    let file = args.cursor.clone().unwrap_or_else(|| range.file(&paths[0]));
    let cursor = Cursor::open(file, range).map_err(Stop::bad_input)?;
    let label = cursor::shown(cursor.range().from);
    let sink = Sink::new(&rule, Some(label)).map_err(Stop::bad_input)?;
    let progress = Progress::new(&rule.name, &cursor);
    Refill {
        segments,
        sink,
        cursor,
        progress,
    }
    .run()
}

fn range(args: &RefillArgs) -> Result<Range, Stop> {
    let time = |name: &str, text: &String| {
        moment::parse(text).map_err(|why| Stop::bad_input(format!("--{name}: {why}")))
    };
    let (from, until) = (time("from", &args.from)?, time("until", &args.until)?);
    if from >= until {
        return Err(Stop::bad_input("--from is not before --until"));
    }
    Ok(Range {
        sink: args.sink.clone(),
        from,
        until,
        app: args.app.clone().unwrap_or_default(),
    })
}

fn sink_rule(args: &RefillArgs) -> Result<SinkRule, Stop> {
    let path = rules::path(args.rules.as_deref());
    let (set, _) = rules::usable(&path).map_err(Stop::bad_input)?;
    let known: Vec<String> = set.sinks.iter().map(|sink| sink.name.clone()).collect();
    let found = set.sinks.into_iter().find(|sink| sink.name == args.sink);
    found.ok_or_else(|| {
        let known = match known.as_slice() {
            [] => "the rules have no [sink.NAME]".to_owned(),
            known => format!("known are {}", known.join(", ")),
        };
        Stop::bad_input(format!("no sink is named {:?}; {known}", args.sink))
    })
}

/// A refill under way.
struct Refill {
    segments: Vec<Segment>,
    sink: Sink,
    cursor: Cursor,
    progress: Progress,
}

impl Refill {
    fn run(mut self) -> Result<ExitCode, Stop> {
        let runtime = runtime()?;
        self.says_where_the_archive_begins();
        let query = self.query();
        let mut damaged = 0;
        loop {
            let mut found = Found::default();
            let from = self.cursor.place();
            let searched = search(&self.segments, &query, from.as_ref(), &mut found);
            let searched = searched
                .map_err(|fault| self.unfinished(&format!("cannot read the archive: {fault}")))?;
            damaged += searched.damaged;
            let last = found.batch.last_arrival();
            let mut shipped = Default::default();
            if !found.batch.is_empty() {
                let mut hears = progress::Hearer {
                    progress: &mut self.progress,
                    cursor: &self.cursor,
                };
                let all = ship_all(found.batch, &self.sink, &mut hears, GIVE_UP);
                let done = runtime.block_on(all);
                shipped = done.map_err(|fault| self.unfinished(&format::error_chain(&fault)))?;
            }
            let moved = self
                .cursor
                .move_to(searched.next, shipped, found.lost + found.dropped);
            moved.map_err(|fault| {
                let file = self.cursor.file().display();
                self.unfinished(&format!("cannot write {file}: {fault}"))
            })?;
            self.progress.moved(&self.cursor, last);
            if searched.is_done {
                return self.end(damaged);
            }
        }
    }

    fn query(&self) -> Query {
        let range = self.cursor.range();
        Query {
            since: Some(range.from),
            until: Some(range.until),
            app: globs(Some(&range.app)),
            // They say what the archive itself lacks.
            marks: true,
            ..Query::default()
        }
    }

    fn says_where_the_archive_begins(&mut self) {
        let from = self.cursor.range().from;
        match self.segments.first().map(Segment::begin) {
            Some(begin) if begin > from => {
                let begin = cursor::shown(begin);
                self.progress.note(&format!(
                    "the archive begins at {begin}: nothing before is refilled"
                ));
            }
            Some(_) => {}
            None => self.progress.note("the archive is empty"),
        }
    }

    /// The reason of an end before the end, and the command that goes on.
    fn unfinished(&mut self, why: &str) -> Stop {
        self.progress.clear();
        let (range, counts) = (self.cursor.range(), self.cursor.counts());
        Stop::failed(format!(
            "{why}\n{} shipped so far; to go on: {}",
            entries(counts.shipped),
            range.command()
        ))
    }

    fn end(mut self, damaged: u64) -> Result<ExitCode, Stop> {
        self.progress.clear();
        let counts = self.cursor.counts();
        if damaged > 0 {
            self.progress.note(&format!(
                "{damaged} damaged parts of the archive were left out"
            ));
        }
        if counts.lost > 0 {
            let lost = entries(counts.lost);
            self.progress
                .note(&format!("the archive itself lacks {lost} of that time"));
        }
        let sink = &self.cursor.range().sink;
        let summary = self.progress.summary();
        println!("{} shipped to {sink}{summary}", entries(counts.shipped));
        let is_all = counts.rejected == 0;
        if !is_all {
            let file = self.cursor.rejected_file();
            println!(
                "{} rejected, kept in {}",
                entries(counts.rejected),
                file.display()
            );
        }
        self.cursor.remove();
        Ok(super::exit::verdict(is_all))
    }
}
