//! Incidents: which firing targets are one cause, and what is told of it.
//!
//! A target that fires is gathered for its rule's `group_wait`. Then its scope is found, and it joins the incident
//! of that scope, or opens it; narrower incidents within are superseded. Opening and telling are two things: what a
//! silence keeps from being told opens all the same, and is told when the silence ends, if it still fires.

pub mod flapping;
pub mod restarts;
pub mod saved;
pub mod scope;
pub mod stream;
pub mod view;

use crate::core::incident::flapping::{Firing, Flaps};
use crate::core::incident::restarts::Restarts;
use crate::core::incident::scope::{Key, ScopeCache};
use crate::core::incident::stream::StreamIncidents;
use crate::core::incident::view::View;
use crate::core::notice::due::Told;
use crate::core::notice::{CloseReason, IncidentId, Notice, NoticeKind};
use crate::core::output::Output;
use crate::core::persist::changes::Changes;
use crate::core::silence::Silence;
use crate::core::targets::AlertEvent;
use crate::core::targets::table::{Reason, State};
use crate::core::time::{Listened, Mono, Wall};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// One incident that is open.
#[derive(Clone, Debug)]
pub struct Incident {
    /// What it is about.
    pub(in crate::core) key: Key,
    /// As it is told when it opens.
    pub(in crate::core) notice: Notice,
    /// Targets that fire within it; the stream's own have none.
    pub(in crate::core) members: BTreeSet<u32>,
    /// What was told last; `None` where a silence kept it from being told.
    pub(in crate::core) told: Option<Told>,
    /// How often it is told again.
    pub(in crate::core) remind: Option<Duration>,
    /// Whether more became known since it was told last, that people would act on.
    pub(in crate::core) news: bool,
    /// When it opened.
    pub(in crate::core) opened_at: Wall,
    /// When one of it was heard again while others were not, on the listened clock.
    pub(in crate::core) broken: Option<Listened>,
}

/// A firing target that waits for others of the same cause.
#[derive(Clone, Copy, Debug)]
pub(in crate::core) struct Gathered {
    target: u32,
    due: Mono,
    settle_at: Mono,
}

/// All that are open, and those that gather.
#[derive(Debug)]
pub struct Incidents {
    pub(in crate::core) open: BTreeMap<IncidentId, Incident>,
    /// Those that are open, by what they are about.
    by_key: BTreeSet<(Key, IncidentId)>,
    /// The incident of each target that fires within one.
    of_target: BTreeMap<u32, IncidentId>,
    gathered: Vec<Gathered>,
    pub(in crate::core) cache: ScopeCache,
    /// What changed since it was last kept.
    pub(in crate::core) changes: Changes,
    pub(in crate::core) flaps: Flaps,
    pub(in crate::core) stream: StreamIncidents,
    restarts: Restarts,
    pub(in crate::core) silences: Vec<Silence>,
    pub(in crate::core) outputs: Vec<Output>,
    pub(in crate::core) next_incident: u64,
}

impl Incidents {
    /// None is open; the first gets this number.
    pub fn new(first: u64) -> Self {
        Incidents {
            open: BTreeMap::new(),
            by_key: BTreeSet::new(),
            of_target: BTreeMap::new(),
            gathered: Vec::new(),
            cache: ScopeCache::default(),
            changes: Changes::default(),
            flaps: Flaps::default(),
            stream: StreamIncidents::default(),
            restarts: Restarts::default(),
            silences: Vec::new(),
            outputs: Vec::new(),
            next_incident: first,
        }
    }

    /// Takes what a target's alert tells.
    pub fn apply(&mut self, view: View<'_>, event: AlertEvent) {
        match event {
            AlertEvent::Changed { target, change } => {
                let ended = (change.from == State::Firing && change.to == State::Ok)
                    .then_some(change.reason);
                self.outputs.push(Output::Changed(change));
                if let Some(reason) = ended {
                    self.flaps.ended(target, view.facts.listening.listened());
                    self.leave(view, target, reason.into());
                }
            }
            AlertEvent::Fired {
                target,
                due,
                deadline,
            } => self.gather(view, target, due, deadline),
            AlertEvent::Removed(target) => {
                if let Some(incident) = self.flaps.forget(target) {
                    self.close(view, incident, CloseReason::Forgotten);
                }
                self.of_target.remove(&target);
            }
            AlertEvent::Known { target, words } => {
                if let Some(incident) = self.of_target.get(&target) {
                    self.add_detail(*incident, &words);
                }
            }
        }
    }

