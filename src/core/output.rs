//! What comes out of the core, in order.

use crate::core::inventory::Suspect;
use crate::core::notice::{IncidentId, Notice};
use crate::core::targets::table::Change;

/// The name of the stream's own rule in notices and labels.
pub const STREAM_RULE: &str = "stream";

/// One thing that the caller is to act upon.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// An alert changed its state.
    Changed(Change),
    /// A notification is to be sent.
    Tell(Box<Notice>),
    /// A machine that is silent is to be restarted, for an incident.
    Restart(IncidentId, Suspect),
}
