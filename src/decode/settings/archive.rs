//! The place of the archive.

use std::path::PathBuf;

/// The place of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArchiveSetting {
    /// Segments in this folder.
    Folder(PathBuf),
    /// Only the last entries of each instance, in memory.
    Memory,
    /// Nothing is kept.
    Off,
}
