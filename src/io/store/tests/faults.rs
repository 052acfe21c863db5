//! Damage, loss, and others who have the file.

use super::*;
use std::fs;

fn filled(folder: &Folder) {
    let mut store = open(&folder.db()).store;
    let instances = (0..200).map(|slot| instance(slot, 1)).collect();
    store.save(&checkpoint(true, instances)).expect("written");
    for id in 1..=20 {
        store.save(&opened_incident(id)).expect("written");
    }
}

/// Numbers that look random, the same for the same seed.
fn random(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

/// Opens it, uses it as the program would, and says whether it was set aside; `None` where it was refused.
fn survives(path: &Path, seed: u64) -> Option<bool> {
    let mut opened = match Store::open(Some(path), NOW) {
        Ok(opened) => opened,
        Err(StoreFault::Newer { .. } | StoreFault::Foreign { .. }) => return None,
        Err(fault) => panic!("seed {seed}: {}", crate::format::error_chain(&fault)),
    };
    let mut aside = opened.set_aside.is_some();
    let batch = checkpoint(true, vec![instance(1, 2)]);
    if let Err(fault) = opened.store.save(&batch) {
        let mended = opened.store.repair(fault, NOW).expect("it is mended");
        assert!(
            matches!(mended, Repaired::Anew(Some(_))),
            "seed {seed}: {mended:?}"
        );
        opened
            .store
            .save(&batch)
            .expect("the new one can be written");
        aside = true;
    }
    // Damage within a row shows when it is read: words, or nothing.
    let _ = opened.store.history(&everything());
    Some(aside)
}

#[test]
fn damage_anywhere_is_survived_and_the_damaged_file_is_kept() {
    let folder = Folder::new();
    filled(&folder);
    let whole = fs::read(folder.db()).expect("it is there");
    let (mut set_aside, mut refused) = (0, 0);
    for seed in 1..=400_u64 {
        let folder = Folder::new();
        let mut dice = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut bytes = whole.clone();
        let hits = 1 + random(&mut dice) % 64;
        let page = (random(&mut dice) as usize % (bytes.len() / 4096)) * 4096;
        for _ in 0..hits {
            // Half of the seeds hit one page, headers and all; the others anywhere.
            let place = match seed % 2 {
                0 => random(&mut dice) as usize % bytes.len(),
                _ => page + random(&mut dice) as usize % 4096,
            };
            bytes[place] = random(&mut dice) as u8;
        }
        fs::write(folder.db(), &bytes).expect("the folder takes files");
        match survives(&folder.db(), seed) {
            Some(true) => {
                set_aside += 1;
                let names = folder.names();
                assert!(
                    names
                        .iter()
                        .any(|name| name.contains(".corrupt-20261121T135502Z")),
                    "seed {seed}: {names:?}"
                );
            }
            Some(false) => {}
            None => refused += 1,
        }
    }
    assert!(
        set_aside > 100,
        "{set_aside} set aside, {refused} refused: the damage was too gentle"
    );
    assert!(refused < 20, "{refused} refused");
}

#[test]
fn damage_that_the_start_would_not_read_is_found_at_the_start() {
    let folder = Folder::new();
    filled(&folder);
    let store = open(&folder.db()).store;
    let sql = "SELECT rootpage FROM sqlite_schema WHERE name = 'timeline'";
    let page: i64 = store
        .db
        .query_row(sql, [], |row| row.get(0))
        .expect("it has one");
    drop(store);
    let mut bytes = fs::read(folder.db()).expect("it is there");
    bytes[(page as usize - 1) * 4096] ^= 0xff;
    fs::write(folder.db(), &bytes).expect("the folder takes files");
    assert!(open(&folder.db()).set_aside.is_some());
}

#[test]
fn a_truncated_file_is_survived() {
    let folder = Folder::new();
    filled(&folder);
    let whole = fs::read(folder.db()).expect("it is there");
    for length in [
        1,
        50,
        99,
        100,
        511,
        4095,
        4096,
        4097,
        8192,
        whole.len() / 2,
        whole.len() - 4096,
    ] {
        let folder = Folder::new();
        fs::write(folder.db(), &whole[..length]).expect("the folder takes files");
        assert_eq!(
            survives(&folder.db(), length as u64),
            Some(true),
            "{length} bytes"
        );
        let aside = folder
            .db()
            .with_file_name("lastbeat.db.corrupt-20261121T135502Z");
        assert_eq!(fs::read(aside).expect("it was set aside"), &whole[..length]);
    }
}

#[test]
fn what_was_set_aside_before_is_never_overwritten() {
    let folder = Folder::new();
    for text in ["first damage", "second damage", "third damage"] {
        let _ = fs::remove_file(folder.db());
        fs::write(folder.db(), text.repeat(100)).expect("the folder takes files");
        assert!(open(&folder.db()).set_aside.is_some());
    }
    let names: Vec<_> = folder
        .names()
        .into_iter()
        .filter(|name| name.contains("corrupt"))
        .collect();
    assert_eq!(
        names,
        [
            "lastbeat.db.corrupt-20261121T135502Z",
            "lastbeat.db.corrupt-20261121T135502Z-1",
            "lastbeat.db.corrupt-20261121T135502Z-2",
        ]
    );
}

#[test]
fn damage_found_while_running_is_set_aside_and_a_new_file_begun() {
    let folder = Folder::new();
    filled(&folder);
    let mut store = open(&folder.db()).store;
    let corrupt = StoreFault::Corrupt {
        path: folder.db(),
        what: "found later".to_owned(),
    };
    let aside = folder
        .db()
        .with_file_name("lastbeat.db.corrupt-20261121T135502Z");
    assert_eq!(
        store.repair(corrupt, NOW).expect("mended"),
        Repaired::Anew(Some(aside.clone()))
    );
    store.save(&opened_incident(77)).expect("written");
    drop(store);
    assert_eq!(open(&folder.db()).saved.incidents, [incident(77, "web")]);
    assert_eq!(
        open(&aside).saved.instances.len(),
        200,
        "the old one lies there whole, with its log"
    );
}

/// Takes the file away under an open store in some way; all it knew is then in a new file, and a restart finds it.
fn taken_away(take: impl Fn(&Folder)) {
    let folder = Folder::new();
    filled(&folder);
    let mut store = open(&folder.db()).store;
    store.save(&opened_incident(30)).expect("written");
    take(&folder);
    let fault = store
        .save(&opened_incident(31))
        .expect_err("nothing may be written to a file without a name");
    assert!(matches!(fault, StoreFault::Gone { .. }), "{fault:?}");
    assert!(matches!(store.repair(fault, NOW), Ok(Repaired::Copied(_))));
    store.save(&opened_incident(31)).expect("written");
    store
        .save(&checkpoint(false, vec![instance(5, 9)]))
        .expect("written");
    std::mem::forget(store);
    // As after a kill: the lock of the forgotten store is this process's own, so a copy is looked at.
    let copy = Folder::new();
    for part in ["", "-wal"] {
        fs::copy(beside(&folder.db(), part), beside(&copy.db(), part)).expect("both are there");
    }
    let opened = open(&copy.db());
    assert_eq!(opened.saved.instances.len(), 200);
    assert_eq!(opened.saved.instances[5], instance(5, 9));
    assert_eq!(opened.saved.incidents.len(), 22);
    assert_eq!(opened.deliveries.len(), 22);
    assert_eq!(
        opened.store.history(&everything()).expect("readable").len(),
        22
    );
}

#[test]
fn a_file_deleted_under_us_is_written_anew_with_all_it_held() {
    taken_away(|folder| {
        for part in ["", "-wal"] {
            fs::remove_file(beside(&folder.db(), part)).expect("it is there");
        }
    });
}

#[test]
fn a_log_deleted_under_us_is_noticed_too() {
    taken_away(|folder| fs::remove_file(beside(&folder.db(), "-wal")).expect("it is there"));
}

#[test]
fn a_file_replaced_under_us_is_set_aside() {
    taken_away(|folder| {
        fs::remove_file(folder.db()).expect("it is there");
        fs::write(folder.db(), "somebody's notes").expect("the folder takes files");
    });
}

#[test]
fn a_second_one_cannot_have_it() {
    let folder = Folder::new();
    let first = open(&folder.db());
    let fault = Store::open(Some(&folder.db()), NOW).expect_err("it is taken");
    assert!(matches!(fault, StoreFault::Locked { .. }), "{fault:?}");
    drop(first);
    open(&folder.db());
}

#[test]
fn a_folder_that_is_not_there_is_said() {
    let folder = Folder::new();
    let fault = Store::open(Some(&folder.0.join("no/lastbeat.db")), NOW).expect_err("no folder");
    assert!(matches!(fault, StoreFault::NoFolder { .. }), "{fault:?}");
    let fault = Store::open(Some(&folder.0), NOW).expect_err("a folder is no file");
    assert!(matches!(fault, StoreFault::Denied { .. }), "{fault:?}");
}

#[test]
fn there_is_a_label_for_every_fault() {
    let path = PathBuf::from("x");
    let source = || rusqlite::Error::InvalidQuery;
    let io = || std::io::ErrorKind::Other.into();
    let labels = [
        StoreFault::NoFolder { path: path.clone() },
        StoreFault::Denied {
            path: path.clone(),
            source: source(),
        },
        StoreFault::ReadOnly { path: path.clone() },
        StoreFault::Full { path: path.clone() },
        StoreFault::Locked { path: path.clone() },
        StoreFault::Corrupt {
            path: path.clone(),
            what: String::new(),
        },
        StoreFault::Newer {
            path: path.clone(),
            found: 3,
            known: 2,
        },
        StoreFault::Foreign { path: path.clone() },
        StoreFault::Gone { path: path.clone() },
        StoreFault::Move {
            path: path.clone(),
            source: io(),
        },
        StoreFault::Other {
            path,
            source: source(),
        },
    ]
    .map(|fault| fault.label());
    assert_eq!(labels, StoreFault::LABELS);
}
