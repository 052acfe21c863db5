//! Number of beats that must be lost under "auto" before a target alerts.

use crate::core::rule::AUTO_FACTOR;

/// The factor of the wait that runs, and of the next.
#[derive(Clone, Copy, Debug)]
pub struct Factor {
    now: u8,
    next: u8,
}

impl Default for Factor {
    fn default() -> Self {
        Factor::of(AUTO_FACTOR)
    }
}

impl Factor {
    /// The same now and next.
    pub fn of(factor: u32) -> Self {
        let factor = u8::try_from(factor).unwrap_or(u8::MAX);
        Factor {
            now: factor,
            next: factor,
        }
    }

    /// The factor of the wait that runs.
    #[inline]
    pub const fn now(self) -> u32 {
        self.now as u32
    }

    /// The factor from the next sign of life on.
    pub const fn next(self) -> u32 {
        self.next as u32
    }

    /// Sets the factor from the next sign of life on.
    pub fn set_next(&mut self, factor: u32) {
        self.next = Factor::of(factor).next;
    }

    /// A sign of life came: another wait begins.
    #[inline]
    pub const fn take_next(&mut self) {
        self.now = self.next;
    }
}
