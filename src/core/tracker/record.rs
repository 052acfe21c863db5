//! What is remembered of an instance, a beat, an app, an app-region.

use crate::core::entry::MarkerId;
use crate::core::time::{Listened, Stamp};
use crate::core::tracker::BeatId;
use crate::core::tracker::offset::Offset;
use crate::core::tracker::text::{PhraseId, Text};
use std::collections::BTreeSet;
use std::time::Duration;

/// One machine of an app. A million of them are held: what few have is kept apart.
#[derive(Debug)]
pub struct Instance {
    /// Its name, the last token of its subject; empty in a free slot.
    pub(in crate::core) name: Text,
    /// Its app-region.
    pub place: u32,
    /// Its physical host, none (`u32::MAX`) until a beat has told it.
    pub host: u32,
    /// When anything of it was last heard.
    pub seen: Stamp,
    /// When its app last said anything, on the listened clock; never, where only the platform spoke of it.
    pub spoke: Listened,
    /// The target of a rule that watches its logs, none (`u32::MAX`) or undecided.
    pub logs: u32,
    /// The first of its beats, or none (`u32::MAX`).
    pub first_beat: u32,
    /// Whether the platform told anything of its life that still holds.
    pub(in crate::core) has_life: bool,
}

impl Instance {
    /// Whether it is somebody; else the slot is free.
    pub(in crate::core) fn is_tracked(&self) -> bool {
        self.name != Text::default()
    }

    /// An empty slot.
    pub(in crate::core) fn free() -> Self {
        Instance {
            name: Text::default(),
            place: 0,
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
    /// Whose; none (`u32::MAX`) in a free slot.
    pub instance: u32,
    /// The next beat of the same instance, or none (`u32::MAX`).
    pub next: u32,
    /// Its `name=`, and in the topmost bit whether it stopped.
    name: u16,
    /// Its marker.
    pub marker: MarkerId,
    /// The interval it declares, in milliseconds; 0 where it declares none.
    pub every_ms: u32,
    /// How its entry times usually lie to their arrivals.
    pub(in crate::core) offset: Offset,
    /// The last `seq=`; `u64::MAX` where it has none.
    pub seq: u64,
    /// When it was last heard.
    pub seen: Stamp,
    /// The target of the rule that watches it, or none (`u32::MAX`).
    pub target: u32,
    /// Its last text but for its count.
    pub(in crate::core) phrase: PhraseId,
}

/// In [`Beat::name`]: it said `bye`, or its instance stopped.
const STOPPED: u16 = 1 << 15;
/// Names of beats have numbers below this.
pub(in crate::core) const BEAT_NAMES_END: usize = STOPPED as usize;

impl Beat {
    /// One of which nothing was heard yet.
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
            seq: u64::MAX,
            seen,
            target: u32::MAX,
            phrase: 0,
        }
    }

    /// Its `name=`, a number of the names of beats; 0 is the plain one.
    #[inline]
    pub fn name(&self) -> u32 {
        u32::from(self.name & !STOPPED)
    }

    /// Whether it said `bye`, or its instance stopped.
    #[inline]
    pub fn stopped(&self) -> bool {
        self.name & STOPPED != 0
    }

    pub(in crate::core) fn set_stopped(&mut self, stopped: bool) {
        self.name = self.name & !STOPPED | if stopped { STOPPED } else { 0 };
    }

    /// Its last `seq=`.
    pub fn count(&self) -> Option<u64> {
        (self.seq != u64::MAX).then_some(self.seq)
    }

    /// Whether it was ever heard; else it is only expected.
    pub fn is_heard(&self) -> bool {
        self.phrase != 0
    }

    /// The interval it declares.
    pub fn every(&self) -> Option<Duration> {
        (self.every_ms > 0).then(|| Duration::from_millis(u64::from(self.every_ms)))
    }
}

/// An app's sums.
#[derive(Debug, Default)]
pub struct App {
    /// Its entries prove only that the stream flows.
    pub ignored: bool,
    /// When anything of it was last heard.
    pub seen: Stamp,
    /// Entries that arrived.
    pub entries: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// Beats.
    pub beats: u64,
    /// Holes in `seq=`.
    pub lost: u64,
    /// Its app-regions.
    pub(in crate::core) places: Vec<u32>,
}

/// A region.
#[derive(Debug, Default)]
pub struct Region {
    /// When anything of it was last heard.
    pub seen: Stamp,
    /// Its app-regions.
    pub(in crate::core) places: BTreeSet<u32>,
}

/// An app in a region; of neither in a free slot.
#[derive(Debug)]
pub struct Place {
    /// The app, a number of the names of apps.
    pub app: u32,
    /// The region, a number of the names of regions.
    pub region: u32,
    /// When anything of it was last heard.
    pub seen: Stamp,
    /// The instances in it.
    pub members: Vec<u32>,
    /// What their subjects begin with: `logs.<app>.<region>.`.
    pub(in crate::core) prefix: Box<str>,
}

impl Place {
    /// An empty slot.
    pub(in crate::core) fn free() -> Self {
        Place {
            app: u32::MAX,
            region: u32::MAX,
            seen: Stamp::default(),
            members: Vec::new(),
            prefix: Box::default(),
        }
    }
}

/// What a beat told beyond that it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beaten {
    /// Which beat.
    pub beat: BeatId,
    /// Whether it was never heard before.
    pub new: bool,
    /// When it was heard before; for a new one the same as now.
    pub before: Stamp,
    /// Whether it was stopped until now.
    pub was_stopped: bool,
    /// Whether its count stepped back: it is another life.
    pub restarted: bool,
    /// Whether its count is below the one before, and it is the same life: a later one overtook it.
    pub is_stale: bool,
    /// Whether its count is the one before.
    pub is_same: bool,
}
