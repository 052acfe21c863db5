//! `lastbeat silence`: silences of a lastbeat that runs, made, listed and ended over its HTTP.

use super::peer::{AskFault, Peer, PeerArgs, set};
use crate::decode::rules_file;
use crate::format;
use hyper::Method;
use serde_json::{Map, Value, json};
use std::process::ExitCode;

/// Make, list and end silences of a lastbeat that runs.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
What is silenced is watched as ever and told to nobody; what still fires at the end of the silence is told then.
A token that the other side asks for is taken from LASTBEAT_TOKEN.

Exit codes: 0 it is done; 1 it is not; 64 bad settings: address, token or id are none.

  lastbeat silence add --app web --for 2h --reason 'moving the database'
  lastbeat silence list
  lastbeat silence expire 19a1c3f2b40")]
pub struct SilenceArgs {
    #[command(subcommand)]
    command: Action,
    #[command(flatten)]
    peer: PeerArgs,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Action {
    /// Silence what matches, from now on
    Add(AddArgs),
    /// Show all silences that hold or are to come
    List,
    /// End a silence made by `add`
    Expire {
        /// Its id, as `list` shows it
        id: String,
    },
}

/// What is left out matches everyone; each may be given more than once.
#[derive(Clone, Debug, clap::Args)]
struct AddArgs {
    /// Apps, as globs
    #[arg(long, value_name = "GLOB")]
    app: Vec<String>,
    /// Regions, as globs
    #[arg(long, value_name = "GLOB")]
    region: Vec<String>,
    /// Instances, as globs
    #[arg(long, value_name = "GLOB")]
    instance: Vec<String>,
    /// Physical hosts, as globs
    #[arg(long, value_name = "GLOB")]
    host: Vec<String>,
    /// Rules, as globs over their names
    #[arg(long, value_name = "GLOB")]
    rule: Vec<String>,
    /// How long, such as 2h
    #[arg(long = "for", value_name = "DURATION", required_unless_present = "until", conflicts_with = "until", value_parser = duration)]
    span: Option<String>,
    /// Until when, such as 2026-01-31T18:00:00Z
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Why, for those who wonder
    #[arg(long)]
    reason: String,
    /// Whose it is [env: USER]
    #[arg(long)]
    author: Option<String>,
}

fn duration(text: &str) -> Result<String, String> {
    rules_file::duration(text).map(|_| text.to_owned())
}

/// Asks the running lastbeat: 0 where it did so, 1 where not, 64 where address, token or id are none.
pub fn run(args: &SilenceArgs) -> ExitCode {
    match act(args) {
        Ok(said) => {
            print!("{said}");
            ExitCode::SUCCESS
        }
        Err(fault) => {
            let code = fault.code();
            eprintln!("{}", fault.words());
            code
        }
    }
}

fn act(args: &SilenceArgs) -> Result<String, AskFault> {
    let peer = Peer::new(&args.peer)?;
    let ask = |method: Method, path: &str, body: Option<&Value>| {
        peer.ask(method, &format!("silences{path}"), body)
    };
    match &args.command {
        Action::List => {
            let answer = ask(Method::GET, "", None)?;
            Ok(table(&answer["silences"]))
        }
        Action::Add(add) => {
            let author = add.author.clone().or_else(|| set("USER"));
            let body = request(add, author.as_deref().unwrap_or("unknown"));
            let answer = ask(Method::POST, "", Some(&body))?;
            Ok(format!("silence {} added\n", line(&answer)))
        }
        Action::Expire { id } => {
            let plain = id
                .chars()
                .all(|char| char.is_ascii_alphanumeric() || char == '-');
            if !plain || id.is_empty() {
                return Err(AskFault::Unaskable(format!(
                    "{id:?} is no silence's id: see `lastbeat silence list`"
                )));
            }
            ask(Method::DELETE, &format!("/{id}"), None)?;
            Ok(format!("silence {id} ended\n"))
        }
    }
}

fn request(add: &AddArgs, author: &str) -> Value {
    let mut body = Map::new();
    let matchers = [
        ("app", &add.app),
        ("region", &add.region),
        ("instance", &add.instance),
        ("host", &add.host),
        ("rule", &add.rule),
    ];
    for (key, globs) in matchers.into_iter().filter(|(_, globs)| !globs.is_empty()) {
        body.insert(key.to_owned(), json!(globs));
    }
    for (key, value) in [("duration", &add.span), ("ends_at", &add.until)] {
        if let Some(value) = value {
            body.insert(key.to_owned(), json!(value));
        }
    }
    body.insert("reason".to_owned(), json!(add.reason));
    body.insert("author".to_owned(), json!(author));
    Value::Object(body)
}

fn table(silences: &Value) -> String {
    let rows: Vec<String> = silences
        .as_array()
        .into_iter()
        .flatten()
        .map(|silence| format!("{}\n", line(silence)))
        .collect();
    if rows.is_empty() {
        return "no silence holds or is to come\n".to_owned();
    }
    rows.concat()
}

/// `19a1c3f2b40  holds  app web  until 2026-01-31T18:00:00Z  moving the database (ada)`
fn line(silence: &Value) -> String {
    let text = |key: &str| {
        format::sanitize(
            silence[key].as_str().unwrap_or_default(),
            format::SUMMARY_CHARS,
        )
    };
    let whom: Vec<String> = ["app", "region", "instance", "host", "rule"]
        .into_iter()
        .filter_map(|key| {
            let globs = silence[key].as_array()?.iter().filter_map(Value::as_str);
            let globs: Vec<String> = globs.map(format::name).collect();
            (!globs.is_empty()).then(|| format!("{key} {}", globs.join(",")))
        })
        .collect();
    let whom = if whom.is_empty() {
        "everyone".to_owned()
    } else {
        whom.join(" ")
    };
    let holds = silence["holds"] == true;
    let window = silence["windows"]
        .as_array()
        .and_then(|windows| windows.first());
    let time = |key: &str| {
        let time = window.and_then(|window| window[key].as_str());
        format::name(time.unwrap_or("no time within a day"))
    };
    let when = if holds {
        format!("until {}", time("until"))
    } else {
        format!("from {}", time("from"))
    };
    let author = text("author");
    let by = match (silence["from_rules"] == true, author.as_str()) {
        (true, _) => " (rule files)".to_owned(),
        (false, "") => String::new(),
        (false, author) => format!(" ({author})"),
    };
    let state = if holds { "holds  " } else { "waiting" };
    format!(
        "{}  {state}  {whom}  {when}  {}{by}",
        text("id"),
        text("reason")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_is_one_line() {
        let silence = json!({
            "id": "19a", "app": ["web", "api-*"], "region": [], "rule": ["r"], "holds": true,
            "windows": [{"from": "A", "until": "B"}], "reason": "mo\u{1b}[2Jving\n", "author": "ada", "from_rules": false,
        });
        assert_eq!(
            line(&silence),
            "19a  holds    app web,api-* rule r  until B  moving  (ada)"
        );
        let scheduled = json!({
            "id": "rules-1", "holds": false, "windows": [], "reason": "weekly", "author": "", "from_rules": true,
        });
        assert_eq!(
            line(&scheduled),
            "rules-1  waiting  everyone  from no time within a day  weekly (rule files)"
        );
        assert_eq!(table(&json!([])), "no silence holds or is to come\n");
    }
}
