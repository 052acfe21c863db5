//! The rules of access to what is not open to all.
//!
//! A request has to carry the token, or the cookie of a session. Without a token (a demo), only this machine has access: and
//! not another site's page that a browser on this machine shows, so the request has to name this machine as its host, and
//! as its origin where it has one. Nor a remote client for which a proxy on this machine asks.

use super::attempts::Attempts;
use super::origin::{is_loopback, is_own_page, text};
use super::session;
use super::web_access::WebAccess;
use crate::decode::settings::Secret;
use axum::http::header::{AUTHORIZATION, FORWARDED, HOST, HeaderMap, HeaderName, ORIGIN, VIA};
use std::net::IpAddr;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// Headers by which proxies name the client that they ask for.
const PROXY_HEADERS: [HeaderName; 5] = [
    FORWARDED,
    VIA,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-real-ip"),
];

/// The reason why a request is refused; its text says what opens the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::io::http) enum Refusal {
    /// No token, or a wrong one.
    #[error(
        "this path needs the token of LASTBEAT_TOKEN, or else that of the file that the log names: send it as \
         `Authorization: Bearer TOKEN`"
    )]
    Token,
    /// No token is set, and the request comes from another machine.
    #[error("a demo can be changed from its own machine only")]
    Remote,
    /// No token is set, and the request does not name this machine, or another site's page made it.
    #[error(
        "without a token this path answers requests to a loopback address only, such as http://127.0.0.1:9090, and from no \
         other site"
    )]
    Foreign,
    /// A browser says that another site's page made the request.
    #[error("refused: a page of another site made this request")]
    CrossSite,
    /// Too many wrong tokens came; none is looked at for so long.
    #[error("too many wrong tokens; wait a minute")]
    Wait(Duration),
}

/// Allows or refuses a request of this peer with these headers.
pub(in crate::io::http) fn allow(
    headers: &HeaderMap,
    peer: IpAddr,
    access: &WebAccess,
    attempts: &Attempts,
) -> Result<(), Refusal> {
    let Some(token) = access.token() else {
        return allow_local(headers, peer);
    };
    let token = &*token;
    let now = crate::clock::wall();
    let sent = text(headers, &AUTHORIZATION).and_then(|text| text.split_once(' '));
    let sent = sent.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let Some((_, sent)) = sent else {
        let signed_in = session::is_signed_in(headers, token, now, &access.ended);
        return signed_in.then_some(()).ok_or(Refusal::Token);
    };
    if !is_own_page(headers) {
        return Err(Refusal::CrossSite);
    }
    if try_token(sent, token, peer, attempts)? {
        Ok(())
    } else {
        Err(Refusal::Token)
    }
}

/// Compares a token that this peer sent; a wrong one counts as an attempt, and after too many none is looked at.
pub(in crate::io::http) fn try_token(
    sent: &str,
    token: &Secret,
    peer: IpAddr,
    attempts: &Attempts,
) -> Result<bool, Refusal> {
    let now = crate::clock::wall();
    if let Some(wait) = attempts.wait(peer, now) {
        return Err(Refusal::Wait(wait));
    }
    // In a time that depends on the lengths alone.
    let right = bool::from(sent.trim().as_bytes().ct_eq(token.reveal().as_bytes()));
    if !right {
        attempts.wrong(peer, now);
    }
    Ok(right)
}

