//! State of the incidents of the stream itself.

use crate::core::downstream::missing::Missing;
use crate::core::incident::kind::IncidentId;
use crate::core::time::Mono;
use std::collections::BTreeMap;
use std::time::Duration;

/// Measurements of an incident of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamFacts {
    /// Its silence when it opened, or its lag.
    pub gap: Duration,
    /// Listened part of it.
    pub listened: Duration,
    /// The limit of the silence or the lag; zero if there is none.
    pub max_gap: Duration,
    /// The late region; `None` for the stream.
    pub region: Option<u32>,
    /// The range that the sink of a downstream lacks, once its incident closes or no refill has it; `None` if it lacks none.
    pub missing: Option<Missing>,
}

/// The open incidents of the stream.
#[derive(Debug, Default)]
pub struct StreamIncidents {
    /// True while nothing arrives.
    pub is_stalled: bool,
    /// The stall; `None` while the stream flaps.
    pub stalled: Option<IncidentId>,
    /// The flapping of the stream.
    pub flapping: Option<IncidentId>,
    /// True if the stall is a rejection by the server.
    pub refused: bool,
    /// The lag of the stream.
    pub lagging: Option<IncidentId>,
    /// The lag of each region, by its number.
    pub lagging_regions: BTreeMap<u32, IncidentId>,
    /// The continuous loss of messages.
    pub losing: Option<IncidentId>,
    /// Arrival clock: the last beat that the stream is known to have lost on its way; `None` if there was none.
    pub lost_at: Option<Mono>,
    /// Too much blindness.
    pub blind: Option<IncidentId>,
    /// The archive that cannot be written.
    pub archive: Option<IncidentId>,
    /// The limit on instances or names.
    pub full: Option<IncidentId>,
    /// The limit on incidents.
    pub overflow: Option<IncidentId>,
}

impl StreamIncidents {
    /// Removes a closed incident.
    pub(super) fn closed(&mut self, id: IncidentId) {
        let all = [
            &mut self.stalled,
            &mut self.flapping,
            &mut self.lagging,
            &mut self.losing,
            &mut self.blind,
            &mut self.archive,
            &mut self.full,
            &mut self.overflow,
        ];
        for one in all {
            if *one == Some(id) {
                *one = None;
            }
        }
        self.lagging_regions.retain(|_, one| *one != id);
    }
}
