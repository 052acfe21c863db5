//! The organisation and its stream, as a tour changes them.

use super::organisation::{Entry, Fate, Organisation};

/// The organisation, and whether its stream flows.
#[derive(Debug)]
pub(super) struct Stage {
    organisation: Organisation,
    /// Nothing arrives while it is true.
    pub(super) is_stalled: bool,
    /// Words of farewell that are still to be sent.
    said: Vec<Entry>,
}

impl Stage {
    /// Every instance beats, and the stream flows.
    pub(super) fn new() -> Self {
        Stage {
            organisation: Organisation::new(),
            is_stalled: false,
            said: Vec::new(),
        }
    }

    /// Changes an instance's state.
    pub(super) fn set(&mut self, who: usize, fate: Fate) {
        self.said.extend(self.organisation.set(who, fate));
    }

    /// The entries of an instance whose turn it is, and farewells; none arrive while the stream stalls.
    pub(super) fn speak(&mut self, who: usize) -> Vec<Entry> {
        let mut said = std::mem::take(&mut self.said);
        said.extend(self.organisation.speak(who));
        if self.is_stalled {
            said.clear();
        }
        said
    }

    /// True if every instance beats.
    #[cfg(test)]
    pub(super) fn all_beat(&self) -> bool {
        self.organisation.all_beat()
    }
}
