//! The organisation and its stream, as a tour changes them.

use super::organisation::{Entry, Fate, Organisation};
use super::peers::Peers;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The organisation, whether its stream flows, and its peers.
#[derive(Debug)]
pub(super) struct Stage {
    organisation: Organisation,
    /// Nothing arrives while it is true.
    pub(super) is_stalled: bool,
    peers: Arc<Peers>,
    /// Farewells and canaries that are still to be sent.
    said: Vec<Entry>,
}

impl Stage {
    /// Every instance beats, the stream flows, and the peers are well.
    pub(super) fn new(peers: Arc<Peers>) -> Self {
        Stage {
            organisation: Organisation::new(),
            is_stalled: false,
            peers,
            said: Vec::new(),
        }
    }

    /// Changes an instance's state.
    pub(super) fn set(&mut self, who: usize, fate: Fate) {
        self.said.extend(self.organisation.set(who, fate));
    }

    /// Breaks the log shipper, or mends it.
    pub(super) fn break_shipper(&self, is_broken: bool) {
        let flag = &self.peers.is_shipper_broken;
        flag.store(is_broken, Ordering::Relaxed);
    }

    /// Breaks the receiver of notifications, or mends it.
    pub(super) fn break_notifier(&self, is_broken: bool) {
        let flag = &self.peers.is_notifier_broken;
        flag.store(is_broken, Ordering::Relaxed);
    }

    /// Sends a canary into the stream.
    pub(super) fn say_canary(&mut self, line: &str) {
        self.said.push(Entry::of_canary(line));
    }

    /// The entries of an instance whose turn it is, farewells and canaries; none arrive while the stream stalls. All of them are
    /// shipped too.
    pub(super) fn speak(&mut self, who: usize) -> Vec<Entry> {
        let mut said = std::mem::take(&mut self.said);
        said.extend(self.organisation.speak(who));
        if self.is_stalled {
            said.clear();
        }
        said.iter().for_each(|entry| self.peers.ship(entry));
        said
    }

    /// True if every instance beats, the stream flows, and the peers are well.
    #[cfg(test)]
    pub(super) fn is_well(&self) -> bool {
        self.organisation.all_beat() && !self.is_stalled && self.peers.are_well()
    }
}
