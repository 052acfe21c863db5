//! A volume that is full, or read-only: real ones, where mounting is permitted.

use super::*;
use std::process::Command;

/// A small volume in memory, unmounted with the test. `None` where this machine does not let us mount: the faults are
/// then made within SQLite.
struct Volume(Folder);

impl Volume {
    fn new(size: &str) -> Option<Self> {
        let folder = Folder::new();
        let options = format!("size={size}");
        let done = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(&folder.0)
            .output();
        done.is_ok_and(|done| done.status.success())
            .then_some(Volume(folder))
    }

    fn remount(&self, how: &str) {
        let options = format!("remount,{how}");
        let done = Command::new("mount")
            .args(["-o", &options])
            .arg(&self.0.0)
            .output()
            .expect("mount is there");
        assert!(done.status.success(), "{done:?}");
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        // Lazily: the test may have failed with the file open.
        let _ = Command::new("umount").arg("-l").arg(&self.0.0).output();
    }
}

#[test]
fn the_log_is_empty_after_a_stop() {
    let folder = Folder::new();
    let path = folder.0.join("lastbeat.db");
    let mut opened = Store::open(Some(&path), at(1)).expect("a new file");
    let batch = Batch {
        deliveries: (1..50).map(delivery).collect(),
        ..Batch::default()
    };
    opened.store.save(&batch).expect("written");
    let log = folder.0.join("lastbeat.db-wal");
    let bytes = || std::fs::metadata(&log).map_or(0, |data| data.len());
    assert!(bytes() > 0);
    opened.store.empty_log().expect("emptied");
    assert_eq!(bytes(), 0);
}

/// Writes until it does not go on; returns how many incidents were acknowledged.
fn until_full(store: &mut Store) -> u64 {
    for id in 1..10_000 {
        let mut batch = opened_incident(id);
        batch.deliveries[0].rendered.body = vec![b'x'; 5_000].into();
        if let Err(fault) = store.save(&batch) {
            assert!(
                matches!(fault, StoreFault::Full { .. }),
                "{}",
                crate::format::error_chain(&fault)
            );
            return id - 1;
        }
    }
    panic!("it was never full");
}

#[test]
fn a_full_volume_is_said_and_nothing_acknowledged_is_lost() {
    let volume = Volume::new("700k");
    let folder = Folder::new();
    let path = volume.as_ref().map_or(folder.db(), |volume| volume.0.db());
    let mut store = open(&path).store;
    if volume.is_none() {
        store
            .db
            .execute_batch("PRAGMA max_page_count = 120")
            .expect("a bound");
    }
    let kept = until_full(&mut store);
    assert!(kept > 10, "{kept} incidents fit");
    assert_eq!(
        store.history(&everything()).expect("it can still be read")[0].incident,
        incident(kept, "web")
    );
    match &volume {
        Some(volume) => volume.remount("size=20m"),
        None => store
            .db
            .execute_batch("PRAGMA max_page_count = 100000")
            .expect("a bound"),
    }
    store
        .save(&opened_incident(20_000))
        .expect("there is room again");
    drop(store);
    let opened = open(&path);
    assert_eq!(opened.saved.incidents.len() as u64, kept + 1);
    assert_eq!(opened.deliveries.len() as u64, kept + 1);
}

#[test]
fn a_volume_without_any_room_is_said_at_the_start() {
    let Some(volume) = Volume::new("64k") else {
        return no_room_within_sqlite();
    };
    let fault = Store::open(Some(&volume.0.db()), NOW).expect_err("there is no room");
    assert!(
        matches!(fault, StoreFault::Full { .. }),
        "{}",
        crate::format::error_chain(&fault)
    );
}

fn no_room_within_sqlite() {
    let mut store = Store::open(None, NOW).expect("memory is there").store;
    store
        .db
        .execute_batch("PRAGMA max_page_count = 1")
        .expect("a bound");
    until_full(&mut store);
}

#[test]
fn a_read_only_volume_is_said_at_the_start_and_while_running() {
    let Some(volume) = Volume::new("2m") else {
        return read_only_within_sqlite();
    };
    let mut store = open(&volume.0.db()).store;
    store.save(&opened_incident(1)).expect("written");
    drop(store);
    volume.remount("ro");
    let fault = Store::open(Some(&volume.0.db()), NOW).expect_err("it is read-only");
    assert!(
        matches!(fault, StoreFault::ReadOnly { .. }),
        "{}",
        crate::format::error_chain(&fault)
    );
    volume.remount("rw");
    assert_eq!(open(&volume.0.db()).deliveries, [delivery(1)]);
    // A new file in a folder that takes none.
    volume.remount("ro");
    let new = volume.0.0.join("new.db");
    let fault = Store::open(Some(&new), NOW).expect_err("it is read-only");
    assert!(
        matches!(
            fault,
            StoreFault::Denied { .. } | StoreFault::ReadOnly { .. }
        ),
        "{fault:?}"
    );
}

fn read_only_within_sqlite() {
    let mut store = Store::open(None, NOW).expect("memory is there").store;
    store
        .db
        .execute_batch("PRAGMA query_only = 1")
        .expect("a switch");
    let fault = store
        .save(&opened_incident(1))
        .expect_err("it is read-only");
    assert!(matches!(fault, StoreFault::ReadOnly { .. }), "{fault:?}");
}
