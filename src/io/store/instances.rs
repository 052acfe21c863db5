//! Instances and their beats: by far the most of the file, and nearly all that a checkpoint writes.

use super::stored_enums::StoredEnum;
use super::stored_times::stamp_back;
use super::{Skipped, back, to};
use crate::core::persist::{SavedBeat, SavedInstance, SavedRhythm, SavedStamp};
use crate::core::snapshot::Verdict;
use crate::core::time::{Listened, Wall};
use crate::core::tracker::life::{Crash, StopWhy};
use foldhash::fast::FixedState;
use memchr::memmem;
use rusqlite::{Connection, Row, Statement, params};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hash, Hasher};

/// Slots beyond are damage: the core has at most two million instances.
const MAX_SLOT: u32 = 1 << 21;

/// The part of a beat that seldom changes, in JSON: marker, name, stopped, every_ms, text, long_ms. Files of the first
/// versions have no long_ms.
#[derive(Serialize, Deserialize)]
struct Rare<T>(T, T, bool, u32, T, #[serde(default)] u32);

/// The part that changes with each beat, in JSON: distance to the instance's own time on both clocks, seq, offset_ms, usual.
type Often = (i64, i64, Option<u64>, Option<i32>, i64);

/// Milliseconds, negative where only one interval is known.
fn usual(rhythm: SavedRhythm) -> i64 {
    let ms = i64::from(rhythm.usual_ms);
    if rhythm.is_partial { -ms } else { ms }
}

/// As [`usual`] gave it. `None` where the number makes no sense.
pub(super) fn rhythm(usual: i64, long_ms: u32) -> Option<SavedRhythm> {
    Some(SavedRhythm {
        usual_ms: u32::try_from(usual.unsigned_abs()).ok()?,
        is_partial: usual < 0,
        long_ms,
    })
}

/// The columns of a rhythm.
pub(super) fn rhythm_columns(rhythm: SavedRhythm) -> (i64, u32) {
    (usual(rhythm), rhythm.long_ms)
}

/// Stands for a beat's number in its text, which else would be another text each time.
const NUMBER: char = '\u{1}';

/// Which slots the file has, with a hash of what seldom changes of each, so that it is written only when it does.
/// Changes are taken back where the transaction fails.
#[derive(Debug, Default)]
pub(super) struct Slots {
    known: HashMap<i64, u64, FixedState>,
    undo: Vec<(i64, Option<u64>)>,
}

impl Slots {
    fn set(&mut self, slot: i64, hash: Option<u64>) {
        let before = match hash {
            Some(hash) => self.known.insert(slot, hash),
            None => self.known.remove(&slot),
        };
        self.undo.push((slot, before));
    }

    /// The transaction holds.
    pub fn commit(&mut self) {
        self.undo.clear();
    }

    /// The transaction failed.
    pub fn roll_back(&mut self) {
        while let Some((slot, before)) = self.undo.pop() {
            match before {
                Some(hash) => self.known.insert(slot, hash),
                None => self.known.remove(&slot),
            };
        }
    }
}

/// A hash of what stands in the table `instance`.
fn hash(instance: &SavedInstance) -> u64 {
    // Equal in each process, and not resistant to attacks: a slot's hash is compared only with its own previous one.
    let mut hasher = FixedState::default().build_hasher();
    instance.subject.hash(&mut hasher);
    instance.host.hash(&mut hasher);
    instance.logs.hash(&mut hasher);
    let stop = instance.stop.map(|(why, at)| (why.stored(), at));
    stop.hash(&mut hasher);
    instance.crash.map(|crash| crash.stored()).hash(&mut hasher);
    instance.said_bye.hash(&mut hasher);
    rhythm_columns(instance.logs_rhythm).hash(&mut hasher);
    for beat in &instance.beats {
        (&beat.marker, &beat.name, beat.stopped, beat.every_ms).hash(&mut hasher);
        beat.rhythm.long_ms.hash(&mut hasher);
        around_number(&beat.text, beat.seq).hash(&mut hasher);
    }
    hasher.finish()
}

/// The text before and after a beat's number; the whole text if it is stored unchanged.
fn around_number(text: &str, seq: Option<u64>) -> Result<(&str, &str), &str> {
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    let number = Number::of(seq.ok_or(text)?);
    let number = number.digits();
    let start = memmem::find(text.as_bytes(), number).ok_or(text)?;
    let end = start + number.len();
    let bytes = text.as_bytes();
    let is_part = is_digit(bytes.get(end)) || (start > 0 && is_digit(bytes.get(start - 1)));
    // A text that begins with the mark contains it itself.
    if is_part || start == 0 || text.contains(NUMBER) {
        return Err(text);
    }
    Ok((&text[..start], &text[end..]))
}

/// A number in digits, without a detour over the heap: each beat of a checkpoint has one.
struct Number {
    digits: [u8; 20],
    from: usize,
}

impl Number {
    fn of(mut number: u64) -> Self {
        let mut digits = [b'0'; 20];
        let mut from = digits.len();
        while from > 0 {
            from -= 1;
            digits[from] += (number % 10) as u8;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        Number { digits, from }
    }

    fn digits(&self) -> &[u8] {
        &self.digits[self.from..]
    }
}

fn text_without_number(beat: &SavedBeat) -> String {
    match around_number(&beat.text, beat.seq) {
        Ok((before, after)) => format!("{before}{NUMBER}{after}"),
        Err(text) if text.contains(NUMBER) => format!("{NUMBER}{text}"),
        Err(text) => text.to_owned(),
    }
}

fn text_with_number(text: String, seq: Option<u64>) -> String {
    match (text.strip_prefix(NUMBER), seq) {
        (Some(as_it_is), _) => as_it_is.to_owned(),
        (None, Some(seq)) if text.contains(NUMBER) => text.replace(NUMBER, &seq.to_string()),
        (None, _) => text,
    }
}

/// Writes instances.
pub(super) fn write(
    db: &Connection,
    slots: &mut Slots,
    instances: &[SavedInstance],
) -> rusqlite::Result<()> {
    if instances.is_empty() {
        return Ok(());
    }
    let mut rare = db.prepare("INSERT OR REPLACE INTO instance VALUES (?,?,?,?,?,?,?,?,?,?,?)")?;
    let mut often = db.prepare("INSERT OR REPLACE INTO seen VALUES (?,?,?,?,?,?)")?;
    let mut text = Vec::new();
    for one in instances {
        let slot = i64::from(one.slot);
        let hash = hash(one);
        if slots.known.get(&slot) != Some(&hash) {
            write_rare(&mut rare, one)?;
            slots.set(slot, Some(hash));
        }
        write_often(&mut often, one, &mut text)?;
    }
    Ok(())
}

fn write_rare(into: &mut Statement<'_>, one: &SavedInstance) -> rusqlite::Result<()> {
    let beats = one.beats.iter().map(|beat| -> Rare<Cow<'_, str>> {
        let text = text_without_number(beat).into();
        let (marker, name) = (Cow::from(&*beat.marker), Cow::from(&*beat.name));
        let long_ms = beat.rhythm.long_ms;
        Rare(marker, name, beat.stopped, beat.every_ms, text, long_ms)
    });
    let beats: Vec<_> = beats.collect();
    let (logs_usual, logs_long_ms) = rhythm_columns(one.logs_rhythm);
    into.execute(params![
        one.slot,
        one.subject,
        one.host,
        one.logs,
        one.stop.map(|(why, _)| why.stored()),
        one.stop.map(|(_, at)| to(at.nanos())),
        one.crash.map(|crash| crash.stored()),
        one.said_bye,
        serde_json::to_string(&beats).map_err(json_fault)?,
        logs_usual,
        logs_long_ms,
    ])?;
    Ok(())
}

fn write_often(
    into: &mut Statement<'_>,
    one: &SavedInstance,
    text: &mut Vec<u8>,
) -> rusqlite::Result<()> {
    let SavedStamp { at, listened } = one.seen;
    text.clear();
    text.push(b'[');
    for (index, beat) in one.beats.iter().enumerate() {
        if index > 0 {
            text.push(b',');
        }
        let row: Often = (
            before(at.nanos(), beat.seen.at.nanos()),
            before(listened.nanos(), beat.seen.listened.nanos()),
            beat.seq,
            beat.offset_ms,
            usual(beat.rhythm),
        );
        serde_json::to_writer(&mut *text, &row).map_err(json_fault)?;
    }
    text.push(b']');
    let beats = std::str::from_utf8(text).map_err(|error| rusqlite::Error::Utf8Error(5, error))?;
    into.execute(params![
        one.slot,
        to(at.nanos()),
        to(listened.nanos()),
        one.spoke
            .map(|spoke| before(listened.nanos(), spoke.nanos())),
        one.verdict.stored(),
        beats,
    ])?;
    Ok(())
}

fn json_fault(error: serde_json::Error) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(Box::new(error))
}

