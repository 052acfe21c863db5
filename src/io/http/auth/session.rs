//! Sessions of the page: a browser signs in with the token once, and from then on sends a cookie that stands for it.
//!
//! The cookie is a time and a signature over it, made with the token as key: it is checked without a store, ends by
//! itself, and with every token that is replaced. The token cannot be read from it.

use super::origin::{is_own_page, text};
use crate::core::time::Wall;
use crate::decode::settings::Secret;
use axum::http::header::{COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};
use data_encoding::HEXLOWER;
use ring::hmac;
use std::time::Duration;

/// The length of a session: a week on call.
const HOLDS: Duration = Duration::from_secs(7 * 24 * 3600);
const NAME: &str = "lastbeat_session";
/// Digits of a port.
const PORT_DIGITS: usize = 5;
/// Cookies looked at: a browser sends one of ours, and hundreds are an attack.
const MAX_COOKIES: usize = 4;

/// The cookie's name. Browsers send a host's cookies to all of its ports: with the port in it, a browser has a session at
/// each of several lastbeats on one host.
fn name(headers: &HeaderMap) -> String {
    let port = text(headers, &HOST).and_then(|host| host.rsplit_once(':'));
    let is_port = |port: &&str| {
        (1..=PORT_DIGITS).contains(&port.len()) && port.bytes().all(|digit| digit.is_ascii_digit())
    };
    match port.map(|(_, port)| port).filter(is_port) {
        Some(port) => format!("{NAME}_{port}"),
        None => NAME.to_owned(),
    }
}

/// The text that a signature is over.
fn signed(until: u64) -> String {
    format!("lastbeat page, signed in until {until}")
}

fn key(token: &Secret) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, token.reveal().as_bytes())
}

/// True where these headers carry a cookie that this token signed and that holds at `now`, on a request that no other
/// site's page made.
pub(super) fn is_signed_in(headers: &HeaderMap, token: &Secret, now: Wall) -> bool {
    let name = name(headers);
    let cookies = headers.get_all(COOKIE).iter();
    let values = cookies
        .filter_map(|value| value.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().strip_prefix(&*name)?.strip_prefix('='));
    let mut values = values.take(MAX_COOKIES);
    values.any(|value| holds(value, token, now)) && is_own_page(headers)
}

fn holds(value: &str, token: &Secret, now: Wall) -> bool {
    let Some((until, signature)) = value.split_once('.') else {
        return false;
    };
    let (Ok(until), Ok(signature)) = (until.parse(), HEXLOWER.decode(signature.as_bytes())) else {
        return false;
    };
    let over = signed(until);
    seconds(now) < until && hmac::verify(&key(token), over.as_bytes(), &signature).is_ok()
}

/// True where the browser speaks https, to lastbeat or to a proxy before it.
fn is_https(headers: &HeaderMap) -> bool {
    let starts = |name, with| text(headers, &name).is_some_and(|value| value.starts_with(with));
    let proto = HeaderName::from_static("x-forwarded-proto");
    starts(ORIGIN, "https://") || starts(proto, "https")
}

/// The `Set-Cookie` of a session that begins now.
pub(in crate::io::http) fn begin(headers: &HeaderMap, token: &Secret) -> HeaderValue {
    set_cookie(headers, &cookie(token, crate::clock::wall()), HOLDS)
}

/// The `Set-Cookie` that ends a session.
pub(in crate::io::http) fn end(headers: &HeaderMap) -> HeaderValue {
    set_cookie(headers, "", Duration::ZERO)
}

/// The value of a cookie that holds from `now` on.
fn cookie(token: &Secret, now: Wall) -> String {
    let until = seconds(now + HOLDS);
    let signature = hmac::sign(&key(token), signed(until).as_bytes());
    format!("{until}.{}", HEXLOWER.encode(signature.as_ref()))
}

fn set_cookie(headers: &HeaderMap, value: &str, age: Duration) -> HeaderValue {
    let (name, age) = (name(headers), age.as_secs());
    let secure = if is_https(headers) { "; Secure" } else { "" };
    let cookie =
        format!("{name}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::from_str(&cookie).expect("digits and hex are header text")
}

fn seconds(at: Wall) -> u64 {
    at.nanos() / 1_000_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Wall = Wall::from_nanos(1_700_000_000_000_000_000);

    fn signed_in(pairs: &[(&str, &str)], token: &str, now: Wall) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let name: axum::http::header::HeaderName = name.parse().expect("a header");
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
