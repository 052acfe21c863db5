//! The canary of a drill: the next one that flies after the drill's start, by the time that each hop took.

use crate::clock;
use crate::commands::client::{AskFault, Client};
use crate::commands::moment;
use crate::commands::runtime::runtime;
use crate::core::time::Wall;
use crate::format;
use hyper::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// Interval in which lastbeat is asked.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// Time limit of one question.
const WITHIN: Duration = Duration::from_secs(10);
/// Time beside `max_delay`: the canary's interval and that of the queries.
const BESIDE: Duration = Duration::from_secs(60);
/// Longest wait, whatever the delay that is allowed.
const LONGEST: Duration = Duration::from_secs(180);

/// Waits until each downstream has an entry that was sent since the call: a row for each, none without downstreams.
///
/// # Errors
/// lastbeat does not answer.
pub(super) fn fly(client: &Client) -> Result<Vec<Value>, AskFault> {
    let began = clock::wall();
    let mut waiting = downstreams(client)?;
    let mut rows = Vec::new();
    while !waiting.is_empty() {
        let passed = clock::wall().since(began);
        let status = client.ask_within(Method::GET, "status", None, WITHIN)?;
        waiting = downstreams(client)?;
        waiting.retain(|one| !has(&rows, one));
        let (done, left): (Vec<Value>, Vec<Value>) = waiting
            .into_iter()
            .partition(|one| is_found(one, began) || passed >= limit(one));
        rows.extend(done.iter().map(|one| row(one, began, &status)));
        waiting = left;
        if !waiting.is_empty() {
            pause();
        }
    }
    Ok(rows)
}

fn downstreams(client: &Client) -> Result<Vec<Value>, AskFault> {
    let answer = client.ask_within(Method::GET, "downstream", None, WITHIN)?;
    Ok(answer["downstreams"]
        .as_array()
        .cloned()
        .unwrap_or_default())
}

fn has(rows: &[Value], one: &Value) -> bool {
    rows.iter().any(|row| row["downstream"] == one["name"])
}

fn is_found(one: &Value, began: Wall) -> bool {
    let found = one["last_found"].as_str();
    let found = found.and_then(|text| moment::parse(text).ok());
    found.is_some_and(|found| found >= began)
}

fn limit(one: &Value) -> Duration {
    let allowed = one["max_delay_seconds"].as_f64().unwrap_or_default();
    let allowed = Duration::try_from_secs_f64(allowed).unwrap_or(LONGEST);
    (allowed + BESIDE).min(LONGEST)
}

fn row(one: &Value, began: Wall, status: &Value) -> Value {
    let well = is_found(one, began);
    json!({
        "downstream": one["name"],
        "well": well,
        "stream_seconds": status["stream"]["canary_seconds"],
        "sink_seconds": if well { one["delay_seconds"].clone() } else { Value::Null },
        "state": one["state"],
        "hop": one["hop"],
    })
}

fn pause() {
    if let Ok(runtime) = runtime() {
        runtime.block_on(async { tokio::time::sleep(ASK_EVERY).await });
    }
}

/// `ok      canary to loki: stream 0.05s, sink 2.10s`
pub(super) fn line(row: &Value) -> String {
    let text =
        |value: &Value| format::sanitize(value.as_str().unwrap_or_default(), format::SUMMARY_CHARS);
    let seconds = |value: &Value| value.as_f64().map(|seconds| format!("{seconds:.2}s"));
    let name = text(&row["downstream"]);
    let stream = seconds(&row["stream_seconds"]).unwrap_or_else(|| "not known".to_owned());
    if row["well"] == true {
        let sink = seconds(&row["sink_seconds"]).unwrap_or_default();
        return format!("ok      canary to {name}: stream {stream}, sink {sink}\n");
    }
    let hop = match row["hop"].as_str() {
        Some(hop) => format!(" at {}", format::sanitize(hop, format::SUMMARY_CHARS)),
        None => String::new(),
    };
    let state = text(&row["state"]);
    format!("FAILED  canary to {name}: stream {stream}, not found in the sink; {state}{hop}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGAN: Wall = Wall::from_nanos(1_700_000_000_000_000_000);

    fn downstream(last_found: &str) -> Value {
        json!({
            "name": "loki", "state": "stalled", "hop": "sink", "last_found": last_found, "delay_seconds": 2.1,
            "max_delay_seconds": 120.0,
        })
    }

    #[test]
    fn each_downstream_is_a_line_by_hop() {
        let status = json!({"stream": {"canary_seconds": 0.05}});
        let found = row(&downstream("2023-11-14T22:13:20Z"), BEGAN, &status);
        assert_eq!(
            line(&found),
            "ok      canary to loki: stream 0.05s, sink 2.10s\n"
        );
        let older = row(&downstream("2023-11-14T22:13:19Z"), BEGAN, &json!({}));
        let expected =
            "FAILED  canary to loki: stream not known, not found in the sink; stalled at sink\n";
        assert_eq!(line(&older), expected);
        assert_eq!(limit(&downstream("")), Duration::from_secs(180));
    }
}
