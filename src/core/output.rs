//! Output of the core, in order.

use crate::core::inventory::Candidate;
use crate::core::notice::{IncidentId, Notice};
use crate::core::targets::table::Change;

/// The name of the stream's own rule in notices and labels.
pub const STREAM_RULE: &str = "stream";

/// Something the caller has to act on.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// An alert changed state.
    Changed(Change),
    /// A notification is to be sent.
    Notify(Box<Notice>),
    /// A silent machine is to be restarted, because of an incident.
    Restart(IncidentId, Candidate),
}