fn allow_local(headers: &HeaderMap, peer: IpAddr) -> Result<(), Refusal> {
    let is_proxied = PROXY_HEADERS.iter().any(|name| headers.contains_key(name));
    if is_proxied || !peer.to_canonical().is_loopback() {
        return Err(Refusal::Remote);
    }
    let host = text(headers, &HOST).ok_or(Refusal::Foreign)?;
    let names_host = |origin: &str| {
        origin
            .split_once("://")
            .is_some_and(|(_, rest)| rest == host)
    };
    let from_here = match headers.get(ORIGIN) {
        None => true,
        Some(origin) => origin.to_str().is_ok_and(names_host),
    };
    if is_loopback(host) && from_here && is_own_page(headers) {
        Ok(())
    } else {
        Err(Refusal::Foreign)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Token, peer, headers, verdict.
    type Case<'a> = (
        Option<&'a str>,
        &'a str,
        &'a [(&'a str, &'a str)],
        Result<(), Refusal>,
    );

    #[test]
    fn who_may() {
        use Refusal::{Foreign, Remote, Token};
        let cases: &[Case<'_>] = &[
            (None, "127.0.0.1", &[("host", "127.0.0.1:9090")], Ok(())),
            (None, "::1", &[("host", "[::1]:9090")], Ok(())),
            (None, "::ffff:127.0.0.1", &[("host", "LocalHost")], Ok(())),
            (
                None,
                "127.0.0.1",
                &[("host", "evil.example:9090")],
                Err(Foreign),
            ),
            (
                None,
                "127.0.0.1",
                &[("host", "localhost.evil.example")],
                Err(Foreign),
            ),
            (
                None,
                "127.0.0.1",
                &[("host", "10.0.0.1:9090")],
                Err(Foreign),
            ),
            (None, "127.0.0.1", &[], Err(Foreign)),
            (
                None,
                "127.0.0.1",
                &[("host", "localhost:1"), ("origin", "http://localhost:1")],
                Ok(()),
            ),
            (
                None,
                "127.0.0.1",
                &[("host", "localhost:1"), ("origin", "http://localhost:2")],
                Err(Foreign),
            ),
            (
                None,
                "127.0.0.1",
                &[("host", "localhost:1"), ("origin", "null")],
                Err(Foreign),
            ),
            (
                None,
                "127.0.0.1",
                &[("host", "localhost:1"), ("sec-fetch-site", "same-site")],
                Err(Foreign),
            ),
            (
                None,
                "127.0.0.1",
                &[("host", "localhost:1"), ("sec-fetch-site", "none")],
                Ok(()),
            ),
            (
                None,
                "127.0.0.1",
                &[
                    ("host", "localhost:1"),
                    ("origin", "http://localhost:2"),
                    ("sec-fetch-site", "same-origin"),
                ],
                Err(Foreign),
            ),
            (
                None,
                "127.0.0.1",
                &[("host", "localhost:1"), ("x-forwarded-for", "192.0.2.1")],
                Err(Remote),
            ),
            (None, "fdaa::5", &[("host", "localhost")], Err(Remote)),
            (
                None,
                "10.1.2.3",
                &[("authorization", "Bearer x"), ("host", "localhost")],
                Err(Remote),
            ),
            (
                Some("x y"),
                "10.1.2.3",
                &[("authorization", "Bearer x y")],
                Ok(()),
            ),
            (
                Some("x"),
                "10.1.2.3",
                &[("authorization", "bearer x")],
                Ok(()),
            ),
            (
                Some("x"),
                "10.1.2.3",
                &[("authorization", "Bearer xx")],
                Err(Token),
            ),
            (
                Some("x"),
                "10.1.2.3",
                &[("authorization", "Bearer ")],
                Err(Token),
            ),
            (
                Some("x"),
                "10.1.2.3",
                &[("authorization", "Basic x")],
                Err(Token),
            ),
            (Some("x"), "127.0.0.1", &[("host", "localhost")], Err(Token)),
        ];
        for (token, peer, pairs, expected) in cases {
            let mut headers = HeaderMap::new();
            for (name, value) in *pairs {
                let name: HeaderName = name.parse().expect("a header");
                headers.insert(name, value.parse().expect("a value"));
            }
            let peer = peer.parse().expect("an address");
            let access = WebAccess::new(token.map(Secret::new), false);
            let found = allow(&headers, peer, &access, &Attempts::default());
            assert_eq!(found, *expected, "{token:?} {peer} {pairs:?}");
        }
    }
}
