//! Late beats in the catch-up after a pause of reception.

use crate::core::time::Mono;
use std::collections::BTreeMap;

/// State of the current catch-up.
#[derive(Debug, Default)]
pub struct CatchUp {
    /// End of the pause before it.
    pub(in crate::core) of: Mono,
    /// Number of beats in a row that were not late.
    pub(in crate::core) fresh: u32,
    /// Last arrival of each late beat, and its lateness in milliseconds.
    pub(in crate::core) late: BTreeMap<u32, (Mono, i64)>,
}
