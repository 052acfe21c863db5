//! A ping address outside, pinged while lastbeat is ready, in the way of healthchecks.io, so that the
//! outside notices lastbeat's death by missing pings.

use crate::decode::settings::Secret;
use crate::io::http_client::Address;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Uri};

/// User agent of lastbeat's requests.
const AGENT: &str = concat!("lastbeat/", env!("CARGO_PKG_VERSION"));
/// Bytes of a body; healthchecks.io keeps the first 100 kB, smaller ones of its kind keep 10.
const BODY_BYTES: usize = 10_000;

/// A ping to a watchdog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ping {
    /// lastbeat has started, and is not ready yet.
    Start,
    /// lastbeat is ready.
    Success,
    /// lastbeat is not ready: the reasons, a line each.
    Fail(String),
}

/// An invalid address. It never holds the address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid ping address; expected one like https://hc-ping.com/UUID")]
pub struct WatchdogFault;

/// A ping address.
pub struct Watchdog {
    /// Scheme, host, port and path, without a user and without a slash at its end.
    base: String,
    /// Its `user:password@`, in the form in which it is sent.
    authorization: Option<HeaderValue>,
    /// With its question mark; empty if there is none.
    query: String,
    /// Its secret parts.
    keys: Vec<Secret>,
    /// Scheme and host.
    place: String,
}

impl Watchdog {
    /// Reads the address.
    ///
    /// # Errors
    /// [`WatchdogFault`] where it is no http or https address.
    pub fn new(url: &Secret) -> Result<Self, WatchdogFault> {
        let text = url.reveal().trim();
        let address = Address::new(text).map_err(|_| WatchdogFault)?;
        let authorization = address.authorization().cloned();
        let (base, query) = text.split_at(text.find('?').unwrap_or(text.len()));
        let base = base.trim_end_matches('/');
        // The longest that is asked for; what it parses as, the shorter ones do.
        let uri: Uri = format!("{base}/start{query}")
            .parse()
            .map_err(|_| WatchdogFault)?;
        let scheme = uri
            .scheme_str()
            .filter(|scheme| matches!(*scheme, "http" | "https"));
        let (Some(scheme), Some(host)) = (scheme, uri.host().filter(|host| !host.is_empty()))
        else {
            return Err(WatchdogFault);
        };
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let behind = base.split_once("://").map_or("", |(_, behind)| behind);
        let path = behind.strip_prefix(authority).unwrap_or_default();
        let (user, host_and_port) = authority.rsplit_once('@').unwrap_or(("", authority));
        let password = user.split_once(':').map_or("", |(_, password)| password);
        let sent = authorization.as_ref().and_then(|value| value.to_str().ok());
        let sent = sent.map_or("", |sent| sent.trim_start_matches("Basic "));
        let keys = [
            path.trim_matches('/'),
            query.trim_start_matches('?'),
            user,
            password,
            sent,
        ];
        // A word of some letters may stand anywhere; a key is longer.
        let keys = keys.into_iter().filter(|key| key.len() >= 4);
        let keys: Vec<Secret> = keys.map(Secret::new).collect();
        Ok(Watchdog {
            base: format!("{scheme}://{host_and_port}{path}"),
            authorization,
            query: query.to_owned(),
            place: format!("{scheme}://{host}"),
            keys,
        })
    }

    /// Where pings go, for people: scheme and host alone.
    pub fn origin(&self) -> &str {
        &self.place
    }

    /// The request that tells it: a POST to the address, or to `/start` or `/fail` below it.
    pub fn request(&self, word: &Ping) -> Request<Full<Bytes>> {
        let (below, body) = match word {
            Ping::Start => ("/start", ""),
            Ping::Success => ("", ""),
            Ping::Fail(why) => ("/fail", why.as_str()),
        };
        let end = (0..=body.len().min(BODY_BYTES))
            .rev()
            .find(|at| body.is_char_boundary(*at));
        let body = Bytes::copy_from_slice(&body.as_bytes()[..end.unwrap_or(0)]);
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = format!("{}{below}{}", self.base, self.query)
            .parse()
            .expect("the longest of the three was parsed when this was made");
        let headers = request.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        request
    }

    /// A text without what of the address is a key.
    pub fn redact(&self, text: &str) -> String {
        let redact = |text: String, key: &Secret| text.replace(key.reveal(), "***");
        self.keys.iter().fold(text.to_owned(), redact)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_sent_in_its_header_and_stands_in_no_address_or_text() {
        let url = "https://anna:s3cretword@ping.example:8443/uuid-of-it?x=1";
        let watchdog = Watchdog::new(&Secret::new(url)).expect("an address");
        let request = watchdog.request(&Ping::Start);
        assert_eq!(
            request.uri(),
            "https://ping.example:8443/uuid-of-it/start?x=1"
        );
        let sent = request.headers()[AUTHORIZATION].to_str().expect("text");
        assert_eq!(sent, "Basic YW5uYTpzM2NyZXR3b3Jk");
        let shown = watchdog.redact(&format!("{url} {sent}"));
        for secret in ["anna", "s3cret", "YW5uYTpz", "uuid-of-it"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }

    fn uri(url: &str, word: &Ping) -> String {
        let watchdog = Watchdog::new(&Secret::new(url)).expect("an address");
        watchdog.request(word).uri().to_string()
    }

    #[test]
    fn the_words_go_below_the_address_and_before_its_query() {
        let unwell = Ping::Fail("x".to_owned());
        let url = "https://hc.example:8443/ping/KEY/web/?create=1";
        assert_eq!(
            uri(url, &Ping::Start),
            "https://hc.example:8443/ping/KEY/web/start?create=1"
        );
        assert_eq!(
            uri(url, &Ping::Success),
            "https://hc.example:8443/ping/KEY/web?create=1"
        );
        assert_eq!(
            uri(url, &unwell),
            "https://hc.example:8443/ping/KEY/web/fail?create=1"
        );
        assert_eq!(uri("http://h", &Ping::Success), "http://h/");
    }

    #[test]
    fn what_is_no_address_is_refused_and_no_key_is_shown() {
        for bad in ["", "hc.example", "ftp://h/x", "https://", "https://h/a b"] {
            assert!(Watchdog::new(&Secret::new(bad)).is_err(), "{bad:?}");
        }
        let watchdog = Watchdog::new(&Secret::new("https://u:pass@hc.example/s3cret-uuid"))
            .expect("an address");
        assert_eq!(watchdog.origin(), "https://hc.example");
        assert_eq!(
            watchdog.redact("no check s3cret-uuid of u:pass"),
            "no check *** of ***"
        );
    }

    #[tokio::test]
    async fn a_long_reason_is_cut_between_characters() {
        let watchdog = Watchdog::new(&Secret::new("http://h/x")).expect("an address");
        let request = watchdog.request(&Ping::Fail("é".repeat(9_000)));
        let body = http_body_util::BodyExt::collect(request.into_body())
            .await
            .expect("bytes")
            .to_bytes();
        assert!(
            std::str::from_utf8(&body).is_ok() && body.len() == BODY_BYTES,
            "{}",
            body.len()
        );
    }
}
