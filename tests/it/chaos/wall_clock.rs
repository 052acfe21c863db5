//! A wall clock that jumps, for one process, where libfaketime is installed. The monotonic clock stays the system's.

use crate::support::folder::Folder;
use crate::support::lastbeat::Setup;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

const OFFSET: &str = "offset";

/// The wall clock of a process.
pub struct WallClock {
    folder: Folder,
    library: Option<PathBuf>,
}

impl WallClock {
    /// The system's, for now.
    pub fn new() -> Self {
        let folder = Folder::new("clock");
        folder.write(OFFSET, "+0\n");
        let library = library();
        if library.is_none() {
            eprintln!("the wall clock never jumps here: libfaketime is not installed");
        }
        WallClock { folder, library }
    }

    /// Gives it to the processes of a setup.
    pub fn given_to(&self, setup: Setup) -> Setup {
        let Some(library) = &self.library else {
            return setup;
        };
        let offset = self.folder.path().join(OFFSET);
        setup
            .env("LD_PRELOAD", &library.to_string_lossy())
            .env("FAKETIME_TIMESTAMP_FILE", &offset.to_string_lossy())
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    }

    /// Sets it to so many seconds after, or before, the system's. False where it cannot be set.
    pub fn jump(&self, seconds: i64) -> bool {
        if self.library.is_none() {
            return false;
        }
        // In one step: a reader sees the whole offset.
        let new = self.folder.write("new", &format!("{seconds:+}\n"));
        fs::rename(new, self.folder.path().join(OFFSET)).expect("both are in one folder");
        true
    }
}

/// The library, as the program beside it names it to the processes that it starts; `None` where that is not installed.
fn library() -> Option<PathBuf> {
    let named = Command::new("faketime")
        .args(["-f", "+0", "printenv", "LD_PRELOAD"])
        .output()
        .ok()?;
    let named = String::from_utf8(named.stdout).ok()?;
    (!named.trim().is_empty()).then(|| PathBuf::from(named.trim()))
}
