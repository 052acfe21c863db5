//! `lastbeat silence`: silences of the running lastbeat, added, listed and expired over its API.

use super::client::{AskFault, Client, ClientArgs};
use super::environment::set;
use super::exit::Stop;
use crate::decode::rules_file;
use crate::format;
use hyper::Method;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::process::ExitCode;

/// Add, list and expire silences of a running lastbeat
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
A silenced target is still evaluated, but sends no notifications; one that still fires when the silence ends is \
notified then.

Exit codes: 0 done; 1 not done; 64 invalid address, token or id.

  lastbeat silence add --app web --for 2h --reason 'moving the database'
  lastbeat silence add --label team=db --notifier pager --for 2h --reason drill
  lastbeat silence add --app '*' --app '!payments' --for 2h --reason drill
  lastbeat silence list
  lastbeat silence expire 19a1c3f2b40")]
pub struct SilenceArgs {
    #[command(subcommand)]
    command: Action,
    #[command(flatten)]
    client: ClientArgs,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Action {
    /// Silence targets that match, from now on
    Add(Box<AddArgs>),
    /// Show active and coming silences
    List,
    /// End a silence that `add` made
    Expire {
        /// The silence's id, as `list` shows it
        id: String,
    },
}

/// Matchers; one that is left out matches everything, and each may be given again.
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
    /// Rules, as globs of their names
    #[arg(long, value_name = "GLOB")]
    rule: Vec<String>,
    /// Severities of rules
    #[arg(long, value_name = "SEVERITY")]
    severity: Vec<String>,
    /// Labels of rules, each a glob; all have to match
    #[arg(long = "label", value_name = "NAME=GLOB", value_parser = label)]
    labels: Vec<(String, String)>,
    /// Notifiers, as globs; the others are notified
    #[arg(long, value_name = "GLOB")]
    notifier: Vec<String>,
    /// Duration, such as 2h
    #[arg(long = "for", value_name = "DURATION", required_unless_present = "until", conflicts_with = "until", value_parser = duration)]
    span: Option<String>,
    /// End, such as 2026-01-31T18:00:00Z
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Reason, for people
    #[arg(long)]
    reason: String,
    /// Author, for people [env: USER]
    #[arg(long)]
    author: Option<String>,
}

fn label(text: &str) -> Result<(String, String), String> {
    let (name, glob) = text
        .split_once('=')
        .ok_or("expected NAME=GLOB, such as team=core")?;
    Ok((name.to_owned(), glob.to_owned()))
}

fn duration(text: &str) -> Result<String, String> {
    rules_file::duration(text).map(|_| text.to_owned())
}

/// Asks the running lastbeat: 0 where done, 1 where not, 64 where address, token or id are invalid.
pub fn run(args: &SilenceArgs) -> ExitCode {
    match act(args) {
        Ok(said) => {
            print!("{said}");
            ExitCode::SUCCESS
        }
        Err(fault) => Stop::from(fault).print(),
    }
}

fn act(args: &SilenceArgs) -> Result<String, AskFault> {
    let client = Client::new(&args.client)?;
    let ask = |method: Method, path: &str, body: Option<&Value>| {
        client.ask(method, &format!("silences{path}"), body)
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
                let why = format!("invalid id {id:?}: `lastbeat silence list` shows them");
                return Err(AskFault::Invalid(why));
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
        ("severity", &add.severity),
        ("notifier", &add.notifier),
    ];
    for (key, globs) in matchers.into_iter().filter(|(_, globs)| !globs.is_empty()) {
        body.insert(key.to_owned(), json!(globs));
    }
    let mut labels: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, glob) in &add.labels {
        labels.entry(name).or_default().push(glob);
    }
    if !labels.is_empty() {
        body.insert("labels".to_owned(), json!(labels));
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
        return "no silence is active or coming\n".to_owned();
    }
    rows.concat()
}

/// `19a1c3f2b40  active   app web  until 2026-01-31T18:00:00Z  moving the database (ada)`
fn line(silence: &Value) -> String {
    let text = |key: &str| {
        format::sanitize(
            silence[key].as_str().unwrap_or_default(),
            format::SUMMARY_CHARS,
        )
    };
    let shown = |key: &str, globs: &Value| {
        let globs = globs.as_array()?.iter().filter_map(Value::as_str);
        let globs: Vec<String> = globs.map(format::name).collect();
        (!globs.is_empty()).then(|| format!("{} {}", format::name(key), globs.join(",")))
    };
    let keys = [
        "app", "region", "instance", "host", "rule", "severity", "notifier",
    ];
    let labels = silence["labels"].as_object().into_iter().flatten();
    let matched: Vec<String> = keys
        .into_iter()
        .filter_map(|key| shown(key, &silence[key]))
        .chain(labels.filter_map(|(name, globs)| shown(&format!("label {name}"), globs)))
        .collect();
    let matched = match matched.as_slice() {
        [] => "everything".to_owned(),
        some => some.join(" "),
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
    let state = if holds { "active " } else { "pending" };
    format!(
        "{}  {state}  {matched}  {when}  {}{by}",
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
            "19a  active   app web,api-* rule r  until B  moving  (ada)"
        );
        let scheduled = json!({
            "id": "rules-1", "holds": false, "windows": [], "reason": "weekly", "author": "", "from_rules": true,
        });
        assert_eq!(
            line(&scheduled),
            "rules-1  pending  everything  from no time within a day  weekly (rule files)"
        );
        let by_label = json!({
            "id": "1", "holds": false, "windows": [], "severity": ["info"], "notifier": ["!pager"],
            "labels": {"team": ["core", "data"]}, "reason": "r", "author": "ada", "from_rules": false,
        });
        assert_eq!(
            line(&by_label),
            "1  pending  severity info notifier !pager label team core,data  from no time within a day  r (ada)"
        );
        assert_eq!(table(&json!([])), "no silence is active or coming\n");
    }
}
