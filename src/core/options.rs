//! Settings that the caller chooses once.

use crate::core::rule::Globs;
use crate::core::tracker::Limits;

/// Settings of a core for its whole life.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Apps whose entries prove only that the stream flows.
    pub ignore: Globs,
    /// True if an inventory is polled, so that alerts wait for its answer.
    pub inventory: bool,
    /// True if the platform's own copy of the logs can be asked before a single silence becomes an alert.
    pub second_opinion: bool,
    /// Limits on what is tracked.
    pub limits: Limits,
    /// The number of the first incident; the caller takes it from the wall clock, so that numbers never return.
    pub first_incident: u64,
    /// App, region and instance of lastbeat itself in the stream, whose entries prove nothing for others. `None` if it
    /// has none there.
    pub own: Option<(String, String, String)>,
    /// Notifiers that exist without a rule of their own.
    pub notifiers: Vec<String>,
}
