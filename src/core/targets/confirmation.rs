//! Confirmation by the inventory: the silence of an instance becomes an alert only after an answer newer than its
//! deadline, or after five seconds without one.

use crate::core::inventory::Candidate;
use crate::core::time::Mono;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Longest wait for an answer.
const AWAITED_FOR: Duration = Duration::from_secs(5);
/// Number of candidates named in one request; every answer covers all machines anyway.
const MAX_CANDIDATES: usize = 64;

/// Targets whose alerts wait for an answer.
#[derive(Debug, Default)]
pub struct Confirmation {
    /// Arrival clock: end of each target's wait.
    until: BTreeMap<u32, Mono>,
    /// Targets whose wait ended without an answer, until they are evaluated.
    waited: BTreeSet<u32>,
    candidates: BTreeSet<Candidate>,
    /// True if a wait began since the last request.
    asks: bool,
}

impl Confirmation {
    /// Arrival clock: end of the earliest wait.
    pub(in crate::core) fn first(&self) -> Mono {
        self.until.values().min().copied().unwrap_or(Mono::NEVER)
    }

    /// The instances that alerts wait for; `None` if no wait began since the last call.
    pub(in crate::core) fn take_candidates(&mut self) -> Option<Vec<Candidate>> {
        let asks = std::mem::take(&mut self.asks);
        asks.then(|| std::mem::take(&mut self.candidates).into_iter().collect())
    }

    /// Requests an answer at once; with the last exit of an instance, if one is given.
    pub(in crate::core) fn ask(&mut self, candidate: Option<Candidate>) {
        self.asks = true;
        if self.candidates.len() < MAX_CANDIDATES {
            self.candidates.extend(candidate);
        }
    }

    /// Begins the wait of a target.
    pub(in crate::core) fn wait(&mut self, target: u32, now: Mono) {
        self.until.insert(target, now + AWAITED_FOR);
    }

    /// Records that a target's wait ended without an answer.
    pub(in crate::core) fn waited(&mut self, target: u32) {
        self.waited.insert(target);
    }

    /// Forgets a target, whose number may become another's.
    pub(in crate::core) fn forget(&mut self, target: u32) {
        self.until.remove(&target);
        self.waited.remove(&target);
    }

    /// True, once, if a target's wait ended without an answer.
    pub(in crate::core) fn has_waited(&mut self, target: u32) -> bool {
        self.waited.remove(&target)
    }

    /// Ends all waits because of an answer; gives their targets.
    pub(in crate::core) fn answered(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.until).into_keys().collect()
    }

    /// Ends the waits that lasted too long; gives their targets.
    pub(in crate::core) fn expired(&mut self, now: Mono) -> Vec<u32> {
        if self.first() > now {
            return Vec::new();
        }
        let all = std::mem::take(&mut self.until).into_iter();
        let (over, waiting): (BTreeMap<_, _>, _) = all.partition(|(_, until)| *until <= now);
        self.until = waiting;
        over.into_keys().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn one_request_names_so_many_candidates_at_most() {
        let mut confirmation = Confirmation::default();
        assert_eq!(confirmation.take_candidates(), None);
        for number in 0..MAX_CANDIDATES + 2 {
            confirmation.ask(Some(Candidate {
                app: Arc::from("web"),
                region: Arc::from("iad"),
                id: Arc::from(number.to_string()),
            }));
        }
        let asked = confirmation.take_candidates().expect("a wait began");
        assert_eq!(asked.len(), MAX_CANDIDATES);
        assert_eq!(confirmation.take_candidates(), None);
        confirmation.ask(None);
        assert_eq!(confirmation.take_candidates(), Some(Vec::new()));
    }
}
