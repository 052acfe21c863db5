//! `lastbeat status`: the state of the running lastbeat, for a person at a terminal.

mod answers;
mod app;
mod instance;
mod silenced;
pub(super) mod stored;
mod values;
mod view;

use super::client::{AskFault, Client, ClientArgs};
use super::environment::colours;
use super::exit::{Stop, verdict};
use super::runtime::runtime;
use answers::Answers;
use hyper::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use view::Style;

/// Columns where the terminal does not say how many it has.
const COLUMNS: usize = 100;
/// Interval of `--watch`.
const WATCH_EVERY: Duration = Duration::from_secs(2);
/// Clears the terminal, and goes to its first line.
const CLEAR: &str = "\u{1b}[2J\u{1b}[H";
/// Instances of an app that are shown.
const INSTANCES: usize = 1_000;

/// Show the status of a running lastbeat, open incidents, and every app by region; or one app, or one instance
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Colours are shown on a terminal only, and not where NO_COLOR is set. An incident that a silence concerns is marked.

Exit codes: 0 nothing is silent or open; 1 something is, lastbeat is not ready, or it cannot be reached; 64 invalid \
address or token.

  lastbeat status
  lastbeat status web                      the instances of an app
  lastbeat status web/lhr/148ed123a00089   one instance, and its last entries
  lastbeat status --watch
  lastbeat status --url lastbeat.internal:9090 --token-file /run/token
  lastbeat status --state /data/lastbeat.db
  lastbeat status --json | jq '.incidents[].what'")]
pub struct StatusArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// One app, or one instance with its heartbeats and its last entries
    #[arg(value_name = "APP[/REGION/INSTANCE]")]
    target: Option<String>,
    /// Show it again every 2 seconds, until Ctrl-C
    #[arg(long)]
    watch: bool,
    /// Show the contents of this state file instead; it may be in use
    #[arg(long, value_name = "FILE", conflicts_with_all = ["url", "watch", "target"])]
    state: Option<PathBuf>,
    /// Print one JSON object: `status` and `incidents` as in the API
    #[arg(long, conflicts_with = "watch")]
    json: bool,
}

/// Asks and shows: 0 where all is well, 1 where not, 64 where address or token are invalid.
pub fn run(args: &StatusArgs) -> ExitCode {
    let instance = args.target.as_deref().filter(|name| name.contains('/'));
    match (instance, args.watch) {
        (Some(name), false) => return instance::run(name, &args.client, args.json),
        (Some(_), true) => return Stop::bad_input("--watch shows everything, or one app").print(),
        (None, true) => return watch(args),
        (None, false) => {}
    }
    match shown(args) {
        Ok((text, is_well)) => {
            print(&text);
            verdict(is_well)
        }
        Err(fault) => Stop::from(fault).print(),
    }
}

/// Shows it again and again; what is wrong with one answer is shown in its place.
fn watch(args: &StatusArgs) -> ExitCode {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(stop) => return stop.print(),
    };
    loop {
        let text = match shown(args) {
            Ok((text, _)) => text,
            // Another try changes nothing.
            Err(fault @ AskFault::Invalid(_)) => return Stop::from(fault).print(),
            Err(fault) => format!("{}\n", Stop::from(fault).why()),
        };
        let clear = if std::io::stdout().is_terminal() {
            CLEAR
        } else {
            ""
        };
        if !print(&format!("{clear}{text}")) {
            return ExitCode::SUCCESS;
        }
        runtime.block_on(async { tokio::time::sleep(WATCH_EVERY).await });
    }
}

/// False where the reader has gone, as `head` does: it has seen enough.
fn print(text: &str) -> bool {
    let mut out = std::io::stdout();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .is_ok()
}

/// The page, and whether nothing is silent or open.
fn shown(args: &StatusArgs) -> Result<(String, bool), AskFault> {
    let (answers, client) = ask(args)?;
    let style = style();
    if let (Some(name), Some(client)) = (&args.target, client) {
        return of_app(&client, &answers, name, args.json, &style);
    }
    let text = if args.json {
        let whole = json!({"status": answers.status, "incidents": answers.incidents});
        format!("{whole}\n")
    } else {
        view::whole(&answers, &style)
    };
    Ok((text, view::is_well(&answers.status)))
}

/// One app: its instances as a table, or as the API has them.
fn of_app(
    client: &Client,
    answers: &Answers,
    name: &str,
    json: bool,
    style: &Style,
) -> Result<(String, bool), AskFault> {
    let quoted = utf8_percent_encode(name, NON_ALPHANUMERIC);
    let path = format!("instances?app={quoted}&limit={INSTANCES}");
    let rows = client.ask(Method::GET, &path, None)?;
    let all: Vec<&Value> = values::list(&rows["instances"]).collect();
    if all.is_empty() {
        let why = format!("no instance of an app {name:?} is known");
        return Err(AskFault::Failed(why));
    }
    let is_well = app::is_well(&all);
    let text = match json {
        true => format!("{rows}\n"),
        false => app::app(answers, name, &rows, style),
    };
    Ok((text, is_well))
}

/// The answers, and the client that asked; `None` for a state file.
fn ask(args: &StatusArgs) -> Result<(Answers, Option<Client>), AskFault> {
    if let Some(file) = &args.state {
        let (status, incidents) = stored::read(file).map_err(AskFault::Failed)?;
        let answers = Answers {
            status,
            incidents: incidents["incidents"].clone(),
            silences: Value::Null,
        };
        return Ok((answers, None));
    }
    let client = Client::new(&args.client)?;
    let status = client.ask(Method::GET, "status", None)?;
    let incidents = client.ask(Method::GET, "incidents?state=open", None)?;
    let silences = client.ask(Method::GET, "silences", None)?;
    let answers = Answers {
        status,
        incidents: incidents["incidents"].clone(),
        silences: silences["silences"].clone(),
    };
    Ok((answers, Some(client)))
}

fn style() -> Style {
    let terminal = std::io::stdout().is_terminal();
    let width = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    Style {
        colour: colours(terminal),
        width: terminal.then(|| width.unwrap_or(COLUMNS)),
    }
}
