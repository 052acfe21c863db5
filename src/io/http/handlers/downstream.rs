//! `/api/v1/downstream`.

use crate::decode::refill_request;
use crate::io::http::backend::RefillRefused;
use crate::io::http::dto::Error;
use crate::io::http::dto::downstream::{Downstream, Downstreams, Refill, RefillRequest};
use crate::io::http::error::ApiError;
use crate::io::http::extract::{JsonBody, Path};
use crate::io::http::response::Json;
use crate::io::http::state::AppState;
use axum::extract::State;
use axum::http::StatusCode;
use std::sync::Arc;

/// List log shippers, and the state of each from the stream to its sink
#[utoipa::path(
    get,
    path = "/api/v1/downstream",
    operation_id = "downstream",
    tag = "state",
    responses(
        (status = 200, description = "The downstreams.", body = Downstreams),
        (status = 503, description = "The core does not answer; see /readyz.", body = Error),
    ),
)]
pub(in crate::io::http) async fn list(
    State(state): State<Arc<AppState>>,
) -> Result<Json<Downstreams>, ApiError> {
    let snapshot = state.snapshot().await?;
    let downstreams = snapshot.downstreams.iter().map(Downstream::from).collect();
    let refill = state.backend.last_refill();
    Ok(Json(Downstreams {
        downstreams,
        refill,
    }))
}

/// Ship a range of the archive to the sink of a downstream again
///
/// It runs in the background, one at a time; GET /api/v1/downstream shows how far it is. The same request goes on where a
/// refill ended early.
#[utoipa::path(
    post,
    path = "/api/v1/downstream/{name}/refill",
    operation_id = "refill",
    tag = "change",
    params(("name" = String, Path, min_length = 1, description = "The downstream's name.")),
    request_body(content = RefillRequest, example = json!({"sink": "loki"})),
    responses(
        (status = 202, description = "It runs.", body = Refill),
        (status = 404, description = "No downstream has this name.", body = Error),
        (status = 409, description = "Another refill runs, or there is no archive.", body = Error),
        (status = 503, description = "The core or the archive does not answer; see /readyz.", body = Error),
    ),
)]
pub(in crate::io::http) async fn refill(
    State(state): State<Arc<AppState>>,
    Path(name): Path<String>,
    JsonBody(body): JsonBody,
) -> Result<(StatusCode, Json<Refill>), ApiError> {
    let name = name.ok_or(ApiError::UnknownDownstream)?;
    let snapshot = state.snapshot().await?;
    let row = snapshot.downstreams.iter().find(|row| *row.name == name);
    let row = row.ok_or(ApiError::UnknownDownstream)?;
    let mut asked = refill_request::read(&body).map_err(ApiError::Invalid)?;
    asked.range = asked.range.or(row.missing);
    match state.backend.refill(&name, asked) {
        Ok(refill) => Ok((StatusCode::ACCEPTED, Json(refill))),
        Err(RefillRefused::NoArchive) => Err(ApiError::NoArchive),
        Err(RefillRefused::Busy) => Err(ApiError::RefillRuns),
        Err(RefillRefused::Invalid(why)) => Err(ApiError::Invalid(vec![why])),
        Err(RefillRefused::Unreadable(why)) => Err(ApiError::Archive(why)),
    }
}