    /// An incident of an earlier life is open, and these fire within it.
    pub(in crate::core) fn resume(&mut self, id: IncidentId, incident: Incident) {
        self.next_incident = self.next_incident.max(id.0 + 1);
        for &target in &incident.members {
            self.of_target.insert(target, id);
        }
        self.insert(id, incident);
    }

    /// Incidents that are open, by number.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (IncidentId, &Incident)> {
        self.open.iter().map(|(&id, incident)| (id, incident))
    }

    /// What is known of an open incident has changed: it keeps what it opened with, and the last of what followed.
    pub(in crate::core) fn now_known(&mut self, id: IncidentId, detail: &str) {
        const THEN: &str = "; then ";
        let Some(open) = self.open.get_mut(&id) else {
            return;
        };
        let first = open.notice.detail.split(THEN).next().unwrap_or_default();
        open.notice.detail = if first == detail {
            detail.to_owned()
        } else {
            format!("{first}{THEN}{detail}")
        };
    }

    /// Adds what has become known to an open incident: its next notices say it.
    pub(in crate::core) fn add_detail(&mut self, id: IncidentId, detail: &str) {
        let Some(open) = self.open.get_mut(&id) else {
            return;
        };
        if !open.notice.detail.contains(detail) {
            open.news = true;
            self.changes.marked(id);
            let between = if open.notice.detail.is_empty() {
                ""
            } else {
                "; "
            };
            open.notice.detail = format!("{}{between}{detail}", open.notice.detail);
        }
    }

    /// One more is open.
    pub(in crate::core) fn insert(&mut self, id: IncidentId, incident: Incident) {
        self.by_key.insert((incident.key, id));
        self.open.insert(id, incident);
    }

    fn remove(&mut self, id: IncidentId) -> Option<Incident> {
        let incident = self.open.remove(&id)?;
        self.by_key.remove(&(incident.key, id));
        Some(incident)
    }

    fn of(&self, key: Key) -> Option<IncidentId> {
        let mut own = self.by_key.range((key, IncidentId(0))..);
        own.next().filter(|own| own.0 == key).map(|own| own.1)
    }
}

impl Incidents {
    /// A target fires whose deadline lay at `due`.
    pub(in crate::core) fn gather(
        &mut self,
        view: View<'_>,
        target: u32,
        due: Mono,
        deadline: Listened,
    ) {
        let max_gap = view.targets.max_gap(view.facts, target);
        let rule = &view.facts.rules.rules[view.targets.table.get(target).rule() as usize];
        let settle_at = view.facts.now.mono + rule.group_wait;
        match self.flaps.fired(target, deadline, max_gap) {
            Firing::Flapping => {}
            Firing::Single => self.gathered.push(Gathered {
                target,
                due,
                settle_at,
            }),
            Firing::StartsFlapping => {
                let notice = view.flapping_notice(target, due);
                let incident = self.open(view, view.alone(target), notice);
                self.flaps.tell(target, incident);
            }
        }
    }

    /// When gathered targets are to be settled next.
    pub(in crate::core) fn next_settling(&self) -> Mono {
        self.gathered
            .iter()
            .map(|gathered| gathered.settle_at)
            .min()
            .unwrap_or(Mono::NEVER)
    }

    /// Settles gathered targets whose wait is over, splits what is no longer wholly silent, and tells what is to
    /// be told.
    pub(in crate::core) fn settle(&mut self, view: View<'_>) {
        self.steady_down(view);
        let now = view.facts.now.mono;
        if self.next_settling() <= now {
            let gathered = std::mem::take(&mut self.gathered);
            let (ready, waiting): (Vec<_>, Vec<_>) =
                gathered.into_iter().partition(|one| one.settle_at <= now);
            self.gathered = waiting;
            let fires: Vec<(u32, Mono)> = ready
                .iter()
                .filter(|one| view.targets.fires(one.target))
                .map(|one| (one.target, one.due))
                .collect();
            self.place(view, &fires);
        }
        self.split_broken(view);
        self.tell_owed(view);
    }

