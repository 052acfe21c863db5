//! The tables, version by version.
//!
//! Times are nanoseconds: `*_at` of the Unix epoch, `listened` of the listened clock. `last_seen` and `last_beat` show
//! them to people:
//!
//! ```sql
//! SELECT * FROM last_seen WHERE verdict <> 'live' ORDER BY seen_utc;
//! ```
//!
//! While lastbeat runs it alone may open the file; look at a copy of it and of its `-wal` then.

use rusqlite::{Connection, TransactionBehavior};

/// Stands in the file's header: "lbt1".
pub(super) const APPLICATION_ID: i64 = 0x6c62_7431;

/// Migrations: the n-th makes version n of version n - 1. Files of each exist: none of these ever changes, a new one is added.
pub(super) const MIGRATIONS: [&str; 5] = [VERSION_1, VERSION_2, VERSION_3, VERSION_4, VERSION_5];

/// The newest version.
pub(super) const VERSION: i64 = MIGRATIONS.len() as i64;

/// Columns that change with each beat stand in `seen`, in few bytes, apart from those that seldom do: all of its pages are
/// written at each checkpoint. The beats are lists in JSON, one element a beat: in `instance` `[marker, name, stopped,
/// every_ms, text]`, where character 1 stands for the number in the text, and in `seen` `[nanoseconds before seen_at,
/// nanoseconds before listened, seq, offset_ms, usual_ms]`.
const VERSION_1: &str = "
CREATE TABLE clock (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    taken_at INTEGER NOT NULL,
    listened INTEGER NOT NULL,
    last_arrival_at INTEGER
);
CREATE TABLE blind (
    id INTEGER PRIMARY KEY,
    from_at INTEGER NOT NULL,
    to_at INTEGER NOT NULL,
    reason TEXT NOT NULL,
    listened INTEGER NOT NULL
);
CREATE TABLE instance (
    slot INTEGER PRIMARY KEY,
    subject TEXT NOT NULL,
    host TEXT,
    logs INTEGER NOT NULL,
    stop TEXT,
    stopped_at INTEGER,
    crash TEXT,
    said_bye INTEGER NOT NULL,
    beats TEXT NOT NULL
);
CREATE TABLE seen (
    slot INTEGER PRIMARY KEY,
    seen_at INTEGER NOT NULL,
    listened INTEGER NOT NULL,
    spoke_before INTEGER,
    verdict TEXT NOT NULL,
    beats TEXT NOT NULL
);
CREATE TABLE target_group (
    id INTEGER PRIMARY KEY,
    rule TEXT NOT NULL,
    app TEXT,
    region TEXT,
    since_at INTEGER NOT NULL,
    listened INTEGER NOT NULL,
    every_ms INTEGER NOT NULL
);
CREATE TABLE incident (
    id INTEGER PRIMARY KEY,
    opened_at INTEGER NOT NULL,
    closed_at INTEGER,
    close_reason TEXT,
    scope TEXT NOT NULL,
    severity TEXT NOT NULL,
    rule TEXT NOT NULL,
    app TEXT NOT NULL,
    region TEXT NOT NULL,
    instance TEXT NOT NULL,
    told_at INTEGER,
    reminders INTEGER,
    updates INTEGER,
    remind_ns INTEGER,
    about TEXT NOT NULL,
    notice TEXT NOT NULL,
    members TEXT NOT NULL
);
CREATE INDEX incident_open ON incident (id) WHERE closed_at IS NULL;
CREATE TABLE timeline (
    id INTEGER PRIMARY KEY,
    incident INTEGER NOT NULL,
    at INTEGER NOT NULL,
    what TEXT NOT NULL
);
CREATE INDEX timeline_incident ON timeline (incident, id);
CREATE TABLE parcel (
    id INTEGER PRIMARY KEY,
    notifier TEXT NOT NULL,
    incident INTEGER NOT NULL,
    kind TEXT NOT NULL,
    due_at INTEGER NOT NULL,
    told_at INTEGER NOT NULL,
    body BLOB NOT NULL
);
CREATE TABLE silence (
    id TEXT PRIMARY KEY,
    reason TEXT NOT NULL,
    author TEXT NOT NULL,
    windows TEXT NOT NULL,
    matchers TEXT NOT NULL
);
";

