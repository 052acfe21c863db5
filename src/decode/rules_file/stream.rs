//! `[stream]`.

use super::fields::Fields;
use super::report::{Report, Wrong};
use super::rule::SEVERITIES;
use super::value::{self, STREAM_WORDS};
use crate::core::rule::StreamRule;
use toml::de::DeTable;

/// Keys of `[stream]`.
pub(super) const KEYS: &[&str] = &["max_gap", "max_lag", "severity", "summary", "runbook"];

/// The stream's rule as read so far.
#[derive(Default)]
pub(super) struct Stream {
    rule: StreamRule,
    /// File and line of the first `[stream]`.
    first: Option<(String, usize)>,
}

impl Stream {
    /// Reads a `[stream]`; a second one in another file is a fault, as no one would know which is in force.
    pub(super) fn read(&mut self, table: &DeTable<'_>, at: usize, report: &mut Report<'_>) {
        let here = (report.file.clone(), report.place(at).0);
        if let Some((file, line)) = &self.first {
            let what = format!("a second [stream]; the first stands in {file}:{line}");
            report.fault(
                at,
                None,
                Some("stream"),
                Wrong::new(what, "a set of rules has one"),
            );
        }
        self.first.get_or_insert(here);
        let mut fields = Fields::of_table(table, at, "stream.", report);
        fields.deny_unknown(KEYS);
        let rule = &mut self.rule;
        rule.max_gap = fields.take("max_gap", value::span).unwrap_or(rule.max_gap);
        rule.max_lag = fields.take("max_lag", value::span).unwrap_or(rule.max_lag);
        rule.severity = fields
            .take("severity", |v| value::choice(v, SEVERITIES))
            .unwrap_or(rule.severity);
        rule.summary = fields.take("summary", |v| value::summary(v, STREAM_WORDS));
        rule.runbook = fields.take("runbook", value::runbook);
    }

    /// The rule in force: what was not said is as it ever is.
    pub(super) fn into_rule(self) -> StreamRule {
        self.rule
    }
}
