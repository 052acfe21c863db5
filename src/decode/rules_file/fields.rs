//! One table of a rule file, read key by key: every key that is wrong or unknown is reported.

use super::fault::{Wrong, quoted};
use super::position::Position;
use super::report::Report;
use super::value;
use crate::core::rule::{Globs, Severity};
use crate::decode::nearest;
use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A table, and the report of what is wrong with it.
pub(super) struct Fields<'d, 'r, 't> {
    table: &'d DeTable<'d>,
    report: &'r mut Report<'t>,
    /// Byte offset of the table's header.
    at: usize,
    /// The name of the rule that the table is.
    rule: Option<String>,
    /// Stands before each key in a fault, as `stream.`.
    prefix: String,
    /// Faults of this table.
    faults: usize,
}

impl<'d, 'r, 't> Fields<'d, 'r, 't> {
    /// A `[[rule]]`, with its name where it has one that is text.
    pub(super) fn of_rule(table: &'d DeTable<'d>, at: usize, report: &'r mut Report<'t>) -> Self {
        let name = table.get("name").and_then(|name| name.get_ref().as_str());
        let rule = name.filter(|name| !name.is_empty()).map(str::to_owned);
        Fields {
            rule,
            ..Self::of_table(table, at, "", report)
        }
    }

    /// Another table: `prefix` stands before its keys in a fault, as `stream.`.
    pub(super) fn of_table(
        table: &'d DeTable<'d>,
        at: usize,
        prefix: &str,
        report: &'r mut Report<'t>,
    ) -> Self {
        Fields {
            table,
            report,
            at,
            rule: None,
            prefix: prefix.to_owned(),
            faults: 0,
        }
    }

    /// Reports every key that is not one of `known`.
    pub(super) fn deny_unknown(&mut self, known: &[&str]) {
        for (key, _) in self.table {
            let name = key.get_ref().as_ref();
            if !known.contains(&name) {
                let what = format!("unknown key{}", nearest::hint(name, known));
                let wrong = Wrong::new(what, format!("known are {}", known.join(", ")));
                self.fault_at(key.span().start, Some(name), wrong);
            }
        }
    }

    /// True where the key is there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// The position of a key's value, or of the table where it has none.
    pub(super) fn position(&self, key: &str) -> Position {
        self.report.position(self.offset(key))
    }

    fn offset(&self, key: &str) -> usize {
        self.table
            .get(key)
            .map_or(self.at, |value| value.span().start)
    }

