//! Notices posted to an address of the user's own, in one of several forms ([`BodyFormat`]).
//!
//! | header | value |
//! | --- | --- |
//! | `Idempotency-Key` | the same each time the same notice is sent: `<incident>-<state>`, and `-<n>` for a state that comes more than once |
//! | `X-Lastbeat-Timestamp` | where there is a secret: Unix seconds at which it is sent |
//! | `X-Lastbeat-Signature` | where there is a secret: `sha256=` and the hex HMAC-SHA256, by that secret, of the timestamp as it stands in its header, a dot, and the body |
//!
//! A receiver works the signature out again over the bytes it got, compares the two in constant time, and refuses a
//! timestamp that is more than five minutes off: a recorded request is worth nothing then.

mod discord;
mod json;
mod ntfy;
mod pagerduty;
mod slack;
mod teams;
mod telegram;
mod text;
mod wording;

use crate::core::notice::{IncidentId, Notice, NoticeKind};
use crate::core::rule::BodyFormat;
use crate::core::time::Wall;
use crate::decode::settings::Secret;
use crate::io::http_client::{Address, AddressFault};
use crate::io::notifier::{Notifier, PageLinks, RenderedNotice};
use bytes::Bytes;
use data_encoding::HEXLOWER;
use http_body_util::Full;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, Request};
use ring::hmac;
use std::time::Duration;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const TIMESTAMP: HeaderName = HeaderName::from_static("x-lastbeat-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("x-lastbeat-signature");

/// A webhook's address and form.
#[derive(Clone, Debug)]
pub struct WebhookConfig {
    /// The address.
    pub url: Secret,
    /// The form of the body.
    pub format: BodyFormat,
    /// Signs the body; `None`: it is not signed.
    pub secret: Option<Secret>,
    /// PagerDuty's key; `None` with every other format.
    pub routing_key: Option<Secret>,
    /// Telegram's chat; `None` with every other format.
    pub chat_id: Option<Secret>,
    /// Links to lastbeat's page.
    pub links: PageLinks,
    /// Time limit of an attempt.
    pub timeout: Duration,
}

/// A notifier that posts to one address.
pub struct Webhook {
    name: String,
    address: Address,
    format: BodyFormat,
    signer: Option<hmac::Key>,
    /// The key of the body that names the addressee, and its value, a secret: it is added when a notice is sent, since what
    /// waits may be written to a file.
    addressee: Option<(&'static str, Secret)>,
    links: PageLinks,
    timeout: Duration,
}

impl Webhook {
    /// The notifier of that name.
    ///
    /// # Errors
    /// [`AddressFault`] if the address is not of http or https.
    pub fn new(name: &str, setup: WebhookConfig) -> Result<Self, AddressFault> {
        let signer = |key: &Secret| hmac::Key::new(hmac::HMAC_SHA256, key.reveal().as_bytes());
        let (url, addressee) = match setup.format {
            // The topic is the last name of the address, and goes into the body.
            BodyFormat::Ntfy => {
                let (url, topic) = setup.url.reveal().rsplit_once('/').ok_or(AddressFault)?;
                (url, Some(("topic", Secret::new(topic))))
            }
            BodyFormat::Telegram => {
                let chat = setup.chat_id.clone();
                (setup.url.reveal(), chat.map(|chat| ("chat_id", chat)))
            }
            _ => {
                let key = setup.routing_key.clone();
                (setup.url.reveal(), key.map(|key| ("routing_key", key)))
            }
        };
        let address = Address::new(url)?;
        let secrets = setup.secret.iter();
        let secrets = secrets.chain(addressee.iter().map(|(_, secret)| secret));
        let secrets: Vec<Secret> = secrets.cloned().collect();
        Ok(Webhook {
            name: name.to_owned(),
            address: address.redacting(secrets),
            format: setup.format,
            signer: setup.secret.as_ref().map(signer),
            addressee,
            links: setup.links,
            timeout: setup.timeout,
        })
    }

    /// The request that delivers such bytes at `now`.
    fn request(&self, rendered: &RenderedNotice, now: Wall) -> Request<Full<Bytes>> {
        let body = match &self.addressee {
            Some((key, value)) => addressed(&rendered.body, key, value),
            None => rendered.body.clone(),
        };
        let content_type = match self.format {
            BodyFormat::Text => "text/plain; charset=utf-8",
            _ => "application/json",
        };
        let signed = self.signer.as_ref().map(|key| sign(key, &body, now));
        let mut request = self.address.request(Method::POST, body, content_type);
        let headers = request.headers_mut();
        let key = HeaderValue::from_str(&idempotency_key(rendered.incident, rendered.kind))
            .expect("hex digits and the words of states are header text");
        headers.insert(IDEMPOTENCY_KEY, key);
        if let Some((at, signature)) = signed {
            headers.insert(TIMESTAMP, HeaderValue::from(at));
            headers.insert(SIGNATURE, signature);
        }
        request
    }
}

impl Notifier for Webhook {
    fn name(&self) -> &str {
        &self.name
    }

    fn render(&self, notice: &Notice) -> Bytes {
        let page = self.links.of(notice);
        let page = page.as_deref();
        let value = match self.format {
            BodyFormat::Text => return text::body(notice, page).into(),
            BodyFormat::Json => json::body(notice, page),
            BodyFormat::Slack => slack::body(notice, page),
            BodyFormat::Discord => discord::body(notice, page),
            BodyFormat::PagerDuty => pagerduty::body(notice, page),
            BodyFormat::Ntfy => ntfy::body(notice, page),
            BodyFormat::Telegram => telegram::body(notice, page),
            BodyFormat::Teams => teams::body(notice, page),
        };
        serde_json::to_vec(&value)
            .expect("texts, numbers and lists are JSON")
            .into()
    }

    fn requests(&self, rendered: &RenderedNotice, now: Wall) -> Vec<Request<Full<Bytes>>> {
        vec![self.request(rendered, now)]
    }

    fn redact(&self, text: &str) -> String {
        self.address.redact(text)
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }

    /// PagerDuty's own key: the end of one incident must not overtake the beginning of the next one with its key.
    fn dedup_key(&self, rendered: &RenderedNotice) -> Option<Bytes> {
        match self.format {
            BodyFormat::PagerDuty => pagerduty::key_of(&rendered.body),
            _ => None,
        }
    }
}

/// The body, an object that is not empty, with one more key before its first one.
fn addressed(body: &[u8], key: &str, value: &Secret) -> Bytes {
    let rest = body.strip_prefix(b"{").unwrap_or_default();
    let value = serde_json::Value::from(value.reveal());
    let head = format!("{{\"{key}\":{value},");
    [head.as_bytes(), rest].concat().into()
}

/// The Unix seconds of `now`, and the signature of them and the body.
fn sign(key: &hmac::Key, body: &[u8], now: Wall) -> (u64, HeaderValue) {
    let at = now.nanos() / 1_000_000_000;
    let mut context = hmac::Context::with_key(key);
    context.update(at.to_string().as_bytes());
    context.update(b".");
    context.update(body);
    let text = format!("sha256={}", HEXLOWER.encode(context.sign().as_ref()));
    let value = HeaderValue::from_str(&text).expect("hex digits are header text");
    (at, value)
}

/// `<incident>-<state>`, and `-<n>` for a state that comes more than once.
fn idempotency_key(incident: IncidentId, kind: NoticeKind) -> String {
    match kind {
        NoticeKind::Reminder(count) | NoticeKind::Updated(count) => {
            format!("{incident}-{}-{count}", kind.label())
        }
        NoticeKind::Opened | NoticeKind::Closed(_) => format!("{incident}-{}", kind.label()),
    }
}

#[cfg(test)]
mod tests;
