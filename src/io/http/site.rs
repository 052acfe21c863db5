//! What is answered: the paths, and what stands behind each.

use super::access::{self, Refusal};
use super::api::{self, Api};
use super::events::{Events, Look};
use super::logs::Tails;
use super::page::{self, sign_in};
use super::pieces::{OnTheWay, Pieces};
use super::readiness::Readiness;
use super::{gzip, sse, status};
use crate::core::snapshot::Snapshot;
use crate::decode::api_query;
use arc_swap::ArcSwap;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http_body_util::{Either, Full};
use hyper::body::Body;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use std::convert::Infallible;
use std::error::Error;
use std::io::{self, Write};
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
  /          in a browser: the page

To this machine, or with the token of LASTBEAT_TOKEN:

  /api/v1/status      how it is and what it knows, as JSON
  /api/v1/instances   each instance, by name; ?app=&region=&instance=&verdict=&limit=&cursor=
  /api/v1/incidents   the newest first; ?state=open and more; /api/v1/incidents/ID for one
  /api/v1/rules       the rules in force
  /api/v1/silences    what is told to nobody
  /api/v1/events      what changes, as server-sent events
  /api/logs           entries as they pass, as server-sent events; ?app=&region=&instance=&q=
"
);
const NOT_FOUND: &str = "There is nothing here. There is /metrics, /readyz, /healthz and /.\n";

/// Asks the core for its copy; `None` where the core is gone.
pub type AskSnapshot = Box<dyn Fn() -> BoxFuture<'static, Option<Arc<Snapshot>>> + Send + Sync>;

/// Writes the text of `/metrics`, on a thread that may block; `None` where the core's copy is missing.
pub type Render = Arc<dyn Fn(Option<&Snapshot>, &mut dyn Write) -> io::Result<()> + Send + Sync>;

