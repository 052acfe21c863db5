//! Gathers the faults of one file, by byte offset, and gives them their positions at the end.
//!
//! Positions are worked out for what is shown only: a long line with a fault at every byte would otherwise be
//! counted through once for each.

use super::fault::{Fault, Wrong};
use super::position::{Lines, Position};
use std::collections::BTreeSet;

/// Found at a byte offset.
struct Found {
    at: usize,
    rule: Option<String>,
    key: Option<String>,
    wrong: Wrong,
}

/// Everything found in one file.
pub(super) struct Report<'t> {
    /// The file's name.
    pub(super) file: String,
    lines: Lines<'t>,
    faults: Vec<Found>,
    more_faults: usize,
    /// Lines on which the TOML itself is broken: what else is found there only follows from it.
    broken: BTreeSet<usize>,
}

/// Limit of the faults, and of the warnings, of one reading: these are to be fixed first.
pub const MAX_SHOWN: usize = 100;
/// Faults kept of one file until they are sorted: ten times what is shown, as they come in no strict order.
const MAX_KEPT: usize = 10 * MAX_SHOWN;

impl<'t> Report<'t> {
    /// Nothing found yet.
    pub(super) fn new(file: &str, text: &'t str) -> Self {
        Report {
            file: file.to_owned(),
            lines: Lines::new(text),
            faults: Vec::new(),
            more_faults: 0,
            broken: BTreeSet::new(),
        }
    }

    /// The position of a byte offset.
    pub(super) fn position(&self, at: usize) -> Position {
        let (line, col) = self.lines.position(at);
        let file = self.file.clone();
        Position { file, line, col }
    }

    /// True where the TOML of this file is broken, so that something missing may have been meant to be there.
    pub(super) fn is_broken(&self) -> bool {
        !self.broken.is_empty()
    }

    /// A fault of the TOML itself. Only the first of a line counts.
    pub(super) fn broken(&mut self, at: usize, wrong: Wrong) {
        if self.broken.insert(self.lines.line(at)) {
            self.push(at, None, None, wrong);
        }
    }

    /// A fault in what the TOML says.
    pub(super) fn fault(&mut self, at: usize, rule: Option<&str>, key: Option<&str>, wrong: Wrong) {
        if self.broken.is_empty() || !self.broken.contains(&self.lines.line(at)) {
            self.push(at, rule, key, wrong);
        }
    }

    fn push(&mut self, at: usize, rule: Option<&str>, key: Option<&str>, wrong: Wrong) {
        if self.faults.len() < MAX_KEPT {
            self.faults.push(Found {
                at,
                rule: rule.map(str::to_owned),
                key: key.map(str::to_owned),
                wrong,
            });
        } else {
            self.more_faults += 1;
        }
    }

    /// Sorts everything: the first [`MAX_SHOWN`] faults, and the number of those beyond.
    pub(super) fn finish(mut self) -> (Vec<Fault>, usize) {
        let more = self.more_faults + self.faults.len().saturating_sub(MAX_SHOWN);
        let mut found = std::mem::take(&mut self.faults);
        found.sort_by_key(|found| found.at);
        found.truncate(MAX_SHOWN);
        (
            found.into_iter().map(|found| self.placed(found)).collect(),
            more,
        )
    }

    fn placed(&self, found: Found) -> Fault {
        let position = self.position(found.at);
        Fault::new(
            &position,
            found.rule.as_deref(),
            found.key.as_deref(),
            found.wrong,
        )
    }
}
