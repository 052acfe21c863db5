//! Downstreams: log shippers and their sinks.

use super::{Seconds, Timestamp, text};
use crate::core::snapshot::downstream_rows::DownstreamRow;
use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{
    AdditionalProperties, KnownFormat, ObjectBuilder, Schema, SchemaFormat,
};
use utoipa::{PartialSchema, ToSchema};

/// All downstreams.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Downstreams {
    /// In the order of the rules.
    pub downstreams: Vec<Downstream>,
    /// The refill that runs, or ran last; null where none was begun since the start.
    pub refill: Option<Refill>,
}

/// A range of time.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Missing {
    /// Its beginning.
    pub from: Timestamp,
    /// Its end.
    pub until: Timestamp,
}

/// A refill: entries of the archive that are shipped to a sink again.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Refill {
    /// The downstream's name.
    pub downstream: String,
    /// The sink's name in the rules.
    pub sink: String,
    /// Globs of the apps, with commas between; empty: all.
    pub app: String,
    /// The arrival of its earliest entries.
    pub from: Timestamp,
    /// The arrivals that are not in it any more.
    pub until: Timestamp,
    /// Its state: running, done or failed. One that failed goes on where it was when it is begun again.
    #[schema(examples("running"))]
    pub state: &'static str,
    /// The time at which it was begun.
    pub began: Timestamp,
    /// The part of the range that is done, from 0 to 1.
    pub share: f64,
    /// Entries that the sink took.
    pub shipped: u64,
    /// Entries that the sink refused; they are kept beside the archive.
    pub rejected: u64,
    /// Entries that the archive itself lacks.
    pub lost: u64,
    /// The reason of its failure, or of the attempt that is repeated; null without one.
    pub fault: Option<String>,
}

/// The body of a request to refill. `decode::refill_request` reads it, and reports all faults at once.
pub(in crate::io::http) struct RefillRequest;

impl ToSchema for RefillRequest {}

impl PartialSchema for RefillRequest {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .description(Some("The range and the sink. Everything has a default."))
            .property(
                "from",
                time("The earliest arrival; without it the last range that was found to be missing."),
            )
            .property("until", time("Arrivals before; with from."))
            .property(
                "sink",
                text("The NAME of a [sink.NAME]; without it the one of the downstream's name, or the only one.").build(),
            )
            .property("app", text("Globs of apps, with commas between; without it all.").build())
            .additional_properties(Some(AdditionalProperties::FreeForm(false)))
            .into()
    }
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
    /// The last range that the sink lacks, until a refill of all of it is done; null where none is known.
    pub missing: Option<Missing>,
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
            missing: row.missing.map(|(from, until)| Missing {
                from: from.into(),
                until: until.into(),
            }),
        }
    }
}

fn time(about: &str) -> ObjectBuilder {
    text(about).format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
}
