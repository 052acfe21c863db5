//! The words and figures of notices.

use crate::core::incident::scope::Key;
use crate::core::incident::view::View;
use crate::core::notice::{Alarm, IncidentId, Notice, NoticeKind, Scope, Who};
use crate::core::rule::{By, Rule, Severity};
use crate::core::targets::table::Watched;
use crate::core::time::{Mono, Stamp};
use crate::core::tracker::InstanceId;

/// Of those who are part of an incident this many are named; the rest are counted.
const NAMED: usize = 20;

impl View<'_> {
    /// The opening notice of an incident about targets that fire, each with its deadline.
    pub(in crate::core) fn notice_of(&self, key: Key, members: &[(u32, Mono)]) -> Notice {
        let first = members
            .iter()
            .min_by_key(|(target, _)| self.targets.table.get(*target).rule());
        // Incidents of targets are made of at least one.
        let &(first, _) = first.unwrap_or(&members[0]);
        let due = members
            .iter()
            .map(|(_, due)| *due)
            .min()
            .unwrap_or(self.facts.now.mono);
        let severity = self.severity_of(members.iter().map(|&(target, _)| target));
        let (affected, total, seen) = self.affected(key, members);
        let mut notice = self.notice(first, key.scope(), severity, seen, due);
        notice.who = self.who_of(key, members);
        (notice.affected, notice.affected_total) = (affected, total);
        notice
    }

    /// The worst severity of the rules of firing targets.
    pub(in crate::core) fn severity_of(&self, targets: impl Iterator<Item = u32>) -> Severity {
        let rules = targets
            .map(|target| &self.facts.rules.rules[self.targets.table.get(target).rule() as usize]);
        rules.map(|rule| rule.severity).min().unwrap_or_default()
    }

    /// The notice that says that a target flaps.
    pub(in crate::core) fn flapping_notice(&self, target: u32, due: Mono) -> Notice {
        let row = self.targets.table.get(target);
        let severity = self.facts.rules.rules[row.rule() as usize].severity;
        let mut notice = self.notice(
            target,
            Scope::Instance,
            severity,
            self.targets.seen(self.facts, target),
            due,
        );
        notice.alarm = Alarm::Flapping;
        "it comes and goes; single silences are not told until it is steady"
            .clone_into(&mut notice.detail);
        notice
    }

    fn notice(
        &self,
        target: u32,
        scope: Scope,
        severity: Severity,
        seen: Stamp,
        due: Mono,
    ) -> Notice {
        let row = self.targets.table.get(target);
        let rule = &self.facts.rules.rules[row.rule() as usize];
        let (detail, text) = match row.watched() {
            Watched::Beat(beat) => {
                let beat = self.facts.tracker.beat_row(beat);
                let known = self.facts.known_at(InstanceId(beat.instance), due);
                (known, self.facts.tracker.text(beat))
            }
            Watched::Logs(id) => (self.facts.known_at(id, due), String::new()),
            Watched::Group(group) => (
                self.group_detail(rule, self.targets.groups.get(group)),
                String::new(),
            ),
        };
        // A summary is written for the rule's own targets.
        let own = matches!(
            (rule.by, scope),
            (By::Instance, Scope::Instance)
                | (By::AppRegion, Scope::AppRegion)
                | (By::App, Scope::App)
                | (By::Region, Scope::Region)
        );
        Notice {
            incident: IncidentId(0),
            kind: NoticeKind::Opened,
            alarm: self.alarm_of(target),
            scope,
            rule: rule.name.clone(),
            notify: rule.notify.clone(),
            affected: Vec::new(),
            affected_total: 1,
            severity,
            who: self.targets.who(self.facts, row.watched()),
            since: self.facts.now.wall_of(seen.at),
            gap: self.facts.now.mono.since(seen.at),
            listened: self.facts.listening.listened().since(seen.listened),
            max_gap: self.targets.max_gap(self.facts, target),
            due: self.facts.now.wall_of(due),
            due_mono: due,
            decided: self.facts.now.wall,
            last_text: text,
            detail,
            summary: rule.summary.clone().filter(|_| own),
            runbook: rule.runbook.clone(),
        }
    }

    fn group_detail(&self, rule: &Rule, group: &crate::core::targets::groups::Group) -> String {
        let nobody = self.targets.members(self.facts, group).next().is_none();
        match rule.at_least {
            _ if nobody => "never heard since lastbeat watches it".to_owned(),
            Some(wanted) => format!("fewer than {wanted} are live"),
            None => String::new(),
        }
    }

    /// Who is part of an incident: the first of them, how many there are, and when any of them was last heard.
    pub(in crate::core) fn affected(
        &self,
        key: Key,
        members: &[(u32, Mono)],
    ) -> (Vec<String>, u64, Stamp) {
        let silent = self
            .silent_within(key)
            .map(|(id, instance)| (id, instance.seen));
        let mut all: Vec<(InstanceId, Stamp)> = silent.collect();
        let targets = || members.iter().map(|&(target, _)| target);
        if all.is_empty() {
            let seen = |id| {
                Some((
                    (self.targets.table.get(id).watched()).instance(&self.facts.tracker)?,
                    self.targets.seen(self.facts, id),
                ))
            };
            all.extend(targets().filter_map(seen));
        }
        // Of groups nobody may ever have been heard.
        let seen = all.iter().map(|(_, seen)| *seen).max_by_key(|seen| seen.at);
        let seen = seen
            .or_else(|| {
                targets()
                    .map(|id| self.targets.seen(self.facts, id))
                    .max_by_key(|seen| seen.at)
            })
            .unwrap_or_default();
        let named = if all.len() < 2 { 0 } else { NAMED };
        let names = all
            .iter()
            .take(named)
            .map(|(id, _)| self.name(*id))
            .collect();
        (names, all.len() as u64, seen)
    }

    fn who_of(&self, key: Key, members: &[(u32, Mono)]) -> Who {
        let app = |id: u32| self.facts.tracker.app_names.get(id).to_string();
        let region = |id: u32| self.facts.tracker.region_names.get(id).to_string();
        match key {
            Key::Stream => Who::default(),
            Key::Region(id) => Who {
                region: region(id),
                ..Who::default()
            },
            Key::App(id) => Who {
                app: app(id),
                ..Who::default()
            },
            Key::Place(id) => {
                let place = &self.facts.tracker.places[id as usize];
                Who {
                    app: app(place.app),
                    region: region(place.region),
                    ..Who::default()
                }
            }
            Key::Host(id) => Who {
                host: self.facts.tracker.host_names.get(id).to_string(),
                ..Who::default()
            },
            Key::Alone { .. } => {
                let mut all = members.iter().map(|(target, _)| {
                    self.targets
                        .who(self.facts, self.targets.table.get(*target).watched())
                });
                let first = all.next().unwrap_or_default();
                all.fold(first, in_common)
            }
        }
    }

    /// An instance in words.
    fn name(&self, id: InstanceId) -> String {
        let instance = self.facts.tracker.instance(id);
        let place = &self.facts.tracker.places[instance.place as usize];
        let (app, region) = (
            self.facts.tracker.app_names.get(place.app),
            self.facts.tracker.region_names.get(place.region),
        );
        format!("{app}/{region}/{}", self.facts.tracker.name(id))
    }

    /// The alarm of what a target watches.
    pub(in crate::core) fn alarm_of(&self, target: u32) -> Alarm {
        let row = self.targets.table.get(target);
        let logs =
            self.facts.rules.rules[row.rule() as usize].watch == crate::core::rule::Watch::Logs;
        debug_assert!(
            logs || !matches!(row.watched(), Watched::Logs(_)),
            "logs are watched by rules for logs"
        );
        if logs { Alarm::Logs } else { Alarm::Heartbeat }
    }

    pub(in crate::core) fn alone(&self, target: u32) -> Key {
        let row = self.targets.table.get(target);
        let app = self
            .targets
            .instance_of(self.facts, target)
            .map_or(crate::core::tracker::NONE, |id| self.facts.app_of(id));
        Key::Alone {
            rule: row.rule(),
            app,
        }
    }
}
/// What two have in common.
fn in_common(one: Who, other: Who) -> Who {
    let same = |one: String, other: String| if one == other { one } else { String::new() };
    Who {
        app: same(one.app, other.app),
        region: same(one.region, other.region),
        instance: same(one.instance, other.instance),
        host: same(one.host, other.host),
        beat: same(one.beat, other.beat),
    }
}
