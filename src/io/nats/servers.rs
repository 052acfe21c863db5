//! The servers in turn: those of the settings, and with gossip those that the cluster names.

/// Servers that a cluster may name beside the given ones.
const GOSSIPED: usize = 32;

/// A round over all servers.
#[derive(Debug)]
pub(super) struct Servers {
    given: Vec<String>,
    gossiped: Vec<String>,
    next: usize,
}

impl Servers {
    /// A round that begins with the first of the given ones.
    pub fn new(given: Vec<String>) -> Self {
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

    /// The next one's address; empty where there is none, which the settings do not let happen.
    pub fn next(&mut self) -> String {
        let at = self.next % self.count().max(1);
        self.next = at + 1;
        let server = self.given.iter().chain(&self.gossiped).nth(at);
        server.cloned().unwrap_or_default()
    }

    /// The one that was tried last is a good one: it has the next turn too.
    pub fn stay(&mut self) {
        self.next = self.next.saturating_sub(1);
    }

    /// Passes over the one whose turn it would be: it failed us.
    pub fn pass(&mut self) {
        self.next += 1;
    }

    /// Takes in the servers that the cluster names now, in place of those it named before.
    pub fn gossip(&mut self, named: Vec<String>) {
        let new = |server: &String| !self.given.iter().any(|given| same(given, server));
        self.gossiped = named.into_iter().filter(new).take(GOSSIPED).collect();
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

    #[test]
    fn a_good_server_keeps_its_turn_and_a_bad_one_loses_it() {
        let mut servers = Servers::new(vec!["a".to_owned(), "b".to_owned()]);
        assert_eq!(servers.next(), "a");
        servers.stay();
        assert_eq!(servers.next(), "a");
        assert_eq!(
            (servers.next(), servers.next()),
            ("b".to_owned(), "a".to_owned())
        );
        servers.stay();
        servers.pass();
        assert_eq!(servers.next(), "b");
    }

    #[test]
    fn gossip_adds_the_unknown_only() {
        let mut servers = Servers::new(vec!["nats://a:1".to_owned()]);
        servers.gossip(vec!["a:1".to_owned(), "b:2".to_owned()]);
        assert_eq!(
            (servers.count(), servers.next()),
            (2, "nats://a:1".to_owned())
        );
        assert_eq!(servers.next(), "b:2");
    }
}
