//! Incidents: groups of firing targets with one cause, from the first firing to the last recovery.
//!
//! A firing target waits for its rule's `group_wait`. Then its scope is determined, and it joins the incident of that
//! scope or opens it, which supersedes narrower incidents within. A member that is heard again stays until all others
//! are: the incident closes once all were live for a while. This layer knows no notifications: changes of incidents
//! leave as [`IncidentEvent`]s.

pub mod downstream;
mod downstream_state;
pub mod flapping;
pub mod key;
pub mod kind;
pub mod placing;
pub mod restart_limit;
pub mod restarts;
pub mod returning;
pub mod saved;
pub mod scope;
pub mod scope_cache;
pub mod stream;
pub mod stream_state;
pub mod view;

use crate::core::incident::downstream_state::OpenDownstream;
use crate::core::incident::flapping::Flaps;
use crate::core::incident::key::Key;
use crate::core::incident::kind::{Alarm, CloseReason, IncidentId};
use crate::core::incident::restart_limit::Restarts;
use crate::core::incident::scope_cache::ScopeCache;
use crate::core::incident::stream_state::{StreamFacts, StreamIncidents};
use crate::core::incident::view::View;
use crate::core::rule::Severity;
use crate::core::targets::AlertEvent;
use crate::core::targets::table::{Reason, State};
use crate::core::time::{Listened, Mono, Wall};
use std::collections::{BTreeMap, BTreeSet};

/// Limit on open incidents; beyond it, one incident reports that there are more. Invented names cost no more rows than
/// that.
pub const MAX_OPEN: usize = 10_000;

/// A target in an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Wall clock: its last sign of life before the silence.
    pub since: Wall,
    /// Its longest allowed silence when it joined.
    pub max_gap: std::time::Duration,
    /// Its return; `None` while it fires.
    pub back: Option<Back>,
}

/// The moment at which a member was heard again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Back {
    /// The listened clock.
    pub listened: Listened,
    /// Wall clock.
    pub at: Wall,
    /// Arrival clock.
    pub mono: Mono,
}

/// An open incident.
#[derive(Clone, Debug)]
pub struct Incident {
    /// Its subject.
    pub key: Key,
    /// The regions of [`Key::Regions`].
    pub regions: BTreeSet<u32>,
    /// Its alarm.
    pub alarm: Alarm,
    /// Its targets; the stream's own have none.
    pub members: BTreeMap<u32, Member>,
    /// Number of members that fire.
    pub firing: usize,
    /// The worst severity of any member so far.
    pub severity: Severity,
    /// Wall clock: the earliest last sign of life of its members.
    pub since: Wall,
    /// The listened clock at that moment.
    pub since_listened: Listened,
    /// Arrival clock at [`Self::since`]: durations come from it, since the wall clock may be set meanwhile.
    pub since_mono: Mono,
    /// The first deadline that passed, on the arrival clock and on the wall clock.
    pub due: Mono,
    /// As [`Self::due`].
    pub due_at: Wall,
    /// Wall clock: when it opened.
    pub opened_at: Wall,
    /// Arrival clock: when the last member joined.
    pub joined_at: Mono,
    /// Arrival clock: the last check for a wider scope.
    pub(in crate::core) looked_at: Mono,
    /// Known causes, in words; empty if none is known.
    pub detail: String,
    /// Number of causes that became known.
    pub causes: u32,
    /// True if a restart of its machine was considered.
    pub(in crate::core) restart_considered: bool,
    /// Measurements of an incident of the stream itself; `None` for others.
    pub stream: Option<StreamFacts>,
}

impl Incident {
    /// The members that fire.
    pub fn firing(&self) -> impl Iterator<Item = u32> + '_ {
        let firing = self.members.iter().filter(|(_, one)| one.back.is_none());
        firing.map(|(&target, _)| target)
    }

    /// The last return of a member; `None` if none has returned.
    pub fn last_back(&self) -> Option<Back> {
        let backs = self.members.values().filter_map(|one| one.back);
        backs.max_by_key(|back| back.mono)
    }
}

