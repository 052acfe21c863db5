//! `/api/v1/entries`.

use crate::decode::api_query::EntriesQuery;
use crate::io::http::backend::EntriesFault;
use crate::io::http::dto::Error;
use crate::io::http::dto::entry::Entries;
use crate::io::http::dto::query::{LimitParam, TimeParam};
use crate::io::http::error::ApiError;
use crate::io::http::extract::Query;
use crate::io::http::response::Json;
use crate::io::http::state::AppState;
use axum::extract::State;
use std::sync::Arc;

/// Search the archive, in the order in which entries arrived, page by page
///
/// A search ends after 10 seconds with the page that it has: `next` goes on from there. Two searches run at once.
#[utoipa::path(
    get,
    path = "/api/v1/entries",
    operation_id = "entries",
    tag = "state",
    params(
        ("since" = inline(TimeParam), Query, description = "Only entries that arrived at or after this time."),
        ("until" = inline(TimeParam), Query, description = "Only entries that arrived before this time."),
        ("app" = String, Query, format = "glob", description = "Only entries of these apps: globs, separated by commas.", example = "web"),
        ("region" = String, Query, format = "glob", description = "Only entries of these regions: globs, separated by commas.", example = "iad,l*"),
        ("instance" = String, Query, format = "glob", description = "Only entries of these instances: globs, separated by commas.", example = "148e*"),
        ("q" = String, Query, description = "Only entries with this text in their payload.", example = "HEARTBEAT"),
        ("regex" = String, Query, format = "regular-expression", description = "Only entries whose payload this regular expression matches."),
        ("level" = String, Query, description = "Only entries of these levels, separated by commas.", example = "error,warn"),
        ("limit" = inline(LimitParam), Query, description = "The most entries in the answer."),
        ("cursor" = String, Query, pattern = "^([0-9TZ-]{20}[.][0-9]{1,18})?$", description = "The `next` of the page before."),
    ),
    responses(
        (status = 200, description = "A page of entries.", body = Entries),
        (status = 409, description = "There is no archive (LASTBEAT_ARCHIVE).", body = Error),
        (status = 500, description = "A bug of lastbeat; its log has more.", body = Error),
        (status = 503, description = "Two searches run already, or the archive cannot be read.", body = Error,
            headers(("Retry-After" = u64, description = "Seconds."))),
    ),
)]
pub(in crate::io::http) async fn list(
    State(state): State<Arc<AppState>>,
    Query(asked): Query<EntriesQuery>,
) -> Result<Json<Entries>, ApiError> {
    let found = state.backend.entries(asked).await;
    found.map(Json).map_err(|fault| match fault {
        EntriesFault::NoArchive => ApiError::NoArchive,
        EntriesFault::Busy => ApiError::TooManySearches,
        EntriesFault::Unreadable(why) => ApiError::Archive(why),
    })
}
