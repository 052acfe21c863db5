//! `lastbeat report`: the grade of each rule by the history of a running lastbeat.

use super::client::{AskFault, Client, ClientArgs};
use super::exit::{Stop, verdict};
use crate::clock;
use crate::decode::rules_file;
use crate::format;
use hyper::Method;
use serde_json::Value;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

/// Show the detection time and the false alarms of each rule, by the history of a running lastbeat
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Detection is the time from the last heartbeat to the notification, delay that from the deadline. A false alarm is an
incident whose targets are known to have been alive. Accuracy is the share of time without a false alarm.

Exit codes: 0 the report is shown; 1 lastbeat cannot be reached; 64 invalid address, token or duration.

  lastbeat report
  lastbeat report --since 7d --json | jq '.rules[] | select(.false_alarms > 0)'")]
pub struct ReportArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Time that is looked back, at most 93 days
    #[arg(long, value_name = "DURATION", default_value = "30d", value_parser = rules_file::duration)]
    since: Duration,
    /// Print the JSON object of the API
    #[arg(long)]
    json: bool,
}

/// Asks and shows: 0 where it is shown.
pub fn run(args: &ReportArgs) -> ExitCode {
    let report = match ask(args) {
        Ok(report) => report,
        Err(fault) => return Stop::from(fault).print(),
    };
    let shown = if args.json {
        format!("{report}\n")
    } else {
        table(&report)
    };
    // A reader that has gone has seen enough.
    let _ = std::io::stdout().write_all(shown.as_bytes());
    verdict(true)
}

fn ask(args: &ReportArgs) -> Result<Value, AskFault> {
    let client = Client::new(&args.client)?;
    let from = format::rfc3339_seconds(clock::wall() - args.since);
    client.ask(Method::GET, &format!("report?from={from}"), None)
}

fn table(report: &Value) -> String {
    let rules = report["rules"].as_array().map(Vec::as_slice);
    let rules = rules.unwrap_or_default();
    let from = report["from"].as_str().unwrap_or_default();
    let count = report["incidents"].as_u64().unwrap_or(0);
    let mut text = format!("since {from}: {}\n", format::counted(count, "incident"));
    if rules.is_empty() {
        return text;
    }
    let mut rows = vec![
        [
            "rule",
            "incidents",
            "false",
            "detection p50",
            "p99",
            "worst",
            "delay p50",
            "p99",
            "worst",
            "false a day",
            "lasting",
            "accuracy",
        ]
        .map(str::to_owned),
    ];
    rows.extend(rules.iter().map(row));
    let widths: Vec<usize> = (0..rows[0].len())
        .map(|column| {
            rows.iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate();
        let cells = cells.map(|(column, (cell, &width))| match column {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", cells.collect::<Vec<_>>().join("  "));
    }
    text
}

fn row(rule: &Value) -> [String; 12] {
    let seconds = |value: &Value| match value.as_f64() {
        Some(seconds) if seconds.is_finite() => {
            format::duration(Duration::from_secs_f64(seconds.clamp(0.0, 1e9)))
        }
        _ => "-".to_owned(),
    };
    let spread =
        |of: &Value| ["p50_seconds", "p99_seconds", "worst_seconds"].map(|key| seconds(&of[key]));
    let count = |key: &str| rule[key].as_u64().unwrap_or(0).to_string();
    let [p50, p99, worst] = spread(&rule["detection"]);
    let [delay, late, latest] = spread(&rule["delay"]);
    let rate = rule["false_alarms_per_day"].as_f64().unwrap_or(0.0);
    let accuracy = rule["query_accuracy"].as_f64().unwrap_or(0.0) * 100.0;
    [
        format::name(rule["rule"].as_str().unwrap_or_default()),
        count("incidents"),
        count("false_alarms"),
        p50,
        p99,
        worst,
        delay,
        late,
        latest,
        format!("{rate:.2}"),
        seconds(&rule["false_alarm_seconds"]),
        format!("{accuracy:.4}%"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_table_has_a_line_for_each_rule() {
        let report = json!({
            "from": "2026-01-01T00:00:00.000Z", "until": "2026-01-31T00:00:00.000Z", "incidents": 3,
            "rules": [{
                "rule": "web", "incidents": 3, "false_alarms": 1,
                "detection": {"p50_seconds": 91.5, "p99_seconds": 121.0, "worst_seconds": 121.0},
                "delay": {"p50_seconds": 0.5, "p99_seconds": 1.0, "worst_seconds": 1.0},
                "false_alarms_per_day": 0.0333, "false_alarm_seconds": null, "query_accuracy": 0.99995,
            }],
        });
        let text = table(&report);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert_eq!(lines[0], "since 2026-01-01T00:00:00.000Z: 3 incidents");
        for cell in ["web", "1m 32s", "2m 1s", "500ms", "0.03", "-", "99.9950%"] {
            assert!(lines[2].contains(cell), "{cell}: {text}");
        }
        let none = json!({"from": "x", "incidents": 0, "rules": []});
        assert_eq!(table(&none), "since x: 0 incidents\n");
    }
}
