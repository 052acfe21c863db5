//! Segments: names, and the list of a folder.

use crate::core::time::Wall;
use crate::decode::archive_line::{arrival, arrival_text};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// End of the name of a segment that grows, or waits to be sealed.
const PLAIN: &str = ".log";
/// End of the name of a sealed one.
const SEALED: &str = ".log.zst";
/// End of the name of one that is being sealed.
const SEALING: &str = ".log.zst.tmp";
/// Time that a segment covers at most, by the wall clock: one ends with its hour.
pub const HOUR: Duration = Duration::from_secs(3600);

/// The name of a segment without its end: `2026-01-31T12-00-00Z`. Names sort by time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stem(String);

impl Stem {
    /// The name of a segment that begins at a time, to the second.
    pub fn new(at: Wall) -> Self {
        let text = arrival_text(at);
        let text = String::from_utf8_lossy(&text[..19]).replace(':', "-");
        Stem(format!("{text}Z"))
    }

    /// Reads a name; `None` where it is none of a segment.
    pub fn parse(text: &str) -> Option<Self> {
        let is_shaped = text.len() == 20 && text.is_ascii() && text.ends_with('Z');
        let stem = is_shaped.then(|| Stem(text.to_owned()))?;
        stem.begin().map(|_| stem)
    }

    /// Wall clock: its beginning, to the second.
    pub fn begin(&self) -> Option<Wall> {
        let (day, time) = self.0.split_at_checked(11)?;
        let time = time.strip_suffix('Z')?.replace('-', ":");
        arrival(format!("{day}{time}.000000Z").as_bytes())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The file while it grows.
    pub fn plain(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{}{PLAIN}", self.0))
    }

    /// The sealed file.
    pub fn sealed(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{}{SEALED}", self.0))
    }

    /// The file that becomes the sealed one.
    pub fn sealing(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{}{SEALING}", self.0))
    }
}

/// The state of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Lines.
    Plain,
    /// Compressed frames.
    Sealed,
    /// A file that is being written.
    Sealing,
}

/// A file of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its name.
    pub stem: Stem,
    /// Its state.
    pub form: Form,
    /// Its path.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: u64,
}

impl Segment {
    /// The segment of a file; `None` where its name is none of the archive's.
    pub fn of_file(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let ends = [
            (SEALING, Form::Sealing),
            (SEALED, Form::Sealed),
            (PLAIN, Form::Plain),
        ];
        let (stem, form) = ends
            .into_iter()
            .find_map(|(end, form)| Some((name.strip_suffix(end)?, form)))?;
        Some(Segment {
            stem: Stem::parse(stem)?,
            form,
            bytes: fs::metadata(path).ok()?.len(),
            path: path.to_owned(),
        })
    }

    /// Wall clock: no entry in it is older, but for a clock that was set back.
    pub fn begin(&self) -> Wall {
        self.stem.begin().unwrap_or_default()
    }
}

/// The files of a folder, in the order of their times; of a segment that is there twice first the sealed one.
///
/// # Errors
/// The folder cannot be read.
pub fn list(folder: &Path) -> io::Result<Vec<Segment>> {
    let mut found = Vec::new();
    // One that is gone by now, or unreadable, is no segment.
    for entry in fs::read_dir(folder)?.flatten() {
        found.extend(Segment::of_file(&entry.path()));
    }
    found.sort_by(|a, b| (&a.stem, a.form != Form::Sealed).cmp(&(&b.stem, b.form != Form::Sealed)));
    Ok(found)
}

/// The segments of a folder that can be read, each once, in the order of their times.
///
/// # Errors
/// The folder cannot be read.
pub fn readable(folder: &Path) -> io::Result<Vec<Segment>> {
    let mut all = list(folder)?;
    all.retain(|segment| segment.form != Form::Sealing);
    // A crash between the end of sealing and the removal leaves both; the sealed one is whole.
    all.dedup_by(|later, first| later.stem == first.stem);
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_time_and_sorts_by_it() {
        let at = Wall::from_nanos(1_769_862_896_123_456_000);
        let stem = Stem::new(at);
        assert_eq!(stem.as_str(), "2026-01-31T12-34-56Z");
        assert_eq!(
            stem.begin(),
            Some(Wall::from_nanos(1_769_862_896_000_000_000))
        );
        assert_eq!(Stem::parse(stem.as_str()), Some(stem.clone()));
        assert!(stem < Stem::new(at + HOUR));
        for bad in [
            "",
            "2026-01-31T12-34-56",
            "2026-99-31T12-34-56Z",
            "x026-01-31T12-34-56Z",
        ] {
            assert_eq!(Stem::parse(bad), None, "{bad}");
        }
    }
}
