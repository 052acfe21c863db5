//! Entries of the archive, and the last words of an instance.

use super::Timestamp;
use crate::core::last_words::LastWord;
use serde::Serialize;
use utoipa::ToSchema;

/// A page of archived entries.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Entries {
    /// The entries of this page, in the order in which they arrived.
    #[schema(max_items = 1000)]
    pub entries: Vec<Entry>,
    /// The `cursor` of the next page, also of one that more entries may be on later; null where the archive is empty.
    pub next: Option<String>,
    /// True where nothing that matches lies behind this page yet.
    pub done: bool,
    /// Damaged parts of the archive that were left out.
    pub damaged: u64,
}

/// An archived entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Entry {
    /// Its arrival.
    pub at: Timestamp,
    /// Its subject.
    #[schema(examples("logs.web.iad.148e21ea7d3789"))]
    pub subject: String,
    /// Its payload as text.
    pub message: String,
}

/// One of the last entries of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LastEntry {
    /// Its arrival.
    pub at: Timestamp,
    /// The first 2 KiB of its payload as text.
    pub message: String,
}

impl From<&LastWord> for LastEntry {
    fn from(word: &LastWord) -> Self {
        LastEntry {
            at: word.at.into(),
            message: String::from_utf8_lossy(&word.payload).into_owned(),
        }
    }
}
