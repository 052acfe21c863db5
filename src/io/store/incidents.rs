//! Incidents, open and past, and what happened to each.

use super::stored_enums::StoredEnum;
use super::stored_times::wall_back;
use super::{Skipped, back, json_columns, key_column, to};
use crate::core::notice::Notice;
use crate::core::notice::{Alarm, CloseReason, IncidentId, Scope};
use crate::core::persist::{
    EVERY_NOTIFIER, IncidentQuery, PastIncident, SavedIncident, SavedNotified, TimelineRow,
};
use crate::core::snapshot::outages::{Outage, Outages};
use crate::core::time::{Wall, nanos};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use std::collections::HashSet;
use std::time::Duration;

/// Retention of closed incidents: a quarter, so that one may be compared with the one before.
pub const KEPT_FOR: Duration = Duration::from_secs(93 * 24 * 3600);
/// Closed incidents kept at most: about a hundred a day for all of that time. One takes a kilobyte or two, so that the
/// history of the worst quarter stays below 20 megabytes.
pub const MAX_KEPT: u32 = 10_000;
/// Rows of one incident's timeline: three months of a reminder each day for a few notifiers. Beyond it the oldest but the
/// first go.
pub const MAX_TIMELINE: u32 = 300;
/// Incidents of one answer, whatever is asked for.
pub const MAX_PAGE: u32 = 1_000;

const COLUMNS: &str = "id, opened_at, closed_at, close_reason, told_at, reminders, updates, remind_ns, \
    about, notice, members, notified, back";

/// Writes incidents, over what stands there of them.
pub(super) fn write(db: &Connection, incidents: &[SavedIncident]) -> rusqlite::Result<()> {
    if incidents.is_empty() {
        return Ok(());
    }
    let mut into = db.prepare(
        "INSERT OR REPLACE INTO incident (id, opened_at, closed_at, close_reason, scope, severity, rule, app, region,
            instance, told_at, reminders, updates, remind_ns, about, notice, members, notified, back)
            VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    )?;
    for one in incidents {
        let notice = &one.notice;
        // For people who read the file.
        let last = one.notified.iter().max_by_key(|one| one.at);
        into.execute(params![
            to(notice.incident.0),
            to(one.opened_at.nanos()),
            one.closed.map(|(at, _)| to(at.nanos())),
            one.closed.map(|(_, reason)| reason.stored()),
            notice.scope.stored(),
            notice.severity.stored(),
            notice.rule,
            notice.who.app,
            notice.who.region,
            notice.who.instance,
            last.map(|last| to(last.at.nanos())),
            last.map(|last| last.reminders),
            last.map(|last| last.updates),
            one.remind.map(|remind| to(nanos(remind))),
            key_column::key(&one.key)?,
            json_columns::notice(notice)?,
            json_columns::members(&one.members)?,
            json_columns::notified(&one.notified)?,
            json_columns::back(&one.back)?,
        ])?;
    }
    Ok(())
}

/// Closes incidents that are open in the file alone: their end was decided, and could not be written.
pub(super) fn close_others(
    db: &Connection,
    open: &[SavedIncident],
    now: Wall,
) -> rusqlite::Result<()> {
    let open: HashSet<i64> = open.iter().map(|one| to(one.notice.incident.0)).collect();
    let mut statement = db.prepare("SELECT id FROM incident WHERE closed_at IS NULL")?;
    let ids = statement.query_map([], |row| row.get(0))?;
    let ids: Vec<i64> = ids.collect::<rusqlite::Result<_>>()?;
    for id in ids.into_iter().filter(|id| !open.contains(id)) {
        db.execute(
            "UPDATE incident SET closed_at = ?, close_reason = ?, members = '[]' WHERE id = ?",
            params![to(now.nanos()), CloseReason::Forgotten.stored(), id],
        )?;
        let row = TimelineRow {
            at: now,
            what: "closed: its end could not be written when it came".to_owned(),
        };
        write_timeline(db, &[(IncidentId(back(id)), row)])?;
    }
    Ok(())
}

