//! Incidents of downstreams: one at a time for each, of the worst that was found.

use crate::core::downstream::counters::Hop;
use crate::core::downstream::missing::Missing;
use crate::core::downstream::watch::{DownstreamState, Watch};
use crate::core::incident::Incidents;
use crate::core::incident::downstream_state::OpenDownstream;
use crate::core::incident::flapping::{DEAD_AFTER, Flapper};
use crate::core::incident::key::Key;
use crate::core::incident::kind::{Alarm, CloseReason, IncidentId};
use crate::core::incident::stream_state::StreamFacts;
use crate::core::incident::view::View;

use std::time::Duration;

/// The finding where the archive is too small for a forward.
const DELETED: &str = "the archive deleted entries before they were forwarded";

/// The range that the archive deleted before it was forwarded.
fn deleted(watch: &Watch) -> Option<Missing> {
    watch.missing.filter(|missing| !missing.is_refillable())
}

/// The alarm of a state; `None`: none.
const fn alarm_of(state: DownstreamState) -> Option<Alarm> {
    match state {
        DownstreamState::Stalled => Some(Alarm::Stalled),
        DownstreamState::Losing => Some(Alarm::Losing),
        DownstreamState::Lagging => Some(Alarm::Lagging),
        DownstreamState::Unseen => Some(Alarm::Unseen),
        DownstreamState::Ok | DownstreamState::Blind => None,
    }
}

/// Rank of an alarm: one of a higher rank replaces one of a lower.
const fn rank(alarm: Alarm) -> u8 {
    match alarm {
        Alarm::Unseen => 0,
        Alarm::Lagging => 1,
        Alarm::Losing => 2,
        _ => 3,
    }
}

impl Incidents {
    /// Opens and closes the incidents of all downstreams by their states. Gives the downstreams whose missing range is
    /// reported.
    pub(in crate::core) fn downstreams_are(&mut self, view: View<'_>) -> Vec<u32> {
        let mut reported = Vec::new();
        for (number, watch) in view.facts.downstreams.iter() {
            if self.downstream_is(view, number, watch) {
                reported.push(number);
            }
        }
        reported
    }

    /// True if an incident of it closed.
    fn downstream_is(&mut self, view: View<'_>, number: u32, watch: &Watch) -> bool {
        let open = self.downstreams.get(&number).copied();
        let key = Key::Downstream(number);
        if let (Some(open), Some(missing)) = (open, deleted(watch)) {
            self.name_deleted(open, missing);
        }
        match (open, alarm_of(watch.state)) {
            (None, Some(alarm)) => {
                let listened = view.facts.listening.listened();
                let flaps = self
                    .flaps
                    .fired(Flapper::Scope(key), listened, watch.rule.max_delay);
                let alarm = if flaps { Alarm::Flapping } else { alarm };
                self.open_downstream(view, number, watch, alarm);
                false
            }
            (Some(open), Some(alarm)) if open.alarm == Alarm::Flapping => {
                let lasts = view.facts.now.mono.since(watch.state_since);
                if lasts >= watch.rule.max_delay * DEAD_AFTER {
                    self.close(open.id, CloseReason::Superseded);
                    self.open_downstream(view, number, watch, alarm);
                }
                false
            }
            (Some(open), Some(alarm)) if rank(alarm) > rank(open.alarm) => {
                self.close(open.id, CloseReason::Superseded);
                self.open_downstream(view, number, watch, alarm);
                false
            }
            (Some(open), Some(Alarm::Stalled)) => {
                self.name_hop(open, number, watch);
                false
            }
            (Some(open), None) if watch.state == DownstreamState::Ok => {
                let who = Flapper::Scope(key);
                let listened = view.facts.listening.listened();
                if open.alarm == Alarm::Flapping && !self.flaps.take_steady(who, listened) {
                    return false;
                }
                self.flaps.changed_scope(key, listened);
                if let Some(facts) = self
                    .open
                    .get_mut(&open.id)
                    .and_then(|one| one.stream.as_mut())
                {
                    facts.missing = watch.missing;
                }
                self.close(open.id, CloseReason::Resolved);
                true
            }
            _ => false,
        }
    }

