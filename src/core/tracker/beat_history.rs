//! Times of the latest beats, for display only: the strip of one instance. Nothing is decided by them.

use crate::core::time::{Mono, nanos};
use crate::core::tracker::BeatId;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// Number of beats remembered, of all instances together: two hours of a thousand instances that beat every 30 s, days
/// of a few instances, in two megabytes at most.
const REMEMBERED: usize = 1 << 18;
/// With more beats tracked than this, even [`REMEMBERED`] is fewer than four of each, too few to be of use: then an
/// eighth is kept, to save memory.
const MANY: u32 = 1 << 16;
const REMEMBERED_OF_MANY: usize = REMEMBERED / 8;
/// Number of times given of one beat, the latest ones: more than a strip can show, about ten kilobytes.
pub const MOST_TIMES: usize = 2_000;
/// Number of forgotten numbers kept before obsolete ones are removed.
const FORGOTTEN: usize = 1 << 16;
/// Unit of the stored times: 32 bits of it reach for thirteen years.
const GRAIN: Duration = Duration::from_millis(100);

/// One beat.
#[derive(Clone, Copy, Debug)]
struct Came {
    beat: u32,
    /// Time since [`BeatHistory::begun`], in [`GRAIN`]s.
    at: u32,
}

/// The latest beats of all instances, in order of arrival.
#[derive(Debug)]
pub struct BeatHistory {
    came: VecDeque<Came>,
    most: usize,
    /// Number of beats dropped at the front: the position of the first one in the order of all that ever arrived.
    dropped: u64,
    /// Position up to which a number belonged to a beat that is forgotten by now.
    forgotten: HashMap<u32, u64>,
    most_forgotten: usize,
    /// Arrival clock: the zero of the stored times.
    begun: Mono,
    /// Arrival clock: start of the time of which all beats are remembered.
    since: Mono,
}

impl BeatHistory {
    /// An empty history.
    pub fn new(now: Mono) -> Self {
        BeatHistory {
            came: VecDeque::new(),
            most: REMEMBERED,
            dropped: 0,
            forgotten: HashMap::new(),
            most_forgotten: FORGOTTEN,
            begun: now,
            since: now,
        }
    }

    /// Records a beat.
    #[inline]
    pub fn push(&mut self, beat: BeatId, at: Mono) {
        if beat.0 >= MANY && self.most > REMEMBERED_OF_MANY {
            self.most = REMEMBERED_OF_MANY;
            self.drop_oldest();
            self.came.shrink_to(self.most);
        }
        if self.came.len() >= self.most {
            self.drop_oldest();
        }
        let at = nanos(at.since(self.begun)) / nanos(GRAIN);
        let at = u32::try_from(at).unwrap_or(u32::MAX);
        self.came.push_back(Came { beat: beat.0, at });
    }

    /// Drops the oldest, so that one more fits.
    fn drop_oldest(&mut self) {
        let over = (self.came.len() + 1).saturating_sub(self.most);
        if let Some(last) = over.checked_sub(1) {
            self.since = self.back(self.came[last].at);
            self.dropped += over as u64;
            self.came.drain(..over);
        }
    }

    fn back(&self, at: u32) -> Mono {
        self.begun + GRAIN * at
    }

    /// Records that a number is free: its next beat does not inherit these times.
    pub fn forget(&mut self, beat: BeatId) {
        let place = self.dropped + self.came.len() as u64;
        self.forgotten.insert(beat.0, place);
        if self.forgotten.len() > self.most_forgotten {
            let dropped = self.dropped;
            self.forgotten.retain(|_, place| *place > dropped);
            // If most of them still matter, the next clean-up comes later.
            self.most_forgotten = FORGOTTEN.max(2 * self.forgotten.len());
        }
    }

