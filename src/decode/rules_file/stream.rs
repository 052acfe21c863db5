//! `[stream]`.

use super::defaults::Defaults;
use super::fault::Wrong;
use super::fields::Fields;
use super::key::{self, Key, keys};
use super::labels;
use super::notify::{Notifiers, Want};
use super::one_table::OneTable;
use super::report::Report;
use super::value::{self, SEVERITIES, STREAM_WORDS};
use crate::core::rule::StreamRule;
use toml::de::DeTable;

/// Keys of `[stream]`.
pub(super) const KEYS: &[Key] = keys! {
    "max_gap": "duration or auto", "\"auto\"", "Longest silence of the whole stream; auto is 1m, or 3 x the longest that is usual";
    "max_lag": "duration", "\"2m\"", "Longest time by which entries may arrive behind their own time";
    "severity": "word", "\"critical\"", "critical, error, warning or info";
    "summary": "text", "", "Sentence of the notification; {since}, {gap}, {max_gap}, {rule} and {scope} are filled in";
    "runbook": "URL", "", "Page that says what to do";
    "notify": "list of notifiers", "", "Notifiers of the stream; without it every notifier";
    "remind": "duration", "", "Interval of reminders while the incident is open; without it there are none";
    "active": "hours", "\"always\"", "Hours in which it notifies, like \"Mon-Fri 08:00-18:00 Europe/Berlin\"";
    "labels": "table of texts", "", "Labels on every notification";
};

/// The stream's rule as read so far.
#[derive(Default)]
pub(super) struct Stream {
    rule: StreamRule,
    table: OneTable,
}

impl Stream {
    /// Reads a `[stream]`; a second one in another file is a fault.
    pub(super) fn read(
        &mut self,
        table: &DeTable<'_>,
        at: usize,
        notifiers: &mut Notifiers,
        report: &mut Report<'_>,
    ) {
        self.table.found("stream", at, report);
        let mut fields = Fields::of_table(table, at, "stream.", report);
        fields.deny_unknown(&key::names(KEYS));
        let rule = &mut self.rule;
        rule.max_gap = fields
            .take("max_gap", value::max_gap)
            .unwrap_or(rule.max_gap);
        rule.max_lag = fields.take("max_lag", value::span).unwrap_or(rule.max_lag);
        rule.severity = fields
            .take("severity", |v| value::choice(v, SEVERITIES))
            .unwrap_or(rule.severity);
        rule.summary = fields.take("summary", |v| value::summary(v, STREAM_WORDS));
        rule.runbook = fields.take("runbook", value::runbook);
        rule.notify = notifiers.read_wanted(&mut fields);
        rule.remind = fields.take("remind", |v| value::span_within(v, &value::REMIND));
        rule.active = fields.take("active", value::active).flatten();
        rule.labels = labels::read(&mut fields).unwrap_or_default();
    }

    /// Its severity and its notifiers, with its position.
    pub(super) fn want(&self) -> Option<Want<'_>> {
        Some(Want {
            position: self.table.position()?,
            rule: None,
            severity: self.rule.severity,
            notify: self.rule.notify.as_deref(),
        })
    }

    /// The names of its labels.
    pub(super) fn label_names(&self) -> impl Iterator<Item = &str> {
        self.rule.labels.keys().map(String::as_str)
    }

    /// The rule in force.
    pub(super) fn into_rule(self, defaults: &Defaults) -> StreamRule {
        let mut rule = self.rule;
        defaults.label(&mut rule.labels);
        rule
    }
}

/// The fault of a stream that is not one table.
pub(super) fn one_table() -> Wrong {
    Wrong::new(
        "the stream is one table",
        "write [stream] and its keys below",
    )
}
