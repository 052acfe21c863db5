//! What changes and notices say.

use crate::core::engine::{Engine, Output, STREAM_RULE};
use crate::core::incident::scope::Key;
use crate::core::notice::{Alarm, IncidentId, Notice, NoticeKind, Scope, Who};
use crate::core::rule::{By, Rule, Severity};
use crate::core::targets::table::{Change, Reason, State, Watched};

use crate::core::time::{Mono, Stamp};
use crate::core::tracker::{InstanceId, NONE};
use std::time::Duration;

/// Of those who are part of an incident this many are named; the rest are counted.
const NAMED: usize = 20;

impl Engine {
    pub(in crate::core) fn changed(&mut self, target: u32, from: State, reason: Reason, at: Mono) {
        self.touched(target);
        let row = self.targets.get(target);
        let change = Change {
            rule: self.rule_names[row.rule() as usize].clone(),
            who: self.who(row.watched()),
            from,
            to: row.state,
            reason,
            at: self.now.wall_of(at),
        };
        self.outputs.push(Output::Changed(change));
    }

    /// The opening notice of an incident about targets that fire, each with its deadline.
    pub(in crate::core) fn notice_of(&self, key: Key, members: &[(u32, Mono)]) -> Notice {
        let first = members
            .iter()
            .min_by_key(|(target, _)| self.targets.get(*target).rule());
        // Incidents of targets are made of at least one.
        let &(first, _) = first.unwrap_or(&members[0]);
        let due = members
            .iter()
            .map(|(_, due)| *due)
            .min()
            .unwrap_or(self.now.mono);
        let severity = self.severity_of(members.iter().map(|&(target, _)| target));
        let (affected, total, seen) = self.affected(key, members);
        let mut notice = self.notice(first, key.scope(), severity, seen, due);
        notice.who = self.who_of(key, members);
        (notice.affected, notice.affected_total) = (affected, total);
        notice
    }

    /// The worst severity of the rules of firing targets.
    pub(in crate::core) fn severity_of(&self, targets: impl Iterator<Item = u32>) -> Severity {
        let rules =
            targets.map(|target| &self.rules.rules[self.targets.get(target).rule() as usize]);
        rules.map(|rule| rule.severity).min().unwrap_or_default()
    }

