//! `lastbeat refill`: ships a range of the archive to a sink again.

mod progress;

use super::archive_files;
use super::exit::Stop;
use super::moment;
use super::rules;
use super::runtime::runtime;
use super::tail::line;
use crate::app::refill;
use crate::app::refill::cursor::{self, Cursor, Range};
use crate::core::sink_rule::SinkRule;
use crate::format;
use crate::io::archive::segment::Segment;
use crate::io::sink::Sink;
use progress::{Progress, entries};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

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
        let segments = std::mem::take(&mut self.segments);
        let sink = Arc::new(self.sink);
        let done = refill::refill(segments, sink, &mut self.cursor, &mut self.progress);
        let done = runtime.block_on(done);
        self.progress.clear();
        match done {
            Ok(damaged) => end(&self.cursor, &mut self.progress, damaged),
            Err(fault) => Err(unfinished(&self.cursor, &format::error_chain(&fault))),
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
}

/// The reason of an end before the end, and the command that goes on.
fn unfinished(cursor: &Cursor, why: &str) -> Stop {
    let (range, counts) = (cursor.range(), cursor.counts());
    Stop::failed(format!(
        "{why}\n{} shipped so far; to go on: {}",
        entries(counts.shipped),
        range.command()
    ))
}

fn end(cursor: &Cursor, progress: &mut Progress, damaged: u64) -> Result<ExitCode, Stop> {
    let counts = cursor.counts();
    if damaged > 0 {
        progress.note(&format!(
            "{damaged} damaged parts of the archive were left out"
        ));
    }
    if counts.lost > 0 {
        let lost = entries(counts.lost);
        progress.note(&format!("the archive itself lacks {lost} of that time"));
    }
    let sink = &cursor.range().sink;
    let summary = progress.summary();
    println!("{} shipped to {sink}{summary}", entries(counts.shipped));
    let is_all = counts.rejected == 0;
    if !is_all {
        let file = cursor.rejected_file();
        println!(
            "{} rejected, kept in {}",
            entries(counts.rejected),
            file.display()
        );
    }
    cursor.remove();
    Ok(super::exit::verdict(is_all))
}
