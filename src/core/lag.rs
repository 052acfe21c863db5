//! How far entries arrive behind their own time.
//!
//! One instance with a wrong clock must not make the stream look slow: the stream, or a region, lags only where the
//! freshest entry of a whole window does, and at least two instances were heard in it.

pub mod lateness;

use crate::core::time::Mono;
use std::time::Duration;

/// Half of the window over which the freshest entry is sought.
const HALF: Duration = Duration::from_secs(10);

/// The lag of the stream and of each region.
#[derive(Debug)]
pub struct Lags {
    /// The stream's.
    pub stream: Lag,
    /// Each region's, by its number.
    pub regions: Vec<Lag>,
    /// The stream's least lag at the last turn; zero where it is not known.
    pub least: Duration,
}

impl Lags {
    /// Nothing was measured yet.
    pub fn new(start: Mono) -> Self {
        Lags {
            stream: Lag::new(start),
            regions: Vec::new(),
            least: Duration::ZERO,
        }
    }
}

/// The freshest entry of the last ten to twenty seconds.
#[derive(Clone, Copy, Debug)]
pub struct Lag {
    before: Option<Duration>,
    current: Option<Duration>,
    turned: Mono,
    /// Who was heard in the window, and whether somebody else was too.
    one: u32,
    several: bool,
}

impl Lag {
    /// Nothing was measured yet.
    pub fn new(start: Mono) -> Self {
        Lag {
            before: None,
            current: None,
            turned: start,
            one: u32::MAX,
            several: false,
        }
    }

    /// An entry of an instance arrived this far behind its own time; one from the future counts as zero.
    #[inline]
    pub fn sample(&mut self, instance: u32, lag: Duration) {
        self.current = Some(self.current.map_or(lag, |least| least.min(lag)));
        if self.one == u32::MAX {
            self.one = instance;
        }
        self.several |= self.one != instance;
    }

    /// The least lag of the last whole window at `now`; `None` until a window was filled with entries of several.
    pub fn least(&mut self, now: Mono) -> Option<Duration> {
        if now.since(self.turned) >= HALF {
            // A longer pause than a half leaves nothing to compare.
            let stale = now.since(self.turned) >= HALF * 2;
            *self = Lag {
                before: if stale { None } else { self.current },
                current: None,
                turned: now,
                one: if stale { u32::MAX } else { self.one },
                several: self.several && !stale,
            };
        }
        let least = self.before?.min(self.current?);
        self.several.then_some(least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Mono {
        Mono::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn one_fresh_entry_makes_the_window_fresh() {
        let mut lag = Lag::new(at(0));
        let late = Duration::from_secs(300);
        for second in 0..25 {
            lag.sample(second as u32 % 2, late);
            let least = lag.least(at(second));
            assert_eq!(
                least,
                (second > 10 && second != 20).then_some(late),
                "at {second}"
            );
        }
        lag.sample(0, Duration::from_millis(40));
        assert_eq!(lag.least(at(25)), Some(Duration::from_millis(40)));
    }

    #[test]
    fn one_instance_alone_says_nothing() {
        let mut lag = Lag::new(at(0));
        for second in 0..40 {
            lag.sample(7, Duration::from_secs(300));
            assert_eq!(lag.least(at(second)), None, "its clock may be wrong");
        }
    }
}
