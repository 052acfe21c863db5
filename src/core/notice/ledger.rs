//! What was notified to whom, held against what holds now. Openings, updates and reminders all come out of this one
//! comparison; closings out of the incident's end.

use crate::core::incident::kind::{Alarm, CloseReason, IncidentId};
use crate::core::incident::{Incident, IncidentEvent};
use crate::core::notice::routing::{Hours, LOG, Muting, Route, Routes};
use crate::core::notice::view::NoticeView;
use crate::core::notice::{Notice, NoticeKind};
use crate::core::persist::changes::Changes;
use crate::core::rule::Severity;
use crate::core::silence::Silence;
use crate::core::time::{Mono, Wall};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// An update follows the one before after this long at the earliest, unless the severity rose.
const UPDATE_AFTER: Duration = Duration::from_secs(60);
/// All open incidents are looked at this often for what is due by time, and large ones no more often.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// An incident of more members than this is large: to look at it takes a tenth of a millisecond and more.
const LARGE: usize = 500;
/// Members that come and go are told of no more often than this.
const CHANGES_AFTER: Duration = Duration::from_secs(300);

/// What one notifier was notified of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notified {
    /// Arrival clock: when it was notified last.
    pub at: Mono,
    /// Arrival clock: when it got its last update; `None` where it got none.
    pub updated_at: Option<Mono>,
    /// How many reminders it got.
    pub reminders: u32,
    /// How many updates it got.
    pub updates: u32,
    /// The worst severity that it was told.
    pub severity: Severity,
    /// How many it was told are silent.
    pub silent: u64,
    /// How many it was told are heard again.
    pub back: u64,
    /// How many causes were known then.
    pub causes: u32,
    /// How many notifiers had the incident then.
    pub notifiers: usize,
    /// Arrival clock: since when other members are silent than it was told; `None` where they are the same.
    pub differs_since: Option<Mono>,
}

impl Notified {
    /// What is known of an incident is what it was told.
    fn is_told(&mut self, incident: &Incident, notice: &Notice, notifiers: usize) {
        self.silent = notice.affected_total;
        self.back = notice.between.back;
        self.causes = incident.causes;
        self.notifiers = notifiers;
        self.differs_since = None;
    }

    /// What it is to be notified of at `now`.
    fn due(
        &mut self,
        incident: &Incident,
        notice: &Notice,
        route: Option<&Route>,
        notifiers: usize,
        now: Mono,
    ) -> Option<NoticeKind> {
        let age = now.since(self.at);
        let quiet = incident.alarm == Alarm::Flapping
            || (incident.firing == 0 && !incident.members.is_empty());
        let since_update = self.updated_at.map_or(Duration::MAX, |at| now.since(at));
        let worse = route.is_some_and(|route| route.severity < self.severity);
        let soon = incident.causes > self.causes || notifiers > self.notifiers;
        let (silent, back) = (notice.affected_total, notice.between.back);
        let doubled = silent >= self.silent.max(1) * 2;
        let differs = (silent, back) != (self.silent, self.back);
        self.differs_since = differs.then(|| self.differs_since.unwrap_or(now));
        // What comes back together, or dies together, is waited for.
        let changed = self
            .differs_since
            .is_some_and(|since| now.since(since) >= UPDATE_AFTER);
        let updates = worse
            || (soon && since_update >= UPDATE_AFTER)
            || (doubled && age >= UPDATE_AFTER)
            || (changed && age >= CHANGES_AFTER);
        if updates && !quiet {
            return Some(NoticeKind::Updated(self.updates + 1));
        }
        let remind = route.and_then(|route| route.remind);
        let due = remind.is_some_and(|every| age >= every);
        due.then_some(NoticeKind::Reminder(self.reminders + 1))
    }
}

/// What is known of the notifications of one incident.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// The incident in words and figures, as of its last change.
    pub notice: Notice,
    /// The notifiers that had its opening.
    pub notified: BTreeMap<Arc<str>, Notified>,
    routes: Routes,
    /// Whether [`Self::notice`] is older than the incident.
    stale: bool,
    /// Arrival clock: when it was looked at last.
    looked_at: Mono,
    /// The most that were silent at once: their names, and how many.
    most: (Vec<String>, u64),
    /// Of which of the routing's states [`Self::routes`] are.
    routed: u64,
}

impl Ledger {
    /// One of an earlier life.
    pub fn restored(notice: Notice, notified: BTreeMap<Arc<str>, Notified>) -> Self {
        Ledger {
            notice,
            notified,
            routes: Routes::new(),
            stale: false,
            looked_at: Mono::ZERO,
            most: (Vec::new(), 0),
            routed: 0,
        }
    }

    fn remember_most(&mut self) {
        if self.notice.affected_total > self.most.1 {
            self.most = (self.notice.affected.clone(), self.notice.affected_total);
        }
    }

    /// The names of the notifiers that had its opening.
    pub fn notifiers(&self) -> Vec<String> {
        names(self.notified.keys())
    }

