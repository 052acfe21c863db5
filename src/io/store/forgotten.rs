//! Targets that fired and are no longer watched, for the page.

use super::stored_times::wall_back;
use super::{Skipped, to};
use crate::core::notice::TargetName;
use crate::core::persist::ForgottenTarget;
use crate::core::time::Wall;
use rusqlite::{Connection, Row, params};
use std::time::Duration;

/// Retention.
pub const KEPT_FOR: Duration = Duration::from_secs(30 * 24 * 3600);
/// Targets kept at most, the newest: more than anybody reads.
pub const MAX_KEPT: u32 = 1_000;

/// Writes targets.
pub(super) fn write(db: &Connection, targets: &[ForgottenTarget]) -> rusqlite::Result<()> {
    if targets.is_empty() {
        return Ok(());
    }
    let mut into = db.prepare(
        "INSERT INTO forgotten (at, rule, app, region, instance, host, beat) VALUES (?,?,?,?,?,?,?)",
    )?;
    for ForgottenTarget { rule, who, at } in targets {
        into.execute(params![
            to(at.nanos()),
            rule,
            who.app,
            who.region,
            who.instance,
            who.host,
            who.beat,
        ])?;
    }
    Ok(())
}

/// Reads those since `from`, the newest first. Rows that make no sense are left out.
pub(super) fn read(db: &Connection, from: Wall) -> rusqlite::Result<Vec<ForgottenTarget>> {
    let mut statement = db.prepare(
        "SELECT at, rule, app, region, instance, host, beat FROM forgotten WHERE at >= ? ORDER BY id DESC LIMIT ?",
    )?;
    let rows = statement.query_map(params![to(from.nanos()), MAX_KEPT], |row| Ok(target(row)))?;
    Skipped::default().leave_out(rows)
}

/// Removes those that are old, or too many.
pub(super) fn prune(db: &Connection, now: Wall) -> rusqlite::Result<()> {
    db.execute(
        "DELETE FROM forgotten WHERE at < ?",
        [to((now - KEPT_FOR).nanos())],
    )?;
    db.execute(
        "DELETE FROM forgotten WHERE id <= (SELECT id FROM forgotten ORDER BY id DESC LIMIT 1 OFFSET ?)",
        [MAX_KEPT],
    )?;
    Ok(())
}

/// `None` where the row makes no sense.
fn target(row: &Row<'_>) -> Option<ForgottenTarget> {
    Some(ForgottenTarget {
        at: wall_back(row, 0)??,
        rule: row.get(1).ok()?,
        who: TargetName {
            app: row.get(2).ok()?,
            region: row.get(3).ok()?,
            instance: row.get(4).ok()?,
            host: row.get(5).ok()?,
            beat: row.get(6).ok()?,
        },
    })
}
