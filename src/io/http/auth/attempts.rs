//! Wrong tokens, counted: a peer that guesses has to wait, and so has a neighbourhood that guesses together. Peers elsewhere
//! do not wait: a bound on all together would let one peer keep all others out.

use super::super::peer::{neighbourhood, network};
use crate::core::time::Wall;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Time for which a wrong token counts.
const WINDOW: Duration = Duration::from_secs(60);
/// Wrong tokens of one peer within it: a person at a keyboard has no more, and a token that can be guessed at ten a minute
/// protects nothing.
const MAX_OF_PEER: u32 = 10;
/// Wrong tokens of a whole neighbourhood within it: the owner of a wide network may send from each part of it.
const MAX_OF_NEIGHBOURHOOD: u32 = 50;
/// Peers and neighbourhoods remembered; beyond it the one that has been quiet for the longest is forgotten. Against a
/// sender with more neighbourhoods than this, the length of the token protects.
const MAX_SENDERS: usize = 4_096;
/// Pause between two warnings about guesses.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// The wrong tokens of each sender.
#[derive(Debug, Default)]
pub(in crate::io::http) struct Attempts(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    peers: HashMap<(Reach, IpAddr), Count>,
    logged: Option<Wall>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Reach {
    Peer,
    Neighbourhood,
}

/// Wrong tokens since a moment.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    since: Wall,
    last: Wall,
    wrong: u32,
}

impl Attempts {
    /// The time until a token of this peer is looked at; `None` where it is at once.
    pub fn wait(&self, peer: IpAddr, now: Wall) -> Option<Duration> {
        let book = self.book();
        let waits = Reach::of(peer).map(|(key, most)| book.peers.get(&key)?.wait(most, now));
        waits.into_iter().flatten().max()
    }

    /// Counts a wrong token of this peer.
    pub fn wrong(&self, peer: IpAddr, now: Wall) {
        let mut book = self.book();
        let mut waits = false;
        for (key, most) in Reach::of(peer) {
            let count = book.count(key);
            count.add(now);
            waits |= count.wrong == most;
        }
        let is_recent = |at: Wall| now >= at && now.since(at) < LOG_EVERY;
        if waits && !book.logged.is_some_and(is_recent) {
            book.logged = Some(now);
            tracing::warn!(%peer, "too many wrong tokens from one address: its tokens are refused for a minute");
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // Every change of it is whole at each point at which it could panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reach {
    /// The senders that a peer counts as, each with its limit.
    fn of(peer: IpAddr) -> [((Reach, IpAddr), u32); 2] {
        [
            ((Reach::Peer, network(peer)), MAX_OF_PEER),
            (
                (Reach::Neighbourhood, neighbourhood(peer)),
                MAX_OF_NEIGHBOURHOOD,
            ),
        ]
    }
}

impl Book {
    fn count(&mut self, key: (Reach, IpAddr)) -> &mut Count {
        if self.peers.len() >= MAX_SENDERS && !self.peers.contains_key(&key) {
            let quiet = self.peers.iter().min_by_key(|(_, count)| count.last);
            if let Some(quiet) = quiet.map(|(quiet, _)| *quiet) {
                self.peers.remove(&quiet);
            }
        }
        self.peers.entry(key).or_default()
    }
}

impl Count {
    /// True once the window is over; also where the clock was set back.
    fn is_over(self, now: Wall) -> bool {
        now < self.since || now.since(self.since) >= WINDOW
    }

    fn add(&mut self, now: Wall) {
        if self.is_over(now) {
            (self.since, self.wrong) = (now, 0);
        }
        self.last = now;
        self.wrong = self.wrong.saturating_add(1);
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
        let attempts = Attempts::default();
        for second in 0..10 {
            assert_eq!(attempts.wait(peer(1), at(second)), None);
            attempts.wrong(peer(1), at(second));
        }
        let wait = |number, second| attempts.wait(peer(number), at(second));
        assert_eq!(wait(1, 10), Some(Duration::from_secs(50)));
        assert_eq!(wait(2, 10), None);
        assert_eq!(wait(1, 60), None);
        attempts.wrong(peer(1), at(60));
        assert_eq!(wait(1, 61), None, "a minute has its ten");
    }

    #[test]
    fn neighbours_who_guess_together_wait_and_nobody_else_does() {
        let attempts = Attempts::default();
        let of = |third: u8, last: u8| IpAddr::from([192, 0, third, last]);
        (0..50).for_each(|last| attempts.wrong(of(2, last), at(1)));
        assert!(attempts.wait(of(2, 200), at(2)).is_some());
        assert_eq!(attempts.wait(of(3, 200), at(2)), None);
        let wide = |part: u32| -> IpAddr {
            let text = format!("2001:db8:7:{part:x}::1");
            text.parse().expect("an address")
        };
        (0..50).for_each(|part| attempts.wrong(wide(part), at(1)));
        assert!(attempts.wait(wide(99), at(2)).is_some());
        let other = "2001:db8:8::1".parse().expect("an address");
        assert_eq!(attempts.wait(other, at(2)), None);
        (0..100_000_u32)
            .step_by(70)
            .for_each(|number| attempts.wrong(peer(number << 8), at(3)));
        assert_eq!(attempts.wait(other, at(4)), None, "whatever many others do");
    }

    #[test]
    fn a_clock_that_is_set_back_locks_nobody_out() {
        let attempts = Attempts::default();
        (0..10).for_each(|_| attempts.wrong(peer(1), at(1000)));
        assert_eq!(attempts.wait(peer(1), at(10)), None);
    }

    #[test]
    fn peers_are_forgotten_beyond_the_bound() {
        let attempts = Attempts::default();
        (0..3 * MAX_SENDERS as u32)
            .for_each(|number| attempts.wrong(peer(number << 8), at(u64::from(number))));
        assert_eq!(attempts.book().peers.len(), MAX_SENDERS);
    }
}
