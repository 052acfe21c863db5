//! The keys of rule files as a JSON Schema, for editors: completion, help and faults while one types.

use super::key::Key;
use crate::core::rule::BodyFormat;
use serde_json::{Map, Value, json};

/// One table of rule files.
pub(super) struct Table {
    /// Its name in a file.
    pub(super) name: &'static str,
    /// Its keys.
    pub(super) keys: Vec<&'static Key>,
    /// The number of times that it may stand.
    pub(super) form: Form,
    /// Tables within it.
    pub(super) parts: Vec<Table>,
}

/// The form of a table.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// `[name]`, at most once.
    Once,
    /// `[[name]]`, any number of times.
    List,
    /// `[name.NAME]`, each with a name of its own.
    Named,
}

/// A schema of all tables.
pub(super) fn of(tables: &[Table]) -> Value {
    let properties: Map<String, Value> = tables.iter().map(named).collect();
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Rules of lastbeat",
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    })
}

/// A table's name and its schema.
fn named(table: &Table) -> (String, Value) {
    let one = object(table);
    let value = match table.form {
        Form::Once => one,
        Form::List => json!({"type": "array", "items": one}),
        Form::Named => json!({"type": "object", "additionalProperties": one}),
    };
    (table.name.to_owned(), value)
}

fn object(table: &Table) -> Value {
    let keys = table.keys.iter();
    let keys = keys.map(|key| (key.name.to_owned(), property(key)));
    let properties: Map<String, Value> = keys.chain(table.parts.iter().map(named)).collect();
    // The keys of a notifier depend on its type, and `[notify.sentry]` needs none.
    let depends = matches!(table.form, Form::Named);
    let required = table.keys.iter();
    let required = required.filter(|key| key.default == "required" && !depends);
    let required: Vec<&str> = required.map(|key| key.name).collect();
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
        "required": required,
    })
}

fn property(key: &Key) -> Value {
    let text = json!({"type": "string"});
    let texts = |one: &Value| json!({"type": "array", "items": one});
    let either = |one: &Value| json!({"anyOf": [one, {"type": "array", "items": one}]});
    let mut value = match key.kind {
        "protocol" => json!({"type": "string", "enum": ["otlp", "loki", "http"]}),
        "flag" => json!({"type": "boolean"}),
        "number" => json!({"type": "integer"}),
        "globs" => either(&text),
        "list of words" => texts(&word(key.name)),
        "word" => word(key.name),
        "list of tables" => texts(&json!({"type": "object"})),
        kind if kind.starts_with("list of ") => texts(&text),
        "table of globs" => json!({"type": "object", "additionalProperties": either(&text)}),
        kind if kind.starts_with("table of ") => {
            json!({"type": "object", "additionalProperties": text})
        }
        _ => text,
    };
    value["description"] = match key.default {
        "" | "required" => key.meaning.into(),
        default => format!("{}; default {default}", key.meaning).into(),
    };
    value
}

/// The words that a key takes.
fn word(key: &str) -> Value {
    let words: Vec<&str> = match key {
        "severity" => vec!["critical", "error", "warning", "info"],
        "watch" => vec!["heartbeat", "logs"],
        "by" => vec!["instance", "app-region", "app", "region"],
        "type" => vec!["sentry", "webhook", "email", "alertmanager"],
        "format" => BodyFormat::ALL.iter().map(|one| one.label()).collect(),
        _ => return json!({"type": "string"}),
    };
    json!({"type": "string", "enum": words})
}
