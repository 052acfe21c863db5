//! Downstreams: log shippers that are watched from the stream to their sinks.
//!
//! lastbeat puts entries of its own into the stream, sees them come back, and asks the sink for them. This part keeps
//! what follows from that for each `[[downstream]]`; it knows no incidents.

pub mod counters;
pub mod missing;
pub mod rule;
mod saved;
#[cfg(test)]
mod tests;
pub mod watch;

use crate::core::downstream::missing::SavedDownstream;
use crate::core::downstream::rule::DownstreamRule;
use crate::core::downstream::watch::Watch;
use crate::core::time::{Mono, Now, Wall};
use std::collections::BTreeMap;

/// All downstreams, by number. A number stays that of a name while it is watched.
#[derive(Debug, Default)]
pub struct Downstreams {
    watches: BTreeMap<u32, Watch>,
    next: u32,
}

impl Downstreams {
    /// Downstreams of which nothing is known.
    pub fn new(rules: &[DownstreamRule], now: Mono) -> Self {
        let mut downstreams = Downstreams::default();
        downstreams.set_rules(rules, now);
        downstreams
    }

    /// Watches these; gives the numbers of those that are not watched any more. One of the same name keeps what is
    /// known of it where its query is the same.
    pub fn set_rules(&mut self, rules: &[DownstreamRule], now: Mono) -> Vec<u32> {
        let is_gone = |watch: &Watch| rules.iter().all(|rule| rule.name != watch.rule.name);
        let gone: Vec<u32> = self
            .iter()
            .filter(|(_, watch)| is_gone(watch))
            .map(|(id, _)| id)
            .collect();
        self.watches.retain(|id, _| !gone.contains(id));
        for rule in rules {
            match self.find(&rule.name) {
                Some(id) => {
                    let known = self
                        .watches
                        .get_mut(&id)
                        .filter(|watch| watch.rule.find == rule.find);
                    match known {
                        Some(watch) => watch.rule = rule.clone(),
                        None => drop(self.watches.insert(id, Watch::new(rule.clone(), now))),
                    }
                }
                None => {
                    self.watches
                        .insert(self.next, Watch::new(rule.clone(), now));
                    self.next += 1;
                }
            }
        }
        gone
    }

    /// The number of a name; `None`: it is not watched.
    pub fn find(&self, name: &str) -> Option<u32> {
        let mut all = self.iter();
        all.find(|(_, watch)| watch.rule.name == name)
            .map(|(id, _)| id)
    }

    /// One of them.
    pub fn get(&self, id: u32) -> Option<&Watch> {
        self.watches.get(&id)
    }

    /// One of them, to be changed.
    pub fn get_mut(&mut self, id: u32) -> Option<&mut Watch> {
        self.watches.get_mut(&id)
    }

    /// All of them, by number.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Watch)> {
        self.watches.iter().map(|(&id, watch)| (id, watch))
    }

    /// The knowledge that the next process needs.
    pub fn saved(&self, now: Now) -> Vec<SavedDownstream> {
        let all = self.watches.values();
        all.filter_map(|watch| watch.saved(now)).collect()
    }

    /// Continues what a previous process knew of one, if it is still watched. `stalls_since`: its time by the arrival clock.
    pub fn restore(&mut self, saved: &SavedDownstream, stalls_since: Option<Mono>) {
        let id = self.find(&saved.name);
        if let Some(watch) = id.and_then(|id| self.get_mut(id)) {
            watch.restored(saved, stalls_since);
        }
    }

    /// This range of one was shipped again.
    pub fn refilled(&mut self, name: &str, from: Wall, until: Wall) {
        if let Some(watch) = self.find(name).and_then(|id| self.get_mut(id)) {
            watch.refilled(from, until);
        }
    }

    /// A canary that departed at `sent` came back through the stream.
    pub fn entered(&mut self, number: u64, sent: Wall, at: Mono) {
        for watch in self.watches.values_mut() {
            watch.entered(number, sent, at);
        }
    }

    /// lastbeat does not receive the stream.
    pub fn blinded(&mut self, now: Mono) {
        self.watches
            .values_mut()
            .for_each(|watch| watch.blinded(now));
    }

    /// Evaluates all of them; `sees`: lastbeat receives the stream.
    pub fn evaluate(&mut self, now: Mono, sees: bool) {
        for watch in self.watches.values_mut() {
            watch.evaluate(now, sees);
        }
    }
}
