//! Content of notifications, built from all members of an incident.

use crate::core::incident::Incident;
use crate::core::incident::key::Key;
use crate::core::incident::kind::{Alarm, IncidentId, Scope};
use crate::core::incident::scope_cache::Sign;
use crate::core::notice::view::NoticeView;
use crate::core::notice::{Between, Notice, NoticeKind, TargetName};
use crate::core::output::STREAM_RULE;
use crate::core::rule::{By, Rule};
use crate::core::sink_rule::of_downstream;
use crate::core::targets::table::Watched;
use crate::core::tracker::{InstanceId, NONE, UNDECIDED};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Number of affected instances that are named; the others are counted.
const NAMED: usize = 20;
/// Number of apps of the affected instances that are named.
const APPS_NAMED: usize = 3;
/// Number of rules, runbooks and regions that are named.
const RULES_NAMED: usize = 10;

impl NoticeView<'_> {
    /// The notice of an incident that opens.
    pub(super) fn opening(&self, id: IncidentId, incident: &Incident) -> Notice {
        let now = self.facts.now;
        let listened = self.facts.listening.listened();
        let mut notice = Notice {
            incident: id,
            kind: NoticeKind::Opened,
            alarm: incident.alarm,
            scope: incident.key.scope(),
            rule: STREAM_RULE.to_owned(),
            notify: Some(Vec::new()),
            affected: Vec::new(),
            affected_total: 0,
            severity: incident.severity,
            who: TargetName::default(),
            since: incident.since,
            gap: now.mono.since(incident.since_mono),
            listened: listened.since(incident.since_listened),
            max_gap: Duration::ZERO,
            due: incident.due_at,
            due_mono: incident.due,
            decided: now.wall,
            last_text: String::new(),
            last_words: Vec::new(),
            detail: String::new(),
            summary: None,
            runbook: None,
            labels: BTreeMap::new(),
            fingerprint: String::new(),
            between: Between::default(),
            is_first: false,
            acknowledged: None,
        };
        self.refresh(&mut notice, incident);
        notice.fingerprint = fingerprint(&notice);
        notice
    }

    /// Updates a notice to the present state of its incident.
    pub(super) fn refresh(&self, notice: &mut Notice, incident: &Incident) {
        notice.severity = incident.severity;
        notice.detail.clone_from(&incident.detail);
        if incident.stream.is_some() && incident.members.is_empty() {
            return match incident.key {
                Key::Downstream(id) => self.of_downstream(notice, incident, id),
                _ => self.of_stream(notice, incident),
            };
        }
        let firing: Vec<u32> = incident.firing().collect();
        // Once all members have returned, the last known state is kept.
        if !firing.is_empty() {
            self.of_members(notice, incident, &firing);
        }
    }

    fn of_stream(&self, notice: &mut Notice, incident: &Incident) {
        let rule = &self.facts.rules.stream;
        let Some(facts) = incident.stream else {
            return;
        };
        // The stream is live: its rule's text about a silence does not apply.
        let of_room = matches!(incident.alarm, Alarm::Full | Alarm::Blind | Alarm::Archive);
        if let Some(region) = facts.region {
            notice.scope = Scope::Region;
            notice.who.region = self.facts.tracker.region_names.get(region).to_string();
        }
        if notice.kind == NoticeKind::Opened {
            (notice.gap, notice.listened) = (facts.gap, facts.listened);
        }
        notice.max_gap = facts.max_gap;
        notice.summary = rule.summary.clone().filter(|_| !of_room);
        notice.runbook = rule.runbook.clone().filter(|_| !of_room);
        notice.labels.clone_from(&rule.labels);
        if incident.alarm == Alarm::Flapping {
            notice.detail = comes_and_goes("");
        }
    }

    fn of_downstream(&self, notice: &mut Notice, incident: &Incident, id: u32) {
        let (Some(facts), Some(watch)) = (incident.stream, self.facts.downstreams.get(id)) else {
            return;
        };
        notice.rule.clone_from(&watch.rule.name);
        if notice.kind == NoticeKind::Opened {
            (notice.gap, notice.listened) = (facts.gap, facts.listened);
        }
        notice.max_gap = facts.max_gap;
        notice.runbook.clone_from(&watch.rule.runbook);
        notice.labels.clone_from(&watch.rule.labels);
        notice.between.missing = facts.missing;
        let sink = of_downstream(&self.facts.rules.sinks, &watch.rule.name);
        notice.between.sink = sink.map_or(String::new(), |sink| sink.name.clone());
    }

    /// Labels of the rules of all members, those that are back included: they are the same when the incident closes.
    fn labels_of_all(&self, incident: &Incident) -> BTreeMap<String, String> {
        let members = incident.members.keys();
        let rules = members.filter_map(|&one| self.targets.table.row(one).map(|row| row.rule()));
        let rules: BTreeSet<u32> = rules.filter(|&rule| rule != NONE).collect();
        let rules = rules
            .iter()
            .map(|&rule| &self.facts.rules.rules[rule as usize]);
        labels_of(&rules.collect::<Vec<&Rule>>())
    }

    fn of_members(&self, notice: &mut Notice, incident: &Incident, firing: &[u32]) {
        let view = self.below();
        let rules = firing.iter().map(|&one| self.targets.table.get(one).rule());
        let rules: BTreeSet<u32> = rules.collect();
        let all: Vec<&Rule> = rules
            .iter()
            .map(|&rule| &self.facts.rules.rules[rule as usize])
            .collect();
        // At least one member fires.
        let first = firing
            .iter()
            .copied()
            .min_by_key(|&one| self.targets.table.get(one).rule())
            .unwrap_or(firing[0]);
        let rule = self.targets.rule_of(self.facts, first);
        let row = self.targets.table.get(first);
        notice.rule.clone_from(&rule.name);
        notice.who = self.who_of(incident, firing);
        notice.labels = self.labels_of_all(incident);
        let gaps = firing
            .iter()
            .map(|&one| self.targets.max_gap(self.facts, one));
        let (least, most) = gaps.fold((Duration::MAX, Duration::ZERO), |(least, most), gap| {
            (least.min(gap), most.max(gap))
        });
        notice.max_gap = least;
        let sign = view.probe_of(first).sign;
        let silent = self.silent_of(incident, firing, sign);
        notice.affected_total = silent.len() as u64;
        let named = if silent.len() < 2 { 0 } else { NAMED };
        notice.affected = silent.iter().take(named).map(|&id| self.name(id)).collect();
        if let Some(words) = self.targets.rate_in_words(self.facts, first) {
            notice.detail = match notice.detail.as_str() {
                "" => words,
                known => format!("{words}; {known}"),
            };
        }
        let apps = self.apps_of(&silent);
        notice.between = Between {
            rules: several(all.iter().map(|rule| rule.name.clone())),
            runbooks: several(all.iter().filter_map(|rule| rule.runbook.clone())),
            longest_max_gap: if most > least { most } else { Duration::ZERO },
            of_total: self.of_total(incident, silent.len()),
            regions: incident.regions.len() as u64,
            back: (incident.members.len() - incident.firing) as u64,
            logging: match sign {
                Sign::Beat => silent.iter().filter(|id| view.still_logs(**id)).count() as u64,
                Sign::Entry => 0,
            },
            cut_off: self.is_cut_off(incident),
            apps_total: apps.len() as u64,
            apps: apps.into_iter().take(APPS_NAMED).collect(),
            missing: None,
            sink: String::new(),
        };
        let runbook = all.iter().find_map(|rule| rule.runbook.clone());
        notice.runbook = runbook;
        notice.last_text = String::new();
        let one = firing.len() == 1 && silent.len() < 2;
        if let (true, Watched::Beat(beat)) = (one, row.watched()) {
            notice.last_text = self.facts.tracker.text(self.facts.tracker.beat_row(beat));
        }
        // A summary is written for the rule's own targets.
        let own = matches!(
            (rule.by, notice.scope),
            (By::AppRegion, Scope::AppRegion) | (By::App, Scope::App) | (By::Region, Scope::Region)
        );
        let own = own || (rule.by == By::Instance && notice.scope == Scope::Instance && one);
        notice.summary = rule.summary.clone().filter(|_| own);
        if let Watched::Group(group) = row.watched() {
            self.of_group(notice, rule, self.targets.groups.get(group));
        }
        if incident.alarm == Alarm::Flapping {
            notice.detail = comes_and_goes(&notice.detail);
        }
    }

    /// Adds the numbers of a group.
    fn of_group(
        &self,
        notice: &mut Notice,
        rule: &Rule,
        group: &crate::core::targets::groups::Group,
    ) {
        let known = self.targets.members(self.facts, group).next().is_some();
        let words = match rule.at_least {
            _ if !known => "never heard since lastbeat watches it".to_owned(),
            Some(wanted) => format!("fewer than {wanted} are live"),
            None => String::new(),
        };
        if known {
            // Too few instances are live, though each of them is heard.
            notice.affected_total = notice.affected_total.max(1);
        }
        if !words.is_empty() && !notice.detail.contains(&words) {
            let between = if notice.detail.is_empty() { "" } else { "; " };
            notice.detail = format!("{words}{between}{}", notice.detail);
        }
    }

    /// The silent instances of an incident, in the order of their numbers within their app-regions.
    fn silent_of(&self, incident: &Incident, firing: &[u32], sign: Sign) -> Vec<InstanceId> {
        let view = self.below();
        let silent = |key: Key| {
            let all = view.instances_of(key);
            all.filter(|id| view.is_silent(*id, sign))
                .collect::<Vec<_>>()
        };
        let within: Vec<InstanceId> = match incident.key {
            Key::Part(_) | Key::Stream | Key::Downstream(_) => Vec::new(),
            Key::Regions => {
                let regions = incident.regions.iter();
                regions.flat_map(|&one| silent(Key::Region(one))).collect()
            }
            key => silent(key),
        };
        if !within.is_empty() {
            return within;
        }
        let mut seen = BTreeSet::new();
        let own = firing
            .iter()
            .filter_map(|&one| self.targets.instance_of(self.facts, one));
        own.filter(|id| seen.insert(id.0)).collect()
    }

    /// The apps of instances, by name; empty for a single instance.
    fn apps_of(&self, silent: &[InstanceId]) -> BTreeSet<String> {
        if silent.len() < 2 {
            return BTreeSet::new();
        }
        let view = self.below();
        let tracker = &self.facts.tracker;
        let apps: BTreeSet<u32> = silent
            .iter()
            .map(|&id| view.app_region(tracker.instance(id).app_region).0)
            .collect();
        let name = |app: u32| tracker.app_names.get(app).to_string();
        apps.into_iter().map(name).collect()
    }

    /// Number of instances or regions in a partly silent scope.
    fn of_total(&self, incident: &Incident, silent: usize) -> u64 {
        let view = self.below();
        match incident.key {
            Key::Regions => view.other_regions().0.len() as u64,
            Key::Part(_) if silent < 2 => 0,
            Key::Part(app) => {
                let watched = |id: &InstanceId| {
                    let instance = self.facts.tracker.instance(*id);
                    let mut beats = self.facts.tracker.beats_of(*id);
                    let of_beat = beats.any(|beat| {
                        let beat = self.facts.tracker.beat_row(beat);
                        !beat.stopped() && self.targets.table.row(beat.target).is_some()
                    });
                    of_beat || instance.logs < UNDECIDED
                };
                view.instances_of(Key::App(app)).filter(watched).count() as u64
            }
            _ => 0,
        }
    }

    /// True if every region but lastbeat's own is silent.
    fn is_cut_off(&self, incident: &Incident) -> bool {
        if incident.key != Key::Regions {
            return false;
        }
        let (others, known) = self.below().other_regions();
        known && others.is_subset(&incident.regions)
    }

    fn who_of(&self, incident: &Incident, firing: &[u32]) -> TargetName {
        let app = |id: u32| self.facts.tracker.app_names.get(id).to_string();
        let region = |id: u32| self.facts.tracker.region_names.get(id).to_string();
        match incident.key {
            Key::Stream | Key::Downstream(_) => TargetName::default(),
            Key::Regions => {
                let names = incident
                    .regions
                    .iter()
                    .take(RULES_NAMED)
                    .map(|&id| region(id));
                let names: BTreeSet<String> = names.collect();
                let names: Vec<String> = names.into_iter().collect();
                TargetName {
                    region: names.join(", "),
                    ..TargetName::default()
                }
            }
            Key::Region(id) => TargetName {
                region: region(id),
                ..TargetName::default()
            },
            Key::App(id) => TargetName {
                app: app(id),
                ..TargetName::default()
            },
            Key::AppRegion(id) => {
                let app_region = &self.facts.tracker.app_regions[id as usize];
                TargetName {
                    app: app(app_region.app),
                    region: region(app_region.region),
                    ..TargetName::default()
                }
            }
            Key::Host(id) => TargetName {
                host: self.facts.tracker.host_names.get(id).to_string(),
                ..TargetName::default()
            },
            Key::Part(_) => {
                let mut all = firing.iter().map(|target| {
                    let watched = self.targets.table.get(*target).watched();
                    self.targets.who(self.facts, watched)
                });
                let first = all.next().unwrap_or_default();
                all.fold(first, in_common)
            }
        }
    }

    /// An instance in words.
    fn name(&self, id: InstanceId) -> String {
        let instance = self.facts.tracker.instance(id);
        let (app, region) = self.below().app_region(instance.app_region);
        let tracker = &self.facts.tracker;
        let (app, region) = (tracker.app_names.get(app), tracker.region_names.get(region));
        format!("{app}/{region}/{}", tracker.name(id))
    }
}

