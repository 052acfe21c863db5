//! Queries of sinks, and the metrics of shippers.

use crate::core::downstream::counters::Counters;
use crate::core::downstream::rule::{Find, Proof, Shipper};
use crate::core::downstream::watch::Answer;
use crate::decode::canary::line;
use crate::decode::downstream::template::{Values, fill};
use crate::decode::downstream::{answer, metrics_text, newest};
use crate::format;
use crate::io::http_client::{HttpClient, RequestFault};
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request, StatusCode};
use std::time::Duration;

/// Time limit of a query.
pub const QUERY_WITHIN: Duration = Duration::from_secs(10);
/// Bytes of an answer that are read: several thousand entries.
pub const MAX_ANSWER: usize = 1 << 20;
/// Bytes of a shipper's metrics that are read: a few hundred components.
const MAX_METRICS: usize = 4 << 20;
/// Characters of an answer's body in a fault.
const BODY_CHARS: usize = 120;
const AGENT: &str = concat!("lastbeat/", env!("CARGO_PKG_VERSION"));

/// A query without an answer. No fault holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum QueryFault {
    /// No request can be made of the URL or the headers.
    #[error("the URL or a header of the query is invalid")]
    Invalid,
    /// No answer.
    #[error(transparent)]
    Unreached(#[from] RequestFault),
    /// Any status but a good one.
    #[error("{status}: {said}")]
    Status {
        /// The status.
        status: StatusCode,
        /// The start of the body.
        said: String,
    },
    /// An answer that holds no time where one is to be, or has another shape than its service's.
    #[error("{0}")]
    Unreadable(String),
}

impl QueryFault {
    /// Its kind. Each is a value of the label `outcome`.
    pub const fn label(&self) -> &'static str {
        match self {
            QueryFault::Invalid => "invalid",
            QueryFault::Unreached(RequestFault::Timeout { .. }) => "timed_out",
            QueryFault::Unreached(_) => "unreachable",
            QueryFault::Status { .. } => "refused",
            QueryFault::Unreadable(_) => "unreadable",
        }
    }
}

/// The client of sinks and shippers. Clones share their connections.
#[derive(Clone)]
pub struct DownstreamClient {
    sinks: HttpClient,
    shippers: HttpClient,
}

impl Default for DownstreamClient {
    fn default() -> Self {
        DownstreamClient {
            // One byte more than is read shows what is longer.
            sinks: HttpClient::keeping(MAX_ANSWER + 1),
            shippers: HttpClient::keeping(MAX_METRICS),
        }
    }
}

impl DownstreamClient {
    /// Queries a sink.
    ///
    /// # Errors
    /// [`QueryFault`].
    pub async fn query(&self, find: &Find, values: &Values) -> Result<Answer, QueryFault> {
        let request = request(find, values)?;
        let answer = self.sinks.post(request, QUERY_WITHIN).await?;
        if !answer.status.is_success() {
            return Err(QueryFault::Status {
                status: answer.status,
                said: said(&answer.body, find),
            });
        }
        match &find.proof {
            Proof::Canary => canaries(&answer.body, find, &values.nonce),
            Proof::Newest { pointer, .. } => newest::newest(&answer.body, pointer)
                .map(Answer::Newest)
                .map_err(|why| QueryFault::Unreadable(format::sanitize(&why, BODY_CHARS))),
        }
    }

    /// Reads the counters of a shipper; `None`: it does not answer.
    pub async fn counters(&self, shipper: &Shipper) -> Option<Counters> {
        let request = Request::get(&shipper.metrics)
            .header(USER_AGENT, AGENT)
            .body(Full::default())
            .ok()?;
        let answer = self.shippers.post(request, QUERY_WITHIN).await.ok()?;
        if !answer.status.is_success() {
            return None;
        }
        let text = String::from_utf8_lossy(&answer.body);
        Some(Counters {
            received: metrics_text::sum(&text, &shipper.received),
            sent: metrics_text::sum(&text, &shipper.sent),
        })
    }
}

/// The canaries in an answer. One without canaries is an answer only where the service looked for them: an error page or
/// half a search must not blame the shipper.
fn canaries(body: &[u8], find: &Find, nonce: &str) -> Result<Answer, QueryFault> {
    let numbers = line::numbers(body, nonce);
    let is_read_whole = body.len() <= MAX_ANSWER;
    let whole = match &find.shape {
        Some(shape) if is_read_whole => answer::is_complete(body, shape),
        _ => Ok(is_read_whole),
    };
    let fault = match whole {
        _ if !numbers.is_empty() => None,
        Ok(false) if find.shape.is_some() => Some("the search was cut short".to_owned()),
        Ok(_) => None,
        Err(ref why) => Some(format::sanitize(why, BODY_CHARS)),
    };
    match fault {
        Some(why) => Err(QueryFault::Unreadable(why)),
        None => Ok(Answer::Canaries {
            numbers,
            whole: whole.unwrap_or(false),
        }),
    }
}

fn request(find: &Find, values: &Values) -> Result<Request<Full<Bytes>>, QueryFault> {
    let method = match find.body {
        Some(_) => Method::POST,
        None => Method::GET,
    };
    let mut request = Request::builder()
        .method(method)
        .uri(fill(&find.url, values))
        .header(USER_AGENT, AGENT);
    let has_type = find
        .headers
        .keys()
        .any(|name| name.eq_ignore_ascii_case("content-type"));
    if let (Some(body), false) = (&find.body, has_type) {
        let kind = if body.trim_start().starts_with('{') {
            "application/json"
        } else {
            "text/plain"
        };
        request = request.header(CONTENT_TYPE, kind);
    }
    for (name, value) in &find.headers {
        let name = HeaderName::try_from(name).map_err(|_| QueryFault::Invalid)?;
        let value = HeaderValue::try_from(fill(value, values));
        let mut value = value.map_err(|_| QueryFault::Invalid)?;
        value.set_sensitive(true);
        request = request.header(name, value);
    }
    let body = find.body.as_ref().map(|body| fill(body, values));
    request
        .body(Full::from(body.unwrap_or_default()))
        .map_err(|_| QueryFault::Invalid)
}

/// The start of a refusal's body, without the secrets that the other side may repeat.
fn said(body: &[u8], find: &Find) -> String {
    let mut said = String::from_utf8_lossy(&body[..body.len().min(4_096)]).into_owned();
    for value in find.headers.values() {
        // A scheme such as Bearer stands before the secret.
        for secret in value.split_whitespace().filter(|part| part.len() >= 6) {
            said = said.replace(secret, "***");
        }
    }
    format::sanitize(&said, BODY_CHARS)
}

#[cfg(test)]
mod tests;
