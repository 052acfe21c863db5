//! Sinks: places to which entries of the archive are shipped, over HTTP.
//!
//! A batch is encoded by a pure function for each protocol, and one request carries it. What follows from the answer is
//! one of a few [`Outcome`]s.

mod http;
mod loki;
mod otlp;

use crate::core::sink_rule::{SinkKind, SinkRule};
use crate::core::time::Wall;
use crate::decode::archive_line::ArchivedEntry;
use crate::decode::settings::Secret;
use crate::decode::shipped::entry::ShippedEntry;
use crate::format;
use crate::io::http_client::{Address, Answer, HttpClient, RequestFault};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::Full;
use hyper::header::{CONTENT_ENCODING, HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode};
use std::io::Write;
use std::time::Duration;

/// Bytes of a batch: what all sinks take at once.
pub const BATCH_BYTES: usize = 1 << 20;
/// Time limit of a request: a sink that stores a megabyte may take its time.
pub const WITHIN: Duration = Duration::from_secs(30);
/// Bytes of an entry beside its subject and its payload, about.
const BESIDE: usize = 64;
/// Characters of an answer's body in a sentence.
const BODY_CHARS: usize = 200;

/// Entries that are shipped together, in the order of their arrivals.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    entries: Vec<Entry>,
    bytes: usize,
    /// The body of its request; `None` before [`Sink::encode`].
    body: Option<Bytes>,
}

#[derive(Clone, Debug)]
struct Entry {
    arrival: Wall,
    subject: String,
    payload: Vec<u8>,
}

impl Batch {
    /// Adds an entry.
    pub fn push(&mut self, entry: &ArchivedEntry<'_>) {
        self.body = None;
        self.bytes += entry.subject.len() + entry.payload.len() + BESIDE;
        self.entries.push(Entry {
            arrival: entry.at,
            subject: entry.subject.to_owned(),
            payload: entry.payload.to_vec(),
        });
    }

    /// True where it holds as much as one request is to carry.
    pub fn is_full(&self) -> bool {
        self.bytes >= BATCH_BYTES
    }

    /// The number of its entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True without entries.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Wall clock: the arrival of its last entry.
    pub fn last_arrival(&self) -> Option<Wall> {
        Some(self.entries.last()?.arrival)
    }

    /// Arrival, subject and payload of each entry.
    pub fn iter(&self) -> impl Iterator<Item = (Wall, &str, &[u8])> {
        self.entries
            .iter()
            .map(|entry| (entry.arrival, &*entry.subject, &*entry.payload))
    }

    /// Two halves; `None` where it has a single entry, or none.
    pub fn halves(mut self) -> Option<(Batch, Batch)> {
        if self.entries.len() < 2 {
            return None;
        }
        let second = self.entries.split_off(self.entries.len() / 2);
        let half = self.bytes / 2;
        let of = |entries| Batch {
            entries,
            bytes: half,
            body: None,
        };
        Some((of(self.entries), of(second)))
    }

    fn shipped(&self) -> Vec<ShippedEntry<'_>> {
        self.iter()
            .map(|(arrival, subject, payload)| ShippedEntry::read(arrival, subject, payload))
            .collect()
    }
}

/// The end of one attempt to ship a batch. No text in it holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All of it was taken.
    Taken,
    /// It was answered that so many entries were not taken, and why: another attempt changes nothing.
    Partly(u64, String),
    /// Not taken, and it never will be.
    Refused(String),
    /// Longer than the sink takes.
    TooLong(String),
    /// Not taken now; another attempt may be, not before the given time if the sink named one.
    Later(Option<Duration>, String),
    /// The sink takes nothing at all before somebody changes its address or its credentials.
    Wrong(String),
}

/// The client of one sink.
pub struct Sink {
    client: HttpClient,
    address: Address,
    headers: Vec<(HeaderName, HeaderValue)>,
    kind: SinkKind,
    /// The value of the label `refill` of Loki's streams; `None`: they have none.
    label: Option<String>,
}

/// The address or a header makes no request; a rule has no such.
#[derive(Debug, thiserror::Error)]
#[error("the address or a header of sink {0:?} is invalid")]
pub struct SinkFault(String);

