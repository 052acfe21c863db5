//! `[[downstream]]`, with its tables `find` and `shipper`.

mod find;
mod forward;
mod preset;

pub(super) use find::KEYS as FIND;
pub(super) use forward::{KEYS as FORWARD, many_tables as many_forwards};

use super::defaults::{Defaults, Values};
use super::fault::{Wrong, quoted};
use super::fields::Fields;
use super::key::{self, Key, keys};
use super::notify::{Notifiers, Want};
use super::position::Position;
use super::report::Report;
use super::value;
use super::variables::Lookup;
use crate::core::downstream::rule::{CounterName, DownstreamRule, Shipper};
use crate::core::rule::Severity;
use crate::decode::downstream::metrics_text;
use find::{A_URL, is_url, secret};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;
use toml::de::{DeArray, DeTable, DeValue};

/// Keys of `[[downstream]]`.
pub(super) const KEYS: &[Key] = keys! {
    "name": "text", "required", "Unique name; stands in notifications, labels and silences";
    "max_delay": "duration", "\"2m\"", "Longest time from an entry's arrival here to its arrival in the sink";
    "every": "duration", "\"30s\"", "Interval of the queries, and of the canary where that is longer";
    "severity": "word", "\"error\"", "critical, error, warning or info";
    "runbook": "URL", "", "Page that says what to do";
    "notify": "list of notifiers", "", "Notifiers; without it every notifier";
    "remind": "duration", "", "Interval of reminders while an incident is open; without it there are none";
    "active": "hours", "\"always\"", "Hours in which it notifies";
    "labels": "table of texts", "", "Labels on every notification";
    "on_stall": "word", "\"tell\"", "restart also restarts the machines of the shipper's app, once an incident and six an hour at most; tell does not";
    "find": "table", "required", "Query of the sink";
    "shipper": "table", "", "Counters of the shipper, which name the hop of a stall";
};
/// Keys of `[downstream.shipper]`.
pub(super) const SHIPPER: &[Key] = keys! {
    "app": "text", "", "App of the shipper's machines, for on_stall";
    "metrics": "secret", "required", "Address of the shipper's metrics in Prometheus' text format";
    "in": "counter", "required", "Counter of entries received from the stream, as `name{label=\"value\"}`";
    "out": "counter", "required", "Counter of entries that the sink took, as `name{label=\"value\"}`";
};

/// Downstreams of one set: each is asked all the time.
const MAX_DOWNSTREAMS: usize = 20;
/// Sinks answer no faster, and a delay of less is no delay.
const MAX_DELAY: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(24 * 3600);
/// Bounds of the interval: sinks limit the rate of queries.
const EVERY: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);
const DEFAULT_MAX_DELAY: Duration = Duration::from_secs(120);
const DEFAULT_EVERY: Duration = Duration::from_secs(30);
/// Words of `on_stall`; true: restart.
const ON_STALL: &[(&str, bool)] = &[("tell", false), ("restart", true)];
const A_COUNTER: &str =
    "a counter is like 'vector_component_sent_events_total{component_id=\"loki\"}'";

/// The downstreams as read so far.
#[derive(Default)]
pub(super) struct Downstreams {
    list: Vec<DownstreamRule>,
    /// The routing that each has itself, and its position, in the order of `list`.
    own: Vec<Values>,
    positions: Vec<Position>,
    names: BTreeMap<String, Position>,
    seen: usize,
}

impl Downstreams {
    /// Reads all downstreams of a file.
    pub(super) fn read_all(
        &mut self,
        list: &DeArray<'_>,
        notifiers: &mut Notifiers,
        report: &mut Report<'_>,
        lookup: Lookup<'_>,
    ) {
        for item in list {
            let at = item.span().start;
            let Some(table) = item.get_ref().as_table() else {
                report.fault(at, None, Some("downstream"), many_tables());
                continue;
            };
            self.seen += 1;
            if self.seen > MAX_DOWNSTREAMS {
                let what = format!("more than {MAX_DOWNSTREAMS} downstreams");
                let wrong = Wrong::new(what, "watch the sinks that matter");
                report.fault(at, None, Some("downstream"), wrong);
                return;
            }
            self.read(table, at, notifiers, report, lookup);
        }
    }

