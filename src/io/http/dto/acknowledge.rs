//! Acknowledgements of incidents.

use super::Timestamp;
use super::silence::line;
use crate::core::notice;
use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Schema};
use utoipa::{PartialSchema, ToSchema};

/// A person's word that somebody works on an incident.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Acknowledgement {
    /// The time at which it was given.
    pub at: Timestamp,
    /// The person who gave it.
    pub author: String,
    /// The note, for other people.
    pub note: String,
}

impl From<&notice::Acknowledgement> for Acknowledgement {
    fn from(word: &notice::Acknowledgement) -> Self {
        Acknowledgement {
            at: word.at.into(),
            author: word.author.clone(),
            note: word.note.clone(),
        }
    }
}

/// The body of a request to acknowledge. `decode::acknowledge_request` reads it, and reports all faults at once.
pub(in crate::io::http) struct AcknowledgeRequest;

impl ToSchema for AcknowledgeRequest {}

impl PartialSchema for AcknowledgeRequest {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .description(Some("A note, and its author."))
            .property("note", line("What is known or done, for other people."))
            .property("author", line("The person who works on it."))
            .required("note")
            .required("author")
            .additional_properties(Some(AdditionalProperties::FreeForm(false)))
            .into()
    }
}
