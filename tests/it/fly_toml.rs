//! `fly.toml`, read with unknown keys denied: a misspelt key is ignored by the platform without a word.

use crate::support::testbed::project;
use std::fs;
use toml::de::{DeTable, DeValue};

/// Each table and the keys that it may have; `*` stands for a name of one's own. Lists of tables are written
/// like tables.
const KEYS: [(&str, &[&str]); 13] = [
    (
        "",
        &[
            "app",
            "primary_region",
            "kill_signal",
            "kill_timeout",
            "swap_size_mb",
            "build",
            "deploy",
            "env",
            "metrics",
            "restart",
            "mounts",
            "files",
            "checks",
            "vm",
            "processes",
        ],
    ),
    ("build", &["dockerfile", "image", "args", "ignorefile"]),
    ("build.args", &["*"]),
    ("deploy", &["strategy", "wait_timeout"]),
    ("env", &["*"]),
    ("metrics", &["port", "path"]),
    ("restart", &["policy", "retries", "processes"]),
    (
        "mounts",
        &[
            "source",
            "destination",
            "initial_size",
            "snapshot_retention",
            "processes",
        ],
    ),
    (
        "files",
        &[
            "guest_path",
            "local_path",
            "secret_name",
            "raw_value",
            "processes",
        ],
    ),
    ("checks", &["*"]),
    (
        "checks.*",
        &[
            "type",
            "port",
            "method",
            "path",
            "interval",
            "timeout",
            "grace_period",
            "headers",
            "processes",
        ],
    ),
    ("vm", &["size", "memory", "cpu_kind", "cpus", "processes"]),
    ("processes", &["*"]),
];

#[test]
fn every_key_is_one_that_the_platform_knows() {
    assert_eq!(unknown_keys(&text()), [""; 0]);
}

#[test]
fn a_key_that_the_platform_does_not_know_is_found() {
    let bad = "app = 'x'\nport = 1\n[metric]\nport = 1\n[[mounts]]\nsorce = 'x'\n[checks.ready]\nurl = '/'\n[env]\nA = '1'";
    assert_eq!(
        unknown_keys(bad),
        ["checks.*.url", "metric", "mounts.sorce", "port"]
    );
}

#[test]
fn nothing_is_public_and_metrics_are_where_lastbeat_listens() {
    let text = text();
    let fly = DeTable::parse(&text)
        .expect("fly.toml is TOML")
        .into_inner();
    assert!(
        !fly.contains_key("http_service") && !fly.contains_key("services"),
        "lastbeat serves its own network only"
    );
    let metrics = table(&fly["metrics"]);
    assert_eq!(
        (number(metrics, "port"), string(metrics, "path")),
        (9090, "/metrics")
    );
    for (name, check) in table(&fly["checks"]) {
        assert_eq!(number(table(check), "port"), 9090, "{}", name.get_ref());
    }
    assert_eq!(string(tables(&fly["mounts"])[0], "destination"), "/data");
    assert_eq!(
        string(tables(&fly["restart"])[0], "policy"),
        "always",
        "the default gives up after ten tries"
    );
}

#[test]
fn names_in_env_do_not_take_the_platforms_own() {
    let text = text();
    let fly = DeTable::parse(&text)
        .expect("fly.toml is TOML")
        .into_inner();
    let names = fly.get("env").into_iter().flat_map(|env| table(env).keys());
    let taken: Vec<&str> = names
        .map(|name| &**name.get_ref())
        .filter(|name| name.starts_with("FLY_"))
        .collect();
    assert_eq!(taken, [""; 0], "the platform refuses these");
}

fn text() -> String {
    fs::read_to_string(project().join("fly.toml")).expect("fly.toml is in the project's folder")
}

/// The full names of the keys that stand in no row of [`KEYS`].
fn unknown_keys(text: &str) -> Vec<String> {
    let document = DeTable::parse(text).unwrap_or_else(|error| panic!("fly.toml: {error}"));
    let mut unknown = Vec::new();
    walk("", document.get_ref(), &mut unknown);
    unknown
}

fn walk(at: &str, found: &DeTable<'_>, unknown: &mut Vec<String>) {
    let Some((_, known)) = KEYS.iter().find(|(name, _)| *name == at) else {
        return;
    };
    for (key, value) in found {
        let free = known.contains(&"*");
        let key = if free { "*" } else { key.get_ref().as_ref() };
        let full = if at.is_empty() {
            key.to_owned()
        } else {
            format!("{at}.{key}")
        };
        if !free && !known.contains(&key) {
            unknown.push(full);
            continue;
        }
        for table in tables(value) {
            walk(&full, table, unknown);
        }
    }
}

/// A table, or each table of a list of them.
fn tables<'a, 'i>(value: &'a toml::Spanned<DeValue<'i>>) -> Vec<&'a DeTable<'i>> {
    match value.get_ref() {
        DeValue::Table(table) => vec![table],
        DeValue::Array(rows) => rows.iter().flat_map(|row| tables(row)).collect(),
        _ => Vec::new(),
    }
}

#[track_caller]
fn table<'a, 'i>(value: &'a toml::Spanned<DeValue<'i>>) -> &'a DeTable<'i> {
    value.get_ref().as_table().expect("it is a table")
}

#[track_caller]
fn string<'a>(table: &'a DeTable<'_>, key: &str) -> &'a str {
    table[key].get_ref().as_str().expect("it is a text")
}

#[track_caller]
fn number(table: &DeTable<'_>, key: &str) -> i64 {
    let number = table[key].get_ref().as_integer().expect("it is a number");
    i64::from_str_radix(number.as_str(), number.radix()).expect("it is a small number")
}
