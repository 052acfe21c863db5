//! The JSON column of the clock: what is usual of the stream, and what is known of downstreams. A new field gets
//! `#[serde(default)]`: files exist without it.

use crate::core::notice::{Evidence, Missing};
use crate::core::persist::{SavedClock, SavedDownstream, SavedLongest};
use crate::core::time::{Wall, nanos};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::time::Duration;

/// Start, end, canaries; and the evidence, which files of earlier versions lack.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum MissingRow {
    Full(u64, u64, u64, EvidenceRow),
    Canaries(u64, u64, u64),
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum EvidenceRow {
    Restart,
    Deleted,
}

impl MissingRow {
    /// Of a range.
    pub(super) fn of(missing: &Missing) -> Self {
        let (from, until) = (missing.from.nanos(), missing.until.nanos());
        match missing.evidence {
            Evidence::Canaries => MissingRow::Canaries(from, until, missing.marks),
            Evidence::Restart => MissingRow::Full(from, until, missing.marks, EvidenceRow::Restart),
            Evidence::Deleted => MissingRow::Full(from, until, missing.marks, EvidenceRow::Deleted),
        }
    }

    /// The range.
    pub(super) fn into(self) -> Missing {
        let (from, until, marks, evidence) = match self {
            MissingRow::Canaries(from, until, marks) => (from, until, marks, Evidence::Canaries),
            MissingRow::Full(from, until, marks, EvidenceRow::Restart) => {
                (from, until, marks, Evidence::Restart)
            }
            MissingRow::Full(from, until, marks, EvidenceRow::Deleted) => {
                (from, until, marks, Evidence::Deleted)
            }
        };
        Missing {
            from: Wall::from_nanos(from),
            until: Wall::from_nanos(until),
            marks,
            evidence,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct DownstreamRow<'a> {
    name: Cow<'a, str>,
    #[serde(default)]
    missing: Option<MissingRow>,
    #[serde(default)]
    reported: Option<MissingRow>,
    #[serde(default)]
    stalls_since: Option<u64>,
}

impl<'a> DownstreamRow<'a> {
    fn of(saved: &'a SavedDownstream) -> Self {
        DownstreamRow {
            name: Cow::Borrowed(&saved.name),
            missing: saved.missing.as_ref().map(MissingRow::of),
            reported: saved.reported.as_ref().map(MissingRow::of),
            stalls_since: saved.stalls_since.map(Wall::nanos),
        }
    }

    fn into(self) -> SavedDownstream {
        SavedDownstream {
            name: self.name.into(),
            missing: self.missing.map(MissingRow::into),
            reported: self.reported.map(MissingRow::into),
            stalls_since: self.stalls_since.map(Wall::from_nanos),
        }
    }
}

/// The longest of a window before, of the window that runs, in nanoseconds; and when that one began.
#[derive(Default, Serialize, Deserialize)]
struct LongestRow(u64, u64, u64);

impl LongestRow {
    fn of(longest: SavedLongest) -> Self {
        LongestRow(
            nanos(longest.before),
            nanos(longest.current),
            longest.began.nanos(),
        )
    }

    fn into(self) -> SavedLongest {
        SavedLongest {
            before: Duration::from_nanos(self.0),
            current: Duration::from_nanos(self.1),
            began: Wall::from_nanos(self.2),
        }
    }
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct UsualRow<'a> {
    silences: LongestRow,
    long_silence_ns: Option<u64>,
    pauses: LongestRow,
    pauses_in_a_row: u8,
    last_pause: u64,
    downstreams: Vec<DownstreamRow<'a>>,
}

/// The usual silences and pauses of the stream, and what is known of downstreams.
pub(super) fn usual(
    clock: &SavedClock,
    downstreams: &[SavedDownstream],
) -> rusqlite::Result<String> {
    let row = UsualRow {
        silences: LongestRow::of(clock.silences),
        long_silence_ns: clock.long_silence.map(nanos),
        pauses: LongestRow::of(clock.pauses),
        pauses_in_a_row: clock.pauses_in_a_row,
        last_pause: clock.last_pause.nanos(),
        downstreams: downstreams.iter().map(DownstreamRow::of).collect(),
    };
    serde_json::to_string(&row)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

/// A clock with nothing but what is usual of the stream, and the downstreams. `None` where the text makes no sense.
pub(super) fn usual_of(text: &str) -> Option<(SavedClock, Vec<SavedDownstream>)> {
    let row: UsualRow<'_> = serde_json::from_str(text).ok()?;
    let clock = SavedClock {
        silences: row.silences.into(),
        long_silence: row.long_silence_ns.map(Duration::from_nanos),
        pauses: row.pauses.into(),
        pauses_in_a_row: row.pauses_in_a_row,
        last_pause: Wall::from_nanos(row.last_pause),
        ..SavedClock::default()
    };
    let downstreams = row.downstreams.into_iter().map(DownstreamRow::into);
    Some((clock, downstreams.collect()))
}
