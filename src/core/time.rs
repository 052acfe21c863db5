//! Points on the three clocks, kept apart by type so that they cannot be mixed.

use std::ops::{Add, Sub};
use std::time::Duration;

macro_rules! clock {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// The clock's zero.
            pub const ZERO: Self = Self(0);
            /// Later than any point that is reached: "never".
            pub const NEVER: Self = Self(u64::MAX);

            /// The point this many nanoseconds after the clock's zero.
            pub const fn from_nanos(nanos: u64) -> Self {
                Self(nanos)
            }

            /// Nanoseconds since the clock's zero.
            pub const fn nanos(self) -> u64 {
                self.0
            }

            /// Seconds since the clock's zero.
            pub fn seconds(self) -> f64 {
                self.0 as f64 / 1e9
            }

            /// Time from `earlier` to this point; zero if `earlier` lies after it.
            pub const fn since(self, earlier: Self) -> Duration {
                Duration::from_nanos(self.0.saturating_sub(earlier.0))
            }
        }

        impl Add<Duration> for $name {
            type Output = Self;
            /// Saturates at [`Self::NEVER`].
            fn add(self, by: Duration) -> Self {
                Self(self.0.saturating_add(nanos(by)))
            }
        }

        impl Sub<Duration> for $name {
            type Output = Self;
            /// Saturates at [`Self::ZERO`].
            fn sub(self, by: Duration) -> Self {
                Self(self.0.saturating_sub(nanos(by)))
            }
        }
    };
}

clock! {
    /// A point on the arrival clock: nanoseconds of lastbeat's own monotonic clock, whose zero the caller of the core
    /// sets once. Gaps are measured on this clock alone.
    Mono
}
clock! {
    /// A point of the wall clock: nanoseconds since the Unix epoch. For lag and display, never for gaps.
    Wall
}
clock! {
    /// A point on the listened clock: nanoseconds that lastbeat has listened so far. It stands still while lastbeat is
    /// blind.
    Listened
}

/// The two clocks read at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The arrival clock.
    pub mono: Mono,
    /// The wall clock.
    pub wall: Wall,
}

impl Now {
    /// The wall-clock time of a point on the arrival clock, by the present distance between the two.
    pub fn wall_of(&self, at: Mono) -> Wall {
        if at <= self.mono {
            self.wall - self.mono.since(at)
        } else {
            self.wall + at.since(self.mono)
        }
    }
}

/// A moment on two clocks: arrival time and listened time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Arrival time.
    pub at: Mono,
    /// Reading of the listened clock at that time.
    pub listened: Listened,
}

/// Whole nanoseconds of a duration, saturating (585 years).
pub fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