/// An event for the layer above.
#[derive(Clone, Debug)]
pub enum IncidentEvent {
    /// It opened.
    Opened(IncidentId),
    /// Members joined or returned, or more became known.
    Changed(IncidentId),
    /// It closed.
    Closed(IncidentId, Box<Incident>, CloseReason),
}

/// A firing target that waits for others with the same cause.
#[derive(Clone, Copy, Debug)]
struct Gathered {
    target: u32,
    due: Mono,
    deadline: Listened,
    waits_until: Mono,
}

/// All open incidents, and the targets that wait to be grouped.
#[derive(Debug)]
pub struct Incidents {
    open: BTreeMap<IncidentId, Incident>,
    /// Open incidents by subject.
    by_key: BTreeSet<(Key, IncidentId)>,
    /// The incident of each member.
    of_target: BTreeMap<u32, IncidentId>,
    /// Incidents all of whose members have returned.
    returning: BTreeSet<IncidentId>,
    /// Incidents that report a flapping scope.
    flapping: BTreeSet<IncidentId>,
    gathered: Vec<Gathered>,
    pub(in crate::core) cache: ScopeCache,
    pub(in crate::core) flaps: Flaps,
    pub(in crate::core) stream: StreamIncidents,
    /// The open incident of each downstream, by its number.
    downstreams: BTreeMap<u32, OpenDownstream>,
    restarts: Restarts,
    events: Vec<IncidentEvent>,
    pub(in crate::core) next_incident: u64,
}

impl Incidents {
    /// Without open incidents; the first one gets this number.
    pub fn new(first: u64) -> Self {
        Incidents {
            open: BTreeMap::new(),
            by_key: BTreeSet::new(),
            of_target: BTreeMap::new(),
            returning: BTreeSet::new(),
            flapping: BTreeSet::new(),
            gathered: Vec::new(),
            cache: ScopeCache::default(),
            flaps: Flaps::default(),
            stream: StreamIncidents::default(),
            downstreams: BTreeMap::new(),
            restarts: Restarts::default(),
            events: Vec::new(),
            next_incident: first,
        }
    }

    /// Applies an event of the targets.
    pub fn apply(&mut self, view: View<'_>, event: &AlertEvent) {
        match event {
            AlertEvent::Changed { target, change } => {
                if change.from == State::Firing && change.to == State::Ok {
                    self.ended(view, *target, change.reason);
                }
            }
            AlertEvent::Fired {
                target,
                due,
                deadline,
            } => self.gather(view, *target, *due, *deadline),
            AlertEvent::Removed(target) => {
                self.flaps.forget(*target);
                self.drop_member(view, *target, CloseReason::Forgotten);
            }
            AlertEvent::Known { target, words } => {
                if let Some(incident) = self.of_target.get(target) {
                    self.add_detail(*incident, words);
                }
            }
        }
    }

    /// True if there are events for the layer above.
    #[inline]
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Takes the events since the last call, in order.
    pub fn take_events(&mut self) -> Vec<IncidentEvent> {
        std::mem::take(&mut self.events)
    }

    /// An open incident.
    pub fn get(&self, id: IncidentId) -> Option<&Incident> {
        self.open.get(&id)
    }

