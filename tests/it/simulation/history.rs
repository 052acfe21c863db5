//! Everything that was done to the core, in order: all that the model knows.

use super::world::{Actor, Says};
use lastbeat::core::notice::Notice;
use lastbeat::core::targets::table::Change;

/// One call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// A batch arrives.
    Arrive,
    /// An entry of it.
    Entry {
        /// Whose.
        who: usize,
        /// What it says.
        says: Says,
    },
    /// Lost or suspended: what runs will not count. True: from now on the stream counts as quiet.
    Blinded(bool),
    /// Messages were lost since the last check.
    Dropped,
    /// None were.
    Intact,
    /// Deadlines are judged.
    Evaluate,
}

/// A call, and what came out.
#[derive(Debug)]
pub struct Step {
    /// When, in nanoseconds from the start.
    pub at: u64,
    pub call: Call,
    pub changes: Vec<Change>,
    pub notices: Vec<Notice>,
}

/// The whole run.
#[derive(Debug)]
pub struct History<'w> {
    pub cast: &'w [Actor],
    pub steps: Vec<Step>,
}
