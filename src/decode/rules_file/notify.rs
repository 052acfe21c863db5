//! `[notify.NAME]`, and the rules that name one.

mod kind;

pub(super) use kind::KEYS;

use super::fault::{Fault, quoted};
use super::fields::Fields;
use super::report::{Report, Wrong};
use super::value::{self, MAX_NOTIFIER};
use super::variables::Lookup;
use crate::core::rule::NotifierRule;
use crate::decode::nearest;
use std::collections::BTreeMap;
use toml::de::{DeTable, DeValue};

/// The name of the notifier that `SENTRY_DSN` makes.
pub(super) const SENTRY: &str = "sentry";
/// The variable of that notifier's address.
const SENTRY_DSN: &str = "SENTRY_DSN";
/// Notifiers of one set: each has a task, a queue and series of its own.
const MAX_NOTIFIERS: usize = 50;
/// What ends a name that lastbeat makes itself: that of whoever resolves Sentry's issues.
const RESOLVER: &str = "-resolve";

/// The notifiers as read so far.
#[derive(Default)]
pub(super) struct Notifiers {
    list: Vec<NotifierRule>,
    /// File and line of each name, those at fault included.
    names: BTreeMap<String, (String, usize)>,
    wanted: Vec<Wanted>,
}

/// The `notify` of a rule.
pub(super) struct Wanted {
    /// Where it stands.
    pub(super) file: String,
    /// Line and column.
    pub(super) place: (usize, usize),
    /// The rule's name.
    pub(super) rule: Option<String>,
    /// Whom it names.
    pub(super) names: Vec<String>,
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
            if let Some(kind) = kind::read(name, &mut fields, lookup) {
                self.list.push(NotifierRule {
                    name: name.to_owned(),
                    kind,
                });
            }
        }
    }

    fn name(&mut self, name: &str, report: &Report<'_>, at: usize) -> Result<(), Wrong> {
        if !value::is_word(name, MAX_NOTIFIER) {
            let allowed =
                format!("a name is letters, digits, - and _, of 1 to {MAX_NOTIFIER} characters");
            return Err(Wrong::new(
                format!("{} is no notifier's name", quoted(name)),
                &allowed,
            ));
        }
        if name.ends_with(RESOLVER) {
            let what = format!("names that end in {RESOLVER} are taken");
            let allowed = "they are of those who resolve Sentry's issues; take another name";
            return Err(Wrong::new(what, allowed));
        }
        if let Some((file, line)) = self.names.get(name) {
            let what = format!("the name is taken; the first stands in {file}:{line}");
            return Err(Wrong::new(what, "each notifier has a name of its own"));
        }
        if self.names.len() == MAX_NOTIFIERS {
            let what = format!("more than {MAX_NOTIFIERS} notifiers");
            return Err(Wrong::new(what, "let one of them pass notices on"));
        }
        let (line, _) = report.place(at);
        self.names
            .insert(name.to_owned(), (report.file.clone(), line));
        Ok(())
    }

    /// Keeps the `notify` of a rule, until all files are read.
    pub(super) fn want(&mut self, wanted: Wanted) {
        self.wanted.push(wanted);
    }

    /// A fault for each name that is nobody's.
    pub(super) fn unknown(&self) -> Vec<Fault> {
        let mut known: Vec<&str> = vec![SENTRY];
        let others = self.names.keys().map(String::as_str);
        known.extend(others.filter(|name| *name != SENTRY));
        let mut faults = Vec::new();
        for wanted in &self.wanted {
            for name in wanted
                .names
                .iter()
                .filter(|name| !known.contains(&name.as_str()))
            {
                let hint = nearest::hint(name, &known);
                let what = format!("no notifier is called {}{hint}", quoted(name));
                let allowed = format!("known are {}", known.join(", "));
                faults.push(wanted.fault(what, allowed));
            }
        }
        faults
    }

    /// A warning for each rule that tells Sentry where there is none.
    pub(super) fn warnings(&self, lookup: Lookup<'_>) -> Vec<Fault> {
        if lookup.is_none_or(|lookup| is_set(lookup, SENTRY_DSN)) {
            return Vec::new();
        }
        let names_it = |wanted: &&Wanted| wanted.names.iter().any(|name| name == SENTRY);
        let warn = |wanted: &Wanted| {
            let what = format!("{SENTRY_DSN} is not set: \"{SENTRY}\" tells nobody");
            wanted.fault(what, "set it in the environment of lastbeat".to_owned())
        };
        self.wanted.iter().filter(names_it).map(warn).collect()
    }

    /// The notifiers, by name.
    pub(super) fn into_list(mut self) -> Vec<NotifierRule> {
        self.list.sort_by(|a, b| a.name.cmp(&b.name));
        self.list
    }
}

impl Wanted {
    fn fault(&self, what: String, allowed: String) -> Fault {
        Fault {
            file: self.file.clone(),
            line: self.place.0,
            col: self.place.1,
            rule: self.rule.clone(),
            key: Some("notify".to_owned()),
            what,
            allowed,
        }
    }
}

fn is_set(lookup: &dyn Fn(&str) -> Option<String>, name: &str) -> bool {
    lookup(name).is_some_and(|value| !value.trim().is_empty())
}

/// What is said where a notifier is no table.
pub(super) fn one_table() -> Wrong {
    Wrong::new(
        "a notifier is a table".to_owned(),
        "write [notify.NAME] and its keys below",
    )
}
