//! `lastbeat drill`: one marked test incident through every notifier, of the running lastbeat or of the settings alone.

mod canary;

use super::client::{AskFault, Client, ClientArgs};
use super::exit::{Stop, verdict};
use super::{environment, notifiers, rules, runtime};
use crate::app::drill;
use crate::clock::Clock;
use crate::core::rule::RuleSet;
use crate::decode::settings::{self, Flags, NATS_URL};
use crate::format;
use crate::io::http::dto::drill::Drill;
use crate::io::http_client::HttpClient;
use crate::io::notifier::Notifier;
use hyper::Method;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Two notifications, each with the time that a notifier may take, a minute at most by its rule.
const WITHIN: Duration = Duration::from_secs(130);

/// Send a test incident through every notifier, and show what each answered
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
The incident is marked as a test (LastbeatDrill, severity info); it is opened and closed at once. The running lastbeat \
sends it; where none answers, this command sends it itself, to SENTRY_DSN and the notifiers of the rules.

Where the running lastbeat watches a downstream, the drill waits for its next canary, and shows the time of each hop: through the \
stream, and to the sink.

Exit codes: 0 every notifier accepted both notifications, and every canary arrived; 1 one did not, or there is no notifier; \
64 bad settings or rules.

  lastbeat drill
  lastbeat drill --url lastbeat.internal:9090 --token-file /run/token
  SENTRY_DSN=https://... lastbeat drill --direct --rules rules.toml")]
pub struct DrillArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Send from this command, also where a lastbeat runs
    #[arg(long, conflicts_with_all = ["url", "token_file"])]
    direct: bool,
    /// Rule file, or folder of *.toml, for sending from this command [env: LASTBEAT_RULES] [default: rules]
    #[arg(long, value_name = "PATH")]
    rules: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the drill: 0 where every notifier accepted it.
pub fn run(args: &DrillArgs) -> ExitCode {
    let (answer, sender) = match drill(args) {
        Ok(done) => done,
        Err(stop) => return stop.print(),
    };
    if args.json {
        println!("{answer}");
    } else {
        print!("{}", table(&answer, &sender));
    }
    verdict(answer["well"] == true)
}

/// The answers, and where the notifications were sent from.
fn drill(args: &DrillArgs) -> Result<(Value, String), Stop> {
    if args.direct {
        return direct(args);
    }
    let asked = Client::new(&args.client).and_then(|client| {
        let mut answer = client.ask_within(Method::POST, "drill", Some(&json!({})), WITHIN)?;
        let canaries = canary::fly(&client)?;
        if !canaries.is_empty() {
            let found = canaries.iter().all(|row| row["well"] == true);
            answer["well"] = json!(answer["well"] == true && found);
            answer["canaries"] = json!(canaries);
        }
        Ok((answer, format!("through the lastbeat at {}", client.base)))
    });
    match asked {
        // An address that was given means that lastbeat and no other.
        Err(AskFault::Unreachable(why)) if args.client.url.is_none() => {
            eprintln!("{why}\nno lastbeat answers: sending straight from here");
            direct(args)
        }
        asked => Ok(asked?),
    }
}

/// Notifies the notifiers of settings and rules from this process.
fn direct(args: &DrillArgs) -> Result<(Value, String), Stop> {
    let notifiers = notifiers(args).map_err(Stop::bad_input)?;
    if notifiers.is_empty() {
        let why =
            "there is no notifier: set SENTRY_DSN, or declare one in the rules as [notify.NAME]";
        return Err(Stop::failed(why));
    }
    let runtime = runtime::runtime()?;
    let now = Clock::start().now_fn();
    let rows = runtime
        .block_on(async { drill::drill(&notifiers, &HttpClient::new().into_send(), &now).await });
    let rows = serde_json::json!(Drill::from(&*rows));
    Ok((rows, "straight from here".to_owned()))
}

fn notifiers(args: &DrillArgs) -> Result<Vec<Arc<dyn Notifier>>, String> {
    // The stream is not read: its server need not be set.
    let env = |name: &str| {
        let unused = || (name == NATS_URL.about.name()).then(|| "nats://unused".to_owned());
        environment::variable(name).or_else(unused)
    };
    let settings = settings::read(&Flags::default(), env).map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        lines.join("\n")
    })?;
    let path = args.rules.as_ref().unwrap_or(&settings.rules);
    let rules = match rules::usable(path) {
        Ok((rules, _)) => rules,
        // Nothing but the DSN may be set up yet.
        Err(_) if !path.exists() && args.rules.is_none() => RuleSet::default(),
        Err(why) => return Err(why),
    };
    notifiers::notifiers(&notifiers::maker(&settings), &rules)
}

/// `oncall  opened 200 OK in 0.1s, closed 200 OK in 0.1s`
fn table(answer: &Value, sender: &str) -> String {
    let text =
        |value: &Value| format::sanitize(value.as_str().unwrap_or_default(), format::SUMMARY_CHARS);
    let told = |told: &Value| {
        let seconds = told["seconds"].as_f64().unwrap_or(0.0);
        format!("{} in {seconds:.2}s", text(&told["said"]))
    };
    let rows: Vec<&Value> = answer["notifiers"]
        .as_array()
        .into_iter()
        .flatten()
        .collect();
    let wide = rows
        .iter()
        .map(|row| text(&row["notifier"]).chars().count())
        .max()
        .unwrap_or(0);
    let line = |row: &&Value| {
        let mark = if row["well"] == true {
            "ok    "
        } else {
            "FAILED"
        };
        let closed = if row["closed"].is_null() {
            "closing not sent".to_owned()
        } else {
            format!("closed {}", told(&row["closed"]))
        };
        format!(
            "{mark}  {:<wide$}  opened {}; {closed}\n",
            text(&row["notifier"]),
            told(&row["opened"])
        )
    };
    let lines: String = rows.iter().map(line).collect();
    let canaries = answer["canaries"].as_array().into_iter().flatten();
    let canaries: String = canaries.map(canary::line).collect();
    format!("a test incident, {sender}:\n{lines}{canaries}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_notifier_is_a_line() {
        let answer = json!({"well": false, "notifiers": [
            {"notifier": "sentry", "well": true, "opened": {"said": "200 OK", "seconds": 0.123},
             "closed": {"said": "200 OK", "seconds": 0.05}},
            {"notifier": "x", "well": false, "opened": {"said": "403 \u{1b}[2Jno", "seconds": 1.0}, "closed": null},
        ]});
        let expected = "\
a test incident, straight from here:
ok      sentry  opened 200 OK in 0.12s; closed 200 OK in 0.05s
FAILED  x       opened 403 no in 1.00s; closing not sent
";
        assert_eq!(table(&answer, "straight from here"), expected);
    }
}
