//! Lost beats of apps by the hour, and the factors that follow from them.

use super::Skipped;
use crate::core::persist::{FactorInForce, LossHour, SavedLoss};
use rusqlite::{Connection, Row, params};

/// Writes these hours over what stands there, and removes those of yesterday.
pub(super) fn write(db: &Connection, losses: &[SavedLoss]) -> rusqlite::Result<()> {
    let Some(newest) = losses.iter().map(|one| one.counts.hour).max() else {
        return Ok(());
    };
    let mut into = db.prepare(
        "INSERT OR REPLACE INTO loss (app, hour, counted, lost, after_lost, longest) VALUES (?,?,?,?,?,?)",
    )?;
    for SavedLoss { app, counts } in losses {
        into.execute(params![
            app,
            counts.hour,
            counts.counted,
            counts.lost,
            counts.after_lost,
            counts.longest
        ])?;
    }
    db.execute(
        "DELETE FROM loss WHERE hour < ?",
        [newest.saturating_sub(24)],
    )?;
    Ok(())
}

/// Reads all of them.
pub(super) fn read(db: &Connection, skipped: &mut Skipped) -> rusqlite::Result<Vec<SavedLoss>> {
    let mut statement = db.prepare(
        "SELECT app, hour, counted, lost, after_lost, longest FROM loss ORDER BY app, hour",
    )?;
    let rows = statement.query_map([], |row| Ok(loss(row)))?;
    skipped.leave_out(rows)
}

fn loss(row: &Row<'_>) -> Option<SavedLoss> {
    Some(SavedLoss {
        app: row.get(0).ok()?,
        counts: LossHour {
            hour: row.get(1).ok()?,
            counted: row.get(2).ok()?,
            lost: row.get(3).ok()?,
            after_lost: row.get(4).ok()?,
            longest: row.get(5).ok()?,
        },
    })
}

/// Writes the factors, where they are not those that stand there.
pub(super) fn write_factors(db: &Connection, factors: &[FactorInForce]) -> rusqlite::Result<()> {
    if read_factors(db, &mut Skipped::default())? == sorted(factors) {
        return Ok(());
    }
    db.execute("DELETE FROM factor", [])?;
    let mut into =
        db.prepare("INSERT OR REPLACE INTO factor (rule, app, every_ms, factor) VALUES (?,?,?,?)")?;
    for one in factors {
        into.execute(params![one.rule, one.app, one.every_ms, one.factor])?;
    }
    Ok(())
}

fn sorted(factors: &[FactorInForce]) -> Vec<FactorInForce> {
    let mut factors = factors.to_vec();
    factors.sort_by(|a, b| (&a.rule, &a.app, a.every_ms).cmp(&(&b.rule, &b.app, b.every_ms)));
    factors
}

/// Reads all of them.
pub(super) fn read_factors(
    db: &Connection,
    skipped: &mut Skipped,
) -> rusqlite::Result<Vec<FactorInForce>> {
    let mut statement =
        db.prepare("SELECT rule, app, every_ms, factor FROM factor ORDER BY rule, app, every_ms")?;
    let rows = statement.query_map([], |row| Ok(factor(row)))?;
    skipped.leave_out(rows)
}

fn factor(row: &Row<'_>) -> Option<FactorInForce> {
    Some(FactorInForce {
        rule: row.get(0).ok()?,
        app: row.get(1).ok()?,
        every_ms: row.get(2).ok()?,
        factor: row.get(3).ok()?,
    })
}
