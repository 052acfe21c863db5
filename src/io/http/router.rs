//! Every path of lastbeat, in one list.

use super::auth::{Access, check_origin};
use super::compression::compress;
use super::error::{ApiError, method_not_allowed};
use super::handlers::{
    apps, downstream, drill, entries, forgotten, incidents, instances, live, probes, report,
    sign_in, silences, status,
};
use super::response::{TEXT, typed};
use super::state::AppState;
use super::{openapi, page};
use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::{ALLOW, CACHE_CONTROL, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use axum::middleware::{Next, from_extractor_with_state, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, delete, get, post};
use std::sync::Arc;

const NOT_FOUND: &str = "Unknown path. Known are /metrics, /readyz, /healthz and /.\n";

/// Answers every request.
pub(super) fn router(state: Arc<AppState>) -> Router {
    let api = Router::new()
        .route("/api/logs", get(live::logs))
        .route("/api/v1/apps", get(apps::list))
        .route("/api/v1/downstream", get(downstream::list))
        .route("/api/v1/downstream/{name}/refill", post(downstream::refill))
        .route("/api/v1/drill", post(drill::run))
        .route("/api/v1/entries", get(entries::list))
        .route("/api/v1/events", get(live::events))
        .route("/api/v1/forgotten", get(forgotten::list))
        .route("/api/v1/incidents", get(incidents::list))
        .route("/api/v1/incidents/{id}", get(incidents::one))
        .route(
            "/api/v1/incidents/{id}/acknowledge",
            post(incidents::acknowledge),
        )
        .route("/api/v1/instances", get(instances::list))
        .route(
            "/api/v1/instances/{app}/{region}/{instance}",
            get(instances::one),
        )
        .route("/api/v1/openapi.json", get(openapi::document))
        .route("/api/v1/report", get(report::get))
        .route("/api/v1/rules", get(status::rules))
        .route("/api/v1/silences", get(silences::list).post(silences::add))
        .route("/api/v1/silences/{id}", delete(silences::expire))
        .route("/api/v1/status", get(status::status))
        .route("/api/", any(unknown_api_path))
        .route("/api/{*path}", any(unknown_api_path))
        .route_layer(from_extractor_with_state::<Access, _>(Arc::clone(&state)));
    let open = Router::new()
        .route("/", get(page::index))
        .route("/sign-in", get(sign_in::state).post(sign_in::sign_in))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/healthz", get(probes::health))
        .route("/metrics", get(probes::metrics))
        .route("/readyz", get(probes::ready));
    let files = page::paths().fold(Router::new(), |files, path| {
        files.route(path, get(page::file))
    });
    let routes = api
        .merge(open)
        .merge(files)
        .fallback(unknown_path)
        .layer(from_fn(compress))
        .with_state(Arc::clone(&state));
    // A layer runs inside the routes that it is added to, and axum lists the methods of a path around them: so the layers
    // below, which need the list, stand around a router of their own.
    Router::new()
        .fallback_service(routes)
        .layer(from_fn_with_state(state, check_origin))
        .layer(from_fn(finish))
}

async fn unknown_api_path() -> ApiError {
    ApiError::UnknownPath(openapi::api_paths())
}

async fn unknown_path() -> Response {
    (StatusCode::NOT_FOUND, typed(TEXT, NOT_FOUND)).into_response()
}

/// The middleware of all responses: says which methods a path takes, and adds the headers that all have.
async fn finish(request: Request, next: Next) -> Response {
    let is_api = request.uri().path().starts_with("/api/");
    let mut response = next.run(request).await;
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        let allow = response
            .headers()
            .get(ALLOW)
            .and_then(|allow| allow.to_str().ok());
        response = method_not_allowed(is_api, allow.unwrap_or_default());
    }
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}