    /// Puts firing targets into the incidents of their scopes.
    fn place(&mut self, view: View<'_>, fires: &[(u32, Mono)]) {
        if fires.is_empty() {
            return;
        }
        let mut cache = std::mem::take(&mut self.cache);
        let mut by_key: BTreeMap<Key, Vec<(u32, Mono)>> = BTreeMap::new();
        for &(target, due) in fires {
            by_key
                .entry(view.key_of(target, &mut cache))
                .or_default()
                .push((target, due));
        }
        // Who may be owed a notice: at first anyone, afterwards only those that changed.
        let mut owed: Option<BTreeSet<IncidentId>> = None;
        for (key, members) in by_key {
            // What alone fell silent is an incident of its own, whatever else of its rule is open.
            let joined = if matches!(key, Key::Alone { .. }) {
                None
            } else {
                self.of(key)
            };
            let incident = joined.unwrap_or_else(|| {
                let notice = view.notice_of(key, &members);
                self.open(view, key, notice)
            });
            for (target, _) in members {
                self.join(view, target, incident);
            }
            if let Some(owed) = &mut owed {
                owed.insert(incident);
            }
            if joined.is_some() {
                self.grown(view, incident, cache.silent(key));
                continue;
            }
            // The cause is told before what it explains is taken back.
            match &owed {
                None => self.tell_owed(view),
                Some(changed) => self.tell_owed_of(view, changed),
            }
            self.supersede_within(view, key, incident);
            owed = Some(BTreeSet::from([incident]));
        }
        cache.end();
        self.cache = cache;
    }

    /// More joined an incident that is open: it says who is part of it now. `silent`: how many of its scope are, where that
    /// is known.
    fn grown(&mut self, view: View<'_>, id: IncidentId, silent: Option<u32>) {
        /// Of an incident with more targets its members are counted anew once they are a tenth more.
        const COUNTED: usize = 1_000;
        let Some(open) = self.open.get(&id) else {
            return;
        };
        let (now, then) = (open.members.len(), open.notice.affected_total);
        let as_before = now > COUNTED && now as u64 * 10 < then * 11;
        let no_more = silent.map(u64::from).filter(|all| *all <= then);
        let known = as_before.then_some(then).or(no_more);
        let members = open.members.iter().copied();
        let (affected, total) = match known {
            Some(total) => (Vec::new(), total),
            None => {
                let members: Vec<_> = members
                    .clone()
                    .map(|one| (one, view.facts.now.mono))
                    .collect();
                let (affected, total, _) = view.affected(open.key, &members);
                (affected, total)
            }
        };
        let severity = view.severity_of(members);
        let Some(open) = self.open.get_mut(&id) else {
            return;
        };
        // It is told again where it is worse, not for every single one that joins.
        open.news |= severity < open.notice.severity
            || open
                .told
                .is_some_and(|told| total >= told.affected_total.max(1) * 2);
        open.notice.severity = open.notice.severity.min(severity);
        if total > open.notice.affected_total {
            (open.notice.affected, open.notice.affected_total) = (affected, total);
        }
    }

    fn join(&mut self, view: View<'_>, target: u32, incident: IncidentId) {
        let rule = &view.facts.rules.rules[view.targets.table.get(target).rule() as usize];
        let remind = rule.remind;
        self.of_target.insert(target, incident);
        if let Some(open) = self.open.get_mut(&incident) {
            open.members.insert(target);
            self.changes.marked(incident);
            open.remind = [open.remind, remind].into_iter().flatten().min();
        }
    }

    /// Moves firing targets of narrower incidents into the one of a wider scope.
    fn supersede_within(&mut self, view: View<'_>, key: Key, wider: IncidentId) {
        if matches!(key, Key::Alone { .. }) || self.open.len() < 2 {
            return;
        }
        let other = |target: &u32| {
            let own = self.of_target.get(target).copied();
            own.is_some_and(|own| own != wider) && view.targets.fires(*target)
        };
        let within: BTreeSet<u32> = view.targets_within(key).filter(other).collect();
        for target in within {
            self.leave(view, target, CloseReason::Superseded);
            self.join(view, target, wider);
        }
    }

