//! The servers in turn: those of the settings, and with gossip those that the cluster names.

use crate::decode::settings::Server;

/// Servers that a cluster may name beside the given ones.
const GOSSIPED: usize = 32;

/// The scheme of a server that is reached by TLS alone.
const TLS: &str = "tls://";

/// A round over all servers.
#[derive(Debug)]
pub(super) struct Servers {
    given: Vec<Server>,
    gossiped: Vec<Server>,
    next: usize,
}

impl Servers {
    /// A round that begins with the first of the given ones.
    pub fn new(given: Vec<Server>) -> Self {
        Servers {
            given,
            gossiped: Vec::new(),
            next: 0,
        }
    }

    /// Number of servers.
    pub fn count(&self) -> usize {
        self.given.len() + self.gossiped.len()
    }

    /// The next server; empty if there is none, which the settings rule out.
    pub fn next(&mut self) -> Server {
        let at = self.next % self.count().max(1);
        self.next = at + 1;
        let server = self.given.iter().chain(&self.gossiped).nth(at);
        server.cloned().unwrap_or_default()
    }

    /// The one that was tried last is a good one: it has the next turn too.
    pub fn stay(&mut self) {
        self.next = self.next.saturating_sub(1);
    }

    /// Skips the next server, since it failed.
    pub fn pass(&mut self) {
        self.next += 1;
    }

    /// Takes in the servers that the cluster names now, in place of those it named before. They take the credentials of
    /// the server that names them, and are reached as it is: where that is by TLS, none of them without.
    pub fn gossip(&mut self, named: Vec<String>, by: &Server) {
        let is_secure = by.address.starts_with(TLS);
        let named = named
            .into_iter()
            .map(|address| match address.split_once("://") {
                Some((_, rest)) if is_secure => format!("{TLS}{rest}"),
                None if is_secure => format!("{TLS}{address}"),
                _ => address,
            });
        let new = |address: &String| !self.given.iter().any(|given| same(&given.address, address));
        let server = |address| Server {
            address,
            login: by.login.clone(),
        };
        let named = named.filter(new).take(GOSSIPED);
        self.gossiped = named.map(server).collect();
    }
}

/// True if two addresses differ at most by the scheme, which gossip leaves out.
fn same(one: &str, other: &str) -> bool {
    let bare = |server: &str| {
        server
            .split_once("://")
            .map_or(server, |(_, rest)| rest)
            .to_owned()
    };
    bare(one) == bare(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::settings::{Login, Secret};

    fn round(addresses: &[&str]) -> Servers {
        let server = |address: &&str| Server {
            address: (*address).to_owned(),
            login: None,
        };
        Servers::new(addresses.iter().map(server).collect())
    }

    #[test]
    fn a_good_server_keeps_its_turn_and_a_bad_one_loses_it() {
        let mut servers = round(&["a", "b"]);
        assert_eq!(servers.next().address, "a");
        servers.stay();
        assert_eq!(servers.next().address, "a");
        assert_eq!(
            (servers.next().address, servers.next().address),
            ("b".to_owned(), "a".to_owned())
        );
        servers.stay();
        servers.pass();
        assert_eq!(servers.next().address, "b");
    }

    #[test]
    fn gossip_adds_the_unknown_only() {
        let mut servers = round(&["nats://a:1"]);
        let login = Login::Token(Secret::new("t"));
        let by = |address: &str| Server {
            address: address.to_owned(),
            login: Some(login.clone()),
        };
        let names = || vec!["a:1".to_owned(), "b:2".to_owned()];
        servers.gossip(names(), &by("nats://a:1"));
        assert_eq!(
            (servers.count(), servers.next().address),
            (2, "nats://a:1".to_owned())
        );
        let named = servers.next();
        assert_eq!(
            (named.address.as_str(), named.login),
            ("b:2", Some(login.clone()))
        );
        // The token must not go to one of them in plain text.
        let mut servers = round(&["tls://a:1"]);
        servers.gossip(
            [names(), vec!["nats://c:3".to_owned()]].concat(),
            &by("tls://a:1"),
        );
        let addresses = [(); 3].map(|()| servers.next().address);
        assert_eq!(addresses, ["tls://a:1", "tls://b:2", "tls://c:3"]);
    }
}
