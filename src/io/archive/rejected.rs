//! Files of entries that a sink refused: lines as in a segment, below a line that says why.

use crate::core::time::Wall;
use crate::decode::archive_line::{arrival_text, write_entry};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

/// Appends entries to a file, unless it is longer than `most` bytes.
///
/// # Errors
/// It cannot be written.
pub fn keep<'e>(
    file: &Path,
    why: &str,
    entries: impl Iterator<Item = (Wall, &'e str, &'e [u8])>,
    most: u64,
) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(file)?;
    if file.metadata()?.len() > most {
        return Ok(());
    }
    let mut lines = format!("# rejected {}\n", why.replace(char::is_control, " ")).into_bytes();
    for (arrival, subject, payload) in entries {
        write_entry(&mut lines, &arrival_text(arrival), subject, payload);
    }
    file.write_all(&lines)
}