    fn read(
        &mut self,
        table: &DeTable<'_>,
        at: usize,
        notifiers: &mut Notifiers,
        report: &mut Report<'_>,
        lookup: Lookup<'_>,
    ) {
        let find =
            sub_table(table, "find", report).map(|(find, at)| find::read(find, at, report, lookup));
        let shipper =
            sub_table(table, "shipper", report).map(|(one, at)| shipper(one, at, report, lookup));
        let mut fields = Fields::of_table(table, at, "downstream.", report);
        fields.deny_unknown(&key::names(KEYS));
        for (key, allowed) in [
            ("name", "a text that is unique among the downstreams"),
            ("find", "a table [downstream.find] with a preset or a url"),
        ] {
            if !fields.has(key) {
                fields.missing(key, allowed);
            }
        }
        let name = fields.take("name", value::name);
        let position = fields.position("name");
        if let Some(name) = &name {
            if let Some(Position { file, line, .. }) = self.names.get(name) {
                let what = format!(
                    "duplicate name {}; the first is in {file}:{line}",
                    quoted(name)
                );
                fields.fault(
                    "name",
                    Wrong::new(what, "each downstream has a name of its own"),
                );
            }
            self.names
                .entry(name.clone())
                .or_insert_with(|| position.clone());
        }
        let max_delay = fields.take("max_delay", |v| value::span_within(v, &MAX_DELAY));
        let every = fields.take("every", |v| value::span_within(v, &EVERY));
        let restarts = fields.take("on_stall", |v| value::choice(v, ON_STALL));
        let restarts = restarts.unwrap_or_default();
        let app = shipper.as_ref().and_then(|(_, app)| app.clone());
        if restarts && app.is_none() {
            let wrong = Wrong::new(
                "restart needs the shipper's app",
                "set app in [downstream.shipper]",
            );
            fields.fault("on_stall", wrong);
        }
        let own = Values::read(&mut fields, notifiers);
        let is_clean = fields.is_clean();
        let (Some(name), Some(Some(find)), true) = (name, find, is_clean) else {
            return;
        };
        let shipper = match shipper {
            Some((None, _)) => return,
            Some((shipper, _)) => shipper,
            None => None,
        };
        self.own.push(own);
        self.positions.push(position);
        self.list.push(DownstreamRule {
            name,
            max_delay: max_delay.unwrap_or(DEFAULT_MAX_DELAY),
            every: every.unwrap_or(DEFAULT_EVERY),
            severity: Severity::default(),
            runbook: None,
            notify: None,
            remind: None,
            active: None,
            labels: BTreeMap::new(),
            restart: app.filter(|_| restarts),
            forward: None,
            find,
            shipper,
        });
    }

    /// Reads all forwards of a file.
    pub(super) fn read_forwards(
        &mut self,
        list: &DeArray<'_>,
        notifiers: &mut Notifiers,
        report: &mut Report<'_>,
    ) {
        for item in list {
            let at = item.span().start;
            match item.get_ref().as_table() {
                Some(table) => self.read_forward(table, at, notifiers, report),
                None => report.fault(at, None, Some("forward"), many_forwards()),
            }
        }
    }

    fn read_forward(
        &mut self,
        table: &DeTable<'_>,
        at: usize,
        notifiers: &mut Notifiers,
        report: &mut Report<'_>,
    ) {
        let mut fields = Fields::of_table(table, at, "forward.", report);
        let (sink, app, max_delay) = forward::read(&mut fields);
        let position = fields.position("sink");
        if let Some(sink) = &sink {
            if self.names.contains_key(sink) {
                fields.fault("sink", forward::duplicate(sink));
            }
            let first = self.names.entry(sink.clone());
            first.or_insert_with(|| position.clone());
        }
        let own = Values::read(&mut fields, notifiers);
        let (Some(sink), true) = (sink, fields.is_clean()) else {
            return;
        };
        let max_delay = max_delay.unwrap_or(DEFAULT_MAX_DELAY);
        self.own.push(own);
        self.positions.push(position);
        self.list.push(forward::rule(sink, app, max_delay));
    }

