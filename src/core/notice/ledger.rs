//! The ledger: notifications sent, compared with the present state of incidents. Openings, updates and reminders follow
//! from this comparison, closings from the end of the incident.

use crate::core::incident::kind::{Alarm, CloseReason, IncidentId};
use crate::core::incident::{Incident, IncidentEvent};
use crate::core::notice::routing::{Hours, LOG, Muting, Route, Routes};
use crate::core::notice::view::NoticeView;
use crate::core::notice::{Acknowledgement, Between, Notice, NoticeKind, TargetName};
use crate::core::persist::changes::Changes;
use crate::core::rule::Severity;
use crate::core::silence::{Silence, is_within};
use crate::core::time::{Mono, Wall};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Least interval of updates, unless the severity rose.
const UPDATE_AFTER: Duration = Duration::from_secs(60);
/// Interval in which all open incidents are checked for what is due, and large ones at most.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Incidents with more members than this are large: a check takes a tenth of a millisecond or more.
const LARGE: usize = 500;
/// Least interval of updates about members that return and fall silent again.
const CHANGES_AFTER: Duration = Duration::from_secs(300);

/// The notifications of one notifier about one incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notified {
    /// Arrival clock: the last notification.
    pub at: Mono,
    /// Arrival clock: the last update; `None` if there was none.
    pub updated_at: Option<Mono>,
    /// Number of reminders.
    pub reminders: u32,
    /// Number of updates.
    pub updates: u32,
    /// The worst severity in a notification.
    pub severity: Severity,
    /// Number of silent members in the last notification.
    pub silent: u64,
    /// Number of returned members in the last notification.
    pub back: u64,
    /// Number of known causes at that time.
    pub causes: u32,
    /// Number of notifiers of the incident at that time.
    pub notifiers: usize,
    /// Arrival clock: time since which the silent members differ from those in the last notification; `None` if they do
    /// not.
    pub differs_since: Option<Mono>,
}

impl Notified {
    /// Records that the notifier knows the present state.
    fn is_told(&mut self, incident: &Incident, notice: &Notice, notifiers: usize) {
        self.silent = notice.affected_total;
        self.back = notice.between.back;
        self.causes = incident.causes;
        self.notifiers = notifiers;
        self.differs_since = None;
    }

    /// The notification that is due at `now`; `None` if none is.
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
        // Members that return or fall silent together go into one update.
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
        let due = remind.is_some_and(|every| age >= every) && notice.acknowledged.is_none();
        due.then_some(NoticeKind::Reminder(self.reminders + 1))
    }
}

/// Members of an incident that were silent at once, as notifications name them.
#[derive(Clone, Debug, Default)]
struct Most {
    who: TargetName,
    names: Vec<String>,
    total: u64,
    between: Between,
}

/// State of the notifications of one incident.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// The notice of the incident's present state.
    pub notice: Notice,
    /// The notifiers that were notified of its opening.
    pub notified: BTreeMap<Arc<str>, Notified>,
    routes: Routes,
    /// True if [`Self::notice`] is older than the incident.
    stale: bool,
    /// Arrival clock: the last check.
    looked_at: Mono,
    /// The largest set of members that were silent at once.
    most: Most,
    /// The routing state that [`Self::routes`] belongs to.
    routed: u64,
}

impl Ledger {
    /// Restores a ledger of a previous run.
    pub fn restored(notice: Notice, notified: BTreeMap<Arc<str>, Notified>) -> Self {
        Ledger {
            notice,
            notified,
            routes: Routes::new(),
            stale: false,
            looked_at: Mono::ZERO,
            most: Most::default(),
            routed: 0,
        }
    }

    fn remember_most(&mut self) {
        if self.notice.affected_total > self.most.total {
            self.most = Most {
                who: self.notice.who.clone(),
                names: self.notice.affected.clone(),
                total: self.notice.affected_total,
                between: self.notice.between.clone(),
            };
        }
    }

    /// The names of the notifiers that were notified of its opening.
    pub fn notifiers(&self) -> Vec<String> {
        names(self.notified.keys())
    }

    /// A notice for each of those notifiers, at the severity that it knows.
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

    /// The shortest interval of reminders; `None` without reminders.
    pub fn remind(&self) -> Option<Duration> {
        self.routes.values().filter_map(|route| route.remind).min()
    }
}

fn names<'a>(all: impl Iterator<Item = &'a Arc<str>>) -> Vec<String> {
    let named = all.filter(|name| &***name != LOG);
    named.map(|name| name.to_string()).collect()
}

