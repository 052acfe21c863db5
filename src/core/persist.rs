//! What outlives the process: plain values by name, which a store keeps and the core takes back.
//!
//! Arrival times leave as wall-clock times, since the next process has another arrival clock; listened times stay, as
//! the listened clock goes on from where it stood.

pub mod changes;
pub mod export;
pub mod restore;

use crate::core::listening::Blind;
use crate::core::notice::{CloseReason, Notice};
use crate::core::snapshot::Verdict;
use crate::core::time::{Listened, Wall};
use crate::core::tracker::life::{Crash, StopWhy};
use std::sync::Arc;
use std::time::Duration;

/// When something was heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SavedStamp {
    /// Wall clock.
    pub at: Wall,
    /// What the listened clock showed then.
    pub listened: Listened,
}

/// The listened clock, and why it stood still.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SavedClock {
    /// Wall clock: when this was taken.
    pub taken_at: Wall,
    /// What the listened clock showed.
    pub listened: Listened,
    /// Wall clock of the stream's last arrival; `None` where nothing arrived yet.
    pub last_arrival: Option<Wall>,
    /// The blind intervals that are over, the oldest first.
    pub blind: Vec<SavedBlind>,
    /// Silences of the whole stream that are usual, over days.
    pub silences: SavedLongest,
    /// A long silence of the whole stream that is not usual yet.
    pub long_silence: Option<Duration>,
    /// Pauses between two arrivals that are usual, over minutes.
    pub pauses: SavedLongest,
}

/// The longest of some intervals within the last one to two windows of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SavedLongest {
    /// The longest of the window before.
    pub before: Duration,
    /// The longest of the window that runs.
    pub current: Duration,
    /// Wall clock: when the window that runs began.
    pub began: Wall,
}

/// The intervals that a target usually keeps, as far as they are learned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SavedRhythm {
    /// The longest of them in milliseconds; 0 where none is known.
    pub usual_ms: u32,
    /// True if only one interval is known, which is not enough yet.
    pub is_partial: bool,
    /// A longer interval in milliseconds, which becomes the rhythm if the next one is about as long; 0 where there is none.
    pub long_ms: u32,
}

/// One blind interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavedBlind {
    /// Wall clock: the last arrival before it.
    pub from: Wall,
    /// Wall clock: the first arrival after it.
    pub to: Wall,
    /// Why.
    pub reason: Blind,
    /// What the listened clock showed all through it.
    pub listened: Listened,
}

/// One instance with its beats.
#[derive(Clone, Debug, PartialEq)]
pub struct SavedInstance {
    /// Its place in the core: the same for the same instance while the process lives, and after it was taken back into
    /// an empty core; used again once it is forgotten.
    pub slot: u32,
    /// The whole subject.
    pub subject: Arc<str>,
    /// Its physical host, where a beat has told it.
    pub host: Option<Arc<str>>,
    /// When anything of it was last heard.
    pub seen: SavedStamp,
    /// When its app last said anything, on the listened clock; `None` where only the platform spoke of it.
    pub spoke: Option<Listened>,
    /// Whether a rule for logs concerns it: whether its app itself ever said anything.
    pub logs: bool,
    /// Why it is stopped, and the wall clock since when.
    pub stop: Option<(StopWhy, Wall)>,
    /// What went wrong since its last beat.
    pub crash: Option<Crash>,
    /// Whether its plain beat said `bye`, and none came since.
    pub said_bye: bool,
    /// What was thought of it when this was taken; for people, the core works it out anew.
    pub verdict: Verdict,
    /// The rhythm of its log entries, where a rule watches them.
    pub logs_rhythm: SavedRhythm,
    /// Its beats.
    pub beats: Vec<SavedBeat>,
}

/// One beat of an instance. Marker and name together are its key within the instance.
#[derive(Clone, Debug, PartialEq)]
pub struct SavedBeat {
    /// The marker's text.
    pub marker: Arc<str>,
    /// Its `name=`; empty for the plain one.
    pub name: Arc<str>,
    /// When it was last heard.
    pub seen: SavedStamp,
    /// Whether it said `bye`, or its instance stopped.
    pub stopped: bool,
    /// The interval it declares, in milliseconds; 0 where it declares none.
    pub every_ms: u32,
    /// The last `seq=`.
    pub seq: Option<u64>,
    /// How its entry times usually lie to their arrivals, in milliseconds; `None` where that is not known.
    pub offset_ms: Option<i32>,
    /// Its rhythm.
    pub rhythm: SavedRhythm,
    /// Its last text.
    pub text: String,
}

/// A group that a rule watches as one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedGroup {
    /// The rule's name.
    pub rule: Arc<str>,
    /// The app; `None` where the group is a region.
    pub app: Option<Arc<str>>,
    /// The region; `None` where the group is an app.
    pub region: Option<Arc<str>>,
    /// From when it is watched.
    pub since: SavedStamp,
    /// The longest interval that a beat of it declares, in milliseconds; 0 where none does.
    pub every_ms: u32,
    /// The rhythm of its log entries, where its rule watches them.
    pub rhythm: SavedRhythm,
}

