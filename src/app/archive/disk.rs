//! The folder of the archive: opened, written, kept within its limits.

use super::sealer::Sealer;
use crate::core::rule::ArchiveRule;
use crate::core::time::{Mono, Now};
use crate::io::archive::lock::Lock;
use crate::io::archive::recovery::recover;
use crate::io::archive::retention::{Limits, excess, remove, victims};
use crate::io::archive::segment::{Form, HOUR, Segment, Stem, list};
use crate::io::archive::volume::Volume;
use crate::io::archive::writer::Writer;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tracing::warn;

/// Interval of syncs: a crash of the machine loses so much.
const SYNC_EVERY: Duration = Duration::from_secs(5);
/// Interval in which the folder is read and the volume asked.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Rounds of deleting at once.
const ROUNDS: usize = 8;

/// The sizes of the archive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sizes {
    /// Bytes of all segments.
    pub bytes: u64,
    /// Their number.
    pub segments: usize,
    /// Wall clock: the beginning of the oldest, in seconds.
    pub oldest: u64,
}

/// A folder that can be written.
pub(super) struct Disk {
    folder: PathBuf,
    _lock: Lock,
    writer: Option<Writer>,
    sealer: Sealer,
    segments: Vec<Segment>,
    volume: Volume,
    /// Bytes written since the folder was read.
    written: u64,
    look_at: Mono,
    sync_at: Mono,
    /// Bytes were written since the last sync.
    is_dirty: bool,
}