    /// The incident for each notifier that had its opening, at the severity that it was told.
    pub fn as_told(&self) -> Vec<Notice> {
        let mut by_severity: BTreeMap<Severity, Vec<&Arc<str>>> = BTreeMap::new();
        for (name, notified) in &self.notified {
            by_severity.entry(notified.severity).or_default().push(name);
        }
        let notice = |(severity, who): (_, Vec<_>)| Notice {
            severity,
            notify: Some(names(who.into_iter())),
            ..self.notice.clone()
        };
        by_severity.into_iter().map(notice).collect()
    }

    /// How often the most impatient of them is reminded.
    pub fn remind(&self) -> Option<Duration> {
        self.routes.values().filter_map(|route| route.remind).min()
    }
}

fn names<'a>(all: impl Iterator<Item = &'a Arc<str>>) -> Vec<String> {
    let named = all.filter(|name| &***name != LOG);
    named.map(|name| name.to_string()).collect()
}

/// The notifications of all incidents that are open.
#[derive(Debug, Default)]
pub struct Notices {
    ledgers: BTreeMap<IncidentId, Ledger>,
    silences: Vec<Silence>,
    hours: Hours,
    /// What held when the routes were looked at last: silences by their place, and hours.
    holding: (Vec<usize>, Vec<bool>),
    /// Counts up with every change of what mutes, or of the rules.
    routing: u64,
    /// Incidents that changed since they were looked at.
    dirty: BTreeSet<IncidentId>,
    /// Arrival clock: when all were looked at last.
    looked_at: Mono,
    /// What changed since it was last kept.
    pub(in crate::core) changes: Changes,
    out: Vec<Notice>,
}

impl Notices {
    /// Puts other silences in force.
    pub fn set_silences(&mut self, silences: Vec<Silence>) {
        self.silences = silences;
        self.routing += 1;
        self.looked_at = Mono::ZERO;
    }

    /// Puts other hours in force.
    pub fn set_hours(&mut self, hours: Hours) {
        self.hours = hours;
        self.routing += 1;
        self.looked_at = Mono::ZERO;
    }

    /// The rules are others now.
    pub fn rules_changed(&mut self) {
        self.routing += 1;
        self.looked_at = Mono::ZERO;
        self.ledgers
            .values_mut()
            .for_each(|ledger| ledger.stale = true);
    }

    /// What is known of the notifications of an incident that is open.
    pub fn get(&self, id: IncidentId) -> Option<&Ledger> {
        self.ledgers.get(&id)
    }

    /// All that are open, by number, each in words and figures.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (IncidentId, &Ledger)> {
        self.ledgers.iter().map(|(&id, ledger)| (id, ledger))
    }

    /// An incident of an earlier life is open.
    pub(in crate::core) fn resume(&mut self, id: IncidentId, ledger: Ledger) {
        self.ledgers.insert(id, ledger);
    }

    /// Takes the notifications since the last call, in order.
    pub fn take(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.out)
    }

    /// Takes what happened to an incident.
    pub fn apply(&mut self, view: NoticeView<'_>, event: IncidentEvent) {
        match event {
            IncidentEvent::Opened(id) => {
                let Some(incident) = view.incidents.get(id) else {
                    return;
                };
                let notice = view.opening(id, incident);
                let mut ledger = Ledger::restored(notice, BTreeMap::new());
                ledger.remember_most();
                self.ledgers.insert(id, ledger);
                self.changes.decided(id);
                self.look(view, &BTreeSet::from([id]));
            }
            IncidentEvent::Changed(id) => {
                if let Some(ledger) = self.ledgers.get_mut(&id) {
                    ledger.stale = true;
                    self.dirty.insert(id);
                    self.changes.marked(id);
                }
            }
            IncidentEvent::Closed(id, incident, why) => self.close(view, id, &incident, why),
        }
    }

    /// Notifies of what is due, of all incidents that are open.
    pub fn notify(&mut self, view: NoticeView<'_>) {
        let now = view.facts.now;
        let before = self.routing;
        self.look_at_routing(now.wall);
        let dirty = std::mem::take(&mut self.dirty);
        let all = before != self.routing || now.mono.since(self.looked_at) >= LOOK_EVERY;
        if all || self.looked_at == Mono::ZERO {
            self.looked_at = now.mono;
            let all: BTreeSet<IncidentId> = self.ledgers.keys().copied().collect();
            self.look(view, &all);
        } else {
            self.look(view, &dirty);
        }
    }

    /// Whether a silence begins or ends to hold, or hours do.
    fn look_at_routing(&mut self, now: Wall) {
        let silences = self.silences.iter().enumerate();
        let silences = silences.filter(|(_, one)| one.holds(now)).map(|(at, _)| at);
        let holds = |windows: &Vec<(Wall, Wall)>| {
            let mut windows = windows.iter();
            windows.any(|(from, to)| *from <= now && now < *to)
        };
        let holding = (silences.collect(), self.hours.values().map(holds).collect());
        if holding != self.holding {
            self.holding = holding;
            self.routing += 1;
        }
    }

    /// Notifies of what is due of these incidents.
    fn look(&mut self, view: NoticeView<'_>, some: &BTreeSet<IncidentId>) {
        let now = view.facts.now;
        let muting = Muting {
            silences: self
                .silences
                .iter()
                .filter(|one| one.holds(now.wall))
                .collect(),
            hours: &self.hours,
        };
        for &id in some {
            let (Some(ledger), Some(incident)) =
                (self.ledgers.get_mut(&id), view.incidents.get(id))
            else {
                continue;
            };
            let routing = self.routing + 1;
            let waits =
                incident.members.len() > LARGE && now.mono.since(ledger.looked_at) < LOOK_EVERY;
            if waits && ledger.looked_at != Mono::ZERO {
                self.dirty.insert(id);
                continue;
            }
            if ledger.stale || ledger.routed != routing {
                ledger.routes = view.routes(incident, &muting);
                ledger.routed = routing;
            }
            if ledger.stale {
                view.refresh(&mut ledger.notice, incident);
                ledger.remember_most();
                ledger.stale = false;
            }
            ledger.looked_at = now.mono;
            let due = ledger.due(incident, now.mono);
            if due.is_empty() {
                continue;
            }
            self.changes.decided(id);
            self.out.extend(ledger.tell(incident, due, now));
        }
    }

    fn close(
        &mut self,
        view: NoticeView<'_>,
        id: IncidentId,
        incident: &Incident,
        why: CloseReason,
    ) {
        let Some(mut ledger) = self.ledgers.remove(&id) else {
            return;
        };
        let now = view.facts.now;
        let (names, most) = std::mem::take(&mut ledger.most);
        let notice = &mut ledger.notice;
        if most > notice.affected_total {
            (notice.affected, notice.affected_total) = (names, most);
        }
        // It is over since its last member was heard, not since we were sure of it.
        let ended = incident.back_at().filter(|_| why == CloseReason::Resolved);
        let ended = ended.unwrap_or(now.wall);
        notice.kind = NoticeKind::Closed(why);
        notice.detail.clone_from(&incident.detail);
        view.finish(notice, incident);
        notice.gap = ended.since(notice.since);
        notice.decided = ended;
        notice.due_mono = now.mono;
        let saved = view.saved(incident, &ledger, Some((now.wall, why)));
        self.changes.closed(id, saved);
        self.out.extend(ledger.as_told());
    }
}

