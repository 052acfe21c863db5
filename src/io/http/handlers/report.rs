//! `/api/v1/report`.

use crate::clock;
use crate::core::persist::IncidentQuery;
use crate::decode::api_query::ReportQuery;
use crate::io::http::dto::Error;
use crate::io::http::dto::query::TimeParam;
use crate::io::http::dto::report::Report;
use crate::io::http::error::ApiError;
use crate::io::http::extract::Query;
use crate::io::http::response::Json;
use crate::io::http::state::AppState;
use axum::extract::State;
use std::sync::Arc;
use std::time::Duration;

/// The time that is graded where nothing else is asked for.
const REACH: Duration = Duration::from_secs(30 * 24 * 3600);
/// Incidents that are read at once, and in all: a rule with more has other worries.
const AT_ONCE: u32 = 1_000;
const MOST: usize = 10_000;

/// Get the grade of each rule: detection time, false alarms, and the share of time with the right answer
///
/// A false alarm is an incident whose targets are known to have been alive: by `seq=`, by the time of a late heartbeat, or by
/// a slower rhythm that was learned.
#[utoipa::path(
    get,
    path = "/api/v1/report",
    operation_id = "report",
    tag = "state",
    params(
        ("from" = inline(TimeParam), Query, description = "Only incidents that opened at this time or later; 30 days ago where left out.",
            example = "2026-01-31T00:00:00Z"),
    ),
    responses(
        (status = 200, description = "The report.", body = Report),
        (status = 503, description = "The core or the store does not answer; see /readyz.", body = Error),
    ),
)]
pub(in crate::io::http) async fn get(
    State(state): State<Arc<AppState>>,
    Query(asked): Query<ReportQuery>,
) -> Result<Json<Report>, ApiError> {
    let now = clock::wall();
    let from = asked.from.unwrap_or(now - REACH);
    let mut all = Vec::new();
    let mut before = None;
    loop {
        let page = IncidentQuery {
            from: Some(from),
            before,
            limit: AT_ONCE,
            ..IncidentQuery::default()
        };
        let found = state.backend.incidents(page).await;
        let found = found.map_err(ApiError::History)?;
        before = found.last().map(|last| last.incident.notice.incident.0);
        let is_last = found.len() < AT_ONCE as usize;
        all.extend(found);
        if is_last || all.len() >= MOST {
            return Ok(Json(Report::new(&all, from, now)));
        }
    }
}
