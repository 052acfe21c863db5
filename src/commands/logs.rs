//! `lastbeat logs`: entries of the archive in the terminal.

use super::archive_files;
use super::client::{Client, ClientArgs};
use super::environment::colours;
use super::exit::Stop;
use super::moment;
use super::runtime::runtime;
use super::scope_args::{ScopeArgs, globs};
use super::tail::line::{self, Style};
use crate::clock::Clock;
use crate::core::time::{Mono, Wall};
use crate::decode::archive_line::ArchivedEntry;
use crate::decode::{log_level, redact};
use crate::format;
use crate::io::archive::search::{Finds, Query, search};
use hyper::Method;
use serde_json::{Value, json};
use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Interval in which files are looked at again.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Interval in which the running lastbeat is asked again.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// A search that is longer shows its progress.
const LONG: Duration = Duration::from_secs(1);
/// Bytes that are printed at once.
const PRINT_BYTES: usize = 64 * 1024;
/// Entries of a page.
const PAGE: usize = 1000;

/// Search the archive of the stream, also without a running lastbeat
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Reads the files of an archive where PATH or LASTBEAT_ARCHIVE names them, and asks the running lastbeat otherwise, or where \
--url is given. A time is a span before now such as 2h, or a time such as 2026-01-31T18:00:00Z.

Exit codes: 0 success, also where nothing is found; 1 the archive cannot be read; 64 invalid arguments.

  lastbeat logs --since 2h --app web --grep timeout
  lastbeat logs --instance 148e21ea7d3789 --level error,warn --follow
  lastbeat logs /backup/archive --since 2026-01-31T18:00:00Z --until 2026-01-31T18:05:00Z --json")]
pub struct LogsArgs {
    /// Folders of an archive, or segments
    #[arg(value_name = "PATH", conflicts_with = "url")]
    paths: Vec<PathBuf>,
    /// Only entries that arrived since then
    #[arg(long, value_name = "TIME", default_value = "1h")]
    since: String,
    /// Only entries that arrived before
    #[arg(long, value_name = "TIME", conflicts_with = "follow")]
    until: Option<String>,
    #[command(flatten)]
    scope: ScopeArgs,
    /// Only entries whose payload contains this text
    #[arg(long, value_name = "TEXT")]
    grep: Option<String>,
    /// Only entries whose payload this regular expression matches
    #[arg(long, value_name = "EXPRESSION")]
    regex: Option<String>,
    /// Levels, separated by commas: error, warn, info, debug and others
    #[arg(long, value_name = "LEVELS")]
    level: Option<String>,
    /// Print one JSON object a line: the payload as `message`, `subject`, and the arrival in milliseconds as `timestamp`
    #[arg(long)]
    json: bool,
    /// Go on with new entries as they are archived
    #[arg(long, short)]
    follow: bool,
    #[command(flatten)]
    client: ClientArgs,
}

/// Shows entries: 1 where they cannot be read, 64 where the arguments are invalid.
pub fn run(args: &LogsArgs) -> ExitCode {
    match show(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => {
            eprintln!("{}", line::harmless(stop.why()));
            stop.code()
        }
    }
}

fn show(args: &LogsArgs) -> Result<(), Stop> {
    let query = query(args)?;
    let style = Style {
        json: args.json,
        dated: true,
        colour: colours(io::stdout().is_terminal()),
    };
    let paths = match args.paths.as_slice() {
        [] if args.client.url.is_some() => None,
        [] => archive_files::folder_of_environment().map(|folder| vec![folder]),
        paths => Some(paths.to_vec()),
    };
    match paths {
        Some(paths) => of_files(args, &paths, &query, style),
        None => of_running(args, &query, &style),
    }
}

fn query(args: &LogsArgs) -> Result<Query, Stop> {
    let time = |text: &String| moment::parse(text).map_err(Stop::bad_input);
    let globs = |text: &Option<String>| globs(text.as_deref());
    let regex = args.regex.as_deref().map(redact::compile).transpose();
    let levels = args
        .level
        .iter()
        .flat_map(|text| text.split(','))
        .map(str::trim);
    Ok(Query {
        since: Some(time(&args.since)?),
        until: args.until.as_ref().map(time).transpose()?,
        app: globs(&args.scope.app),
        region: globs(&args.scope.region),
        instance: globs(&args.scope.instance),
        text: args.grep.clone(),
        regex: regex.map_err(Stop::bad_input)?,
        levels: levels.map(log_level::canonical).collect(),
        marks: false,
    })
}

/// Searches files.
fn of_files(args: &LogsArgs, paths: &[PathBuf], query: &Query, style: Style) -> Result<(), Stop> {
    let mut printer = Printer::new(style);
    let (mut from, mut damaged) = (None, 0);
    loop {
        let segments = archive_files::segments(paths)?;
        let searched = search(&segments, query, from.as_ref(), &mut printer);
        let searched =
            searched.map_err(|fault| Stop::failed(format!("cannot read the archive: {fault}")))?;
        printer.flush()?;
        damaged += searched.damaged;
        if !args.follow || printer.is_over {
            break;
        }
        from = searched.next;
        wait(LOOK_EVERY)?;
    }
    if damaged > 0 {
        eprintln!("-- {damaged} damaged parts of the archive were left out");
    }
    Ok(())
}

