//! Restarting a silent machine, where a rule asks for it: once for an incident, only few an hour, never while lastbeat
//! itself may be deaf, and never one that is meant to be stopped.

use crate::core::incident::Incidents;
use crate::core::incident::kind::{Alarm, IncidentId};
use crate::core::incident::scope::Key;
use crate::core::incident::view::View;
use crate::core::inventory::{Listed, Suspect};
use crate::core::time::Mono;
use std::collections::VecDeque;
use std::time::Duration;

/// Restarts within an hour at most, over all apps: more silences than that are no machine's own fault.
pub const RESTARTS_AN_HOUR: usize = 6;
const HOUR: Duration = Duration::from_secs(3600);

/// The restarts of the last hour.
#[derive(Debug, Default)]
pub(in crate::core) struct Restarts(VecDeque<Mono>);

impl Restarts {
    /// Whether there may be one more; counts it.
    fn may(&mut self, now: Mono) -> bool {
        while self.0.front().is_some_and(|&at| now.since(at) >= HOUR) {
            self.0.pop_front();
        }
        let may = self.0.len() < RESTARTS_AN_HOUR;
        if may {
            self.0.push_back(now);
        }
        may
    }
}

impl Incidents {
    /// Somebody was notified that an incident opened: gives the one machine that it is about, where its rule wants that to
    /// be restarted.
    pub(in crate::core) fn take_restart(
        &mut self,
        view: View<'_>,
        incident: IncidentId,
    ) -> Option<Suspect> {
        let open = self.open.get_mut(&incident)?;
        if std::mem::replace(&mut open.restart_considered, true) {
            return None;
        }
        // What is silent together is no machine's own fault.
        let alone = open.members.len() == 1 && matches!(open.key, Key::Part(_));
        let silent = matches!(open.alarm, Alarm::Heartbeat | Alarm::Logs);
        let target = open.firing().next().filter(|_| alone && silent)?;
        let row = view.targets.table.get(target);
        let id = view.targets.instance_of(view.facts, target)?;
        let listed = view
            .facts
            .inventory
            .entries
            .get(&id.0)
            .map(|entry| entry.listed);
        let runs = matches!(listed, Some(Listed::Started | Listed::Failed));
        let sure = view.facts.listening.blind_now().is_none()
            && !self.stream.is_stalled
            && self.stream.lagging.is_none();
        if !view.facts.rules.rules[row.rule() as usize].restart_silent
            || !runs
            || !sure
            || view.facts.is_stopped(id)
        {
            return None;
        }
        if !self.restarts.may(view.facts.now.mono) {
            let words =
                format!("not restarted: {RESTARTS_AN_HOUR} restarts within an hour already");
            self.add_detail(incident, &words);
            return None;
        }
        Some(view.facts.suspect_of(id))
    }
}
