//! `/api/v1/incidents`.

use crate::core::notice::IncidentId;
use crate::core::persist::{IncidentQuery, PastIncident};
use crate::decode::{acknowledge_request, api_query};
use crate::io::http::dto::Error;
use crate::io::http::dto::acknowledge::AcknowledgeRequest;
use crate::io::http::dto::incident::{Incident, Incidents};
use crate::io::http::dto::query::{LimitParam, ScopeParam, SeverityParam, StateParam, TimeParam};
use crate::io::http::error::ApiError;
use crate::io::http::extract::{JsonBody, Path, Query};
use crate::io::http::response::Json;
use crate::io::http::state::{AppState, SNAPSHOT_TIMEOUT};
use axum::extract::State;
use std::sync::Arc;

/// List open and closed incidents, the newest first, page by page
///
/// Incidents are kept for 93 days. A parameter that is not listed here, or is given twice, is refused; an empty one counts
/// as left out.
#[utoipa::path(
    get,
    path = "/api/v1/incidents",
    operation_id = "incidents",
    tag = "state",
    params(
        ("state" = inline(StateParam), Query, description = "Only incidents in this state.", example = "open"),
        ("app" = String, Query, description = "Only incidents of this app.", example = "web"),
        ("region" = String, Query, description = "Only incidents of this region.", example = "iad"),
        ("instance" = String, Query, description = "Only incidents of this instance."),
        ("rule" = String, Query, description = "Only incidents of this rule."),
        ("scope" = inline(ScopeParam), Query, description = "Only incidents of this scope."),
        ("severity" = inline(SeverityParam), Query, description = "Only incidents of this severity."),
        ("from" = inline(TimeParam), Query, description = "Only incidents that opened at this time or later.",
            example = "2026-01-31T00:00:00Z"),
        ("until" = inline(TimeParam), Query, description = "Only incidents that opened before this time, which is later than `from`.",
            example = "2026-02-01T00:00:00Z"),
        ("limit" = inline(LimitParam), Query, description = "The most rows in the answer."),
        ("cursor" = String, Query, pattern = "^([0-9a-fA-F]{1,16})?$", description = "The `next` of the page before."),
    ),
    responses(
        (status = 200, description = "A page of incidents.", body = Incidents),
        (status = 503, description = "The core or the store does not answer; see /readyz.", body = Error),
    ),
)]
pub(in crate::io::http) async fn list(
    State(state): State<Arc<AppState>>,
    Query(mut asked): Query<IncidentQuery>,
) -> Result<Json<Incidents>, ApiError> {
    let limit = asked.limit as usize;
    asked.limit = asked.limit.saturating_add(1);
    let found = state
        .backend
        .incidents(asked)
        .await
        .map_err(ApiError::History)?;
    Ok(Json(Incidents::page(&found, limit)))
}

/// Get one incident, with its timeline and all of its members
#[utoipa::path(
    get,
    path = "/api/v1/incidents/{id}",
    operation_id = "incident",
    tag = "state",
    params(("id" = String, Path, pattern = "^[0-9a-fA-F]{1,16}$", description = "Its id; leading zeros may be left out.")),
    responses(
        (status = 200, description = "The incident.", body = Incident),
        (status = 404, description = "No incident has this id.", body = Error),
        (status = 503, description = "The core or the store does not answer; see /readyz.", body = Error),
    ),
)]
pub(in crate::io::http) async fn one(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
) -> Result<Json<Incident>, ApiError> {
    Ok(Json((&find(&state, id).await?).into()))
}

/// Acknowledge an open incident: somebody works on it
///
/// Meanwhile no reminders are sent, until the severity rises. A later acknowledgement takes the place of this one.
#[utoipa::path(
    post,
    path = "/api/v1/incidents/{id}/acknowledge",
    operation_id = "acknowledge",
    tag = "change",
    params(("id" = String, Path, pattern = "^[0-9a-fA-F]{1,16}$", description = "Its id; leading zeros may be left out.")),
    request_body(content = AcknowledgeRequest, example = json!({"note": "the disk is full, I clear it", "author": "ada"})),
    responses(
        (status = 200, description = "The incident.", body = Incident),
        (status = 404, description = "No incident has this id.", body = Error),
        (status = 409, description = "It is over.", body = Error),
        (status = 503, description = "The core or the store does not answer; see /readyz.", body = Error),
    ),
)]
pub(in crate::io::http) async fn acknowledge(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
    JsonBody(body): JsonBody,
) -> Result<Json<Incident>, ApiError> {
    let asked = acknowledge_request::read(&body).map_err(ApiError::Invalid)?;
    let number = id.as_deref().and_then(api_query::incident);
    let number = number.ok_or(ApiError::UnknownIncident)?;
    let answer = state.backend.acknowledge(IncidentId(number), asked);
    let answer = tokio::time::timeout(SNAPSHOT_TIMEOUT, answer).await;
    let found = answer.ok().flatten().ok_or(ApiError::CoreTimeout)?;
    match found {
        Some(incident) => Ok(Json((&*incident).into())),
        None => find(&state, id).await.and(Err(ApiError::IncidentIsOver)),
    }
}

/// The incident of this id.
async fn find(state: &AppState, id: Option<String>) -> Result<PastIncident, ApiError> {
    let number = id.as_deref().and_then(api_query::incident);
    let number = number.ok_or(ApiError::UnknownIncident)?;
    let asked = IncidentQuery {
        before: number.checked_add(1),
        limit: 1,
        ..IncidentQuery::default()
    };
    let found = state
        .backend
        .incidents(asked)
        .await
        .map_err(ApiError::History)?;
    let past = found.into_iter().next();
    let past = past.filter(|past| past.incident.notice.incident.0 == number);
    past.ok_or(ApiError::UnknownIncident)
}
