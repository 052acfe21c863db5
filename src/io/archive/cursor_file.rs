//! The file of a place in the archive, beside its segments.

use super::search::Place;
use super::segment::Segment;
use crate::core::time::Wall;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The file.
pub struct CursorFile(PathBuf);

impl CursorFile {
    /// At a path.
    pub fn new(path: PathBuf) -> Self {
        CursorFile(path)
    }

    /// The path, for people.
    pub fn shown(&self) -> String {
        self.0.display().to_string()
    }

    /// The place; `None`: there is none yet.
    ///
    /// # Errors
    /// It cannot be read, or holds no place.
    pub fn read(&self) -> io::Result<Option<Place>> {
        match fs::read_to_string(&self.0) {
            Ok(text) => match Place::parse(text.trim()) {
                Some(place) => Ok(Some(place)),
                None => Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "no place in the archive; remove the file to begin with new entries",
                )),
            },
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Writes a place: a crash leaves the old one or the new one.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, place: &Place) -> io::Result<()> {
        replace(&self.0, format!("{}\n", place.text()).as_bytes())
    }
}

/// Replaces a file as a whole.
///
/// # Errors
/// It cannot be written.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("cursor-new");
    let mut file = File::create(&beside)?;
    file.write_all(content)?;
    drop(file);
    fs::rename(beside, path)
}

/// Wall clock: the beginning of the oldest segment, where that of the place is deleted and others are left: an archive
/// deletes its oldest first, and whoever follows it is in the newest. `None` where nothing behind the place is deleted.
pub fn deleted_until(place: &Place, segments: &[Segment]) -> Option<Wall> {
    let oldest = segments.iter().min_by_key(|segment| &segment.stem)?;
    (oldest.stem > place.stem).then(|| oldest.begin())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::archive::segment::{Form, Stem};

    #[test]
    fn a_place_is_kept_and_what_is_no_place_is_a_fault() {
        let folder = std::env::temp_dir().join(format!("lastbeat-place-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let file = CursorFile::new(folder.join("a.cursor"));
        assert_eq!(file.read().ok(), Some(None));
        let place = Place::parse("2026-01-31T12-00-00Z.77").expect("a place");
        for _ in 0..2 {
            file.write(&place).expect("it can be written");
        }
        assert_eq!(file.read().ok(), Some(Some(place)));
        fs::write(folder.join("a.cursor"), "nothing").expect("written");
        assert!(file.read().is_err());
        fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn a_place_is_overtaken_once_its_segment_is_deleted() {
        let place = Place::parse("2026-01-31T12-00-00Z.77").expect("a place");
        let of = |hours: &[u32]| -> Vec<Segment> {
            let segment = |hour: &u32| Segment {
                stem: Stem::parse(&format!("2026-01-31T{hour}-00-00Z")).expect("a name"),
                form: Form::Plain,
                path: PathBuf::new(),
                bytes: 0,
            };
            hours.iter().map(segment).collect()
        };
        let until = |hours: &[u32]| deleted_until(&place, &of(hours));
        assert_eq!(until(&[11, 12, 13]), None);
        assert_eq!(until(&[12]), None);
        let begin = Stem::parse("2026-01-31T13-00-00Z").and_then(|stem| stem.begin());
        assert!(begin.is_some());
        assert_eq!(until(&[14, 13]), begin);
        assert_eq!(until(&[]), None);
    }
}
