//! Who may see and change what is not open to all.
//!
//! With a token, whoever sends it. Without one, this machine alone: and not a page of somebody else's that a browser on
//! this machine shows, so the request has to name this machine as its host, and as its origin where it has one.

use super::page::sign_in;
use super::tries::Tries;
use crate::decode::settings::Secret;
use hyper::header::{AUTHORIZATION, HOST, HeaderMap, HeaderName, ORIGIN};
use std::hint::black_box;
use std::net::IpAddr;
use std::time::Duration;

/// Why somebody is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No token, or a wrong one.
    Token,
    /// No token is set, and the request comes from elsewhere.
    Elsewhere,
    /// No token is set, and the request was made by a page of somebody else's.
    Foreign,
    /// A browser says that a page of somebody else's made the request.
    Stranger,
    /// Too many wrong tokens came; none is looked at for so long.
    Wait(Duration),
}

impl Refusal {
    /// What is the matter and how to open it.
    pub(super) fn told(self) -> &'static str {
        match self {
            Refusal::Token => {
                "this path asks for the token of LASTBEAT_TOKEN: send it as `Authorization: Bearer TOKEN`"
            }
            Refusal::Elsewhere => {
                "this path answers this machine only: set LASTBEAT_TOKEN (or LASTBEAT_TOKEN_FILE) and send it as \
                 `Authorization: Bearer TOKEN`"
            }
            Refusal::Foreign => {
                "without LASTBEAT_TOKEN this path answers requests to a loopback address only, such as \
                 http://127.0.0.1:9090, and from no other site"
            }
            Refusal::Stranger => "this was asked by a page of somebody else's",
            Refusal::Wait(_) => "too many wrong tokens; wait a minute",
        }
    }
}

/// Whether a request of this peer with these headers may go on.
pub(super) fn allow(
    headers: &HeaderMap,
    peer: IpAddr,
    token: Option<&Secret>,
    tries: &Tries,
) -> Result<(), Refusal> {
    let Some(token) = token else {
        return allow_here(headers, peer);
    };
    let now = crate::clock::wall();
    let sent = text(headers, AUTHORIZATION).and_then(|text| text.split_once(' '));
    let sent = sent.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let Some((_, sent)) = sent else {
        let is_in = sign_in::is_signed_in(headers, token, now);
        return is_in.then_some(()).ok_or(Refusal::Token);
    };
    if !sign_in::is_own_page(headers) {
        return Err(Refusal::Stranger);
    }
    if let Some(wait) = tries.wait(peer, now) {
        return Err(Refusal::Wait(wait));
    }
    if same(sent.trim(), token.reveal()) {
        tries.right(peer, now);
        Ok(())
    } else {
        tries.wrong(peer, now);
        Err(Refusal::Token)
    }
}

fn allow_here(headers: &HeaderMap, peer: IpAddr) -> Result<(), Refusal> {
    if !peer.to_canonical().is_loopback() {
        return Err(Refusal::Elsewhere);
    }
    // Of two names we would look at one, and whoever stands before us at the other.
    if headers.get_all(HOST).iter().count() > 1 {
        return Err(Refusal::Foreign);
    }
    let host = text(headers, HOST).ok_or(Refusal::Foreign)?;
    let own = |origin: &str| {
        origin
            .split_once("://")
            .is_some_and(|(_, rest)| rest == host)
    };
    let from_here = match headers.get(ORIGIN) {
        None => true,
        Some(origin) => origin.to_str().is_ok_and(own),
    };
    if is_loopback(host) && from_here {
        Ok(())
    } else {
        Err(Refusal::Foreign)
    }
}

/// Whether a `Host` names this machine: any other name may be one that somebody else lets point here.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    let is_address = name
        .parse::<IpAddr>()
        .is_ok_and(|address| address.to_canonical().is_loopback());
    is_address || name.eq_ignore_ascii_case("localhost")
}

/// Compares in a time that depends on the lengths alone.
pub(super) fn same(sent: &str, token: &str) -> bool {
    let (sent, token) = (sent.as_bytes(), token.as_bytes());
    let differ = sent
        .iter()
        .zip(token)
        .fold(0, |differ, (a, b)| black_box(differ | (a ^ b)));
    sent.len() == token.len() && differ == 0
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
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
        use Refusal::{Elsewhere, Foreign, Token};
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
            (None, "fdaa::5", &[("host", "localhost")], Err(Elsewhere)),
            (
                None,
                "10.1.2.3",
                &[("authorization", "Bearer x"), ("host", "localhost")],
                Err(Elsewhere),
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
            let token = token.map(Secret::new);
            let found = allow(&headers, peer, token.as_ref(), &Tries::default());
            assert_eq!(found, *expected, "{token:?} {peer} {pairs:?}");
        }
    }
}
