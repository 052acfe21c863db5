//! Sessions of the page: a browser signs in with the token once, and from then on sends a cookie that stands for it.
//!
//! The cookie is a time, a random number and a signature over both, made with the token as key: it is checked without a
//! store, ends by itself, and with every token that is replaced. The token cannot be read from it. Signing out ends it on
//! the server too, by its number, until the server restarts.

use super::origin::{is_own_page, text};
use crate::core::time::Wall;
use crate::decode::settings::Secret;
use axum::http::header::{COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};
use data_encoding::HEXLOWER;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
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

/// Ended sessions that are remembered; the one that would have ended first by itself leaves first.
const MAX_ENDED: usize = 10_000;
/// Bytes of a session's number.
const NUMBER_BYTES: usize = 16;

/// Sessions that were ended before their time: the end that each would have had, in seconds of the wall clock, and its
/// number.
#[derive(Default)]
pub(in crate::io::http) struct EndedSessions(Mutex<BTreeSet<(u64, String)>>);

impl EndedSessions {
    fn add(&self, until: u64, number: &str, now: Wall) {
        let mut ended = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *ended = ended.split_off(&(seconds(now), String::new()));
        ended.insert((until, number.to_owned()));
        if ended.len() > MAX_ENDED {
            ended.pop_first();
        }
    }

    fn has(&self, until: u64, number: &str) -> bool {
        let ended = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ended.contains(&(until, number.to_owned()))
    }
}

/// The text that a signature is over.
fn signed(until: u64, number: &str) -> String {
    format!("lastbeat page, session {number}, signed in until {until}")
}

fn key(token: &Secret) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, token.reveal().as_bytes())
}

/// True where these headers carry a cookie that this token signed and that holds at `now`, on a request that no other
/// site's page made.
pub(super) fn is_signed_in(
    headers: &HeaderMap,
    token: &Secret,
    now: Wall,
    ended: &EndedSessions,
) -> bool {
    let mut sessions = sessions(headers, token, now);
    sessions.any(|(until, number)| !ended.has(until, number)) && is_own_page(headers)
}

/// Ends the sessions whose cookies these headers carry.
pub(in crate::io::http) fn forget(headers: &HeaderMap, token: &Secret, ended: &EndedSessions) {
    let now = crate::clock::wall();
    for (until, number) in sessions(headers, token, now) {
        ended.add(until, number, now);
    }
}

/// End and number of each session whose cookie these headers carry, signed by this token and not over.
fn sessions<'a>(
    headers: &'a HeaderMap,
    token: &Secret,
    now: Wall,
) -> impl Iterator<Item = (u64, &'a str)> {
    let name = name(headers);
    let cookies = headers.get_all(COOKIE).iter();
    let values = cookies
        .filter_map(|value| value.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(move |cookie| cookie.trim().strip_prefix(&*name)?.strip_prefix('='));
    values
        .take(MAX_COOKIES)
        .filter_map(move |value| session(value, token, now))
}

fn session<'a>(value: &'a str, token: &Secret, now: Wall) -> Option<(u64, &'a str)> {
    let (until, rest) = value.split_once('.')?;
    let (number, signature) = rest.split_once('.')?;
    let until: u64 = until.parse().ok()?;
    let signature = HEXLOWER.decode(signature.as_bytes()).ok()?;
    let over = signed(until, number);
    let holds =
        seconds(now) < until && hmac::verify(&key(token), over.as_bytes(), &signature).is_ok();
    holds.then_some((until, number))
}

/// True where the browser speaks https, to lastbeat or to a proxy before it.
fn is_https(headers: &HeaderMap) -> bool {
    let starts = |name, with| text(headers, &name).is_some_and(|value| value.starts_with(with));
    let proto = HeaderName::from_static("x-forwarded-proto");
    starts(ORIGIN, "https://") || starts(proto, "https")
}

/// The `Set-Cookie` of a session that begins now; `None`: the system gives no random bytes.
pub(in crate::io::http) fn begin(headers: &HeaderMap, token: &Secret) -> Option<HeaderValue> {
    let mut number = [0; NUMBER_BYTES];
    SystemRandom::new().fill(&mut number).ok()?;
    let cookie = cookie(token, crate::clock::wall(), &HEXLOWER.encode(&number));
    Some(set_cookie(headers, &cookie, HOLDS))
}

/// The `Set-Cookie` that ends a session.
pub(in crate::io::http) fn end(headers: &HeaderMap) -> HeaderValue {
    set_cookie(headers, "", Duration::ZERO)
}

/// The value of a cookie that holds from `now` on.
fn cookie(token: &Secret, now: Wall, number: &str) -> String {
    let until = seconds(now + HOLDS);
    let signature = hmac::sign(&key(token), signed(until, number).as_bytes());
    format!("{until}.{number}.{}", HEXLOWER.encode(signature.as_ref()))
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
        is_signed_in(
            &headers,
            &Secret::new(token),
            now,
            &EndedSessions::default(),
        )
    }

    #[test]
    fn a_cookie_holds_for_its_token_its_time_and_its_own_page() {
        let value = cookie(&Secret::new("t"), NOW, "0a");
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
        let value = cookie(&Secret::new("t"), NOW, "0a");
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
            let ended = EndedSessions::default();
            assert!(
                !is_signed_in(&headers, &Secret::new("t"), NOW, &ended),
                "{value}"
            );
        }
    }

    #[test]
    fn a_session_that_was_ended_holds_no_more_and_others_do() {
        let now = crate::clock::wall();
        let token = Secret::new("t");
        let ended = EndedSessions::default();
        let headers = |number: &str| {
            let mut headers = HeaderMap::new();
            let cookie = format!("{NAME}={}", cookie(&token, now, number));
            headers.insert(COOKIE, cookie.parse().expect("a value"));
            headers
        };
        let (one, other) = (headers("0a"), headers("0b"));
        assert!(is_signed_in(&one, &token, now, &ended));
        forget(&one, &token, &ended);
        assert!(!is_signed_in(&one, &token, now, &ended));
        assert!(is_signed_in(&other, &token, now, &ended));
        forget(&headers("0c"), &Secret::new("another"), &ended);
        assert!(
            is_signed_in(&headers("0c"), &token, now, &ended),
            "not its token"
        );
    }

    #[test]
    fn ended_sessions_are_limited_and_leave_by_themselves() {
        let ended = EndedSessions::default();
        for at in 0..MAX_ENDED as u64 + 10 {
            ended.add(seconds(NOW) + at, "0a", NOW);
        }
        assert!(!ended.has(seconds(NOW) + 9, "0a") && ended.has(seconds(NOW) + 10, "0a"));
        ended.add(1_900_000_000, "0b", NOW + HOLDS);
        assert_eq!(ended.0.lock().expect("whole").len(), 1);
    }
}
