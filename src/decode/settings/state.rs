//! Where what is known outlives the process.

use super::{Env, Flags};
use std::path::{Path, PathBuf};

/// The volume that a platform mounts by convention.
const VOLUME: &str = "/data";
/// The file on it.
const FILE: &str = "/data/lastbeat.db";

/// Where what is known outlives the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatePlace {
    /// In this file.
    File(PathBuf),
    /// Nowhere, as was asked for.
    Memory,
    /// Nothing was said: on the volume, where there is one.
    Unsaid,
}

impl StatePlace {
    /// The file, else why there is none. `is_folder` says whether a path is a folder.
    ///
    /// # Errors
    /// Why what is known stays in memory, for people.
    pub fn settle(self, is_folder: impl Fn(&Path) -> bool) -> Result<PathBuf, String> {
        match self {
            StatePlace::File(path) => Ok(path),
            StatePlace::Unsaid if is_folder(Path::new(VOLUME)) => Ok(PathBuf::from(FILE)),
            StatePlace::Unsaid => Err(format!(
                "LASTBEAT_STATE is not set, and {VOLUME} is no folder: a restart forgets what was heard and told"
            )),
            StatePlace::Memory => {
                Err("LASTBEAT_STATE says so: a restart forgets what was heard and told".to_owned())
            }
        }
    }
}

/// Reads it. An empty value is a word of its own here.
pub(super) fn place(flags: &Flags, env: &Env<'_>) -> StatePlace {
    let given = flags.state.clone().or_else(|| env.raw("LASTBEAT_STATE"));
    match given.as_deref().map(str::trim) {
        None => StatePlace::Unsaid,
        Some("" | "memory") => StatePlace::Memory,
        Some(path) => StatePlace::File(PathBuf::from(path)),
    }
}
