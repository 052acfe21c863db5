//! Restarts of silent machines, if their rule asks for them: once per incident, a few per hour, never while lastbeat
//! may be blind, and never of a machine that is meant to be stopped.

use crate::core::incident::Incidents;
use crate::core::incident::key::Key;
use crate::core::incident::kind::{Alarm, IncidentId};
use crate::core::incident::restart_limit::RESTARTS_AN_HOUR;
use crate::core::incident::view::View;
use crate::core::inventory::{Candidate, Listed};

impl Incidents {
    /// The single machine of an incident whose opening was notified, if its rule asks for a restart; `None` otherwise.
    pub(in crate::core) fn take_restart(
        &mut self,
        view: View<'_>,
        incident: IncidentId,
    ) -> Option<Candidate> {
        let open = self.open.get_mut(&incident)?;
        if std::mem::replace(&mut open.restart_considered, true) {
            return None;
        }
        // A silence of several instances has another cause than one machine.
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
        Some(view.facts.candidate_of(id))
    }
}
