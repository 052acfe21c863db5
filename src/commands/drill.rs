//! `lastbeat drill`: one marked test incident through every notifier, of a lastbeat that runs or of the settings alone.

use super::peer::{AskFault, Peer, PeerArgs};
use super::{check, run};
use crate::app::drill;
use crate::clock::Clock;
use crate::decode::settings::{self, Flags};
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

/// Two notices, each with the time that a notifier may take, a minute at most by its rule.
const WITHIN: Duration = Duration::from_secs(130);

/// Open and close one test incident through every notifier, and say what each answered.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
It is marked as a test (LastbeatDrill, severity info) and nothing is silent. The lastbeat that runs is asked first; where
none answers, the notifiers are told straight from here, as SENTRY_DSN and the rules name them.

Exit codes: 0 every notifier took both notices; 1 one did not, or there is none; 64 bad settings or rules.

  lastbeat drill
  lastbeat drill --url http://lastbeat.internal:9090 --token-file /run/token
  SENTRY_DSN=https://... lastbeat drill --direct --rules /etc/lastbeat/rules")]
pub struct DrillArgs {
    #[command(flatten)]
    peer: PeerArgs,
    /// Tell the notifiers straight from here, whether or not a lastbeat runs
    #[arg(long, conflicts_with_all = ["url", "token_file"])]
    direct: bool,
    /// A rule file, or a folder of *.toml, for telling straight from here [env: LASTBEAT_RULES] [default: rules]
    #[arg(long, value_name = "PATH")]
    rules: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the drill: 0 where every notifier took it.
pub fn run(args: &DrillArgs) -> ExitCode {
    let told = if args.direct {
        direct(args)
    } else {
        match Peer::new(&args.peer).and_then(|peer| {
            let answer = peer.ask_within(Method::POST, "drill", Some(&json!({})), WITHIN)?;
            Ok((answer, format!("through the lastbeat at {}", peer.base)))
        }) {
            Ok(told) => Ok(told),
            // Somebody who names an address means that one.
            Err(AskFault::Unreachable(why)) if args.peer.url.is_none() => {
                eprintln!("{why}\nno lastbeat answers: the notifiers are told straight from here");
                direct(args)
            }
            Err(fault) => {
                let code = fault.code();
                Err((fault.words(), code))
            }
        }
    };
    match told {
        Ok((answer, how)) => {
            let shown = if args.json {
                format!("{answer}\n")
            } else {
                table(&answer, &how)
            };
            print!("{shown}");
            if answer["well"] == true {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err((why, code)) => {
            eprintln!("{why}");
            code
        }
    }
}

/// Tells the notifiers of settings and rules from this process.
fn direct(args: &DrillArgs) -> Result<(Value, String), (String, ExitCode)> {
    let failed = |why: String| (why, ExitCode::FAILURE);
    let notifiers = notifiers(args).map_err(|why| (why, ExitCode::from(check::EXIT_BAD_RULES)))?;
    if notifiers.is_empty() {
        let why = "there is no notifier: set SENTRY_DSN, or name one in the rules by [notify.NAME]";
        return Err(failed(why.to_owned()));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|fault| failed(format!("cannot start: {fault}")))?;
    let now = Clock::start().now_fn();
    let rows = runtime
        .block_on(async { drill::drill(&notifiers, &HttpClient::new().into_send(), &now).await });
    let rows = serde_json::json!(Drill::from(&*rows));
    Ok((rows, "straight from here".to_owned()))
}

fn notifiers(args: &DrillArgs) -> Result<Vec<Arc<dyn Notifier>>, String> {
    let flags = Flags {
        rules: args.rules.clone(),
        ..Flags::default()
    };
    // The stream is not asked: where it is need not be set.
    let env = |name: &str| {
        run::env(name).or_else(|| (name == "NATS_URL").then(|| "nats://unused".to_owned()))
    };
    let settings = settings::read(&flags, env).map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        lines.join("\n")
    })?;
    let mut found = Vec::new();
    let rules = match check::rules(&settings.rules, false, &mut found) {
        Ok(Some(rules)) => rules,
        // Nothing but the DSN may be set up yet.
        _ if !settings.rules.exists() && args.rules.is_none() => Default::default(),
        _ => return Err(String::from_utf8_lossy(&found).trim_end().to_owned()),
    };
    run::notifiers(&run::maker(&settings), &rules)
}

/// `oncall  opened 200 OK in 0.1s, closed 200 OK in 0.1s`
fn table(answer: &Value, how: &str) -> String {
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
            "not told of the end".to_owned()
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
    format!("a test incident, {how}:\n{lines}")
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
FAILED  x       opened 403 no in 1.00s; not told of the end
";
        assert_eq!(table(&answer, "straight from here"), expected);
    }
}
