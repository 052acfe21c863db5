//! `[[rule]]`.

use super::fault::{Fault, quoted};
use super::fields::Fields;
use super::notify::{Notifiers, Wanted};
use super::report::{Report, Wrong};
use super::value::{self, RULE_WORDS};
use super::{MAX_RULES, shadow, targets};
use crate::core::entry::MarkerId;
use crate::core::rule::{
    DEFAULT_MARKER, FORGET_AFTER, GROUP_WAIT, MAX_MARKERS, MaxGap, Rule, RuleSet, Severity,
    StreamRule, Watch,
};
use std::collections::HashMap;
use std::time::Duration;
use toml::de::{DeArray, DeTable, DeValue};

/// Keys of `[[rule]]`.
pub(super) const KEYS: &[&str] = &[
    "name",
    "watch",
    "app",
    "region",
    "host",
    "by",
    "marker",
    "beat",
    "max_gap",
    "expect",
    "at_least",
    "for",
    "recover",
    "severity",
    "summary",
    "runbook",
    "remind",
    "notify",
    "group_wait",
    "forget_after",
    "on_crash",
    "on_silent",
];

/// Words of `on_silent`: whether a machine that is silent alone is restarted.
const ON_SILENT: &[(&str, bool)] = &[("tell", false), ("restart", true)];

/// Words of `severity`, the worst first.
pub(super) const SEVERITIES: &[(&str, Severity)] = &[
    ("critical", Severity::Critical),
    ("error", Severity::Error),
    ("warning", Severity::Warning),
    ("info", Severity::Info),
];

/// Words of `watch`; true: beats.
const WATCHES: &[(&str, bool)] = &[("heartbeat", true), ("logs", false)];

/// The rules as read so far.
pub(super) struct Rules {
    rules: Vec<Rule>,
    /// Where each rule's name stands, in the order of `rules`.
    places: Vec<Place>,
    /// The file and line of each name, those of rules at fault included.
    names: HashMap<String, (String, usize)>,
    markers: Vec<String>,
    /// What is likely not meant, found on the way.
    warnings: Vec<Fault>,
    /// Tables seen, those at fault included.
    seen: usize,
}

/// Where a rule's name stands.
pub(super) struct Place {
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) col: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Rules {
            rules: Vec::new(),
            places: Vec::new(),
            names: HashMap::new(),
            markers: vec![DEFAULT_MARKER.to_owned()],
            warnings: Vec::new(),
            seen: 0,
        }
    }
}

impl Rules {
    /// Reads all rules of a file.
    pub(super) fn read_all(
        &mut self,
        list: &DeArray<'_>,
        notifiers: &mut Notifiers,
        report: &mut Report<'_>,
    ) {
        for item in list {
            let at = item.span().start;
            let Some(table) = item.get_ref().as_table() else {
                report.fault(at, None, Some("rule"), super::many_tables());
                continue;
            };
            self.seen += 1;
            if self.seen > MAX_RULES {
                let wrong = Wrong::new(
                    format!("more than {MAX_RULES} rules"),
                    "let globs cover several apps",
                );
                report.fault(at, None, Some("rule"), wrong);
                return;
            }
            self.read(table, at, notifiers, report);
        }
    }

    fn read(
        &mut self,
        table: &DeTable<'_>,
        at: usize,
        notifiers: &mut Notifiers,
        report: &mut Report<'_>,
    ) {
        let mut fields = Fields::of_rule(table, at, report);
        fields.deny_unknown(KEYS);
        let name = self.name(&mut fields);
        let watch = self.watch(&mut fields);
        let targets = targets::read(&mut fields, watch != Watch::Logs);
        let found = targets::unknown_regions(&fields, &name, &targets);
        if self.warnings.len() < super::MAX_SHOWN {
            self.warnings.extend(found);
        }
        let rule = Rule {
            name,
            watch,
            app: targets.app,
            region: targets.region,
            host: targets.host,
            by: targets.by,
            max_gap: fields
                .take("max_gap", value::max_gap)
                .unwrap_or(MaxGap::Auto),
            hold: fields.take("for", value::hold).unwrap_or(Duration::ZERO),
            recover: fields.take("recover", value::recover).unwrap_or(1),
            severity: fields
                .take("severity", |v| value::choice(v, SEVERITIES))
                .unwrap_or_default(),
            summary: fields.take("summary", |v| value::summary(v, RULE_WORDS)),
            runbook: fields.take("runbook", value::runbook),
            expect: targets.expect,
            at_least: targets.at_least,
            remind: fields.take("remind", value::remind),
            notify: told(&mut fields, notifiers),
            group_wait: fields
                .take("group_wait", value::group_wait)
                .unwrap_or(GROUP_WAIT),
            forget_after: fields
                .take("forget_after", value::forget_after)
                .unwrap_or(FORGET_AFTER),
            on_crash: fields.take("on_crash", flag).unwrap_or_default(),
            restart_silent: fields
                .take("on_silent", |v| value::choice(v, ON_SILENT))
                .unwrap_or_default(),
        };
        if fields.is_clean() {
            let (line, col) = fields.place("name");
            self.places.push(Place {
                file: fields.file(),
                line,
                col,
            });
            self.rules.push(rule);
        }
    }

