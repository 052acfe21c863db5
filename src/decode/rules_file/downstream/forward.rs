//! `[[forward]]`: a downstream that lastbeat itself ships to.

use super::super::fault::{Wrong, quoted};
use super::super::fields::Fields;
use super::super::key::{self, Key, keys};
use super::super::value;
use crate::core::downstream::rule::{DownstreamRule, Find, Forward, Proof};
use crate::core::rule::{Globs, Severity};
use crate::decode::nearest;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Keys of `[[forward]]`.
pub(in super::super) const KEYS: &[Key] = keys! {
    "sink": "text", "required", "NAME of a [sink.NAME]; stands in notifications, labels and silences as a rule's name";
    "app": "globs", "\"*\"", "Apps whose entries are shipped";
    "max_delay": "duration", "\"2m\"", "Longest time from an entry's arrival here to its arrival in the sink";
    "severity": "word", "\"error\"", "critical, error, warning or info";
    "runbook": "URL", "", "Page that says what to do";
    "notify": "list of notifiers", "", "Notifiers; without it every notifier";
    "remind": "duration", "", "Interval of reminders while an incident is open; without it there are none";
    "active": "hours", "\"always\"", "Hours in which it notifies";
    "labels": "table of texts", "", "Labels on every notification";
};

/// Entries are on the disk after a second or two, and shipped after another.
const MAX_DELAY: RangeInclusive<Duration> =
    Duration::from_secs(10)..=Duration::from_secs(24 * 3600);
/// Interval in which its own position is asked.
const EVERY: Duration = Duration::from_secs(5);

/// The sink, the apps, and the longest delay; what is wrong is reported.
pub(super) fn read(fields: &mut Fields<'_, '_, '_>) -> (Option<String>, Globs, Option<Duration>) {
    fields.deny_unknown(&key::names(KEYS));
    if !fields.has("sink") {
        fields.missing("sink", "the NAME of a [sink.NAME]");
    }
    let sink = fields.take("sink", value::name);
    let app = fields.take_globs("app");
    let max_delay = fields.take("max_delay", |v| value::span_within(v, &MAX_DELAY));
    (sink, app, max_delay)
}

/// The downstream that it is, without its routing.
pub(super) fn rule(sink: String, app: Globs, max_delay: Duration) -> DownstreamRule {
    DownstreamRule {
        name: sink.clone(),
        max_delay,
        every: EVERY,
        severity: Severity::default(),
        runbook: None,
        notify: None,
        remind: None,
        active: None,
        labels: BTreeMap::new(),
        restart: None,
        find: Find {
            url: String::new(),
            body: None,
            headers: BTreeMap::new(),
            proof: Proof::Newest {
                pointer: String::new(),
                app: None,
            },
            shape: None,
        },
        shipper: None,
        forward: Some(Forward { sink, app }),
    }
}

/// The fault of a sink that has a forward or a namesake already.
pub(super) fn duplicate(sink: &str) -> Wrong {
    let what = format!(
        "a [[forward]] or [[downstream]] is named {} already",
        quoted(sink)
    );
    Wrong::new(what, "one forward for each sink")
}

/// The fault of a sink that is not there.
pub(super) fn no_sink(name: &str, known: &[&str]) -> Wrong {
    let what = format!(
        "no sink is named {}{}",
        quoted(name),
        nearest::hint(name, known)
    );
    let allowed = match known {
        [] => "write a [sink.NAME]".to_owned(),
        known => format!("known are {}", known.join(", ")),
    };
    Wrong::new(what, allowed)
}

/// The fault of forwards that are not a list.
pub(in super::super) fn many_tables() -> Wrong {
    Wrong::new(
        "forwards are a list of tables",
        "write [[forward]], with two brackets, above each",
    )
}
