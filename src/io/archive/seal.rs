//! Sealing: a plain segment becomes compressed frames with an index, and is removed.

use super::frames::{FRAME_BYTES, FrameMaker};
use super::segment::Stem;
use memchr::memrchr;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

/// Bytes of a file that are read at once.
const READ_BYTES: usize = 64 * 1024;

/// Seals a segment; `pause` is called after each frame, so that sealing gives way to what is urgent.
///
/// # Errors
/// A file cannot be read or written. The plain one is as it was.
pub fn seal(folder: &Path, stem: &Stem, mut pause: impl FnMut()) -> io::Result<()> {
    let (plain, sealing) = (stem.plain(folder), stem.sealing(folder));
    let written = write(&plain, &sealing, &mut pause);
    // Deleted meanwhile, to make room: it does not come back.
    let written = written.and_then(|()| fs::metadata(&plain).map(|_| ()));
    if let Err(fault) = written {
        // What is left of it is removed at the next start too.
        let _ = fs::remove_file(&sealing);
        return Err(fault);
    }
    fs::rename(&sealing, stem.sealed(folder))?;
    sync_folder(folder)?;
    fs::remove_file(&plain)
}

fn write(plain: &Path, sealing: &Path, pause: &mut impl FnMut()) -> io::Result<()> {
    let mut from = File::open(plain)?;
    let mut to = File::create(sealing)?;
    let mut maker = FrameMaker::new()?;
    let mut lines = Vec::with_capacity(FRAME_BYTES + READ_BYTES);
    loop {
        let before = lines.len();
        let mut some = Read::by_ref(&mut from).take(READ_BYTES as u64);
        let read = some.read_to_end(&mut lines)?;
        // A line that is longer than a frame makes a longer one.
        let end = memrchr(b'\n', &lines[before..]).map(|end| before + end + 1);
        if let Some(end) = end.filter(|end| *end >= FRAME_BYTES || read == 0) {
            to.write_all(maker.frame(&lines[..end])?)?;
            lines.drain(..end);
            pause();
        }
        if read == 0 {
            break;
        }
    }
    if let Some(end) = memrchr(b'\n', &lines) {
        to.write_all(maker.frame(&lines[..=end])?)?;
    }
    to.write_all(&maker.finish()?)?;
    to.sync_all()
}

/// Makes names of files last.
///
/// # Errors
/// The folder cannot be synced.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
