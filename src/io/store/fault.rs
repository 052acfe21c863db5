//! Faults of the state file.

use rusqlite::ErrorCode;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// A fault of the state file.
#[derive(Debug, Error)]
pub enum StoreFault {
    /// The folder for it is not there.
    #[error("the folder of the state file {} does not exist: create it, or set LASTBEAT_STATE to another file", path.display())]
    NoFolder {
        /// The file.
        path: PathBuf,
    },
    /// It may not be opened, or is no file.
    #[error("cannot open the state file {}: lastbeat must be allowed to read and write it, and to create files in its folder", path.display())]
    Denied {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: rusqlite::Error,
    },
    /// It may be read and not written.
    #[error("the state file {} is read-only: mount its volume writable, or let lastbeat write there", path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// There is no room left for it.
    #[error("no space left for the state file {}: free space on its volume", path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// Another process uses it.
    #[error("the state file {} is in use by another process: stop the other lastbeat, or set LASTBEAT_STATE to a file for each", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// It holds what no state file holds.
    #[error("the state file {} is damaged: {what}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// The damage.
        what: String,
    },
    /// A newer lastbeat wrote it.
    #[error("the state file {} has version {found}, and this lastbeat supports up to {known}: start the newer lastbeat again, or set LASTBEAT_STATE to another file", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// Another program's database.
    #[error("{} is another program's database: set LASTBEAT_STATE to another file", path.display())]
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
    #[error("cannot move the state file {}: let lastbeat write in its folder", path.display())]
    Move {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Anything else.
    #[error("cannot read or write the state file {}", path.display())]
    Other {
        /// The file.
        path: PathBuf,
        /// The system's error.
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

    /// True if the program must not start: it could store nothing, and the file belongs to another program.
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
