//! Schedules of silences: a cron expression in a time zone, and the windows it gives.
//!
//! The expression is read on the wall of the zone: `30 2 * * *` is half past two there, summer and winter. On the two
//! days on which the clocks change it holds what cron daemons hold: a time that is skipped counts as the moment
//! of the change, one that comes twice counts once, at the first. Where minutes or hours begin with `*`, the
//! expression means "every so often": then what is skipped does not come, and what comes twice comes twice. A window
//! lasts its duration in real time, whatever the clocks do meanwhile. A list of times (`0 2,14 * * *`) is one of times of day.

use crate::core::rule::ScheduledSilence;
use crate::core::time::{Wall, nanos};
use cronexpr::{Crontab, MakeTimestamp};
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;
use thiserror::Error;

/// Windows are given this far ahead; the caller asks again long before.
pub const AHEAD: Duration = Duration::from_secs(24 * 3600);
/// Bytes of an expression; the longest useful ones have a tenth of it.
const MAX_EXPRESSION: usize = 200;
/// Beginnings within one duration: beyond it the schedule is likelier `* 3 * * 0` than `0 3 * * 0`, and windows
/// would cost more than a millisecond to find.
const MAX_OVERLAPS: usize = 1_000;
/// Wall times near which nothing is looked for, since years beyond 9999 are none.
const LAST: Wall = Wall::from_nanos(9_000_000_000_000_000_000);
/// From where overlaps are counted: any leap year would do.
const REFERENCE: Wall = Wall::from_nanos(1_704_067_200_000_000_000);

/// A fault of a schedule: a lower-case fragment, without what is allowed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ScheduleFault {
    /// The expression.
    #[error("{0}")]
    Cron(String),
    /// The time zone.
    #[error("unknown time zone")]
    Zone,
    /// The expression names a day that no year has.
    #[error("never comes")]
    Never,
    /// The windows overlap without end.
    #[error("begins more than {MAX_OVERLAPS} times within its duration")]
    TooOften,
}

/// A checked schedule.
#[derive(Clone, Debug)]
pub struct Schedule {
    crontab: Crontab,
    zone: TimeZone,
    /// "Every so often" instead of "at that time of day".
    interval: bool,
}

impl Schedule {
    /// Reads a cron expression of five fields, to be held on the wall of that time zone.
    ///
    /// # Errors
    /// [`ScheduleFault`], but for the one of overlaps, which only a duration shows.
    pub fn new(expression: &str, timezone: &str) -> Result<Self, ScheduleFault> {
        let zone = zone(timezone).ok_or(ScheduleFault::Zone)?;
        let fields: Vec<&str> = expression.split_whitespace().collect();
        let plain = expression.is_ascii() && expression.len() <= MAX_EXPRESSION;
        if fields.len() != 5 || !plain {
            let what = format!("has {} fields", fields.len());
            return Err(ScheduleFault::Cron(if plain {
                what
            } else {
                "invalid cron expression".to_owned()
            }));
        }
        let crontab = cronexpr::parse_crontab(&format!("{} UTC", fields.join(" ")))
            .map_err(|error| ScheduleFault::Cron(reason(&error)))?;
        let schedule = Schedule {
            crontab,
            zone,
            interval: fields[..2].iter().any(|field| field.starts_with('*')),
        };
        let from = schedule.civil(REFERENCE).ok_or(ScheduleFault::Never)?;
        let comes = schedule.after(from).next().is_some();
        if comes {
            Ok(schedule)
        } else {
            Err(ScheduleFault::Never)
        }
    }

    /// Checks that windows of that length are few enough to be found.
    ///
    /// # Errors
    /// [`ScheduleFault::TooOften`].
    pub fn allows(&self, duration: Duration) -> Result<(), ScheduleFault> {
        let Some(from) = self.civil(REFERENCE) else {
            return Ok(());
        };
        let until = from.saturating_add(signed(duration));
        let begun = self.after(from).take_while(|at| *at < until);
        if begun.take(MAX_OVERLAPS + 1).count() > MAX_OVERLAPS {
            return Err(ScheduleFault::TooOften);
        }
        Ok(())
    }

