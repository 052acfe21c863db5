//! Downstreams, as rows of a snapshot.

use crate::core::downstream::Downstreams;
use crate::core::downstream::counters::Hop;
use crate::core::downstream::missing::Missing;
use crate::core::downstream::watch::DownstreamState;
use crate::core::time::{Now, Wall};
use std::sync::Arc;
use std::time::Duration;

/// One downstream.
#[derive(Clone, Debug, PartialEq)]
pub struct DownstreamRow {
    /// Its name.
    pub name: Arc<str>,
    /// Its state.
    pub state: DownstreamState,
    /// Wall clock: the start of that state.
    pub since: Wall,
    /// The hop at which it stalls; `None` if it does not, or the hop is not known.
    pub hop: Option<Hop>,
    /// Delay of the newest entry that was found in the sink, up to an interval of the queries too long; `None` before
    /// the first.
    pub delay: Option<Duration>,
    /// Its longest allowed delay.
    pub max_delay: Duration,
    /// Wall clock: time of the newest entry that was found in the sink; `None` before the first.
    pub found: Option<Wall>,
    /// Canaries found since the start.
    pub found_total: u64,
    /// Canaries lost since the start.
    pub lost_total: u64,
    /// The reason why the last query failed, in words; empty if it did not.
    pub fault: String,
    /// Wall clock: beginning and end of the last range that the sink lacks, and that a refill ships again; `None`: none is known.
    pub missing: Option<(Wall, Wall)>,
}

/// The rows of all downstreams, in the order of their rules.
pub(in crate::core) fn rows(downstreams: &Downstreams, now: Now) -> Vec<DownstreamRow> {
    let row = |watch: &crate::core::downstream::watch::Watch| DownstreamRow {
        name: watch.rule.name.as_str().into(),
        state: watch.state,
        since: now.wall_of(watch.state_since),
        hop: watch.hop,
        delay: watch.delay,
        max_delay: watch.rule.max_delay,
        found: watch.found,
        found_total: watch.found_total,
        lost_total: watch.lost_total,
        fault: watch.fault.clone(),
        missing: watch
            .missing
            .or(watch.reported)
            .filter(Missing::is_refillable)
            .map(|missing| missing.range()),
    };
    downstreams.iter().map(|(_, watch)| row(watch)).collect()
}
