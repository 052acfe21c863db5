//! The state file: one SQLite database that only one process has open. Blocking; `app::store_thread` gives it a thread.
//!
//! A `kill -9` loses nothing that [`Store::save`] has acknowledged. A power cut may lose the last seconds and does not
//! damage the file: its log is synced before what it holds is moved into the database (`synchronous=NORMAL`). The lock
//! (`locking_mode=EXCLUSIVE`) is the operating system's and goes with the process; it also keeps SQLite from mapping
//! shared memory, which a full disk could turn into a crash.

mod clock_and_groups;
mod fault;
mod forgotten;
mod incidents;
mod instances;
mod json_columns;
mod key_column;
mod loss;
mod outbox;
mod schema;
mod state_file;
mod stored_enums;
mod stored_times;
mod stream_columns;
#[cfg(test)]
mod tests;

pub use fault::StoreFault;
pub use incidents::{KEPT_FOR, MAX_KEPT, MAX_PAGE, MAX_TIMELINE};
pub use stored_enums::{kind_from_stored, stored_kind};

use crate::core::notice::IncidentId;
use crate::core::persist::{
    Checkpoint, ForgottenTarget, IncidentQuery, PastIncident, Saved, SavedIncident, SavedInstance,
    TimelineRow,
};
use crate::core::silence::Silence;
use crate::core::snapshot::outages::Outages;
use crate::core::time::Wall;
use crate::io::notifier::Delivery;
use clock_and_groups::Written;
use instances::Slots;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use state_file::{StateFile, beside, keep_private, set_aside};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Closed incidents kept where there is no file: memory is dearer than disk.
const MAX_KEPT_IN_MEMORY: u32 = 1_000;
/// Time limit of waiting for the file's lock, which a predecessor may hold that is about to end.
const LOCK_WITHIN: Duration = Duration::from_millis(250);
/// Length of an SQLite file's header.
const HEADER_BYTES: u64 = 100;
/// The most memory the database takes for itself, in KiB: what a checkpoint of 100,000 instances walks through.
const CACHE_KIB: i64 = 8_192;
/// Pages of 4 KiB in the log at which it is moved into the database: with 100,000 instances a log of two or three
/// checkpoints, so that not each of them pays for it.
const LOG_PAGES: i64 = 3_000;
/// Size to which the log is cut once it is moved.
const LOG_BYTES: i64 = 4 * 1_024 * 1_024;

/// Content of one transaction, written in this order. Empty fields change nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Changes since the previous checkpoint, or everything.
    pub checkpoint: Option<Checkpoint>,
    /// Instances beyond it.
    pub instances: Vec<SavedInstance>,
    /// Incidents beyond it: those that opened, were updated or closed.
    pub incidents: Vec<SavedIncident>,
    /// Deliveries that are to be sent.
    pub deliveries: Vec<Delivery>,
    /// Parcels that need not be sent any more.
    pub done: Vec<u64>,
    /// New rows of timelines.
    pub timeline: Vec<(IncidentId, TimelineRow)>,
    /// The silences made while running, in file of those there.
    pub silences: Option<Vec<Silence>>,
    /// Targets that fired and are no longer watched.
    pub forgotten: Vec<ForgottenTarget>,
}

/// An open store with all that it held.
#[derive(Debug)]
pub struct Opened {
    /// To write on.
    pub store: Store,
    /// The core's state.
    pub saved: Saved,
    /// Pending deliveries, in order.
    pub deliveries: Vec<Delivery>,
    /// The silences made while running.
    pub silences: Vec<Silence>,
    /// Rows that made no sense and were left out.
    pub skipped: u64,
    /// Where a damaged file was moved; `None`: there was none.
    pub set_aside: Option<PathBuf>,
}

/// The result of [`Store::repair`].
#[derive(Debug, PartialEq, Eq)]
pub enum Repaired {
    /// Began a new, empty file; the damaged one lies there.
    Anew(Option<PathBuf>),
    /// Wrote all that was stored into a new file; what lay under its name lies there.
    Copied(Option<PathBuf>),
}

/// The open state file.
#[derive(Debug)]
pub struct Store {
    db: Connection,
    /// `None`: in memory.
    file: Option<StateFile>,
    slots: Slots,
    written: Written,
}

