//! The part of each chunk that is kept, by the rules in force.

use super::chunk::{Chunk, Record};
use super::status::SharedWords;
use crate::core::rule::{ArchiveRule, Keep, RuleSet};
use crate::core::time::Wall;
use crate::decode::archive_line::{ArrivalText, arrival_text, rewrite_arrival, write_entry};
use crate::decode::beat::Markers;
use crate::decode::redact::Redact;
use crate::decode::{lifecycle, log_line};
use memchr::memmem::Finder;
use std::sync::Arc;

/// Takes entries out of chunks and secrets out of entries.
pub(super) struct Content {
    rules: Arc<RuleSet>,
    markers: Markers,
    redact: Redact,
    drop: Vec<(crate::core::rule::Globs, Finder<'static>)>,
    /// Wall clock: the arrival of the last line, and its text.
    arrival: (Wall, ArrivalText),
    lines: Vec<u8>,
}

impl Content {
    pub(super) fn new(rules: Arc<RuleSet>) -> Self {
        let drops = rules.archive.drop.iter();
        let drop = drops.map(|rule| (rule.app.clone(), Finder::new(&rule.contains).into_owned()));
        Content {
            markers: Markers::new(&rules.markers),
            redact: Redact::new(&rules.archive.redact),
            drop: drop.collect(),
            arrival: (Wall::ZERO, arrival_text(Wall::ZERO)),
            lines: Vec::new(),
            rules,
        }
    }

    /// The archive's rule.
    pub(super) fn rule(&self) -> &ArchiveRule {
        &self.rules.archive
    }

    /// True where these are the rules in force.
    pub(super) fn is_of(&self, rules: &Arc<RuleSet>) -> bool {
        Arc::ptr_eq(&self.rules, rules)
    }

    /// Adds the entries to the last words, and gives the lines to write with the number of entries in them; none where
    /// nothing `is_written`.
    pub(super) fn take(
        &mut self,
        chunk: &Chunk,
        words: &SharedWords,
        is_written: bool,
    ) -> (&[u8], u64) {
        let rule = &self.rules.archive;
        let is_all = rule.keep == Keep::All && self.drop.is_empty();
        let mut lines = std::mem::take(&mut self.lines);
        lines.clear();
        let mut count = 0;
        let mut words = words.lock();
        for record in chunk.records() {
            let (at, subject, payload) = match record {
                Record::Entry {
                    at,
                    subject,
                    payload,
                } => (at, subject, self.redact.apply(payload)),
                Record::Mark(line) => {
                    lines.extend_from_slice(line);
                    continue;
                }
            };
            words.push(at, subject, &payload);
            if is_written && (is_all || self.keeps(subject, &payload)) {
                let (before, text) = &mut self.arrival;
                if at != *before {
                    rewrite_arrival(text, *before, at);
                    *before = at;
                }
                count += u64::from(write_entry(&mut lines, text, subject, &payload));
            }
        }
        self.lines = lines;
        (&self.lines, count)
    }

    fn keeps(&self, subject: &str, payload: &[u8]) -> bool {
        let is_signal = || {
            self.markers.in_bytes(payload)
                || lifecycle::may_be_in(log_line::provider(payload), payload)
        };
        if self.rules.archive.keep == Keep::Beats && !is_signal() {
            return false;
        }
        let app = subject.split('.').nth(1).unwrap_or_default();
        let is_dropped = |(globs, text): &(crate::core::rule::Globs, Finder<'_>)| {
            (globs.0.is_empty() || globs.matches(app)) && text.find(payload).is_some()
        };
        !self.drop.iter().any(is_dropped)
    }
}