/// The distance of `one` before `at`: few digits for beats heard together. Wraps, as does the way back.
fn before(at: u64, one: u64) -> i64 {
    to(at.wrapping_sub(one))
}

/// Removes slots.
pub(super) fn remove(
    db: &Connection,
    slots: &mut Slots,
    gone: impl IntoIterator<Item = i64>,
) -> rusqlite::Result<()> {
    let mut rare = db.prepare("DELETE FROM instance WHERE slot = ?")?;
    let mut often = db.prepare("DELETE FROM seen WHERE slot = ?")?;
    for slot in gone {
        rare.execute([slot])?;
        often.execute([slot])?;
        slots.set(slot, None);
    }
    Ok(())
}

/// Removes all but these.
pub(super) fn remove_others(
    db: &Connection,
    slots: &mut Slots,
    instances: &[SavedInstance],
) -> rusqlite::Result<()> {
    let named: HashSet<i64> = instances.iter().map(|one| i64::from(one.slot)).collect();
    let gone: Vec<i64> = slots
        .known
        .keys()
        .copied()
        .filter(|slot| !named.contains(slot))
        .collect();
    remove(db, slots, gone)
}

/// Reads all of them, by slot. Those that make no sense are left out and counted; a whole checkpoint removes them.
pub(super) fn read(
    db: &Connection,
    slots: &mut Slots,
    skipped: &mut Skipped,
) -> rusqlite::Result<Vec<SavedInstance>> {
    let sql = "SELECT slot, seen_at, listened, spoke_before, verdict, seen.beats,
        subject, host, logs, stop, stopped_at, crash, said_bye, instance.beats, logs_usual, logs_long_ms
        FROM seen LEFT JOIN instance USING (slot) ORDER BY slot";
    let mut statement = db.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut instances = Vec::new();
    while let Some(row) = rows.next()? {
        let one = instance(row).filter(|one| one.slot < MAX_SLOT);
        if let Ok(slot) = row.get(0) {
            slots.known.insert(slot, one.as_ref().map_or(0, hash));
        }
        match one {
            Some(one) => instances.push(one),
            None => skipped.0 += 1,
        }
    }
    Ok(instances)
}