    /// The notice that says that a target flaps.
    pub(in crate::core) fn flapping_notice(&self, target: u32, due: Mono) -> Notice {
        let row = self.targets.get(target);
        let severity = self.rules.rules[row.rule() as usize].severity;
        let mut notice = self.notice(target, Scope::Instance, severity, self.seen(target), due);
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
        let row = self.targets.get(target);
        let rule = &self.rules.rules[row.rule() as usize];
        let (detail, text) = match row.watched() {
            Watched::Beat(beat) => (
                self.known_at(row.watched(), due),
                self.tracker.text(&self.tracker.beats[beat.0 as usize]),
            ),
            Watched::Logs(_) => (self.known_at(row.watched(), due), String::new()),
            Watched::Group(group) => (
                self.group_detail(rule, self.groups.get(group)),
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
            who: self.who(row.watched()),
            since: self.now.wall_of(seen.at),
            gap: self.now.mono.since(seen.at),
            listened: self.listening.listened().since(seen.listened),
            max_gap: self.max_gap(target),
            due: self.now.wall_of(due),
            due_mono: due,
            decided: self.now.wall,
            last_text: text,
            detail,
            summary: rule.summary.clone().filter(|_| own),
            runbook: rule.runbook.clone(),
        }
    }

    fn group_detail(&self, rule: &Rule, group: &crate::core::targets::groups::Group) -> String {
        let nobody = self.members(group).next().is_none();
        match rule.at_least {
            _ if nobody => "never heard since lastbeat watches it".to_owned(),
            Some(wanted) => format!("fewer than {wanted} are live"),
            None => String::new(),
        }
    }

    /// Opens an incident of the stream itself: silent since `since`, or as late as `gap` says.
    pub(in crate::core) fn open_stream(
        &mut self,
        alarm: Alarm,
        since: Mono,
        gap: Duration,
        due: Mono,
        region: Option<u32>,
    ) -> IncidentId {
        let rule = &self.rules.stream;
        // The stream flows: what its rule says of its silence is not meant.
        let of_room = alarm == Alarm::Full;
        let blind = self.listening.blind_now();
        let detail = match (alarm, blind) {
            (Alarm::Lagging, _) => "entries arrive late, from everyone there".to_owned(),
            (Alarm::Losing, _) => {
                "messages come faster than they are taken, and are lost".to_owned()
            }
            (Alarm::Full, _) => self.full_words(),
            _ if !self.feed_words.is_empty() => self.feed_words.clone(),
            (_, None) => "connected, and nothing arrives".to_owned(),
            (_, Some(why)) => format!("lastbeat is blind: {}", why.label()),
        };
        let notice = Notice {
            incident: IncidentId(0),
            kind: NoticeKind::Opened,
            alarm,
            scope: if region.is_some() {
                Scope::Region
            } else {
                Scope::Stream
            },
            rule: STREAM_RULE.to_owned(),
            notify: None,
            affected: Vec::new(),
            affected_total: 0,
            severity: if of_room {
                Severity::Error
            } else {
                rule.severity
            },
            who: Who {
                region: region
                    .map(|id| self.tracker.region_names.get(id).to_string())
                    .unwrap_or_default(),
                ..Who::default()
            },
            since: self.now.wall_of(since),
            gap,
            listened: if blind.is_none() { gap } else { Duration::ZERO },
            max_gap: match alarm {
                Alarm::Full => Duration::ZERO,
                Alarm::Lagging => rule.max_lag,
                _ => rule.max_gap,
            },
            due: self.now.wall_of(due),
            due_mono: due,
            decided: self.now.wall,
            last_text: String::new(),
            detail,
            summary: rule.summary.clone().filter(|_| !of_room),
            runbook: rule.runbook.clone().filter(|_| !of_room),
        };
        self.open(Key::Stream, notice)
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
                    self.instance_of(self.targets.get(id).watched())?,
                    self.seen(id),
                ))
            };
            all.extend(targets().filter_map(seen));
        }
        // Of groups nobody may ever have been heard.
        let seen = all.iter().map(|(_, seen)| *seen).max_by_key(|seen| seen.at);
        let seen = seen
            .or_else(|| targets().map(|id| self.seen(id)).max_by_key(|seen| seen.at))
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
        let app = |id: u32| self.tracker.app_names.get(id).to_string();
        let region = |id: u32| self.tracker.region_names.get(id).to_string();
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
                let place = &self.tracker.places[id as usize];
                Who {
                    app: app(place.app),
                    region: region(place.region),
                    ..Who::default()
                }
            }
            Key::Host(id) => Who {
                host: self.tracker.host_names.get(id).to_string(),
                ..Who::default()
            },
            Key::Alone { .. } => {
                let mut all = members
                    .iter()
                    .map(|(target, _)| self.who(self.targets.get(*target).watched()));
                let first = all.next().unwrap_or_default();
                all.fold(first, in_common)
            }
        }
    }

    /// An instance in words.
    fn name(&self, id: InstanceId) -> String {
        let instance = &self.tracker.instances[id.0 as usize];
        let place = &self.tracker.places[instance.place as usize];
        let (app, region) = (
            self.tracker.app_names.get(place.app),
            self.tracker.region_names.get(place.region),
        );
        format!("{app}/{region}/{}", self.tracker.name(id))
    }

    /// Whose target it is.
    pub(in crate::core) fn who(&self, watched: Watched) -> Who {
        let app = |id: u32| {
            if id == NONE {
                String::new()
            } else {
                self.tracker.app_names.get(id).to_string()
            }
        };
        let region = |id: u32| {
            if id == NONE {
                String::new()
            } else {
                self.tracker.region_names.get(id).to_string()
            }
        };
        let beat = match watched {
            Watched::Beat(beat) => self
                .tracker
                .beat_names
                .get(self.tracker.beats[beat.0 as usize].name())
                .to_string(),
            Watched::Logs(_) => String::new(),
            Watched::Group(group) => {
                let group = self.groups.get(group);
                return Who {
                    app: app(group.app),
                    region: region(group.region),
                    ..Who::default()
                };
            }
        };
        let Some(id) = self.instance_of(watched) else {
            return Who::default();
        };
        let instance = &self.tracker.instances[id.0 as usize];
        let place = &self.tracker.places[instance.place as usize];
        let host = instance.host;
        Who {
            app: app(place.app),
            region: region(place.region),
            instance: self.tracker.name(id).to_owned(),
            host: if host == NONE {
                String::new()
            } else {
                self.tracker.host_names.get(host).to_string()
            },
            beat,
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
