//! `[notify.NAME]`, and the rules that name one.

use super::fault::{Fault, quoted};
use super::fields::Fields;
use super::nearest;
use super::report::{Report, Wrong};
use super::value::{self, MAX_NOTIFIER};
use super::variables::{self, Lookup};
use crate::core::rule::{NotifierKind, NotifierRule};
use std::collections::BTreeMap;
use toml::de::{DeTable, DeValue};

/// Keys of `[notify.NAME]`.
pub(super) const KEYS: &[&str] = &["type", "dsn", "url"];
/// The name of the notifier that `SENTRY_DSN` makes.
pub(super) const SENTRY: &str = "sentry";
/// The variable of that notifier's address.
const SENTRY_DSN: &str = "SENTRY_DSN";
/// Notifiers of one set: each has a task, a queue and series of its own.
const MAX_NOTIFIERS: usize = 50;
/// Bytes of an address.
const MAX_ADDRESS: usize = 2_000;

const TYPES: &[(&str, Type)] = &[("sentry", Type::Sentry), ("webhook", Type::Webhook)];

#[derive(Clone, Copy)]
enum Type {
    Sentry,
    Webhook,
}

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
            if let Some(kind) = kind(&mut fields, lookup) {
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
        if name == SENTRY {
            let what = format!("\"{SENTRY}\" is the notifier of {SENTRY_DSN}");
            return Err(Wrong::new(what, "take another name"));
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
        known.extend(self.names.keys().map(String::as_str));
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

fn kind(fields: &mut Fields<'_, '_, '_>, lookup: Lookup<'_>) -> Option<NotifierKind> {
    fields.deny_unknown(KEYS);
    if !fields.has("type") {
        fields.missing("type", "sentry or webhook");
    }
    let kind = match fields.take("type", |v| value::choice(v, TYPES))? {
        Type::Sentry => {
            refuse(fields, "url", "a notifier of type sentry has a dsn");
            let dsn = fields.take("dsn", |v| secret(v, lookup, DSN, is_dsn));
            if !fields.has("dsn") && lookup.is_some_and(|lookup| !is_set(lookup, SENTRY_DSN)) {
                let allowed = format!("give a dsn, or set {SENTRY_DSN}");
                fields.missing("dsn", &allowed);
            }
            NotifierKind::Sentry { dsn }
        }
        Type::Webhook => {
            refuse(fields, "dsn", "a notifier of type webhook has a url");
            if !fields.has("url") {
                fields.missing("url", URL);
            }
            let url = fields.take("url", |v| secret(v, lookup, URL, is_url));
            NotifierKind::Webhook {
                url: url.unwrap_or_default(),
            }
        }
    };
    fields.is_clean().then_some(kind)
}

fn refuse(fields: &mut Fields<'_, '_, '_>, key: &str, why: &str) {
    if fields.has(key) {
        fields.fault(
            key,
            Wrong::new("does not go with this type".to_owned(), why),
        );
    }
}

const DSN: &str = "a DSN is like https://KEY@HOST/PROJECT, or ${VARIABLE}";
const URL: &str = "an address is like https://example.com/hook, or ${VARIABLE}";

/// A text that may hold secrets: what is wrong with it never repeats it.
fn secret(
    value: &DeValue<'_>,
    lookup: Lookup<'_>,
    allowed: &str,
    fits: fn(&str) -> bool,
) -> Result<String, Wrong> {
    let text = value::text(value, allowed)?;
    if text.len() > MAX_ADDRESS {
        let what = format!("longer than {MAX_ADDRESS} bytes");
        return Err(Wrong::new(what, allowed));
    }
    let filled = variables::fill(text, lookup)?;
    let unread = lookup.is_none() && filled.contains("${");
    if unread || (fits(&filled) && filled.len() <= MAX_ADDRESS) {
        return Ok(filled);
    }
    let what = if variables::is_variable(text) {
        format!("what stands in {text} is none")
    } else {
        "this is none".to_owned()
    };
    Err(Wrong::new(what, allowed))
}

fn is_url(text: &str) -> bool {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let authority = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    let has_host = authority.is_some_and(|authority| {
        let host = authority.rsplit('@').next().unwrap_or_default();
        !host.is_empty() && !host.starts_with(':')
    });
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte);
    has_host && text.bytes().all(plain)
}

fn is_dsn(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else {
        return false;
    };
    let Some((key, place)) = rest.split_once('@') else {
        return false;
    };
    let project = place
        .trim_end_matches('/')
        .rsplit_once('/')
        .map(|(_, project)| project);
    is_url(text) && !key.is_empty() && project.is_some_and(|project| !project.is_empty())
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
