//! The demo's archive: a temporary folder, removed at the end.

use crate::clock;
use crate::decode::settings::ArchiveSetting;
use std::path::{Path, PathBuf};

/// The folder; none where it cannot be made.
pub(super) struct ArchiveFolder(Option<PathBuf>);

impl ArchiveFolder {
    /// A new one.
    pub(super) fn new() -> Self {
        let name = format!(
            "lastbeat-demo-{}-{}",
            std::process::id(),
            clock::wall().nanos() / 1_000_000
        );
        let path = std::env::temp_dir().join(name);
        // A folder that is there already is another's.
        ArchiveFolder(std::fs::create_dir(&path).is_ok().then_some(path))
    }

    /// Its path.
    pub(super) fn path(&self) -> Option<&Path> {
        self.0.as_deref()
    }

    /// The setting.
    pub(super) fn setting(&self) -> ArchiveSetting {
        match &self.0 {
            Some(path) => ArchiveSetting::Folder(path.clone()),
            None => ArchiveSetting::Memory,
        }
    }
}

impl Drop for ArchiveFolder {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // What cannot be removed is left to whoever cleans the folder of temporary files.
            let _ = std::fs::remove_dir_all(path);
        }
    }
}
