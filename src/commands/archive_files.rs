//! The files of an archive, as commands name them.

use super::environment::set;
use super::exit::Stop;
use crate::decode::settings::{ARCHIVE, ArchiveSetting};
use crate::io::archive::segment::{Segment, readable};
use std::path::{Path, PathBuf};

/// The folder of `LASTBEAT_ARCHIVE`, where that is one on this machine.
pub(super) fn folder_of_environment() -> Option<PathBuf> {
    let text = set(ARCHIVE.about.name())?;
    match (ARCHIVE.parse)(&text) {
        Ok(ArchiveSetting::Folder(folder)) if folder.is_dir() => Some(folder),
        _ => None,
    }
}

/// The segments of these folders and files, in the order of their times.
pub(super) fn segments(paths: &[PathBuf]) -> Result<Vec<Segment>, Stop> {
    let mut all = Vec::new();
    for path in paths {
        all.extend(of_path(path)?);
    }
    all.sort_by(|a, b| a.stem.cmp(&b.stem));
    Ok(all)
}

fn of_path(path: &Path) -> Result<Vec<Segment>, Stop> {
    let shown = path.display();
    if path.is_dir() {
        return readable(path).map_err(|fault| Stop::failed(format!("{shown}: {fault}")));
    }
    if let Err(fault) = std::fs::metadata(path) {
        return Err(Stop::bad_input(format!("{shown}: {fault}")));
    }
    match Segment::of_file(path) {
        Some(segment) => Ok(vec![segment]),
        None => Err(Stop::bad_input(format!(
            "{shown}: not a segment of an archive; those are named like 2026-01-31T12-00-00Z.log.zst"
        ))),
    }
}