/// Asks the running lastbeat, page by page.
fn of_running(args: &LogsArgs, query: &Query, style: &Style) -> Result<(), Stop> {
    let client = Client::new(&args.client).map_err(Stop::from)?;
    let mut cursor: Option<String> = None;
    loop {
        let path = path(args, query, cursor.as_deref());
        let page = client.ask_within(Method::GET, &path, None, Duration::from_secs(20));
        let page = page.map_err(Stop::from)?;
        let mut printed = String::new();
        for entry in page["entries"].as_array().into_iter().flatten() {
            style.write(&frame_of(entry), &mut printed);
        }
        if print(&printed)?.is_break() {
            return Ok(());
        }
        cursor = page["next"].as_str().map(str::to_owned).or(cursor);
        if page["done"] == true {
            if !args.follow {
                return Ok(());
            }
            wait(ASK_EVERY)?;
        }
    }
}

fn path(args: &LogsArgs, query: &Query, cursor: Option<&str>) -> String {
    let mut path = form_urlencoded::Serializer::new(String::from("entries?"));
    path.append_pair("limit", &PAGE.to_string());
    let time = |at: Option<Wall>| at.map(format::rfc3339);
    let asked = [
        ("since", time(query.since)),
        ("until", time(query.until)),
        ("app", args.scope.app.clone()),
        ("region", args.scope.region.clone()),
        ("instance", args.scope.instance.clone()),
        ("q", args.grep.clone()),
        ("regex", args.regex.clone()),
        ("level", args.level.clone()),
        ("cursor", cursor.map(str::to_owned)),
    ];
    for (key, value) in asked {
        if let Some(value) = value {
            path.append_pair(key, &value);
        }
    }
    path.finish()
}

/// The frame of an entry of the API, as `tail` gets it.
fn frame_of(entry: &Value) -> Value {
    let at = entry["at"].as_str().and_then(|at| moment::parse(at).ok());
    json!({
        "message": entry["message"],
        "persistent": false,
        "subject": entry["subject"],
        "timestamp": at.unwrap_or_default().nanos() / 1_000_000,
        "type": "log",
    })
}

fn wait(span: Duration) -> Result<(), Stop> {
    runtime()?.block_on(async { tokio::time::sleep(span).await });
    Ok(())
}

/// Prints; the end of the loop where the reader has gone.
fn print(text: &str) -> Result<ControlFlow<()>, Stop> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(ControlFlow::Continue(())),
        Err(fault) if fault.kind() == io::ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
        Err(fault) => Err(Stop::failed(format!("cannot print entries: {fault}"))),
    }
}

/// Prints what a search finds.
struct Printer {
    style: Style,
    waiting: String,
    /// The reader has gone, or the output failed.
    is_over: bool,
    failed: Option<Stop>,
    clock: Clock,
    began: Mono,
    /// Progress is shown on a terminal.
    progress: bool,
    shown: Option<u32>,
}

impl Printer {
    fn new(style: Style) -> Self {
        let clock = Clock::start();
        Printer {
            style,
            waiting: String::new(),
            is_over: false,
            failed: None,
            began: clock.mono(),
            clock,
            progress: io::stderr().is_terminal(),
            shown: None,
        }
    }

    fn print(&mut self) -> ControlFlow<()> {
        if self.shown.take().is_some() {
            eprint!("\r\x1b[K");
        }
        let printed = print(&std::mem::take(&mut self.waiting));
        match printed {
            Ok(ControlFlow::Continue(())) => ControlFlow::Continue(()),
            Ok(ControlFlow::Break(())) => {
                self.is_over = true;
                ControlFlow::Break(())
            }
            Err(stop) => {
                self.is_over = true;
                self.failed = Some(stop);
                ControlFlow::Break(())
            }
        }
    }

    fn flush(&mut self) -> Result<(), Stop> {
        if !self.is_over {
            let _ = self.print();
        }
        self.failed.take().map_or(Ok(()), Err)
    }
}

impl Finds for Printer {
    fn entry(&mut self, entry: &ArchivedEntry<'_>) -> ControlFlow<()> {
        let frame = json!({
            "message": String::from_utf8_lossy(&entry.payload),
            "persistent": false,
            "subject": entry.subject,
            "timestamp": entry.at.nanos() / 1_000_000,
            "type": "log",
        });
        self.style.write(&frame, &mut self.waiting);
        if self.waiting.len() >= PRINT_BYTES {
            return self.print();
        }
        ControlFlow::Continue(())
    }

    fn go_on(&mut self, share: f64) -> ControlFlow<()> {
        let percent = (share * 100.0) as u32;
        if self.progress
            && self.clock.mono().since(self.began) >= LONG
            && self.shown != Some(percent)
        {
            if !self.waiting.is_empty() && self.print().is_break() {
                return ControlFlow::Break(());
            }
            self.shown = Some(percent);
            eprint!("\r\x1b[Ksearching: {percent}%");
        }
        ControlFlow::Continue(())
    }
}
