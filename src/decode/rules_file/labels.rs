//! `labels = { team = "core" }`: of rules, and those that silences match.

use super::fault::{Wrong, quoted};
use super::fields::Fields;
use super::value;
use crate::core::rule::Globs;
use crate::decode::nearest;
use std::collections::BTreeMap;
use toml::de::DeValue;

/// Labels of one table: each stands on every notification.
pub(in crate::decode) const MAX_LABELS: usize = 16;
/// Characters of a label's name: Sentry's tags have 32 at most.
const MAX_NAME: usize = 32;
/// Characters of a label's value: Sentry's tags have 200 at most.
const MAX_VALUE: usize = 200;
/// Labels and tags that lastbeat sets itself.
const OWN: &[&str] = &[
    "alertname",
    "beat",
    "environment",
    "incident",
    "level",
    "reason",
    "release",
    "rule",
    "scope",
    "server_name",
    "severity",
    "state",
    "target_app",
    "target_host",
    "target_instance",
    "target_region",
];
const A_NAME: &str = "a label's name is letters, digits and _, of 1 to 32 characters, and does not \
    begin with a digit or __";
const A_VALUE: &str = "a label's value is one line of 1 to 200 characters";

/// The labels of a rule.
pub(super) fn read(fields: &mut Fields<'_, '_, '_>) -> Option<BTreeMap<String, String>> {
    let read = |name: &str, value: &DeValue<'_>| {
        if let Some(what) = fault(name) {
            return Err(Wrong::new(what, A_NAME));
        }
        value::line(value, MAX_VALUE, A_VALUE).map(str::to_owned)
    };
    fields
        .has("labels")
        .then(|| fields.take_table("labels", MAX_LABELS, read))
}

/// The globs of labels that a silence matches; a label that is not there is the empty text, which `""` alone matches.
pub(super) fn globs(fields: &mut Fields<'_, '_, '_>) -> BTreeMap<String, Globs> {
    let read = |name: &str, value: &DeValue<'_>| {
        if let Some(what) = fault(name) {
            return Err(Wrong::new(what, A_NAME));
        }
        let list = match value {
            DeValue::Array(list) => list.iter().map(|one| one.get_ref()).collect(),
            one => vec![one],
        };
        value::glob_count(list.len())?;
        let globs = list.into_iter().map(value::any_glob);
        let globs = globs.collect::<Result<Vec<String>, Wrong>>()?;
        value::glob_list(globs).map_err(|(_, wrong)| wrong)
    };
    fields.take_table("labels", MAX_LABELS, read)
}

/// The fault of a label's name.
pub(in crate::decode) fn fault(name: &str) -> Option<String> {
    let plain = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let begins = !name.starts_with(|char: char| char.is_ascii_digit()) && !name.starts_with("__");
    if name.is_empty() || !plain || !begins || name.len() > MAX_NAME {
        return Some(format!("invalid name {}", quoted(name)));
    }
    OWN.contains(&name)
        .then(|| format!("{} is set by lastbeat itself", quoted(name)))
}

/// A hint for a label that none of the rules has.
pub(super) fn unknown(name: &str, known: &[&str]) -> Option<String> {
    let is_known = known.contains(&name);
    (!is_known).then(|| {
        format!(
            "no rule has the label {}{}",
            quoted(name),
            nearest::hint(name, known)
        )
    })
}
