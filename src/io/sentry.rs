//! Notices as Sentry's events: built with the `sentry` crate's types, delivered by lastbeat's outbox.
//!
//! The crate's transport drops what it cannot send and never says so; nothing of it is used here.

mod check_in;
mod event;
pub mod resolve;
mod self_report;

use crate::core::notice::Notice;
use crate::core::time::Wall;
use crate::decode::settings::Secret;
use crate::io::http_client::Answer;
use crate::io::notifier::{Notifier, PageLinks, RenderedNotice, shorten};
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue, USER_AGENT};
use hyper::{Request, Uri};
use ring::digest;
use sentry::protocol::{ClientSdkInfo, Envelope, EnvelopeItem};
use sentry::types::{Auth, Dsn, ParseDsnError, Uuid};
use std::time::Duration;

/// The name of the notifier that `SENTRY_DSN` makes; `[notify.sentry]` says more about it.
pub const NAME: &str = "sentry";
/// User agent of lastbeat's requests.
const AGENT: &str = concat!("lastbeat/", env!("CARGO_PKG_VERSION"));
/// Sentry drops a tag whose value is longer.
const TAG_CHARS: usize = 200;
/// The category of events in rate limits; an empty list of categories means all of them.
const CATEGORY: &str = "error";

/// An invalid DSN. It never holds the DSN.
#[derive(Debug, thiserror::Error)]
#[error("invalid Sentry DSN; copy all of it from the project's settings: https://KEY@HOST/PROJECT")]
pub struct DsnFault {
    #[source]
    reason: DsnReason,
}

#[derive(Debug, thiserror::Error)]
enum DsnReason {
    #[error(transparent)]
    Parse(#[from] ParseDsnError),
    #[error("its key is empty or has characters that no header can hold")]
    Key,
    #[error("its host or path is invalid")]
    Address,
}

/// One project on one Sentry-compatible server.
pub struct Sentry {
    name: String,
    address: Uri,
    auth: HeaderValue,
    keys: Vec<Secret>,
    environment: Option<String>,
    release: String,
    server_name: String,
    links: PageLinks,
}

impl Sentry {
    /// Reads the DSN. `environment` is Sentry's own default where `None`; `release` is the running version, `server_name`
    /// the watching machine.
    ///
    /// # Errors
    /// [`DsnFault`] where the DSN is empty, cut or no DSN.
    pub fn new(
        dsn: &Secret,
        environment: Option<String>,
        release: String,
        server_name: String,
    ) -> Result<Self, DsnFault> {
        let (address, auth, keys) = read(dsn).map_err(|reason| DsnFault { reason })?;
        Ok(Sentry {
            name: NAME.to_owned(),
            address,
            auth,
            keys,
            environment,
            release,
            server_name,
            links: PageLinks::default(),
        })
    }

    /// The same, whose events link to lastbeat's page.
    #[must_use]
    pub fn linked(self, links: PageLinks) -> Self {
        Sentry { links, ..self }
    }

    /// The same project as a notifier of another name.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        let name = name.to_owned();
        Sentry { name, ..self }
    }

    /// Where events go, for people: scheme and host, without the key.
    pub fn origin(&self) -> String {
        let scheme = self.address.scheme_str().unwrap_or("https");
        format!("{scheme}://{}", self.address.host().unwrap_or_default())
    }

    /// The request that delivers an envelope.
    pub fn request(&self, envelope: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(envelope));
        *request.method_mut() = hyper::Method::POST;
        *request.uri_mut() = self.address.clone();
        let headers = request.headers_mut();
        headers.insert("x-sentry-auth", self.auth.clone());
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-sentry-envelope"),
        );
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        request
    }
}

impl Notifier for Sentry {
    fn name(&self) -> &str {
        &self.name
    }

    /// An envelope. The same notice always gives the same bytes, its event id included, so that one sent twice is
    /// still one event.
    fn render(&self, notice: &Notice) -> Bytes {
        // No `sent_at`: the server takes its distance to the time of receipt for our clock's error, and would
        // shift the times of an event that had to wait.
        envelope(self.event(notice))
    }

    fn requests(&self, rendered: &RenderedNotice, _now: Wall) -> Vec<Request<Full<Bytes>>> {
        vec![self.request(rendered.body.clone())]
    }

    /// A text without the DSN's keys: some servers repeat the DSN when they refuse it.
    fn redact(&self, text: &str) -> String {
        let redact = |text: String, key: &Secret| text.replace(key.reveal(), "***");
        self.keys.iter().fold(text.to_owned(), redact)
    }

    /// Sentry's limits hold for all events of the project.
    fn holds_all(&self, answer: &Answer) -> Option<Duration> {
        answer.rate_limits.as_deref().and_then(rate_limit)
    }

    fn shorten(&self, body: &Bytes, level: u8) -> Option<Bytes> {
        shorten::envelope(body, level)
    }
}

/// The bytes of an envelope that holds one item.
fn envelope(item: impl Into<EnvelopeItem>) -> Bytes {
    let mut envelope = Envelope::new();
    envelope.add_item(item);
    let mut bytes = Vec::new();
    envelope
        .to_writer(&mut bytes)
        .expect("a Vec accepts every write, and the item's keys are text");
    bytes.into()
}

/// The wait that the server's `X-Sentry-Rate-Limits` header asks of events:
/// `seconds:category;category:scope:reason, ...`. `None` where nothing in it is about events.
fn rate_limit(header: &str) -> Option<Duration> {
    let waits = header.split(',').filter_map(|limit| {
        let mut fields = limit.trim().split(':');
        let seconds: u64 = fields.next()?.parse().ok()?;
        let categories = fields.next().unwrap_or_default();
        let ours =
            categories.is_empty() || categories.split(';').any(|category| category == CATEGORY);
        ours.then(|| Duration::from_secs(seconds))
    });
    waits.max()
}

fn read(dsn: &Secret) -> Result<(Uri, HeaderValue, Vec<Secret>), DsnReason> {
    let dsn: Dsn = dsn.reveal().trim().parse().map_err(DsnReason::Parse)?;
    // `Dsn::to_auth` stamps the header with the wall clock; this is the same header without that.
    let mut pairs = vec![("sentry_key", dsn.public_key()), ("sentry_client", AGENT)];
    pairs.extend(dsn.secret_key().map(|key| ("sentry_secret", key)));
    let auth = Auth::from_pairs(pairs).map_err(|_| DsnReason::Key)?;
    let mut auth = HeaderValue::from_str(&auth.to_string()).map_err(|_| DsnReason::Key)?;
    auth.set_sensitive(true);
    let address = dsn
        .envelope_api_url()
        .as_str()
        .parse()
        .map_err(|_| DsnReason::Address)?;
    let keys = [Some(dsn.public_key()), dsn.secret_key()];
    // An empty key is in every text.
    let keys = keys.into_iter().flatten().filter(|key| !key.is_empty());
    Ok((address, auth, keys.map(Secret::new).collect()))
}

fn sdk() -> ClientSdkInfo {
    ClientSdkInfo {
        name: "lastbeat".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        integrations: Vec::new(),
        packages: Vec::new(),
    }
}

/// An event's id: a digest of its fields, so that the same event has the same id at every attempt. RFC 9562's version 8.
fn id(fields: &[&[u8]]) -> Uuid {
    let mut digest = digest::Context::new(&digest::SHA256);
    for field in fields {
        // The length keeps the border between two fields.
        digest.update(&(field.len() as u64).to_be_bytes());
        digest.update(field);
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.finish().as_ref()[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    Uuid::from_bytes(bytes)
}

#[cfg(test)]
mod tests;