    /// The windows of that length, from and until, that hold at `at` or begin within [`AHEAD`] of it; in order, those
    /// that touch made one.
    pub fn windows(&self, duration: Duration, at: Wall) -> Vec<(Wall, Wall)> {
        let mut windows: Vec<(Wall, Wall)> = Vec::new();
        let (from, until) = (at - duration - AHEAD, at + AHEAD);
        let Some(civil) = self.civil(from) else {
            return windows;
        };
        // Civil time runs up to a day and a bit away from UTC's.
        let last = self
            .civil(until + AHEAD)
            .unwrap_or(DateTime::constant(9000, 1, 1, 0, 0, 0, 0));
        let most = MAX_OVERLAPS * 4 + 4 * 1440;
        for civil in self
            .after(civil)
            .take_while(|civil| *civil <= last)
            .take(most)
        {
            for begin in self.instants(civil) {
                let end = begin + duration;
                if end <= at || begin > until {
                    continue;
                }
                match windows.last_mut() {
                    Some(before) if begin <= before.1 => before.1 = before.1.max(end),
                    _ => windows.push((begin, end)),
                }
            }
        }
        windows
    }

    /// The zone's wall at a moment.
    fn civil(&self, at: Wall) -> Option<DateTime> {
        let at = at.min(LAST).nanos();
        let at = Timestamp::from_nanosecond(i128::from(at)).ok()?;
        Some(self.zone.to_datetime(at))
    }

    /// Times of the expression after a moment on the wall, as if no clock ever changed.
    fn after(&self, civil: DateTime) -> impl Iterator<Item = DateTime> {
        let start = TimeZone::UTC.to_timestamp(civil).ok();
        let times = start.and_then(|start| self.crontab.iter_after(MakeTimestamp(start)).ok());
        let times = times.into_iter().flatten();
        times.map_while(|time| time.ok().map(|time| time.datetime()))
    }

    /// When the zone's wall shows that.
    fn instants(&self, civil: DateTime) -> Vec<Wall> {
        let found = self.zone.to_ambiguous_timestamp(civil);
        let times = match found.offset() {
            AmbiguousOffset::Unambiguous { .. } => vec![found.compatible()],
            AmbiguousOffset::Gap { .. } if self.interval => Vec::new(),
            AmbiguousOffset::Gap { .. } => vec![found.compatible().map(|at| self.change(at))],
            AmbiguousOffset::Fold { .. } if self.interval => {
                vec![found.earlier(), found.later()]
            }
            AmbiguousOffset::Fold { .. } => vec![found.earlier()],
        };
        let walls = times.into_iter().flatten();
        walls
            .filter_map(|at| u64::try_from(at.as_nanosecond()).ok())
            .map(Wall::from_nanos)
            .collect()
    }

    /// The change of the clocks at or before a moment behind a gap.
    fn change(&self, behind: Timestamp) -> Timestamp {
        let just_after = behind
            .checked_add(SignedDuration::from_nanos(1))
            .unwrap_or(behind);
        let change = self.zone.preceding(just_after).next();
        change.map_or(behind, |change| change.timestamp())
    }
}

/// The windows of a silence at `at`, as [`Schedule::windows`]; none where its schedule is none, which the reader of
/// rule files has refused.
pub fn windows(silence: &ScheduledSilence, at: Wall) -> Vec<(Wall, Wall)> {
    Schedule::new(&silence.schedule, &silence.timezone).map_or(Vec::new(), |schedule| {
        schedule.windows(silence.duration, at)
    })
}

/// Names of time zones, for a hint.
pub fn zone_names() -> Vec<String> {
    let names = jiff::tz::db().available();
    names.map(|name| name.as_str().to_owned()).collect()
}

