//! Frames and events of the two streams.

use super::incident::Incident;
use super::status::Status;
use super::{Timestamp, Verdict};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{Ref, RefOr};

/// A frame of `/api/logs`; natstream's, whose clients work unchanged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Frame<'a> {
    /// With `error`: the number of entries that this reader missed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u64, required = false)]
    pub lost: Option<u64>,
    /// The entry's payload as text.
    pub message: &'a str,
    /// Always false.
    pub persistent: bool,
    /// Its arrival, in milliseconds since 1970.
    pub timestamp: u64,
    /// The kind of the message.
    pub r#type: FrameType,
    /// The entry's subject, where `subject=1` asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub subject: Option<&'a str>,
}

/// The kind of a frame: `log` is an entry, `system` and `error` are messages of lastbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum FrameType {
    /// An entry.
    Log,
    /// A message of lastbeat.
    System,
    /// A fault.
    Error,
}

/// The data of a `status` event.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StatusEvent<'a> {
    /// The time that it is of.
    pub now: &'a Timestamp,
    /// The status.
    pub status: &'a Status,
}

/// The data of a `snapshot` event.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SnapshotEvent<'a> {
    /// The time that it is of.
    pub now: &'a Timestamp,
    /// The status.
    pub status: &'a Status,
    /// The open incidents, the newest first.
    pub incidents: &'a [Incident],
    /// The instances.
    pub instances: InstanceRows,
}

/// The instances of a `snapshot` event.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InstanceRows {
    /// The number of all instances.
    pub total: u64,
    /// True: there are too many to list them all.
    pub folded: bool,
    /// The instances listed.
    pub rows: Vec<InstanceState>,
}

/// The data of an `instances` event.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InstancesEvent<'a> {
    /// The time that it is of.
    pub now: &'a Timestamp,
    /// The number of all instances.
    pub total: u64,
    /// True: there are too many to list them all.
    pub folded: bool,
    /// New and changed rows.
    pub changed: Vec<InstanceState>,
    /// The keys of rows that went.
    pub gone: Vec<InstanceKey>,
}

/// The key of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InstanceKey {
    /// The app.
    pub app: String,
    /// The region.
    pub region: String,
    /// The instance.
    pub instance: String,
}

/// An instance in one row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InstanceState {
    /// The key.
    #[serde(flatten)]
    pub key: InstanceKey,
    /// The verdict.
    pub verdict: Verdict,
    /// The reason of the verdict, where more is known.
    pub reason: Option<String>,
    /// The arrival of its last entry.
    pub last_seen: Timestamp,
    /// The arrival of its last heartbeat.
    pub last_beat: Option<Timestamp>,
    /// The first deadline of its heartbeats.
    pub due: Option<Timestamp>,
    /// The rule of that heartbeat.
    pub rule: Option<String>,
}

/// The data of an `incident` event.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct IncidentEvent {
    /// `opened`, `updated`, `reminder` or `closed`.
    pub kind: &'static str,
    /// The number of the update or reminder, from 1.
    pub number: Option<u32>,
    /// The incident.
    pub incident: Incident,
}

/// The data of a `lost` event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LostEvent {
    /// The number of events that this reader missed.
    pub events: u64,
}

/// One event of `/api/logs`.
pub(in crate::io::http) struct LogStream;

schema!(LogStream, {
    let frame = Ref::from_schema_name(Frame::name());
    event("A Frame, in JSON.", frame.into()).build()
});

/// One event of `/api/v1/events`.
pub(in crate::io::http) struct EventStream;

schema!(EventStream, {
    let names = [
        "snapshot",
        "incident",
        "status",
        "instances",
        "lost",
        "error",
    ];
    let name = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(names));
    let object = ObjectBuilder::new().schema_type(Type::Object);
    event("One line of JSON.", object.into())
        .property("event", name)
        .property("id", super::text("To be sent as Last-Event-ID."))
        .build()
});

fn event(about: &str, data: RefOr<Schema>) -> ObjectBuilder {
    let data = super::text(about)
        .content_media_type("application/json")
        .content_schema(Some(data));
    let retry = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .description(Some("Milliseconds until a client connects again."))
        .minimum(Some(0));
    ObjectBuilder::new()
        .property("data", data)
        .property("retry", retry)
        .required("data")
}
