//! What is owed: what was told of an incident last against what holds now. Openings, updates and reminders all come out
//! of this one comparison; closings out of the incident's end.

use crate::core::incident::view::View;
use crate::core::incident::{Incident, Incidents};
use crate::core::notice::{IncidentId, NoticeKind, Who};
use crate::core::output::Output;
use crate::core::time::Mono;
use std::collections::BTreeSet;
use std::time::Duration;

/// What became known is gathered for this long before it is told: an update each minute at the most.
const UPDATE_AFTER: Duration = Duration::from_secs(60);

/// What was told last of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// When.
    pub at: Mono,
    /// How many reminders were told.
    pub reminders: u32,
    /// How many updates were told.
    pub updates: u32,
    /// How many were said to be part of it.
    pub affected_total: u64,
}

impl Incident {
    /// What is to be told of it at `now`, if no silence holds.
    fn owed(&self, now: Mono) -> Option<NoticeKind> {
        let Some(told) = &self.told else {
            return Some(NoticeKind::Opened);
        };
        let age = now.since(told.at);
        if self.news && age >= UPDATE_AFTER {
            return Some(NoticeKind::Updated(told.updates + 1));
        }
        let due = self.remind.is_some_and(|every| age >= every);
        due.then_some(NoticeKind::Reminder(told.reminders + 1))
    }

    fn note(&mut self, kind: NoticeKind, now: Mono) {
        let before = self.told.unwrap_or(Told {
            at: now,
            reminders: 0,
            updates: 0,
            affected_total: 0,
        });
        self.news = false;
        self.told = Some(Told {
            at: now,
            affected_total: self.notice.affected_total,
            reminders: before.reminders + u32::from(matches!(kind, NoticeKind::Reminder(_))),
            updates: before.updates + u32::from(matches!(kind, NoticeKind::Updated(_))),
        });
    }
}

impl Incidents {
    /// Tells what is owed of every open incident, where no silence holds.
    pub(in crate::core) fn tell_owed(&mut self, view: View<'_>) {
        let now = view.facts.now.mono;
        let owed = |(&id, open): (&IncidentId, &Incident)| Some((id, open.owed(now)?));
        let owed = self.open.iter().filter_map(owed).collect();
        self.tell_all(view, owed);
    }

    /// The same of some.
    pub(in crate::core) fn tell_owed_of(&mut self, view: View<'_>, some: &BTreeSet<IncidentId>) {
        let now = view.facts.now.mono;
        let owed = |&id: &IncidentId| Some((id, self.open.get(&id)?.owed(now)?));
        let owed = some.iter().filter_map(owed).collect();
        self.tell_all(view, owed);
    }

    fn tell_all(&mut self, view: View<'_>, owed: Vec<(IncidentId, NoticeKind)>) {
        let now = view.facts.now.mono;
        for (id, kind) in owed {
            if !self.is_silenced(view, id) {
                self.tell(view, id, kind);
            } else if let Some(told) = self.told_of(id) {
                // A reminder that a silence swallows is not made up for.
                told.at = now;
            }
        }
    }

    fn told_of(&mut self, id: IncidentId) -> Option<&mut Told> {
        self.open.get_mut(&id)?.told.as_mut()
    }

    fn tell(&mut self, view: View<'_>, id: IncidentId, kind: NoticeKind) {
        let now = view.facts.now;
        let Some(open) = self.open.get_mut(&id) else {
            return;
        };
        open.note(kind, now.mono);
        let mut notice = open.notice.clone();
        notice.kind = kind;
        if kind != NoticeKind::Opened {
            notice.gap = now.wall.since(notice.since);
            notice.decided = now.wall;
            notice.due_mono = now.mono;
        }
        self.changes.decided(id);
        self.outputs.push(Output::Tell(Box::new(notice)));
        if kind == NoticeKind::Opened {
            self.restart_silent(view, id);
        }
    }

    /// Whether silences hold for all that an incident is about.
    fn is_silenced(&self, view: View<'_>, id: IncidentId) -> bool {
        let holding: Vec<_> = self
            .silences
            .iter()
            .filter(|silence| silence.holds(view.facts.now.wall))
            .collect();
        if holding.is_empty() {
            return false;
        }
        let Some(open) = self.open.get(&id) else {
            return false;
        };
        let concerns =
            |rule: &str, who: &Who| holding.iter().any(|silence| silence.concerns(rule, who));
        if open.members.is_empty() {
            return concerns(&open.notice.rule, &open.notice.who);
        }
        open.members.iter().all(|&target| {
            let row = view.targets.table.get(target);
            concerns(
                &view.facts.rule_names[row.rule() as usize],
                &view.targets.who(view.facts, row.watched()),
            )
        })
    }
}
