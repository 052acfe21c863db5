//! Where the state outlives the process.

use std::path::{Path, PathBuf};

/// The volume that a platform mounts by convention.
const VOLUME: &str = "/data";
/// The file on it.
const FILE: &str = "/data/lastbeat.db";

/// Where the state outlives the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatePlace {
    /// In this file.
    File(PathBuf),
    /// Nowhere, as asked for.
    Memory,
    /// Not set: on the volume, where there is one.
    Unset,
}

impl StatePlace {
    /// A file, or a word for memory.
    pub(super) fn parse(text: &str) -> Self {
        match text {
            "" | "memory" => StatePlace::Memory,
            path => StatePlace::File(PathBuf::from(path)),
        }
    }

    /// The file, else the reason why there is none. `is_folder` says whether a path is a folder.
    ///
    /// # Errors
    /// The reason why the state stays in memory, for people.
    pub fn settle(self, is_folder: impl Fn(&Path) -> bool) -> Result<PathBuf, String> {
        match self {
            StatePlace::File(path) => Ok(path),
            StatePlace::Unset if is_folder(Path::new(VOLUME)) => Ok(PathBuf::from(FILE)),
            StatePlace::Unset => Err(format!(
                "LASTBEAT_STATE is not set, and {VOLUME} is not a folder: a restart forgets beats and open incidents"
            )),
            StatePlace::Memory => Err(
                "LASTBEAT_STATE asks for it: a restart forgets beats and open incidents".to_owned(),
            ),
        }
    }
}

/// The state file, by the text of its setting; `None`: the state is in memory.
pub fn state_file(text: Option<&str>, is_folder: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    let place = match text {
        Some(text) => StatePlace::parse(text.trim()),
        None => StatePlace::Unset,
    };
    place.settle(is_folder).ok()
}
