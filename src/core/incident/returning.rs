//! Returning members: from the first sign of life to the end of the incident.
//!
//! A member that returned stays a member: if it falls silent again, that is the same incident. The incident closes once
//! all have returned and were live for `max_gap`, at most a minute.

use crate::core::incident::kind::{Alarm, CloseReason, IncidentId};
use crate::core::incident::view::View;
use crate::core::incident::{Back, IncidentEvent, Incidents};
use crate::core::targets::table::Reason;
use crate::core::time::Mono;
use std::time::Duration;

/// Time for which a member must be live again, at most.
const LIVE_FOR: Duration = Duration::from_secs(60);

impl Incidents {
    /// Records that a target stopped firing.
    pub(super) fn ended(&mut self, view: View<'_>, target: u32, reason: Reason) {
        self.flaps.changed(target, view.facts.listening.listened());
        match CloseReason::from(reason) {
            CloseReason::Resolved => self.is_back(view, target),
            why => self.drop_member(view, target, why),
        }
    }

    fn is_back(&mut self, view: View<'_>, target: u32) {
        let Some(&id) = self.of_target.get(&target) else {
            return;
        };
        let Some(open) = self.open.get_mut(&id) else {
            return;
        };
        let Some(member) = open.members.get_mut(&target) else {
            return;
        };
        if member.back.is_some() {
            return;
        }
        member.back = Some(Back {
            listened: view.facts.listening.listened(),
            at: view.facts.now.wall,
            mono: view.facts.now.mono,
        });
        open.firing -= 1;
        if open.firing == 0 && open.alarm != Alarm::Flapping {
            self.returning.insert(id);
        }
        if open.alarm == Alarm::Flapping {
            let key = open.key;
            self.flaps
                .changed_scope(key, view.facts.listening.listened());
        }
        self.events.push(IncidentEvent::Changed(id));
    }

    /// Removes a member for good, and closes its incident if it was the last.
    pub(super) fn drop_member(&mut self, view: View<'_>, target: u32, why: CloseReason) {
        let Some(id) = self.of_target.remove(&target) else {
            return;
        };
        let Some(open) = self.open.get_mut(&id) else {
            return;
        };
        let Some(member) = open.members.remove(&target) else {
            return;
        };
        open.firing -= usize::from(member.back.is_none());
        if open.members.is_empty() {
            if let (Some(back), CloseReason::Forgotten | CloseReason::RuleRemoved) =
                (member.back, why)
            {
                // It was heard again, and nothing more was expected.
                open.members.insert(target, member);
                debug_assert!(back.at <= view.facts.now.wall, "it was heard before");
                return self.close(id, CloseReason::Resolved);
            }
            return self.close(id, why);
        }
        if open.firing == 0 && open.alarm != Alarm::Flapping {
            self.returning.insert(id);
        }
        self.events.push(IncidentEvent::Changed(id));
    }

    /// Arrival clock: the earliest time at which an incident whose members have all returned may close.
    pub(super) fn next_return(&self, view: View<'_>) -> Mono {
        let ends = self.returning.iter().filter_map(|id| self.ends_at(*id));
        let first = ends.min();
        let first = first.map_or(Mono::NEVER, |at| {
            view.facts.listening.date_of(at) + Duration::from_nanos(1)
        });
        // A time in the past waits for the next entry.
        if first > view.facts.now.mono {
            first
        } else {
            Mono::NEVER
        }
    }

    fn ends_at(&self, id: IncidentId) -> Option<crate::core::time::Listened> {
        let open = self.open.get(&id)?;
        let ends = open.members.values().filter_map(|member| {
            let live_for = member.max_gap.min(LIVE_FOR);
            Some(member.back?.listened + live_for)
        });
        ends.max()
    }

    /// A wider incident has the members of one that they had all left for now.
    pub(super) fn take_members(&mut self, from: IncidentId, by: IncidentId) {
        let Some(open) = self.open.get_mut(&from) else {
            return;
        };
        let members = std::mem::take(&mut open.members);
        self.of_target
            .extend(members.keys().map(|&target| (target, by)));
        if let Some(wide) = self.open.get_mut(&by) {
            wide.members.extend(members);
        }
        self.close(from, CloseReason::Superseded);
    }

    /// Closes the incidents whose members were all live for long enough.
    pub(super) fn close_returned(&mut self, view: View<'_>) {
        let listened = view.facts.listening.listened();
        let over = |id: &&IncidentId| self.ends_at(**id).is_none_or(|at| at <= listened);
        let over: Vec<IncidentId> = self.returning.iter().filter(over).copied().collect();
        for id in over {
            self.close(id, CloseReason::Resolved);
        }
    }
}
