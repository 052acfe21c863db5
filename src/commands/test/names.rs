//! Names in expectations that neither the rules nor the events of a test know: such a line can never hold, or always does.

use crate::core::engine::STREAM_RULE;
use crate::core::rule::RuleSet;
use crate::decode::test_file::{Case, Event, Expect, Name, Told, hint};
use std::collections::{BTreeMap, BTreeSet};

/// Rules that no file names.
const OTHER_RULES: [&str; 1] = [STREAM_RULE];

/// Each expectation that names a rule, a notifier, an app, a region or a host that nothing else of the test knows: its
/// place, and the fault in words.
pub(super) fn unknown(
    case: &Case,
    rules: &RuleSet,
    others: &BTreeMap<String, RuleSet>,
) -> Vec<((usize, usize), String)> {
    let known = Known::of(case, std::iter::once(rules).chain(others.values()));
    let faults = case.expected.iter().filter_map(|expected| {
        let what = match &expected.what {
            Expect::State { target, rule, .. } => {
                known.rule(rule.as_deref()).or_else(|| known.target(target))
            }
            Expect::Members { target, .. } => known.target(target),
            Expect::Told(told, _) | Expect::NotTold(told) => known.told(told),
            _ => None,
        }?;
        Some((expected.place, format!("expect: {what}")))
    });
    faults.collect()
}

#[derive(Default)]
struct Known<'t> {
    rules: BTreeSet<&'t str>,
    notifiers: BTreeSet<&'t str>,
    apps: BTreeSet<&'t str>,
    regions: BTreeSet<&'t str>,
    hosts: BTreeSet<&'t str>,
    /// A recorded stream names others.
    has_recording: bool,
}

impl<'t> Known<'t> {
    fn of(case: &'t Case, sets: impl Iterator<Item = &'t RuleSet>) -> Self {
        let mut known = Known {
            rules: BTreeSet::from(OTHER_RULES),
            has_recording: case.recording.is_some(),
            ..Known::default()
        };
        for set in sets {
            known
                .notifiers
                .extend(set.notifiers.iter().map(|one| &*one.name));
            for rule in &set.rules {
                known.rules.insert(&rule.name);
                known.apps.extend(rule.app.0.iter().map(String::as_str));
                known
                    .regions
                    .extend(rule.region.0.iter().map(String::as_str));
                known.regions.extend(rule.expect.iter().map(String::as_str));
                known.hosts.extend(rule.host.0.iter().map(String::as_str));
            }
        }
        for line in &case.lines {
            match &line.what {
                Event::Speech(speech) => known.names(&speech.who),
                Event::Listed { who, .. } => known.names(who),
                Event::Host { host, .. } => {
                    known.hosts.insert(host);
                }
                _ => {}
            }
        }
        known
    }

    fn names(&mut self, who: &'t [Name]) {
        self.apps.extend(who.iter().map(|name| &*name.app));
        self.regions.extend(who.iter().map(|name| &*name.region));
    }

    fn told(&self, told: &Told) -> Option<String> {
        let notifiers = told.to.iter().flat_map(|to| &to.names);
        self.rule(told.rule.as_deref())
            .or_else(|| self.target(told.target.as_deref()?))
            .or_else(|| {
                let mut faults = notifiers.map(|name| fault("notifier", name, &self.notifiers));
                faults.find_map(|fault| fault)
            })
    }

    fn rule(&self, name: Option<&str>) -> Option<String> {
        fault("rule", name?, &self.rules)
    }

    /// Instances are known to the reader of the file; the rest of a target is known by the rules too.
    fn target(&self, target: &str) -> Option<String> {
        if self.has_recording {
            return None;
        }
        let target = target.split(" beat ").next().unwrap_or(target);
        match target.split_once(' ') {
            Some(("app", app)) => fault("app", app, &self.apps),
            Some(("region", region)) => fault("region", region, &self.regions),
            Some(("host", host)) => fault("host", host, &self.hosts),
            _ => {
                let mut parts = target.split('/');
                let (app, region) = (parts.next()?, parts.next()?);
                fault("app", app, &self.apps).or_else(|| fault("region", region, &self.regions))
            }
        }
    }
}

/// A name that is not among the known ones, in words.
fn fault(kind: &str, name: &str, known: &BTreeSet<&str>) -> Option<String> {
    if known.contains(name) {
        return None;
    }
    let known: Vec<&str> = known.iter().copied().collect();
    let near = hint(name, &known);
    Some(format!(
        "no {kind} \"{}\" in this test{near}",
        name.escape_debug()
    ))
}
