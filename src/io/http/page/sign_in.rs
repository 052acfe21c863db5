//! Signing in on the page: the token once, and from then on a cookie that stands for it.
//!
//! The cookie is a time and a signature over it, made with the token as key: it is checked without a store, ends by
//! itself, and with every token that is replaced. Whoever reads it does not know the token.

use super::super::access::{self, Refusal};
use super::super::api;
use super::super::body;
use super::super::site;
use super::super::tries::Tries;
use crate::core::time::Wall;
use crate::decode::settings::Secret;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Body;
use hyper::header::{COOKIE, HOST, HeaderMap, HeaderValue, ORIGIN, SET_COOKIE};
use hyper::{Request, Response, StatusCode};
use ring::hmac;
use serde_json::{Value, json};
use std::error::Error;
use std::fmt::Write;
use std::net::IpAddr;
use std::time::Duration;

/// How long one is signed in: a week on call.
const HOLDS: Duration = Duration::from_secs(7 * 24 * 3600);
const NAME: &str = "lastbeat_session";
/// Digits of a port.
const PORT_DIGITS: usize = 5;

/// The cookie's name. Browsers send a host's cookies to all of its ports: with the port in it, one signs in at several
/// lastbeats of a host at once.
fn name(headers: &HeaderMap) -> String {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let port = host
        .and_then(|host| host.rsplit_once(':'))
        .map(|(_, port)| port);
    let is_port = |port: &&str| {
        (1..=PORT_DIGITS).contains(&port.len()) && port.bytes().all(|digit| digit.is_ascii_digit())
    };
    match port.filter(is_port) {
        Some(port) => format!("{NAME}_{port}"),
        None => NAME.to_owned(),
    }
}

/// What a signature is over.
fn signed(until: u64) -> String {
    format!("lastbeat page, signed in until {until}")
}

fn key(token: &Secret) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, token.reveal().as_bytes())
}

/// Whether these headers carry a cookie that this token signed and that holds at `now`, on a request which no page of
/// somebody else's made.
pub(in crate::io::http) fn is_signed_in(headers: &HeaderMap, token: &Secret, now: Wall) -> bool {
    let name = name(headers);
    let cookies = headers.get_all(COOKIE).iter();
    let values = cookies
        .filter_map(|value| value.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().strip_prefix(&*name)?.strip_prefix('='));
    // A browser sends a handful of cookies; who sends hundreds of ours tries something.
    values.take(4).any(|value| holds(value, token, now)) && is_own_page(headers)
}

fn holds(value: &str, token: &Secret, now: Wall) -> bool {
    let Some((until, signature)) = value.split_once('.') else {
        return false;
    };
    let (Some(until), Some(signature)) = (until.parse().ok(), from_hex(signature)) else {
        return false;
    };
    let over = signed(until);
    seconds(now) < until && hmac::verify(&key(token), over.as_bytes(), &signature).is_ok()
}

/// A browser says which page a request comes from: by `Sec-Fetch-Site` where the page came by https or from this machine,
/// and by `Origin` where something is to be changed. Pages of other ports of this host count as strangers too.
pub(in crate::io::http) fn is_own_page(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if let Some(site) = text("sec-fetch-site") {
        return matches!(site, "same-origin" | "none");
    }
    let Some(origin) = text(ORIGIN.as_str()) else {
        return true;
    };
    let from = origin.split_once("://").map(|(_, host)| host);
    from.is_some() && from == text(HOST.as_str())
}

/// Whether the browser speaks https, to us or to a proxy before us.
fn is_https(headers: &HeaderMap) -> bool {
    let starts = |name: &str, with: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.is_some_and(|value| value.starts_with(with))
    };
    starts("origin", "https://") || starts("x-forwarded-proto", "https")
}

/// Answers `GET /sign-in`: whether the asker may see, and if not, how that is opened. No refusal, since a browser writes
/// each of those to its console.
pub(in crate::io::http) fn door(
    headers: &HeaderMap,
    peer: IpAddr,
    token: Option<&Secret>,
    tries: &Tries,
) -> Response<Full<Bytes>> {
    let refusal = access::allow(headers, peer, token, tries).err();
    let said = json!({
        "open": refusal.is_none(),
        "sign_in": refusal == Some(Refusal::Token),
        "what": refusal.map(Refusal::told),
    });
    site::json(StatusCode::OK, &said)
}

