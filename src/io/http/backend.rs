//! The rest of the program, as HTTP asks it.

use super::dto::downstream::Refill;
use super::dto::drill::Drilled;
use super::dto::entry::Entries;
use super::dto::status::{NotifierStatus, StoreStatus, UnrecognisedBeats};
use crate::core::last_words::LastWord;
use crate::core::notice::IncidentId;
use crate::core::persist::{ForgottenTarget, IncidentQuery, PastIncident, SavedIncident};
use crate::core::rule::RuleSet;
use crate::core::silence::Silence;
use crate::core::snapshot::Snapshot;
use crate::core::snapshot::detail::Detail;
use crate::core::snapshot::outages::Outages;
use crate::core::time::Wall;
use crate::decode::acknowledge_request::AcknowledgeRequest;
use crate::decode::api_query::EntriesQuery;
use crate::decode::refill_request::RefillRequest;
use crate::decode::silence_request::SilenceRequest;
use futures_util::future::BoxFuture;
use std::io::{self, Write};
use std::sync::Arc;

/// The origin of a silence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Made while running.
    Api,
    /// The rule files: only a change of those ends it.
    Rules {
        /// The cron expression.
        schedule: String,
        /// Its time zone.
        timezone: String,
    },
}

/// A silence, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SilenceRow {
    /// The silence, with its windows from now on.
    pub silence: Silence,
    /// It holds now.
    pub holds: bool,
    /// Its origin.
    pub source: Source,
}

/// The reason why a search of the archive has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntriesFault {
    /// There is no archive.
    NoArchive,
    /// Too many searches run.
    Busy,
    /// It cannot be read, for this reason.
    Unreadable(String),
}

/// The reason why a refill is not begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefillRefused {
    /// There is no archive.
    NoArchive,
    /// Another one runs.
    Busy,
    /// The request, for this reason.
    Invalid(String),
    /// The archive or the cursor file, for this reason.
    Unreadable(String),
}

/// Answers the questions of HTTP handlers.
pub trait Backend: Send + Sync {
    /// The core's latest copy of all that readers see; `None` where the core is gone.
    fn snapshot(&self) -> BoxFuture<'_, Option<Arc<Snapshot>>>;
    /// Everything that the core knows of the instance of this subject; `None` where the core is gone.
    fn instance(&self, subject: String) -> BoxFuture<'_, Option<Option<Detail>>>;
    /// The last entries of the instance of this subject, the oldest first.
    fn last_words(&self, subject: &str) -> Vec<LastWord>;
    /// A page of archived entries.
    fn entries(&self, asked: EntriesQuery) -> BoxFuture<'_, Result<Entries, EntriesFault>>;
    /// Incidents with their timelines, the newest first; the error says why the store cannot answer.
    fn incidents(&self, asked: IncidentQuery) -> BoxFuture<'_, Result<Vec<PastIncident>, String>>;
    /// Records that somebody works on an open incident, and gives it; the inner `None` where no such incident is open, the
    /// outer one where the core is gone.
    fn acknowledge(
        &self,
        id: IncidentId,
        asked: AcknowledgeRequest,
    ) -> BoxFuture<'_, Option<Option<Box<SavedIncident>>>>;
    /// The times since `from` (wall clock) in which incidents were open.
    fn outages(&self, from: Wall) -> BoxFuture<'_, Result<Outages, String>>;
    /// Targets that fired and were forgotten since `from` (wall clock), the newest first.
    fn forgotten(&self, from: Wall) -> BoxFuture<'_, Result<Vec<ForgottenTarget>, String>>;
    /// Entries since the start that look like a heartbeat in a form that does not count.
    fn unrecognised_beats(&self) -> Vec<UnrecognisedBeats>;
    /// Writes the text of `/metrics`, on a blocking thread; `snapshot` is `None` where the core is late.
    ///
    /// # Errors
    /// Those of `to`.
    fn write_metrics(&self, snapshot: Option<&Snapshot>, to: &mut dyn Write) -> io::Result<()>;
    /// The rules in force.
    fn rules(&self) -> Arc<RuleSet>;
    /// The state of the store.
    fn store(&self) -> StoreStatus;
    /// The state of each notifier.
    fn notifiers(&self) -> Vec<NotifierStatus>;
    /// Opens and closes a test incident through every notifier.
    fn drill(&self) -> BoxFuture<'static, Vec<Drilled>>;
    /// Begins a refill of a downstream's sink in the background.
    ///
    /// # Errors
    /// [`RefillRefused`].
    fn refill(&self, downstream: &str, asked: RefillRequest) -> Result<Refill, RefillRefused>;
    /// The refill that runs, or ran last; `None`: none was begun.
    fn last_refill(&self) -> Option<Refill>;
    /// The silences that hold now or later.
    fn silences(&self) -> Vec<SilenceRow>;
    /// Adds a silence; `None` where the limit of silences is reached.
    fn add_silence(&self, asked: SilenceRequest) -> Option<SilenceRow>;
    /// Ends a silence made while running; `Some(false)` if it is defined in the rule files, `None` if it does not exist.
    fn expire_silence(&self, id: &str) -> Option<bool>;
}
