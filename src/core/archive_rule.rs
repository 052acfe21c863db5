//! `[archive]`: the content of the archive, and its limits.

use crate::core::globs::Globs;
use std::time::Duration;

/// The entries that the archive keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// Every entry.
    #[default]
    All,
    /// Heartbeats and lifecycle lines: all that a replay needs.
    Beats,
}

impl Keep {
    /// The word in rule files.
    pub const fn label(self) -> &'static str {
        match self {
            Keep::All => "all",
            Keep::Beats => "beats",
        }
    }
}

/// Entries that are not archived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DropRule {
    /// Their apps; empty for all.
    pub app: Globs,
    /// A part of their payload; empty: any payload.
    pub contains: String,
}

/// `[archive]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveRule {
    /// The entries that are kept.
    pub keep: Keep,
    /// Most bytes of all segments; `None`: half of the volume, at most 4 GB.
    pub max_size: Option<u64>,
    /// Segments older than this are deleted.
    pub max_age: Duration,
    /// Share of the volume that stays free, in percent.
    pub min_free: u8,
    /// Entries that are not archived.
    pub drop: Vec<DropRule>,
    /// Regular expressions of texts that are replaced before anything is kept.
    pub redact: Vec<String>,
}

impl Default for ArchiveRule {
    fn default() -> Self {
        ArchiveRule {
            keep: Keep::All,
            max_size: None,
            max_age: Duration::from_secs(8 * 24 * 3600),
            min_free: 15,
            drop: Vec::new(),
            redact: Vec::new(),
        }
    }
}
