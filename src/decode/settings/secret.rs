//! Texts that are never printed, and where they come from.

use std::fmt;
use std::path::PathBuf;

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps it.
    pub fn new(text: impl Into<String>) -> Self {
        Secret(text.into())
    }

    /// The text itself: only for the peer it is meant for.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Where the token is.
#[derive(Clone, Debug)]
pub enum TokenSource {
    /// Here.
    Given(Secret),
    /// In a file that is read again at each connect.
    File(PathBuf),
}