/// The zone of an IANA name. The database is the program's own, so that every machine gives the same answer.
pub(super) fn zone(name: &str) -> Option<TimeZone> {
    if name.len() > MAX_EXPRESSION {
        return None;
    }
    jiff::tz::db().get(name).ok()
}

/// The parser's message, without the drawing around it.
fn reason(error: &cronexpr::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.split_once("^ ")
        .map_or(last, |(_, why)| why)
        .replace("; ", ", ")
}

fn signed(span: Duration) -> SignedDuration {
    SignedDuration::from_nanos(i64::try_from(nanos(span)).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wall(text: &str) -> Wall {
        let at: Timestamp = text.parse().expect("a time");
        Wall::from_nanos(u64::try_from(at.as_nanosecond()).expect("after 1970"))
    }

    fn shown(windows: &[(Wall, Wall)]) -> Vec<String> {
        let show = |at: Wall| {
            let at = Timestamp::from_nanosecond(i128::from(at.nanos())).expect("a time");
            at.to_string()
                .trim_start_matches("2024-")
                .trim_end_matches(":00Z")
                .to_owned()
        };
        windows
            .iter()
            .map(|(from, until)| format!("{}..{}", show(*from), show(*until)))
            .collect()
    }

    /// Schedule, zone, duration in minutes, now, windows. Berlin skips 02:00 to 03:00 on 31 March 2024 (01:00 UTC)
    /// and repeats it on 27 October (00:00 and 01:00 UTC).
    const CASES: &[(&str, &str, u64, &str, &[&str])] = &[
        (
            "0 3 * * 0",
            "UTC",
            120,
            "2024-06-02T04:00:00Z",
            &["06-02T03:00..06-02T05:00"],
        ),
        (
            "0 3 * * 0",
            "Europe/Berlin",
            120,
            "2024-06-01T12:00:00Z",
            &["06-02T01:00..06-02T03:00"],
        ),
        (
            "0 3 * * 0",
            "Europe/Berlin",
            120,
            "2024-01-06T12:00:00Z",
            &["01-07T02:00..01-07T04:00"],
        ),
        // At its end it is over; at its beginning it holds.
        ("0 3 * * 0", "UTC", 120, "2024-06-02T05:00:00Z", &[]),
        (
            "0 3 * * 0",
            "UTC",
            120,
            "2024-06-02T03:00:00Z",
            &["06-02T03:00..06-02T05:00"],
        ),
        // Begins in the gap: at the moment of the change.
        (
            "30 2 * * *",
            "Europe/Berlin",
            60,
            "2024-03-30T12:00:00Z",
            &["03-31T01:00..03-31T02:00"],
        ),
        (
            "0 2 * * *",
            "Europe/Berlin",
            60,
            "2024-03-30T12:00:00Z",
            &["03-31T01:00..03-31T02:00"],
        ),
        // Each time of a list is a time of day.
        (
            "0 2,14 * * *",
            "Europe/Berlin",
            60,
            "2024-03-30T14:30:00Z",
            &["03-31T01:00..03-31T02:00", "03-31T12:00..03-31T13:00"],
        ),
        // The day after is an ordinary one.
        (
            "30 2 * * *",
            "Europe/Berlin",
            60,
            "2024-03-31T12:00:00Z",
            &["04-01T00:30..04-01T01:30"],
        ),
        // Begins in the repeated hour: once, at the first.
        (
            "30 2 * * *",
            "Europe/Berlin",
            20,
            "2024-10-26T12:00:00Z",
            &["10-27T00:30..10-27T00:50"],
        ),
        // Spans the change: real hours.
        (
            "0 1 * * *",
            "Europe/Berlin",
            180,
            "2024-03-30T12:00:00Z",
            &["03-31T00:00..03-31T03:00"],
        ),
        (
            "0 1 * * *",
            "Europe/Berlin",
            180,
            "2024-10-26T12:00:00Z",
            &["10-26T23:00..10-27T02:00"],
        ),
        // Every so often: what is skipped does not come, what comes twice comes twice.
        (
            "30 */2 * * *",
            "Europe/Berlin",
            10,
            "2024-10-27T00:00:00Z",
            &[
                "10-27T00:30..10-27T00:40",
                "10-27T01:30..10-27T01:40",
                "10-27T03:30..10-27T03:40",
                "10-27T05:30..10-27T05:40",
                "10-27T07:30..10-27T07:40",
                "10-27T09:30..10-27T09:40",
                "10-27T11:30..10-27T11:40",
                "10-27T13:30..10-27T13:40",
                "10-27T15:30..10-27T15:40",
                "10-27T17:30..10-27T17:40",
                "10-27T19:30..10-27T19:40",
                "10-27T21:30..10-27T21:40",
                "10-27T23:30..10-27T23:40",
            ],
        ),
        (
            "*/30 2 * * *",
            "Europe/Berlin",
            10,
            "2024-03-30T12:00:00Z",
            &[],
        ),
        // Half an hour's change: Lord Howe, 7 April and 6 October 2024.
        (
            "15 2 * * *",
            "Australia/Lord_Howe",
            30,
            "2024-10-05T12:00:00Z",
            &["10-05T15:30..10-05T16:00"],
        ),
        // Windows that touch are one, and one that began long ago still holds.
        (
            "0 * * * *",
            "UTC",
            60,
            "2024-06-02T05:10:00Z",
            &["06-02T05:00..06-03T06:00"],
        ),
        (
            "0 0 1 * *",
            "UTC",
            60 * 24 * 10,
            "2024-06-09T00:00:00Z",
            &["06-01T00:00..06-11T00:00"],
        ),
    ];

    #[test]
    fn windows_also_where_the_clocks_change() {
        for (schedule, zone, minutes, now, expected) in CASES {
            let found = Schedule::new(schedule, zone).expect("a schedule");
            let windows = found.windows(Duration::from_secs(minutes * 60), wall(now));
            assert_eq!(
                shown(&windows),
                *expected,
                "{schedule} {zone} {minutes}m at {now}"
            );
        }
    }

    #[test]
    fn what_is_no_schedule_says_why() {
        let fault = |schedule: &str, zone: &str| {
            Schedule::new(schedule, zone)
                .expect_err(schedule)
                .to_string()
        };
        assert_eq!(fault("0 3 * *", "UTC"), "has 4 fields");
        assert_eq!(fault("0 3 * * 0 UTC", "UTC"), "has 6 fields");
        assert_eq!(
            fault("0 25 * * 0", "UTC"),
            "value must be in range 0..=23, found 25"
        );
        assert_eq!(fault("0 0 30 2 *", "UTC"), "never comes");
        assert_eq!(fault("0 3 * * 0", "Europe/Berln"), "unknown time zone");
        assert_eq!(fault(&"0 ".repeat(200), "UTC"), "invalid cron expression");
        assert!(fault("x 3 * * 0", "UTC").len() < 100);
    }

    #[test]
    fn a_schedule_that_never_ends_is_too_much() {
        let each_minute = Schedule::new("* * * * *", "UTC").expect("a schedule");
        let day = Duration::from_secs(86_400);
        assert_eq!(each_minute.allows(day), Err(ScheduleFault::TooOften));
        assert_eq!(each_minute.allows(day / 2), Ok(()));
        let daily = Schedule::new("0 3 * * *", "UTC").expect("a schedule");
        assert_eq!(daily.allows(day * 366), Ok(()));
    }

    proptest::proptest! {
        #[test]
        fn any_text_at_any_time_ends(text in "[0-9*,/#LWa-zA-Z -]{0,20}|([0-9*]{1,2} ){4}[0-9*]", at in proptest::num::u64::ANY) {
            if let Ok(schedule) = Schedule::new(&text, "America/New_York") {
                for (from, until) in schedule.windows(Duration::from_secs(3600), Wall::from_nanos(at)) {
                    proptest::prop_assert!(from < until);
                }
            }
        }
    }
}
