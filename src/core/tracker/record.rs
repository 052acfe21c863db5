//! Records of instances, beats, apps, regions and app-regions.

use crate::core::entry::MarkerId;
use crate::core::time::{Listened, Stamp};
use crate::core::tracker::loss::Loss;
use crate::core::tracker::offset::Offset;
use crate::core::tracker::slots::BeatId;
use crate::core::tracker::text::{PhraseId, Text};
use crate::core::tracker::usual::Usual;
use std::collections::BTreeSet;
use std::time::Duration;

/// One machine of an app. There may be a million of them, so rare properties are kept elsewhere.
#[derive(Debug)]
pub struct Instance {
    /// Its name, the last token of its subject; empty in a free slot.
    pub(in crate::core) name: Text,
    /// Its app-region.
    pub app_region: u32,
    /// Its physical host; none (`u32::MAX`) until a beat names it.
    pub host: u32,
    /// Its last sign of life of any kind.
    pub seen: Stamp,
    /// Listened clock: the last entry of its app itself; never, if only the platform logged about it.
    pub spoke: Listened,
    /// The target of the rule that watches its logs; none (`u32::MAX`) or undecided.
    pub logs: u32,
    /// The first of its beats, or none (`u32::MAX`).
    pub first_beat: u32,
    /// True if the tracker holds a [`Life`](crate::core::tracker::life::Life) of it.
    pub(in crate::core) has_life: bool,
}

impl Instance {
    /// True if the slot is in use.
    pub(in crate::core) fn is_tracked(&self) -> bool {
        self.name != Text::default()
    }

    /// An empty slot.
    pub(in crate::core) fn free() -> Self {
        Instance {
            name: Text::default(),
            app_region: 0,
            host: u32::MAX,
            seen: Stamp::default(),
            spoke: Listened::NEVER,
            logs: u32::MAX,
            first_beat: u32::MAX,
            has_life: false,
        }
    }
}

/// One beat of one instance.
#[derive(Debug)]
pub struct Beat {
    /// Its instance; none (`u32::MAX`) in a free slot.
    pub instance: u32,
    /// The next beat of the same instance, or none (`u32::MAX`).
    pub next: u32,
    /// Its `name=`; the highest bit is set if it stopped.
    name: u16,
    /// Its marker.
    pub marker: MarkerId,
    /// The interval it declares, in milliseconds; 0 where it declares none.
    pub every_ms: u32,
    /// Its usual offset between entry time and arrival.
    pub(in crate::core) offset: Offset,
    /// Its usual intervals.
    pub usual: Usual,
    /// The last `seq=`; `u64::MAX` if it has none.
    pub seq: u64,
    /// Its last sign of life.
    pub seen: Stamp,
    /// The target of the rule that watches it, or none (`u32::MAX`).
    pub target: u32,
    /// Its last text, without its counter.
    pub(in crate::core) phrase: PhraseId,
}

/// Bit of [`Beat::name`]: it said `bye`, or its instance stopped.
const STOPPED: u16 = 1 << 15;
/// Names of beats have numbers below this.
pub(in crate::core) const BEAT_NAMES_END: usize = STOPPED as usize;

impl Beat {
    /// A beat that was never heard.
    pub(in crate::core) fn new(
        instance: u32,
        next: u32,
        name: u32,
        marker: MarkerId,
        seen: Stamp,
    ) -> Self {
        Beat {
            instance,
            next,
            name: name as u16 & !STOPPED,
            marker,
            every_ms: 0,
            offset: Offset::default(),
            usual: Usual::default(),
            seq: u64::MAX,
            seen,
            target: u32::MAX,
            phrase: 0,
        }
    }

    /// Its `name=`, as a number of the table of beat names; 0 is the plain beat.
    #[inline]
    pub fn name(&self) -> u32 {
        u32::from(self.name & !STOPPED)
    }

    /// True if it said `bye`, or its instance stopped.
    #[inline]
    pub fn stopped(&self) -> bool {
        self.name & STOPPED != 0
    }

    pub(in crate::core) fn set_stopped(&mut self, stopped: bool) {
        self.name = self.name & !STOPPED | if stopped { STOPPED } else { 0 };
    }

    /// Its last `seq=`; `None` if it has none.
    pub fn count(&self) -> Option<u64> {
        (self.seq != u64::MAX).then_some(self.seq)
    }

    /// True if it was ever heard; otherwise it is only expected.
    pub fn is_heard(&self) -> bool {
        self.phrase != 0
    }

    /// The interval it declares; `None` if it declares none.
    pub fn every(&self) -> Option<Duration> {
        (self.every_ms > 0).then(|| Duration::from_millis(u64::from(self.every_ms)))
    }
}

/// Totals of an app.
#[derive(Debug, Default)]
pub struct App {
    /// True if its entries prove only that the stream flows.
    pub ignored: bool,
    /// Its last sign of life of any kind.
    pub seen: Stamp,
    /// Number of entries.
    pub entries: u64,
    /// Bytes of payloads.
    pub bytes: u64,
    /// Number of beats.
    pub beats: u64,
    /// Number of beats lost, by holes in `seq=`.
    pub lost: u64,
    /// Lost beats of the last day; `None` where its beats do not count.
    pub loss: Option<Box<Loss>>,
    /// Its app-regions.
    pub(in crate::core) app_regions: Vec<u32>,
}

/// A region.
#[derive(Debug, Default)]
pub struct Region {
    /// Its last sign of life of any kind.
    pub seen: Stamp,
    /// Its app-regions.
    pub(in crate::core) app_regions: BTreeSet<u32>,
}

/// An app in a region; without either in a free slot.
#[derive(Debug)]
pub struct AppRegion {
    /// The app, a number of the names of apps.
    pub app: u32,
    /// The region, a number of the names of regions.
    pub region: u32,
    /// Its last sign of life of any kind.
    pub seen: Stamp,
    /// Its instances.
    pub members: Vec<u32>,
    /// Common prefix of their subjects: `logs.<app>.<region>.`.
    pub(in crate::core) prefix: Box<str>,
}

impl AppRegion {
    /// An empty slot.
    pub(in crate::core) fn free() -> Self {
        AppRegion {
            app: u32::MAX,
            region: u32::MAX,
            seen: Stamp::default(),
            members: Vec::new(),
            prefix: Box::default(),
        }
    }
}

/// Result of a beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beaten {
    /// The beat.
    pub beat: BeatId,
    /// True if it was never heard before.
    pub new: bool,
    /// Its previous sign of life; the same as the present one if it is new.
    pub before: Stamp,
    /// True if it was stopped until now.
    pub was_stopped: bool,
    /// True if its counter stepped back: the sender restarted.
    pub restarted: bool,
    /// True if its counter is below the previous one without a restart: a later beat overtook it.
    pub is_stale: bool,
    /// Beats that are missing between its count and the one before; `None` where the count does not go on, or there is none.
    pub hole: Option<u32>,
    /// True if its counter equals the previous one.
    pub is_same: bool,
}
