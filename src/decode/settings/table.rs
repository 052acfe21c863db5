//! The declarations as text: the table of the guide, the help of settings without a flag, and undeclared names.

use super::declared::{ALL, URL};
use super::setting::{About, Default, SettingFault};
use crate::decode::nearest;

/// The beginning of every variable that is lastbeat's alone.
const PREFIX: &str = "LASTBEAT_";

/// Variables of fly-log-shipper that lastbeat has no use for, and the reason: people bring the shipper's environment along.
const OF_SHIPPER: [(&str, &str); 2] = [
    (
        "QUEUE",
        "a variable of fly-log-shipper, which has no effect: lastbeat joins no queue, so it takes no entries from shippers \
         that share one",
    ),
    (
        "NETWORK",
        "a variable of fly-log-shipper, which has no effect: through WireGuard, give the address of the server itself as NATS_URL",
    ),
];

/// Every setting as a Markdown table.
pub fn markdown() -> String {
    let rows = ALL.iter().map(|about| row(about));
    let head = "| variable | flag | default | meaning |\n| --- | --- | --- | --- |\n";
    rows.fold(head.to_owned(), |table, row| table + &row)
}

fn row(about: &About) -> String {
    let variables = about.variables.join("`, `");
    let flag = match about.flag.trim_end_matches("...") {
        "" => String::new(),
        flag => format!("`{flag}`"),
    };
    let default = match about.default {
        Default::Text(text) => format!("`{text}`"),
        Default::Nothing | Default::Depends(_) => about.default().to_owned(),
    };
    format!("| `{variables}` | {flag} | {default} | {} |\n", about.help)
}

/// The settings of `run` without a flag, for its help.
pub fn environment_help() -> String {
    let of_run = |about: &&&About| about.flag.is_empty() && about.name() != URL.about.name();
    let without = ALL.iter().filter(of_run);
    let lines = without.map(|about| about.variable_help());
    lines.collect::<Vec<_>>().join("\n")
}

/// A warning for each variable that begins with `LASTBEAT_` and is no setting, and for those of a log shipper.
pub fn unknown(names: impl Iterator<Item = String>) -> Vec<SettingFault> {
    let known: Vec<&str> = ALL
        .iter()
        .flat_map(|about| about.variables.iter().copied())
        .filter(|name| name.starts_with(PREFIX))
        .collect();
    let is_unknown = |name: &String| name.starts_with(PREFIX) && !known.contains(&name.as_str());
    // What all begin with makes none of them nearer.
    let ends: Vec<&str> = known.iter().map(|name| &name[PREFIX.len()..]).collect();
    let warn = |setting: String| {
        let near = nearest::nearest(&setting[PREFIX.len()..], &ends);
        let near = near.map_or(String::new(), |end| format!(", nearest is {PREFIX}{end}"));
        let what = format!("unknown setting{near}; it has no effect");
        SettingFault { setting, what }
    };
    let of_shipper = |name: &str| {
        OF_SHIPPER
            .iter()
            .find(|(of_shipper, _)| *of_shipper == name)
    };
    let warn = |setting: String| match of_shipper(&setting) {
        Some((_, what)) => SettingFault {
            what: (*what).to_owned(),
            setting,
        },
        None => warn(setting),
    };
    let names = names.filter(|name| is_unknown(name) || of_shipper(name).is_some());
    let mut warnings: Vec<_> = names.map(warn).collect();
    warnings.sort_by(|a, b| a.setting.cmp(&b.setting));
    warnings
}
