//! What the caller decides once.

use crate::core::rule::Globs;
use crate::core::tracker::Limits;

/// Settings of a core for its whole life.
#[derive(Clone, Debug)]
pub struct Options {
    /// Apps whose entries prove only that the stream flows.
    pub ignore: Globs,
    /// Whether an inventory is asked for machines, and alerts wait for its answer.
    pub inventory: bool,
    /// How many are tracked at once.
    pub limits: Limits,
    /// The number of the first incident; the caller takes it from the wall clock, so that numbers never return.
    pub first_incident: u64,
    /// The app, region and instance of lastbeat itself in the stream: its own entries prove nothing for others. `None` where
    /// it has no place there.
    pub own: Option<(String, String, String)>,
    /// Notifiers that exist without a rule of their own.
    pub notifiers: Vec<String>,
}
