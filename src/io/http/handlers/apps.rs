//! `/api/v1/apps`.

use crate::io::http::dto::Error;
use crate::io::http::dto::app::{Apps, REACH};
use crate::io::http::error::ApiError;
use crate::io::http::response::Json;
use crate::io::http::state::AppState;
use axum::extract::State;
use std::sync::Arc;

/// List apps, with the share of time in which each was live
#[utoipa::path(
    get,
    path = "/api/v1/apps",
    operation_id = "apps",
    tag = "state",
    responses(
        (status = 200, description = "All apps.", body = Apps),
        (status = 500, description = "A bug of lastbeat; its log has more.", body = Error),
        (status = 503, description = "The core or the store does not answer; see /readyz.", body = Error),
    ),
)]
pub(in crate::io::http) async fn list(
    State(state): State<Arc<AppState>>,
) -> Result<Json<Apps>, ApiError> {
    let snapshot = state.snapshot().await?;
    let outages = state.backend.outages(snapshot.now.wall - REACH).await.ok();
    // Thousands of incidents over hundreds of apps take milliseconds.
    let apps = tokio::task::spawn_blocking(move || {
        let (now, outages) = (snapshot.now.wall, outages.as_ref());
        Apps::new(now, &snapshot.verdicts, &snapshot.apps, outages)
    });
    apps.await.map(Json).map_err(|_| ApiError::Internal)
}
