//! Times in RFC 3339.

use crate::core::time::Wall;
use jiff::Timestamp;

/// Reads a time, with any offset; `None` where it is none, or outside of 1970 to 2554.
pub(super) fn time(text: &str) -> Option<Wall> {
    let stamp: Timestamp = text.parse().ok()?;
    Some(Wall::from_nanos(u64::try_from(stamp.as_nanosecond()).ok()?))
}
