//! `[notify.NAME]`, and the rules that name one.

mod kind;

pub(super) use kind::{ALERTMANAGER, EMAIL, SENTRY, TYPE, WEBHOOK, names};

use super::fault::{Fault, Wrong, quoted};
use super::fields::Fields;
use super::position::Position;
use super::report::Report;
use super::value::{self, MAX_NOTIFIER};
use super::variables::Lookup;
use crate::core::rule::{NotifierRule, Severity};
use crate::decode::nearest;
use kind::{OF_SETTINGS, SENTRY_DSN, is_set};
use std::collections::BTreeMap;
use toml::de::{DeTable, DeValue};

/// Notifiers of one set: each has a task, a queue and series of its own.
const MAX_NOTIFIERS: usize = 50;
/// The end of a name that lastbeat makes itself: the notifier that resolves Sentry's issues.
const RESOLVER: &str = "-resolve";

/// The notifiers as read so far.
#[derive(Default)]
pub(super) struct Notifiers {
    list: Vec<NotifierRule>,
    /// The position of each name, those at fault included.
    names: BTreeMap<String, Position>,
    wanted: Vec<Wanted>,
}

/// The `notify` of a rule.
pub(super) struct Wanted {
    /// Its position.
    pub(super) position: Position,
    /// The rule's name.
    pub(super) rule: Option<String>,
    /// The key, as `notify` or `stream.notify`.
    pub(super) key: String,
    /// The notifiers that it names.
    pub(super) names: Vec<String>,
}

/// The notifiers that a rule names.
pub(super) struct Want<'a> {
    /// The rule's position.
    pub(super) position: &'a Position,
    /// Its name; `None`: the stream's.
    pub(super) rule: Option<&'a str>,
    /// Its severity.
    pub(super) severity: Severity,
    /// The notifiers that it names; `None`: all.
    pub(super) notify: Option<&'a [String]>,
}

impl Notifiers {
    /// Reads every `[notify.NAME]` of a file.
    pub(super) fn read_all(
        &mut self,
        table: &DeTable<'_>,
        report: &mut Report<'_>,
        lookup: Lookup<'_>,
    ) {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in entries {
            let at = key.span().start;
            let name = key.get_ref().as_ref();
            let table = match (value.get_ref(), self.name(name, report, at)) {
                (DeValue::Table(table), Ok(())) => table,
                (_, Err(wrong)) => {
                    report.fault(at, None, Some(&format!("notify.{name}")), wrong);
                    continue;
                }
                _ => {
                    report.fault(at, None, Some(&format!("notify.{name}")), one_table());
                    continue;
                }
            };
            let mut fields = Fields::of_table(table, at, &format!("notify.{name}."), report);
            let severity = fields.take_severities("severity");
            if let Some(kind) = kind::read(name, &mut fields, lookup) {
                self.list.push(NotifierRule {
                    name: name.to_owned(),
                    kind,
                    severity,
                });
            }
        }
    }

    fn name(&mut self, name: &str, report: &Report<'_>, at: usize) -> Result<(), Wrong> {
        if !value::is_word(name, MAX_NOTIFIER) {
            let allowed =
                format!("a name is letters, digits, - and _, of 1 to {MAX_NOTIFIER} characters");
            return Err(Wrong::new(
                format!("invalid name {}", quoted(name)),
                allowed,
            ));
        }
        if name.ends_with(RESOLVER) {
            let what = format!("names that end in {RESOLVER} are reserved");
            let allowed = "choose another name";
            return Err(Wrong::new(what, allowed));
        }
        if let Some(Position { file, line, .. }) = self.names.get(name) {
            let what = format!("duplicate name; the first is in {file}:{line}");
            return Err(Wrong::new(what, "each notifier has a name of its own"));
        }
        if self.names.len() == MAX_NOTIFIERS {
            let what = format!("more than {MAX_NOTIFIERS} notifiers");
            return Err(Wrong::new(what, "use one that forwards notifications"));
        }
        self.names.insert(name.to_owned(), report.position(at));
        Ok(())
    }

