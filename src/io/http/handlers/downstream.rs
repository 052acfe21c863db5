//! `/api/v1/downstream`.

use crate::io::http::dto::Error;
use crate::io::http::dto::downstream::{Downstream, Downstreams};
use crate::io::http::error::ApiError;
use crate::io::http::response::Json;
use crate::io::http::state::AppState;
use axum::extract::State;
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
    Ok(Json(Downstreams { downstreams }))
}