impl Store {
    /// Opens the file, makes it where there is none, and reads it. A damaged one is set aside under a dated name, and a
    /// new one begun. `None`: in memory. `now` dates the name.
    ///
    /// # Errors
    ///
    /// [`StoreFault`], where there is nothing to write on.
    pub fn open(path: Option<&Path>, now: Wall) -> Result<Opened, StoreFault> {
        match (Store::read(path, now), path) {
            (Err(StoreFault::Corrupt { .. }), Some(path)) => {
                let aside = set_aside(path, "corrupt", now)?;
                let mut opened = Store::read(Some(path), now)?;
                opened.set_aside = aside;
                Ok(opened)
            }
            (opened, _) => opened,
        }
    }

    fn read(path: Option<&Path>, now: Wall) -> Result<Opened, StoreFault> {
        let mut store = Store::connect(path)?;
        let mut skipped = Skipped::default();
        let read = |store: &mut Store, skipped: &mut Skipped| {
            let (clock, downstreams, groups) = clock_and_groups::read(&store.db, skipped)?;
            let saved = Saved {
                clock,
                instances: instances::read(&store.db, &mut store.slots, skipped)?,
                groups,
                losses: loss::read(&store.db, skipped)?,
                factors: loss::read_factors(&store.db, skipped)?,
                downstreams,
                incidents: incidents::read_open(&store.db, skipped)?,
                forgotten: forgotten::read(&store.db, now - forgotten::KEPT_FOR)?,
            };
            let deliveries = outbox::read(&store.db, skipped)?;
            let silences = outbox::read_silences(&store.db, skipped)?;
            Ok((saved, deliveries, silences))
        };
        let (saved, deliveries, silences) =
            read(&mut store, &mut skipped).map_err(|error| store.fault(error))?;
        Ok(Opened {
            store,
            saved,
            deliveries,
            silences,
            skipped: skipped.0,
            set_aside: None,
        })
    }

    fn connect(path: Option<&Path>) -> Result<Store, StoreFault> {
        let Some(path) = path else {
            let mut db = Connection::open_in_memory().map_err(|error| fault(None, error))?;
            prepare(&mut db, None)?;
            return Ok(Store::of(db, None));
        };
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        if folder.is_some_and(|folder| !folder.exists()) {
            let path = path.to_owned();
            return Err(StoreFault::NoFolder { path });
        }
        // SQLite takes what is shorter than its header for an empty file, and would write over it.
        let length = path.metadata().map_or(0, |data| data.len());
        if (1..HEADER_BYTES).contains(&length) {
            let what = format!("it has {length} bytes, less than its header");
            let path = path.to_owned();
            return Err(StoreFault::Corrupt { path, what });
        }
        keep_private(path);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut db =
            Connection::open_with_flags(path, flags).map_err(|error| fault(Some(path), error))?;
        prepare(&mut db, Some(path))?;
        Ok(Store::of(db, Some(StateFile::of(path))))
    }

    fn of(db: Connection, file: Option<StateFile>) -> Store {
        Store {
            db,
            file,
            slots: Slots::default(),
            written: Written::default(),
        }
    }

    /// True if the store outlives the process.
    pub fn is_lasting(&self) -> bool {
        self.file.is_some()
    }

    /// Moves the log into the database and empties it: people copy one file after a stop.
    ///
    /// # Errors
    /// The log stays as it is.
    pub fn empty_log(&self) -> Result<(), StoreFault> {
        self.db
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .map_err(|error| self.fault(error))
    }

    /// Bytes of the file and its log; of the memory where there is no file.
    pub fn bytes(&self) -> u64 {
        if let Some(file) = &self.file {
            return file.bytes();
        }
        let sql = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
        let bytes = self.db.query_row(sql, [], |row| row.get(0));
        bytes.map_or(0, back)
    }

    /// Writes all of it or nothing. What was written holds when this returns, whatever becomes of the process.
    ///
    /// # Errors
    ///
    /// [`StoreFault`]; of [`StoreFault::Gone`] and [`StoreFault::Corrupt`] the store recovers by [`Self::repair`], of the
    /// others perhaps by itself.
    pub fn save(&mut self, batch: &Batch) -> Result<(), StoreFault> {
        if let Some(file) = &self.file {
            file.check()?;
        }
        match self.write(batch) {
            Ok(written) => {
                self.slots.commit();
                self.written.commit(written);
                Ok(())
            }
            Err(error) => {
                self.slots.roll_back();
                Err(self.fault(error))
            }
        }
    }

