//! `/api/v1/silences`.

use crate::decode::silence_request;
use crate::io::http::dto::Error;
use crate::io::http::dto::silence::{Expired, Silence, SilenceRequest, Silences};
use crate::io::http::error::ApiError;
use crate::io::http::extract::{JsonBody, Path};
use crate::io::http::response::Json;
use crate::io::http::state::AppState;
use axum::extract::State;
use axum::http::StatusCode;
use std::sync::Arc;

/// List silences that hold now or later
#[utoipa::path(
    get,
    path = "/api/v1/silences",
    operation_id = "silences",
    tag = "change",
    responses((status = 200, description = "All silences.", body = Silences)),
)]
pub(in crate::io::http) async fn list(State(state): State<Arc<AppState>>) -> Json<Silences> {
    let silences = state.backend.silences().iter().map(Silence::from).collect();
    Json(Silences { silences })
}

/// Silence targets
///
/// A silenced target is still evaluated, but sends no notifications; if it still fires at the end of the silence, a
/// notification is sent then.
#[utoipa::path(
    post,
    path = "/api/v1/silences",
    operation_id = "silence",
    tag = "change",
    request_body(
        content = SilenceRequest,
        example = json!({"app": "web", "duration": "2h", "reason": "moving the database", "author": "ada"})
    ),
    responses(
        (status = 201, description = "The new silence.", body = Silence),
        (status = 507, description = "The limit of silences is reached.", body = Error),
    ),
)]
pub(in crate::io::http) async fn add(
    State(state): State<Arc<AppState>>,
    JsonBody(body): JsonBody,
) -> Result<(StatusCode, Json<Silence>), ApiError> {
    let asked = silence_request::read(&body, crate::clock::wall());
    let asked = asked.map_err(ApiError::InvalidSilence)?;
    let added = state.backend.add_silence(asked);
    let added = added.ok_or(ApiError::TooManySilences)?;
    Ok((StatusCode::CREATED, Json((&added).into())))
}

/// End a silence that was made while running
#[utoipa::path(
    delete,
    path = "/api/v1/silences/{id}",
    operation_id = "unsilence",
    tag = "change",
    params(("id" = String, Path, min_length = 1, description = "Its id.")),
    responses(
        (status = 200, description = "It ended.", body = Expired),
        (status = 404, description = "No silence has this id.", body = Error),
        (status = 409, description = "It is defined in the rule files.", body = Error),
    ),
)]
pub(in crate::io::http) async fn expire(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
) -> Result<Json<Expired>, ApiError> {
    let id = id.ok_or(ApiError::UnknownSilence)?;
    match state.backend.expire_silence(&id) {
        Some(true) => Ok(Json(Expired { expired: id })),
        Some(false) => Err(ApiError::SilenceOfRules),
        None => Err(ApiError::UnknownSilence),
    }
}
