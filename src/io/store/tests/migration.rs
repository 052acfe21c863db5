//! Files of older and newer programs.

use super::*;

/// A file of the first version, as SQL. Each version that ships leaves such a text here.
const VERSION_1: &str = "
INSERT INTO clock (id, taken_at, listened, last_arrival_at) VALUES (1, 1795269302000000000, 7, NULL);
INSERT INTO instance (slot, subject, host, logs, stop, stopped_at, crash, said_bye, beats) VALUES (4, 'logs.web.iad.0004', NULL, 0, NULL, NULL, NULL, 0,
    '[[\"HEARTBEAT\",\"\",false,30000,\"HEARTBEAT every=30s seq=\\u0001 from 4\"]]');
INSERT INTO seen VALUES (4, 1795269304000000000, 2, NULL, 'live', '[[0,0,2,null,0]]');
INSERT INTO parcel VALUES (1, 'sentry', 1, 'opened', 1795269303000000000, 1795269303000000000, x'7b7d0a00');
";

/// A file as the program of that version left it.
fn file_of(version: usize, path: &Path) -> Connection {
    let db = Connection::open(path).expect("a new file");
    for migration in &schema::MIGRATIONS[..version] {
        db.execute_batch(migration).expect("the schema is good");
    }
    db.execute_batch(VERSION_1).expect("the rows fit");
    db.pragma_update(None, "application_id", schema::APPLICATION_ID)
        .expect("set");
    db.pragma_update(None, "user_version", version as i64)
        .expect("set");
    db
}

fn shape(path: &Path) -> Vec<String> {
    let db = Connection::open(path).expect("it is there");
    let mut all = db
        .prepare("SELECT sql FROM sqlite_schema WHERE sql NOT NULL ORDER BY name")
        .expect("it is a database");
    let rows = all.query_map([], |row| row.get(0)).expect("readable");
    rows.collect::<Result<_, _>>().expect("texts")
}

#[test]
fn every_older_version_becomes_the_newest_and_keeps_what_it_held() {
    let new = Folder::new();
    drop(open(&new.db()));
    for version in 1..=schema::MIGRATIONS.len() {
        let folder = Folder::new();
        drop(file_of(version, &folder.db()));
        let opened = open(&folder.db());
        assert_eq!(opened.skipped, 0);
        assert_eq!(opened.set_aside, None);
        assert_eq!(
            opened.saved.instances,
            [instance(4, 2)],
            "from version {version}"
        );
        assert_eq!(opened.deliveries, [delivery(1)]);
        assert_eq!(opened.saved.clock.taken_at, NOW);
        drop(opened);
        assert_eq!(
            shape(&folder.db()),
            shape(&new.db()),
            "from version {version}"
        );
    }
}

#[test]
fn a_newer_version_is_refused_and_left_as_it_is() {
    let folder = Folder::new();
    let db = file_of(2, &folder.db());
    db.pragma_update(None, "user_version", 99).expect("set");
    drop(db);
    let before = std::fs::read(folder.db()).expect("it is there");
    let fault = Store::open(Some(&folder.db()), NOW).expect_err("it is newer");
    assert!(
        matches!(
            fault,
            StoreFault::Newer {
                found: 99,
                known: schema::VERSION,
                ..
            }
        ),
        "{fault:?}"
    );
    assert!(fault.is_refusal());
    assert!(
        fault.to_string().contains("start the newer lastbeat again"),
        "{fault}"
    );
    assert_eq!(std::fs::read(folder.db()).expect("it is there"), before);
}

#[test]
fn another_programs_database_is_not_touched() {
    let folder = Folder::new();
    let db = Connection::open(folder.db()).expect("a new file");
    db.execute_batch("CREATE TABLE theirs (x)")
        .expect("a table");
    drop(db);
    let before = std::fs::read(folder.db()).expect("it is there");
    let fault = Store::open(Some(&folder.db()), NOW).expect_err("it is not ours");
    assert!(matches!(fault, StoreFault::Foreign { .. }), "{fault:?}");
    assert_eq!(std::fs::read(folder.db()).expect("it is there"), before);
}