    fn write(&mut self, batch: &Batch) -> rusqlite::Result<Written> {
        let step = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut written = Written::default();
        if let Some(checkpoint) = &batch.checkpoint {
            let instances = &checkpoint.instances;
            let slots = &mut self.slots;
            if checkpoint.whole {
                instances::remove_others(&step, slots, instances)?;
                incidents::close_others(&step, &checkpoint.incidents, checkpoint.clock.taken_at)?;
            } else {
                let forgotten = checkpoint.forgotten.iter().map(|slot| i64::from(*slot));
                instances::remove(&step, slots, forgotten)?;
            }
            instances::write(&step, slots, instances)?;
            incidents::write(&step, &checkpoint.incidents)?;
            loss::write(&step, &checkpoint.losses)?;
            loss::write_factors(&step, &checkpoint.factors)?;
            written = clock_and_groups::write(
                &step,
                &self.written,
                (&checkpoint.clock, &checkpoint.downstreams),
                &checkpoint.groups,
            )?;
        }
        instances::write(&step, &mut self.slots, &batch.instances)?;
        incidents::write(&step, &batch.incidents)?;
        outbox::write(&step, &batch.deliveries)?;
        outbox::remove(&step, &batch.done)?;
        incidents::write_timeline(&step, &batch.timeline)?;
        forgotten::write(&step, &batch.forgotten)?;
        if let Some(silences) = &batch.silences {
            outbox::write_silences(&step, silences)?;
        }
        step.commit()?;
        Ok(written)
    }

    /// Incidents with their timelines, the newest first. Rows that make no sense are left out.
    ///
    /// # Errors
    ///
    /// [`StoreFault`], where the file cannot be read.
    pub fn history(&self, query: &IncidentQuery) -> Result<Vec<PastIncident>, StoreFault> {
        incidents::history(&self.db, query).map_err(|error| self.fault(error))
    }

    /// When which incidents were open, as far back as all are known, and at most since `from`.
    ///
    /// # Errors
    ///
    /// [`StoreFault`], where the file cannot be read.
    pub fn outages(&self, from: Wall) -> Result<Outages, StoreFault> {
        let found = incidents::outages(&self.db, from, self.most_kept());
        found.map_err(|error| self.fault(error))
    }

    /// Targets that fired and were forgotten since `from`, the newest first.
    ///
    /// # Errors
    ///
    /// [`StoreFault`], where the file cannot be read.
    pub fn forgotten(&self, from: Wall) -> Result<Vec<ForgottenTarget>, StoreFault> {
        forgotten::read(&self.db, from).map_err(|error| self.fault(error))
    }

    fn most_kept(&self) -> u32 {
        match self.file {
            Some(_) => MAX_KEPT,
            None => MAX_KEPT_IN_MEMORY,
        }
    }

    /// Forgets what of the history is too old or too much, and gives its room back. Returns how many incidents went.
    ///
    /// # Errors
    ///
    /// [`StoreFault`], where the file cannot be written.
    pub fn prune(&mut self, now: Wall) -> Result<usize, StoreFault> {
        self.prune_to(now, self.most_kept())
            .map_err(|error| self.fault(error))
    }

    fn prune_to(&mut self, now: Wall, kept: u32) -> rusqlite::Result<usize> {
        let step = self.db.transaction()?;
        let gone = incidents::prune(&step, now, kept)?;
        forgotten::prune(&step, now)?;
        step.commit()?;
        self.db.execute_batch("PRAGMA incremental_vacuum")?;
        Ok(gone)
    }

    /// Gets over a fault: a damaged file is set aside and an empty one begun; where the file was deleted or replaced,
    /// what is stored is written to a new one. Others are given back.
    ///
    /// # Errors
    ///
    /// [`StoreFault`], where there is nothing to write on now; the store is as it was.
    pub fn repair(&mut self, fault: StoreFault, now: Wall) -> Result<Repaired, StoreFault> {
        match fault {
            StoreFault::Corrupt { path, .. } => {
                let aside = set_aside(&path, "corrupt", now)?;
                *self = Store::connect(Some(&path))?;
                Ok(Repaired::Anew(aside))
            }
            StoreFault::Gone { path } => self.copy(&path, now),
            fault => Err(fault),
        }
    }