    /// Open incidents, by number.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (IncidentId, &Incident)> {
        self.open.iter().map(|(&id, incident)| (id, incident))
    }

    /// The incident that a target is a member of.
    pub fn of_target(&self, target: u32) -> Option<IncidentId> {
        self.of_target.get(&target).copied()
    }

    /// Resumes an open incident of a previous run.
    pub(in crate::core) fn resume(&mut self, id: IncidentId, incident: Incident) {
        self.next_incident = self.next_incident.max(id.0 + 1);
        for &target in incident.members.keys() {
            self.of_target.insert(target, id);
        }
        if incident.alarm == Alarm::Flapping {
            self.flapping.insert(id);
        } else if incident.firing == 0 && !incident.members.is_empty() {
            self.returning.insert(id);
        }
        self.by_key.insert((incident.key, id));
        self.open.insert(id, incident);
    }

    /// Updates the known causes of an open incident: keeps the first text and the latest one.
    pub(in crate::core) fn now_known(&mut self, id: IncidentId, detail: &str) {
        const THEN: &str = "; then ";
        let Some(open) = self.open.get_mut(&id) else {
            return;
        };
        let first = open.detail.split(THEN).next().unwrap_or_default();
        open.detail = if first == detail {
            detail.to_owned()
        } else {
            format!("{first}{THEN}{detail}")
        };
        self.events.push(IncidentEvent::Changed(id));
    }

    /// Adds a text to the known causes of an open incident, for its next notifications.
    pub(in crate::core) fn add_detail(&mut self, id: IncidentId, detail: &str) {
        /// Limit of all texts together, in bytes: a notification quotes less.
        const MOST: usize = 4_000;
        let Some(open) = self.open.get_mut(&id) else {
            return;
        };
        if open.detail.contains(detail) || open.detail.len() + detail.len() > MOST {
            return;
        }
        open.causes += 1;
        if !open.detail.is_empty() {
            open.detail.push_str("; ");
        }
        open.detail.push_str(detail);
        self.events.push(IncidentEvent::Changed(id));
    }

    /// Applies changed rules: severities may have risen.
    pub(in crate::core) fn rules_changed(&mut self, view: View<'_>) {
        for (&id, open) in &mut self.open {
            let firing = open.members.iter().filter(|(_, one)| one.back.is_none());
            let firing = firing.map(|(&target, _)| target);
            let worst = firing
                .map(|target| view.targets.rule_of(view.facts, target).severity)
                .min();
            open.severity = worst.map_or(open.severity, |worst| worst.min(open.severity));
            self.events.push(IncidentEvent::Changed(id));
        }
    }

    /// Opens an incident; gives its number, or at [`MAX_OPEN`] that of the overflow incident.
    pub(in crate::core) fn open(&mut self, view: View<'_>, incident: Incident) -> IncidentId {
        if self.open.len() >= MAX_OPEN && incident.stream.is_none() {
            return self.overflow(view);
        }
        let id = IncidentId(self.next_incident);
        self.next_incident += 1;
        self.by_key.insert((incident.key, id));
        if incident.alarm == Alarm::Flapping {
            self.flapping.insert(id);
        }
        self.open.insert(id, incident);
        self.events.push(IncidentEvent::Opened(id));
        id
    }

    /// Closes an incident.
    pub(in crate::core) fn close(&mut self, id: IncidentId, why: CloseReason) {
        let Some(incident) = self.open.remove(&id) else {
            return;
        };
        self.by_key.remove(&(incident.key, id));
        self.returning.remove(&id);
        self.flapping.remove(&id);
        for target in incident.members.keys() {
            if self.of_target.get(target) == Some(&id) {
                self.of_target.remove(target);
            }
        }
        self.stream.closed(id);
        self.downstreams.retain(|_, open| open.id != id);
        let closed = IncidentEvent::Closed(id, Box::new(incident), why);
        self.events.push(closed);
    }

    /// The open incident with a subject; `None` if there is none.
    fn of(&self, key: Key) -> Option<IncidentId> {
        let mut own = self.by_key.range((key, IncidentId(0))..);
        own.next().filter(|own| own.0 == key).map(|own| own.1)
    }

    /// All open incidents with a subject, the oldest first.
    fn all_of(&self, key: Key) -> impl DoubleEndedIterator<Item = IncidentId> {
        let all = (key, IncidentId(0))..=(key, IncidentId(u64::MAX));
        self.by_key.range(all).map(|own| own.1)
    }
}

impl From<Reason> for CloseReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Bye => CloseReason::Stopped,
            Reason::Forgotten => CloseReason::Forgotten,
            Reason::RuleRemoved => CloseReason::RuleRemoved,
            Reason::GapExceeded
            | Reason::Held
            | Reason::Crashed
            | Reason::Relaxed
            | Reason::Heard
            | Reason::Blind => CloseReason::Resolved,
        }
    }
}
