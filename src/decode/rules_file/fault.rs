//! One fault, with its place, as a person reads it.

use std::fmt;

/// What is wrong (or, as a warning, likely not meant) at one place of one file.
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
    /// What is wrong.
    pub what: String,
    /// What is allowed; empty where `what` says all.
    pub allowed: String,
}

impl Fault {
    /// `file:line:col`.
    pub fn place(&self) -> String {
        format!("{}:{}:{}", self.file, self.line, self.col)
    }

    /// `rule "x": key: what is wrong; what is allowed`.
    pub fn told(&self) -> String {
        let rule = self
            .rule
            .as_ref()
            .map(|rule| format!("rule {}: ", quoted(rule)));
        let key = self.key.as_ref().map(|key| format!("{}: ", shortened(key)));
        let allowed = if self.allowed.is_empty() { "" } else { "; " };
        let what = &self.what;
        format!(
            "{}{}{what}{allowed}{}",
            rule.unwrap_or_default(),
            key.unwrap_or_default(),
            self.allowed
        )
    }
}

impl fmt::Display for Fault {
    /// `file:line:col: rule "x": key: what is wrong; what is allowed`, always one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place(), self.told())
    }
}

/// Characters of a file's own text that a fault repeats: enough to find it by, and still one line.
const MAX_REPEATED: usize = 60;

/// A text of the file within quotes, on one line, cut where it is long.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", shortened(text))
}

/// A text of the file on one line, cut where it is long.
pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_REPEATED) {
        Some((end, _)) => format!("{}...", text[..end].escape_debug()),
        None => text.escape_debug().to_string(),
    }
}
