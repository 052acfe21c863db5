//! `[defaults]`: values of keys that a rule leaves out, for the rules of all files.

use super::Position;
use super::fault::Wrong;
use super::fields::Fields;
use super::key::{self, Key, keys};
use super::notify::{Notifiers, Want};
use super::one_table::OneTable;
use super::report::Report;
use super::{counts, labels, value};
use crate::core::downstream::rule::DownstreamRule;
use crate::core::rule::{FalseAlarms, Rule, Severity};
use std::collections::BTreeMap;
use std::time::Duration;
use toml::de::DeTable;

/// Keys of `[defaults]`.
pub(super) const KEYS: &[Key] = keys! {
    "severity": "word", "\"error\"", "Severity of each rule that has none of its own";
    "labels": "table of texts", "", "Labels of [stream] and of every rule; a rule adds its own, and replaces those of the same name";
    "notify": "list of notifiers", "", "Notifiers of each rule that names none; without it every notifier";
    "remind": "duration", "", "Interval of reminders of each rule that has none of its own";
    "active": "hours", "\"always\"", "Hours of each rule that has none of its own";
    "runbook": "URL", "", "Page of each rule that has none of its own";
    "false_alarms": "count per duration", "\"1 per 30d\"", "Most false alarms of each rule that does not say";
};

/// The defaults as read so far.
#[derive(Default)]
pub(super) struct Defaults {
    values: Values,
    table: OneTable,
}

/// Values of the keys that a rule has of its own, or that `[defaults]` has; `None` where a key is not there.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Values {
    severity: Option<Severity>,
    labels: Option<BTreeMap<String, String>>,
    notify: Option<Vec<String>>,
    remind: Option<Duration>,
    /// `Some(None)`: always, which a rule may say where the defaults do not.
    active: Option<Option<String>>,
    runbook: Option<String>,
    false_alarms: Option<FalseAlarms>,
}

impl Values {
    /// Reads the keys that a rule and `[defaults]` share.
    pub(super) fn read(fields: &mut Fields<'_, '_, '_>, notifiers: &mut Notifiers) -> Self {
        Values {
            severity: fields.take("severity", value::severity),
            labels: labels::read(fields),
            notify: notifiers.read_wanted(fields),
            remind: fields.take("remind", |v| value::span_within(v, &value::REMIND)),
            active: fields.take("active", value::active),
            runbook: fields.take("runbook", value::runbook),
            false_alarms: fields.take("false_alarms", counts::false_alarms),
        }
    }

    /// The names of its labels.
    pub(super) fn label_names(&self) -> impl Iterator<Item = &str> {
        self.labels.iter().flatten().map(|(name, _)| name.as_str())
    }
}

impl Defaults {
    /// Reads a `[defaults]`; a second one in another file is a fault.
    pub(super) fn read(
        &mut self,
        table: &DeTable<'_>,
        at: usize,
        notifiers: &mut Notifiers,
        report: &mut Report<'_>,
    ) {
        self.table.found("defaults", at, report);
        let mut fields = Fields::of_table(table, at, "defaults.", report);
        fields.deny_unknown(&key::names(KEYS));
        self.values = Values::read(&mut fields, notifiers);
    }

    /// The values in force for a rule that has `own` itself.
    fn merged(&self, own: &Values) -> Values {
        let (own, all) = (own.clone(), self.values.clone());
        let mut labels = own.labels.unwrap_or_default();
        self.label(&mut labels);
        Values {
            severity: own.severity.or(all.severity),
            labels: Some(labels),
            notify: own.notify.or(all.notify),
            remind: own.remind.or(all.remind),
            active: own.active.or(all.active),
            runbook: own.runbook.or(all.runbook),
            false_alarms: own.false_alarms.or(all.false_alarms),
        }
    }

    /// Fills in what a rule leaves out: `own` holds the values that it has itself.
    pub(super) fn fill(&self, rule: &mut Rule, own: &Values) {
        let values = self.merged(own);
        rule.severity = values.severity.unwrap_or_default();
        rule.notify = values.notify;
        rule.remind = values.remind;
        rule.active = values.active.unwrap_or_default();
        rule.runbook = values.runbook;
        rule.false_alarms = values.false_alarms.unwrap_or_default();
        rule.labels = values.labels.unwrap_or_default();
    }

    /// As [`Self::fill`], of a downstream.
    pub(super) fn fill_downstream(&self, rule: &mut DownstreamRule, own: &Values) {
        let values = self.merged(own);
        rule.severity = values.severity.unwrap_or_default();
        rule.notify = values.notify;
        rule.remind = values.remind;
        rule.active = values.active.unwrap_or_default();
        rule.runbook = values.runbook;
        rule.labels = values.labels.unwrap_or_default();
    }

    /// The severity and the notifiers of a rule by its name, the values that it has itself, and its position.
    pub(super) fn want<'a>(
        &'a self,
        name: &'a str,
        own: &'a Values,
        position: &'a Position,
    ) -> Want<'a> {
        let (severity, notify) = self.route(own);
        Want {
            position,
            rule: Some(name),
            severity,
            notify,
        }
    }

    /// The severity and the notifiers of a rule that has these values itself.
    pub(super) fn route<'a>(&'a self, own: &'a Values) -> (Severity, Option<&'a [String]>) {
        let severity = own.severity.or(self.values.severity).unwrap_or_default();
        let notify = own.notify.as_deref().or(self.values.notify.as_deref());
        (severity, notify)
    }

    /// The names of the labels that hold for everything.
    pub(super) fn label_names(&self) -> impl Iterator<Item = &str> {
        self.values.label_names()
    }

    /// Adds the labels that hold for everything.
    pub(super) fn label(&self, labels: &mut BTreeMap<String, String>) {
        for (name, value) in self.values.labels.iter().flatten() {
            labels.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
}

/// The fault of defaults that are not one table.
pub(super) fn one_table() -> Wrong {
    Wrong::new(
        "the defaults are one table",
        "write [defaults] and its keys below",
    )
}
