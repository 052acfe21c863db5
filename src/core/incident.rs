//! Incidents: which firing targets are one cause, and what is told of it.
//!
//! A target that fires is gathered for its rule's `group_wait`. Then its scope is found, and it joins the incident
//! of that scope, or opens it; narrower incidents within are superseded. Opening and telling are two things: what a
//! silence keeps from being told opens all the same, and is told when the silence ends, if it still fires.

pub mod flapping;
pub mod restarts;
pub mod scope;

use crate::core::engine::{Engine, Output};
use crate::core::incident::flapping::Firing;
use crate::core::incident::scope::{Census, Key};
use crate::core::notice::due::Told;
use crate::core::notice::{Alarm, CloseReason, IncidentId, Notice, NoticeKind};
use crate::core::persist::changes::Changes;
use crate::core::targets::table::Watched;
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
#[derive(Debug, Default)]
pub struct Incidents {
    pub(in crate::core) open: BTreeMap<IncidentId, Incident>,
    /// Those that are open, by what they are about.
    by_key: BTreeSet<(Key, IncidentId)>,
    pub(in crate::core) gathered: Vec<Gathered>,
    pub(in crate::core) census: Census,
    /// What changed since it was last kept.
    pub(in crate::core) changes: Changes,
}

impl Incidents {
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

impl Engine {
    /// A target fires whose deadline lay at `due`.
    pub(in crate::core) fn gather(&mut self, target: u32, due: Mono, deadline: Listened) {
        let max_gap = self.max_gap(target);
        let rule = &self.rules.rules[self.targets.get(target).rule() as usize];
        let settle_at = self.now.mono + rule.group_wait;
        match self.flaps.fired(target, deadline, max_gap) {
            Firing::Flapping => {}
            Firing::Single => self.incidents.gathered.push(Gathered {
                target,
                due,
                settle_at,
            }),
            Firing::StartsFlapping => {
                let notice = self.flapping_notice(target, due);
                let incident = self.open(self.alone(target), notice);
                self.flaps.tell(target, incident);
            }
        }
    }

    /// When gathered targets are to be settled next.
    pub(in crate::core) fn next_settling(&self) -> Mono {
        self.incidents
            .gathered
            .iter()
            .map(|gathered| gathered.settle_at)
            .min()
            .unwrap_or(Mono::NEVER)
    }

    /// Settles gathered targets whose wait is over, splits what is no longer wholly silent, and tells what is to
    /// be told.
    pub(in crate::core) fn settle(&mut self) {
        self.steady_down();
        let now = self.now.mono;
        if self.next_settling() <= now {
            let gathered = std::mem::take(&mut self.incidents.gathered);
            let (ready, waiting): (Vec<_>, Vec<_>) =
                gathered.into_iter().partition(|one| one.settle_at <= now);
            self.incidents.gathered = waiting;
            let fires: Vec<(u32, Mono)> = ready
                .iter()
                .filter(|one| self.fires(one.target))
                .map(|one| (one.target, one.due))
                .collect();
            self.place(&fires);
        }
        self.split_broken();
        self.tell_owed();
    }

    /// Puts firing targets into the incidents of their scopes.
    fn place(&mut self, fires: &[(u32, Mono)]) {
        if fires.is_empty() {
            return;
        }
        let mut census = std::mem::take(&mut self.incidents.census);
        let mut by_key: BTreeMap<Key, Vec<(u32, Mono)>> = BTreeMap::new();
        for &(target, due) in fires {
            by_key
                .entry(self.key_of(target, &mut census))
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
                self.incidents.of(key)
            };
            let incident = joined.unwrap_or_else(|| {
                let notice = self.notice_of(key, &members);
                self.open(key, notice)
            });
            for (target, _) in members {
                self.join(target, incident);
            }
            if let Some(owed) = &mut owed {
                owed.insert(incident);
            }
            if joined.is_some() {
                self.grown(incident, census.silent(key));
                continue;
            }
            // The cause is told before what it explains is taken back.
            match &owed {
                None => self.tell_owed(),
                Some(changed) => self.tell_owed_of(changed),
            }
            self.supersede_within(key, incident);
            owed = Some(BTreeSet::from([incident]));
        }
        census.end();
        self.incidents.census = census;
    }

