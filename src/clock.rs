//! The only reader of the OS clock. Everyone else takes `now` as a value.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this is where the clocks are read"
)]

use crate::core::time::{Mono, Now, Wall};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The arrival clock, whose zero is the moment it was made, and the wall clock beside it. Copies agree.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    zero: Instant,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Self {
        Clock {
            zero: Instant::now(),
        }
    }

    /// Both clocks.
    pub fn now(&self) -> Now {
        Now {
            mono: self.mono(),
            wall: wall(),
        }
    }

    /// The arrival clock.
    pub fn mono(&self) -> Mono {
        Mono::ZERO + self.zero.elapsed()
    }
}

/// The wall clock; the epoch where the machine's clock stands before it.
pub fn wall() -> Wall {
    Wall::ZERO
        + SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
}