/// What the listener shows.
pub struct Site {
    snapshot: AskSnapshot,
    render: Render,
    readiness: Arc<ArcSwap<Readiness>>,
    /// `None`: nothing stands below `/api/`.
    api: Option<Api>,
    tails: Arc<Tails>,
    events: Arc<Events>,
    turn: Semaphore,
    on_the_way: OnTheWay,
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
            tails: Arc::default(),
            events: Arc::default(),
            turn: Semaphore::new(RENDERED_AT_ONCE),
            on_the_way: OnTheWay::default(),
        }
    }

    /// Answers below `/api/` too.
    pub fn with_api(self, api: Api) -> Self {
        Site {
            api: Some(api),
            ..self
        }
    }

    /// Shows entries and incidents as they pass, offered and told there.
    pub fn with_live(self, tails: Arc<Tails>, events: Arc<Events>) -> Self {
        Site {
            tails,
            events,
            ..self
        }
    }

    /// Feeds the readers of what is live, for ever.
    pub(super) async fn live(&self) -> Infallible {
        tokio::select! {
            never = self.tails.fetch(&self.readiness) => match never {},
            never = self.events.watch(|| self.look().boxed()) => match never {},
        }
    }

    /// What is known now; `None` where the core does not answer.
    async fn look(&self) -> Option<Look> {
        let asked = tokio::time::timeout(SNAPSHOT_WITHIN, (self.snapshot)()).await;
        let (snapshot, readiness) = (asked.ok().flatten()?, self.readiness.load_full());
        let standing = self.api.as_ref().map(Api::standing).unwrap_or_default();
        let status = status::status(&snapshot, &readiness, &standing);
        Some((snapshot, status))
    }

    /// Ends the streams of all readers.
    pub(super) fn end_live(&self) {
        self.tails.end();
        self.events.end();
    }

    /// Answers one request of a peer.
    pub(super) async fn answer<B>(&self, request: Request<B>, peer: IpAddr) -> Response<sse::Body>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let (uri, headers) = (request.uri(), request.headers());
        let host = headers.get(header::HOST).map(HeaderValue::as_bytes);
        if !access::names_one_host(headers, request.version()) {
            let what = "A request names its host once.\n";
            return response(StatusCode::BAD_REQUEST, TEXT, what).map(sse::whole);
        }
        let token = self.api.as_ref().and_then(Api::token);
        if uri.path() != "/healthz" && access::is_rebound(headers, peer, token) {
            return api::error(StatusCode::FORBIDDEN, Refusal::Foreign.told()).map(sse::whole);
        }
        let of_uri = uri.authority().map(|named| named.as_str().as_bytes());
        if of_uri.is_some() && of_uri != host {
            // A proxy's form of request, or one made to be read in two ways.
            let what = "The address names another host than the header does.\n";
            return response(StatusCode::BAD_REQUEST, TEXT, what).map(sse::whole);
        }
        let packs = gzip::is_wanted(headers);
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        let answer = match (uri.path(), &self.api) {
            ("/api/logs" | "/api/v1/events", Some(api)) => {
                let refusal = api.refusal(headers, peer);
                match (request.method(), refusal) {
                    (_, Some(refusal)) => refusal,
                    (&Method::GET, None) => {
                        return self.stream(uri.path(), uri.query().unwrap_or_default(), headers);
                    }
                    (&Method::HEAD, None) => return sse::empty(),
                    _ => api::refuse_method(ALLOWED),
                }
            }
            ("/metrics", _) if reads => return self.metrics(packs).await.map(Either::Left),
            _ => gzip::pack(packs, self.whole(request, peer).await).await,
        };
        answer.map(sse::whole)
    }

    /// What goes on until the reader goes.
    fn stream(&self, path: &str, query: &str, headers: &HeaderMap) -> Response<sse::Body> {
        let stream = if path == "/api/logs" {
            match api_query::tail(query) {
                Ok(asked) => self.tails.answer(asked, &self.readiness.load()),
                Err(faults) => return api::faulty(&faults).map(sse::whole),
            }
        } else {
            let last = headers.get("last-event-id");
            self.events.answer(last.and_then(|last| last.to_str().ok()))
        };
        stream.unwrap_or_else(|| {
            let what = "there are a hundred readers, and no room for one more";
            let mut full = api::error(StatusCode::SERVICE_UNAVAILABLE, what);
            let soon = HeaderValue::from_static("10");
            full.headers_mut().insert(header::RETRY_AFTER, soon);
            full.map(sse::whole)
        })
    }

    /// What is answered at once. The body is read below `/api/` and of who signs in.
    async fn whole<B>(&self, request: Request<B>, peer: IpAddr) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let path = request.uri().path();
        if let (true, Some(api)) = (path.starts_with("/api/"), &self.api) {
            let readiness = self.readiness.load_full();
            return api.answer(request, peer, &self.snapshot, &readiness).await;
        }
        if let ("/sign-in" | "/sign-out", Some(api)) = (path, &self.api) {
            return match (request.method(), path) {
                (&Method::POST, "/sign-out") => sign_in::sign_out(request.headers()),
                (&Method::POST, _) => {
                    sign_in::sign_in(request, peer, api.token(), api.tries()).await
                }
                (&Method::GET | &Method::HEAD, "/sign-in") => {
                    sign_in::door(request.headers(), peer, api.token(), api.tries())
                }
                (_, "/sign-in") => refuse_method("GET, HEAD, POST"),
                _ => refuse_method("POST"),
            };
        }
        if !matches!(path, "/metrics" | "/healthz" | "/readyz") && !page::has(path) {
            return response(StatusCode::NOT_FOUND, TEXT, NOT_FOUND);
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return refuse_method(ALLOWED);
        }
        match path {
            "/healthz" => response(StatusCode::OK, TEXT, "ok\n"),
            "/readyz" => self.readyz(),
            "/" if !page::wants_html(request.headers()) => response(StatusCode::OK, TEXT, PAGE),
            _ => page::answer(path, request.headers())
                .unwrap_or_else(|| response(StatusCode::NOT_FOUND, TEXT, NOT_FOUND)),
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

    async fn metrics(&self, packs: bool) -> Response<sse::Whole> {
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
        let rendered = tokio::task::spawn_blocking(move || {
            gzip::pieces(packs, |to| render(snapshot.as_deref(), to))
        });
        let fault = match rendered.await {
            Ok(Ok(pieces)) => return scrape(packs, self.on_the_way.send(pieces)),
            Ok(Err(fault)) => fault,
            Err(fault) => io::Error::other(fault),
        };
        tracing::error!(%fault, "the metrics could not be rendered");
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        response(status, TEXT, "rendering the metrics failed\n").map(Either::Left)
    }
}

/// The answer to a scrape.
fn scrape(is_packed: bool, pieces: Pieces) -> Response<sse::Whole> {
    let mut scrape = response(StatusCode::OK, METRICS, "");
    gzip::vary(scrape.headers_mut());
    if is_packed {
        let coding = HeaderValue::from_static("gzip");
        scrape
            .headers_mut()
            .insert(header::CONTENT_ENCODING, coding);
    }
    scrape.map(|_| Either::Right(pieces))
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
