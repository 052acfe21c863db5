//! The volume of the archive: its size, and the space left on it.

use std::io;
use std::path::Path;

/// A volume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    /// Its bytes.
    pub size: u64,
    /// Bytes that lastbeat may still write.
    pub free: u64,
}

impl Volume {
    /// The volume on which a folder lies.
    ///
    /// # Errors
    /// The folder is gone, or the system does not say.
    pub fn of(folder: &Path) -> io::Result<Self> {
        let stat = rustix::fs::statvfs(folder)?;
        Ok(Volume {
            size: stat.f_blocks.saturating_mul(stat.f_frsize),
            free: stat.f_bavail.saturating_mul(stat.f_frsize),
        })
    }
}