/// A target by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedTarget {
    /// The rule's name.
    pub rule: Arc<str>,
    /// What of it is watched.
    pub watched: SavedWatched,
}

/// What a target's silence is measured on, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SavedWatched {
    /// One beat of one instance.
    Beat {
        /// The instance's subject.
        subject: Arc<str>,
        /// The marker's text.
        marker: Arc<str>,
        /// Its `name=`.
        name: Arc<str>,
    },
    /// The logs of one instance.
    Logs {
        /// The instance's subject.
        subject: Arc<str>,
    },
    /// A group; what is `None` is not part of its name.
    Group {
        /// The app.
        app: Option<Arc<str>>,
        /// The region.
        region: Option<Arc<str>>,
    },
}

/// What an incident is about, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SavedKey {
    /// The stream itself, or a region's lag: its notice says which.
    Stream,
    /// A region.
    Region(Arc<str>),
    /// An app.
    App(Arc<str>),
    /// An app in a region.
    Place(Arc<str>, Arc<str>),
    /// A physical host.
    Host(Arc<str>),
    /// Targets of one rule that fired together.
    Alone(Arc<str>),
    /// One target that comes and goes.
    Flapping(SavedTarget),
}

/// What was told last of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavedTold {
    /// Wall clock: when it was told last.
    pub at: Wall,
    /// How many reminders were told.
    pub reminders: u32,
    /// How many updates were told.
    pub updates: u32,
}

/// An incident, open or over.
#[derive(Clone, Debug, PartialEq)]
pub struct SavedIncident {
    /// What it is about.
    pub key: SavedKey,
    /// As it stands: of an open one its opening notice with what became known since, of one that is over its closing
    /// one. `notice.incident` is its number; `notice.due_mono` means nothing in another process.
    pub notice: Notice,
    /// Wall clock: when it opened.
    pub opened_at: Wall,
    /// Wall clock and reason of its end; `None` while it is open.
    pub closed: Option<(Wall, CloseReason)>,
    /// What was told last; `None` where a silence kept it from being told.
    pub told: Option<SavedTold>,
    /// How often it is told again.
    pub remind: Option<Duration>,
    /// Targets that fire within it.
    pub members: Vec<SavedTarget>,
}

/// What changed between two looks at the core: enough, with all before it, to start again from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checkpoint {
    /// Whether this is everything, so that what it does not name is gone.
    pub whole: bool,
    /// The listened clock as it stood before any of the rest was read, so that nobody's gap is told too long.
    pub clock: SavedClock,
    /// Slots of instances that were forgotten, before any of `instances` took them.
    pub forgotten: Vec<u32>,
    /// Instances of which anything changed.
    pub instances: Vec<SavedInstance>,
    /// Every group.
    pub groups: Vec<SavedGroup>,
    /// Open incidents of which anything changed; where this is everything, all that are open.
    pub incidents: Vec<SavedIncident>,
}

/// What a decision changed, to be kept before anybody is told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// Incidents that opened, were told again or closed.
    pub incidents: Vec<SavedIncident>,
    /// The instances whose alerts changed since the last checkpoint: what is stored of them would contradict the
    /// incidents otherwise.
    pub instances: Vec<SavedInstance>,
}

/// Everything a store gives back.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Saved {
    /// The listened clock.
    pub clock: SavedClock,
    /// Every instance, by slot.
    pub instances: Vec<SavedInstance>,
    /// Every group.
    pub groups: Vec<SavedGroup>,
    /// The incidents that are open.
    pub incidents: Vec<SavedIncident>,
}

/// Which incidents of the history are wanted, the newest first. What is `None` or empty asks for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IncidentQuery {
    /// Open ones only, or those that are over only.
    pub open: Option<bool>,
    /// The app.
    pub app: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// The instance.
    pub instance: Option<String>,
    /// The rule's name.
    pub rule: Option<String>,
    /// The scope's label.
    pub scope: Option<String>,
    /// The severity's label.
    pub severity: Option<String>,
    /// Wall clock: opened at or after.
    pub from: Option<Wall>,
    /// Wall clock: opened before.
    pub until: Option<Wall>,
    /// With a number below this one: the last one of the page before.
    pub before: Option<u64>,
    /// At most so many.
    pub limit: u32,
}

/// One line of what happened to an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineRow {
    /// Wall clock.
    pub at: Wall,
    /// In words: `opened`, `told sentry after 1.2s`, `closed: resolved`.
    pub what: String,
}

/// An incident of the history.
#[derive(Clone, Debug, PartialEq)]
pub struct PastIncident {
    /// The incident.
    pub incident: SavedIncident,
    /// What happened to it, in order.
    pub timeline: Vec<TimelineRow>,
}
