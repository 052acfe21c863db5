//! Detects that the process itself stood still: stopped, starved, or on a suspended machine.

use crate::core::time::Now;
use std::time::Duration;

/// The loop turns at least once a second; a turn that is this late was not ours to take.
const STOOD_STILL: Duration = Duration::from_secs(3);

/// Watches the loop's own turns.
#[derive(Clone, Copy, Debug)]
pub struct SuspendDetector {
    last: Now,
}

impl SuspendDetector {
    /// Starts with a turn at `now`.
    pub fn new(now: Now) -> Self {
        SuspendDetector { last: now }
    }

    /// A turn at `now`: whether the process stood still before it. A stopped process sees its arrival clock
    /// run on, a suspended machine sees it stand while the wall clock runs.
    pub fn stood_still(&mut self, now: Now) -> bool {
        let last = std::mem::replace(&mut self.last, now);
        let turn = now.mono.since(last.mono);
        let asleep = now.wall.since(last.wall).saturating_sub(turn);
        turn > STOOD_STILL || asleep > STOOD_STILL
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::time::{Mono, Wall};

    fn at(mono: u64, wall: u64) -> Now {
        Now {
            mono: Mono::from_nanos(mono * 1_000_000_000),
            wall: Wall::from_nanos(wall * 1_000_000_000),
        }
    }

    #[test]
    fn a_late_turn_and_a_sleeping_machine_are_noticed_and_a_clock_set_back_is_not() {
        let mut suspend_detector = SuspendDetector::new(at(10, 1000));
        assert!(!suspend_detector.stood_still(at(11, 1001)));
        assert!(
            suspend_detector.stood_still(at(311, 1301)),
            "stopped for five minutes"
        );
        assert!(
            suspend_detector.stood_still(at(312, 1902)),
            "suspended for ten minutes"
        );
        assert!(
            !suspend_detector.stood_still(at(313, 1803)),
            "the wall clock was set back"
        );
        assert!(!suspend_detector.stood_still(at(316, 1806)));
    }
}