fn comes_and_goes(known: &str) -> String {
    const WORDS: &str = "it comes and goes; single silences are not told until it is steady";
    match known {
        "" => WORDS.to_owned(),
        known if known.contains(WORDS) => known.to_owned(),
        known => format!("{WORDS}; {known}"),
    }
}

/// Identifies the subject of an incident: the alert's name and all names of the target.
fn fingerprint(notice: &Notice) -> String {
    let who = &notice.who;
    let name = notice.alarm.name(notice.scope);
    let parts = [&who.app, &who.region, &who.instance, &who.beat];
    let host = if notice.scope == Scope::Host {
        who.host.as_str()
    } else {
        ""
    };
    // A downstream has no other name than its rule's.
    let downstream = if notice.scope == Scope::Downstream {
        notice.rule.as_str()
    } else {
        ""
    };
    let parts = parts.into_iter().map(String::as_str);
    let parts = parts.chain([host, downstream]);
    let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    format!("{name}:{}:{}", notice.scope.label(), parts.join("/"))
}

/// Distinct texts, in order; empty if there are fewer than two.
fn several(all: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = Vec::new();
    for one in all {
        if !seen.contains(&one) {
            seen.push(one);
        }
    }
    seen.truncate(RULES_NAMED);
    if seen.len() < 2 { Vec::new() } else { seen }
}