    /// More joined an incident that is open: it says who is part of it now. `silent`: how many of its scope are, where that
    /// is known.
    fn grown(&mut self, id: IncidentId, silent: Option<u32>) {
        /// Of an incident with more targets its members are counted anew once they are a tenth more.
        const COUNTED: usize = 1_000;
        let Some(open) = self.incidents.open.get(&id) else {
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
                let members: Vec<_> = members.clone().map(|one| (one, self.now.mono)).collect();
                let (affected, total, _) = self.affected(open.key, &members);
                (affected, total)
            }
        };
        let severity = self.severity_of(members);
        let Some(open) = self.incidents.open.get_mut(&id) else {
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

    pub(in crate::core) fn alone(&self, target: u32) -> Key {
        let row = self.targets.get(target);
        let app = self
            .instance_of(row.watched())
            .map_or(crate::core::tracker::NONE, |id| self.app_of(id));
        Key::Alone {
            rule: row.rule(),
            app,
        }
    }

    fn join(&mut self, target: u32, incident: IncidentId) {
        let rule = &self.rules.rules[self.targets.get(target).rule() as usize];
        let remind = rule.remind;
        self.targets.set_incident(target, incident);
        if let Some(open) = self.incidents.open.get_mut(&incident) {
            open.members.insert(target);
            self.incidents.changes.marked(incident);
            open.remind = [open.remind, remind].into_iter().flatten().min();
        }
    }

    /// Moves firing targets of narrower incidents into the one of a wider scope.
    fn supersede_within(&mut self, key: Key, wider: IncidentId) {
        if matches!(key, Key::Alone { .. }) || self.incidents.open.len() < 2 {
            return;
        }
        let other = |target: &u32| {
            let own = self.targets.incident(*target);
            own.is_some_and(|own| own != wider) && self.fires(*target)
        };
        let within: BTreeSet<u32> = self.targets_within(key).filter(other).collect();
        for target in within {
            self.leave(target, CloseReason::Superseded);
            self.join(target, wider);
        }
    }

    /// A target leaves its incident, which closes where it was the last one in it.
    pub(in crate::core) fn leave(&mut self, target: u32, why: CloseReason) {
        let listened = self.listening.listened();
        let Some(id) = self.targets.take_incident(target) else {
            return;
        };
        let Some(open) = self.incidents.open.get_mut(&id) else {
            return;
        };
        open.members.remove(&target);
        self.incidents.changes.marked(id);
        if open.members.is_empty() {
            self.close(id, why);
        } else if why == CloseReason::Resolved && !matches!(open.key, Key::Alone { .. }) {
            open.broken.get_or_insert(listened);
        }
    }

    /// An incident of which a part was heard again is over; who stays silent for another `max_gap` is one of a
    /// narrower scope.
    fn split_broken(&mut self) {
        let listened = self.listening.listened();
        let broken = self
            .incidents
            .open
            .iter()
            .filter_map(|(&id, open)| Some((id, open.broken?)));
        let broken: Vec<(IncidentId, Listened)> = broken.collect();
        for (id, since) in broken {
            let open = self.incidents.open.get(&id);
            let members = || open.iter().flat_map(|open| open.members.iter().copied());
            // Mostly the first that is asked has the patience.
            let gap = listened.since(since);
            if members().any(|target| self.max_gap(target) >= gap) {
                continue;
            }
            let patience = members().map(|target| self.max_gap(target)).max();
            let patience = patience.unwrap_or_default();
            let members: Vec<u32> = members().collect();
            for &target in &members {
                self.targets.take_incident(target);
            }
            self.close(id, CloseReason::Resolved);
            let due = self.listening.date_of(since + patience);
            let fires: Vec<(u32, Mono)> = members.into_iter().map(|target| (target, due)).collect();
            self.place(&fires);
        }
    }

    /// Flapping targets that were steady for long enough flap no more.
    fn steady_down(&mut self) {
        if self.flaps.is_empty() {
            return;
        }
        let listened = self.listening.listened();
        let mut flaps = std::mem::take(&mut self.flaps);
        let steady = flaps.steady(listened, |target| self.max_gap(target));
        self.flaps = flaps;
        for (target, incident) in steady {
            let silent = self.fires(target);
            if silent {
                self.place(&[(target, self.now.mono)]);
            }
            self.close(
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
    pub(in crate::core) fn open(&mut self, key: Key, mut notice: Notice) -> IncidentId {
        let id = IncidentId(self.next_incident);
        self.next_incident += 1;
        notice.incident = id;
        self.incidents.changes.decided(id);
        let incident = Incident {
            key,
            notice,
            members: BTreeSet::new(),
            told: None,
            remind: None,
            news: false,
            opened_at: self.now.wall,
            broken: None,
        };
        self.incidents.insert(id, incident);
        id
    }

    /// Closes an incident now.
    pub(in crate::core) fn close(&mut self, id: IncidentId, why: CloseReason) {
        let Some(mut incident) = self.incidents.remove(id) else {
            return;
        };
        let notice = &mut incident.notice;
        notice.kind = NoticeKind::Closed(why);
        notice.gap = self.now.wall.since(notice.since);
        notice.decided = self.now.wall;
        notice.due_mono = self.now.mono;
        let over = self.saved_incident(&incident, Some((self.now.wall, why)));
        self.incidents.changes.closed(id, over);
        if incident.told.is_some() {
            self.outputs.push(Output::Tell(Box::new(incident.notice)));
        }
    }

    /// The alarm of what a target watches.
    pub(in crate::core) fn alarm_of(&self, target: u32) -> Alarm {
        let row = self.targets.get(target);
        let logs = self.rules.rules[row.rule() as usize].watch == crate::core::rule::Watch::Logs;
        debug_assert!(
            logs || !matches!(row.watched(), Watched::Logs(_)),
            "logs are watched by rules for logs"
        );
        if logs { Alarm::Logs } else { Alarm::Heartbeat }
    }
}
