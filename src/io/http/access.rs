//! Who may see and change what is not open to all.
//!
//! With a token, whoever sends it. Without one, this machine alone: and not a page of somebody else's that a browser on
//! this machine shows, so the request has to name this machine as its host, and as its origin where it has one. Nor
//! somebody far away for whom a proxy on this machine asks.
//!
//! What is open to all is not open to such a page either: a name of somebody else's that points to this machine is no name
//! of ours. Of requests from elsewhere no name is asked: scrapers know us by whatever name their network has for us.

use super::page::sign_in;
use super::tries::Tries;
use crate::decode::settings::Secret;
use hyper::Version;
use hyper::header::{AUTHORIZATION, FORWARDED, HOST, HeaderMap, HeaderName, ORIGIN, VIA};
use std::net::IpAddr;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// What proxies say of whom they ask for.
const OF_PROXIES: [HeaderName; 5] = [
    FORWARDED,
    VIA,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-real-ip"),
];

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
        Ok(())
    } else {
        tries.wrong(peer, now);
        Err(Refusal::Token)
    }
}

fn allow_here(headers: &HeaderMap, peer: IpAddr) -> Result<(), Refusal> {
    let is_proxied = OF_PROXIES.iter().any(|name| headers.contains_key(name));
    if is_proxied || !peer.to_canonical().is_loopback() {
        return Err(Refusal::Elsewhere);
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
    if is_loopback(host) && from_here && sign_in::is_own_page(headers) {
        Ok(())
    } else {
        Err(Refusal::Foreign)
    }
}

/// Whether the headers name us once, as HTTP has it. Of two names we would look at one, and whoever stands before us at the
/// other.
pub(super) fn names_one_host(headers: &HeaderMap, version: Version) -> bool {
    let named = headers.get_all(HOST).iter().count();
    named == 1 || named == 0 && version < Version::HTTP_11
}

/// Whether a page of somebody else's may have made a request of what is open to all: a browser on this machine, to which
/// somebody else's name was said to point here. An address is nobody's name.
pub(super) fn is_rebound(headers: &HeaderMap, peer: IpAddr, token: Option<&Secret>) -> bool {
    let host = headers.get(HOST);
    let is_ours = |host: &str| host_name(host).parse::<IpAddr>().is_ok() || is_loopback(host);
    token.is_none()
        && peer.to_canonical().is_loopback()
        && host.is_some_and(|host| !host.to_str().is_ok_and(is_ours))
}

/// Whether a `Host` names this machine: any other name may be one that somebody else lets point here.
fn is_loopback(host: &str) -> bool {
    let name = host_name(host);
    let is_address = name
        .parse::<IpAddr>()
        .is_ok_and(|address| address.to_canonical().is_loopback());
    is_address || name.eq_ignore_ascii_case("localhost")
}

/// A `Host` without its port.
fn host_name(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    }
}

/// Compares in a time that depends on the lengths alone.
pub(super) fn same(sent: &str, token: &str) -> bool {
    sent.as_bytes().ct_eq(token.as_bytes()).into()
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
                Err(Elsewhere),
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

    #[test]
    fn a_name_of_somebody_elses_is_none_of_this_machines() {
        let rebound = |host: Option<&str>, peer: &str, token: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(host) = host {
                headers.insert(HOST, host.parse().expect("a value"));
            }
            let peer = peer.parse().expect("an address");
            is_rebound(&headers, peer, token.map(Secret::new).as_ref())
        };
        for host in [
            "localhost:9090",
            "LOCALHOST",
            "127.0.0.1",
            "[::1]:9090",
            "10.0.0.1:9090",
        ] {
            assert!(!rebound(Some(host), "127.0.0.1", None), "{host}");
        }
        for host in [
            "evil.example:9090",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "",
            "[",
            "x",
        ] {
            assert!(rebound(Some(host), "::1", None), "{host}");
            assert!(
                !rebound(Some(host), "fdaa::5", None),
                "{host}: scrapers have names for us"
            );
            assert!(
                !rebound(Some(host), "::1", Some("t")),
                "{host}: with a token any"
            );
        }
        assert!(!rebound(None, "127.0.0.1", None), "a check by HTTP/1.0");
    }
}
