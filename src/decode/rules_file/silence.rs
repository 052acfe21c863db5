//! `[[silence]]`.

use super::fault::{Fault, Wrong, quoted};
use super::fields::Fields;
use super::key::{self, Key, keys};
use super::labels;
use super::notify::Notifiers;
use super::position::Position;
use super::report::Report;
use super::value;
use crate::core::rule::{Globs, Matchers, ScheduledSilence};
use crate::decode::nearest;
use crate::decode::schedule::{self, Schedule, ScheduleFault};
use std::time::Duration;
use toml::de::{DeArray, DeTable};

/// Keys of `[[silence]]`.
pub(super) const KEYS: &[Key] = keys! {
    "app": "globs", "\"*\"", "Apps that are silenced; at least one of the keys down to notifier is required";
    "region": "globs", "\"*\"", "Regions that are silenced";
    "instance": "globs", "\"*\"", "Instances that are silenced";
    "host": "globs", "\"*\"", "Physical hosts that are silenced";
    "rule": "globs", "\"*\"", "Rules that are silenced, by name; \"stream\" is the stream's own";
    "severity": "list of words", "", "Severities of the rules that are silenced; without it all";
    "labels": "table of globs", "", "Labels of the rules that are silenced, all of them; a label that a rule has not is the empty text";
    "notifier": "globs", "\"*\"", "Notifiers that are silenced; the others are notified";
    "schedule": "cron", "required", "Begin: minute, hour, day of month, month, day of week";
    "timezone": "text", "\"UTC\"", "IANA time zone of the schedule";
    "duration": "duration", "required", "Length of each silence";
    "reason": "text", "required", "Reason, for people";
};
/// Matchers, of which at least one is required.
const MATCHERS: &[&str] = &[
    "app", "region", "instance", "host", "rule", "severity", "labels", "notifier",
];
/// Silences of one set: each is asked for every alert, and for its windows every hour.
const MAX_SILENCES: usize = 200;
const CRON: &str =
    "a schedule is minute, hour, day of month, month, day of week, like \"0 3 * * 0\"";

/// The silences as read so far.
#[derive(Default)]
pub(super) struct Silences {
    list: Vec<ScheduledSilence>,
    /// The positions of the `rule`, `labels` and `notifier` of each, in the order of `list`.
    positions: Vec<[Position; 3]>,
    seen: usize,
}

impl Silences {
    /// Reads all silences of a file.
    pub(super) fn read_all(&mut self, list: &DeArray<'_>, report: &mut Report<'_>) {
        for item in list {
            let at = item.span().start;
            let Some(table) = item.get_ref().as_table() else {
                report.fault(at, None, Some("silence"), many_tables());
                continue;
            };
            self.seen += 1;
            if self.seen > MAX_SILENCES {
                let what = format!("more than {MAX_SILENCES} silences");
                let wrong = Wrong::new(what, "use lists of globs that cover several apps");
                report.fault(at, None, Some("silence"), wrong);
                return;
            }
            self.read(table, at, report);
        }
    }

    fn read(&mut self, table: &DeTable<'_>, at: usize, report: &mut Report<'_>) {
        let mut fields = Fields::of_table(table, at, "silence.", report);
        fields.deny_unknown(&key::names(KEYS));
        if !MATCHERS.iter().any(|key| fields.has(key)) {
            fields.missing(
                "app",
                "at least one of app, region, instance, host, rule, severity, labels, notifier; app = \"*\" is everything",
            );
        }
        let matchers = Matchers {
            app: fields.take_globs("app"),
            region: fields.take_globs("region"),
            instance: fields.take_globs("instance"),
            host: fields.take_globs_by("host", value::host_glob),
            rule: fields.take_globs_by("rule", value::any_glob),
            severity: fields.take_severities("severity"),
            labels: labels::globs(&mut fields),
            notifier: fields.take_globs_by("notifier", value::any_glob),
        };
        for (key, allowed) in [
            ("schedule", CRON),
            ("duration", "a duration like \"2h\""),
            ("reason", "a text for people"),
        ] {
            if !fields.has(key) {
                fields.missing(key, allowed);
            }
        }
        let timezone = fields.take("timezone", |v| {
            value::text(v, "an IANA name like \"Europe/Berlin\"").map(str::to_owned)
        });
        let timezone = timezone.unwrap_or_else(|| "UTC".to_owned());
        let duration = fields.take("duration", |v| value::span_within(v, &value::SILENCE));
        let reason = fields.take("reason", value::reason);
        let text = fields.take("schedule", |v| value::text(v, CRON).map(str::to_owned));
        let schedule = text.and_then(|text| when(&mut fields, text, &timezone, duration));
        let positions = ["rule", "labels", "notifier"].map(|key| fields.position(key));
        if let (true, Some(schedule), Some(duration), Some(reason)) =
            (fields.is_clean(), schedule, duration, reason)
        {
            self.positions.push(positions);
            self.list.push(ScheduledSilence {
                matchers,
                schedule,
                timezone,
                duration,
                reason,
            });
        }
    }

