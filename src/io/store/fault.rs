//! Why the state could not be kept.

use rusqlite::ErrorCode;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why the state file could not be opened, read or written.
#[derive(Debug, Error)]
pub enum StoreFault {
    /// The folder for it is not there.
    #[error("there is no folder for the state file {}: make it, or give another file by LASTBEAT_STATE", path.display())]
    NoFolder {
        /// The file.
        path: PathBuf,
    },
    /// It may not be opened, or is no file.
    #[error("the state file {} cannot be opened: it must be a file that lastbeat may read and write, in a folder where it may make others", path.display())]
    Denied {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: rusqlite::Error,
    },
    /// It may be read and not written.
    #[error("the state file {} is read-only: mount its volume for writing, or let lastbeat write there", path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// There is no room left for it.
    #[error("no room is left for the state file {}: make room on its volume", path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// Another process has it.
    #[error("the state file {} is in use by another process: stop the other lastbeat, or give each its own by LASTBEAT_STATE", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// It holds what no state file holds.
    #[error("the state file {} is damaged: {what}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// A newer lastbeat wrote it.
    #[error("the state file {} is of version {found}, and this lastbeat knows up to {known}: start the newer lastbeat again, or give another file by LASTBEAT_STATE", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// Another program's database.
    #[error("{} is another program's database: give another file by LASTBEAT_STATE", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// It was deleted, moved or replaced while it was open.
    #[error("the state file {} was deleted or replaced while in use", path.display())]
    Gone {
        /// The file.
        path: PathBuf,
    },
    /// The file could not be moved.
    #[error("the state file {} could not be moved: let lastbeat write in its folder", path.display())]
    Move {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Anything else.
    #[error("the state file {} could not be read or written", path.display())]
    Other {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: rusqlite::Error,
    },
}

impl StoreFault {
    /// The value of the label `reason`.
    pub const fn label(&self) -> &'static str {
        match self {
            StoreFault::NoFolder { .. } => "no_folder",
            StoreFault::Denied { .. } => "denied",
            StoreFault::ReadOnly { .. } => "read_only",
            StoreFault::Full { .. } => "full",
            StoreFault::Locked { .. } => "locked",
            StoreFault::Corrupt { .. } => "corrupt",
            StoreFault::Newer { .. } => "newer",
            StoreFault::Foreign { .. } => "foreign",
            StoreFault::Gone { .. } => "gone",
            StoreFault::Move { .. } => "move",
            StoreFault::Other { .. } => "other",
        }
    }

    /// Every label.
    pub const LABELS: [&'static str; 11] = [
        "no_folder",
        "denied",
        "read_only",
        "full",
        "locked",
        "corrupt",
        "newer",
        "foreign",
        "gone",
        "move",
        "other",
    ];

    /// Whether the program must not start: it would keep nothing, and what is there is meant for another program.
    pub const fn is_refusal(&self) -> bool {
        matches!(self, StoreFault::Newer { .. })
    }

    pub(super) fn of(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => StoreFault::Full { path },
            Some(ErrorCode::ReadOnly) => StoreFault::ReadOnly { path },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                StoreFault::Locked { path }
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreFault::Corrupt {
                path,
                what: source.to_string(),
            },
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                StoreFault::Denied { path, source }
            }
            // A table or a column that a file of this version has is missing, or of another kind.
            Some(ErrorCode::Unknown) | None => StoreFault::Corrupt {
                path,
                what: source.to_string(),
            },
            Some(_) => StoreFault::Other { path, source },
        }
    }
}