    /// Says in an open incident what the archive deleted.
    fn name_deleted(&mut self, open: OpenDownstream, missing: Missing) {
        let incident = self.open.get_mut(&open.id);
        if let Some(facts) = incident.and_then(|one| one.stream.as_mut()) {
            facts.missing = Some(missing);
        }
        self.add_detail(open.id, DELETED);
    }

    /// Adds the hop to an open incident that did not know it.
    fn name_hop(&mut self, open: OpenDownstream, number: u32, watch: &Watch) {
        let (Some(hop), false) = (watch.hop, open.names_hop) else {
            return;
        };
        self.add_detail(open.id, hop.words());
        if let Some(open) = self.downstreams.get_mut(&number) {
            open.names_hop = true;
        }
    }

    fn open_downstream(&mut self, view: View<'_>, number: u32, watch: &Watch, alarm: Alarm) {
        let now = view.facts.now;
        let max_delay = watch.rule.max_delay;
        let (since, gap) = match alarm {
            Alarm::Lagging => (now.mono, watch.delay.unwrap_or_default()),
            Alarm::Stalled => {
                let since = watch.lacks_since.unwrap_or(now.mono);
                (since, now.mono.since(since))
            }
            _ => (watch.state_since, Duration::ZERO),
        };
        let hop = watch.hop.filter(|_| alarm == Alarm::Stalled);
        let due = if alarm == Alarm::Stalled {
            since + max_delay
        } else {
            now.mono
        };
        let facts = StreamFacts {
            gap,
            listened: gap,
            max_gap: max_delay,
            region: None,
            missing: deleted(watch),
        };
        let what = (Key::Downstream(number), alarm);
        let (severity, detail) = (watch.rule.severity, detail(watch, alarm, hop));
        let id = self.open_of_flow(view, what, (since, due), facts, severity, detail);
        let open = OpenDownstream {
            id,
            alarm,
            names_hop: hop.is_some(),
        };
        self.downstreams.insert(number, open);
    }

    /// A downstream is not watched any more.
    pub(in crate::core) fn downstream_removed(&mut self, number: u32) {
        if let Some(open) = self.downstreams.remove(&number) {
            self.close(open.id, CloseReason::RuleRemoved);
        }
    }

    /// Resumes the open incident of a downstream of a previous run; gives another one that it had meanwhile.
    pub(in crate::core) fn resume_downstream(
        &mut self,
        number: u32,
        id: IncidentId,
        incident: (Alarm, &str),
    ) -> Option<IncidentId> {
        let (alarm, detail) = incident;
        let open = OpenDownstream {
            id,
            alarm,
            names_hop: Hop::ALL.iter().any(|hop| detail.contains(hop.words())),
        };
        self.downstreams.insert(number, open).map(|other| other.id)
    }
}

/// The finding in words.
fn detail(watch: &Watch, alarm: Alarm, hop: Option<Hop>) -> String {
    match alarm {
        Alarm::Stalled => match hop {
            Some(hop) => hop.words().to_owned(),
            None if watch.found.is_none() => {
                "no canary was found in the sink since lastbeat started".to_owned()
            }
            None => "canaries come back in the stream and do not reach the sink".to_owned(),
        },
        Alarm::Losing if deleted(watch).is_some() => DELETED.to_owned(),
        Alarm::Losing => "newer entries reach the sink, and some older ones do not".to_owned(),
        Alarm::Lagging => "entries reach the sink later than allowed".to_owned(),
        Alarm::Unseen if watch.fault.is_empty() => {
            "no canary of lastbeat comes back through the stream (LASTBEAT_CANARY)".to_owned()
        }
        Alarm::Unseen => format!("the sink cannot be queried: {}", watch.fault),
        Alarm::Flapping => "it comes and goes".to_owned(),
        _ => String::new(),
    }
}
