//! OpenTelemetry's logs as JSON (OTLP/HTTP 1.x, `/v1/logs`): an `ExportLogsServiceRequest`, whose 64-bit numbers are texts.

use crate::core::time::Wall;
use crate::decode::shipped::entry::ShippedEntry;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::HashMap;

/// Levels with their numbers in the data model of logs.
const SEVERITIES: &[(&str, u8)] = &[
    ("trace", 1),
    ("debug", 5),
    ("info", 9),
    ("warn", 13),
    ("error", 17),
    ("fatal", 21),
];
/// Fields that stand elsewhere in the record.
const ELSEWHERE: &[&str] = &["message", "timestamp"];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    resource_logs: Vec<ResourceLogs>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceLogs {
    resource: Resource,
    scope_logs: [ScopeLogs; 1],
}

#[derive(Serialize)]
struct Resource {
    attributes: Vec<Attribute>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ScopeLogs {
    scope: Scope,
    log_records: Vec<LogRecord>,
}

#[derive(Serialize)]
struct Scope {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LogRecord {
    time_unix_nano: String,
    observed_time_unix_nano: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    severity_number: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    severity_text: Option<String>,
    body: AnyValue,
    attributes: Vec<Attribute>,
}

#[derive(Serialize)]
struct Attribute {
    key: String,
    value: AnyValue,
}

#[derive(Serialize)]
enum AnyValue {
    #[serde(rename = "stringValue")]
    Text(String),
    #[serde(rename = "boolValue")]
    Flag(bool),
    #[serde(rename = "intValue")]
    Whole(String),
    #[serde(rename = "doubleValue")]
    Real(f64),
}

/// The body of a request. Resources are instances, in the order of their first entries.
pub(super) fn encode(entries: &[ShippedEntry<'_>]) -> Vec<u8> {
    let mut resource_logs: Vec<ResourceLogs> = Vec::new();
    let mut numbers: HashMap<[&str; 3], usize> = HashMap::new();
    for entry in entries {
        let instance = [entry.app, entry.region, entry.instance];
        let number = *numbers.entry(instance).or_insert_with(|| {
            resource_logs.push(resource(entry));
            resource_logs.len() - 1
        });
        let [scope] = &mut resource_logs[number].scope_logs;
        scope.log_records.push(record(entry));
    }
    serde_json::to_vec(&Request { resource_logs }).expect("texts and lists are JSON")
}

fn resource(entry: &ShippedEntry<'_>) -> ResourceLogs {
    let all = [
        ("service.name", entry.app),
        ("cloud.region", entry.region),
        ("service.instance.id", entry.instance),
    ];
    let known = all.into_iter().filter(|(_, value)| !value.is_empty());
    ResourceLogs {
        resource: Resource {
            attributes: known.map(|(key, value)| text(key, value)).collect(),
        },
        scope_logs: [ScopeLogs {
            scope: Scope {
                name: "lastbeat",
                version: env!("CARGO_PKG_VERSION"),
            },
            log_records: Vec::new(),
        }],
    }
}

fn record(entry: &ShippedEntry<'_>) -> LogRecord {
    let level = entry.level();
    let number = level
        .as_ref()
        .and_then(|level| SEVERITIES.iter().find(|(name, _)| name == level));
    let nanos = |at: Wall| at.nanos().to_string();
    let mut attributes = Vec::new();
    flatten("", &entry.fields, &mut attributes);
    LogRecord {
        time_unix_nano: nanos(entry.at),
        observed_time_unix_nano: nanos(entry.arrival),
        severity_number: number.map(|(_, number)| *number),
        severity_text: level,
        body: AnyValue::Text(entry.message().into_owned()),
        attributes,
    }
}

/// Every field of a payload, by its names with dots between them; what stands elsewhere in the record is left out.
fn flatten(prefix: &str, fields: &Map<String, Value>, into: &mut Vec<Attribute>) {
    for (name, value) in fields {
        if prefix.is_empty() && ELSEWHERE.contains(&name.as_str()) && value.is_string() {
            continue;
        }
        let key = match prefix {
            "" => name.clone(),
            _ => format!("{prefix}.{name}"),
        };
        let value = match value {
            Value::Null => continue,
            Value::Object(fields) => {
                flatten(&key, fields, into);
                continue;
            }
            Value::String(text) => AnyValue::Text(text.clone()),
            Value::Bool(flag) => AnyValue::Flag(*flag),
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(whole), _) => AnyValue::Whole(whole.to_string()),
                (None, Some(real)) => AnyValue::Real(real),
                (None, None) => AnyValue::Text(number.to_string()),
            },
            Value::Array(_) => AnyValue::Text(value.to_string()),
        };
        into.push(Attribute { key, value });
    }
}

fn text(key: &str, value: &str) -> Attribute {
    Attribute {
        key: key.to_owned(),
        value: AnyValue::Text(value.to_owned()),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    partial_success: Option<PartialSuccess>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct PartialSuccess {
    rejected_log_records: Value,
    error_message: String,
}

/// The number of records that an answer of 200 says were rejected, and why; `None`: none.
pub(super) fn rejected(answer: &[u8]) -> Option<(u64, String)> {
    let response: Response = serde_json::from_slice(answer).ok()?;
    let partial = response.partial_success?;
    let count = &partial.rejected_log_records;
    let count = count
        .as_u64()
        .or_else(|| count.as_str().and_then(|text| text.parse().ok()))?;
    (count > 0).then_some((count, partial.error_message))
}