    /// Reads the `notify` of a table; that those exist is checked once all files are read.
    pub(super) fn read_wanted(&mut self, fields: &mut Fields<'_, '_, '_>) -> Option<Vec<String>> {
        if !fields.has("notify") {
            return None;
        }
        let names = fields.take_list("notify", value::name_count, value::notifier);
        self.wanted.push(Wanted {
            position: fields.position("notify"),
            rule: fields.rule(),
            key: fields.shown("notify"),
            names: names.clone(),
        });
        Some(names)
    }

    /// A fault for each name that no notifier has.
    pub(super) fn unknown(&self) -> Vec<Fault> {
        let mut known: Vec<&str> = vec![OF_SETTINGS];
        let others = self.names.keys().map(String::as_str);
        known.extend(others.filter(|name| *name != OF_SETTINGS));
        let mut faults = Vec::new();
        for wanted in &self.wanted {
            for name in wanted
                .names
                .iter()
                .filter(|name| !known.contains(&name.as_str()))
            {
                let hint = nearest::hint(name, &known);
                let what = format!("no notifier is named {}{hint}", quoted(name));
                let allowed = format!("known are {}", known.join(", "));
                faults.push(wanted.fault(what, allowed));
            }
        }
        faults
    }

    /// A warning for each rule that notifies Sentry where it is not set.
    pub(super) fn warnings(&self, lookup: Lookup<'_>) -> Vec<Fault> {
        if lookup.is_none_or(|lookup| is_set(lookup, SENTRY_DSN)) {
            return Vec::new();
        }
        let names_it = |wanted: &&Wanted| wanted.names.iter().any(|name| name == OF_SETTINGS);
        let warn = |wanted: &Wanted| {
            let what = format!("{SENTRY_DSN} is not set: \"{OF_SETTINGS}\" sends nothing");
            wanted.fault(what, "set it in the environment of lastbeat".to_owned())
        };
        self.wanted.iter().filter(names_it).map(warn).collect()
    }

    /// A warning for each rule that notifies nobody, since none of its notifiers accepts its severity.
    pub(super) fn refused<'a>(
        &self,
        wants: impl Iterator<Item = Want<'a>>,
        lookup: Lookup<'_>,
    ) -> Vec<Fault> {
        let settings = lookup.is_none_or(|lookup| is_set(lookup, SENTRY_DSN));
        let all: Vec<&str> = self.list.iter().map(|one| one.name.as_str()).collect();
        let accepts = |name: &str, severity: Severity| {
            let rule = self.list.iter().find(|one| one.name == name);
            rule.is_none_or(|one| one.severity.is_empty() || one.severity.contains(&severity))
        };
        let mut faults = Vec::new();
        for want in wants {
            let named: Vec<&str> = match want.notify {
                Some(names) => names.iter().map(String::as_str).collect(),
                None if settings && !all.contains(&OF_SETTINGS) && !all.is_empty() => continue,
                None => all.clone(),
            };
            if named.is_empty() || named.iter().any(|name| accepts(name, want.severity)) {
                continue;
            }
            let what = format!(
                "no notifier of it accepts severity {}: it notifies nobody",
                want.severity.label()
            );
            let allowed = format!("add it to the severity of {}", named.join(" or "));
            let key = if want.rule.is_some() {
                "notify"
            } else {
                "stream.notify"
            };
            faults.push(Fault::new(
                want.position,
                want.rule,
                Some(key),
                Wrong::new(what, allowed),
            ));
        }
        faults
    }

    /// True where a notifier has that name.
    pub(super) fn is_known(&self, name: &str) -> bool {
        name == OF_SETTINGS || self.names.contains_key(name)
    }

    /// The notifiers, by name.
    pub(super) fn into_list(mut self) -> Vec<NotifierRule> {
        self.list.sort_by(|a, b| a.name.cmp(&b.name));
        self.list
    }
}

impl Wanted {
    fn fault(&self, what: String, allowed: String) -> Fault {
        let wrong = Wrong::new(what, allowed);
        Fault::new(&self.position, self.rule.as_deref(), Some(&self.key), wrong)
    }
}

/// The fault of a notifier that is not a table.
pub(super) fn one_table() -> Wrong {
    Wrong::new(
        "a notifier is a table",
        "write [notify.NAME] and its keys below",
    )
}
