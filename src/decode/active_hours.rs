//! The hours in which a rule notifies: `Mon-Fri 08:00-18:00 Europe/Berlin`.
//!
//! They are those of the zone's own clock, summer and winter: a time belongs to them where the clock then shows a day and
//! a time of theirs. Hours that the clocks skip do not come, and hours that come twice come twice. The zone is UTC where
//! none is given.

use super::quoted::quoted;
use super::schedule::{self, AHEAD};
use crate::core::notice::routing::Hours;
use crate::core::rule::RuleSet;
use crate::core::time::Wall;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use std::collections::BTreeSet;
use std::time::Duration;
use thiserror::Error;

/// Days and times in one text: each is looked at for each day.
const MAX_WORDS: usize = 50;
/// Bytes of a text.
const MAX_TEXT: usize = 500;
/// Minutes of a day.
const DAY: u16 = 24 * 60;
/// Time around the requested one that is also searched: a window of one day may last over midnight.
const BEFORE: Duration = Duration::from_secs(2 * 24 * 3600);
/// Days of the week, Monday first, in the order of their numbers.
const DAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];

/// A fault of hours: a lower-case fragment, without what is allowed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum HoursFault {
    /// There is neither a day nor a time.
    #[error("no day and no time")]
    Empty,
    /// It has too many words or bytes.
    #[error("longer than {MAX_WORDS} days and times")]
    TooLong,
    /// A word is neither a day, nor times, nor a time zone.
    #[error("{} is neither a day, a time nor a time zone", quoted(.0))]
    Word(String),
    /// A word looks like a day.
    #[error("unknown day {}", quoted(.0))]
    Day(String),
    /// A word looks like a time.
    #[error("invalid times {}", quoted(.0))]
    Times(String),
    /// A time begins when it ends.
    #[error("{} begins when it ends", quoted(.0))]
    NoTime(String),
    /// The last word is no zone.
    #[error("unknown time zone {}", quoted(.0))]
    Zone(String),
}

/// Checked hours.
#[derive(Clone, Debug)]
pub struct ActiveHours {
    parts: Vec<Part>,
    zone: TimeZone,
}

/// Times of some days.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Part {
    /// By the number of the day, Monday first; none is every day.
    days: [bool; 7],
    /// From and to, in minutes of the day; the end is beyond [`DAY`] where it is over midnight. None is the whole day.
    times: Vec<(u16, u16)>,
}

impl ActiveHours {
    /// Reads days (`Mon`, `Mon-Fri`, `Sat,Sun`), each with times (`08:00-18:00`, `08:00-12:00,13:00-17:00`,
    /// `22:00-06:00` over midnight), and a time zone's IANA name. Without days it is each day, without times the whole day.
    ///
    /// # Errors
    /// [`HoursFault`].
    pub fn new(text: &str) -> Result<Self, HoursFault> {
        if text.len() > MAX_TEXT {
            return Err(HoursFault::TooLong);
        }
        let is_gap = |char: char| char.is_whitespace() || matches!(char, ',' | ';');
        let mut words: Vec<&str> = text.split(is_gap).filter(|word| !word.is_empty()).collect();
        if words.len() > MAX_WORDS {
            return Err(HoursFault::TooLong);
        }
        let is_zone = |word: &str| !looks_like_times(word) && !looks_like_days(word);
        let zone = match words.pop_if(|last| is_zone(last)) {
            Some(name) => schedule::zone(name).ok_or_else(|| HoursFault::Zone(name.to_owned()))?,
            None => TimeZone::UTC,
        };
        let mut parts: Vec<Part> = Vec::new();
        for word in words {
            if looks_like_times(word) {
                let times = times(word)?;
                match parts.last_mut() {
                    Some(part) => part.times.push(times),
                    None => parts.push(Part {
                        times: vec![times],
                        ..Part::default()
                    }),
                }
            } else if looks_like_days(word) {
                // A day behind a time begins anew.
                if parts.last().is_none_or(|part| !part.times.is_empty()) {
                    parts.push(Part::default());
                }
                let days = days(word)?;
                if let Some(part) = parts.last_mut() {
                    days.iter().for_each(|day| part.days[*day] = true);
                }
            } else {
                return Err(HoursFault::Word(word.to_owned()));
            }
        }
        if parts.is_empty() {
            return Err(HoursFault::Empty);
        }
        Ok(ActiveHours { parts, zone })
    }

