//! What is remembered of an instance, a beat, an app, an app-region.

use super::entry::MarkerId;
use super::life::Life;
use super::offset::Offset;
use super::time::{Listened, Stamp};
use super::tracker::BeatId;
use std::sync::Arc;
use std::time::Duration;

/// One machine of an app.
#[derive(Debug)]
pub struct Instance {
    /// The whole subject; `None` in a free slot.
    pub subject: Option<Arc<str>>,
    /// Its app-region.
    pub place: u32,
    /// Its physical host, none (`u32::MAX`) until a beat has told it.
    pub host: u32,
    /// When anything of it was last heard.
    pub seen: Stamp,
    /// When its app last said anything, on the listened clock; never, where only the platform spoke of it.
    pub spoke: Listened,
    /// What the platform tells of its life.
    pub life: Life,
    /// The target of a rule that watches its logs, none (`u32::MAX`) or undecided.
    pub logs: u32,
    /// The first of its beats, or none (`u32::MAX`).
    pub first_beat: u32,
}

impl Instance {
    /// An empty slot.
    pub(super) fn free() -> Self {
        Instance {
            subject: None,
            place: 0,
            host: u32::MAX,
            seen: Stamp::default(),
            spoke: Listened::NEVER,
            life: Life::default(),
            logs: u32::MAX,
            first_beat: u32::MAX,
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
    /// Its `name=`, a number of the names of beats; 0 is the plain one.
    pub name: u32,
    /// Its marker.
    pub marker: MarkerId,
    /// Whether it said `bye`.
    pub stopped: bool,
    /// The interval it declares, in milliseconds; 0 where it declares none.
    pub every_ms: u32,
    /// How its entry times usually lie to their arrivals.
    pub(super) offset: Offset,
    /// The last `seq=`; `u64::MAX` where it has none.
    pub seq: u64,
    /// When it was last heard.
    pub seen: Stamp,
    /// The target of the rule that watches it, or none (`u32::MAX`).
    pub target: u32,
    /// Its last text.
    pub text: String,
}

impl Beat {
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
}

/// An app in a region.
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
}