/// Writes what happened to incidents.
pub(super) fn write_timeline(
    db: &Connection,
    rows: &[(IncidentId, TimelineRow)],
) -> rusqlite::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut into = db.prepare("INSERT INTO timeline (incident, at, what) VALUES (?,?,?)")?;
    let mut thin = db.prepare(
        "DELETE FROM timeline
            WHERE id = (SELECT id FROM timeline WHERE incident = ?1 ORDER BY id LIMIT 1 OFFSET 1)
            AND (SELECT count(*) FROM timeline WHERE incident = ?1) > ?2",
    )?;
    for (incident, row) in rows {
        into.execute(params![to(incident.0), to(row.at.nanos()), row.what])?;
        thin.execute(params![to(incident.0), MAX_TIMELINE])?;
    }
    Ok(())
}

/// Reads those that are open, the oldest first.
pub(super) fn read_open(
    db: &Connection,
    skipped: &mut Skipped,
) -> rusqlite::Result<Vec<SavedIncident>> {
    let sql = format!("SELECT {COLUMNS} FROM incident WHERE closed_at IS NULL ORDER BY id");
    let mut statement = db.prepare(&sql)?;
    let rows = statement.query_map([], |row| Ok(incident(row)))?;
    skipped.leave_out(rows)
}

/// The wanted ones with what happened to each, the newest first.
pub(super) fn history(
    db: &Connection,
    query: &IncidentQuery,
) -> rusqlite::Result<Vec<PastIncident>> {
    let (wanted, mut values) = wanted(query);
    values.push(Value::Integer(query.limit.min(MAX_PAGE).into()));
    let sql = format!("SELECT {COLUMNS} FROM incident WHERE {wanted} ORDER BY id DESC LIMIT ?");
    let mut statement = db.prepare(&sql)?;
    let rows = statement.query_map(params_from_iter(values), |row| Ok(incident(row)))?;
    let incidents = Skipped::default().leave_out(rows)?;
    let mut rows = db.prepare("SELECT at, what FROM timeline WHERE incident = ? ORDER BY id")?;
    let with_timeline = incidents.into_iter().map(|incident| {
        let rows = rows.query_map([to(incident.notice.incident.0)], |row| {
            Ok(timeline_row(row))
        })?;
        Ok(PastIncident {
            timeline: Skipped::default().leave_out(rows)?,
            incident,
        })
    });
    with_timeline.collect()
}

/// A condition in SQL with its values.
fn wanted(query: &IncidentQuery) -> (String, Vec<Value>) {
    let mut all = vec!["TRUE"];
    let mut values = Vec::new();
    all.extend(query.open.map(|open| match open {
        true => "closed_at IS NULL",
        false => "closed_at IS NOT NULL",
    }));
    let texts = [
        ("app = ?", &query.app),
        ("region = ?", &query.region),
        ("instance = ?", &query.instance),
        ("rule = ?", &query.rule),
        ("scope = ?", &query.scope),
        ("severity = ?", &query.severity),
    ];
    for (condition, text) in texts {
        if let Some(text) = text {
            all.push(condition);
            values.push(Value::Text(text.clone()));
            // Lets the index on instances, which leaves out the many without, be used.
            if condition == "instance = ?" && !text.is_empty() {
                all.push("instance <> ''");
            }
        }
    }
    let numbers = [
        ("opened_at >= ?", query.from.map(Wall::nanos)),
        ("opened_at < ?", query.until.map(Wall::nanos)),
        ("id < ?", query.before),
    ];
    for (condition, number) in numbers {
        if let Some(number) = number {
            all.push(condition);
            // A bound beyond what SQLite can count is beyond every row.
            values.push(Value::Integer(i64::try_from(number).unwrap_or(i64::MAX)));
        }
    }
    (all.join(" AND "), values)
}

