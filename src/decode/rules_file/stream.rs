//! `[stream]`.

use super::fault::Wrong;
use super::fields::Fields;
use super::key::{self, Key, keys};
use super::position::Position;
use super::report::Report;
use super::value::{self, SEVERITIES, STREAM_WORDS};
use crate::core::rule::StreamRule;
use toml::de::DeTable;

/// Keys of `[stream]`.
pub(super) const KEYS: &[Key] = keys! {
    "max_gap": "duration or auto", "\"auto\"", "Longest silence of the whole stream; auto is 1m, or 3 x the longest that is usual";
    "max_lag": "duration", "\"2m\"", "Longest time by which entries may arrive behind their own time";
    "severity": "word", "\"critical\"", "critical, error, warning or info";
    "summary": "text", "", "Sentence of the notification; {since}, {rule} and {scope} are filled in";
    "runbook": "URL", "", "Page that says what to do";
};

/// The stream's rule as read so far.
#[derive(Default)]
pub(super) struct Stream {
    rule: StreamRule,
    /// The first `[stream]`.
    first: Option<Position>,
}

impl Stream {
    /// Reads a `[stream]`; a second one in another file is a fault.
    pub(super) fn read(&mut self, table: &DeTable<'_>, at: usize, report: &mut Report<'_>) {
        if let Some(Position { file, line, .. }) = &self.first {
            let what = format!("a second [stream]; the first is in {file}:{line}");
            let wrong = Wrong::new(what, "at most one in all files");
            report.fault(at, None, Some("stream"), wrong);
        }
        self.first.get_or_insert(report.position(at));
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
    }

    /// The rule in force.
    pub(super) fn into_rule(self) -> StreamRule {
        self.rule
    }
}

/// The fault of a stream that is not one table.
pub(super) fn one_table() -> Wrong {
    Wrong::new(
        "the stream is one table",
        "write [stream] and its keys below",
    )
}