    /// A fault for each forward whose sink is not there.
    pub(super) fn without_sink(&self, known: &[&str]) -> Vec<super::Fault> {
        let all = self.list.iter().zip(&self.positions);
        let fault = |(rule, position): (&DownstreamRule, &Position)| {
            let sink = &rule.forward.as_ref()?.sink;
            let wrong = || forward::no_sink(sink, known);
            let fault = || super::Fault::new(position, None, Some("forward.sink"), wrong());
            (!known.contains(&sink.as_str())).then(fault)
        };
        all.filter_map(fault).collect()
    }

    /// The severity and the notifiers of each, with its position.
    pub(super) fn wants<'a>(&'a self, defaults: &'a Defaults) -> impl Iterator<Item = Want<'a>> {
        let all = self.list.iter().zip(&self.own).zip(&self.positions);
        all.map(|((rule, own), position)| defaults.want(&rule.name, own, position))
    }

    /// Their names.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(|rule| rule.name.as_str())
    }

    /// Labels that they have.
    pub(super) fn labels(&self) -> impl Iterator<Item = &str> {
        self.own.iter().flat_map(Values::label_names)
    }

    /// A fault for each that has the name of a rule: silences and labels could not tell them apart.
    pub(super) fn namesakes(&self, rules: &[&str]) -> Vec<super::Fault> {
        let same = self
            .names
            .iter()
            .filter(|(name, _)| rules.contains(&name.as_str()));
        let fault = |(name, position): (&String, &Position)| {
            let what = format!("a [[rule]] is named {} too", quoted(name));
            let wrong = Wrong::new(what, "choose another name");
            super::Fault::new(position, None, Some("downstream.name"), wrong)
        };
        same.map(fault).collect()
    }

    /// The downstreams, in order.
    pub(super) fn into_list(mut self, defaults: &Defaults) -> Vec<DownstreamRule> {
        for (rule, own) in self.list.iter_mut().zip(&self.own) {
            defaults.fill_downstream(rule, own);
        }
        // As they are printed, and so that the order is the same when they are read again.
        self.list.sort_by_key(|rule| rule.forward.is_some());
        self.list
    }
}

/// A table within a table; `None`: it is not there, or no table, which is reported.
fn sub_table<'d>(
    table: &'d DeTable<'d>,
    name: &str,
    report: &mut Report<'_>,
) -> Option<(&'d DeTable<'d>, usize)> {
    let value = table.get(name)?;
    let at = value.span().start;
    match value.get_ref() {
        DeValue::Table(table) => Some((table, at)),
        _ => {
            let key = format!("downstream.{name}");
            let allowed = format!("write [downstream.{name}] and its keys below");
            report.fault(at, None, Some(&key), Wrong::new("not a table", allowed));
            None
        }
    }
}

fn shipper(
    table: &DeTable<'_>,
    at: usize,
    report: &mut Report<'_>,
    lookup: Lookup<'_>,
) -> (Option<Shipper>, Option<String>) {
    let mut fields = Fields::of_table(table, at, "downstream.shipper.", report);
    fields.deny_unknown(&key::names(SHIPPER));
    for (key, allowed) in [("metrics", A_URL), ("in", A_COUNTER), ("out", A_COUNTER)] {
        if !fields.has(key) {
            fields.missing(key, allowed);
        }
    }
    let metrics = fields.take("metrics", |v| secret(v, lookup, A_URL, is_url));
    let received = fields.take("in", counter);
    let sent = fields.take("out", counter);
    let app = fields.take("app", value::expected);
    let is_clean = fields.is_clean();
    let (Some(metrics), Some(received), Some(sent), true) = (metrics, received, sent, is_clean)
    else {
        return (None, app);
    };
    let shipper = Shipper {
        metrics,
        received,
        sent,
    };
    (Some(shipper), app)
}

fn counter(value: &DeValue<'_>) -> Result<CounterName, Wrong> {
    let text = value::text(value, A_COUNTER)?;
    metrics_text::counter_name(text)
        .map_err(|_| Wrong::new(format!("invalid counter {}", quoted(text)), A_COUNTER))
}

/// The fault of downstreams that are not a list.
pub(super) fn many_tables() -> Wrong {
    Wrong::new(
        "downstreams are a list of tables",
        "write [[downstream]], with two brackets, above each",
    )
}
