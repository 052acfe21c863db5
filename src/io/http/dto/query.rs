//! Schemas of query parameters. `decode::api_query` reads the parameters, and reports all faults at once.

use super::incident::State;
use super::{Scope, Severity, Timestamp, Verdict};
use utoipa::openapi::schema::{AnyOfBuilder, ObjectBuilder, Type};
use utoipa::{PartialSchema, ToSchema};

/// Parameters that may be empty, which counts as left out.
macro_rules! parameters {
    ($($(#[$doc:meta])* $name:ident = $schema:expr;)*) => {$(
        $(#[$doc])*
        pub(in crate::io::http) struct $name;

        impl PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                let empty = ObjectBuilder::new()
                    .schema_type(Type::String)
                    .enum_values(Some([""]));
                AnyOfBuilder::new().item($schema).item(empty).into()
            }
        }

        impl ToSchema for $name {}
    )*};
}

parameters! {
    /// The state of an incident.
    StateParam = State::schema();
    /// The scope of an incident.
    ScopeParam = Scope::schema();
    /// The severity of an incident.
    SeverityParam = Severity::schema();
    /// The verdict of an instance.
    VerdictParam = Verdict::schema();
    /// A time.
    TimeParam = Timestamp::schema();
    /// The most rows of a page.
    LimitParam = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1))
        .maximum(Some(1000))
        .default(Some(100.into()));
    /// A switch.
    SwitchParam = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(["0", "1"]));
}
