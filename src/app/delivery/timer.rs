//! The timer of the queues.

use tokio::time::Instant;

/// The runtime's timer, which only says when to wake; no time that is shown or measured comes from it.
#[expect(
    clippy::disallowed_methods,
    reason = "sleep_until takes the timer's own clock, which tests can pause"
)]
pub(super) fn timer() -> Instant {
    Instant::now()
}
