//! What is answered: the paths, and what stands behind each.

use super::api::Api;
use super::readiness::Readiness;
use crate::core::snapshot::Snapshot;
use arc_swap::ArcSwap;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::Full;
use hyper::body::Body;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// How long a scrape waits for the core's copy. Prometheus gives up after 10s by default, some after 5s; the core
/// takes milliseconds.
pub(super) const SNAPSHOT_WITHIN: Duration = Duration::from_secs(2);
/// Scrapes rendered at once: one keeps the memory for texts and a core of the machine within bounds.
const RENDERED_AT_ONCE: usize = 1;
/// What may be asked with.
const ALLOWED: &str = "GET, HEAD";
const TEXT: &str = "text/plain; charset=utf-8";
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";
const JSON: &str = "application/json";

const PAGE: &str = concat!(
    "lastbeat ",
    env!("CARGO_PKG_VERSION"),
    "
It watches a log stream and alerts when heartbeats stop or the stream goes quiet.

  /metrics   what it knows, for Prometheus
  /readyz    whether it can see and tell; if not, why
  /healthz   whether it is alive

To this machine, or with the token of LASTBEAT_TOKEN:

  /api/v1/status      how it is and what it knows, as JSON
  /api/v1/instances   each instance, by name; ?app=&region=&instance=&verdict=&limit=&cursor=
  /api/v1/incidents   the newest first; ?state=open and more; /api/v1/incidents/ID for one
  /api/v1/rules       the rules in force
  /api/v1/silences    what is told to nobody
"
);
const NOT_FOUND: &str = "There is nothing here. There is /metrics, /readyz, /healthz and /.\n";

/// Asks the core for its copy; `None` where the core is gone.
pub type AskSnapshot = Box<dyn Fn() -> BoxFuture<'static, Option<Arc<Snapshot>>> + Send + Sync>;

/// Makes the text of `/metrics`, on a thread that may block; `None` where the core's copy is missing.
pub type Render = Arc<dyn Fn(Option<&Snapshot>) -> Vec<u8> + Send + Sync>;

/// What the listener shows.
pub struct Site {
    snapshot: AskSnapshot,
    render: Render,
    readiness: Arc<ArcSwap<Readiness>>,
    /// `None`: nothing stands below `/api/`.
    api: Option<Api>,
    turn: Semaphore,
}

impl Site {
    /// `snapshot` is asked once a scrape and given two seconds, `render` makes the text of it; `readiness` is read
    /// anew for each request.
    pub fn new(snapshot: AskSnapshot, render: Render, readiness: Arc<ArcSwap<Readiness>>) -> Self {
        Site {
            snapshot,
            render,
            readiness,
            api: None,
            turn: Semaphore::new(RENDERED_AT_ONCE),
        }
    }

    /// Answers below `/api/` too.
    pub fn with_api(self, api: Api) -> Self {
        Site {
            api: Some(api),
            ..self
        }
    }

    /// Answers one request of a peer. Its body is read below `/api/` alone.
    pub(super) async fn answer<B>(&self, request: Request<B>, peer: IpAddr) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let path = request.uri().path();
        if let (true, Some(api)) = (path.starts_with("/api/"), &self.api) {
            let readiness = self.readiness.load_full();
            return api.answer(request, peer, &self.snapshot, &readiness).await;
        }
        if !matches!(path, "/" | "/metrics" | "/healthz" | "/readyz") {
            return response(StatusCode::NOT_FOUND, TEXT, NOT_FOUND);
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return refuse_method(ALLOWED);
        }
        match path {
            "/metrics" => self.metrics().await,
            "/healthz" => response(StatusCode::OK, TEXT, "ok\n"),
            "/readyz" => self.readyz(),
            _ => response(StatusCode::OK, TEXT, PAGE),
        }
    }

    fn readyz(&self) -> Response<Full<Bytes>> {
        let readiness = self.readiness.load();
        let status = if readiness.is_ready() {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        response(status, JSON, readiness.json())
    }

    async fn metrics(&self) -> Response<Full<Bytes>> {
        let ask = async {
            let turn = self
                .turn
                .acquire()
                .await
                .expect("this semaphore is never closed");
            (turn, (self.snapshot)().await)
        };
        let (_turn, snapshot) = match tokio::time::timeout(SNAPSHOT_WITHIN, ask).await {
            Ok((turn, Some(snapshot))) => (Some(turn), Some(snapshot)),
            late => {
                let why = if late.is_ok() {
                    "the core is gone"
                } else {
                    "no copy of it came within 2s"
                };
                tracing::error!(why, "a scrape is answered without the core's values");
                (None, None)
            }
        };
        // 20,000 instances are some 60,000 series and tens of milliseconds: too long for a thread that
        // others wait for. The hop to a blocking thread costs a small scrape some microseconds.
        let render = Arc::clone(&self.render);
        let rendered = tokio::task::spawn_blocking(move || render(snapshot.as_deref()));
        match rendered.await {
            Ok(text) => response(StatusCode::OK, METRICS, text),
            Err(fault) => {
                tracing::error!(%fault, "the metrics could not be rendered");
                response(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    TEXT,
                    "rendering the metrics failed\n",
                )
            }
        }
    }
}

/// The answer to a method that a path does not know.
pub(super) fn refuse_method(allowed: &'static str) -> Response<Full<Bytes>> {
    let what = format!("This path does not take that method: ask with {allowed}.\n");
    let mut refusal = response(StatusCode::METHOD_NOT_ALLOWED, TEXT, what);
    let allow = HeaderValue::from_static(allowed);
    refusal.headers_mut().insert(header::ALLOW, allow);
    refusal
}

/// An answer in JSON.
pub(super) fn json(status: StatusCode, value: &serde_json::Value) -> Response<Full<Bytes>> {
    response(status, JSON, format!("{value}\n"))
}

fn response(
    status: StatusCode,
    kind: &'static str,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}
