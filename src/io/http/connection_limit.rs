//! The limit of open connections. At the limit the least valuable one makes room: unauthenticated before authenticated,
//! idle before busy, and of equals the one that has been idle for the longest. So a thousand silent connections keep no
//! other client out.

use super::peer::network;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Connections at once: a hundred log tails, a hundred pages, and as many again of scrapers, health checks and strangers.
pub(super) const MAX_CONNECTIONS: usize = 512;
/// All open connections.
pub(super) struct ConnectionLimit {
    most: usize,
    /// Connections of one peer at once: half, so that one peer leaves room for others, and a proxy before us has enough.
    most_of_peer: usize,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    /// Counts up with each thing that happens: a logical clock.
    turn: u64,
    connections: HashMap<u64, Connection>,
}

struct Connection {
    peer: IpAddr,
    /// It was let in where not every client is.
    known: bool,
    /// A request of it is being answered, or its answer is a stream.
    busy: bool,
    /// The turn in which it last did something.
    last: u64,
    out: Arc<Notify>,
}

/// One connection's slot, given back when dropped.
pub(super) struct Slot {
    limit: Arc<ConnectionLimit>,
    id: u64,
    out: Arc<Notify>,
}

impl ConnectionLimit {
    /// A limit of that many connections.
    pub fn new(most: usize) -> Self {
        ConnectionLimit {
            most,
            most_of_peer: most.div_ceil(2),
            open: Mutex::default(),
        }
    }

    /// Connections at once.
    pub fn most(&self) -> usize {
        self.most
    }

    /// Cuts off the least valuable connection, for its descriptor.
    pub fn make_room(&self) {
        self.open().evict(None);
    }

    /// A slot for a connection of this peer, taken from a less valuable connection at the limit; `None` if there is none.
    pub fn acquire(self: &Arc<Self>, peer: IpAddr) -> Option<Slot> {
        let peer = network(peer);
        let mut open = self.open();
        let of_peer = open.connections.values().filter(|held| held.peer == peer);
        if of_peer.count() >= self.most_of_peer {
            open.evict(Some(peer))?;
        } else if open.connections.len() >= self.most {
            open.evict(None)?;
        }
        let out = Arc::new(Notify::new());
        let id = open.next();
        let held = Connection {
            peer,
            known: false,
            busy: false,
            last: id,
            out: Arc::clone(&out),
        };
        open.connections.insert(id, held);
        Some(Slot {
            limit: Arc::clone(self),
            id,
            out,
        })
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        // Every change of it is whole at each point at which it could panic.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn next(&mut self) -> u64 {
        self.turn += 1;
        self.turn
    }

    /// Cuts off the least valuable connection of that peer, or of any; `None` where all are authenticated and busy.
    fn evict(&mut self, of: Option<IpAddr>) -> Option<()> {
        let connections = self.connections.iter();
        let may_go = connections.filter(|(_, held)| {
            let is_meant = of.is_none_or(|peer| held.peer == peer);
            is_meant && !(held.known && held.busy)
        });
        let goes = may_go.min_by_key(|(_, held)| (held.known, held.busy, held.last));
        let id = *goes?.0;
        let held = self.connections.remove(&id)?;
        held.out.notify_one();
        Some(())
    }
}

impl Slot {
    /// Waits until another connection has taken the slot.
    pub async fn lost(&self) {
        self.out.notified().await;
    }

    /// The connection has sent a request.
    pub fn begin(&self) {
        self.change(|held| held.busy = true);
    }

    /// The response is made; `known`: the client is authenticated; `goes_on`: the response is a stream.
    pub fn answered(&self, known: bool, goes_on: bool) {
        self.change(|held| (held.known, held.busy) = (held.known || known, goes_on));
    }

    fn change(&self, change: impl FnOnce(&mut Connection)) {
        let mut open = self.limit.open();
        let turn = open.next();
        if let Some(held) = open.connections.get_mut(&self.id) {
            held.last = turn;
            change(held);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.limit.open().connections.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn peer(number: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, number])
    }

    fn full(limit: &Arc<ConnectionLimit>, of: impl Fn(usize) -> IpAddr) -> Vec<Slot> {
        let take = |at| limit.acquire(of(at)).expect("room");
        (0..MAX_CONNECTIONS).map(take).collect()
    }

    fn is_out(slot: &Slot) -> bool {
        slot.lost().now_or_never().is_some()
    }

    #[test]
    fn when_all_are_taken_the_unknown_who_did_nothing_for_the_longest_goes() {
        let limit = Arc::new(ConnectionLimit::new(MAX_CONNECTIONS));
        let all = full(&limit, |at| peer(at as u8));
        all[0].answered(true, false);
        all[1].begin();
        all[2].begin();
        all[2].answered(false, false);
        let _one = limit.acquire(peer(1)).expect("somebody goes");
        let out: Vec<usize> = (0..MAX_CONNECTIONS)
            .filter(|&at| is_out(&all[at]))
            .collect();
        assert_eq!(out, [3], "0 is known, 1 is busy, 2 asked for something");
        let _other = limit.acquire(peer(1)).expect("somebody goes");
        assert!(is_out(&all[4]));
    }

    #[test]
    fn readers_who_were_let_in_never_go_and_a_seat_is_given_back() {
        let limit = Arc::new(ConnectionLimit::new(MAX_CONNECTIONS));
        let mut all = full(&limit, |at| peer(at as u8));
        all.iter().for_each(|slot| slot.answered(true, true));
        assert!(limit.acquire(peer(1)).is_none());
        all.pop();
        assert!(limit.acquire(peer(1)).is_some());
    }

    #[test]
    fn one_peer_has_no_more_than_its_share_and_pays_with_its_own() {
        let limit = Arc::new(ConnectionLimit::new(MAX_CONNECTIONS));
        let other = limit.acquire(peer(1)).expect("room");
        let take = |_| limit.acquire(peer(9)).expect("room");
        let all: Vec<Slot> = (0..MAX_CONNECTIONS / 2).map(take).collect();
        assert!(!all.iter().any(is_out));
        let _more = limit.acquire(peer(9)).expect("its own first goes");
        assert!(is_out(&all[0]) && !is_out(&other));
    }
}
