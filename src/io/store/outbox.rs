//! Deliveries that wait, and the silences made while running.

use super::stored_enums::{StoredEnum, kind_from_stored, stored_kind};
use super::stored_times::wall_back;
use super::{Skipped, back, json_columns, to};
use crate::core::notice::IncidentId;
use crate::core::rule::Severity;
use crate::core::silence::Silence;
use crate::io::notifier::{Delivery, RenderedNotice};
use bytes::Bytes;
use rusqlite::{Connection, Row, params};

/// Writes deliveries.
pub(super) fn write(db: &Connection, deliveries: &[Delivery]) -> rusqlite::Result<()> {
    if deliveries.is_empty() {
        return Ok(());
    }
    let mut into = db.prepare(
        "INSERT OR REPLACE INTO parcel (id, notifier, incident, kind, due_at, told_at, body)
            VALUES (?,?,?,?,?,?,?)",
    )?;
    for one in deliveries {
        into.execute(params![
            to(one.id),
            one.notifier,
            to(one.rendered.incident.0),
            stored_kind(one.rendered.kind),
            to(one.rendered.due_at.nanos()),
            to(one.rendered.queued_at.nanos()),
            &one.rendered.body[..],
        ])?;
    }
    Ok(())
}

/// Removes deliveries.
pub(super) fn remove(db: &Connection, done: &[u64]) -> rusqlite::Result<()> {
    let mut delete = db.prepare("DELETE FROM parcel WHERE id = ?")?;
    for id in done {
        delete.execute([to(*id)])?;
    }
    Ok(())
}

/// Reads all that wait, in the order of their numbers.
pub(super) fn read(db: &Connection, skipped: &mut Skipped) -> rusqlite::Result<Vec<Delivery>> {
    let mut statement = db.prepare(
        "SELECT parcel.id, notifier, incident, kind, due_at, parcel.told_at, body, incident.severity
            FROM parcel LEFT JOIN incident ON incident.id = parcel.incident ORDER BY parcel.id",
    )?;
    let rows = statement.query_map([], |row| Ok(delivery(row)))?;
    skipped.leave_out(rows)
}

fn delivery(row: &Row<'_>) -> Option<Delivery> {
    let id: i64 = row.get(0).ok()?;
    let incident: i64 = row.get(2).ok()?;
    let kind: String = row.get(3).ok()?;
    let body: Vec<u8> = row.get(6).ok()?;
    let severity: Option<String> = row.get(7).ok()?;
    Some(Delivery {
        id: back(id),
        notifier: row.get(1).ok()?,
        rendered: RenderedNotice {
            incident: IncidentId(back(incident)),
            kind: kind_from_stored(&kind)?,
            // That of the incident: only the order of what waits hangs on it.
            severity: severity
                .and_then(|word| Severity::from_stored(&word))
                .unwrap_or_default(),
            due_at: wall_back(row, 4)??,
            queued_at: wall_back(row, 5)??,
            body: Bytes::from(body),
        },
    })
}

/// Writes silences in place of all that stand there.
pub(super) fn write_silences(db: &Connection, silences: &[Silence]) -> rusqlite::Result<()> {
    db.execute("DELETE FROM silence", [])?;
    let mut into = db.prepare(
        "INSERT OR REPLACE INTO silence (id, reason, author, windows, matchers) VALUES (?,?,?,?,?)",
    )?;
    for one in silences {
        into.execute(params![
            one.id,
            one.reason,
            one.author,
            json_columns::windows(&one.windows)?,
            json_columns::matchers(&one.matchers)?,
        ])?;
    }
    Ok(())
}

/// Reads the silences, in the order in which they were written.
pub(super) fn read_silences(
    db: &Connection,
    skipped: &mut Skipped,
) -> rusqlite::Result<Vec<Silence>> {
    let mut statement =
        db.prepare("SELECT id, reason, author, windows, matchers FROM silence ORDER BY rowid")?;
    let rows = statement.query_map([], |row| Ok(silence(row)))?;
    skipped.leave_out(rows)
}

fn silence(row: &Row<'_>) -> Option<Silence> {
    let windows: String = row.get(3).ok()?;
    let matchers: String = row.get(4).ok()?;
    Some(Silence {
        id: row.get(0).ok()?,
        matchers: json_columns::matchers_of(&matchers)?,
        windows: json_columns::windows_of(&windows)?,
        reason: row.get(1).ok()?,
        author: row.get(2).ok()?,
    })
}
