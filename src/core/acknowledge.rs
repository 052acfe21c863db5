//! Acknowledging an incident: a person works on it, and needs no reminders.

use crate::core::engine::Engine;
use crate::core::notice::{Acknowledgement, IncidentId};
use crate::core::persist::SavedIncident;

impl Engine {
    /// Records the word that somebody works on an open incident, in place of an earlier one; gives the incident as it is
    /// then, or `None` if there is no such open incident.
    pub fn acknowledge(&mut self, id: IncidentId, word: Acknowledgement) -> Option<SavedIncident> {
        self.notices.acknowledge(id, word);
        self.saved_incident(id)
    }
}
