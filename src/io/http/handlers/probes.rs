//! `/healthz`, `/readyz` and `/metrics`, open to all.

use crate::io::http::compression;
use crate::io::http::readiness::Ready;
use crate::io::http::response::{TEXT, typed};
use crate::io::http::state::{AppState, SNAPSHOT_TIMEOUT};
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_ENCODING, HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use std::io;
use std::sync::Arc;

const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Check that lastbeat is alive
#[utoipa::path(
    get,
    path = "/healthz",
    operation_id = "health",
    tag = "probes",
    security(()),
    responses((status = 200, description = "It is.", content_type = "text/plain; charset=utf-8", body = String)),
)]
pub(in crate::io::http) async fn health() -> Response {
    typed(TEXT, "ok\n")
}

/// Check that lastbeat receives logs and delivers alerts
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "ready",
    tag = "probes",
    security(()),
    responses(
        (status = 200, description = "It is ready.", body = Ready, example = json!({"ready": true, "reasons": []})),
        (status = 503, description = "It is not ready, with the reasons.", body = Ready,
            example = json!({"ready": false, "reasons": [{"part": "nats", "what": "not connected yet"}]})),
    ),
)]
pub(in crate::io::http) async fn ready(State(state): State<Arc<AppState>>) -> impl IntoResponse {
    let readiness = state.readiness.load();
    let status = match readiness.is_ready() {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, typed("application/json", readiness.json()))
}

/// Get all metrics, for Prometheus
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "metrics",
    tag = "probes",
    security(()),
    responses(
        (status = 200, description = "Prometheus's text format.", content_type = "text/plain; version=0.0.4; charset=utf-8",
            body = String),
        (status = 500, description = "A bug of lastbeat; its log has more.", content_type = "text/plain; charset=utf-8",
            body = String),
    ),
)]
pub(in crate::io::http) async fn metrics(
    State(state): State<Arc<AppState>>,
    headers: HeaderMap,
) -> Response {
    let gzip = compression::is_accepted(&headers);
    let ask = async {
        let turn = state.rendering.acquire().await;
        let turn = turn.expect("this semaphore is never closed");
        (turn, state.backend.snapshot().await)
    };
    let (_turn, snapshot) = match tokio::time::timeout(SNAPSHOT_TIMEOUT, ask).await {
        Ok((turn, Some(snapshot))) => (Some(turn), Some(snapshot)),
        late => {
            let why = match late {
                Ok(_) => "the core is gone",
                Err(_) => "its snapshot did not come in time",
            };
            tracing::error!(why, "a scrape is answered without the core's values");
            (None, None)
        }
    };
    // 20,000 instances are some 60,000 series and tens of milliseconds: too long for the runtime's thread. The hop to a
    // blocking thread costs a small scrape some microseconds.
    let rendering = Arc::clone(&state);
    let rendered = tokio::task::spawn_blocking(move || {
        let backend = &rendering.backend;
        compression::pieces(gzip, |to| backend.write_metrics(snapshot.as_deref(), to))
    });
    let fault = match rendered.await {
        Ok(Ok(pieces)) => {
            let body = Body::new(state.bodies.body(pieces));
            let mut scrape = typed(METRICS, body);
            compression::vary(scrape.headers_mut());
            if gzip {
                let coding = HeaderValue::from_static("gzip");
                scrape.headers_mut().insert(CONTENT_ENCODING, coding);
            }
            return scrape;
        }
        Ok(Err(fault)) => fault,
        Err(fault) => io::Error::other(fault),
    };
    tracing::error!(%fault, "rendering the metrics failed");
    let failed = typed(TEXT, "rendering the metrics failed\n");
    (StatusCode::INTERNAL_SERVER_ERROR, failed).into_response()
}
