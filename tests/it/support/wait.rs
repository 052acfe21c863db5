//! Waiting on state, each wait with a name and a bound. The only file of the tests that reads a clock or
//! pauses a thread.

#![expect(
    clippy::disallowed_methods,
    reason = "tests watch real servers in real time, here and nowhere else"
)]

use std::time::{Duration, Instant, SystemTime};

/// Between two looks at the state, at least; where a look takes longer, twice as long as it took: looking is not to be most
/// of what the machine does.
const PAUSE: Duration = Duration::from_millis(20);

/// Returns once `done` says so; panics with `what` after `within`.
#[track_caller]
pub fn wait_until(what: &str, within: Duration, mut done: impl FnMut() -> bool) {
    wait_for(what, within, || done().then_some(()));
}

/// Returns what `probe` found once it finds something; panics with `what` after `within`.
#[track_caller]
pub fn wait_for<T>(what: &str, within: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        let looked = Instant::now();
        if let Some(found) = probe() {
            return found;
        }
        let took = looked.elapsed();
        assert!(
            started.elapsed() < within,
            "waited {within:?} in vain for: {what}"
        );
        std::thread::sleep(PAUSE.max(took * 2));
    }
}

/// The clock on the wall.
pub fn wall() -> SystemTime {
    SystemTime::now()
}

/// How long ago `then` was on the wall clock; zero where it lies ahead.
pub fn since(then: SystemTime) -> Duration {
    wall().duration_since(then).unwrap_or_default()
}

/// Lets time pass: where the moment itself is what a test chooses at random, as when it kills a process.
pub fn let_pass(span: Duration) {
    std::thread::sleep(span);
}