impl Sink {
    /// A client. `label` sets streams of Loki apart, which takes nothing that is an hour older than the newest of a stream.
    ///
    /// # Errors
    /// [`SinkFault`].
    pub fn new(rule: &SinkRule, label: Option<String>) -> Result<Self, SinkFault> {
        let fault = || SinkFault(rule.name.clone());
        let mut headers = Vec::new();
        for (name, value) in &rule.headers {
            let name = HeaderName::try_from(name).map_err(|_| fault())?;
            let mut value = HeaderValue::try_from(value).map_err(|_| fault())?;
            value.set_sensitive(true);
            headers.push((name, value));
        }
        // A scheme such as Bearer stands before the secret.
        let values = rule
            .headers
            .values()
            .flat_map(|value| value.split_whitespace());
        let secrets = values.filter(|part| part.len() >= 6).map(Secret::new);
        let address = Address::new(&at_path(&rule.url, &rule.kind)).map_err(|_| fault())?;
        Ok(Sink {
            client: HttpClient::new(),
            address: address.redacting(secrets),
            headers,
            kind: rule.kind.clone(),
            label,
        })
    }

    /// Scheme and host, for people.
    pub fn origin(&self) -> String {
        self.address.origin()
    }

    /// Ships a batch, once.
    pub async fn ship(&self, batch: &Batch) -> Outcome {
        match self.client.post(self.request(batch), WITHIN).await {
            Ok(answer) => self.outcome(&answer),
            Err(fault) => Outcome::Later(None, unreached(&fault)),
        }
    }

    /// Makes the body of a batch's request, which every attempt then sends. It takes tens of milliseconds of a processor,
    /// so it belongs on a thread of its own; a batch without a body is encoded at each attempt.
    pub fn encode(&self, batch: &mut Batch) {
        batch.body = Some(self.body(batch));
    }

    fn body(&self, batch: &Batch) -> Bytes {
        let entries = batch.shipped();
        let body = match &self.kind {
            SinkKind::Otlp => gzip(&otlp::encode(&entries)),
            SinkKind::Loki => loki::encode(&entries, self.label.as_deref()),
            SinkKind::Http { body, template } => http::encode(&entries, *body, template),
        };
        body.into()
    }

    fn request(&self, batch: &Batch) -> Request<Full<Bytes>> {
        let body = batch.body.clone().unwrap_or_else(|| self.body(batch));
        let content_type = match &self.kind {
            SinkKind::Otlp | SinkKind::Loki => "application/json",
            SinkKind::Http { body, .. } => http::content_type(*body),
        };
        let mut request = self.address.request(Method::POST, body, content_type);
        if self.kind == SinkKind::Otlp {
            let gzip = HeaderValue::from_static("gzip");
            request.headers_mut().insert(CONTENT_ENCODING, gzip);
        }
        for (name, value) in &self.headers {
            request.headers_mut().insert(name.clone(), value.clone());
        }
        request
    }

    fn outcome(&self, answer: &Answer) -> Outcome {
        let said = || {
            let body = String::from_utf8_lossy(&answer.body);
            let said = format::sanitize(&self.address.redact(&body), BODY_CHARS);
            let origin = self.origin();
            match said.is_empty() {
                true => format!("{origin} answered {}", answer.status),
                false => format!("{origin} answered {}: {said}", answer.status),
            }
        };
        match answer.status {
            StatusCode::PAYLOAD_TOO_LARGE => Outcome::TooLong(said()),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
                Outcome::Later(answer.retry_after, said())
            }
            StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::PROXY_AUTHENTICATION_REQUIRED => Outcome::Wrong(said()),
            status if status.is_client_error() => Outcome::Refused(said()),
            status if status.is_server_error() => Outcome::Later(answer.retry_after, said()),
            status if !status.is_success() => Outcome::Wrong(said()),
            _ if self.kind == SinkKind::Otlp => match otlp::rejected(&answer.body) {
                Some((count, why)) => {
                    let why = format::sanitize(&self.address.redact(&why), BODY_CHARS);
                    Outcome::Partly(count, format!("{} rejected some: {why}", self.origin()))
                }
                None => Outcome::Taken,
            },
            _ => Outcome::Taken,
        }
    }
}

fn unreached(fault: &RequestFault) -> String {
    format::error_chain(fault)
}

/// The address with the path of the protocol, where it has none of its own.
fn at_path(url: &str, kind: &SinkKind) -> String {
    let path = match kind {
        SinkKind::Otlp => "/v1/logs",
        SinkKind::Loki => "/loki/api/v1/push",
        SinkKind::Http { .. } => return url.to_owned(),
    };
    let bare = url.trim_end_matches('/');
    let has_path = bare
        .split_once("://")
        .is_none_or(|(_, rest)| rest.contains(['/', '?']));
    if has_path {
        url.to_owned()
    } else {
        format!("{bare}{path}")
    }
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 4), Compression::fast());
    let written = encoder.write_all(plain).and_then(|()| encoder.finish());
    written.expect("memory can be written")
}

#[cfg(test)]
mod tests;
