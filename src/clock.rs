//! The only reader of the OS clock. Everyone else takes `now` as a value.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this is where the clocks are read"
)]

use crate::core::time::{Mono, Now, Wall};
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The arrival clock and the wall clock beside it. The arrival clock begins with what the wall clock shows, so that times
/// of an earlier process have their place on it, and is never set. Copies agree.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
    began: Mono,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Self {
        Clock {
            started: Instant::now(),
            began: Mono::from_nanos(wall().nanos()),
        }
    }

    /// Both clocks.
    pub fn now(&self) -> Now {
        Now {
            mono: self.mono(),
            wall: wall(),
        }
    }

    /// Reads both clocks.
    pub fn now_fn(self) -> NowFn {
        Arc::new(move || self.now())
    }

    /// The arrival clock.
    pub fn mono(&self) -> Mono {
        self.began + self.started.elapsed()
    }
}

/// Reads both clocks; tests hand in another.
pub type NowFn = Arc<dyn Fn() -> Now + Send + Sync>;

/// The wall clock; the epoch where the machine's clock stands before it.
pub fn wall() -> Wall {
    Wall::ZERO
        + SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
}
