//! `lastbeat status`: the state of the running lastbeat, for a person at a terminal.

mod instance;
pub(super) mod stored;
mod view;

use super::client::{AskFault, Client, ClientArgs};
use super::environment::colours;
use super::exit::{Stop, verdict};
use hyper::Method;
use serde_json::{Value, json};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use view::Style;

/// Columns where the terminal does not say how many it has.
const COLUMNS: usize = 100;

/// Show the status of a running lastbeat, open incidents, and every app by region
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Colours are shown on a terminal only, and not where NO_COLOR is set.

Exit codes: 0 nothing is silent or open; 1 something is, lastbeat is not ready, or it cannot be reached; 64 invalid \
address or token.

  lastbeat status
  lastbeat status --url lastbeat.internal:9090 --token-file /run/token
  lastbeat status web/iad/148e21ea7d3789
  lastbeat status --state /data/lastbeat.db
  lastbeat status --json | jq '.incidents[].what'")]
pub struct StatusArgs {
    /// One instance, as APP/REGION/INSTANCE: its heartbeats, and its last entries
    #[arg(value_name = "INSTANCE", conflicts_with = "state")]
    instance: Option<String>,
    #[command(flatten)]
    client: ClientArgs,
    /// Show the contents of this state file instead; it may be in use
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    state: Option<PathBuf>,
    /// Print one JSON object: `status` and `incidents` as in the API
    #[arg(long)]
    json: bool,
}

/// Asks and shows: 0 where all is well, 1 where not, 64 where address or token are invalid.
pub fn run(args: &StatusArgs) -> ExitCode {
    if let Some(instance) = &args.instance {
        return instance::run(instance, &args.client, args.json);
    }
    let (status, incidents) = match ask(args) {
        Ok(known) => known,
        Err(fault) => return Stop::from(fault).print(),
    };
    let shown = if args.json {
        let whole = json!({"status": status, "incidents": incidents["incidents"]});
        format!("{whole}\n")
    } else {
        view::whole(&status, &incidents, &style())
    };
    // A reader that has gone, as `head` does, has seen enough.
    let _ = std::io::stdout().write_all(shown.as_bytes());
    verdict(view::is_well(&status))
}

fn ask(args: &StatusArgs) -> Result<(Value, Value), AskFault> {
    if let Some(file) = &args.state {
        return stored::read(file).map_err(AskFault::Failed);
    }
    let client = Client::new(&args.client)?;
    let status = client.ask(Method::GET, "status", None)?;
    let incidents = client.ask(Method::GET, "incidents?state=open", None)?;
    Ok((status, incidents))
}

fn style() -> Style {
    let terminal = std::io::stdout().is_terminal();
    let width = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    Style {
        colour: colours(terminal),
        width: terminal.then(|| width.unwrap_or(COLUMNS)),
    }
}
