//! Recovery after a crash: whole lines, whole files.

use super::segment::{Form, Segment, Stem, list};
use memchr::memrchr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Bytes that are read at once, from the end of a file.
const READ_BYTES: u64 = 1 << 20;

/// The result of a recovery.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Plain segments, which wait to be sealed.
    pub unsealed: Vec<Stem>,
    /// Bytes after the last newline, which were cut off.
    pub torn_bytes: u64,
}

/// Cuts each plain segment after its last newline, removes half of a sealed one, and a plain one that is sealed already.
///
/// # Errors
/// The folder cannot be read, or a file of it not be changed.
pub fn recover(folder: &Path) -> io::Result<Recovered> {
    let mut recovered = Recovered::default();
    let all = list(folder)?;
    let is_sealed = |stem: &Stem| {
        let mut same = all.iter().filter(|other| other.stem == *stem);
        same.any(|other| other.form == Form::Sealed)
    };
    for segment in &all {
        match segment.form {
            Form::Sealed => {}
            Form::Sealing => fs::remove_file(&segment.path)?,
            Form::Plain if is_sealed(&segment.stem) => fs::remove_file(&segment.path)?,
            Form::Plain => {
                recovered.torn_bytes += cut(segment)?;
                if fs::metadata(&segment.path)?.len() == 0 {
                    fs::remove_file(&segment.path)?;
                } else {
                    recovered.unsealed.push(segment.stem.clone());
                }
            }
        }
    }
    Ok(recovered)
}

/// Cuts a plain segment after its last newline; gives the number of bytes that it had behind it.
fn cut(segment: &Segment) -> io::Result<u64> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&segment.path)?;
    let length = file.metadata()?.len();
    let end = last_line_end(&file, length)?;
    if end < length {
        file.set_len(end)?;
        file.sync_all()?;
    }
    Ok(length - end)
}

/// The place after the last newline of a file's first bytes.
///
/// # Errors
/// It cannot be read.
pub fn last_line_end(file: &File, length: u64) -> io::Result<u64> {
    let mut block = Vec::new();
    let mut end = length;
    while end > 0 {
        let begin = end.saturating_sub(READ_BYTES);
        block.resize((end - begin) as usize, 0);
        file.read_exact_at(&mut block, begin)?;
        if let Some(at) = memrchr(b'\n', &block) {
            return Ok(begin + at as u64 + 1);
        }
        end = begin;
    }
    Ok(0)
}
