//! The limit on restarts of machines.

use crate::core::time::Mono;
use std::collections::VecDeque;
use std::time::Duration;

/// Limit on restarts within an hour, over all apps: more silences than that have another cause than their machines.
pub const RESTARTS_AN_HOUR: usize = 6;
const HOUR: Duration = Duration::from_secs(3600);

/// The restarts of the last hour.
#[derive(Debug, Default)]
pub(in crate::core) struct Restarts(VecDeque<Mono>);

impl Restarts {
    /// True if one more is allowed, which is then counted.
    pub(super) fn may(&mut self, now: Mono) -> bool {
        while self.0.front().is_some_and(|&at| now.since(at) >= HOUR) {
            self.0.pop_front();
        }
        let may = self.0.len() < RESTARTS_AN_HOUR;
        if may {
            self.0.push_back(now);
        }
        may
    }
}
