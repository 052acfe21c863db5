//! Changes since the last checkpoint, so that the store receives only those.

use crate::core::notice::IncidentId;
use crate::core::persist::SavedIncident;
use crate::core::time::Mono;
use std::collections::BTreeSet;

/// Changes of instances that the store has not received.
#[derive(Debug, Default)]
pub struct Unsaved {
    /// Arrival clock: start of the last checkpoint; signs of life since then are not stored.
    pub(in crate::core) since: Mono,
    /// Slots of instances that were forgotten.
    pub(in crate::core) forgotten: Vec<u32>,
    /// Slots that decisions handed to the store since the checkpoint in progress began, whose own rows of them may be
    /// older.
    pub(in crate::core) given: BTreeSet<u32>,
}

/// Changes of incidents that the store has not received.
#[derive(Debug, Default)]
pub struct Changes {
    /// Incidents that gained or lost members, or whose details changed.
    pub(in crate::core) marked: BTreeSet<IncidentId>,
    /// Incidents that opened or were updated: stored before anybody is notified.
    pub(in crate::core) decided: BTreeSet<IncidentId>,
    /// Incidents that closed.
    pub(in crate::core) over: Vec<SavedIncident>,
}

impl Changes {
    /// Records a change of an incident that does not notify anybody.
    pub(in crate::core) fn marked(&mut self, id: IncidentId) {
        self.marked.insert(id);
    }

    /// Records a decision about an incident.
    pub(in crate::core) fn decided(&mut self, id: IncidentId) {
        self.decided.insert(id);
    }

    /// Records the end of an incident.
    pub(in crate::core) fn closed(&mut self, id: IncidentId, over: SavedIncident) {
        self.marked.remove(&id);
        self.decided.remove(&id);
        self.over.push(over);
    }
}
