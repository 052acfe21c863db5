//! Downstreams: log shippers and their sinks.

use super::{Seconds, Timestamp};
use crate::core::snapshot::downstream_rows::DownstreamRow;
use serde::Serialize;
use utoipa::ToSchema;

/// All downstreams.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Downstreams {
    /// In the order of the rules.
    pub downstreams: Vec<Downstream>,
}

/// A log shipper with its sink.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Downstream {
    /// Its name.
    pub name: String,
    /// Its state: ok; lagging (later than allowed); losing (older entries are missing); stalled; unseen (the sink does not
    /// answer); blind (lastbeat does not see the stream, or has not proved anything yet).
    #[schema(examples("ok"))]
    pub state: &'static str,
    /// The start of that state.
    pub since: Timestamp,
    /// The broken hop: gone (the shipper), subscription, sink or store; null where it does not stall or is not known.
    pub hop: Option<&'static str>,
    /// The delay of the newest entry that was found; null before the first.
    pub delay_seconds: Option<Seconds>,
    /// The longest delay allowed.
    pub max_delay_seconds: Seconds,
    /// The time of the newest entry that was found in the sink; null before the first.
    pub last_found: Option<Timestamp>,
    /// Canaries found since the start.
    pub found: u64,
    /// Canaries lost since the start.
    pub lost: u64,
    /// The reason why the last query failed; null where it did not.
    pub fault: Option<String>,
}

impl From<&DownstreamRow> for Downstream {
    fn from(row: &DownstreamRow) -> Self {
        Downstream {
            name: row.name.to_string(),
            state: row.state.label(),
            since: row.since.into(),
            hop: row.hop.map(|hop| hop.label()),
            delay_seconds: row.delay.map(Seconds::from),
            max_delay_seconds: row.max_delay.into(),
            last_found: row.found.map(Timestamp::from),
            found: row.found_total,
            lost: row.lost_total,
            fault: (!row.fault.is_empty()).then(|| row.fault.clone()),
        }
    }
}
