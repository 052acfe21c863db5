//! Drills: one marked test incident, opened and closed through every notifier.

use super::Seconds;
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Type};

/// The result of a drill at one notifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drilled {
    /// The notifier's name.
    pub notifier: String,
    /// Its answer to the opening notification.
    pub opened: Told,
    /// Its answer to the closing one; `None` where it did not accept the opening one.
    pub closed: Option<Told>,
}

impl Drilled {
    /// True where it accepted both.
    pub fn is_well(&self) -> bool {
        self.opened.taken && self.closed.as_ref().is_some_and(|closed| closed.taken)
    }
}

/// A notifier's answer to one notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// It accepted the notification.
    pub taken: bool,
    /// The status, and the reason of a refusal, without secrets.
    pub said: String,
    /// The time until the answer.
    pub took: Duration,
}

/// The result of a drill.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Drill {
    /// Every notifier accepted both notifications.
    pub well: bool,
    /// Each notifier.
    pub notifiers: Vec<DrilledNotifier>,
}

/// The result of a drill at one notifier.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct DrilledNotifier {
    /// Its name.
    pub notifier: String,
    /// It accepted both notifications.
    pub well: bool,
    /// Its answer to the opening notification.
    pub opened: DrillAnswer,
    /// Its answer to the closing one; null where it did not accept the opening one.
    pub closed: Option<DrillAnswer>,
}

/// A notifier's answer to one notification.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct DrillAnswer {
    /// It accepted the notification.
    pub taken: bool,
    /// The status, and the reason of a refusal.
    pub said: String,
    /// The time until the answer.
    pub seconds: Seconds,
}

impl From<&[Drilled]> for Drill {
    fn from(rows: &[Drilled]) -> Self {
        let answer = |told: &Told| DrillAnswer {
            taken: told.taken,
            said: told.said.clone(),
            seconds: told.took.into(),
        };
        let notifier = |row: &Drilled| DrilledNotifier {
            notifier: row.notifier.clone(),
            well: row.is_well(),
            opened: answer(&row.opened),
            closed: row.closed.as_ref().map(answer),
        };
        Drill {
            well: !rows.is_empty() && rows.iter().all(Drilled::is_well),
            notifiers: rows.iter().map(notifier).collect(),
        }
    }
}

/// The body of a request for a drill.
pub(in crate::io::http) struct DrillRequest;

schema!(
    DrillRequest,
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some("Nothing: a drill has no settings."))
        .max_properties(Some(0))
        .additional_properties(Some(AdditionalProperties::FreeForm(false)))
        .build()
);
