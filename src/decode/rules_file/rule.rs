//! `[[rule]]`.

use super::defaults::{Defaults, Values};
use super::fault::{Fault, Wrong, quoted};
use super::fields::Fields;
use super::key::{Key, keys};
use super::notify::{Notifiers, Want};
use super::position::Position;
use super::report::{MAX_SHOWN, Report};
use super::value::{self, RULE_WORDS};
use super::{counts, key, shadow, targets};
use crate::core::entry::MarkerId;
use crate::core::rule::{
    By, DEFAULT_MARKER, FORGET_AFTER, FalseAlarms, GROUP_WAIT, MAX_MARKERS, MaxGap, Rule, RuleSet,
    Severity, StreamRule, Watch,
};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;
use toml::de::{DeArray, DeTable};

/// Rules of one set: finding a target's rule walks the list.
pub const MAX_RULES: usize = 10_000;

/// Keys of `[[rule]]`.
pub(super) const KEYS: &[Key] = keys! {
    "name": "text", "required", "Name, unique in the set";
    "watch": "word", "\"heartbeat\"", "Sign of life: heartbeat, or logs for any entry of the app";
    "app": "globs", "\"*\"", "Apps that the rule watches";
    "region": "globs", "\"*\"", "Regions that the rule watches";
    "host": "globs", "\"*\"", "Physical hosts that the rule watches; heartbeats by instance only";
    "by": "word", "\"instance\"", "Target: instance, app-region, app or region";
    "marker": "word", "\"HEARTBEAT\"", "Word that marks an entry as a heartbeat";
    "beat": "text", "", "`name=` of the heartbeat; without it each name is a target of its own";
    "max_gap": "duration or auto", "\"auto\"", "Longest silence of a target, in listened time; auto follows the interval";
    "min_rate": "count per duration", "", "Fewest entries of each instance, as \"10 per 1m\", in listened time; for watch = \"logs\", in place of max_gap";
    "false_alarms": "count per duration", "\"1 per 30d\"", "Most false alarms of the rule by lost heartbeats; auto allows as many as that takes";
    "expect": "list of names", "", "Regions or apps that must be there from the start, by app-region, region or app";
    "at_least": "number", "", "Fewest live instances in each target, by app-region, region or app";
    "for": "duration", "\"0s\"", "Time that an alert stays pending before it fires, in listened time";
    "recover": "number", "1", "Heartbeats in a row that resolve an alert";
    "severity": "word", "\"error\"", "critical, error, warning or info";
    "summary": "text", "", "Sentence of the notification; {app}, {region}, {instance}, {host}, {beat}, {since}, {gap}, {max_gap}, {rule}, {scope} are filled in";
    "runbook": "URL", "", "Page that says what to do";
    "remind": "duration", "", "Interval of reminders while the incident is open; without it there are none";
    "notify": "list of notifiers", "", "Notifiers of the rule; without it every notifier";
    "active": "hours", "\"always\"", "Hours in which it notifies, like \"Mon-Fri 08:00-18:00 Europe/Berlin\"; it is evaluated at all times";
    "labels": "table of texts", "", "Labels on every notification: Alertmanager's labels, Sentry's tags";
    "group_wait": "duration", "\"1s\"", "Time that the first alert of an incident waits for others of the same cause";
    "forget_after": "duration", "\"24h\"", "Time without a sign of life after which a target is forgotten, in listened time";
    "on_crash": "flag", "false", "Fire at once when the platform reports a crash";
    "on_silent": "word", "\"tell\"", "restart: also restart a machine that is silent alone; tell: only notify";
};

/// Words of `on_silent`; true: a machine that is silent alone is restarted.
const ON_SILENT: &[(&str, bool)] = &[("tell", false), ("restart", true)];

/// Words of `watch`; true: beats.
const WATCHES: &[(&str, bool)] = &[("heartbeat", true), ("logs", false)];

