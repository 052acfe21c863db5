//! Restarts of silent machines, and of those of a shipper that stalls, if their rule asks for them: once per incident, a
//! few per hour, never while lastbeat may be blind, and never of a machine that is meant to be stopped.

use crate::core::downstream::counters::Hop;
use crate::core::incident::key::Key;
use crate::core::incident::kind::{Alarm, IncidentId};
use crate::core::incident::restart_limit::RESTARTS_AN_HOUR;
use crate::core::incident::view::View;
use crate::core::incident::{Incident, Incidents};
use crate::core::inventory::{Candidate, Listed, Machine};
use crate::core::tracker::InstanceId;
use std::collections::BTreeSet;
use std::sync::Arc;

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
            (_, true) => {
                let silent = view.silent_machine(open).filter(|id| view.runs(*id));
                silent
                    .map(|id| view.facts.candidate_of(id))
                    .into_iter()
                    .collect()
            }
        };
        let mut restarts = Vec::new();
        for machine in machines {
            if !self.restarts.may(view.facts.now.mono) {
                let words =
                    format!("not restarted: {RESTARTS_AN_HOUR} restarts within an hour already");
                self.add_detail(incident, &words);
                break;
            }
            restarts.push(machine);
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

    /// True if the inventory lists an instance as running, and nobody stopped it.
    fn runs(&self, id: InstanceId) -> bool {
        let entry = self.facts.inventory.entries.get(&id.0);
        let listed = entry.map(|entry| entry.listed);
        matches!(listed, Some(Listed::Started | Listed::Failed)) && !self.facts.is_stopped(id)
    }

    /// The running machines of a shipper that stalls, if its rule restarts them, also those that never said anything in the
    /// stream. A store that loses what the shipper delivers is not mended by that.
    fn stalled_machines(&self, open: &Incident, number: u32) -> Vec<Candidate> {
        let watch = self.facts.downstreams.get(number);
        let watch = watch.filter(|watch| watch.hop != Some(Hop::Store));
        let app = watch.and_then(|watch| watch.rule.restart.as_deref());
        let Some(app) = app.filter(|_| open.alarm == Alarm::Stalled) else {
            return Vec::new();
        };
        let tracker = &self.facts.tracker;
        let number = tracker.app_names.find(app);
        let known = number
            .into_iter()
            .flat_map(|app| self.instances_of(Key::App(app)));
        let known = known.filter(|id| self.runs(*id));
        let mut all: BTreeSet<Candidate> = known.map(|id| self.facts.candidate_of(id)).collect();
        for machine in self.facts.inventory.running_of(app, self.facts.now.mono) {
            let Machine {
                app, region, id, ..
            } = machine;
            let instance = tracker.find(&format!("logs.{app}.{region}.{id}"));
            if !instance.is_some_and(|id| self.facts.is_stopped(id)) {
                all.insert(Candidate {
                    app: Arc::clone(app),
                    region: Arc::clone(region),
                    id: Arc::clone(id),
                });
            }
        }
        all.into_iter().collect()
    }
}
