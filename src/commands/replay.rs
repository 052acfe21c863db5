//! `lastbeat replay`: the notifications that rules would have sent, from a recorded stream.

mod difference;
pub(super) mod player;
mod proofs;
mod stored;
#[cfg(test)]
mod tests;

use super::exit::{Stop, verdict};
use super::recorded::{Input, RecordedArgs};
use super::rules;
use crate::core::rule::RuleSet;
use crate::format;
use clap::ValueEnum;
use difference::{Change, Other, Row, rows, summaries};
use player::{Played, Player};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Show the notifications that rules would have sent
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Plays the archive to the same engine in virtual time, with its cuts, restarts, losses and machines. FILE is a segment, a \
folder of them, or a file of JSON lines: Fly's payloads, Vector's file sink, `fly logs --json` (with --app), \
`lastbeat logs --json`. Nothing is known of the time before its first line, and silences made by hand are not in it.

Exit codes: 0 success; 1 the archive cannot be read, or a notification is new or gone with --format junit; \
64 invalid rules or arguments.

  lastbeat replay --since 7d --rules new-rules
  lastbeat replay --since 7d --rules new-rules --against rules --format junit
  lastbeat replay fly.jsonl --app web --rules rules")]
pub struct ReplayArgs {
    #[command(flatten)]
    recorded: RecordedArgs,
    /// The app of entries that name none, as those of `fly logs --json`
    #[arg(long, value_name = "NAME", default_value = "app")]
    app: String,
    /// The rules: a file or a folder [default: LASTBEAT_RULES or rules]
    #[arg(long, value_name = "PATH")]
    rules: Option<PathBuf>,
    /// Other rules to compare them with
    #[arg(long, value_name = "PATH")]
    against: Option<PathBuf>,
    /// A state file, to compare them with the incidents that were really notified
    #[arg(long, value_name = "FILE", conflicts_with = "against")]
    state: Option<PathBuf>,
    /// Format of the result
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Format of the result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A line for each notification, and a summary of each rule
    #[default]
    Text,
    /// One object
    Json,
    /// JUnit's XML: a notification that is new or gone fails
    Junit,
}

/// Replays: 1 where it cannot be read, 64 where rules or arguments are invalid.
pub fn run(args: &ReplayArgs) -> ExitCode {
    replay(args).unwrap_or_else(|stop| stop.print())
}

fn replay(args: &ReplayArgs) -> Result<ExitCode, Stop> {
    let new_rules = usable(&rules::path(args.rules.as_deref()))?;
    let old_rules = args.against.as_deref().map(usable).transpose()?;
    let recorded = args.recorded.recorded(&args.app)?;
    let input = Input::open(&recorded)?;
    let has_inventory = input.has_machines()?;
    let mut new = Player::new(new_rules, has_inventory);
    let mut old = old_rules.map(|rules| Player::new(rules, has_inventory));
    let damaged = input.play(|line| {
        for player in std::iter::once(&mut new).chain(&mut old) {
            player.line(&line);
        }
    })?;
    if damaged > 0 {
        eprintln!("-- {damaged} damaged parts of the archive were left out");
    }
    let (new, old) = (new.finish(), old.map(Player::finish));
    let sent = args.state.as_deref();
    let sent = sent.map(|file| stored::sent(file, &new)).transpose()?;
    let other = match (&old, &sent) {
        (Some(old), _) => Some(Other::Rules(old)),
        (None, Some(sent)) => Some(Other::Incidents(sent)),
        (None, None) => None,
    };
    let rows = rows(&new, other.as_ref());
    let differs = rows
        .iter()
        .any(|row| matches!(row.change, Change::New | Change::Gone));
    print!("{}", printed(args.format, &new, other.is_some(), &rows));
    Ok(verdict(!(differs && args.format == Format::Junit)))
}

fn printed(format: Format, new: &Played, is_compared: bool, rows: &[Row<'_>]) -> String {
    match format {
        Format::Text => text(new, is_compared, rows),
        Format::Json => json(new, rows),
        Format::Junit => junit(rows),
    }
}

/// The rules of a path, for tests: variables of notifiers stay as they are written.
pub(super) fn usable(path: &Path) -> Result<RuleSet, Stop> {
    let rules = rules::read(path, false).map_err(Stop::bad_input)?;
    let messages = format!("{}{}", rules.findings(), rules.closing());
    rules.reading.set.ok_or_else(|| Stop::bad_input(messages))
}

fn text(new: &Played, is_compared: bool, rows: &[Row<'_>]) -> String {
    let mut text = format!(
        "{} from {} to {}\n",
        format::counted(new.entries, "entry").replace("entrys", "entries"),
        format::rfc3339(new.start),
        format::rfc3339(new.start + new.length)
    );
    for row in rows {
        text += &row.line();
        text.push('\n');
    }
    for rule in summaries(new) {
        let detection = rule.detection.map_or(String::new(), |detection| {
            format!(
                ", half of them noticed within {}",
                format::duration(detection)
            )
        });
        let false_alarms = match rule.false_alarms {
            0 => String::new(),
            count => format!(", {} known", format::counted(count, "false alarm")),
        };
        text += &format!(
            "rule {}: {}, {} resolved{false_alarms}{detection}\n",
            rule.rule,
            format::counted(rule.incidents, "incident"),
            rule.resolved
        );
    }
    if is_compared {
        let count = |change| rows.iter().filter(|row| row.change == change).count();
        text += &format!(
            "{} same, {} new, {} gone\n",
            count(Change::Same),
            count(Change::New),
            count(Change::Gone)
        );
    } else if rows.is_empty() {
        text += "no notifications\n";
    }
    text
}

fn json(new: &Played, rows: &[Row<'_>]) -> String {
    let summary = |rule: difference::RuleSummary| {
        json!({
            "rule": rule.rule,
            "incidents": rule.incidents,
            "resolved": rule.resolved,
            "false_alarms_known": rule.false_alarms,
            "detection_p50_seconds": rule.detection.map(|span| span.as_secs_f64()),
        })
    };
    let value = json!({
        "entries": new.entries,
        "from": format::rfc3339(new.start),
        "until": format::rfc3339(new.start + new.length),
        "notifications": rows.iter().map(Row::json).collect::<Vec<_>>(),
        "rules": summaries(new).into_iter().map(summary).collect::<Vec<_>>(),
    });
    format!("{value:#}\n")
}

fn junit(rows: &[Row<'_>]) -> String {
    let outcome = |row: &Row<'_>| super::test::Outcome {
        file: "replay".to_owned(),
        name: row.line(),
        failure: match row.change {
            Change::Alone | Change::Same => None,
            Change::New => Some("it was not sent before".to_owned()),
            Change::Gone => Some("it is not sent any more".to_owned()),
        },
    };
    let outcomes: Vec<super::test::Outcome> = rows.iter().map(outcome).collect();
    super::test::junit::xml(&outcomes)
}
