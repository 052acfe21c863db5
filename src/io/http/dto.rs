//! The JSON of the API: one type for each object. `Serialize` writes it, `ToSchema` describes it in `openapi.json`.
//!
//! Times are RFC 3339, spans are seconds. Each field is always there, and `null` where it does not apply, unless its
//! comment says when it is left out.

/// A schema that no derive can write.
macro_rules! schema {
    ($name:ident, $schema:expr) => {
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                let schema: utoipa::openapi::Object = $schema;
                schema.into()
            }
        }
        impl utoipa::ToSchema for $name {}
    };
}

pub mod acknowledge;
pub mod app;
pub mod downstream;
pub mod drill;
pub mod entry;
pub mod forgotten;
pub mod incident;
pub mod instance;
pub mod live;
pub(super) mod query;
pub mod report;
pub mod silence;
pub mod status;

use crate::core::listening;
use crate::core::notice::{self, CloseReason as Why};
use crate::core::rule;
use crate::core::snapshot;
use crate::core::time::Wall;
use crate::format;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::time::Duration;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

/// A closed list of the core's, written by its labels.
macro_rules! labels {
    ($($name:ident($core:ty) = $all:expr, $about:literal;)*) => {$(
        #[doc = $about]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name(pub $core);

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.0.label())
            }
        }

        schema!($name, text($about).enum_values(Some($all.map(<$core>::label))).build());
    )*};
}

labels! {
    Verdict(snapshot::Verdict) = snapshot::Verdict::ALL,
        "The state of a target: live; late (beyond its usual interval); silent; never-seen (expected, but no heartbeat yet); \
         stopped (on purpose); unknown (lastbeat was blind); learning (heard, but its rhythm is not known yet).";
    Severity(rule::Severity) = rule::Severity::ALL, "The severity of an incident, the highest first.";
    Scope(notice::Scope) = notice::Scope::ALL, "How far an incident reaches, the widest first.";
    Blind(listening::Blind) = listening::Blind::ALL, "The reason why lastbeat received no entries.";
    CloseReason(Why) = [Why::Resolved, Why::Stopped, Why::Forgotten, Why::Superseded, Why::RuleRemoved],
        "The reason why an incident was closed.";
}

/// A time, in UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Timestamp(pub String);

schema!(
    Timestamp,
    text("A time in RFC 3339, in UTC.")
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .build()
);

impl From<Wall> for Timestamp {
    fn from(at: Wall) -> Self {
        Timestamp(format::rfc3339(at))
    }
}

/// A span in seconds, to the millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Seconds(pub f64);

schema!(
    Seconds,
    ObjectBuilder::new()
        .schema_type(Type::Number)
        .description(Some("A span in seconds."))
        .minimum(Some(0))
        .build()
);

impl From<Duration> for Seconds {
    fn from(span: Duration) -> Self {
        Seconds(span.as_millis() as f64 / 1e3)
    }
}

/// The number of instances with each verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts(pub BTreeMap<&'static str, u64>);

schema!(
    Counts,
    ObjectBuilder::new()
        .description(Some(
            "The number of instances with each verdict; a verdict that is left out has none."
        ))
        .property_names(Some(inline::<Verdict>()))
        .additional_properties(Some(u64::schema()))
        .build()
);

impl Counts {
    /// Adds instances with a verdict.
    pub fn add(&mut self, verdict: snapshot::Verdict, count: u64) {
        *self.0.entry(verdict.label()).or_default() += count;
    }
}

/// Seconds by the reason of blindness.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct BlindSeconds(pub BTreeMap<&'static str, Seconds>);

schema!(
    BlindSeconds,
    ObjectBuilder::new()
        .description(Some("Seconds by the reason of blindness."))
        .property_names(Some(inline::<Blind>()))
        .additional_properties(Some(Seconds::schema()))
        .build()
);

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Error {
    /// The reason, and what to do.
    #[schema(min_length = 1)]
    pub error: String,
    /// Everything that is wrong with the request; left out where the request itself is not at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<String>, required = false, min_items = 1)]
    pub faults: Option<Vec<String>>,
}

impl From<String> for Error {
    fn from(error: String) -> Self {
        Error {
            error,
            faults: None,
        }
    }
}

/// A string schema with a description.
fn text(about: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(about))
}

/// A schema in place, where no reference may stand.
fn inline<T: PartialSchema>() -> Schema {
    match T::schema() {
        RefOr::T(schema) => schema,
        RefOr::Ref(_) => Schema::default(),
    }
}
