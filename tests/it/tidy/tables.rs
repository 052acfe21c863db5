//! Tables of the guide: they name every key of the rule files and every setting, and no other.

use super::markdown::section;
use super::read;
use crate::support::folder::Folder;
use crate::support::lastbeat::Setup;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

const GUIDE: &str = "docs/guide.md";
const SOON: Duration = Duration::from_secs(30);
/// Settings that are read by a library, or by everything on the machine, and stand in no table of ours.
const OTHERS: [&str; 2] = ["RUST_LOG", "NO_COLOR"];

/// The names in the first column of the tables below lines that begin with the name of a table of the rules.
fn listed(text: &str, table: &str) -> BTreeSet<String> {
    let (mut inside, mut names) = (false, BTreeSet::new());
    for line in text.lines() {
        if line.starts_with('`') {
            let name = line.split('`').nth(1).unwrap_or_default();
            inside = name.split(' ').next() == Some(table);
        } else if line.starts_with("<!--") {
            inside = false;
        } else if let Some(key) = line.strip_prefix("| `").filter(|_| inside) {
            names.extend(key.split('`').next().map(str::to_owned));
        }
    }
    names
}

/// The keys that `check` knows of a table, as it says of one that it does not know.
fn known(table: &str) -> BTreeSet<String> {
    let folder = Folder::new("keys");
    let rules = folder.write("x.toml", &format!("{table}\nno_such_key = 1\n"));
    let mut check = Setup::new().command(&[
        "check",
        "--format",
        "json",
        "--rules",
        &rules.to_string_lossy(),
    ]);
    check.wait_end(SOON);
    let said: Value = serde_json::from_str(&check.lines().join("\n")).expect("check writes JSON");
    let findings = said["findings"].as_array().into_iter().flatten();
    let is_unknown = |finding: &&Value| {
        let key = finding["key"].as_str();
        key.is_some_and(|key| key.ends_with("no_such_key"))
    };
    let allowed = findings
        .filter(is_unknown)
        .filter_map(|finding| finding["allowed"].as_str());
    // "known are a, b, c": the last word of each part.
    let keys = allowed
        .flat_map(|text| text.split(", "))
        .filter_map(|part| part.split(' ').next_back());
    let keys: BTreeSet<String> = keys.map(str::to_owned).collect();
    assert!(keys.len() > 3, "{table}: {said}");
    keys
}

#[test]
fn the_guide_lists_every_key_of_the_rules_and_no_other() {
    let guide = read(GUIDE).text;
    for (table, written) in [
        ("[stream]", "[stream]"),
        ("[[rule]]", "[[rule]]"),
        ("[[silence]]", "[[silence]]"),
        ("[notify.NAME]", "[notify.x]"),
    ] {
        assert_eq!(listed(&guide, table), known(written), "{table}");
    }
}

#[test]
fn the_guide_lists_every_setting_and_no_other() {
    let guide = read(GUIDE).text;
    let mut help = String::new();
    for command in ["run", "status"] {
        let mut child = Setup::new().command(&[command, "--help"]);
        assert_eq!(child.wait_end(SOON), 0, "{command}");
        help.push_str(&child.lines().join("\n"));
    }
    let table = section(&guide, "Settings").expect("the guide has the settings");
    let table: String = table.lines().filter(|line| line.starts_with('|')).collect();
    assert_eq!(settings(&table), settings(&help));
}

/// The environment variables that a text names.
fn settings(text: &str) -> BTreeSet<String> {
    let words = text.split(|char: char| !(char.is_ascii_alphanumeric() || char == '_'));
    let is_setting = |word: &&str| {
        let upper = |char: char| char.is_ascii_uppercase() || char.is_ascii_digit() || char == '_';
        let named = word.contains('_') || ["ORG", "SUBJECT"].contains(word);
        named && word.chars().all(upper) && !OTHERS.contains(word) && *word != "FLY_APP_NAME"
    };
    words.filter(is_setting).map(str::to_owned).collect()
}

#[test]
fn a_table_that_lacks_a_name_is_seen() {
    let text =
        "`[x]`\n\n| key | y |\n|---|---|\n| `a` | `c` |\n`[z]`\n| `d` | |\n`[x] type`\n| `b` | |\n";
    let expected = ["a", "b"].map(str::to_owned);
    assert_eq!(listed(text, "[x]"), BTreeSet::from(expected));
    let expected = ["LASTBEAT_X", "ORG"].map(str::to_owned);
    assert_eq!(
        settings("--server <URL> [env: ORG, LASTBEAT_X=1] RUST_LOG TLS"),
        BTreeSet::from(expected)
    );
}