    /// The windows, from and until, that hold at `at` or begin within [`AHEAD`] of it; in order, those that touch made one.
    pub fn windows(&self, at: Wall) -> Vec<(Wall, Wall)> {
        let (from, until) = (timestamp(at - BEFORE), timestamp(at + AHEAD + BEFORE));
        let mut found: Vec<(Wall, Wall)> = Vec::new();
        // Between two changes of the clocks, these are as far from UTC all the time.
        let mut begin = from;
        while begin < until {
            let change = self.zone.following(begin).next().map(|it| it.timestamp());
            let end = change.filter(|change| *change < until).unwrap_or(until);
            let offset = self.zone.to_offset(begin);
            self.between(begin, end, offset, &mut found);
            begin = end;
        }
        found.sort_unstable();
        let mut windows: Vec<(Wall, Wall)> = Vec::new();
        for (from, until) in found {
            match windows.last_mut() {
                Some(before) if from <= before.1 => before.1 = before.1.max(until),
                _ => windows.push((from, until)),
            }
        }
        windows.retain(|(from, until)| *from <= at + AHEAD && *until > at);
        windows
    }

    /// Adds what falls between two moments, all the time at an offset from UTC.
    fn between(
        &self,
        begin: Timestamp,
        end: Timestamp,
        offset: Offset,
        found: &mut Vec<(Wall, Wall)>,
    ) {
        let local = |at: Timestamp| offset.to_datetime(at).date();
        // A window over midnight began a day before.
        let first = local(begin).yesterday().unwrap_or(local(begin));
        let last = local(end);
        let day_of = |minute: u16, date: jiff::civil::Date| {
            let midnight =
                offset.to_timestamp(DateTime::from_parts(date, jiff::civil::Time::midnight()));
            let minutes = jiff::SignedDuration::from_mins(i64::from(minute));
            midnight.ok()?.checked_add(minutes).ok()
        };
        for date in first
            .series(jiff::ToSpan::days(1))
            .take_while(|date| *date <= last)
        {
            let weekday = usize::from(date.weekday().to_monday_zero_offset().unsigned_abs());
            for part in self.parts.iter().filter(|part| part.is_on(weekday)) {
                for (from, to) in part.times() {
                    let (Some(from), Some(to)) = (day_of(from, date), day_of(to, date)) else {
                        continue;
                    };
                    let (from, to) = (from.max(begin), to.min(end));
                    if from < to {
                        found.push((wall(from), wall(to)));
                    }
                }
            }
        }
    }
}

impl Part {
    fn is_on(&self, day: usize) -> bool {
        self.days[day] || self.days == [false; 7]
    }

    fn times(&self) -> Vec<(u16, u16)> {
        match self.times.as_slice() {
            [] => vec![(0, DAY)],
            times => times.to_vec(),
        }
    }
}

/// The windows at `at` of all hours that rules have, by their words.
pub fn windows(rules: &RuleSet, at: Wall) -> Hours {
    let of_rules = rules.rules.iter().filter_map(|rule| rule.active.as_deref());
    let all: BTreeSet<&str> = of_rules.chain(rules.stream.active.as_deref()).collect();
    let windows = |text: &str| {
        // The rules were parsed, so the text is valid.
        let hours = ActiveHours::new(text).ok()?;
        Some((text.to_owned(), hours.windows(at)))
    };
    all.into_iter().filter_map(windows).collect()
}

fn looks_like_times(word: &str) -> bool {
    word.starts_with(|char: char| char.is_ascii_digit())
}

/// True where a word begins with the three letters of a day, alone or before a dash; no time zone does.
fn looks_like_days(word: &str) -> bool {
    let first = word.split('-').next().unwrap_or_default();
    let begins = |day: &&str| {
        first
            .get(..3)
            .is_some_and(|head| head.eq_ignore_ascii_case(&day[..3]))
    };
    DAYS.iter().any(begins)
}

/// `Mon` or `Mon-Fri`, `Fri-Mon` over the weekend.
fn days(word: &str) -> Result<Vec<usize>, HoursFault> {
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    let (first, last) = (day(first)?, day(last)?);
    let days = (last + 7 - first) % 7;
    Ok((first..=first + days).map(|day| day % 7).collect())
}

fn day(word: &str) -> Result<usize, HoursFault> {
    let lower = word.to_ascii_lowercase();
    let is_it = |day: &&str| **day == lower || day[..3] == lower;
    let found = DAYS.iter().position(is_it);
    found.ok_or_else(|| HoursFault::Day(word.to_owned()))
}

/// `08:00-18:00`.
fn times(word: &str) -> Result<(u16, u16), HoursFault> {
    let wrong = || HoursFault::Times(word.to_owned());
    let (from, to) = word.split_once('-').ok_or_else(wrong)?;
    let (from, to) = (
        minute(from).ok_or_else(wrong)?,
        minute(to).ok_or_else(wrong)?,
    );
    match (from, to) {
        (DAY, _) => Err(wrong()),
        _ if from == to => Err(HoursFault::NoTime(word.to_owned())),
        _ if to < from => Ok((from, to + DAY)),
        _ => Ok((from, to)),
    }
}

