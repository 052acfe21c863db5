//! Routing: the notifiers of an incident, with severity and interval of reminders for each.

use crate::core::incident::Incident;
use crate::core::incident::key::Key;
use crate::core::notice::view::NoticeView;
use crate::core::output::STREAM_RULE;
use crate::core::rule::Severity;
use crate::core::silence::{Alerting, Silence, is_within};
use crate::core::time::Wall;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Name of the log, which stands in if there is no notifier.
pub(in crate::core) const LOG: &str = "";

/// The hours in which rules notify: windows on the wall clock, by the text of the rule's `active`. The caller keeps
/// them up to date.
pub type Hours = BTreeMap<String, Vec<(Wall, Wall)>>;

/// Route of an incident to a notifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The worst severity of the members that route to it.
    pub severity: Severity,
    /// True if silences or the rule's hours suppress all of those.
    pub muted: bool,
    /// Interval of reminders; `None`: no reminders.
    pub remind: Option<Duration>,
}

/// Routes to all notifiers of an incident.
pub type Routes = BTreeMap<Arc<str>, Route>;

/// Inputs of the routing beside the incident.
#[derive(Debug)]
pub(super) struct Muting<'a> {
    /// The silences in force.
    pub silences: Vec<&'a Silence>,
    /// The hours.
    pub hours: &'a Hours,
}

/// One rule, or the stream's.
struct Source<'a> {
    name: &'a str,
    severity: Severity,
    notify: Option<&'a [String]>,
    remind: Option<Duration>,
    active: Option<&'a str>,
    labels: &'a BTreeMap<String, String>,
}

impl Muting<'_> {
    fn is_active(&self, active: Option<&str>, now: Wall) -> bool {
        // Without known windows, nothing is suppressed.
        let windows = active.and_then(|active| self.hours.get(active));
        windows.is_none_or(|windows| is_within(windows, now))
    }
}

impl NoticeView<'_> {
    /// The routes of the firing members of an incident.
    pub(super) fn routes(&self, incident: &Incident, muting: &Muting<'_>) -> Routes {
        let mut routes = Routes::new();
        if incident.stream.is_some() && incident.members.is_empty() {
            if let Key::Downstream(id) = incident.key {
                self.route_downstream(&mut routes, id, muting);
                return routes;
            }
            let rule = &self.facts.rules.stream;
            let source = Source {
                name: STREAM_RULE,
                severity: incident.severity,
                notify: rule.notify.as_deref(),
                remind: rule.remind,
                active: rule.active.as_deref(),
                labels: &rule.labels,
            };
            let region = incident.stream.and_then(|facts| facts.region);
            let region = region.map(|id| self.facts.tracker.region_names.get(id).to_string());
            let who = crate::core::notice::TargetName {
                region: region.unwrap_or_default(),
                ..Default::default()
            };
            self.route(&mut routes, &source, muting, std::iter::once(who));
            return routes;
        }
        let firing: Vec<u32> = incident.firing().collect();
        let rules = firing.iter().map(|&one| self.targets.table.get(one).rule());
        let rules: BTreeSet<u32> = rules.collect();
        for number in rules {
            let rule = &self.facts.rules.rules[number as usize];
            let source = Source {
                name: &rule.name,
                severity: rule.severity,
                notify: rule.notify.as_deref(),
                remind: rule.remind,
                active: rule.active.as_deref(),
                labels: &rule.labels,
            };
            let own = firing.iter().map(|&one| self.targets.table.get(one));
            let own = own.filter(|row| row.rule() == number);
            let own = own.map(|row| self.targets.who(self.facts, row.watched()));
            self.route(&mut routes, &source, muting, own);
        }
        routes
    }

    /// Adds the routes of a downstream.
    fn route_downstream(&self, routes: &mut Routes, id: u32, muting: &Muting<'_>) {
        let Some(watch) = self.facts.downstreams.get(id) else {
            return;
        };
        let rule = &watch.rule;
        let source = Source {
            name: &rule.name,
            severity: rule.severity,
            notify: rule.notify.as_deref(),
            remind: rule.remind,
            active: rule.active.as_deref(),
            labels: &rule.labels,
        };
        let who = crate::core::notice::TargetName::default();
        self.route(routes, &source, muting, std::iter::once(who));
    }

    /// Adds the routes of one rule; `own`: its members.
    fn route(
        &self,
        routes: &mut Routes,
        source: &Source<'_>,
        muting: &Muting<'_>,
        own: impl Iterator<Item = crate::core::notice::TargetName>,
    ) {
        let mut names = self.notifiers_of(source);
        let inactive = !muting.is_active(source.active, self.facts.now.wall);
        let concerning =
            |silence: &&&Silence| silence.may_concern(source.name, source.severity, source.labels);
        let silences: Vec<&Silence> = muting.silences.iter().filter(concerning).copied().collect();
        let mut muted: BTreeSet<Arc<str>> = if inactive || !silences.is_empty() {
            names.iter().cloned().collect()
        } else {
            BTreeSet::new()
        };
        if !inactive && !muted.is_empty() {
            // A notifier is silenced if every member is, for it.
            for who in own {
                muted.retain(|notifier| {
                    let alerting = Alerting {
                        rule: source.name,
                        severity: source.severity,
                        labels: source.labels,
                        who: &who,
                    };
                    silences
                        .iter()
                        .any(|silence| silence.concerns(&alerting, notifier))
                });
                if muted.is_empty() {
                    break;
                }
            }
        }
        for name in names.drain(..) {
            let is_muted = muted.contains(&name);
            let route = routes.entry(name).or_insert(Route {
                severity: source.severity,
                muted: is_muted,
                remind: None,
            });
            // The worst severity of the members that are not suppressed counts; suppressed ones only keep the route.
            match (route.muted, is_muted) {
                (true, false) => {
                    route.severity = source.severity;
                    route.muted = false;
                }
                (false, true) => {}
                _ => route.severity = route.severity.min(source.severity),
            }
            route.remind = [route.remind, source.remind].into_iter().flatten().min();
        }
    }

    /// All notifiers; the log if there are none.
    pub(in crate::core) fn every_notifier(&self) -> Vec<Arc<str>> {
        let own = self.facts.rules.notifiers.iter();
        let own = own.map(|rule| rule.name.as_str());
        let others = self.facts.options.notifiers.iter().map(String::as_str);
        let all: BTreeSet<&str> = own.chain(others).collect();
        if all.is_empty() {
            return vec![Arc::from(LOG)];
        }
        all.into_iter().map(Arc::from).collect()
    }

    /// The notifiers that a rule names, or all, without those that do not accept its severity.
    fn notifiers_of(&self, source: &Source<'_>) -> Vec<Arc<str>> {
        let rules = &self.facts.rules.notifiers;
        let mut named: Vec<Arc<str>> = match source.notify {
            Some(names) => names.iter().map(|name| Arc::from(name.as_str())).collect(),
            None => self.every_notifier(),
        };
        named.retain(|name| {
            let rule = rules.iter().find(|rule| *rule.name == **name);
            rule.is_none_or(|rule| {
                rule.severity.is_empty() || rule.severity.contains(&source.severity)
            })
        });
        named
    }
}
