//! `/api/v1/`: what programs ask, in JSON. Every answer is an object; a refusal is `{"error":"..."}`, with
//! `"faults":[...]` where the request itself is at fault.

use super::access::{self, Refusal};
use super::site::{json, refuse_method};
use crate::core::rule::Globs;
use crate::core::silence::Silence;
use crate::core::time::Wall;
use crate::decode::settings::Secret;
use crate::decode::silence_request::{self, SilenceRequest};
use crate::words;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Body;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of a request's body; a silence has some hundred.
const BODY_BYTES: usize = 16 * 1024;
/// Time for a body to arrive.
const BODY_WITHIN: Duration = Duration::from_secs(5);
const SILENCES: &str = "/api/v1/silences";

/// Where silences come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Made while running.
    Api,
    /// The rule files: only a change of those ends it.
    Rules {
        /// The cron expression.
        schedule: String,
        /// Its time zone.
        timezone: String,
    },
}

/// A silence, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SilenceRow {
    /// It, with its windows from now on.
    pub silence: Silence,
    /// Whether it holds now.
    pub holds: bool,
    /// Where it comes from.
    pub source: Source,
}

/// Who keeps the silences.
pub trait SilenceDesk: Send + Sync {
    /// All that hold or are to come.
    fn list(&self) -> Vec<SilenceRow>;
    /// Takes one in; `None` where there is no room for one more.
    fn add(&self, request: SilenceRequest) -> Option<SilenceRow>;
    /// Ends one made while running; `Some(false)` where it is one of the rule files, `None` where there is none.
    fn expire(&self, id: &str) -> Option<bool>;
}

/// What programs may ask, and who may.
#[derive(Clone)]
pub struct Api {
    /// `LASTBEAT_TOKEN`.
    pub token: Option<Secret>,
    /// The silences.
    pub silences: Arc<dyn SilenceDesk>,
}

/// Why a body is not taken.
struct BodyFault(StatusCode, &'static str);

impl Api {
    /// Answers a request below `/api/`.
    pub(super) async fn answer<B>(&self, request: Request<B>, peer: IpAddr) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        if let Some(refusal) = self.refusal(request.headers(), peer) {
            return refusal;
        }
        let path = request.uri().path().to_owned();
        let id = path
            .strip_prefix(SILENCES)
            .and_then(|rest| rest.strip_prefix('/'));
        match (path.as_str(), id, request.method()) {
            (SILENCES, _, &Method::GET | &Method::HEAD) => self.list(),
            (SILENCES, _, &Method::POST) => self.add(request).await,
            (SILENCES, _, _) => refuse_method("GET, HEAD, POST"),
            (_, Some(id), &Method::DELETE) => self.expire(id),
            (_, Some(_), _) => refuse_method("DELETE"),
            _ => error(
                StatusCode::NOT_FOUND,
                "there is nothing here; there is /api/v1/status, /api/v1/incidents and /api/v1/silences",
            ),
        }
    }

    /// The answer to who may not ask.
    pub(super) fn refusal(
        &self,
        headers: &HeaderMap,
        peer: IpAddr,
    ) -> Option<Response<Full<Bytes>>> {
        access::allow(headers, peer, self.token.as_ref())
            .err()
            .map(refused)
    }

    fn list(&self) -> Response<Full<Bytes>> {
        let rows: Vec<Value> = self.silences.list().iter().map(row).collect();
        json(StatusCode::OK, &json!({ "silences": rows }))
    }

    async fn add<B>(&self, request: Request<B>) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        // A form of somebody else's page cannot send this type without asking first.
        if !is_json(request.headers().get(CONTENT_TYPE)) {
            let what = "send JSON, with `Content-Type: application/json`";
            return error(StatusCode::UNSUPPORTED_MEDIA_TYPE, what);
        }
        let body = match body(request.into_body()).await {
            Ok(body) => body,
            Err(BodyFault(status, what)) => return error(status, what),
        };
        let asked = match silence_request::read(&body, crate::clock::wall()) {
            Ok(asked) => asked,
            Err(faults) => {
                let said = json!({ "error": "this is no silence", "faults": faults });
                return json(StatusCode::BAD_REQUEST, &said);
            }
        };
        match self.silences.add(asked) {
            Some(added) => json(StatusCode::CREATED, &row(&added)),
            None => error(
                StatusCode::INSUFFICIENT_STORAGE,
                "there are too many silences: end some, or let globs cover several apps",
            ),
        }
    }

    fn expire(&self, id: &str) -> Response<Full<Bytes>> {
        match self.silences.expire(id) {
            Some(true) => json(StatusCode::OK, &json!({ "expired": id })),
            Some(false) => error(
                StatusCode::CONFLICT,
                "this silence stands in the rule files: take it out there",
            ),
            None => error(
                StatusCode::NOT_FOUND,
                "no silence has this id: it is over, or never was; GET /api/v1/silences lists them",
            ),
        }
    }
}

async fn body<B>(body: B) -> Result<Bytes, BodyFault>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let whole = Limited::new(body, BODY_BYTES).collect();
    match tokio::time::timeout(BODY_WITHIN, whole).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(fault)) if fault.is::<LengthLimitError>() => Err(BodyFault(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the body is longer than 16 KiB",
        )),
        Ok(Err(_)) => Err(BodyFault(StatusCode::BAD_REQUEST, "the body broke off")),
        Err(_) => Err(BodyFault(
            StatusCode::REQUEST_TIMEOUT,
            "the body did not arrive within 5s",
        )),
    }
}

fn is_json(kind: Option<&HeaderValue>) -> bool {
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("application/json")
}

fn row(row: &SilenceRow) -> Value {
    let SilenceRow {
        silence,
        holds,
        source,
    } = row;
    let globs = |globs: &Globs| globs.0.clone();
    let time = |at: Wall| words::wall_seconds(at);
    let windows = silence.windows.iter();
    let windows =
        windows.map(|(from, until)| json!({ "from": time(*from), "until": time(*until) }));
    let matchers = &silence.matchers;
    let (from_rules, schedule, timezone) = match source {
        Source::Api => (false, None, None),
        Source::Rules { schedule, timezone } => (true, Some(schedule), Some(timezone)),
    };
    json!({
        "id": silence.id,
        "app": globs(&matchers.app),
        "region": globs(&matchers.region),
        "instance": globs(&matchers.instance),
        "host": globs(&matchers.host),
        "rule": globs(&matchers.rule),
        "holds": holds,
        "windows": windows.collect::<Vec<_>>(),
        "reason": silence.reason,
        "author": silence.author,
        "from_rules": from_rules,
        "schedule": schedule,
        "timezone": timezone,
    })
}

fn refused(refusal: Refusal) -> Response<Full<Bytes>> {
    if refusal != Refusal::Token {
        return error(StatusCode::FORBIDDEN, refusal.told());
    }
    let mut response = error(StatusCode::UNAUTHORIZED, refusal.told());
    let scheme = HeaderValue::from_static("Bearer");
    response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
    response
}

fn error(status: StatusCode, what: &str) -> Response<Full<Bytes>> {
    json(status, &json!({ "error": what }))
}
