//! `lastbeat status`: how a lastbeat that runs is, and what it knows, for a person at a terminal.

mod stored;
mod view;

use super::peer::{AskFault, Peer, PeerArgs};
use hyper::Method;
use serde_json::{Value, json};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use view::Look;

/// Columns where the terminal does not say how many it has.
const COLUMNS: usize = 100;

/// Show how a lastbeat that runs is, what is silent, and every app by region.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 all is well; 1 something is silent or open, lastbeat is not ready, or it cannot be reached; 64 bad
settings: address or token are none.
Colours are shown on a terminal only, and not where NO_COLOR is set.

  lastbeat status
  lastbeat status --url http://lastbeat.internal:9090 --token-file /run/token
  lastbeat status --state /data/lastbeat.db
  lastbeat status --json | jq '.incidents[].what'")]
pub struct StatusArgs {
    #[command(flatten)]
    peer: PeerArgs,
    /// Show what this state file holds, without asking anybody; it may be in use
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    state: Option<PathBuf>,
    /// Print one JSON object: `status` and `incidents` as the API gives them
    #[arg(long)]
    json: bool,
}

/// Asks and shows: 0 where all is well, 1 where not, 64 where address or token are none.
pub fn run(args: &StatusArgs) -> ExitCode {
    let (status, incidents) = match ask(args) {
        Ok(known) => known,
        Err(fault) => {
            let code = fault.code();
            eprintln!("{}", fault.words());
            return code;
        }
    };
    let shown = if args.json {
        let whole = json!({"status": status, "incidents": incidents["incidents"]});
        format!("{whole}\n")
    } else {
        view::whole(&status, &incidents, &look())
    };
    // A reader that has gone, as `head` does, has seen enough.
    let _ = std::io::stdout().write_all(shown.as_bytes());
    if view::is_well(&status) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn ask(args: &StatusArgs) -> Result<(Value, Value), AskFault> {
    if let Some(file) = &args.state {
        return stored::read(file).map_err(AskFault::Failed);
    }
    let peer = Peer::new(&args.peer)?;
    let status = peer.ask(Method::GET, "status", None)?;
    let incidents = peer.ask(Method::GET, "incidents?state=open", None)?;
    Ok((status, incidents))
}

fn look() -> Look {
    let terminal = std::io::stdout().is_terminal();
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|set| !set.is_empty());
    let width = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    Look {
        colour: terminal && !no_colour,
        width: terminal.then(|| width.unwrap_or(COLUMNS)),
    }
}
