//! One fault with its position, as a person reads it.

use super::position::Position;
pub(super) use crate::decode::quoted::{quoted, shortened};
use std::fmt;

/// A fault (or, as a warning, something likely not meant) at one position of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file's name, as it was given.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub col: usize,
    /// The rule's name, where the fault lies in a rule that has one.
    pub rule: Option<String>,
    /// The key, where it lies at one.
    pub key: Option<String>,
    /// The fault itself.
    pub what: String,
    /// The allowed values; empty where `what` says all.
    pub allowed: String,
}

/// A fault before its position is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// The fault itself.
    pub(super) what: String,
    /// The allowed values.
    pub(super) allowed: String,
}

impl Wrong {
    /// A fault, and the allowed values.
    pub(super) fn new(what: impl Into<String>, allowed: impl Into<String>) -> Self {
        Wrong {
            what: what.into(),
            allowed: allowed.into(),
        }
    }
}

impl Fault {
    /// A fault at a position, of a key of a rule.
    pub(super) fn new(at: &Position, rule: Option<&str>, key: Option<&str>, wrong: Wrong) -> Self {
        Fault {
            file: at.file.clone(),
            line: at.line,
            col: at.col,
            rule: rule.map(str::to_owned),
            key: key.map(str::to_owned),
            what: wrong.what,
            allowed: wrong.allowed,
        }
    }

    /// The line of a warning.
    pub fn warning(&self) -> String {
        format!("{}: warning: {}", self.position(), self.message())
    }

    /// `file:line:col`.
    fn position(&self) -> String {
        format!("{}:{}:{}", self.file, self.line, self.col)
    }

    /// `rule "x": key: what is wrong; what is allowed`.
    fn message(&self) -> String {
        let rule = self
            .rule
            .iter()
            .map(|rule| format!("rule {}: ", quoted(rule)));
        let key = self.key.iter().map(|key| format!("{}: ", shortened(key)));
        let head: String = rule.chain(key).collect();
        let (what, allowed) = (&self.what, &self.allowed);
        let separator = if allowed.is_empty() { "" } else { "; " };
        format!("{head}{what}{separator}{allowed}")
    }
}

impl fmt::Display for Fault {
    /// `file:line:col: rule "x": key: what is wrong; what is allowed`, always one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.position(), self.message())
    }
}
