//! State of the incident of a downstream.

use crate::core::incident::kind::{Alarm, IncidentId};

/// The open incident of a downstream.
#[derive(Clone, Copy, Debug)]
pub struct OpenDownstream {
    /// Its number.
    pub id: IncidentId,
    /// The problem that it reports; [`Alarm::Flapping`] while the downstream flaps.
    pub alarm: Alarm,
    /// True if its texts name the hop, which stays from then on.
    pub names_hop: bool,
}