/// Answers `POST /sign-in` with `{"token":"..."}`.
pub(in crate::io::http) async fn sign_in<B>(
    request: Request<B>,
    peer: IpAddr,
    token: Option<&Secret>,
    tries: &Tries,
) -> Response<Full<Bytes>>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let Some(token) = token else {
        let what = "no LASTBEAT_TOKEN is set: the page is open on this machine, and nowhere else";
        return api::error(StatusCode::CONFLICT, what);
    };
    if !is_own_page(request.headers()) {
        let what = "this was asked by a page of somebody else's; sign in on the page itself";
        return api::error(StatusCode::FORBIDDEN, what);
    }
    let (name, secure) = (name(request.headers()), is_https(request.headers()));
    let body = match body::json(request).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let said: Option<Value> = serde_json::from_slice(&body).ok();
    let sent = said.as_ref().and_then(|said| said["token"].as_str());
    let Some(sent) = sent else {
        return api::error(StatusCode::BAD_REQUEST, "send {\"token\":\"...\"}");
    };
    let now = crate::clock::wall();
    if let Some(wait) = tries.wait(peer, now) {
        return api::refused(Refusal::Wait(wait));
    }
    if !access::same(sent.trim(), token.reveal()) {
        tries.wrong(peer, now);
        let what = "this is not the token of LASTBEAT_TOKEN";
        return api::error(StatusCode::UNAUTHORIZED, what);
    }
    with_cookie(&name, &cookie(token, now), HOLDS, secure)
}

/// Answers `POST /sign-out`: the browser forgets the cookie.
pub(in crate::io::http) fn sign_out(headers: &HeaderMap) -> Response<Full<Bytes>> {
    if !is_own_page(headers) {
        let what = "this was asked by a page of somebody else's";
        return api::error(StatusCode::FORBIDDEN, what);
    }
    with_cookie(&name(headers), "", Duration::ZERO, is_https(headers))
}

/// The value of a cookie that holds from `now` on.
fn cookie(token: &Secret, now: Wall) -> String {
    let until = seconds(now + HOLDS);
    let signature = hmac::sign(&key(token), signed(until).as_bytes());
    let mut value = format!("{until}.");
    for byte in signature.as_ref() {
        let _ = write!(value, "{byte:02x}");
    }
    value
}

fn with_cookie(name: &str, value: &str, age: Duration, secure: bool) -> Response<Full<Bytes>> {
    let secure = if secure { "; Secure" } else { "" };
    let cookie = format!(
        "{name}={value}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict{secure}",
        age.as_secs()
    );
    let mut response = site::json(StatusCode::OK, &json!({ "signed_in": !value.is_empty() }));
    let cookie = HeaderValue::from_str(&cookie).expect("digits and hex may stand in a header");
    response.headers_mut().insert(SET_COOKIE, cookie);
    response
}

fn seconds(at: Wall) -> u64 {
    at.nanos() / 1_000_000_000
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .map(|c| c.to_digit(16).map(|digit| digit as u8))
        .collect::<Option<_>>()?;
    let whole = digits.len().is_multiple_of(2);
    whole.then(|| {
        digits
            .chunks(2)
            .map(|pair| pair[0] << 4 | pair[1])
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Wall = Wall::from_nanos(1_700_000_000_000_000_000);

    fn signed_in(pairs: &[(&str, &str)], token: &str, now: Wall) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let name: hyper::header::HeaderName = name.parse().expect("a header");
            headers.append(name, value.parse().expect("a value"));
        }
        is_signed_in(&headers, &Secret::new(token), now)
    }

    #[test]
    fn a_cookie_holds_for_its_token_its_time_and_its_own_page() {
        let value = cookie(&Secret::new("t"), NOW);
        assert!(value.starts_with("1700604800.") && !value.contains('t'));
        let ours = format!("other=1; {NAME}_1={value}; {NAME}={value}");
        let case = |more: &[(&str, &str)]| {
            let pairs = [&[("cookie", ours.as_str()), ("host", "a:1")], more].concat();
            signed_in(&pairs, "t", NOW)
        };
        assert!(case(&[]), "a page that is opened");
        assert!(case(&[("origin", "http://a:1")]));
        assert!(case(&[("sec-fetch-site", "same-origin")]));
        assert!(!case(&[("origin", "http://a:2")]), "another port");
        assert!(!case(&[("origin", "null")]));
        assert!(!case(&[("sec-fetch-site", "same-site")]));
        assert!(!case(&[("sec-fetch-site", "cross-site")]));
        let of_another = [("cookie", ours.as_str()), ("host", "a:2")];
        assert!(
            !signed_in(&of_another, "t", NOW),
            "a cookie of another port"
        );
        assert!(!signed_in(&[("cookie", &ours)], "another token", NOW));
        assert!(signed_in(&[("cookie", &ours)], "t", NOW + HOLDS / 2));
        assert!(!signed_in(&[("cookie", &ours)], "t", NOW + HOLDS));
    }

    #[test]
    fn a_cookie_that_was_touched_holds_no_more() {
        let value = cookie(&Secret::new("t"), NOW);
        let longer = value.replacen("1700604800", "1900000000", 1);
        let cut = &value[..value.len() - 2];
        for value in [
            &longer,
            cut,
            "1900000000.",
            "1900000000",
            ".",
            "",
            "t",
            "1900000000.ä",
        ] {
            let cookie = format!("{NAME}={value}");
            let Ok(cookie) = HeaderValue::from_bytes(cookie.as_bytes()) else {
                continue;
            };
            let mut headers = HeaderMap::new();
            headers.insert(COOKIE, cookie);
            assert!(!is_signed_in(&headers, &Secret::new("t"), NOW), "{value}");
        }
    }
}