/// The labels of rules; different values are joined by commas.
fn labels_of(rules: &[&Rule]) -> BTreeMap<String, String> {
    let mut values: BTreeMap<&String, BTreeSet<&String>> = BTreeMap::new();
    for (name, value) in rules.iter().flat_map(|rule| &rule.labels) {
        values.entry(name).or_default().insert(value);
    }
    let join = |values: BTreeSet<&String>| {
        let values: Vec<&str> = values.into_iter().map(String::as_str).collect();
        values.join(",")
    };
    values
        .into_iter()
        .map(|(name, values)| (name.clone(), join(values)))
        .collect()
}

/// The names that two targets share.
fn in_common(one: TargetName, other: TargetName) -> TargetName {
    let same = |one: String, other: String| if one == other { one } else { String::new() };
    TargetName {
        app: same(one.app, other.app),
        region: same(one.region, other.region),
        instance: same(one.instance, other.instance),
        host: same(one.host, other.host),
        beat: same(one.beat, other.beat),
    }
}

#[cfg(test)]
mod tests {
    use super::comes_and_goes;

    #[test]
    fn that_it_comes_and_goes_is_said_once_before_what_is_known() {
        let alone = comes_and_goes("");
        let both = comes_and_goes("12 of 40 beats a minute");
        assert!(alone.contains("comes and goes"), "{alone}");
        assert_eq!(both, format!("{alone}; 12 of 40 beats a minute"));
        for told in [alone, both] {
            assert_eq!(comes_and_goes(&told), told);
        }
    }
}
