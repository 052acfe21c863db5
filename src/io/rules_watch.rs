//! Wakes the reader of the rules when something about their files changed, however it was saved: written in
//! place, renamed over, or a link swapped as Kubernetes does it. It says that something changed, never what: a wake
//! for nothing costs one reading.

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc;

/// An editor's save is several events within some milliseconds.
const QUIET: Duration = Duration::from_millis(100);
/// Files that never rest are read all the same.
const LONGEST_QUIET: Duration = Duration::from_secs(2);
/// Some changes are not reported: behind a link out of the folder, or on a network's file system.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Watches the rules at one path.
#[derive(Debug)]
pub struct RulesWatch {
    path: PathBuf,
    /// `None` where the system has no watches left: then only [`LOOK_EVERY`] wakes.
    watcher: Option<RecommendedWatcher>,
    events: mpsc::Receiver<()>,
    /// Why the system does not watch, where that was not said yet.
    trouble: Option<String>,
}

impl RulesWatch {
    /// Watches a folder of rule files, or one file.
    pub fn new(path: &Path) -> Self {
        let (tell, events) = mpsc::channel(1);
        let ours = path.to_owned();
        let made = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // An error means that events were lost: look.
            if event.is_ok_and(|event| !concerns(&event, &ours)) {
                return;
            }
            // A full channel already wakes.
            let _ = tell.try_send(());
        });
        let (watcher, trouble) = match made {
            Ok(watcher) => (Some(watcher), None),
            Err(fault) => (None, Some(fault.to_string())),
        };
        let mut watch = RulesWatch {
            path: path.to_owned(),
            watcher,
            events,
            trouble,
        };
        watch.watch();
        watch
    }

    /// Why changes are only seen every 30 seconds, once.
    pub fn trouble(&mut self) -> Option<String> {
        self.trouble.take()
    }

    /// Waits until something changed and nothing changes any more, or it is time to look anyway. Safe to drop and
    /// begin again.
    pub async fn changed(&mut self) {
        if tokio::time::timeout(LOOK_EVERY, self.next()).await.is_ok() {
            // What never settles is read as it is.
            let _ = tokio::time::timeout(LONGEST_QUIET, self.settle()).await;
        }
        self.watch();
    }

    async fn settle(&mut self) {
        while tokio::time::timeout(QUIET, self.next()).await.is_ok() {}
    }

    async fn next(&mut self) {
        if self.events.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }

    /// Watches the path, and the folder that holds it, as they are now: what was there before may have been
    /// replaced.
    fn watch(&mut self) {
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        let mut places: Vec<&Path> = vec![holder(&self.path)];
        if self.path.is_dir() {
            places.push(&self.path);
        }
        let watched = places
            .iter()
            .try_for_each(|place| watcher.watch(place, RecursiveMode::NonRecursive));
        if let Err(fault) = watched {
            self.trouble = Some(fault.to_string());
        }
    }
}

/// The folder that holds a path.
fn holder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) => Path::new("."),
        None => path,
    }
}

/// True if an event may have changed the rules; our own reads and other files do not.
fn concerns(event: &Event, ours: &Path) -> bool {
    let written = AccessKind::Close(AccessMode::Write);
    if matches!(event.kind, EventKind::Access(access) if access != written) {
        return false;
    }
    let is_link = |name: &OsStr| name.as_encoded_bytes().starts_with(b"..");
    let name = |path: &Path| path.file_name().map(OsStr::to_owned);
    let ours_or_within = |path: &PathBuf| {
        let within = path.parent().and_then(name) == name(ours);
        within || name(path) == name(ours) || path.file_name().is_some_and(is_link)
    };
    event.paths.is_empty() || event.paths.iter().any(ours_or_within)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    const BOUND: Duration = Duration::from_secs(10);

    /// A folder of the test's own, gone at its end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path =
                std::env::temp_dir().join(format!("lastbeat-watch-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).expect("the temporary folder takes a folder");
            Folder(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// It wakes well before it would have looked anyway.
    async fn wakes(watch: &mut RulesWatch, what: &str, change: impl FnOnce()) {
        assert_eq!(watch.trouble(), None);
        change();
        let woken = tokio::time::timeout(BOUND, watch.changed()).await;
        woken.unwrap_or_else(|_| panic!("not woken by: {what}"));
    }

    #[tokio::test]
    async fn every_way_of_saving_wakes() {
        let folder = Folder::new("ways");
        let at = |name: &str| folder.0.join(name);
        let rules = at("rules");
        fs::create_dir(&rules).expect("a folder");
        let mut watch = RulesWatch::new(&rules);
        let file = rules.join("a.toml");
        wakes(&mut watch, "a new file", || {
            fs::write(&file, "1").expect("written")
        })
        .await;
        wakes(&mut watch, "written in place", || {
            fs::write(&file, "2").expect("written")
        })
        .await;
        wakes(&mut watch, "renamed over", || {
            fs::write(at("new"), "3").expect("written");
            fs::rename(at("new"), &file).expect("renamed");
        })
        .await;
        wakes(&mut watch, "removed", || {
            fs::remove_file(&file).expect("removed")
        })
        .await;
        wakes(&mut watch, "the folder replaced", || {
            fs::rename(&rules, at("old")).expect("renamed");
            fs::create_dir(&rules).expect("a folder");
        })
        .await;
        wakes(&mut watch, "a file in the new folder", || {
            fs::write(&file, "4").expect("written")
        })
        .await;
    }

    #[tokio::test]
    async fn a_config_map_that_is_swapped_wakes() {
        let folder = Folder::new("config-map");
        let at = |name: &str| folder.0.join(name);
        for version in ["..1", "..2"] {
            fs::create_dir(at(version)).expect("a folder");
            fs::write(at(version).join("web.toml"), version).expect("written");
        }
        symlink("..1", at("..data")).expect("a link");
        symlink("..data/web.toml", at("web.toml")).expect("a link");
        let mut watch = RulesWatch::new(&folder.0);
        wakes(&mut watch, "the folder's link", || {
            symlink("..2", at("..tmp")).expect("a link");
            fs::rename(at("..tmp"), at("..data")).expect("renamed");
        })
        .await;
        let mut watch = RulesWatch::new(&at("web.toml"));
        wakes(&mut watch, "the file behind the link", || {
            symlink("..1", at("..tmp")).expect("a link");
            fs::rename(at("..tmp"), at("..data")).expect("renamed");
        })
        .await;
    }

    #[tokio::test]
    async fn one_file_wakes_and_its_neighbours_and_readers_do_not() {
        let folder = Folder::new("one");
        let file = folder.0.join("rules.toml");
        fs::write(&file, "1").expect("written");
        let mut watch = RulesWatch::new(&file);
        fs::write(folder.0.join("other"), "x").expect("written");
        fs::read(&file).expect("read");
        let nothing = tokio::time::timeout(Duration::from_millis(400), watch.changed()).await;
        assert!(nothing.is_err(), "woken by a neighbour or a reader");
        wakes(&mut watch, "renamed over", || {
            fs::write(folder.0.join("other"), "2").expect("written");
            fs::rename(folder.0.join("other"), &file).expect("renamed");
        })
        .await;
    }
}
