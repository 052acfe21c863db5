//! The address that a connection comes from, and the networks that count as one sender.

use std::net::{IpAddr, Ipv6Addr};

/// The other end of a request's connection; stands in the extensions of every request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub IpAddr);

/// The network of one subscriber: of IPv6 a whole /64, whose owner may send from any address in it.
pub(super) fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

/// The networks that one customer is given together, or that a provider hands out side by side: a /24, or a /48.
pub(super) fn neighbourhood(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
        }
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            IpAddr::from([a, b, c, 0])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_one_subscriber_is_one_peer() {
        let net = |text: &str| network(text.parse().expect("an address"));
        assert_eq!(net("fdaa:0:1:a7b::2"), net("fdaa:0:1:a7b:ffff::9"));
        assert_ne!(net("fdaa:0:1:a7b::2"), net("fdaa:0:1:a7c::2"));
        assert_eq!(net("::ffff:10.1.2.3"), net("10.1.2.3"));
        assert_ne!(net("10.1.2.3"), net("10.1.2.4"));
    }
}
