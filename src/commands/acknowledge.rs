//! `lastbeat acknowledge`: says over the API that somebody works on an open incident.

use super::client::{AskFault, Client, ClientArgs};
use super::environment::set;
use super::exit::Stop;
use crate::format;
use hyper::Method;
use serde_json::json;
use std::process::ExitCode;

/// Acknowledge an open incident: somebody works on it
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Meanwhile no reminders are sent, until the severity rises; updates and the closing notification are sent as ever. \
`lastbeat status` shows the ids of open incidents.

Exit codes: 0 done; 1 not done; 64 invalid address, token or id.

  lastbeat acknowledge 18c0a7f3e201 --note 'the disk is full, I clear it'")]
pub struct AcknowledgeArgs {
    /// The incident's id, as `lastbeat status` shows it
    id: String,
    /// Note on the cause or the remedy, for people
    #[arg(long)]
    note: String,
    /// Author, for people [env: USER]
    #[arg(long)]
    author: Option<String>,
    #[command(flatten)]
    client: ClientArgs,
}

/// Asks the running lastbeat: 0 where done, 1 where not, 64 where address, token or id are invalid.
pub fn run(args: &AcknowledgeArgs) -> ExitCode {
    match act(args) {
        Ok(said) => {
            print!("{said}");
            ExitCode::SUCCESS
        }
        Err(fault) => Stop::from(fault).print(),
    }
}

fn act(args: &AcknowledgeArgs) -> Result<String, AskFault> {
    let client = Client::new(&args.client)?;
    let id = &args.id;
    if id.is_empty() || !id.chars().all(|char| char.is_ascii_hexdigit()) {
        let why = format!("invalid id {id:?}: `lastbeat status` shows them");
        return Err(AskFault::Invalid(why));
    }
    let author = args.author.clone().or_else(|| set("USER"));
    let body = json!({"note": args.note, "author": author.as_deref().unwrap_or("unknown")});
    let path = format!("incidents/{id}/acknowledge");
    let answer = client.ask(Method::POST, &path, Some(&body))?;
    let title = answer["title"].as_str().unwrap_or_default();
    let title = format::sanitize(title, format::SUMMARY_CHARS);
    Ok(format!("acknowledged: {title}\n"))
}