    /// A target leaves its incident, which closes where it was the last one in it.
    pub(in crate::core) fn leave(&mut self, view: View<'_>, target: u32, why: CloseReason) {
        let listened = view.facts.listening.listened();
        let Some(id) = self.of_target.remove(&target) else {
            return;
        };
        let Some(open) = self.open.get_mut(&id) else {
            return;
        };
        open.members.remove(&target);
        self.changes.marked(id);
        if open.members.is_empty() {
            self.close(view, id, why);
        } else if why == CloseReason::Resolved && !matches!(open.key, Key::Alone { .. }) {
            open.broken.get_or_insert(listened);
        }
    }

    /// An incident of which a part was heard again is over; who stays silent for another `max_gap` is one of a
    /// narrower scope.
    fn split_broken(&mut self, view: View<'_>) {
        let listened = view.facts.listening.listened();
        let broken = self
            .open
            .iter()
            .filter_map(|(&id, open)| Some((id, open.broken?)));
        let broken: Vec<(IncidentId, Listened)> = broken.collect();
        for (id, since) in broken {
            let open = self.open.get(&id);
            let members = || open.iter().flat_map(|open| open.members.iter().copied());
            // Mostly the first that is asked has the patience.
            let gap = listened.since(since);
            if members().any(|target| view.targets.max_gap(view.facts, target) >= gap) {
                continue;
            }
            let patience = members()
                .map(|target| view.targets.max_gap(view.facts, target))
                .max();
            let patience = patience.unwrap_or_default();
            let members: Vec<u32> = members().collect();
            for &target in &members {
                self.of_target.remove(&target);
            }
            self.close(view, id, CloseReason::Resolved);
            let due = view.facts.listening.date_of(since + patience);
            let fires: Vec<(u32, Mono)> = members.into_iter().map(|target| (target, due)).collect();
            self.place(view, &fires);
        }
    }

    /// Flapping targets that were steady for long enough flap no more.
    fn steady_down(&mut self, view: View<'_>) {
        if self.flaps.is_empty() {
            return;
        }
        let listened = view.facts.listening.listened();
        let mut flaps = std::mem::take(&mut self.flaps);
        let steady = flaps.steady(listened, |target| view.targets.max_gap(view.facts, target));
        self.flaps = flaps;
        for (target, incident) in steady {
            let silent = view.targets.fires(target);
            if silent {
                self.place(view, &[(target, view.facts.now.mono)]);
            }
            self.close(
                view,
                incident,
                if silent {
                    CloseReason::Superseded
                } else {
                    CloseReason::Resolved
                },
            );
        }
    }

    /// Opens an incident; it is told at the end of the turn, unless a silence keeps it from being told.
    pub(in crate::core) fn open(
        &mut self,
        view: View<'_>,
        key: Key,
        mut notice: Notice,
    ) -> IncidentId {
        let id = IncidentId(self.next_incident);
        self.next_incident += 1;
        notice.incident = id;
        self.changes.decided(id);
        let incident = Incident {
            key,
            notice,
            members: BTreeSet::new(),
            told: None,
            remind: None,
            news: false,
            opened_at: view.facts.now.wall,
            broken: None,
        };
        self.insert(id, incident);
        id
    }

    /// Closes an incident now.
    pub(in crate::core) fn close(&mut self, view: View<'_>, id: IncidentId, why: CloseReason) {
        let Some(mut incident) = self.remove(id) else {
            return;
        };
        let notice = &mut incident.notice;
        notice.kind = NoticeKind::Closed(why);
        notice.gap = view.facts.now.wall.since(notice.since);
        notice.decided = view.facts.now.wall;
        notice.due_mono = view.facts.now.mono;
        let over = self.saved(view, &incident, Some((view.facts.now.wall, why)));
        self.changes.closed(id, over);
        if incident.told.is_some() {
            self.outputs.push(Output::Tell(Box::new(incident.notice)));
        }
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
