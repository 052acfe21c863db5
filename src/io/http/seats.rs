//! Who is connected, and who goes when there is no room for one more: of those whom nothing speaks for, whoever has been
//! doing nothing for the longest. So a thousand connections that say nothing keep nobody out.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Connections at once: a hundred tails, a hundred pages, and as many again of scrapers, health checks and strangers.
pub(super) const SEATS: usize = 512;
/// Connections of one peer at once: half, so that one peer leaves room for others, and a proxy before us has enough.
const SEATS_OF_ONE: usize = 256;

/// All connections.
#[derive(Default)]
pub(super) struct Seats(Mutex<Taken>);

#[derive(Default)]
struct Taken {
    /// Counts up with each thing that happens: the order in which they did.
    turn: u64,
    seats: HashMap<u64, Held>,
}

struct Held {
    peer: IpAddr,
    /// Whether it was let in where not everybody is.
    known: bool,
    /// Whether a request of it is being answered.
    busy: bool,
    /// When it last did something.
    last: u64,
    out: Arc<Notify>,
}

/// One connection's seat, given back when dropped.
pub(super) struct Seat {
    seats: Arc<Seats>,
    id: u64,
    out: Arc<Notify>,
}

impl Seats {
    /// A seat for a connection of this peer, somebody else's if need be; `None` where everybody has better reasons to stay.
    pub fn take(self: &Arc<Self>, peer: IpAddr) -> Option<Seat> {
        let peer = network(peer);
        let mut taken = self.taken();
        let of_peer = taken.seats.values().filter(|held| held.peer == peer);
        if of_peer.count() >= SEATS_OF_ONE {
            taken.make_room(Some(peer))?;
        } else if taken.seats.len() >= SEATS {
            taken.make_room(None)?;
        }
        let out = Arc::new(Notify::new());
        let id = taken.next();
        let held = Held {
            peer,
            known: false,
            busy: false,
            last: id,
            out: Arc::clone(&out),
        };
        taken.seats.insert(id, held);
        Some(Seat {
            seats: Arc::clone(self),
            id,
            out,
        })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        // Every change of it is whole at each point at which it could panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn next(&mut self) -> u64 {
        self.turn += 1;
        self.turn
    }

    /// Sends one away, of that peer or of any.
    fn make_room(&mut self, of: Option<IpAddr>) -> Option<()> {
        let seats = self.seats.iter();
        let may_go = seats.filter(|(_, held)| {
            let is_meant = of.is_none_or(|peer| held.peer == peer);
            is_meant && !(held.known && held.busy)
        });
        let goes = may_go.min_by_key(|(_, held)| (held.known, held.busy, held.last));
        let id = *goes?.0;
        let held = self.seats.remove(&id)?;
        held.out.notify_one();
        Some(())
    }
}

impl Seat {
    /// Waits until it is somebody else's.
    pub async fn lost(&self) {
        self.out.notified().await;
    }

    /// A request of it is being answered from now on.
    pub fn begin(&self) {
        self.change(|held| held.busy = true);
    }

    /// Its answer is made, for somebody who was let in or not, and goes on or not.
    pub fn answered(&self, known: bool, goes_on: bool) {
        self.change(|held| (held.known, held.busy) = (held.known || known, goes_on));
    }

    fn change(&self, change: impl FnOnce(&mut Held)) {
        let mut taken = self.seats.taken();
        let turn = taken.next();
        if let Some(held) = taken.seats.get_mut(&self.id) {
            held.last = turn;
            change(held);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.taken().seats.remove(&self.id);
    }
}

/// Whose address it is: of IPv6 a whole network is one subscriber's, who may send from any address in it.
pub(super) fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

/// Where somebody lives: the networks that one customer is given together, or that a provider hands out side by side.
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
    use futures_util::FutureExt;

    fn peer(number: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, number])
    }

    fn full(seats: &Arc<Seats>, of: impl Fn(usize) -> IpAddr) -> Vec<Seat> {
        let take = |at| seats.take(of(at)).expect("room");
        (0..SEATS).map(take).collect()
    }

    fn is_out(seat: &Seat) -> bool {
        seat.lost().now_or_never().is_some()
    }

    #[test]
    fn when_all_are_taken_the_unknown_who_did_nothing_for_the_longest_goes() {
        let seats = Arc::new(Seats::default());
        let all = full(&seats, |at| peer(at as u8));
        all[0].answered(true, false);
        all[1].begin();
        all[2].begin();
        all[2].answered(false, false);
        let _one = seats.take(peer(1)).expect("somebody goes");
        let out: Vec<usize> = (0..SEATS).filter(|&at| is_out(&all[at])).collect();
        assert_eq!(out, [3], "0 is known, 1 is busy, 2 asked for something");
        let _other = seats.take(peer(1)).expect("somebody goes");
        assert!(is_out(&all[4]));
    }

    #[test]
    fn readers_who_were_let_in_never_go_and_a_seat_is_given_back() {
        let seats = Arc::new(Seats::default());
        let mut all = full(&seats, |at| peer(at as u8));
        all.iter().for_each(|seat| seat.answered(true, true));
        assert!(seats.take(peer(1)).is_none());
        all.pop();
        assert!(seats.take(peer(1)).is_some());
    }

    #[test]
    fn one_peer_has_no_more_than_its_share_and_pays_with_its_own() {
        let seats = Arc::new(Seats::default());
        let other = seats.take(peer(1)).expect("room");
        let take = |_| seats.take(peer(9)).expect("room");
        let all: Vec<Seat> = (0..SEATS_OF_ONE).map(take).collect();
        assert!(!all.iter().any(is_out));
        let _more = seats.take(peer(9)).expect("its own first goes");
        assert!(is_out(&all[0]) && !is_out(&other));
    }

    #[test]
    fn a_network_of_one_subscriber_is_one_peer() {
        let net = |text: &str| network(text.parse().expect("an address"));
        assert_eq!(net("fdaa:0:1:a7b::2"), net("fdaa:0:1:a7b:ffff::9"));
        assert_ne!(net("fdaa:0:1:a7b::2"), net("fdaa:0:1:a7c::2"));
        assert_eq!(net("::ffff:10.1.2.3"), net("10.1.2.3"));
        assert_ne!(net("10.1.2.3"), net("10.1.2.4"));
    }
}
