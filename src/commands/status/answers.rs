//! Answers of the running lastbeat, or those that a state file gives.

use serde_json::Value;

/// The answers that a page is made of.
pub(super) struct Answers {
    /// As `/api/v1/status`.
    pub(super) status: Value,
    /// The list of open incidents, as in `/api/v1/incidents`.
    pub(super) incidents: Value,
    /// The list of silences, as in `/api/v1/silences`.
    pub(super) silences: Value,
}
