//! Values like `10 per 1m`: so many in a time.

use super::fault::{Wrong, quoted};
use super::value::{duration, text};
use crate::core::rule::{FalseAlarms, LONGEST_SPAN};
use std::ops::RangeInclusive;
use std::time::Duration;
use toml::de::DeValue;

/// More false alarms than this are no budget.
const FALSE_ALARMS: RangeInclusive<u32> = 1..=1_000;
/// Nobody counts false alarms in less time than this.
const FALSE_ALARMS_PER: RangeInclusive<Duration> = Duration::from_secs(3600)..=LONGEST_SPAN;
/// Entries that may be asked for in a window; more are counted by something else than logs.
const RATE: RangeInclusive<u32> = 1..=1_000_000;
/// In a shorter window entries come by chance.
const RATE_PER: RangeInclusive<Duration> = Duration::from_secs(10)..=LONGEST_SPAN;

/// A number of false alarms in a time.
pub(super) fn false_alarms(value: &DeValue<'_>) -> Result<FalseAlarms, Wrong> {
    const ALLOWED: &str = "1 to 1000 per 1h or more, like \"1 per 30d\"";
    let (count, per) = count_per(value, &FALSE_ALARMS, &FALSE_ALARMS_PER, ALLOWED)?;
    Ok(FalseAlarms { count, per })
}

/// A number of entries in a time.
pub(super) fn min_rate(value: &DeValue<'_>) -> Result<(u32, Duration), Wrong> {
    const ALLOWED: &str = "1 to 1000000 per 10s or more, like \"10 per 1m\"";
    count_per(value, &RATE, &RATE_PER, ALLOWED)
}

/// `COUNT per DURATION`.
fn count_per(
    value: &DeValue<'_>,
    counts: &RangeInclusive<u32>,
    spans: &RangeInclusive<Duration>,
    allowed: &str,
) -> Result<(u32, Duration), Wrong> {
    let text = text(value, allowed)?;
    let wrong = |what: String| Wrong::new(what, allowed);
    let Some((count, per)) = text.split_once(" per ") else {
        let what = format!("{} is not a count per duration", quoted(text));
        return Err(wrong(what));
    };
    let count = count.trim().parse().ok();
    let Some(count) = count.filter(|count| counts.contains(count)) else {
        let what = format!("the count of {} is out of range", quoted(text));
        return Err(wrong(what));
    };
    let per = duration(per.trim()).map_err(wrong)?;
    if !spans.contains(&per) {
        let what = format!("the duration of {} is too short", quoted(text));
        return Err(wrong(what));
    }
    Ok((count, per))
}
