//! Conversion of saved times to those of this process.

use crate::core::persist::{SavedClock, SavedStamp};
use crate::core::time::{Listened, Mono, Now, Stamp, Wall};

/// Conversion of saved times to those of this process.
pub(super) struct Clocks {
    /// The present.
    pub(super) now: Now,
    /// Wall clock: the moment of saving.
    taken_at: Wall,
    /// Arrival clock of this process: the same moment; now, where the wall clock was set back since.
    taken: Mono,
    /// The saved reading of the listened clock at the moment of saving.
    then: Listened,
    /// The reading here for that moment.
    pub(super) here: Listened,
}

impl Clocks {
    /// Converts what was saved with this clock.
    pub(super) fn new(saved: &SavedClock, now: Now) -> Self {
        // No clock was saved.
        let is_unknown = saved.taken_at == Wall::ZERO;
        let taken_at = if is_unknown { now.wall } else { saved.taken_at };
        Clocks {
            now,
            taken_at,
            taken: now.mono - now.wall.since(taken_at),
            then: saved.listened,
            here: saved.listened,
        }
    }

    /// Arrival clock of this process at a saved time.
    pub(super) fn mono(&self, at: Wall) -> Mono {
        // A decision is saved after the clock was.
        let after = self.taken + at.since(self.taken_at);
        after.min(self.now.mono) - self.taken_at.since(at)
    }

    /// The listened clock of this process for a saved reading.
    pub(super) fn listened(&self, at: Listened) -> Listened {
        self.here + at.since(self.then) - self.then.since(at)
    }

    /// Both clocks.
    pub(super) fn stamp(&self, saved: SavedStamp) -> Stamp {
        Stamp {
            at: self.mono(saved.at),
            listened: self.listened(saved.listened),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;

    /// Seconds that a time has passed by the arrival clock, where it was saved `before` the clock was, and the wall clock
    /// shows so much more at the restart.
    fn age(before: i64, passed: i64) -> u64 {
        let wall = |second: i64| Wall::from_nanos(second.unsigned_abs() * 1_000_000_000);
        let now = Now {
            mono: Mono::from_nanos(1_000 * DAY.unsigned_abs() * 1_000_000_000),
            wall: wall(20_000 * DAY + passed),
        };
        let saved = SavedClock {
            taken_at: wall(20_000 * DAY),
            ..SavedClock::default()
        };
        let at = Clocks::new(&saved, now).mono(wall(20_000 * DAY - before));
        now.mono.since(at).as_secs()
    }

    #[test]
    fn ages_are_those_of_the_moment_of_saving_and_the_time_since() {
        for (before, passed, expected) in [
            (30, 5, 35),
            (0, 5, 5),
            // A decision that was saved after the clock was.
            (-3, 5, 2),
            (-9, 5, 0),
            // A wall clock that was set back since: no time has passed that is known.
            (30, -8 * DAY, 30),
            (-3, -8 * DAY, 0),
            (30, 8 * DAY, 8 * 86_400 + 30),
        ] {
            assert_eq!(age(before, passed), expected, "{before} {passed}");
        }
    }
}