/// The history of one app or one instance without reading all of it; and what people look at.
const VERSION_2: &str = "
CREATE INDEX incident_app ON incident (app, id);
CREATE INDEX incident_instance ON incident (instance, id) WHERE instance <> '';
CREATE VIEW last_seen AS
    SELECT subject, verdict, datetime(seen_at / 1000000000, 'unixepoch') AS seen_utc, host, stop, crash
    FROM instance JOIN seen USING (slot);
CREATE VIEW last_beat AS
    SELECT subject, verdict, one.value ->> 0 AS marker, one.value ->> 1 AS name,
        datetime((seen_at - (heard.value ->> 0)) / 1000000000, 'unixepoch') AS seen_utc,
        one.value ->> 3 AS every_ms, heard.value ->> 2 AS seq,
        replace(one.value ->> 4, char(1), coalesce(heard.value ->> 2, '')) AS text
    FROM instance JOIN seen USING (slot), json_each(instance.beats) AS one
        JOIN json_each(seen.beats) AS heard ON heard.key = one.key;
";

/// Since when incidents are remembered: of a file that is older than this table the first moment that it knows of.
const VERSION_3: &str = "
CREATE TABLE begun (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    at INTEGER NOT NULL
);
INSERT INTO begun SELECT 1, min(at) FROM (
    SELECT min(opened_at) AS at FROM incident
    UNION ALL SELECT min(from_at) FROM blind
    UNION ALL SELECT taken_at FROM clock
) HAVING min(at) IS NOT NULL;
";

/// The notifications of each notifier, and the members that returned, as JSON lists. Before, one time stood for all
/// notifiers (`told_at`), which still applies where the text is empty.
///
/// Learned rhythms: of the stream (JSON), of log entries and of groups. In `seen.beats` and in the columns `*usual` a
/// negative number stands for a single interval from now on, and `instance.beats` has a sixth element, long_ms.
///
/// Targets that fired and are no longer watched.
const VERSION_4: &str = "
ALTER TABLE incident ADD COLUMN notified TEXT NOT NULL DEFAULT '';
ALTER TABLE incident ADD COLUMN back TEXT NOT NULL DEFAULT '[]';
ALTER TABLE clock ADD COLUMN usual TEXT NOT NULL DEFAULT '{}';
ALTER TABLE instance ADD COLUMN logs_usual INTEGER NOT NULL DEFAULT 0;
ALTER TABLE instance ADD COLUMN logs_long_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE target_group ADD COLUMN usual INTEGER NOT NULL DEFAULT 0;
ALTER TABLE target_group ADD COLUMN long_ms INTEGER NOT NULL DEFAULT 0;
CREATE TABLE forgotten (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    rule TEXT NOT NULL,
    app TEXT NOT NULL,
    region TEXT NOT NULL,
    instance TEXT NOT NULL,
    host TEXT NOT NULL,
    beat TEXT NOT NULL
);
";

/// The origin of the thresholds of "auto": lost beats by the hour, and the factors that are not as usual.
const VERSION_5: &str = "
CREATE TABLE loss (
    app TEXT NOT NULL,
    hour INTEGER NOT NULL,
    counted INTEGER NOT NULL,
    lost INTEGER NOT NULL,
    after_lost INTEGER NOT NULL,
    longest INTEGER NOT NULL,
    PRIMARY KEY (app, hour)
) WITHOUT ROWID;
CREATE TABLE factor (
    rule TEXT NOT NULL,
    app TEXT NOT NULL,
    every_ms INTEGER NOT NULL,
    factor INTEGER NOT NULL,
    PRIMARY KEY (rule, app, every_ms)
) WITHOUT ROWID;
";

/// The file's version.
pub(super) fn version(db: &Connection) -> rusqlite::Result<i64> {
    db.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Brings the file to the newest version; all of it or nothing. Begins a writing transaction where nothing is to be
/// done too: a file that cannot be written shows here.
pub(super) fn migrate(db: &mut Connection) -> rusqlite::Result<()> {
    let step = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = usize::try_from(version(&step)?).unwrap_or(0);
    for migration in MIGRATIONS.iter().skip(found) {
        step.execute_batch(migration)?;
    }
    if found < MIGRATIONS.len() {
        step.pragma_update(None, "application_id", APPLICATION_ID)?;
        step.pragma_update(None, "user_version", VERSION)?;
    }
    step.commit()
}
