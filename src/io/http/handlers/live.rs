//! `/api/logs` and `/api/v1/events`: streams without an end.

use crate::decode::api_query::TailQuery;
use crate::io::http::dto::Error;
use crate::io::http::dto::live::{EventStream, LogStream};
use crate::io::http::dto::query::SwitchParam;
use crate::io::http::error::ApiError;
use crate::io::http::extract::Query;
use crate::io::http::sse;
use crate::io::http::state::AppState;
use axum::extract::State;
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, HeaderMap, HeaderValue};
use axum::response::{Response, Sse};
use std::sync::Arc;

/// Stream log entries as they arrive, as server-sent events
///
/// The first frame is of type `system`. A reader that is too slow loses entries, and gets a frame of type `error` with
/// their number in `lost`. A comment comes at least every 15 seconds. The stream has no end.
#[utoipa::path(
    get,
    path = "/api/logs",
    operation_id = "logs",
    tag = "live",
    params(
        ("app" = String, Query, format = "glob", description = "Only entries of these apps: globs, separated by commas.", example = "web"),
        ("region" = String, Query, format = "glob", description = "Only entries of these regions: globs, separated by commas.", example = "iad,l*"),
        ("instance" = String, Query, format = "glob", description = "Only entries of these instances: globs, separated by commas.", example = "148e*"),
        ("q" = String, Query, description = "Only entries with this text in their payload.", example = "HEARTBEAT"),
        ("subject" = inline(SwitchParam), Query, description = "1: each entry's frame has its subject."),
    ),
    responses(
        (status = 200, description = "The stream.", content_type = "text/event-stream; charset=utf-8",
        body = inline(LogStream),
        example = json!({"data": "{\"message\":\"Connected to log stream\",\"persistent\":false,\"timestamp\":1769882400000,\"type\":\"system\"}"})),
        (status = 503, description = "The limit of readers is reached.", body = Error,
            headers(("Retry-After" = u64, description = "Seconds."))),
    ),
)]
pub(in crate::io::http) async fn logs(
    State(state): State<Arc<AppState>>,
    Query(asked): Query<TailQuery>,
) -> Result<Response, ApiError> {
    let chunks = state.tails.read(asked, &state.readiness.load());
    let mut response = chunks.map(sse::stream).ok_or(ApiError::TooManyReaders)?;
    if state.access.anonymous_read {
        // As natstream serves it: pages of any site may read it.
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    }
    Ok(response)
}

/// Stream changes, as server-sent events
///
/// First a `snapshot` of everything that is known, then changes; a reader that is too slow gets `lost` and a `snapshot`
/// again. A comment comes at least every 15 seconds. The stream has no end.
#[utoipa::path(
    get,
    path = "/api/v1/events",
    operation_id = "events",
    tag = "live",
    params(("Last-Event-ID" = String, Header,
        description = "The id of the last event received: incidents since then follow the snapshot.")),
    responses(
        (status = 200, description = "The stream.", content_type = "text/event-stream; charset=utf-8",
        body = inline(EventStream),
        example = json!({"event": "incident", "id": "18c0a-7", "data": "{\"kind\":\"opened\",\"number\":null,\"incident\":{}}"})),
        (status = 503, description = "The limit of readers is reached.", body = Error,
            headers(("Retry-After" = u64, description = "Seconds."))),
    ),
)]
pub(in crate::io::http) async fn events(
    State(state): State<Arc<AppState>>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let last = headers.get("last-event-id");
    let events = state.events.read(last.and_then(|last| last.to_str().ok()));
    let events = events.ok_or(ApiError::TooManyReaders)?;
    Ok(sse::long_lived(
        Sse::new(events).keep_alive(sse::keep_alive()),
    ))
}