/// The minute of the day, of `08:00` up to `24:00`.
fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str, digits: usize| {
        let plain = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| text.parse::<u16>().ok()).flatten()
    };
    let hour = number(hour, 2).or_else(|| number(hour, 1))?;
    let at = hour * 60 + number(minute, 2).filter(|minute| *minute < 60)?;
    (at <= DAY).then_some(at)
}

fn timestamp(at: Wall) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(at.nanos())).unwrap_or(Timestamp::MAX)
}

fn wall(at: Timestamp) -> Wall {
    Wall::from_nanos(u64::try_from(at.as_nanosecond()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Wall {
        wall(text.parse().expect("a time"))
    }

    fn shown(hours: &str, now: &str) -> Vec<String> {
        let hours = ActiveHours::new(hours).expect(hours);
        let show = |at: Wall| timestamp(at).to_string().replace(":00Z", "");
        let windows = hours.windows(at(now)).into_iter();
        let windows = windows.map(|(from, until)| format!("{}..{}", show(from), show(until)));
        windows.map(|text| text.replace("2024-", "")).collect()
    }

    /// Hours, now, windows in UTC. 1 June 2024 is a Saturday. Berlin skips 02:00 to 03:00 on 31 March (01:00 UTC) and
    /// repeats it on 27 October (00:00 and 01:00 UTC); both are Sundays.
    const CASES: &[(&str, &str, &[&str])] = &[
        (
            "Mon-Fri 08:00-18:00 Europe/Berlin",
            "2024-06-03T12:00:00Z",
            &["06-03T06:00..06-03T16:00", "06-04T06:00..06-04T16:00"],
        ),
        (
            "Mon-Fri 08:00-18:00 Europe/Berlin",
            "2024-01-08T12:00:00Z",
            &["01-08T07:00..01-08T17:00", "01-09T07:00..01-09T17:00"],
        ),
        (
            "Mon-Fri 08:00-18:00 Europe/Berlin",
            "2024-06-01T12:00:00Z",
            &[],
        ),
        // At its end it is over; at its beginning it holds.
        ("Sat 08:00-18:00", "2024-06-01T18:00:00Z", &[]),
        (
            "Sat 08:00-18:00",
            "2024-06-01T08:00:00Z",
            &["06-01T08:00..06-01T18:00"],
        ),
        // Lists of days and of times, more than one group, days over the weekend, each day, whole days.
        (
            "Mon,Wed 08:00-12:00,13:00-17:00",
            "2024-06-03T09:00:00Z",
            &["06-03T08:00..06-03T12:00", "06-03T13:00..06-03T17:00"],
        ),
        (
            "Mon-Fri 08:00-18:00, Sat 10:00-14:00 UTC",
            "2024-05-31T17:00:00Z",
            &["05-31T08:00..05-31T18:00", "06-01T10:00..06-01T14:00"],
        ),
        (
            "fri-monday 10:00-11:00",
            "2024-06-01T09:30:00Z",
            &["06-01T10:00..06-01T11:00"],
        ),
        (
            "9:30-10:00",
            "2024-06-01T09:30:00Z",
            &["06-01T09:30..06-01T10:00", "06-02T09:30..06-02T10:00"],
        ),
        ("Sat", "2024-06-01T12:00:00Z", &["06-01T00:00..06-02T00:00"]),
        (
            "Sat 12:00-24:00; Sun 00:00-01:00",
            "2024-06-01T12:00:00Z",
            &["06-01T12:00..06-02T01:00"],
        ),
        // Over midnight: the day is that of the beginning.
        (
            "Fri 22:00-06:00",
            "2024-06-01T05:00:00Z",
            &["05-31T22:00..06-01T06:00"],
        ),
        ("Fri 22:00-06:00", "2024-06-01T06:00:00Z", &[]),
        // Over the changes of the clocks: real time is an hour less or more.
        (
            "Sat 22:00-06:00 Europe/Berlin",
            "2024-03-30T22:00:00Z",
            &["03-30T21:00..03-31T04:00"],
        ),
        (
            "Sat 22:00-06:00 Europe/Berlin",
            "2024-10-26T22:00:00Z",
            &["10-26T20:00..10-27T05:00"],
        ),
        // Begins or ends in the hour that is skipped: at the change. All in it: it does not come.
        (
            "Sun 02:30-04:00 Europe/Berlin",
            "2024-03-31T00:00:00Z",
            &["03-31T01:00..03-31T02:00"],
        ),
        (
            "Sun 01:30-02:30 Europe/Berlin",
            "2024-03-31T00:00:00Z",
            &["03-31T00:30..03-31T01:00"],
        ),
        ("Sun 02:15-02:45 Europe/Berlin", "2024-03-31T00:00:00Z", &[]),
        // In the hour that comes twice: twice.
        (
            "Sun 02:15-02:45 Europe/Berlin",
            "2024-10-27T00:00:00Z",
            &["10-27T00:15..10-27T00:45", "10-27T01:15..10-27T01:45"],
        ),
        // The day after, it is as always.
        (
            "Mon 08:00-18:00 Europe/Berlin",
            "2024-04-01T05:00:00Z",
            &["04-01T06:00..04-01T16:00"],
        ),
        (
            "Mon 08:00-18:00 Europe/Berlin",
            "2024-10-28T05:00:00Z",
            &["10-28T07:00..10-28T17:00"],
        ),
        // The other side of the date line.
        (
            "Mon 08:00-09:00 Pacific/Auckland",
            "2024-06-02T19:00:00Z",
            &["06-02T20:00..06-02T21:00"],
        ),
    ];

    #[test]
    fn windows_are_those_of_the_clock_on_the_wall_also_where_it_changes() {
        for (hours, now, expected) in CASES {
            assert_eq!(shown(hours, now), *expected, "{hours} at {now}");
        }
    }

    #[test]
    fn faults_say_which_word_is_wrong() {
        let cases = [
            ("", "no day and no time"),
            ("Europe/Berlin", "no day and no time"),
            (
                "Mon-Fri 08:00-18:00 Europe/Berln",
                "unknown time zone \"Europe/Berln\"",
            ),
            ("Mon-Fri 8-18", "invalid times \"8-18\""),
            ("Mon-Fri 08:00", "invalid times \"08:00\""),
            ("08:60-09:00", "invalid times \"08:60-09:00\""),
            ("08:00-24:01", "invalid times \"08:00-24:01\""),
            ("24:00-08:00", "invalid times \"24:00-08:00\""),
            ("08:00-08:00", "\"08:00-08:00\" begins when it ends"),
            ("Mon-Fry 08:00-18:00", "unknown day \"Fry\""),
            ("Mond 08:00-18:00", "unknown day \"Mond\""),
            (
                "weekdays 08:00-18:00",
                "\"weekdays\" is neither a day, a time nor a time zone",
            ),
        ];
        for (text, expected) in cases {
            let fault = ActiveHours::new(text).expect_err(text);
            assert_eq!(fault.to_string(), expected, "{text}");
        }
        assert_eq!(
            ActiveHours::new(&"Mon ".repeat(51)).err(),
            Some(HoursFault::TooLong)
        );
    }

    #[test]
    fn no_time_zone_looks_like_a_day() {
        let zones = schedule::zone_names();
        assert!(zones.len() > 400);
        for zone in zones {
            assert!(
                !looks_like_days(&zone) && !looks_like_times(&zone),
                "{zone}"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn a_moment_is_in_a_window_exactly_where_the_clock_shows_a_time_of_it(
            seconds in 1_700_000_000_u64..1_800_000_000,
            from in 0_u16..1440, to in 0_u16..=1440, day in 0_usize..7,
        ) {
            proptest::prop_assume!(from != to);
            let name = &DAYS[day][..3];
            let text = format!(
                "{name} {:02}:{:02}-{:02}:{:02} America/New_York",
                from / 60, from % 60, to / 60, to % 60
            );
            let hours = ActiveHours::new(&text).expect("hours");
            let moment = Wall::from_nanos(seconds * 1_000_000_000);
            let holds = hours.windows(moment).iter().any(|(from, to)| *from <= moment && moment < *to);
            let local = timestamp(moment).to_zoned(TimeZone::get("America/New_York").expect("it is known"));
            let weekday = usize::from(local.weekday().to_monday_zero_offset().unsigned_abs());
            let minute = local.hour() as u16 * 60 + local.minute() as u16;
            let expected = if from < to {
                weekday == day && (from..to).contains(&minute)
            } else {
                (weekday == day && minute >= from) || (weekday == (day + 1) % 7 && minute < to)
            };
            proptest::prop_assert_eq!(holds, expected, "{} at {}", text, local);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[A-Za-z0-9:,;/ -]{0,40}", at in proptest::num::u64::ANY) {
            if let Ok(hours) = ActiveHours::new(&text) {
                for (from, until) in hours.windows(Wall::from_nanos(at)) {
                    proptest::prop_assert!(from < until);
                }
            }
        }
    }
}
