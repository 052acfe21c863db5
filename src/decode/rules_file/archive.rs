//! `[archive]`.

use super::fault::{Wrong, quoted};
use super::fields::Fields;
use super::key::{self, Key, keys};
use super::one_table::OneTable;
use super::report::Report;
use super::value;
use crate::core::rule::{ArchiveRule, DropRule, Globs, Keep};
use crate::decode::redact;
use std::ops::RangeInclusive;
use std::time::Duration;
use toml::de::{DeTable, DeValue};

/// Keys of `[archive]`.
pub(super) const KEYS: &[Key] = keys! {
    "keep": "word", "\"all\"", "all, or beats: heartbeats and lifecycle lines alone, which is all that a replay needs";
    "max_size": "size", "", "Most bytes of all segments, the oldest of which are deleted first; without it half of the volume, at most 4GB";
    "max_age": "duration", "\"8d\"", "Segments older than this are deleted";
    "min_free": "percentage", "\"15%\"", "Share of the volume that stays free: the archive gives way first";
    "drop": "list of tables", "", "Entries that are not archived: { app = \"GLOB\", contains = \"TEXT\" }, either or both";
    "redact": "list of texts", "", "Regular expressions; what they match is replaced by *** before it is kept or shown";
};

/// Longer ones are a typing error.
const MAX_AGE: RangeInclusive<Duration> =
    Duration::from_secs(3600)..=Duration::from_secs(366 * 24 * 3600);
/// Bytes that hold a segment or two; below them nothing useful is kept.
const LEAST_SIZE: u64 = 16_000_000;
/// Entries of `drop` and of `redact`: each is one more search for each entry.
const MAX_LIST: usize = 32;
/// Characters of a text in `drop` and of an expression in `redact`.
const MAX_TEXT: usize = 200;

const SIZE: &str = "a size like \"500MB\" or \"4GB\", of 16MB or more";
const FREE: &str = "a percentage like \"15%\", from 0% to 90%";

/// The table as read so far.
#[derive(Default)]
pub(super) struct Archive {
    rule: ArchiveRule,
    table: OneTable,
}

impl Archive {
    /// Reads an `[archive]`; a second one in another file is a fault.
    pub(super) fn read(&mut self, table: &DeTable<'_>, at: usize, report: &mut Report<'_>) {
        self.table.found("archive", at, report);
        let drop = drops(table, report);
        let mut fields = Fields::of_table(table, at, "archive.", report);
        fields.deny_unknown(&key::names(KEYS));
        let rule = &mut self.rule;
        let words = [
            (Keep::All.label(), Keep::All),
            (Keep::Beats.label(), Keep::Beats),
        ];
        rule.keep = fields
            .take("keep", |v| value::choice(v, &words))
            .unwrap_or(rule.keep);
        rule.max_size = fields.take("max_size", size);
        rule.max_age = fields
            .take("max_age", |v| value::span_within(v, &MAX_AGE))
            .unwrap_or(rule.max_age);
        rule.min_free = fields.take("min_free", percentage).unwrap_or(rule.min_free);
        rule.redact = fields.take_list("redact", count, expression);
        rule.drop = drop;
    }

    /// The rule in force.
    pub(super) fn into_rule(self) -> ArchiveRule {
        self.rule
    }
}

/// The fault of an archive that is not one table.
pub(super) fn one_table() -> Wrong {
    Wrong::new(
        "the archive is one table",
        "write [archive] and its keys below",
    )
}

fn count(count: usize) -> Result<(), Wrong> {
    match count {
        0..=MAX_LIST => Ok(()),
        _ => Err(Wrong::new(
            format!("{count} items"),
            format!("a list may have {MAX_LIST}"),
        )),
    }
}

/// `drop`: a list of tables.
fn drops(table: &DeTable<'_>, report: &mut Report<'_>) -> Vec<DropRule> {
    const ALLOWED: &str = "a list like [{ app = \"web\", contains = \"GET /health\" }]";
    let Some(value) = table.get("drop") else {
        return Vec::new();
    };
    let at = value.span().start;
    let DeValue::Array(list) = value.get_ref() else {
        report.fault(
            at,
            None,
            Some("archive.drop"),
            Wrong::new("not a list", ALLOWED),
        );
        return Vec::new();
    };
    if let Err(wrong) = count(list.len()) {
        report.fault(at, None, Some("archive.drop"), wrong);
        return Vec::new();
    }
    let mut rules = Vec::new();
    for item in list {
        let at = item.span().start;
        let DeValue::Table(table) = item.get_ref() else {
            report.fault(
                at,
                None,
                Some("archive.drop"),
                Wrong::new("not a table", ALLOWED),
            );
            continue;
        };
        let mut fields = Fields::of_table(table, at, "archive.drop.", report);
        fields.deny_unknown(&["app", "contains"]);
        let app = fields.take_globs("app");
        let contains = fields.take("contains", contains).unwrap_or_default();
        if fields.is_clean() && app == Globs::default() && contains.is_empty() {
            fields.missing("app", "app or contains: without them nothing would be kept");
        }
        rules.push(DropRule { app, contains });
    }
    rules
}

fn contains(value: &DeValue<'_>) -> Result<String, Wrong> {
    let allowed = format!("one line of 1 to {MAX_TEXT} characters");
    let text = value::text(value, &allowed)?;
    match text.chars().count() {
        1..=MAX_TEXT if !text.contains('\n') => Ok(text.to_owned()),
        _ => Err(Wrong::new(quoted(text), allowed)),
    }
}

/// A regular expression that matches no empty text.
fn expression(value: &DeValue<'_>) -> Result<String, Wrong> {
    let allowed = format!("a regular expression of 1 to {MAX_TEXT} characters");
    let text = value::text(value, &allowed)?;
    if !(1..=MAX_TEXT).contains(&text.chars().count()) {
        return Err(Wrong::new(quoted(text), allowed));
    }
    let checked = redact::check(text).map(|()| text.to_owned());
    checked.map_err(|what| Wrong::new(what, allowed))
}

fn size(value: &DeValue<'_>) -> Result<u64, Wrong> {
    let text = value::text(value, SIZE)?;
    let bytes =
        bytes(text).ok_or_else(|| Wrong::new(format!("invalid size {}", quoted(text)), SIZE))?;
    if bytes < LEAST_SIZE {
        return Err(Wrong::new(format!("{} is too small", quoted(text)), SIZE));
    }
    Ok(bytes)
}

/// A number of bytes with its unit: `500MB`, `4 GB`, `1GiB`.
pub fn bytes(text: &str) -> Option<u64> {
    let digits = text.find(|char: char| !char.is_ascii_digit())?;
    let number: u64 = text[..digits].parse().ok()?;
    let unit: u64 = match text[digits..].trim_start() {
        "MB" => 1_000_000,
        "MiB" => 1 << 20,
        "GB" => 1_000_000_000,
        "GiB" => 1 << 30,
        "TB" => 1_000_000_000_000,
        "TiB" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(unit)
}

fn percentage(value: &DeValue<'_>) -> Result<u8, Wrong> {
    let text = value::text(value, FREE)?;
    let number = text
        .strip_suffix('%')
        .and_then(|number| number.trim().parse().ok());
    match number {
        Some(percent @ 0..=90) => Ok(percent),
        _ => Err(Wrong::new(
            format!("invalid percentage {}", quoted(text)),
            FREE,
        )),
    }
}
