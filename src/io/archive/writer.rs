//! The segment that grows.

use super::recovery::last_line_end;
use super::segment::{HOUR, Stem};
use crate::core::time::Wall;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Names of segments that begin within one second at most.
const SAME_SECOND: u32 = 100;

/// The segment that grows, open for writing.
#[derive(Debug)]
pub struct Writer {
    stem: Stem,
    file: Arc<File>,
    bytes: u64,
    hour: u64,
}

impl Writer {
    /// A new segment that begins at a time.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn create(folder: &Path, at: Wall) -> io::Result<Self> {
        let mut last = None;
        // Another of the same second gets the name of the next one.
        for later in 0..SAME_SECOND {
            let stem = Stem::new(at + Duration::from_secs(1) * later);
            if stem.sealed(folder).exists() {
                continue;
            }
            let file = OpenOptions::new()
                .write(true)
                .read(true)
                .create_new(true)
                .open(stem.plain(folder));
            match file {
                Ok(file) => {
                    return Ok(Writer {
                        stem,
                        file: Arc::new(file),
                        bytes: 0,
                        hour: hour(at),
                    });
                }
                Err(fault) if fault.kind() == io::ErrorKind::AlreadyExists => last = Some(fault),
                Err(fault) => return Err(fault),
            }
        }
        Err(last.unwrap_or_else(|| io::Error::other("no free name for a segment")))
    }

    /// The last segment of the run before, after [`super::recovery::recover`], which grows on while its hour lasts.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn resume(folder: &Path, stem: Stem) -> io::Result<Self> {
        let file = OpenOptions::new()
            .write(true)
            .read(true)
            .open(stem.plain(folder))?;
        let bytes = last_line_end(&file, file.metadata()?.len())?;
        let begin = stem.begin().unwrap_or_default();
        Ok(Writer {
            stem,
            file: Arc::new(file),
            bytes,
            hour: hour(begin),
        })
    }

    /// Appends whole lines.
    ///
    /// # Errors
    /// Not all could be written. What was written of them is cut off, so that no line is torn.
    pub fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if let Err(fault) = self.file.write_all_at(lines, self.bytes) {
            // Where even that fails, the next append overwrites it, and a restart cuts it off.
            let _ = self.file.set_len(self.bytes);
            return Err(fault);
        }
        self.bytes += lines.len() as u64;
        Ok(())
    }

    /// True where the next lines belong into another segment.
    pub fn is_over(&self, at: Wall, most: u64) -> bool {
        self.bytes > 0 && (self.bytes >= most || hour(at) != self.hour)
    }

    /// The file, for a thread that syncs it.
    pub fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// The segment's name.
    pub fn stem(&self) -> &Stem {
        &self.stem
    }

    /// Its bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

fn hour(at: Wall) -> u64 {
    at.nanos() / crate::core::time::nanos(HOUR)
}
