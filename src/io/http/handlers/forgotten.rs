//! `/api/v1/forgotten`.

use crate::clock;
use crate::io::http::dto::Error;
use crate::io::http::dto::forgotten::{Forgotten, REACH};
use crate::io::http::error::ApiError;
use crate::io::http::response::Json;
use crate::io::http::state::AppState;
use axum::extract::State;
use std::sync::Arc;

/// List targets that are still silent and no longer watched
///
/// A target that fires is forgotten after its rule's `forget_after`. It stays in this list for 30 days, or until it is heard
/// again.
#[utoipa::path(
    get,
    path = "/api/v1/forgotten",
    operation_id = "forgotten",
    tag = "state",
    responses(
        (status = 200, description = "The targets, the newest first.", body = Forgotten),
        (status = 500, description = "A bug of lastbeat; its log has more.", body = Error),
        (status = 503, description = "The core or the store does not answer; see /readyz.", body = Error),
    ),
)]
pub(in crate::io::http) async fn list(
    State(state): State<Arc<AppState>>,
) -> Result<Json<Forgotten>, ApiError> {
    let targets = state.backend.forgotten(clock::wall() - REACH).await;
    let targets = targets.map_err(ApiError::History)?;
    if targets.is_empty() {
        // Mostly so: then there is nothing to compare with the core's state.
        return Ok(Json(Forgotten::default()));
    }
    let snapshot = state.snapshot().await?;
    let rules = state.backend.rules();
    // A thousand targets among as many instances as are shown take milliseconds.
    let forgotten =
        tokio::task::spawn_blocking(move || Forgotten::new(&targets, &rules, &snapshot));
    forgotten.await.map(Json).map_err(|_| ApiError::Internal)
}
