//! `[defaults]`: values of keys that a rule leaves out, for the rules of all files.

use super::fault::Wrong;
use super::fields::Fields;
use super::key::{self, Key, keys};
use super::position::Position;
use super::report::Report;
use super::value;
use crate::core::rule::{FalseAlarms, Rule};
use toml::de::DeTable;

/// Keys of `[defaults]`.
pub(super) const KEYS: &[Key] = keys! {
    "false_alarms": "count per duration", "\"1 per 30d\"", "Most false alarms of each rule that does not say";
};

/// The defaults as read so far.
#[derive(Default)]
pub(super) struct Defaults {
    values: Values,
    /// The first `[defaults]`.
    first: Option<Position>,
}

/// Values of the keys that a rule has of its own, or that `[defaults]` has; `None` where a key is not there.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Values {
    /// `false_alarms`.
    false_alarms: Option<FalseAlarms>,
}

impl Values {
    /// Reads the keys that a rule and `[defaults]` share.
    pub(super) fn read(fields: &mut Fields<'_, '_, '_>) -> Self {
        Values {
            false_alarms: fields.take("false_alarms", value::false_alarms),
        }
    }
}

impl Defaults {
    /// Reads a `[defaults]`; a second one in another file is a fault.
    pub(super) fn read(&mut self, table: &DeTable<'_>, at: usize, report: &mut Report<'_>) {
        if let Some(Position { file, line, .. }) = &self.first {
            let what = format!("a second [defaults]; the first is in {file}:{line}");
            let wrong = Wrong::new(what, "at most one in all files");
            report.fault(at, None, Some("defaults"), wrong);
        }
        self.first.get_or_insert(report.position(at));
        let mut fields = Fields::of_table(table, at, "defaults.", report);
        fields.deny_unknown(&key::names(KEYS));
        self.values = Values::read(&mut fields);
    }

    /// Fills in what a rule leaves out: `own` holds the values that it has itself.
    pub(super) fn fill(&self, rule: &mut Rule, own: &Values) {
        let Values { false_alarms } = &self.values;
        rule.false_alarms = own.false_alarms.or(*false_alarms).unwrap_or_default();
    }
}

/// The fault of defaults that are not one table.
pub(super) fn one_table() -> Wrong {
    Wrong::new(
        "the defaults are one table",
        "write [defaults] and its keys below",
    )
}
