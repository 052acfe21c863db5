//! The part of each chunk that is kept, by the rules in force.

use super::status::SharedWords;
use crate::core::rule::{ArchiveRule, Keep, RuleSet};
use crate::core::time::Wall;
use crate::decode::archive_line::{self, ARRIVAL, ArrivalText, Arrivals, write_entry};
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
    arrivals: Arrivals,
    kept: Vec<u8>,
}

impl Content {
    pub(super) fn new(rules: Arc<RuleSet>) -> Self {
        let drops = rules.archive.drop.iter();
        let drop = drops.map(|rule| (rule.app.clone(), Finder::new(&rule.contains).into_owned()));
        Content {
            markers: Markers::new(&rules.markers),
            redact: Redact::new(&rules.archive.redact),
            drop: drop.collect(),
            arrivals: Arrivals::default(),
            kept: Vec::new(),
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

    /// Adds the entries to the last words, and gives the lines to write with the number of entries in them.
    pub(super) fn take<'a>(
        &'a mut self,
        lines: &'a [u8],
        entries: u64,
        words: &SharedWords,
    ) -> (&'a [u8], u64) {
        let rule = &self.rules.archive;
        let is_whole = rule.keep == Keep::All && self.drop.is_empty() && self.redact.is_empty();
        self.kept.clear();
        let mut count = 0;
        let mut words = words.lock();
        let (mut last, mut at) = (&[][..], Wall::ZERO);
        for line in archive_line::lines(lines) {
            let Some((subject, payload)) = archive_line::parts(line) else {
                if !is_whole {
                    self.kept.extend_from_slice(line);
                    self.kept.push(b'\n');
                }
                continue;
            };
            let text = &line[..ARRIVAL];
            if text != last {
                last = text;
                at = self.arrivals.read(text).unwrap_or(at);
            }
            if is_whole {
                words.push(at, subject, &payload);
                continue;
            }
            let payload = self.redact.apply(&payload);
            words.push(at, subject, &payload);
            if self.keeps(subject, &payload) {
                let arrival: &ArrivalText = text.try_into().unwrap_or(&[b'0'; ARRIVAL]);
                count += u64::from(write_entry(&mut self.kept, arrival, subject, &payload));
            }
        }
        if is_whole {
            (lines, entries)
        } else {
            (&self.kept, count)
        }
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