/// The rules as read so far.
pub(super) struct Rules {
    rules: Vec<Rule>,
    /// The values that each has itself of the keys of `[defaults]`, in the order of `rules`.
    own: Vec<Values>,
    /// The position of each rule's name, in the order of `rules`.
    positions: Vec<Position>,
    /// The position of each name, those of rules at fault included.
    names: HashMap<String, Position>,
    markers: Vec<String>,
    /// Warnings found on the way.
    warnings: Vec<Fault>,
    /// Tables seen, those at fault included.
    seen: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Rules {
            rules: Vec::new(),
            own: Vec::new(),
            positions: Vec::new(),
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
                report.fault(at, None, Some("rule"), many_tables());
                continue;
            };
            self.seen += 1;
            if self.seen > MAX_RULES {
                let wrong = Wrong::new(
                    format!("more than {MAX_RULES} rules"),
                    "use globs that cover several apps",
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
        fields.deny_unknown(&key::names(KEYS));
        let name = self.name(&mut fields);
        let watch = self.watch(&mut fields);
        let targets = targets::read(&mut fields, watch != Watch::Logs);
        let found = targets::unknown_regions(&fields, &name, &targets);
        if self.warnings.len() < MAX_SHOWN {
            self.warnings.extend(found);
        }
        let (max_gap, min_rate) = limits(&mut fields, &watch, targets.by);
        let own = Values::read(&mut fields, notifiers);
        let rule = Rule {
            name,
            watch,
            app: targets.app,
            region: targets.region,
            host: targets.host,
            by: targets.by,
            max_gap,
            min_rate,
            hold: fields.take("for", value::hold).unwrap_or(Duration::ZERO),
            recover: fields
                .take("recover", |v| value::whole(v, value::RECOVER))
                .unwrap_or(1),
            summary: fields.take("summary", |v| value::summary(v, RULE_WORDS)),
            // These are filled in when all files are read.
            severity: Severity::default(),
            runbook: None,
            false_alarms: FalseAlarms::default(),
            remind: None,
            notify: None,
            active: None,
            labels: BTreeMap::new(),
            expect: targets.expect,
            at_least: targets.at_least,
            group_wait: fields
                .take("group_wait", |v| value::span_within(v, &value::GROUP_WAITS))
                .unwrap_or(GROUP_WAIT),
            forget_after: fields
                .take("forget_after", |v| value::span_within(v, &value::FORGET))
                .unwrap_or(FORGET_AFTER),
            on_crash: fields.take("on_crash", value::flag).unwrap_or_default(),
            restart_silent: fields
                .take("on_silent", |v| value::choice(v, ON_SILENT))
                .unwrap_or_default(),
        };
        if fields.is_clean() {
            self.positions.push(fields.position("name"));
            self.rules.push(rule);
            self.own.push(own);
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
            Some(Position { file, line, .. }) => {
                let what = format!("duplicate name; {} is in {file}:{line}", quoted(&name));
                fields.fault("name", Wrong::new(what, "each rule has a name of its own"));
            }
            None => {
                self.names.insert(name.clone(), fields.position("name"));
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
                let what = format!("watch = \"logs\" accepts any entry, with or without a {key}");
                fields.fault(
                    key,
                    Wrong::new(what, "remove it, or set watch = \"heartbeat\""),
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
            let what = format!("too many markers with {}", quoted(marker));
            return Err(Wrong::new(
                what,
                format!("at most {MAX_MARKERS} in all files, {DEFAULT_MARKER} among them"),
            ));
        }
        if known.is_none() {
            self.markers.push(marker.to_owned());
        }
        // Below MAX_MARKERS, which is far below what it holds.
        Ok(MarkerId(index as u16))
    }

    /// True where there is no rule at all.
    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The severity and the notifiers of each rule as it is in force, with its position.
    pub(super) fn wants<'a>(&'a self, defaults: &'a Defaults) -> impl Iterator<Item = Want<'a>> {
        let rules = self.rules.iter().zip(&self.own).zip(&self.positions);
        rules.map(|((rule, own), position)| defaults.want(&rule.name, own, position))
    }

    /// Warnings: rules that never match, and those found on the way.
    pub(super) fn warnings(&mut self) -> Vec<Fault> {
        let mut found = std::mem::take(&mut self.warnings);
        found.extend(shadow::find(&self.rules, &self.positions));
        found
    }

    /// The names of the rules.
    pub(super) fn names(&self) -> Vec<&str> {
        self.rules.iter().map(|rule| rule.name.as_str()).collect()
    }

    /// The labels that rules have.
    pub(super) fn labels(&self) -> Vec<&str> {
        self.own.iter().flat_map(Values::label_names).collect()
    }

    /// The checked set, of rules alone.
    pub(super) fn into_set(mut self, stream: StreamRule, defaults: &Defaults) -> RuleSet {
        for (rule, own) in self.rules.iter_mut().zip(&self.own) {
            defaults.fill(rule, own);
        }
        RuleSet {
            stream,
            rules: self.rules,
            markers: self.markers,
            ..RuleSet::default()
        }
    }
}

/// The longest silence of a target, and the number of entries that it must have in that time.
fn limits(fields: &mut Fields<'_, '_, '_>, watch: &Watch, by: By) -> (MaxGap, Option<u32>) {
    let max_gap = fields.take("max_gap", value::max_gap);
    let rate = fields.take("min_rate", counts::min_rate);
    if !fields.has("min_rate") {
        return (max_gap.unwrap_or(MaxGap::Auto), None);
    }
    for (is_wrong, what, allowed) in [
        (
            *watch != Watch::Logs,
            "counts entries, and this rule watches heartbeats",
            "remove it, or set watch = \"logs\"",
        ),
        (
            by != By::Instance,
            "counts the entries of each instance",
            "remove it, or set by = \"instance\"",
        ),
        (
            fields.has("max_gap"),
            "its duration takes the place of max_gap",
            "one of the two",
        ),
    ] {
        if is_wrong {
            fields.fault("min_rate", Wrong::new(what, allowed));
        }
    }
    match rate {
        Some((count, window)) => (MaxGap::Fixed(window), Some(count)),
        None => (MaxGap::Auto, None),
    }
}

/// The fault of rules that are not a list.
pub(super) fn many_tables() -> Wrong {
    Wrong::new(
        "rules are a list of tables",
        "write [[rule]], with two brackets, above each",
    )
}
