//! `/api/v1/status` and `/api/v1/rules`.

use crate::decode::rules_file;
use crate::io::http::dto::Error;
use crate::io::http::dto::status::{Rules, Status, Threshold};
use crate::io::http::error::ApiError;
use crate::io::http::response::Json;
use crate::io::http::state::AppState;
use axum::extract::State;
use std::sync::Arc;

/// Get the status of lastbeat, and what it knows
#[utoipa::path(
    get,
    path = "/api/v1/status",
    operation_id = "status",
    tag = "state",
    responses(
        (status = 200, description = "The status.", body = Status),
        (status = 503, description = "The core or the store does not answer; see /readyz.", body = Error),
    ),
)]
pub(in crate::io::http) async fn status(
    State(state): State<Arc<AppState>>,
) -> Result<Json<Status>, ApiError> {
    let snapshot = state.snapshot().await?;
    Ok(Json(state.status(&snapshot)))
}

/// Get the rules in force
#[utoipa::path(
    get,
    path = "/api/v1/rules",
    operation_id = "rules",
    tag = "state",
    responses((status = 200, description = "The rules.", body = Rules)),
)]
pub(in crate::io::http) async fn rules(State(state): State<Arc<AppState>>) -> Json<Rules> {
    let rules = toml::from_str(&rules_file::print(&state.backend.rules()));
    let snapshot = state.snapshot().await.ok();
    let thresholds =
        snapshot.map(|snapshot| snapshot.thresholds.iter().map(Threshold::from).collect());
    Json(Rules {
        rules: rules.ok(),
        thresholds,
    })
}
