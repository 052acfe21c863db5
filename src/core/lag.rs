//! How far entries arrive behind their own time.
//!
//! One instance with a wrong clock must not make the stream look slow: the stream lags only where the
//! freshest entry of a whole window does.

use super::time::Mono;
use std::time::Duration;

/// Half of the window over which the freshest entry is sought.
const HALF: Duration = Duration::from_secs(10);

/// The freshest entry of the last ten to twenty seconds.
#[derive(Clone, Debug)]
pub struct Lag {
    before: Option<Duration>,
    current: Option<Duration>,
    turned: Mono,
}

impl Lag {
    /// Nothing was measured yet.
    pub fn new(start: Mono) -> Self {
        Lag {
            before: None,
            current: None,
            turned: start,
        }
    }

    /// An entry arrived this far behind its own time; one from the future counts as zero.
    #[inline]
    pub fn sample(&mut self, lag: Duration) {
        self.current = Some(self.current.map_or(lag, |least| least.min(lag)));
    }

    /// The least lag of the last whole window at `now`; `None` until a window was filled with entries.
    pub fn least(&mut self, now: Mono) -> Option<Duration> {
        if now.since(self.turned) >= HALF {
            // A longer pause than a half leaves nothing to compare.
            let stale = now.since(self.turned) >= HALF * 2;
            self.before = if stale { None } else { self.current };
            self.current = None;
            self.turned = now;
        }
        Some(self.before?.min(self.current?))
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
            lag.sample(late);
            let least = lag.least(at(second));
            assert_eq!(
                least,
                (second > 10 && second != 20).then_some(late),
                "at {second}"
            );
        }
        lag.sample(Duration::from_millis(40));
        assert_eq!(lag.least(at(25)), Some(Duration::from_millis(40)));
    }
}
