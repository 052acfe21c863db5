//! Times as columns hold them.

use super::back;
use crate::core::persist::SavedStamp;
use crate::core::time::{Listened, Wall};
use rusqlite::Row;

/// `None` where the column holds no number; `Some(None)` where it holds nothing.
pub(super) fn wall_back(row: &Row<'_>, column: usize) -> Option<Option<Wall>> {
    let at: Option<i64> = row.get(column).ok()?;
    Some(at.map(|at| Wall::from_nanos(back(at))))
}

/// From two columns that follow one another.
pub(super) fn stamp_back(row: &Row<'_>, column: usize) -> Option<SavedStamp> {
    let at: i64 = row.get(column).ok()?;
    let listened: i64 = row.get(column + 1).ok()?;
    Some(SavedStamp {
        at: Wall::from_nanos(back(at)),
        listened: Listened::from_nanos(back(listened)),
    })
}