/// When which incidents were open, as far back as all are known, and at most since `from`. `kept` closed ones are kept.
pub(super) fn outages(db: &Connection, from: Wall, kept: u32) -> rusqlite::Result<Outages> {
    let begun = db.query_row("SELECT at FROM begun", [], |row| row.get(0));
    let begun: Option<i64> = begun.optional()?;
    let sql = "SELECT count(*), min(closed_at) FROM incident WHERE closed_at IS NOT NULL";
    let (count, oldest): (u32, Option<i64>) =
        db.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    // Where there are as many as may be, older ones may have gone.
    let whole_since = oldest.filter(|_| count >= kept).unwrap_or(0);
    let from = to(from.nanos()).max(whole_since);
    let since = begun.map(|begun| Wall::from_nanos(back(begun.max(from))));
    let mut statement = db.prepare(
        "SELECT notice ->> 'alarm', scope, app, region, opened_at, closed_at,
            CASE scope WHEN 'host' THEN notice ->> 'affected' END
            FROM incident WHERE closed_at IS NULL OR closed_at > ?",
    )?;
    let rows = statement.query_map([from], |row| Ok(outage(row)))?;
    let all = Skipped::default().leave_out(rows)?;
    Ok(Outages { since, all })
}

/// `None` where the row makes no sense.
fn outage(row: &Row<'_>) -> Option<Outage> {
    let text = |column: usize| row.get_ref(column).ok()?.as_str().ok();
    let affected = text(6).and_then(|names| serde_json::from_str(names).ok());
    Some(Outage {
        alarm: Alarm::from_stored(text(0)?)?,
        scope: Scope::from_stored(text(1)?)?,
        app: text(2)?.to_owned(),
        region: text(3)?.to_owned(),
        affected: affected.unwrap_or_default(),
        opened_at: wall_back(row, 4)??,
        closed_at: wall_back(row, 5)?,
    })
}

/// Forgets closed incidents that are old, or too many, with what happened to them. Returns how many.
pub(super) fn prune(db: &Connection, now: Wall, kept: u32) -> rusqlite::Result<usize> {
    let old = db.execute(
        "DELETE FROM incident WHERE closed_at IS NOT NULL AND closed_at < ?",
        [to((now - KEPT_FOR).nanos())],
    )?;
    let surplus = db.execute(
        "DELETE FROM incident WHERE closed_at IS NOT NULL AND id <=
            (SELECT id FROM incident WHERE closed_at IS NOT NULL ORDER BY id DESC LIMIT 1 OFFSET ?)",
        [kept],
    )?;
    db.execute(
        "DELETE FROM timeline WHERE incident NOT IN (SELECT id FROM incident)",
        [],
    )?;
    Ok(old + surplus)
}

/// `None` where the row makes no sense.
fn incident(row: &Row<'_>) -> Option<SavedIncident> {
    let id: i64 = row.get(0).ok()?;
    let closed = match wall_back(row, 2)? {
        Some(at) => {
            let reason: String = row.get(3).ok()?;
            Some((at, CloseReason::from_stored(&reason)?))
        }
        None => None,
    };
    let remind: Option<i64> = row.get(7).ok()?;
    let text = |column: usize| row.get_ref(column).ok()?.as_str().ok();
    let notice = json_columns::notice_of(IncidentId(back(id)), text(9)?)?;
    let notified = match text(11)? {
        "" => notified_before(row, &notice)?,
        text => json_columns::notified_of(text)?,
    };
    Some(SavedIncident {
        key: key_column::key_of(text(8)?)?,
        notice,
        opened_at: wall_back(row, 1)??,
        closed,
        notified,
        remind: remind.map(|remind| Duration::from_nanos(back(remind))),
        members: json_columns::members_of(text(10)?)?,
        back: json_columns::back_of(text(12)?)?,
    })
}

/// Content of a file before version 4: the last notification of all notifiers of the rule together.
fn notified_before(row: &Row<'_>, notice: &Notice) -> Option<Vec<SavedNotified>> {
    let Some(at) = wall_back(row, 4)? else {
        return Some(Vec::new());
    };
    let (reminders, updates) = (row.get(5).ok()?, row.get(6).ok()?);
    let every = || vec![EVERY_NOTIFIER.to_owned()];
    let names = notice.notify.clone().unwrap_or_else(every);
    let one = |name: String| SavedNotified {
        notifier: name.into(),
        at,
        reminders,
        updates,
        severity: notice.severity,
        silent: notice.affected_total,
    };
    Some(names.into_iter().map(one).collect())
}

fn timeline_row(row: &Row<'_>) -> Option<TimelineRow> {
    Some(TimelineRow {
        at: wall_back(row, 0)??,
        what: row.get(1).ok()?,
    })
}
