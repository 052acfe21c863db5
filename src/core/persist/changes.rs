//! What changed since it was last kept, so that a store is handed that and no more.

use crate::core::notice::IncidentId;
use crate::core::persist::SavedIncident;
use crate::core::time::Mono;
use std::collections::BTreeSet;

/// What a store was not handed yet of instances.
#[derive(Debug, Default)]
pub struct Unsaved {
    /// When the last checkpoint began: what was heard since is not kept yet.
    pub(in crate::core) since: Mono,
    /// Slots of instances that were forgotten.
    pub(in crate::core) forgotten: Vec<u32>,
    /// Slots that decisions gave away since the checkpoint that is being read began: what it read of them may be older.
    pub(in crate::core) given: BTreeSet<u32>,
}

/// Changes of incidents that are not kept yet.
#[derive(Debug, Default)]
pub struct Changes {
    /// Incidents that gained or lost members, or of which more became known.
    pub(in crate::core) marked: BTreeSet<IncidentId>,
    /// Incidents that opened or were told again: kept before anybody is told.
    pub(in crate::core) decided: BTreeSet<IncidentId>,
    /// Incidents that ended.
    pub(in crate::core) over: Vec<SavedIncident>,
}

impl Changes {
    /// An incident changed, and nobody is told of it yet.
    pub(in crate::core) fn marked(&mut self, id: IncidentId) {
        self.marked.insert(id);
    }

    /// Something was decided of an incident.
    pub(in crate::core) fn decided(&mut self, id: IncidentId) {
        self.decided.insert(id);
    }

    /// An incident ended.
    pub(in crate::core) fn closed(&mut self, id: IncidentId, over: SavedIncident) {
        self.marked.remove(&id);
        self.decided.remove(&id);
        self.over.push(over);
    }
}
