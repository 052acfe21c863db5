//! The origin of a request: the host that it names, and the page that made it.

use crate::decode::settings::Secret;
use axum::http::header::{HOST, HeaderMap, HeaderName, ORIGIN};
use axum::http::{Uri, Version};
use std::net::IpAddr;

/// The reason why no handler sees a request, whatever it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::io::http) enum BadOrigin {
    /// The headers name no host, or two: of two, lastbeat would look at one, and a proxy before it at the other.
    HostCount,
    /// The address names another host than the header does: a proxy's form of request, or one made to be read in two ways.
    HostMismatch,
    /// Another site's page may have made it: a browser on this machine, for which another site's name points here.
    Rebound,
}

/// Checks the host that a request names. A name is asked of this machine's browsers alone, and without a token: scrapers
/// elsewhere know lastbeat by whatever name their network has for it. `/healthz` tells nothing, and answers to any name.
pub(in crate::io::http) fn check(
    uri: &Uri,
    version: Version,
    headers: &HeaderMap,
    peer: IpAddr,
    token: Option<&Secret>,
) -> Result<(), BadOrigin> {
    let named = headers.get_all(HOST).iter().count();
    if named != 1 && !(named == 0 && version < Version::HTTP_11) {
        return Err(BadOrigin::HostCount);
    }
    if uri.path() != "/healthz" && is_rebound(headers, peer, token) {
        return Err(BadOrigin::Rebound);
    }
    let host = headers.get(HOST).map(|host| host.as_bytes());
    match uri.authority() {
        Some(authority) if host != Some(authority.as_str().as_bytes()) => {
            Err(BadOrigin::HostMismatch)
        }
        _ => Ok(()),
    }
}

/// True where another site's page may have made the request (DNS rebinding). An address belongs to no other site.
fn is_rebound(headers: &HeaderMap, peer: IpAddr, token: Option<&Secret>) -> bool {
    let host = headers.get(HOST);
    let is_ours = |host: &str| host_name(host).parse::<IpAddr>().is_ok() || is_loopback(host);
    token.is_none()
        && peer.to_canonical().is_loopback()
        && host.is_some_and(|host| !host.to_str().is_ok_and(is_ours))
}

/// True where a browser says that the request comes from a page of this very address: by `Sec-Fetch-Site` where the page
/// came by https or from this machine, and by `Origin` where something is to be changed. Pages of other ports of this host
/// count as other sites; a client that is no browser says nothing.
pub(in crate::io::http) fn is_own_page(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if let Some(site) = text("sec-fetch-site")
        && headers.get_all(ORIGIN).iter().count() <= 1
    {
        return matches!(site, "same-origin" | "none");
    }
    if headers.get_all(ORIGIN).iter().count() > 1 {
        return false;
    }
    let Some(origin) = text(ORIGIN.as_str()) else {
        return true;
    };
    let from = origin.split_once("://").map(|(_, host)| host);
    from.is_some() && from == text(HOST.as_str())
}

/// True where a `Host` names this machine: any other name may be one that another site lets point here.
pub(super) fn is_loopback(host: &str) -> bool {
    let name = host_name(host);
    let is_address = name
        .parse::<IpAddr>()
        .is_ok_and(|address| address.to_canonical().is_loopback());
    is_address || name.eq_ignore_ascii_case("localhost")
}

/// A `Host` without its port.
fn host_name(host: &str) -> &str {
    match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, "")) => address,
        Some((address, port)) if is_port(port) => address,
        // Neither an address nor a name.
        Some(_) => "",
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    }
}

/// True for a colon and digits.
fn is_port(text: &str) -> bool {
    let port = text.strip_prefix(':');
    port.is_some_and(|port| !port.is_empty() && port.bytes().all(|digit| digit.is_ascii_digit()))
}

/// The text of a header; `None` where it is missing, or no text.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

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
