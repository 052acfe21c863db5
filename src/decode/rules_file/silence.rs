//! `[[silence]]`.

use super::fault::{Fault, quoted};
use super::fields::Fields;
use super::report::{Report, Wrong};
use super::value;
use crate::core::rule::{Matchers, ScheduledSilence};
use crate::decode::nearest;
use crate::decode::schedule::{self, Schedule, ScheduleFault};
use std::time::Duration;
use toml::de::{DeArray, DeTable};

/// Keys of `[[silence]]`.
pub(super) const KEYS: &[&str] = &[
    "app", "region", "instance", "host", "rule", "schedule", "timezone", "duration", "reason",
];
/// Whom a silence concerns: at least one of them is said.
const MATCHERS: &[&str] = &["app", "region", "instance", "host", "rule"];
/// Silences of one set: each is asked for every alert, and for its windows every hour.
const MAX_SILENCES: usize = 200;
const CRON: &str =
    "a schedule is minute, hour, day of month, month, day of week, like \"0 3 * * 0\"";

/// The silences as read so far.
#[derive(Default)]
pub(super) struct Silences {
    list: Vec<ScheduledSilence>,
    /// File, line and column of the `rule` of each, in the order of `list`.
    places: Vec<(String, usize, usize)>,
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
                let wrong = Wrong::new(what, "let lists of globs cover several apps");
                report.fault(at, None, Some("silence"), wrong);
                return;
            }
            self.read(table, at, report);
        }
    }

    fn read(&mut self, table: &DeTable<'_>, at: usize, report: &mut Report<'_>) {
        let mut fields = Fields::of_table(table, at, "silence.", report);
        fields.deny_unknown(KEYS);
        if !MATCHERS.iter().any(|key| fields.has(key)) {
            fields.missing(
                "app",
                "say whom it concerns by app, region, instance, host or rule; app = \"*\" is everyone",
            );
        }
        let matchers = Matchers {
            app: fields.take_globs("app"),
            region: fields.take_globs("region"),
            instance: fields.take_globs("instance"),
            host: fields.take_globs("host"),
            rule: fields.take_rule_globs("rule"),
        };
        for (key, allowed) in [
            ("schedule", CRON),
            ("duration", "how long it lasts, like \"2h\""),
            ("reason", "why, for those who wonder"),
        ] {
            if !fields.has(key) {
                fields.missing(key, allowed);
            }
        }
        let timezone = fields.take("timezone", |v| {
            value::text(v, "an IANA name like \"Europe/Berlin\"").map(str::to_owned)
        });
        let timezone = timezone.unwrap_or_else(|| "UTC".to_owned());
        let duration = fields.take("duration", value::silence);
        let reason = fields.take("reason", value::reason);
        let text = fields.take("schedule", |v| value::text(v, CRON).map(str::to_owned));
        let schedule = text.and_then(|text| when(&mut fields, text, &timezone, duration));
        let (line, col) = fields.place("rule");
        if let (true, Some(schedule), Some(duration), Some(reason)) =
            (fields.is_clean(), schedule, duration, reason)
        {
            self.places.push((fields.file(), line, col));
            self.list.push(ScheduledSilence {
                matchers,
                schedule,
                timezone,
                duration,
                reason,
            });
        }
    }

    /// A warning for each plain name that is no rule's.
    pub(super) fn warnings(&self, rules: &[&str]) -> Vec<Fault> {
        let mut found = Vec::new();
        for (silence, (file, line, col)) in self.list.iter().zip(&self.places) {
            for name in &silence.matchers.rule.0 {
                if !super::shadow::is_plain(name)
                    || name == "stream"
                    || rules.contains(&name.as_str())
                {
                    continue;
                }
                found.push(Fault {
                    file: file.clone(),
                    line: *line,
                    col: *col,
                    rule: None,
                    key: Some("silence.rule".to_owned()),
                    what: format!(
                        "no rule is called {}{}",
                        quoted(name),
                        nearest::hint(name, rules)
                    ),
                    allowed: "the name of a [[rule]], or \"stream\"".to_owned(),
                });
            }
        }
        found
    }

    /// The silences, in order.
    pub(super) fn into_list(self) -> Vec<ScheduledSilence> {
        self.list
    }
}

/// The schedule's text, where it is one; else tells why not.
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
    match fault {
        ScheduleFault::Zone => {
            let names = schedule::zone_names();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let what = format!(
                "{} {fault}{}",
                quoted(timezone),
                nearest::hint(timezone, &names)
            );
            fields.fault(
                "timezone",
                Wrong::new(what, "an IANA name like \"Europe/Berlin\""),
            );
        }
        ScheduleFault::TooOften => {
            let what = format!("{} {fault}", quoted(&text));
            fields.fault(
                "schedule",
                Wrong::new(
                    what,
                    "a * for the minute means every minute; 0 is on the hour",
                ),
            );
        }
        ScheduleFault::Cron(_) => {
            let what = format!("{}: {fault}", quoted(&text));
            fields.fault("schedule", Wrong::new(what, CRON));
        }
        ScheduleFault::Never => {
            let what = format!("{} {fault}", quoted(&text));
            fields.fault("schedule", Wrong::new(what, CRON));
        }
    }
    None
}

/// What is said where silences are no list.
pub(super) fn many_tables() -> Wrong {
    Wrong::new(
        "silences are a list of tables".to_owned(),
        "write [[silence]], with two brackets, above each",
    )
}
