//! Wrong tokens, counted: who guesses has to wait, and many who guess together too. Whoever has shown the right one from
//! the same place before does not wait for the others.

use super::seats::network;
use crate::core::time::Wall;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// For so long a wrong token counts.
const WINDOW: Duration = Duration::from_secs(60);
/// Wrong tokens of one peer within it: somebody at a keyboard has no more, and a token that can be guessed at ten a minute
/// is none.
const OF_ONE: u32 = 10;
/// Wrong tokens of all peers within it.
const OF_ALL: u32 = 200;
/// Peers that are remembered; beyond it the one longest quiet is forgotten. [`OF_ALL`] bounds those with wrong tokens, the
/// rest is for those who showed the right one.
const PEERS: usize = 1_024;

/// What is known of who tried.
#[derive(Debug, Default)]
pub(super) struct Tries(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    peers: HashMap<IpAddr, Peer>,
    all: Count,
}

#[derive(Debug, Default)]
struct Peer {
    wrong: Count,
    /// When it last showed the right token.
    right: Option<Wall>,
    last: Wall,
}

/// Wrong tokens since a moment.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    since: Wall,
    wrong: u32,
}

impl Tries {
    /// How long this peer has to wait before a token of it is looked at; `None` where it is at once.
    pub fn wait(&self, peer: IpAddr, now: Wall) -> Option<Duration> {
        let book = self.book();
        let peer = book.peers.get(&network(peer));
        let own = peer.and_then(|peer| peer.wrong.wait(OF_ONE, now));
        let is_known = peer.is_some_and(|peer| peer.right.is_some());
        own.or_else(|| book.all.wait(OF_ALL, now).filter(|_| !is_known))
    }

    /// This peer sent a wrong token.
    pub fn wrong(&self, peer: IpAddr, now: Wall) {
        let mut book = self.book();
        book.all.add(now);
        let peer = book.peer(peer, now);
        peer.wrong.add(now);
    }

    /// This peer sent the right one.
    pub fn right(&self, peer: IpAddr, now: Wall) {
        self.book().peer(peer, now).right = Some(now);
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // Every change of it is whole at each point at which it could panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn peer(&mut self, peer: IpAddr, now: Wall) -> &mut Peer {
        let peer = network(peer);
        if self.peers.len() >= PEERS && !self.peers.contains_key(&peer) {
            let quiet = self.peers.iter().min_by_key(|(_, peer)| peer.last);
            if let Some(quiet) = quiet.map(|(quiet, _)| *quiet) {
                self.peers.remove(&quiet);
            }
        }
        let peer = self.peers.entry(peer).or_default();
        peer.last = now;
        peer
    }
}

impl Count {
    /// Whether the time in which these counted is over; also where the clock was set back.
    fn is_over(self, now: Wall) -> bool {
        now < self.since || now.since(self.since) >= WINDOW
    }

    fn add(&mut self, now: Wall) {
        if self.is_over(now) {
            *self = Count {
                since: now,
                wrong: 0,
            };
        }
        self.wrong += 1;
    }

    fn wait(self, most: u32, now: Wall) -> Option<Duration> {
        let waits = self.wrong >= most && !self.is_over(now);
        waits.then(|| WINDOW.saturating_sub(now.since(self.since)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Wall {
        Wall::from_nanos((1_700_000_000 + second) * 1_000_000_000)
    }

    fn peer(number: u32) -> IpAddr {
        IpAddr::from(number.to_be_bytes())
    }

    #[test]
    fn who_guesses_waits_until_the_minute_is_over() {
        let tries = Tries::default();
        for second in 0..10 {
            assert_eq!(tries.wait(peer(1), at(second)), None);
            tries.wrong(peer(1), at(second));
        }
        let wait = |number, second| tries.wait(peer(number), at(second));
        assert_eq!(wait(1, 10), Some(Duration::from_secs(50)));
        assert_eq!(wait(2, 10), None);
        assert_eq!(wait(1, 60), None);
        tries.wrong(peer(1), at(60));
        assert_eq!(wait(1, 61), None, "a minute has its ten");
    }

    #[test]
    fn many_who_guess_together_wait_and_who_is_known_does_not() {
        let tries = Tries::default();
        tries.right(peer(7), at(0));
        (0..200).for_each(|number| tries.wrong(peer(1000 + number), at(1)));
        let wait = |number| tries.wait(peer(number), at(2));
        assert_eq!((wait(7), wait(8).is_some()), (None, true));
        (0..10).for_each(|_| tries.wrong(peer(7), at(2)));
        assert!(wait(7).is_some(), "its own tries count all the same");
    }

    #[test]
    fn a_clock_that_is_set_back_locks_nobody_out() {
        let tries = Tries::default();
        (0..10).for_each(|_| tries.wrong(peer(1), at(1000)));
        assert_eq!(tries.wait(peer(1), at(10)), None);
    }

    #[test]
    fn peers_are_forgotten_beyond_the_bound() {
        let tries = Tries::default();
        (0..3 * PEERS as u32).for_each(|number| tries.right(peer(number), at(u64::from(number))));
        assert_eq!(tries.book().peers.len(), PEERS);
    }
}
