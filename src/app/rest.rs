//! A moment's rest between the portions of a busy stream: what comes meanwhile is taken in one go, while all that it
//! takes is at hand. At a hundred thousand entries a second this saves a tenth of the CPU.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long: far below what anybody could notice, and a portion of a hundred entries at that rate.
const REST: Duration = Duration::from_millis(1);
/// A portion of so many entries is followed by more.
pub const BUSY: usize = 32;

/// Between a loop that works and the thread that it runs on.
#[derive(Clone, Debug, Default)]
pub struct Rest(Arc<AtomicBool>);

impl Rest {
    /// The loop took so many entries in one go.
    #[inline]
    pub fn taken(&self, entries: usize) {
        if entries >= BUSY {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    /// The thread is about to wait for more: it rests first, where the loop was busy since the last time. A stream that
    /// is never caught up with never waits, and is not held up.
    #[expect(
        clippy::disallowed_methods,
        reason = "the thread has nothing else to do: all that runs on it waits"
    )]
    pub fn before_waiting(&self) {
        if self.0.swap(false, Ordering::Relaxed) {
            std::thread::sleep(REST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rests(rest: &Rest) -> bool {
        let is_due = rest.0.load(Ordering::Relaxed);
        rest.before_waiting();
        is_due
    }

    #[test]
    fn only_a_busy_loop_rests_and_only_once() {
        let rest = Rest::default();
        let thread = rest.clone();
        assert!(!rests(&thread));
        rest.taken(BUSY - 1);
        assert!(!rests(&thread), "few entries are not kept waiting");
        rest.taken(BUSY);
        assert!(rests(&thread));
        assert!(!rests(&thread), "nothing came since");
    }
}