    /// The key as faults show it, as `stream.notify`.
    pub(super) fn shown(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// The name of the rule that the table is.
    pub(super) fn rule(&self) -> Option<String> {
        self.rule.clone()
    }

    /// The key's value through a check; `None` where it is not there, or wrong and reported.
    pub(super) fn take<T>(
        &mut self,
        key: &str,
        check: impl FnOnce(&DeValue<'_>) -> Result<T, Wrong>,
    ) -> Option<T> {
        let value = self.table.get(key)?;
        match check(value.get_ref()) {
            Ok(value) => Some(value),
            Err(wrong) => {
                self.fault_at(value.span().start, Some(key), wrong);
                None
            }
        }
    }

    /// A glob or a list of them, of names in subjects; each that is wrong is reported at its own position.
    pub(super) fn take_globs(&mut self, key: &str) -> Globs {
        self.take_globs_by(key, value::glob)
    }

    /// As [`Self::take_globs`], by another check of each.
    pub(super) fn take_globs_by(
        &mut self,
        key: &str,
        check: impl Fn(&DeValue<'_>) -> Result<String, Wrong>,
    ) -> Globs {
        let before = self.faults;
        let globs = self.take_list(key, value::glob_count, check);
        if self.faults > before {
            return Globs::default();
        }
        value::glob_list(globs).unwrap_or_else(|(index, wrong)| {
            let at = match self.table.get(key).map(|value| (value, value.get_ref())) {
                Some((_, DeValue::Array(list))) => list.get(index).map(|item| item.span().start),
                Some((value, _)) => Some(value.span().start),
                None => None,
            };
            self.fault_at(at.unwrap_or(self.at), Some(key), wrong);
            Globs::default()
        })
    }

    /// Severities: one or a list; none where the key is not there.
    pub(super) fn take_severities(&mut self, key: &str) -> Vec<Severity> {
        let label = |value: &DeValue<'_>| value::severity(value).map(|one| one.label().to_owned());
        let labels = self.take_list(key, value::severity_count, label);
        let all = Severity::ALL.into_iter();
        all.filter(|one| labels.iter().any(|label| label == one.label()))
            .collect()
    }

    /// A table of at most `most` keys through a check of each; each that is wrong is reported at its own position.
    pub(super) fn take_table<T>(
        &mut self,
        key: &str,
        most: usize,
        check: impl Fn(&str, &DeValue<'_>) -> Result<T, Wrong>,
    ) -> BTreeMap<String, T> {
        let mut taken = BTreeMap::new();
        let Some(value) = self.table.get(key) else {
            return taken;
        };
        let DeValue::Table(table) = value.get_ref() else {
            let allowed = format!("a table like {key} = {{ team = \"core\" }}");
            let wrong = Wrong::new("not a table", allowed);
            self.fault_at(value.span().start, Some(key), wrong);
            return taken;
        };
        if table.len() > most {
            let wrong = Wrong::new(format!("{} {key}", table.len()), format!("at most {most}"));
            self.fault_at(value.span().start, Some(key), wrong);
            return taken;
        }
        for (name, value) in table {
            let name = name.get_ref().as_ref();
            match check(name, value.get_ref()) {
                Ok(one) => {
                    taken.insert(name.to_owned(), one);
                }
                Err(wrong) => {
                    let key = format!("{key}.{name}");
                    self.fault_at(value.span().start, Some(&key), wrong);
                }
            }
        }
        taken
    }

    /// A value or a list of them; each that is wrong or listed twice is reported at its own position.
    pub(super) fn take_list(
        &mut self,
        key: &str,
        count: impl Fn(usize) -> Result<(), Wrong>,
        check: impl Fn(&DeValue<'_>) -> Result<String, Wrong>,
    ) -> Vec<String> {
        let Some(value) = self.table.get(key) else {
            return Vec::new();
        };
        let list: &[Spanned<DeValue<'_>>] = match value.get_ref() {
            DeValue::Array(list) => list,
            _ => std::slice::from_ref(value),
        };
        if let Err(wrong) = count(list.len()) {
            self.fault_at(value.span().start, Some(key), wrong);
            return Vec::new();
        }
        let mut taken: Vec<String> = Vec::with_capacity(list.len());
        for item in list {
            match check(item.get_ref()) {
                Ok(one) if taken.contains(&one) => {
                    let what = format!("{} is listed twice", quoted(&one));
                    let wrong = Wrong::new(what, "once is enough");
                    self.fault_at(item.span().start, Some(key), wrong);
                }
                Ok(one) => taken.push(one),
                Err(wrong) => self.fault_at(item.span().start, Some(key), wrong),
            }
        }
        taken
    }

    /// A fault at a key.
    pub(super) fn fault(&mut self, key: &str, wrong: Wrong) {
        self.fault_at(self.offset(key), Some(key), wrong);
    }

    /// A fault of a key that is not there; not reported where the TOML is broken, as it may be in what
    /// could not be read.
    pub(super) fn missing(&mut self, key: &str, allowed: &str) {
        self.faults += 1;
        if !self.report.is_broken() {
            self.fault_at(self.at, Some(key), Wrong::new("missing", allowed));
        }
    }

    fn fault_at(&mut self, at: usize, key: Option<&str>, wrong: Wrong) {
        self.faults += 1;
        let key = key.map(|key| self.shown(key));
        self.report
            .fault(at, self.rule.as_deref(), key.as_deref(), wrong);
    }

    /// True where nothing was wrong with the table.
    pub(super) fn is_clean(&self) -> bool {
        self.faults == 0
    }
}