    /// The open file lives on without a name: it is copied, the copy gets the name, and is opened in its file.
    fn copy(&mut self, path: &Path, now: Wall) -> Result<Repaired, StoreFault> {
        let copy = beside(path, ".copy");
        let fault = |source| StoreFault::Move {
            path: path.to_owned(),
            source,
        };
        let name = copy
            .to_str()
            .ok_or_else(|| fault(std::io::ErrorKind::InvalidFilename.into()))?;
        match std::fs::remove_file(&copy) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(fault(error)),
            _ => {}
        }
        self.db
            .execute("VACUUM INTO ?", [name])
            .map_err(|error| self.fault(error))?;
        let aside = set_aside(path, "replaced", now)?;
        std::fs::rename(&copy, path).map_err(fault)?;
        let Store { db, file, .. } = Store::connect(Some(path))?;
        (self.db, self.file) = (db, file);
        Ok(Repaired::Copied(aside))
    }

    fn fault(&self, error: rusqlite::Error) -> StoreFault {
        fault(self.file.as_ref().map(|file| file.path.as_path()), error)
    }
}

fn fault(path: Option<&Path>, error: rusqlite::Error) -> StoreFault {
    StoreFault::of(path.unwrap_or(Path::new(":memory:")), error)
}

/// Makes sure that it is ours, whole and writable, and of the newest version.
fn prepare(db: &mut Connection, path: Option<&Path>) -> Result<(), StoreFault> {
    let named = || path.unwrap_or(Path::new(":memory:")).to_owned();
    let or_fault = |error| fault(path, error);
    db.busy_timeout(LOCK_WITHIN).map_err(or_fault)?;
    if db.is_readonly("main").map_err(or_fault)? {
        return Err(StoreFault::ReadOnly { path: named() });
    }
    db.pragma_update(None, "locking_mode", "EXCLUSIVE")
        .map_err(or_fault)?;
    let owner = owner(db).map_err(or_fault)?;
    if owner == Owner::Other {
        return Err(StoreFault::Foreign { path: named() });
    }
    let found = schema::version(db).map_err(or_fault)?;
    if found > schema::VERSION {
        let (path, known) = (named(), schema::VERSION);
        return Err(StoreFault::Newer { path, found, known });
    }
    if let Some(what) = damage(db).map_err(or_fault)? {
        return Err(StoreFault::Corrupt {
            path: named(),
            what,
        });
    }
    configure(db)
        .and_then(|()| schema::migrate(db))
        .map_err(or_fault)
}

#[derive(PartialEq, Eq)]
enum Owner {
    Nobody,
    Lastbeat,
    Other,
}

fn owner(db: &Connection) -> rusqlite::Result<Owner> {
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let id: i64 = db.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    Ok(match (id, tables) {
        (schema::APPLICATION_ID, _) => Owner::Lastbeat,
        (0, 0) => Owner::Nobody,
        _ => Owner::Other,
    })
}

/// The first damage that shows by reading all of it; `None` where it is well.
fn damage(db: &Connection) -> rusqlite::Result<Option<String>> {
    let found: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    Ok((found != "ok").then_some(found))
}

fn configure(db: &Connection) -> rusqlite::Result<()> {
    // Before the first table, or not at all.
    db.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "NORMAL")?;
    db.pragma_update(None, "cache_size", -CACHE_KIB)?;
    db.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
    db.pragma_update(None, "journal_size_limit", LOG_BYTES)
}

/// Rows that made no sense.
#[derive(Debug, Default)]
struct Skipped(u64);

impl Skipped {
    /// Those that make sense; the others are counted.
    fn leave_out<T>(
        &mut self,
        rows: impl Iterator<Item = rusqlite::Result<Option<T>>>,
    ) -> rusqlite::Result<Vec<T>> {
        let mut kept = Vec::new();
        for row in rows {
            match row? {
                Some(row) => kept.push(row),
                None => self.0 += 1,
            }
        }
        Ok(kept)
    }
}

/// SQLite's integers are signed. Only "never", which is the largest, looks odd there.
const fn to(number: u64) -> i64 {
    number.cast_signed()
}

const fn back(number: i64) -> u64 {
    number.cast_unsigned()
}
