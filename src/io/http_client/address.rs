//! An address of the user's own, which may hold secrets: in its path, its query, or as `user:password@`.

use crate::decode::settings::Secret;
use bytes::Bytes;
use data_encoding::BASE64;
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Uri};
use percent_encoding::percent_decode_str;

/// User agent of lastbeat's requests.
const AGENT: &str = concat!("lastbeat/", env!("CARGO_PKG_VERSION"));

/// An invalid address. It never holds the address.
#[derive(Debug, thiserror::Error)]
#[error("invalid address; expected one like https://example.com/hook")]
pub struct AddressFault;

/// Where requests go.
pub struct Address {
    uri: Uri,
    /// Its `user:password@`, in the form in which it is sent.
    authorization: Option<HeaderValue>,
    /// Its secret parts, which no log may show: everything behind its host, and the user.
    secrets: Vec<Secret>,
}

impl Address {
    /// Reads an address of http or https.
    ///
    /// # Errors
    /// [`AddressFault`] if it is invalid.
    pub fn new(url: &str) -> Result<Self, AddressFault> {
        let whole: Uri = url.parse().map_err(|_| AddressFault)?;
        let schemes = [Some("http"), Some("https")];
        if whole.host().is_none_or(str::is_empty) || !schemes.contains(&whole.scheme_str()) {
            return Err(AddressFault);
        }
        let authority = whole
            .authority()
            .map(|one| one.as_str())
            .unwrap_or_default();
        let (user, place) = match authority.rsplit_once('@') {
            Some((user, place)) => (Some(user.to_owned()), place.to_owned()),
            None => (None, authority.to_owned()),
        };
        let mut parts = whole.into_parts();
        parts.authority = Some(place.parse().map_err(|_| AddressFault)?);
        let uri = Uri::from_parts(parts).map_err(|_| AddressFault)?;
        let password = user.as_deref().and_then(|user| user.split_once(':'));
        // Receivers repeat what they were sent, in its encoded form too.
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let sent = user.as_deref().map(encoded);
        let plain = password.map(|(_, password)| decoded(password));
        let behind = [
            Some(uri.path().trim_end_matches('/')),
            uri.query(),
            user.as_deref(),
            password.map(|(_, password)| password),
            sent.as_deref(),
            plain.as_deref(),
        ];
        // A lone / is in every text, and so is a single letter.
        let secrets = behind.into_iter().flatten().filter(|part| part.len() > 1);
        Ok(Address {
            secrets: secrets.map(Secret::new).collect(),
            authorization: user.map(|user| basic(&user)).transpose()?,
            uri,
        })
    }

    /// The same with a path behind its own.
    ///
    /// # Errors
    /// [`AddressFault`] if the path is invalid.
    pub fn below(&self, path: &str) -> Result<Self, AddressFault> {
        let mut parts = self.uri.clone().into_parts();
        let own = self.uri.path().trim_end_matches('/');
        parts.path_and_query = Some(format!("{own}{path}").parse().map_err(|_| AddressFault)?);
        Ok(Address {
            uri: Uri::from_parts(parts).map_err(|_| AddressFault)?,
            authorization: self.authorization.clone(),
            secrets: self.secrets.clone(),
        })
    }

    /// The same with what else no log may show.
    #[must_use]
    pub fn redacting(mut self, secrets: impl IntoIterator<Item = Secret>) -> Self {
        self.secrets.extend(secrets);
        self
    }

    /// A request to it, without a body.
    pub fn request(
        &self,
        method: Method,
        body: Bytes,
        content_type: &'static str,
    ) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = self.uri.clone();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        request
    }

    /// The header that carries its user; `None`: it has none.
    pub fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }

    /// Scheme and host, for people.
    pub fn origin(&self) -> String {
        peer(&self.uri)
    }

    /// A text without what is secret of the address.
    pub fn redact(&self, text: &str) -> String {
        let redact = |text: String, part: &Secret| text.replace(part.reveal(), "***");
        self.secrets.iter().fold(text.to_owned(), redact)
    }
}

/// A user as the header carries it.
fn encoded(user: &str) -> String {
    let plain: Vec<u8> = percent_decode_str(user).collect();
    BASE64.encode(&plain)
}

fn basic(user: &str) -> Result<HeaderValue, AddressFault> {
    let text = format!("Basic {}", encoded(user));
    let mut value = HeaderValue::from_str(&text).map_err(|_| AddressFault)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Scheme, host and port of an address; nothing else of it may be shown.
pub(super) fn peer(uri: &Uri) -> String {
    let scheme = uri.scheme_str().unwrap_or("http");
    let host = uri.host().unwrap_or("(no host)");
    match uri.port_u16() {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_secret_of_an_address_is_sent_and_not_shown() {
        let url = "https://anna:s%40cret@example.com:8443/t0ken?key=k3y";
        let address = Address::new(url).expect("an address");
        let request = address.request(Method::POST, Bytes::new(), "text/plain");
        assert_eq!(request.uri(), "https://example.com:8443/t0ken?key=k3y");
        assert_eq!(
            request.headers()[AUTHORIZATION],
            format!("Basic {}", BASE64.encode(b"anna:s@cret"))
        );
        assert_eq!(address.origin(), "https://example.com:8443");
        let said = format!("no route to {url} {:?}", request.headers());
        let shown = address.redact(&said);
        let basic = BASE64.encode(b"anna:s@cret");
        let shown = shown + &address.redact(&format!("you sent Basic {basic}, which is s@cret"));
        for secret in ["anna", "s%40cret", "s@cret", "t0ken", "k3y", &basic] {
            assert!(!shown.contains(secret), "{shown}");
        }
        let below = address.below("/api/v2/alerts").expect("a path");
        let request = below.request(Method::PUT, Bytes::new(), "text/plain");
        assert_eq!(
            request.uri(),
            "https://example.com:8443/t0ken/api/v2/alerts"
        );
        assert!(request.headers().contains_key(AUTHORIZATION));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for url in [
            "",
            "x",
            "ftp://x/y",
            "https://",
            "mailto:a@b",
            "https://u@/x",
        ] {
            assert!(Address::new(url).is_err(), "{url}");
        }
    }
}