    /// The times of each of these beats, the oldest first, and the start of the time of which all are known.
    pub fn of(&self, beats: &[BeatId]) -> (Vec<Vec<Mono>>, Mono) {
        let own = |beat: &BeatId| (beat.0, self.forgotten.get(&beat.0).copied().unwrap_or(0));
        let own: Vec<(u32, u64)> = beats.iter().map(own).collect();
        let mut times = vec![VecDeque::new(); beats.len()];
        let mut since = self.since;
        for (place, came) in (self.dropped..).zip(&self.came) {
            let is = |&(beat, begins): &(u32, u64)| beat == came.beat && place >= begins;
            let Some(which) = own.iter().position(is) else {
                continue;
            };
            if times[which].len() >= MOST_TIMES
                && let Some(oldest) = times[which].pop_front()
            {
                since = since.max(oldest);
            }
            times[which].push_back(self.back(came.at));
        }
        (times.into_iter().map(Vec::from).collect(), since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The arrival clock's zero may be long ago.
    fn at(seconds: u64) -> Mono {
        Mono::from_nanos(1 << 62) + Duration::from_secs(seconds)
    }

    #[test]
    fn each_has_its_own_in_order() {
        let mut last = BeatHistory::new(at(1));
        for second in 2..8 {
            last.push(BeatId(second as u32 % 2), at(second));
        }
        let (times, since) = last.of(&[BeatId(1), BeatId(7), BeatId(0)]);
        let expected = [vec![at(3), at(5), at(7)], vec![], vec![at(2), at(4), at(6)]];
        assert_eq!((&times[..], since), (&expected[..], at(1)));
    }

    #[test]
    fn a_number_that_is_used_again_has_nothing_of_who_had_it_before() {
        let mut last = BeatHistory::new(at(0));
        last.push(BeatId(0), at(1));
        last.forget(BeatId(0));
        last.push(BeatId(0), at(9));
        assert_eq!(last.of(&[BeatId(0)]).0, [[at(9)]]);
        last.forget(BeatId(0));
        assert!(last.of(&[BeatId(0)]).0[0].is_empty());
    }

    #[test]
    fn of_very_many_only_the_last_are_remembered() {
        let mut last = BeatHistory::new(at(0));
        for number in 0..REMEMBERED as u64 {
            last.push(BeatId(0), at(number / 1_000));
        }
        assert_eq!(last.came.len(), REMEMBERED);
        last.push(BeatId(MANY), at(300));
        last.push(BeatId(0), at(301));
        assert_eq!(last.came.len(), REMEMBERED_OF_MANY);
        assert!(last.came.capacity() < 2 * REMEMBERED_OF_MANY);
        let (times, since) = last.of(&[BeatId(0), BeatId(MANY)]);
        assert_eq!(
            (times[0].len(), &times[1][..]),
            (MOST_TIMES, &[at(300)][..])
        );
        assert_eq!(since, times[0][0], "older ones are not told");
        assert_eq!(times[0][MOST_TIMES - 1], at(301));
    }

    #[test]
    fn the_oldest_make_room_and_it_is_said_from_when_on_all_are_known() {
        let mut last = BeatHistory::new(at(0));
        last.push(BeatId(0), at(1));
        last.forget(BeatId(0));
        last.push(BeatId(0), at(2));
        for number in 0..REMEMBERED {
            last.push(BeatId(1), at(3 + number as u64 / 1_000));
        }
        let (times, since) = last.of(&[BeatId(0)]);
        assert_eq!((times[0].len(), since), (0, at(2)));
        let (times, since) = last.of(&[BeatId(1)]);
        assert_eq!((times[0].len(), since), (MOST_TIMES, times[0][0]));
        for number in 0..=FORGOTTEN as u32 {
            last.forget(BeatId(number));
        }
        last.most_forgotten = 0;
        for number in 0..REMEMBERED {
            last.push(BeatId(1), at(300 + number as u64 / 1_000));
        }
        last.forget(BeatId(5));
        assert_eq!(
            last.forgotten.len(),
            1,
            "the others have nothing left to hide"
        );
    }
}
