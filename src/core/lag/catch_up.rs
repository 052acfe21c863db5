//! What is remembered of the catch-up after a pause of reception.

use crate::core::time::Mono;
use std::collections::BTreeMap;

/// Late beats of the catch-up that runs.
#[derive(Debug, Default)]
pub struct CatchUp {
    /// The end of the pause that it follows.
    pub(in crate::core) of: Mono,
    /// Beats in a row that were not late.
    pub(in crate::core) fresh: u32,
    /// When each late beat arrived last, and how late it was.
    pub(in crate::core) late: BTreeMap<u32, (Mono, i64)>,
}
