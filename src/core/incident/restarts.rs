//! Restarts of silent machines, and of those of a shipper that stalls, if their rule asks for them: once per incident, a
//! few per hour, never while lastbeat may be blind, and never of a machine that is meant to be stopped.

use crate::core::downstream::counters::Hop;
use crate::core::incident::key::Key;
use crate::core::incident::kind::{Alarm, IncidentId};
use crate::core::incident::restart_limit::RESTARTS_AN_HOUR;
use crate::core::incident::view::View;
use crate::core::incident::{Incident, Incidents};
use crate::core::inventory::{Candidate, Listed};
use crate::core::tracker::InstanceId;

impl Incidents {
    /// The machines to be restarted of an incident whose opening was notified, if its rule asks for that: the silent one
    /// of an instance, or all of a shipper that stalls.
    pub(in crate::core) fn take_restarts(
        &mut self,
        view: View<'_>,
        incident: IncidentId,
    ) -> Vec<Candidate> {
        let Some(open) = self.open.get_mut(&incident) else {
            return Vec::new();
        };
        if std::mem::replace(&mut open.restart_considered, true) {
            return Vec::new();
        }
        let sure = view.facts.listening.blind_now().is_none()
            && !self.stream.is_stalled
            && self.stream.lagging.is_none();
        let machines = match (open.key, sure) {
            (_, false) => Vec::new(),
            (Key::Downstream(number), true) => view.stalled_machines(open, number),
            (_, true) => view.silent_machine(open).into_iter().collect(),
        };
        let runs = |id: &InstanceId| {
            let entry = view.facts.inventory.entries.get(&id.0);
            let listed = entry.map(|entry| entry.listed);
            matches!(listed, Some(Listed::Started | Listed::Failed)) && !view.facts.is_stopped(*id)
        };
        let mut restarts = Vec::new();
        for id in machines.into_iter().filter(runs) {
            if !self.restarts.may(view.facts.now.mono) {
                let words =
                    format!("not restarted: {RESTARTS_AN_HOUR} restarts within an hour already");
                self.add_detail(incident, &words);
                break;
            }
            restarts.push(view.facts.candidate_of(id));
        }
        restarts
    }
}

impl View<'_> {
    /// The only instance of an incident, if its rule restarts it.
    fn silent_machine(&self, open: &Incident) -> Option<InstanceId> {
        // A silence of several instances has another cause than one machine.
        let alone = open.members.len() == 1 && matches!(open.key, Key::Part(_));
        let silent = matches!(open.alarm, Alarm::Heartbeat | Alarm::Logs);
        let target = open.firing().next().filter(|_| alone && silent)?;
        let rule = self.targets.rule_of(self.facts, target);
        let id = self.targets.instance_of(self.facts, target);
        id.filter(|_| rule.restart_silent)
    }

    /// The instances of a shipper that stalls, if its rule restarts them. A store that loses what the shipper delivers is
    /// not mended by that.
    fn stalled_machines(&self, open: &Incident, number: u32) -> Vec<InstanceId> {
        let watch = self.facts.downstreams.get(number);
        let watch = watch.filter(|watch| watch.hop != Some(Hop::Store));
        let app = watch.and_then(|watch| watch.rule.restart.as_deref());
        let app = app.filter(|_| open.alarm == Alarm::Stalled);
        let app = app.and_then(|app| self.facts.tracker.app_names.find(app));
        app.map(|app| self.instances_of(Key::App(app)).collect())
            .unwrap_or_default()
    }
}