    fn name(&mut self, fields: &mut Fields<'_, '_, '_>) -> String {
        if !fields.has("name") {
            fields.missing("name", "each [[rule]] has a name of its own");
        }
        let Some(name) = fields.take("name", value::name) else {
            return String::new();
        };
        match self.names.get(&name) {
            Some((file, line)) => {
                let what = format!(
                    "the name is taken; {} stands in {file}:{line}",
                    quoted(&name)
                );
                fields.fault("name", Wrong::new(what, "each rule has a name of its own"));
            }
            None => {
                let (line, _) = fields.place("name");
                self.names.insert(name.clone(), (fields.file(), line));
            }
        }
        name
    }

    fn watch(&mut self, fields: &mut Fields<'_, '_, '_>) -> Watch {
        let is_beat = fields
            .take("watch", |v| value::choice(v, WATCHES))
            .unwrap_or(true);
        let marker = fields.take("marker", |v| self.marker(value::marker(v)?));
        let beat = fields.take("beat", value::beat);
        if is_beat {
            return Watch::Heartbeat {
                marker: marker.unwrap_or(MarkerId(0)),
                beat,
            };
        }
        for key in ["marker", "beat"] {
            if fields.has(key) {
                let what = format!("watch = \"logs\" takes any entry, with or without a {key}");
                fields.fault(
                    key,
                    Wrong::new(what, "leave it out, or watch = \"heartbeat\""),
                );
            }
        }
        Watch::Logs
    }

    /// The number of a marker; a new one gets the next.
    fn marker(&mut self, marker: &str) -> Result<MarkerId, Wrong> {
        let known = self.markers.iter().position(|known| known == marker);
        let index = known.unwrap_or(self.markers.len());
        if index == MAX_MARKERS {
            let what = format!("{} is one marker too many", quoted(marker));
            return Err(Wrong::new(
                what,
                &format!("a set of rules has {MAX_MARKERS}, {DEFAULT_MARKER} among them"),
            ));
        }
        if known.is_none() {
            self.markers.push(marker.to_owned());
        }
        // Below MAX_MARKERS, which is far below what it holds.
        Ok(MarkerId(index as u16))
    }

    /// Whether there is no rule at all.
    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// What is likely not meant: rules that never match, and what was found on the way.
    pub(super) fn warnings(&mut self) -> Vec<Fault> {
        let mut found = std::mem::take(&mut self.warnings);
        found.extend(shadow::find(&self.rules, &self.places));
        found
    }

    /// The names of the rules.
    pub(super) fn names(&self) -> Vec<&str> {
        self.rules.iter().map(|rule| rule.name.as_str()).collect()
    }

    /// The checked set, of rules alone.
    pub(super) fn into_set(self, stream: StreamRule) -> RuleSet {
        RuleSet {
            stream,
            rules: self.rules,
            markers: self.markers,
            ..RuleSet::default()
        }
    }
}

/// Whom a rule tells; whether they are there is seen once all files are read.
fn told(fields: &mut Fields<'_, '_, '_>, notifiers: &mut Notifiers) -> Option<Vec<String>> {
    if !fields.has("notify") {
        return None;
    }
    let names = fields.take_list("notify", value::name_count, value::notifier);
    notifiers.want(Wanted {
        file: fields.file(),
        place: fields.place("notify"),
        rule: fields.rule(),
        names: names.clone(),
    });
    Some(names)
}

fn flag(value: &DeValue<'_>) -> Result<bool, Wrong> {
    match value {
        DeValue::Boolean(flag) => Ok(*flag),
        _ => Err(Wrong::new("that is no flag".to_owned(), "true or false")),
    }
}
