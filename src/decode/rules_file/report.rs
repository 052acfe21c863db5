//! Gathers what is wrong in one file, by byte offset, and places it at the end.
//!
//! Places are worked out for what is shown only: a long line with a fault at every byte would otherwise be
//! counted through once for each.

use super::MAX_SHOWN;
use super::fault::{Fault, shortened};
use super::place::Lines;
use std::collections::BTreeSet;

/// What is wrong with something, before its place is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// What is wrong.
    pub(super) what: String,
    /// What is allowed.
    pub(super) allowed: String,
}

impl Wrong {
    /// What is wrong, and what is allowed.
    pub(super) fn new(what: String, allowed: &str) -> Self {
        Wrong {
            what,
            allowed: allowed.to_owned(),
        }
    }
}

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

    /// Line and column of a byte offset, each from 1.
    pub(super) fn place(&self, at: usize) -> (usize, usize) {
        self.lines.place(at)
    }

    /// Whether the TOML of this file is broken, so that something missing may have been meant to be there.
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
            self.faults.push(found(at, rule, key, wrong));
        } else {
            self.more_faults += 1;
        }
    }

    /// Places and sorts everything: the first [`MAX_SHOWN`] faults, and how many more there are.
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
        let (line, col) = self.lines.place(found.at);
        let Found {
            rule, key, wrong, ..
        } = found;
        Fault {
            file: self.file.clone(),
            line,
            col,
            rule,
            key,
            what: wrong.what,
            allowed: wrong.allowed,
        }
    }
}

fn found(at: usize, rule: Option<&str>, key: Option<&str>, wrong: Wrong) -> Found {
    Found {
        at,
        rule: rule.map(shortened),
        key: key.map(shortened),
        wrong,
    }
}
