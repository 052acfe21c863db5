//! One lastbeat at a time writes a folder.

use rustix::fs::{FlockOperation, flock};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// The file that is locked.
const FILE: &str = ".lock";

/// The lock of a folder, until it is dropped or the process ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes it.
    ///
    /// # Errors
    /// Another process has it, or the folder cannot be written.
    pub fn take(folder: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.join(FILE))?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|fault| {
            if fault == rustix::io::Errno::WOULDBLOCK {
                io::Error::other("another lastbeat writes this folder")
            } else {
                fault.into()
            }
        })?;
        Ok(Lock { _file: file })
    }
}
