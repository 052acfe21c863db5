//! Incidents opened and closed, and the notices that say so.

use super::alert::{Change, Reason, State, Watched};
use super::engine::{Engine, Output, STREAM_RULE};
use super::notice::{Alarm, CloseReason, IncidentId, Notice, NoticeKind, Scope, Who};
use super::snapshot::last_token;
use super::time::Mono;
use super::tracker::NONE;
use std::time::Duration;

impl Engine {
    pub(super) fn changed(&mut self, target: u32, from: State, reason: Reason, at: Mono) {
        let row = self.targets.get(target);
        let change = Change {
            rule: self.rule_names[row.rule as usize].clone(),
            who: self.who(row.watched),
            from,
            to: row.state,
            reason,
            at: self.now.wall_of(at),
        };
        self.outputs.push(Output::Changed(change));
    }

    /// Opens the incident of one target whose deadline lay at `due`.
    pub(super) fn open_target(&mut self, target: u32, due: Mono) {
        let row = self.targets.get(target);
        let rule = &self.rules.rules[row.rule as usize];
        let (alarm, text) = match row.watched {
            Watched::Beat(beat) => (
                Alarm::Heartbeat,
                self.tracker.beats[beat.0 as usize].text.clone(),
            ),
            Watched::Logs(_) => (Alarm::Logs, String::new()),
        };
        let notice = Notice {
            incident: IncidentId(self.next_incident),
            kind: NoticeKind::Opened,
            alarm,
            scope: Scope::Instance,
            rule: rule.name.clone(),
            notify: rule.notify.clone(),
            affected: Vec::new(),
            affected_total: 1,
            severity: rule.severity,
            who: self.who(row.watched),
            since: self.now.wall_of(row.seen.at),
            gap: self.now.mono.since(row.seen.at),
            listened: self.listening.listened().since(row.seen.listened),
            max_gap: self.max_gap(target),
            due: self.now.wall_of(due),
            due_mono: due,
            decided: self.now.wall,
            last_text: text,
            detail: String::new(),
            summary: rule.summary.clone(),
            runbook: rule.runbook.clone(),
        };
        self.targets.get_mut(target).incident = Some(self.open(notice));
    }

    /// Opens an incident of the stream itself: silent since `since`, or as late as `gap` says.
    pub(super) fn open_stream(
        &mut self,
        alarm: Alarm,
        since: Mono,
        gap: Duration,
        due: Mono,
    ) -> IncidentId {
        let rule = &self.rules.stream;
        let blind = self.listening.blind_now();
        let detail = match (alarm, blind) {
            (Alarm::Lagging, _) => "entries arrive late, from everyone".to_owned(),
            (_, None) => "connected, and nothing arrives".to_owned(),
            (_, Some(why)) => format!("lastbeat is blind: {}", why.label()),
        };
        let notice = Notice {
            incident: IncidentId(self.next_incident),
            kind: NoticeKind::Opened,
            alarm,
            scope: Scope::Stream,
            rule: STREAM_RULE.to_owned(),
            notify: None,
            affected: Vec::new(),
            affected_total: 0,
            severity: rule.severity,
            who: Who::default(),
            since: self.now.wall_of(since),
            gap,
            listened: if blind.is_none() { gap } else { Duration::ZERO },
            max_gap: if alarm == Alarm::Lagging {
                rule.max_lag
            } else {
                rule.max_gap
            },
            due: self.now.wall_of(due),
            due_mono: due,
            decided: self.now.wall,
            last_text: String::new(),
            detail,
            summary: rule.summary.clone(),
            runbook: rule.runbook.clone(),
        };
        self.open(notice)
    }

    fn open(&mut self, notice: Notice) -> IncidentId {
        let incident = notice.incident;
        self.next_incident += 1;
        self.open.insert(incident, notice.clone());
        self.outputs.push(Output::Tell(Box::new(notice)));
        incident
    }

    /// Closes the incident of a target that fired.
    pub(super) fn close_of(&mut self, target: u32, why: CloseReason) {
        if let Some(incident) = self.targets.get_mut(target).incident.take() {
            self.close(incident, why);
        }
    }

    /// Closes an incident now.
    pub(super) fn close(&mut self, incident: IncidentId, why: CloseReason) {
        let Some(mut notice) = self.open.remove(&incident) else {
            return;
        };
        notice.kind = NoticeKind::Closed(why);
        notice.gap = self.now.wall.since(notice.since);
        notice.decided = self.now.wall;
        notice.due_mono = self.now.mono;
        self.outputs.push(Output::Tell(Box::new(notice)));
    }

    fn who(&self, watched: Watched) -> Who {
        let instance = &self.tracker.instances[self.instance_of(watched).0 as usize];
        let place = &self.tracker.places[instance.place as usize];
        let subject = instance.subject.as_deref().unwrap_or("");
        Who {
            app: self.tracker.app_names.get(place.app).to_string(),
            region: self.tracker.region_names.get(place.region).to_string(),
            instance: last_token(subject).to_owned(),
            host: if instance.host == NONE {
                String::new()
            } else {
                self.tracker.host_names.get(instance.host).to_string()
            },
            beat: match watched {
                Watched::Beat(beat) => self
                    .tracker
                    .beat_names
                    .get(self.tracker.beats[beat.0 as usize].name)
                    .to_string(),
                Watched::Logs(_) => String::new(),
            },
        }
    }
}