/// `None` where the row makes no sense.
fn instance(row: &Row<'_>) -> Option<SavedInstance> {
    let seen = stamp_back(row, 1)?;
    let spoke = |ago: i64| Listened::from_nanos(seen.listened.nanos().wrapping_sub(back(ago)));
    let why: Option<String> = row.get(9).ok()?;
    let stop = match why {
        Some(why) => {
            let at: i64 = row.get(10).ok()?;
            Some((StopWhy::from_stored(&why)?, Wall::from_nanos(back(at))))
        }
        None => None,
    };
    let crash: Option<String> = row.get(11).ok()?;
    let crash = match crash {
        Some(crash) => Some(Crash::from_stored(&crash)?),
        None => None,
    };
    let text = |column| row.get_ref(column).ok()?.as_str().ok();
    let often: Vec<Often> = serde_json::from_str(text(5)?).ok()?;
    let rare: Vec<Rare<String>> = serde_json::from_str(text(13)?).ok()?;
    if often.len() != rare.len() {
        return None;
    }
    let beats = rare.into_iter().zip(often);
    let beats = beats.map(|(rare, often)| beat(seen, rare, often));
    Some(SavedInstance {
        slot: row.get(0).ok()?,
        subject: row.get(6).ok()?,
        host: row.get(7).ok()?,
        seen,
        spoke: row.get::<_, Option<i64>>(3).ok()?.map(spoke),
        logs: row.get(8).ok()?,
        stop,
        crash,
        said_bye: row.get(12).ok()?,
        verdict: Verdict::from_stored(text(4)?)?,
        logs_rhythm: rhythm(row.get(14).ok()?, row.get(15).ok()?)?,
        beats: beats.collect::<Option<_>>()?,
    })
}

/// `None` where the rows make no sense.
fn beat(seen: SavedStamp, rare: Rare<String>, often: Often) -> Option<SavedBeat> {
    let Rare(marker, name, stopped, every_ms, text, long_ms) = rare;
    let (at, listened, seq, offset_ms, usual) = often;
    Some(SavedBeat {
        marker: marker.into(),
        name: name.into(),
        seen: SavedStamp {
            at: Wall::from_nanos(seen.at.nanos().wrapping_sub(back(at))),
            listened: Listened::from_nanos(seen.listened.nanos().wrapping_sub(back(listened))),
        },
        stopped,
        every_ms,
        seq,
        offset_ms,
        rhythm: rhythm(usual, long_ms)?,
        text: text_with_number(text, seq),
    })
}
