//! Where the file lies: whether it is still there, and moving what may not stay under its name.

use super::fault::StoreFault;
use crate::core::time::Wall;
use crate::format;
use std::ffi::OsString;
use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Suffixes of the files of a database: its own, and those that SQLite puts beside it.
const PARTS: [&str; 4] = ["", "-wal", "-shm", "-journal"];
/// The owner may read and write, nobody else anything.
const OWNERS_ALONE: u32 = 0o600;
/// Limit of files of one name that are set aside within one second.
const MAX_OF_A_SECOND: u32 = 1_000;

/// Device and number of a file.
type Inode = (u64, u64);

/// The path of the open file, and which file it was when it was opened.
#[derive(Debug)]
pub(super) struct StateFile {
    pub path: PathBuf,
    /// The database and its log. What is not there then is not missed later.
    inodes: [Option<Inode>; 2],
}

impl StateFile {
    /// Takes down which files lie there now.
    pub fn of(path: &Path) -> Self {
        StateFile {
            path: path.to_owned(),
            inodes: inodes(path),
        }
    }

    /// Checks that the open files still lie under their names: what is written to others is lost with this process.
    pub fn check(&self) -> Result<(), StoreFault> {
        let now = inodes(&self.path);
        let same = |(then, now): (&Option<Inode>, Option<Inode>)| then.is_none() || *then == now;
        if self.inodes.iter().zip(now).all(same) {
            return Ok(());
        }
        Err(StoreFault::Gone {
            path: self.path.clone(),
        })
    }

    /// Bytes of the database and its log.
    pub fn bytes(&self) -> u64 {
        let length =
            |part: &str| fs::metadata(beside(&self.path, part)).map_or(0, |data| data.len());
        PARTS.iter().map(|part| length(part)).sum()
    }
}

/// Makes the file where there is none, so that only its owner reads it, and closes one that others may read: it holds log
/// lines and notifications. SQLite gives the files beside it the same mode.
///
/// A file of another owner stays as it is: that it cannot be written shows elsewhere.
pub(super) fn keep_private(path: &Path) {
    let mut options = OpenOptions::new();
    // Each may fail where SQLite then says why.
    let _ = options
        .append(true)
        .create(true)
        .mode(OWNERS_ALONE)
        .open(path);
    for part in PARTS {
        let path = beside(path, part);
        let is_open = |mode: u32| mode & 0o077 != 0;
        if fs::metadata(&path).is_ok_and(|data| data.is_file() && is_open(data.mode())) {
            let _ = fs::set_permissions(&path, Permissions::from_mode(OWNERS_ALONE));
        }
    }
}

fn inodes(path: &Path) -> [Option<Inode>; 2] {
    ["", "-wal"].map(|part| {
        let data = fs::metadata(beside(path, part)).ok()?;
        Some((data.dev(), data.ino()))
    })
}

/// The name with something after it.
pub(super) fn beside(path: &Path, after: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(after);
    PathBuf::from(name)
}

/// Moves the database and what belongs to it to a dated name that nothing has yet: `lastbeat.db.corrupt-20261121T135502Z`.
/// `None` where nothing was there.
pub(super) fn set_aside(path: &Path, why: &str, now: Wall) -> Result<Option<PathBuf>, StoreFault> {
    let date = format::rfc3339_seconds(now).replace(['-', ':'], "");
    let named = |number: u32| match number {
        0 => beside(path, &format!(".{why}-{date}")),
        _ => beside(path, &format!(".{why}-{date}-{number}")),
    };
    let is_free = |aside: &PathBuf| {
        let taken = |part: &str| beside(aside, part).symlink_metadata().is_ok();
        !PARTS.iter().any(|part| taken(part))
    };
    let fault = |source| StoreFault::Move {
        path: path.to_owned(),
        source,
    };
    let aside = (0..MAX_OF_A_SECOND)
        .map(named)
        .find(is_free)
        .ok_or_else(|| fault(std::io::ErrorKind::AlreadyExists.into()))?;
    let mut moved = false;
    for part in PARTS {
        match fs::rename(beside(path, part), beside(&aside, part)) {
            Ok(()) => moved = true,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(fault(error)),
        }
    }
    Ok(moved.then_some(aside))
}