impl Disk {
    /// Opens a folder, and recovers what a crash left.
    ///
    /// # Errors
    /// It cannot be made, read or written.
    pub(super) fn open(folder: &Path, now: Now) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let lock = Lock::take(folder)?;
        let mut recovered = recover(folder)?;
        if recovered.torn_bytes > 0 {
            warn!(
                bytes = recovered.torn_bytes,
                "the archive's last line was torn by a crash, and cut off"
            );
        }
        let sealer = Sealer::start(folder)?;
        let is_current = |stem: &Stem| {
            let begin = stem.begin().unwrap_or_default();
            begin.nanos() / crate::core::time::nanos(HOUR)
                == now.wall.nanos() / crate::core::time::nanos(HOUR)
        };
        let current = recovered.unsealed.pop_if(|stem| is_current(stem));
        let writer = current
            .map(|stem| Writer::resume(folder, stem))
            .transpose()?;
        for stem in recovered.unsealed {
            sealer.seal(stem);
        }
        let mut disk = Disk {
            folder: folder.to_owned(),
            _lock: lock,
            writer,
            sealer,
            segments: Vec::new(),
            volume: Volume::default(),
            written: 0,
            look_at: now.mono,
            sync_at: now.mono + SYNC_EVERY,
            is_dirty: false,
        };
        disk.look(now)?;
        Ok(disk)
    }

    /// Appends whole lines.
    ///
    /// # Errors
    /// There is no room for them within the limits, or the disk does not take them. Nothing of them is kept.
    pub(super) fn append(&mut self, lines: &[u8], rule: &ArchiveRule, now: Now) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        self.make_room(lines.len() as u64, rule, now)?;
        let limits = Limits::of(rule, self.volume);
        if let Some(writer) = self
            .writer
            .take_if(|writer| writer.is_over(now.wall, limits.segment))
        {
            self.sealer.sync(writer.file());
            self.sealer.seal(writer.stem().clone());
        }
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(Writer::create(&self.folder, now.wall)?),
        };
        writer.append(lines)?;
        self.written += lines.len() as u64;
        self.is_dirty = true;
        Ok(())
    }

    /// Does what is due: syncs, reads the folder, deletes what is too old or too much.
    ///
    /// # Errors
    /// The folder cannot be read, or does not keep what was written.
    pub(super) fn turn(&mut self, rule: &ArchiveRule, now: Now) -> io::Result<()> {
        if self.sealer.take_sync_failed() {
            // What the disk has of this segment is not known: the next lines begin another one.
            self.writer = None;
            return Err(io::Error::other("the disk does not keep what was written"));
        }
        if now.mono >= self.sync_at {
            self.sync_at = now.mono + SYNC_EVERY;
            if let Some(writer) = self.writer.as_ref().filter(|_| self.is_dirty) {
                self.sealer.sync(writer.file());
                self.is_dirty = false;
            }
        }
        if now.mono >= self.look_at {
            self.look(now)?;
            // Plain ones of an hour that is over, or that could not be sealed before.
            let limits = Limits::of(rule, self.volume);
            if let Some(writer) = self
                .writer
                .take_if(|writer| writer.is_over(now.wall, limits.segment))
            {
                self.sealer.seal(writer.stem().clone());
            } else if !self.sealer.is_busy() {
                let open = self.writer.as_ref().map(Writer::stem);
                let is_left = |one: &&Segment| one.form == Form::Plain && Some(&one.stem) != open;
                if let Some(left) = self.segments.iter().find(is_left) {
                    self.sealer.seal(left.stem.clone());
                }
            }
            self.make_room(0, rule, now)?;
        }
        Ok(())
    }

    /// Syncs what was written, at the end.
    pub(super) fn finish(&mut self) {
        if let Some(writer) = &self.writer {
            // Nothing is left to be done where it fails.
            let _ = writer.file().sync_data();
        }
    }

    /// The sizes when the folder was last read.
    pub(super) fn sizes(&self) -> Sizes {
        let oldest = self.segments.first().map(Segment::begin);
        Sizes {
            bytes: self.total(),
            segments: self.segments.len(),
            oldest: oldest.map_or(0, |at| at.nanos() / 1_000_000_000),
        }
    }

    /// The segments when the folder was last read.
    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Segments that were sealed since the start.
    pub(super) fn sealed(&self) -> u64 {
        self.sealer.sealed()
    }

    fn total(&self) -> u64 {
        self.segments
            .iter()
            .map(|segment| segment.bytes)
            .sum::<u64>()
            + self.written
    }

    fn look(&mut self, now: Now) -> io::Result<()> {
        self.look_at = now.mono + LOOK_EVERY;
        self.segments = list(&self.folder)?;
        self.volume = Volume::of(&self.folder)?;
        self.written = 0;
        Ok(())
    }

    /// Deletes the oldest segments until `more` bytes have room.
    fn make_room(&mut self, more: u64, rule: &ArchiveRule, now: Now) -> io::Result<()> {
        let limits = Limits::of(rule, self.volume);
        // A segment is there twice while it is sealed, and may not compress at all.
        let more = more + limits.segment;
        let left = Volume {
            free: self.volume.free.saturating_sub(self.written),
            ..self.volume
        };
        let over = excess(&limits, self.total(), left, more);
        let oldest = now.wall - rule.max_age;
        if victims(&self.segments, over, oldest).is_empty() && over == 0 {
            return Ok(());
        }
        let mut over = over;
        // What is being sealed grows meanwhile.
        for _ in 0..ROUNDS {
            self.look(now)?;
            over = excess(&limits, self.total(), self.volume, more);
            let victims = victims(&self.segments, over, oldest);
            if victims.is_empty() {
                break;
            }
            victims.into_iter().try_for_each(remove)?;
        }
        match over {
            0 => Ok(()),
            _ if self.volume.free < limits.free + more => Err(no_room(format!(
                "{} MB are free on the volume, and [archive] min_free keeps {} MB of it free",
                self.volume.free / 1_000_000,
                limits.free / 1_000_000
            ))),
            _ => Err(no_room(format!(
                "the archive has reached [archive] max_size, {} MB",
                limits.total / 1_000_000
            ))),
        }
    }
}

fn no_room(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::QuotaExceeded, why)
}

/// True where the folder is well and only short of space: it needs not be opened anew.
pub(super) fn is_no_room(fault: &io::Error) -> bool {
    matches!(
        fault.kind(),
        io::ErrorKind::QuotaExceeded | io::ErrorKind::StorageFull
    )
}