    /// A warning for each plain name that no rule or notifier has, and for each label that no rule has.
    pub(super) fn warnings(
        &self,
        rules: &[&str],
        labels: &[&str],
        notifiers: &Notifiers,
    ) -> Vec<Fault> {
        let mut found = Vec::new();
        let mut warn = |position: &Position, key: &str, what: String, allowed: &str| {
            found.push(Fault::new(
                position,
                None,
                Some(key),
                Wrong::new(what, allowed),
            ));
        };
        for (silence, [rule, label, notifier]) in self.list.iter().zip(&self.positions) {
            let matchers = &silence.matchers;
            let known = |name: &str| name == "stream" || rules.contains(&name);
            for name in plain(&matchers.rule).filter(|name| !known(name)) {
                let hint = nearest::hint(name, rules);
                let what = format!("no rule is named {}{hint}", quoted(name));
                warn(
                    rule,
                    "silence.rule",
                    what,
                    "the name of a [[rule]], or \"stream\"",
                );
            }
            for what in matchers
                .labels
                .keys()
                .filter_map(|name| labels::unknown(name, labels))
            {
                warn(
                    label,
                    "silence.labels",
                    what,
                    "a label of a [[rule]], [stream] or [defaults]",
                );
            }
            for name in plain(&matchers.notifier).filter(|name| !notifiers.is_known(name)) {
                let what = format!("no notifier is named {}", quoted(name));
                warn(
                    notifier,
                    "silence.notifier",
                    what,
                    "the NAME of a [notify.NAME], or \"sentry\"",
                );
            }
        }
        found
    }

    /// The silences, in order.
    pub(super) fn into_list(self) -> Vec<ScheduledSilence> {
        self.list
    }
}

/// The globs that are names and nothing else, also those that take out.
fn plain(globs: &Globs) -> impl Iterator<Item = &str> {
    let bare = globs
        .0
        .iter()
        .map(|glob| glob.strip_prefix('!').unwrap_or(glob));
    bare.filter(|name| crate::decode::globs::is_plain(name))
}

/// The schedule's text, where it is valid; else reports why not.
fn when(
    fields: &mut Fields<'_, '_, '_>,
    text: String,
    timezone: &str,
    duration: Option<Duration>,
) -> Option<String> {
    let schedule = Schedule::new(&text, timezone);
    let checked = schedule.and_then(|schedule| duration.map_or(Ok(()), |d| schedule.allows(d)));
    let fault = match checked {
        Ok(()) => return Some(text),
        Err(fault) => fault,
    };
    let (key, value, allowed) = match fault {
        ScheduleFault::Zone => ("timezone", timezone, "an IANA name like \"Europe/Berlin\""),
        ScheduleFault::TooOften => (
            "schedule",
            text.as_str(),
            "a * for the minute means every minute; 0 is on the hour",
        ),
        ScheduleFault::Cron(_) | ScheduleFault::Never => ("schedule", text.as_str(), CRON),
    };
    let hint = match fault {
        ScheduleFault::Zone => {
            let names = schedule::zone_names();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            nearest::hint(timezone, &names)
        }
        _ => String::new(),
    };
    let what = format!("{}: {fault}{hint}", quoted(value));
    fields.fault(key, Wrong::new(what, allowed));
    None
}

/// The fault of silences that are not a list.
pub(super) fn many_tables() -> Wrong {
    Wrong::new(
        "silences are a list of tables",
        "write [[silence]], with two brackets, above each",
    )
}
