//! `/api/v1/instances`.

use crate::decode::api_query::InstanceQuery;
use crate::io::http::dto::Error;
use crate::io::http::dto::entry::LastEntry;
use crate::io::http::dto::instance::{Instance, Instances};
use crate::io::http::dto::query::{LimitParam, VerdictParam};
use crate::io::http::error::ApiError;
use crate::io::http::extract::{Path, Query};
use crate::io::http::response::Json;
use crate::io::http::state::{AppState, SNAPSHOT_TIMEOUT};
use axum::extract::State;
use std::sync::Arc;

/// List instances with their heartbeats, by name, page by page
///
/// A parameter that is not listed here, or is given twice, is refused; an empty one counts as left out.
#[utoipa::path(
    get,
    path = "/api/v1/instances",
    operation_id = "instances",
    tag = "state",
    params(
        ("app" = String, Query, description = "Only instances of this app.", example = "web"),
        ("region" = String, Query, description = "Only instances of this region.", example = "iad"),
        ("instance" = String, Query, description = "Only this instance."),
        ("verdict" = inline(VerdictParam), Query, description = "Only instances with this verdict.", example = "silent"),
        ("limit" = inline(LimitParam), Query, description = "The most rows in the answer."),
        ("cursor" = String, Query, pattern = "^([0-9a-fA-F]{2})*$", description = "The `next` of the page before."),
    ),
    responses(
        (status = 200, description = "A page of instances.", body = Instances),
        (status = 500, description = "A bug of lastbeat; its log has more.", body = Error),
        (status = 503, description = "The core or the store does not answer; see /readyz.", body = Error),
    ),
)]
pub(in crate::io::http) async fn list(
    State(state): State<Arc<AppState>>,
    Query(asked): Query<InstanceQuery>,
) -> Result<Json<Instances>, ApiError> {
    let snapshot = state.snapshot().await?;
    let page = tokio::task::spawn_blocking(move || Instances::page(&snapshot, &asked));
    page.await.map(Json).map_err(|_| ApiError::Internal)
}

/// Get one instance, with its heartbeats of the last hours
#[utoipa::path(
    get,
    path = "/api/v1/instances/{app}/{region}/{instance}",
    operation_id = "instance",
    tag = "state",
    params(
        ("app" = String, Path, min_length = 1, description = "Its app."),
        ("region" = String, Path, min_length = 1, description = "Its region."),
        ("instance" = String, Path, min_length = 1, description = "Its name."),
    ),
    responses(
        (status = 200, description = "The instance.", body = Instance),
        (status = 404, description = "No such instance is known.", body = Error),
        (status = 503, description = "The core or the store does not answer; see /readyz.", body = Error),
    ),
)]
pub(in crate::io::http) async fn one(
    State(state): State<Arc<AppState>>,
    Path(names): Path<[String; 3]>,
) -> Result<Json<Instance>, ApiError> {
    let names = names.ok_or(ApiError::UnknownInstance)?;
    let subject = format!("logs.{}", names.join("."));
    let asked = state.backend.instance(subject.clone());
    let found = tokio::time::timeout(SNAPSHOT_TIMEOUT, asked).await;
    let found = found.ok().flatten().ok_or(ApiError::CoreTimeout)?;
    let detail = found.ok_or(ApiError::UnknownInstance)?;
    let words = state.backend.last_words(&subject);
    Ok(Json(Instance {
        last_words: Some(words.iter().map(LastEntry::from).collect()),
        ..Instance::from(&detail)
    }))
}
