//! The listened clock with what is known of downstreams, and the groups: little, and rewritten whole where it changed.

use super::instances::{rhythm, rhythm_columns};
use super::stored_enums::StoredEnum;
use super::stored_times::{stamp_back, wall_back};
use super::{Skipped, back, stream_columns, to};
use crate::core::listening::Blind;
use crate::core::persist::{SavedBlind, SavedClock, SavedDownstream, SavedGroup};
use crate::core::time::{Listened, Wall};
use rusqlite::{Connection, Row, params};
use std::time::Duration;

/// Wall times that come from the arrival clock move a little with each reading: less than this is no change.
const SAME_WITHIN: Duration = Duration::from_secs(1);

/// Content of the file; `None`: not known.
#[derive(Debug, Default)]
pub(super) struct Written {
    blind: Option<Vec<SavedBlind>>,
    groups: Option<Vec<SavedGroup>>,
}

fn is_near(one: Wall, other: Wall) -> bool {
    one.since(other).max(other.since(one)) < SAME_WITHIN
}

fn same_blind(one: &SavedBlind, other: &SavedBlind) -> bool {
    let near = is_near(one.from, other.from) && is_near(one.to, other.to);
    near && one.reason == other.reason && one.listened == other.listened
}

fn same_group(one: &SavedGroup, other: &SavedGroup) -> bool {
    let SavedGroup {
        rule,
        app,
        region,
        since,
        every_ms,
        rhythm,
    } = one;
    let named = *rule == other.rule && *app == other.app && *region == other.region;
    let since = is_near(since.at, other.since.at) && since.listened == other.since.listened;
    named && since && *every_ms == other.every_ms && *rhythm == other.rhythm
}

fn all_same<T>(before: Option<&Vec<T>>, now: &[T], same: fn(&T, &T) -> bool) -> bool {
    before.is_some_and(|before| {
        before.len() == now.len() && before.iter().zip(now).all(|(one, other)| same(one, other))
    })
}

/// Writes the clock with the downstreams, and of the rest what changed. What then stands in the file is returned, for when it holds.
pub(super) fn write(
    db: &Connection,
    written: &Written,
    (clock, downstreams): (&SavedClock, &[SavedDownstream]),
    groups: &[SavedGroup],
) -> rusqlite::Result<Written> {
    db.execute(
        "INSERT OR REPLACE INTO clock (id, taken_at, listened, last_arrival_at, usual) VALUES (1,?,?,?,?)",
        params![
            to(clock.taken_at.nanos()),
            to(clock.listened.nanos()),
            clock.last_arrival.map(|at| to(at.nanos())),
            stream_columns::usual(clock, downstreams)?,
        ],
    )?;
    db.execute(
        "INSERT OR IGNORE INTO begun (id, at) VALUES (1,?)",
        [to(clock.taken_at.nanos())],
    )?;
    let mut new = Written::default();
    if !all_same(written.blind.as_ref(), &clock.blind, same_blind) {
        write_blind(db, &clock.blind)?;
        new.blind = Some(clock.blind.clone());
    }
    if !all_same(written.groups.as_ref(), groups, same_group) {
        write_groups(db, groups)?;
        new.groups = Some(groups.to_vec());
    }
    Ok(new)
}

impl Written {
    /// The transaction holds.
    pub fn commit(&mut self, new: Written) {
        self.blind = new.blind.or(self.blind.take());
        self.groups = new.groups.or(self.groups.take());
    }
}

fn write_blind(db: &Connection, blind: &[SavedBlind]) -> rusqlite::Result<()> {
    db.execute("DELETE FROM blind", [])?;
    let mut into =
        db.prepare("INSERT INTO blind (from_at, to_at, reason, listened) VALUES (?,?,?,?)")?;
    for one in blind {
        into.execute(params![
            to(one.from.nanos()),
            to(one.to.nanos()),
            one.reason.stored(),
            to(one.listened.nanos()),
        ])?;
    }
    Ok(())
}

fn write_groups(db: &Connection, groups: &[SavedGroup]) -> rusqlite::Result<()> {
    db.execute("DELETE FROM target_group", [])?;
    let mut into = db.prepare(
        "INSERT INTO target_group (rule, app, region, since_at, listened, every_ms, usual, long_ms)
            VALUES (?,?,?,?,?,?,?,?)",
    )?;
    for one in groups {
        let (usual, long_ms) = rhythm_columns(one.rhythm);
        into.execute(params![
            one.rule,
            one.app,
            one.region,
            to(one.since.at.nanos()),
            to(one.since.listened.nanos()),
            one.every_ms,
            usual,
            long_ms,
        ])?;
    }
    Ok(())
}

/// Reads all of them.
pub(super) fn read(
    db: &Connection,
    skipped: &mut Skipped,
) -> rusqlite::Result<(SavedClock, Vec<SavedDownstream>, Vec<SavedGroup>)> {
    let mut statement =
        db.prepare("SELECT taken_at, listened, last_arrival_at, usual FROM clock")?;
    let clocks = statement.query_map([], |row| Ok(clock(row)))?;
    let (mut clock, downstreams) = skipped.leave_out(clocks)?.pop().unwrap_or_default();
    let mut statement =
        db.prepare("SELECT from_at, to_at, reason, listened FROM blind ORDER BY id")?;
    let rows = statement.query_map([], |row| Ok(blind(row)))?;
    clock.blind = skipped.leave_out(rows)?;
    let mut statement = db.prepare(
        "SELECT rule, app, region, since_at, listened, every_ms, usual, long_ms FROM target_group ORDER BY id",
    )?;
    let rows = statement.query_map([], |row| Ok(group(row)))?;
    Ok((clock, downstreams, skipped.leave_out(rows)?))
}

fn clock(row: &Row<'_>) -> Option<(SavedClock, Vec<SavedDownstream>)> {
    let listened: i64 = row.get(1).ok()?;
    let (usual, downstreams) = stream_columns::usual_of(row.get_ref(3).ok()?.as_str().ok()?)?;
    let clock = SavedClock {
        taken_at: wall_back(row, 0)??,
        listened: Listened::from_nanos(back(listened)),
        last_arrival: wall_back(row, 2)?,
        ..usual
    };
    Some((clock, downstreams))
}

fn blind(row: &Row<'_>) -> Option<SavedBlind> {
    let reason: String = row.get(2).ok()?;
    let listened: i64 = row.get(3).ok()?;
    Some(SavedBlind {
        from: wall_back(row, 0)??,
        to: wall_back(row, 1)??,
        reason: Blind::from_stored(&reason)?,
        listened: Listened::from_nanos(back(listened)),
    })
}

fn group(row: &Row<'_>) -> Option<SavedGroup> {
    Some(SavedGroup {
        rule: row.get(0).ok()?,
        app: row.get(1).ok()?,
        region: row.get(2).ok()?,
        since: stamp_back(row, 3)?,
        every_ms: row.get(5).ok()?,
        rhythm: rhythm(row.get(6).ok()?, row.get(7).ok()?)?,
    })
}
