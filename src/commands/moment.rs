//! Times on the command line: a time, or a span before now.

use crate::clock;
use crate::core::time::Wall;
use crate::decode::rules_file;
use jiff::Timestamp;

/// Reads `2h`, `3d 4h` or `2026-01-31T18:00:00Z`.
///
/// # Errors
/// It is neither.
pub(super) fn parse(text: &str) -> Result<Wall, String> {
    if let Ok(span) = rules_file::duration(text) {
        return Ok(clock::wall() - span);
    }
    let stamp: Timestamp = text.parse().map_err(|_| {
        format!("invalid time {text:?}: expected a span before now such as 2h, or a time such as 2026-01-31T18:00:00Z")
    })?;
    let nanos = stamp.as_nanosecond().clamp(0, i128::from(u64::MAX));
    Ok(Wall::from_nanos(u64::try_from(nanos).unwrap_or_default()))
}
