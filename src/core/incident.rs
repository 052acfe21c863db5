//! Incidents: which firing targets are one cause, from the first that fires to the last that is back.
//!
//! A target that fires is gathered for its rule's `group_wait`. Then its scope is found, and it joins the incident of that
//! scope, or opens it; narrower incidents within are superseded. A member that is heard again stays until all others are:
//! the incident closes once all were live for a while. This layer knows no notifications: what happens to an incident goes
//! up as an [`IncidentEvent`].

pub mod flapping;
pub mod kind;
pub mod placing;
pub mod restarts;
pub mod returning;
pub mod saved;
pub mod scope;
pub mod stream;
pub mod view;

use crate::core::incident::flapping::Flaps;
use crate::core::incident::kind::{Alarm, CloseReason, IncidentId};
use crate::core::incident::placing::Gathered;
use crate::core::incident::restarts::Restarts;
use crate::core::incident::scope::{Key, ScopeCache};
use crate::core::incident::stream::{StreamFacts, StreamIncidents};
use crate::core::incident::view::View;
use crate::core::rule::Severity;
use crate::core::targets::AlertEvent;
use crate::core::targets::table::{Reason, State};
use crate::core::time::{Listened, Mono, Wall};
use std::collections::{BTreeMap, BTreeSet};

/// Open incidents at most; beyond it one says that there are more. Made-up names cost so many rows, and no more.
pub const MAX_OPEN: usize = 10_000;

/// A target of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Wall clock: its last sign of life before the silence.
    pub since: Wall,
    /// How long it may be silent, when it joined.
    pub max_gap: std::time::Duration,
    /// Since when it is heard again; `None` while it fires.
    pub back: Option<Back>,
}

/// The moment at which a member was heard again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Back {
    /// The listened clock.
    pub listened: Listened,
    /// Wall clock.
    pub at: Wall,
}

/// One incident that is open.
#[derive(Clone, Debug)]
pub struct Incident {
    /// What it is about.
    pub key: Key,
    /// The regions of [`Key::Regions`].
    pub regions: BTreeSet<u32>,
    /// What went wrong.
    pub alarm: Alarm,
    /// Its targets; the stream's own have none.
    pub members: BTreeMap<u32, Member>,
    /// How many of them fire.
    pub firing: usize,
    /// The worst severity of any member so far.
    pub severity: Severity,
    /// Wall clock: the earliest last sign of life of its members.
    pub since: Wall,
    /// The listened clock at that moment.
    pub since_listened: Listened,
    /// The first deadline that passed, on the arrival clock and on the wall clock.
    pub due: Mono,
    /// As [`Self::due`].
    pub due_at: Wall,
    /// Wall clock: when it opened.
    pub opened_at: Wall,
    /// Arrival clock: when the last member joined.
    pub joined_at: Mono,
    /// Arrival clock: when it was last looked at for what it has become.
    pub(in crate::core) looked_at: Mono,
    /// What became known of the cause, in words; empty where nothing did.
    pub detail: String,
    /// How many causes became known.
    pub causes: u32,
    /// Counts up with every change of its members.
    pub changes: u32,
    /// Whether its machine was considered for a restart.
    pub(in crate::core) restart_considered: bool,
    /// What an incident of the stream itself knows beyond.
    pub stream: Option<StreamFacts>,
}

impl Incident {
    /// How many members are silent.
    pub fn silent(&self) -> u64 {
        self.firing as u64
    }

    /// The members that fire.
    pub fn firing(&self) -> impl Iterator<Item = u32> + '_ {
        let firing = self.members.iter().filter(|(_, one)| one.back.is_none());
        firing.map(|(&target, _)| target)
    }

    /// Wall clock: when the last member came back; `None` where none did.
    pub fn back_at(&self) -> Option<Wall> {
        let backs = self.members.values().filter_map(|one| one.back);
        backs.map(|back| back.at).max()
    }
}

/// What happened to an incident.
#[derive(Clone, Debug)]
pub enum IncidentEvent {
    /// It opened.
    Opened(IncidentId),
    /// Members joined or came back, or more became known of it.
    Changed(IncidentId),
    /// It is over.
    Closed(IncidentId, Box<Incident>, CloseReason),
}

/// All that are open, and those that gather.
#[derive(Debug)]
pub struct Incidents {
    open: BTreeMap<IncidentId, Incident>,
    /// Those that are open, by what they are about.
    by_key: BTreeSet<(Key, IncidentId)>,
    /// The incident of each member.
    of_target: BTreeMap<u32, IncidentId>,
    /// Those of which every member is back.
    returning: BTreeSet<IncidentId>,
    /// Those that say that a scope flaps.
    flapping: BTreeSet<IncidentId>,
    gathered: Vec<Gathered>,
    pub(in crate::core) cache: ScopeCache,
    pub(in crate::core) flaps: Flaps,
    pub(in crate::core) stream: StreamIncidents,
    restarts: Restarts,
    events: Vec<IncidentEvent>,
    pub(in crate::core) next_incident: u64,
}

impl Incidents {
    /// None is open; the first gets this number.
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
            restarts: Restarts::default(),
            events: Vec::new(),
            next_incident: first,
        }
    }

    /// Takes what a target's alert tells.
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

    /// Whether events wait for the layer above.
    #[inline]
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Takes the events since the last call, in order.
    pub fn take_events(&mut self) -> Vec<IncidentEvent> {
        std::mem::take(&mut self.events)
    }

    /// An incident that is open.
    pub fn get(&self, id: IncidentId) -> Option<&Incident> {
        self.open.get(&id)
    }

    /// Incidents that are open, by number.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (IncidentId, &Incident)> {
        self.open.iter().map(|(&id, incident)| (id, incident))
    }

    /// The incident that a target is a member of.
    pub fn of_target(&self, target: u32) -> Option<IncidentId> {
        self.of_target.get(&target).copied()
    }

    /// An incident of an earlier life is open.
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

    /// What is known of an open incident has changed: it keeps what it opened with, and the last of what followed.
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

    /// Adds what has become known to an open incident: its next notifications say it.
    pub(in crate::core) fn add_detail(&mut self, id: IncidentId, detail: &str) {
        /// Bytes of all details together: what a notification quotes of them is shorter.
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

    /// The rules are others now: severities may have grown.
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

    /// Opens an incident; gives its number. Beyond [`MAX_OPEN`] it is the one that says so.
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

    /// Closes an incident now.
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
        let closed = IncidentEvent::Closed(id, Box::new(incident), why);
        self.events.push(closed);
    }

    /// The incident about a key that is open.
    fn of(&self, key: Key) -> Option<IncidentId> {
        let mut own = self.by_key.range((key, IncidentId(0))..);
        own.next().filter(|own| own.0 == key).map(|own| own.1)
    }

    /// All incidents about a key that are open, the oldest first.
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
