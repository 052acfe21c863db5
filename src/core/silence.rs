//! Silences: times in which matching alerts are still evaluated, but send no notifications.

use crate::core::notice::TargetName;
use crate::core::rule::{Matchers, Severity};
use crate::core::time::Wall;
use std::collections::BTreeMap;

/// One silence, with its times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    /// Its number, or its name in the rule files.
    pub id: String,
    /// The targets that it concerns.
    pub matchers: Matchers,
    /// Times at which it is in force: start and end on the wall clock. The caller keeps those of schedules up to date.
    pub windows: Vec<(Wall, Wall)>,
    /// Reason, for people.
    pub reason: String,
    /// Its author; empty for those of the rule files.
    pub author: String,
}

/// An alert, as silences match it.
#[derive(Clone, Copy, Debug)]
pub struct Alerting<'a> {
    /// The rule's name; `stream` for the stream's own.
    pub rule: &'a str,
    /// The rule's severity.
    pub severity: Severity,
    /// The rule's labels.
    pub labels: &'a BTreeMap<String, String>,
    /// The target.
    pub who: &'a TargetName,
}

impl Matchers {
    /// Number of globs in all of them.
    pub fn globs(&self) -> usize {
        let lists = [
            &self.app,
            &self.region,
            &self.instance,
            &self.host,
            &self.rule,
            &self.notifier,
        ];
        let all = lists.into_iter().chain(self.labels.values());
        all.map(|globs| globs.0.len()).sum()
    }
}

impl Silence {
    /// True if it is in force at `now`.
    pub fn holds(&self, now: Wall) -> bool {
        is_within(&self.windows, now)
    }

    /// True if it may concern targets of a rule.
    pub fn may_concern(
        &self,
        rule: &str,
        severity: Severity,
        labels: &BTreeMap<String, String>,
    ) -> bool {
        let matchers = &self.matchers;
        let has = |(label, globs): (&String, &crate::core::rule::Globs)| {
            let value = labels.get(label).map_or("", String::as_str);
            globs.matches(value)
        };
        matchers.rule.matches(rule)
            && (matchers.severity.is_empty() || matchers.severity.contains(&severity))
            && matchers.labels.iter().all(has)
    }

    /// True if it keeps an alert from a notifier.
    pub fn concerns(&self, alerting: &Alerting<'_>, notifier: &str) -> bool {
        let Matchers {
            app,
            region,
            instance,
            host,
            notifier: notifiers,
            rule: _,
            severity: _,
            labels: _,
        } = &self.matchers;
        let who = alerting.who;
        self.may_concern(alerting.rule, alerting.severity, alerting.labels)
            && app.matches(&who.app)
            && region.matches(&who.region)
            && instance.matches(&who.instance)
            && host.matches(&who.host)
            && notifiers.matches(notifier)
    }
}

/// True if `now` lies in one of these windows. Their ends are not part of them.
pub(in crate::core) fn is_within(windows: &[(Wall, Wall)], now: Wall) -> bool {
    windows
        .iter()
        .any(|(from, until)| *from <= now && now < *until)
}
