//! The contents of a state file, where no lastbeat runs: the same two answers as those of the API.

use crate::clock;
use crate::core::notice::Scope;
use crate::core::persist::{Saved, SavedInstance};
use crate::format;
use crate::io::http::dto::incident::Incident;
use crate::io::store::{Opened, Store};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// Reads a copy of the file, so that nothing of it is changed, locked or set aside.
pub(super) fn read(file: &Path) -> Result<(Value, Value), String> {
    saved(file).map(|saved| answers(&saved, file))
}

/// The core's state in a copy of the file.
///
/// # Errors
/// The file cannot be read, in words.
pub(in crate::commands) fn saved(file: &Path) -> Result<Saved, String> {
    with_copy(file, |opened| Ok(opened.saved))
}

/// Reads from a copy of the file.
///
/// # Errors
/// The file cannot be read, in words.
pub(in crate::commands) fn with_copy<T>(
    file: &Path,
    read: impl FnOnce(Opened) -> Result<T, String>,
) -> Result<T, String> {
    let wrong = |why: String| format!("the state file {}: {why}", file.display());
    let folder = std::env::temp_dir().join(format!("lastbeat-status-{}", std::process::id()));
    fs::create_dir(&folder)
        .map_err(|fault| wrong(format!("cannot be copied to {}: {fault}", folder.display())))?;
    let folder = Copied(folder);
    let copy = folder.0.join("state.db");
    fs::copy(file, &copy).map_err(|fault| wrong(fault.to_string()))?;
    let log = with_end(file, "-wal");
    if log.exists() {
        // What was written last stands in it.
        fs::copy(&log, with_end(&copy, "-wal")).map_err(|fault| wrong(fault.to_string()))?;
    }
    let opened = Store::open(Some(&copy), clock::wall())
        .map_err(|fault| wrong(format::error_chain(&fault)))?;
    if opened.set_aside.is_some() {
        return Err(wrong("not a state file, or damaged".to_owned()));
    }
    read(opened).map_err(wrong)
}

/// The copy; removed with its folder.
struct Copied(PathBuf);

impl Drop for Copied {
    fn drop(&mut self) {
        // What cannot be removed lies among the system's temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut whole = OsString::from(path);
    whole.push(end);
    PathBuf::from(whole)
}

fn answers(saved: &Saved, file: &Path) -> (Value, Value) {
    let clock = &saved.clock;
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    let mut places: BTreeMap<(&str, &str), BTreeMap<&str, u64>> = BTreeMap::new();
    for instance in &saved.instances {
        let verdict = instance.verdict.label();
        *sums.entry(verdict).or_default() += 1;
        *places
            .entry(place(instance))
            .or_default()
            .entry(verdict)
            .or_default() += 1;
    }
    let apps = places
        .iter()
        .map(|((app, region), counts)| json!({"app": app, "region": region, "instances": counts}));
    let stalled = saved
        .incidents
        .iter()
        .any(|one| one.notice.scope == Scope::Stream);
    let taken = format::rfc3339(clock.taken_at);
    let status = json!({
        "now": taken,
        "ready": false,
        "reasons": [{"part": "status", "what": format!("this is the state file as of {taken}; no lastbeat was asked")}],
        "stream": {"last_entry": clock.last_arrival.map(format::rfc3339), "stalled": stalled},
        "listened_seconds": clock.listened.seconds(),
        "blind_seconds": {},
        "instances": sums,
        "apps": apps.collect::<Vec<_>>(),
        "losses": [],
        "open_incidents": saved.incidents.len(),
        "rules": null,
        "version": env!("CARGO_PKG_VERSION"),
        "store": {"file": file.display().to_string(), "trouble": null},
        "notifiers": [],
    });
    let rows: Vec<Incident> = saved.incidents.iter().rev().map(Incident::from).collect();
    (status, json!({"incidents": rows}))
}

/// App and region of a subject `logs.<app>.<region>.<instance>`.
fn place(instance: &SavedInstance) -> (&str, &str) {
    let mut tokens = instance.subject.split('.').skip(1);
    (
        tokens.next().unwrap_or_default(),
        tokens.next().unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_none_is_refused_and_left_as_it_is() {
        let file = std::env::temp_dir().join(format!("lastbeat-no-state-{}", std::process::id()));
        let missing = read(&file).expect_err("there is none");
        assert!(missing.contains("lastbeat-no-state"), "{missing}");
        assert!(!file.exists(), "none is made");
        fs::write(&file, "this is no database, whatever its name says").expect("written");
        let refused = read(&file);
        let left = fs::read_to_string(&file).expect("still there");
        fs::remove_file(&file).expect("removed");
        assert!(refused.is_err(), "{refused:?}");
        assert!(left.starts_with("this is no database"));
    }
}
