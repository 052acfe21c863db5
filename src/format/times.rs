//! Times and lengths of time.

use crate::core::notice::Notice;
use crate::core::time::Wall;
use std::time::{Duration, UNIX_EPOCH};

const DAY: u64 = 24 * 3600;

/// The start of the silence: the time in UTC, with its day where that is another than the decision's.
pub fn since(notice: &Notice) -> String {
    time_of_day(notice.since, notice.decided)
}

/// `12:00:05Z` on the UTC day of `today`, else `2022-09-27 12:00:05Z`.
pub(super) fn time_of_day(at: Wall, today: Wall) -> String {
    let day = |wall: Wall| wall.nanos() / 1_000_000_000 / DAY;
    let full = rfc3339_seconds(at);
    match full.split_once('T') {
        Some((_, time)) if day(at) == day(today) => time.to_owned(),
        Some((date, time)) => format!("{date} {time}"),
        None => full,
    }
}

/// RFC 3339 in UTC, to the millisecond: `2022-09-27T20:34:37.252Z`.
pub fn rfc3339(at: Wall) -> String {
    humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_nanos(at.nanos())).to_string()
}

/// RFC 3339 in UTC, to the second below: `2022-09-27T20:34:37Z`.
pub fn rfc3339_seconds(at: Wall) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_nanos(at.nanos())).to_string()
}

/// A length of time for people, rounded by its size: to milliseconds below a second, seconds below an hour, minutes below a
/// day, hours above.
pub fn duration(length: Duration) -> String {
    let step = match length.as_secs() {
        0 => 1,
        1..3600 => 1_000,
        3600..DAY => 60_000,
        _ => 3_600_000,
    };
    let millis = (length.as_millis() + step / 2) / step * step;
    let rounded = Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX));
    exact_duration(rounded)
}

/// A length of time as it is, for settings: `90s` is `1m 30s`.
pub fn exact_duration(length: Duration) -> String {
    humantime::format_duration(length).to_string()
}