/// The notifications of all open incidents.
#[derive(Debug, Default)]
pub struct Notices {
    ledgers: BTreeMap<IncidentId, Ledger>,
    silences: Vec<Silence>,
    hours: Hours,
    /// State of the last routing: indices of the silences in force, and hours.
    holding: (Vec<usize>, Vec<bool>),
    /// Counter of changes of silences, hours and rules.
    routing: u64,
    /// Incidents that changed since their last check.
    dirty: BTreeSet<IncidentId>,
    /// Arrival clock: the last check of all.
    looked_at: Mono,
    /// Changes that the store has not received.
    pub(in crate::core) changes: Changes,
    out: Vec<Notice>,
}

impl Notices {
    /// Replaces the silences.
    pub fn set_silences(&mut self, silences: Vec<Silence>) {
        self.silences = silences;
        self.routing += 1;
        self.looked_at = Mono::ZERO;
    }

    /// Replaces the hours.
    pub fn set_hours(&mut self, hours: Hours) {
        self.hours = hours;
        self.routing += 1;
        self.looked_at = Mono::ZERO;
    }

    /// Applies changed rules.
    pub fn rules_changed(&mut self) {
        self.routing += 1;
        self.looked_at = Mono::ZERO;
        self.ledgers
            .values_mut()
            .for_each(|ledger| ledger.stale = true);
    }

    /// The ledger of an open incident.
    pub fn get(&self, id: IncidentId) -> Option<&Ledger> {
        self.ledgers.get(&id)
    }

    /// Records the word that somebody works on an open incident; false if there is none.
    pub fn acknowledge(&mut self, id: IncidentId, word: Acknowledgement) -> bool {
        let Some(ledger) = self.ledgers.get_mut(&id) else {
            return false;
        };
        ledger.notice.acknowledged = Some(word);
        self.changes.decided(id);
        true
    }

    /// All ledgers, by number of the incident.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (IncidentId, &Ledger)> {
        self.ledgers.iter().map(|(&id, ledger)| (id, ledger))
    }

    /// Resumes an open incident of a previous run.
    pub(in crate::core) fn resume(&mut self, id: IncidentId, ledger: Ledger) {
        self.ledgers.insert(id, ledger);
    }

    /// Takes the notifications since the last call, in order.
    pub fn take(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.out)
    }

    /// Applies an event of the incidents.
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

    /// Sends the notifications that are due, for all open incidents.
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

    /// Detects silences and hours that begin or end.
    fn look_at_routing(&mut self, now: Wall) {
        let silences = self.silences.iter().enumerate();
        let silences = silences.filter(|(_, one)| one.holds(now)).map(|(at, _)| at);
        let hours = self.hours.values();
        let hours = hours.map(|windows| is_within(windows, now));
        let holding = (silences.collect(), hours.collect());
        if holding != self.holding {
            self.holding = holding;
            self.routing += 1;
        }
    }

    /// Sends the notifications that are due for these incidents.
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
                let known = ledger.notice.severity;
                view.refresh(&mut ledger.notice, incident);
                if ledger.notice.severity < known {
                    // It was given for less.
                    ledger.notice.acknowledged = None;
                }
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
        let most = std::mem::take(&mut ledger.most);
        let notice = &mut ledger.notice;
        if most.total > notice.affected_total {
            // Those who were silent last are not all who are back.
            (notice.who, notice.between) = (most.who, most.between);
            (notice.affected, notice.affected_total) = (most.names, most.total);
        }
        // It ended when its last member was heard, not when that was certain.
        let ended = incident
            .last_back()
            .filter(|_| why == CloseReason::Resolved);
        let (ended, ended_mono) = ended.map_or((now.wall, now.mono), |back| (back.at, back.mono));
        notice.kind = NoticeKind::Closed(why);
        notice.detail.clone_from(&incident.detail);
        notice.between.back = 0;
        notice.between.missing = incident.stream.and_then(|facts| facts.missing);
        notice.gap = ended_mono.since(incident.since_mono);
        notice.decided = ended;
        notice.due_mono = now.mono;
        let saved = view.saved(incident, &ledger, Some((now.wall, why)));
        self.changes.closed(id, saved);
        self.out.extend(ledger.as_told());
    }
}

/// Due notifications: kind, severity and notifiers of each.
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
                    // A reminder that is suppressed by a silence is not sent later.
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
        let joins = !self.notified.is_empty();
        let mut is_first = !joins;
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
                is_first: std::mem::take(&mut is_first),
                ..self.notice.clone()
            };
            // The delay of a notifier that joins is measured from then.
            if joins || kind != NoticeKind::Opened {
                notice.gap = now.mono.since(incident.since_mono);
                notice.decided = now.wall;
                notice.due_mono = now.mono;
            }
            notices.push(notice);
        }
        notices
    }
}
