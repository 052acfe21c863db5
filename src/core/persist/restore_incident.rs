//! Open incidents of an earlier run, with their members and what was notified of them.

use crate::core::engine::Engine;
use crate::core::incident::flapping::Flapper;
use crate::core::incident::key::Key;
use crate::core::incident::stream_state::StreamFacts;
use crate::core::incident::{Back, Incident, Member};
use crate::core::notice::ledger::{Ledger, Notified};
use crate::core::notice::{Alarm, CloseReason, IncidentId, NoticeKind};
use crate::core::persist::saved_clocks::Clocks;
use crate::core::persist::{
    EVERY_NOTIFIER, SavedIncident, SavedKey, SavedNotified, SavedTarget, SavedWatched,
};
use crate::core::targets::table::State;
use crate::core::time::{Listened, Mono};
use crate::core::tracker::NONE;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl Engine {
    pub(super) fn restore_incident(&mut self, saved: &SavedIncident, clocks: &Clocks) {
        let id = saved.notice.incident;
        if saved.closed.is_some() || self.incidents.get(id).is_some() {
            return;
        }
        let mut members: BTreeMap<u32, Member> = BTreeMap::new();
        for target in &saved.members {
            if let Some(number) = self.member_named(target) {
                self.targets.table.get_mut(number).good = target.recovered;
                members.insert(number, self.restored_member(number, None));
            }
        }
        let firing = members.len();
        if let (SavedKey::Flapping(target), 0) = (&saved.key, firing)
            && let Some(target) = self.member_named(target)
        {
            // It was ok when this was stored.
            let back = Back {
                listened: self.facts.listening.listened(),
                at: clocks.now.wall,
                mono: clocks.now.mono,
            };
            members.insert(target, self.restored_member(target, Some(back)));
        }
        for back in &saved.back {
            if let Some(target) = self.member_named(&back.target) {
                let back = Back {
                    listened: clocks.listened(back.at.listened),
                    at: back.at.at,
                    mono: clocks.mono(back.at.at),
                };
                members.insert(target, self.restored_member(target, Some(back)));
            }
        }
        let opened = clocks.mono(saved.opened_at);
        let opened = self.facts.listening.listened_at(opened);
        for (&target, member) in &members {
            if member.back.is_none() {
                self.targets.silent_since(target, opened);
                self.targets.table.get_mut(target).state = State::Firing;
                self.targets.table.set_due(target, Listened::NEVER);
            }
        }
        let key = self.key_named(&saved.key, &members);
        let regions = match &saved.key {
            SavedKey::Regions(names) => {
                let names = names.iter();
                names
                    .filter_map(|name| self.facts.tracker.intern_region(name))
                    .collect()
            }
            _ => BTreeSet::new(),
        };
        let notice = &saved.notice;
        let incident = Incident {
            key: key.unwrap_or(Key::Stream),
            regions,
            alarm: notice.alarm,
            firing,
            severity: notice.severity,
            since: notice.since,
            since_mono: clocks.mono(notice.since),
            since_listened: self.facts.listening.listened() - notice.listened,
            due: clocks.now.mono,
            due_at: notice.due,
            opened_at: saved.opened_at,
            joined_at: clocks.mono(saved.opened_at),
            looked_at: Mono::ZERO,
            detail: notice.detail.clone(),
            causes: 0,
            restart_considered: !saved.notified.is_empty(),
            stream: matches!(saved.key, SavedKey::Stream | SavedKey::Downstream(_))
                .then(|| self.stream_facts(saved)),
            members,
        };
        let every = self.notice_view().every_notifier();
        let named = |one: &SavedNotified| match &*one.notifier {
            EVERY_NOTIFIER => every.clone(),
            _ => vec![Arc::clone(&one.notifier)],
        };
        let notifiers = saved.notified.iter().map(|one| named(one).len()).sum();
        let notified = saved.notified.iter().flat_map(|one| {
            let notified = Notified {
                at: clocks.mono(one.at),
                updated_at: (one.updates > 0).then(|| clocks.mono(one.at)),
                reminders: one.reminders,
                updates: one.updates,
                severity: one.severity,
                silent: one.silent,
                back: saved.back.len() as u64,
                causes: 0,
                notifiers,
                differs_since: None,
            };
            named(one).into_iter().map(move |name| (name, notified))
        });
        let mut text = notice.clone();
        text.kind = NoticeKind::Opened;
        text.due_mono = clocks.now.mono;
        let ledger = Ledger::restored(text, notified.collect());
        self.incidents.resume(id, incident);
        self.notices.resume(id, ledger);
        let held = key.is_some() && self.hold(id, saved);
        if !held {
            // Its subject is not watched any more.
            self.incidents.close(id, CloseReason::RuleRemoved);
        }
        self.announce();
    }

    /// A target that is part of no incident yet.
    fn member_named(&self, saved: &SavedTarget) -> Option<u32> {
        let target = self.target_named(saved)?;
        let free = !self.targets.fires(target) && self.incidents.of_target(target).is_none();
        free.then_some(target)
    }

    fn restored_member(&self, target: u32, back: Option<Back>) -> Member {
        Member {
            since: (self.facts.now).wall_of(self.targets.seen(&self.facts, target).at),
            max_gap: self.targets.max_gap(&self.facts, target),
            back,
        }
    }

    fn stream_facts(&mut self, saved: &SavedIncident) -> StreamFacts {
        let notice = &saved.notice;
        let region = &notice.who.region;
        let region = (!region.is_empty()).then(|| self.facts.tracker.intern_region(region));
        StreamFacts {
            gap: notice.gap,
            listened: notice.listened,
            max_gap: notice.max_gap,
            region: region.flatten(),
            missing: notice.between.missing,
        }
    }

    /// Ties an incident to its subject; true if that exists.
    fn hold(&mut self, id: IncidentId, saved: &SavedIncident) -> bool {
        let Some(incident) = self.incidents.get(id) else {
            return false;
        };
        let listened = self.facts.listening.listened();
        if let Key::Downstream(number) = incident.key {
            let (alarm, detail) = (incident.alarm, incident.detail.clone());
            if alarm == Alarm::Flapping
                && let Some(watch) = self.facts.downstreams.get(number)
            {
                let who = Flapper::Scope(incident.key);
                let max_delay = watch.rule.max_delay;
                self.incidents.flaps.resume(who, listened, max_delay);
            }
            let other = self
                .incidents
                .resume_downstream(number, id, (alarm, &detail));
            if let Some(other) = other {
                self.incidents.close(other, CloseReason::Superseded);
            }
            return true;
        }
        if saved.key != SavedKey::Stream {
            let (key, flaps) = (incident.key, incident.alarm == Alarm::Flapping);
            let members: Vec<u32> = incident.members.keys().copied().collect();
            let first = members.first().copied();
            for target in members.iter().filter(|_| flaps) {
                let max_gap = self.targets.max_gap(&self.facts, *target);
                let who = match key {
                    Key::Part(_) => Flapper::Target(*target),
                    key => Flapper::Scope(key),
                };
                self.incidents.flaps.resume(who, listened, max_gap);
            }
            return first.is_some();
        }
        let full = incident.alarm == Alarm::Full;
        if full && !incident.members.is_empty() {
            self.incidents.stream.overflow = Some(id);
            return true;
        }
        let region = incident.stream.and_then(|facts| facts.region);
        let stream = &mut self.incidents.stream;
        let taken = match saved.notice.alarm {
            Alarm::Stalled | Alarm::Refused => {
                stream.refused |= saved.notice.alarm == Alarm::Refused;
                stream.is_stalled = true;
                stream.stalled.replace(id)
            }
            Alarm::Flapping => {
                let max_gap = self.facts.stream_max_gap();
                let who = Flapper::Scope(Key::Stream);
                self.incidents.flaps.resume(who, listened, max_gap);
                self.incidents.stream.flapping.replace(id)
            }
            Alarm::Losing => stream.losing.replace(id),
            Alarm::Blind => stream.blind.replace(id),
            Alarm::Archive => stream.archive.replace(id),
            Alarm::Full => {
                self.facts.capacity.last = listened;
                stream.full.replace(id)
            }
            Alarm::Lagging if saved.notice.who.region.is_empty() => stream.lagging.replace(id),
            Alarm::Lagging => match region {
                Some(region) => stream.lagging_regions.insert(region, id),
                None => return false,
            },
            Alarm::Heartbeat | Alarm::Logs | Alarm::Rate | Alarm::Unseen | Alarm::Drill => {
                return false;
            }
        };
        if let Some(other) = taken {
            self.incidents.close(other, CloseReason::Superseded);
        }
        true
    }

    fn key_named(&mut self, key: &SavedKey, members: &BTreeMap<u32, Member>) -> Option<Key> {
        let tracker = &mut self.facts.tracker;
        Some(match key {
            SavedKey::Stream => Key::Stream,
            SavedKey::Downstream(name) => Key::Downstream(self.facts.downstreams.find(name)?),
            SavedKey::Region(region) => Key::Region(tracker.intern_region(region)?),
            SavedKey::App(app) => Key::App(tracker.intern_app(app)?),
            SavedKey::AppRegion(app, region) => {
                let (app, region) = (tracker.intern_app(app)?, tracker.intern_region(region)?);
                Key::AppRegion(tracker.find_app_region(app, region)?)
            }
            SavedKey::Host(host) => Key::Host(tracker.host_names.find(host)?),
            SavedKey::Regions(_) => Key::Regions,
            SavedKey::Alone(_) | SavedKey::Flapping(_) => {
                let (&first, _) = members.first_key_value()?;
                Key::Part(self.view().app_region_of(first).0)
            }
        })
    }

    fn target_named(&self, saved: &SavedTarget) -> Option<u32> {
        let target = match &saved.watched {
            SavedWatched::Beat {
                subject,
                marker,
                name,
            } => {
                let id = self.facts.tracker.find(subject)?;
                let markers = &self.facts.rules.markers;
                let marker = markers.iter().position(|text| **text == **marker)?;
                let name = self.facts.tracker.beat_names.find(name)?;
                let beat = self.facts.tracker.beats_of(id).find(|beat| {
                    let beat = self.facts.tracker.beat_row(*beat);
                    usize::from(beat.marker.0) == marker && beat.name() == name
                })?;
                self.facts.tracker.beat_row(beat).target
            }
            SavedWatched::Logs { subject } => {
                self.facts.tracker.instances[self.facts.tracker.find(subject)?.0 as usize].logs
            }
            SavedWatched::Group { app, region } => {
                let rule = self.facts.rule_named(&saved.rule)?;
                let number =
                    |name: &Option<std::sync::Arc<str>>,
                     of: &crate::core::tracker::names::Names| match name {
                        None => Some(NONE),
                        Some(name) => of.find(name),
                    };
                let app = number(app, &self.facts.tracker.app_names)?;
                let region = number(region, &self.facts.tracker.region_names)?;
                self.targets
                    .groups
                    .get(self.targets.groups.find(rule, app, region)?)
                    .target
            }
        };
        let row = self.targets.table.row(target)?;
        let same = *self.facts.rule_names[row.rule() as usize] == *saved.rule;
        same.then_some(target)
    }
}
