//! `[[silence]]`.

use super::fault::{Fault, Wrong, quoted};
use super::fields::Fields;
use super::key::{self, Key, keys};
use super::position::Position;
use super::report::Report;
use super::value;
use crate::core::rule::{Matchers, ScheduledSilence};
use crate::decode::nearest;
use crate::decode::schedule::{self, Schedule, ScheduleFault};
use std::time::Duration;
use toml::de::{DeArray, DeTable};

/// Keys of `[[silence]]`.
pub(super) const KEYS: &[Key] = keys! {
    "app": "globs", "\"*\"", "Apps that are silenced; at least one of app, region, instance, host and rule is required";
    "region": "globs", "\"*\"", "Regions that are silenced";
    "instance": "globs", "\"*\"", "Instances that are silenced";
    "host": "globs", "\"*\"", "Physical hosts that are silenced";
    "rule": "globs", "\"*\"", "Rules that are silenced, by name; \"stream\" is the stream's own";
    "schedule": "cron", "required", "Begin: minute, hour, day of month, month, day of week";
    "timezone": "text", "\"UTC\"", "IANA time zone of the schedule";
    "duration": "duration", "required", "Length of each silence";
    "reason": "text", "required", "Reason, for people";
};
/// Matchers, of which at least one is required.
const MATCHERS: &[&str] = &["app", "region", "instance", "host", "rule"];
/// Silences of one set: each is asked for every alert, and for its windows every hour.
const MAX_SILENCES: usize = 200;
const CRON: &str =
    "a schedule is minute, hour, day of month, month, day of week, like \"0 3 * * 0\"";

/// The silences as read so far.
#[derive(Default)]
pub(super) struct Silences {
    list: Vec<ScheduledSilence>,
    /// The position of the `rule` of each, in the order of `list`.
    positions: Vec<Position>,
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
                "at least one of app, region, instance, host, rule; app = \"*\" is everything",
            );
        }
        let matchers = Matchers {
            app: fields.take_globs("app"),
            region: fields.take_globs("region"),
            instance: fields.take_globs("instance"),
            host: fields.take_globs("host"),
            rule: fields.take_rule_globs("rule"),
            ..Matchers::default()
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
        let position = fields.position("rule");
        if let (true, Some(schedule), Some(duration), Some(reason)) =
            (fields.is_clean(), schedule, duration, reason)
        {
            self.positions.push(position);
            self.list.push(ScheduledSilence {
                matchers,
                schedule,
                timezone,
                duration,
                reason,
            });
        }
    }

    /// A warning for each plain name that no rule has.
    pub(super) fn warnings(&self, rules: &[&str]) -> Vec<Fault> {
        let mut found = Vec::new();
        for (silence, position) in self.list.iter().zip(&self.positions) {
            for name in &silence.matchers.rule.0 {
                if !super::shadow::is_plain(name)
                    || name == "stream"
                    || rules.contains(&name.as_str())
                {
                    continue;
                }
                let what = format!(
                    "no rule is named {}{}",
                    quoted(name),
                    nearest::hint(name, rules)
                );
                let wrong = Wrong::new(what, "the name of a [[rule]], or \"stream\"");
                found.push(Fault::new(position, None, Some("silence.rule"), wrong));
            }
        }
        found
    }

    /// The silences, in order.
    pub(super) fn into_list(self) -> Vec<ScheduledSilence> {
        self.list
    }
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