/// What is due, and to whom at which severity.
type Due = Vec<(NoticeKind, Severity, Vec<Arc<str>>)>;

impl Ledger {
    fn due(&mut self, incident: &Incident, now: Mono) -> Due {
        let mut due: Due = Vec::new();
        let mut add = |kind, severity, name: &Arc<str>| {
            let same = due
                .iter_mut()
                .find(|one| (one.0, one.1) == (kind, severity));
            match same {
                Some((.., names)) => names.push(Arc::clone(name)),
                None => due.push((kind, severity, vec![Arc::clone(name)])),
            }
        };
        for (name, route) in &self.routes {
            if !route.muted && !self.notified.contains_key(name) {
                add(NoticeKind::Opened, route.severity, name);
            }
        }
        let joined = self
            .routes
            .iter()
            .filter(|(name, route)| !route.muted && !self.notified.contains_key(*name));
        let notifiers = self.notified.len() + joined.count();
        for (name, notified) in &mut self.notified {
            let route = self.routes.get(name);
            let Some(kind) = notified.due(incident, &self.notice, route, notifiers, now) else {
                continue;
            };
            if route.is_some_and(|route| route.muted) {
                if matches!(kind, NoticeKind::Reminder(_)) {
                    // A reminder that a silence swallows is not made up for.
                    notified.at = now;
                }
                continue;
            }
            let severity = route.map_or(notified.severity, |route| route.severity);
            add(kind, severity.min(notified.severity), name);
        }
        due
    }

    fn tell(&mut self, incident: &Incident, due: Due, now: crate::core::time::Now) -> Vec<Notice> {
        let opened = due.iter().filter(|one| one.0 == NoticeKind::Opened);
        let notifiers = self.notified.len() + opened.map(|one| one.2.len()).sum::<usize>();
        let mut notices = Vec::new();
        for (kind, severity, who) in due {
            for name in &who {
                let notified = self
                    .notified
                    .entry(Arc::clone(name))
                    .or_insert_with(|| Notified {
                        at: now.mono,
                        updated_at: None,
                        reminders: 0,
                        updates: 0,
                        severity,
                        silent: 0,
                        back: 0,
                        causes: 0,
                        notifiers,
                        differs_since: None,
                    });
                notified.at = now.mono;
                notified.severity = severity;
                match kind {
                    NoticeKind::Updated(_) => {
                        notified.updates += 1;
                        notified.updated_at = Some(now.mono);
                    }
                    NoticeKind::Reminder(_) => notified.reminders += 1,
                    NoticeKind::Opened | NoticeKind::Closed(_) => {}
                }
                notified.is_told(incident, &self.notice, notifiers);
            }
            let mut notice = Notice {
                kind,
                severity,
                notify: Some(names(who.iter())),
                ..self.notice.clone()
            };
            if kind != NoticeKind::Opened {
                notice.gap = now.wall.since(notice.since);
                notice.decided = now.wall;
                notice.due_mono = now.mono;
            }
            notices.push(notice);
        }
        notices
    }
}
