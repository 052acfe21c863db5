//! A small disk of its own that can be filled, where root may mount one.

use crate::support::folder::Folder;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

const FILLER: &str = "filler";
/// A page of a tmpfs: what is left of it holds nothing.
const PAGE: usize = 4096;

/// A folder, on a disk of its own where that could be had.
pub struct Disk {
    folder: Folder,
    is_own: bool,
}

impl Disk {
    /// An empty one of 4 MB.
    pub fn new() -> Self {
        let folder = Folder::new("disk");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"])
            .arg(folder.path())
            .output();
        let is_own = mounted.is_ok_and(|output| output.status.success());
        if !is_own {
            eprintln!("the disk is never full here: mounting a tmpfs needs root");
        }
        Disk { folder, is_own }
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Leaves no byte free, until [`Disk::empty`]. False where it cannot be filled.
    pub fn fill(&self) -> bool {
        if !self.is_own {
            return false;
        }
        let Ok(mut file) = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.filler())
        else {
            return true;
        };
        while file.write_all(&[b'x'; PAGE]).is_ok() {}
        true
    }

    /// Frees it.
    pub fn empty(&self) {
        // It may not be there.
        let _ = fs::remove_file(self.filler());
    }

    fn filler(&self) -> PathBuf {
        self.folder.path().join(FILLER)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.is_own {
            // Lazily: the last process may be on its way out.
            let _ = Command::new("umount")
                .arg("-l")
                .arg(self.folder.path())
                .status();
        }
    }
}
