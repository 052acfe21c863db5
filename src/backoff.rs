//! The wait before the next attempt: exponential, with full jitter, so that many clients that failed together do
//! not come back together.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// A series of waits.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// The longest wait after the first failure.
    pub first: Duration,
    /// No wait is longer than this.
    pub longest: Duration,
}

impl Backoff {
    /// The wait after this many failures in a row: anything from nothing up to [`Self::bound`].
    pub fn delay(&self, failures: u32) -> Duration {
        self.bound(failures).mul_f64(chance())
    }

    /// The longest wait after this many failures in a row.
    pub fn bound(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        self.first.saturating_mul(1 << doublings).min(self.longest)
    }
}

/// A number from 0 to 1, another one each time. For spreading load, not for secrets.
fn chance() -> f64 {
    let random = RandomState::new().hash_one(0_u8);
    (random >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_are_spread() {
        let backoff = Backoff {
            first: Duration::from_millis(250),
            longest: Duration::from_secs(30),
        };
        let bounds = [1, 2, 3, 8, 9, 1000].map(|failures| backoff.bound(failures).as_millis());
        assert_eq!(bounds, [250, 500, 1000, 30_000, 30_000, 30_000]);
        let delays: Vec<Duration> = (0..64).map(|_| backoff.delay(9)).collect();
        assert!(delays.iter().all(|delay| *delay <= backoff.longest));
        assert!(
            delays.iter().any(|delay| *delay != delays[0]),
            "all 64 waits are the same"
        );
    }
}
