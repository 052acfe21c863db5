//! State that outlives the process: plain values by name, which the store keeps and the core restores.
//!
//! Arrival times are stored as wall-clock times, since the next process has another arrival clock; listened times are
//! kept, as the listened clock continues from its last reading.

pub mod changes;
pub mod export;
pub mod restore;
mod restore_incident;
mod saved_clocks;

pub use crate::core::downstream::missing::SavedDownstream;
use crate::core::listening::Blind;
use crate::core::notice::{CloseReason, Notice, TargetName};
use crate::core::rule::Severity;
use crate::core::snapshot::Verdict;
pub use crate::core::targets::budget::FactorInForce;
use crate::core::time::{Listened, Wall};
use crate::core::tracker::life::{Crash, StopWhy};
pub use crate::core::tracker::loss::LossHour;
use std::sync::Arc;
use std::time::Duration;

/// A moment on two clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SavedStamp {
    /// Wall clock.
    pub at: Wall,
    /// Reading of the listened clock then.
    pub listened: Listened,
}

/// State of the listened clock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SavedClock {
    /// Wall clock: time at which this was taken.
    pub taken_at: Wall,
    /// Reading of the listened clock.
    pub listened: Listened,
    /// Wall clock: the stream's last arrival; `None` before the first.
    pub last_arrival: Option<Wall>,
    /// The completed blind intervals, the oldest first.
    pub blind: Vec<SavedBlind>,
    /// Silences of the whole stream that are usual, over days.
    pub silences: SavedLongest,
    /// A long silence of the whole stream that is not usual yet.
    pub long_silence: Option<Duration>,
    /// Pauses between two arrivals that are usual, over minutes.
    pub pauses: SavedLongest,
    /// Number of pauses in a row that were not usual, so far.
    pub pauses_in_a_row: u8,
    /// Wall clock: the end of the last of them.
    pub last_pause: Wall,
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
    /// Its reason.
    pub reason: Blind,
    /// Reading of the listened clock, which stood still throughout.
    pub listened: Listened,
}

/// One instance with its beats.
#[derive(Clone, Debug, PartialEq)]
pub struct SavedInstance {
    /// Its slot in the core: constant for the life of the process, and after a restore into an empty core; reused once
    /// it is forgotten.
    pub slot: u32,
    /// The whole subject.
    pub subject: Arc<str>,
    /// Its physical host; `None` until a beat names it.
    pub host: Option<Arc<str>>,
    /// Its last sign of life of any kind.
    pub seen: SavedStamp,
    /// Last entry of its app itself, on the listened clock; `None` if only the platform logged about it.
    pub spoke: Option<Listened>,
    /// True if its app itself ever logged, so that rules for logs apply to it.
    pub logs: bool,
    /// Reason and wall-clock time of its current stop; `None` while it runs.
    pub stop: Option<(StopWhy, Wall)>,
    /// Crash since its last beat.
    pub crash: Option<Crash>,
    /// True if its plain beat said `bye`, and none arrived since.
    pub said_bye: bool,
    /// Its verdict when this was taken; for display, as the core evaluates it anew.
    pub verdict: Verdict,
    /// The rhythm of its log entries, where a rule watches them.
    pub logs_rhythm: SavedRhythm,
    /// Its beats.
    pub beats: Vec<SavedBeat>,
}

/// One beat of an instance. Marker and name together are its key within the instance.
#[derive(Clone, Debug, PartialEq)]
pub struct SavedBeat {
    /// Text of its marker.
    pub marker: Arc<str>,
    /// Its `name=`; empty for the plain beat.
    pub name: Arc<str>,
    /// Its last sign of life.
    pub seen: SavedStamp,
    /// True if it said `bye`, or its instance stopped.
    pub stopped: bool,
    /// The interval it declares, in milliseconds; 0 if it declares none.
    pub every_ms: u32,
    /// The last `seq=`.
    pub seq: Option<u64>,
    /// Usual offset between its entry time and its arrival, in milliseconds; `None` if unknown.
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
    /// The app; `None` if the group is a region.
    pub app: Option<Arc<str>>,
    /// The region; `None` if the group is an app.
    pub region: Option<Arc<str>>,
    /// Start of its watch.
    pub since: SavedStamp,
    /// The longest interval that a beat in it declares, in milliseconds; 0 if none does.
    pub every_ms: u32,
    /// The rhythm of its log entries, where its rule watches them.
    pub rhythm: SavedRhythm,
}

/// Lost beats of an app in one hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedLoss {
    /// The app.
    pub app: Arc<str>,
    /// The hour and its counts.
    pub counts: LossHour,
}

/// A target by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedTarget {
    /// The rule's name.
    pub rule: Arc<str>,
    /// The thing it watches.
    pub watched: SavedWatched,
    /// Signs of life in a row since it fires, where its rule wants more than one; else 0.
    pub recovered: u16,
}

/// The thing a target watches, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SavedWatched {
    /// One beat of one instance.
    Beat {
        /// The instance's subject.
        subject: Arc<str>,
        /// Text of its marker.
        marker: Arc<str>,
        /// Its `name=`.
        name: Arc<str>,
    },
    /// The logs of one instance.
    Logs {
        /// The instance's subject.
        subject: Arc<str>,
    },
    /// A group, without the names that are `None`.
    Group {
        /// The app.
        app: Option<Arc<str>>,
        /// The region.
        region: Option<Arc<str>>,
    },
}

/// Subject of an incident, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SavedKey {
    /// The stream itself, or the lag of a region: its notice says which.
    Stream,
    /// A region.
    Region(Arc<str>),
    /// An app.
    App(Arc<str>),
    /// Several regions.
    Regions(Vec<Arc<str>>),
    /// An app in a region.
    AppRegion(Arc<str>, Arc<str>),
    /// A physical host.
    Host(Arc<str>),
    /// Targets of one rule that fired together.
    Alone(Arc<str>),
    /// One target that flaps.
    Flapping(SavedTarget),
    /// A downstream, by its name.
    Downstream(Arc<str>),
}

/// Stands for all notifiers in a file of an earlier version; no notifier has this name.
pub const EVERY_NOTIFIER: &str = "*";

/// The notifications of one notifier about an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedNotified {
    /// The notifier's name; empty for the log, if there was no notifier.
    pub notifier: Arc<str>,
    /// Wall clock: the last notification.
    pub at: Wall,
    /// Number of reminders.
    pub reminders: u32,
    /// Number of updates.
    pub updates: u32,
    /// The worst severity in a notification.
    pub severity: Severity,
    /// Number of silent members in the last notification.
    pub silent: u64,
}

/// A member that was heard again while its incident is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedBack {
    /// The target.
    pub target: SavedTarget,
    /// When it was heard again.
    pub at: SavedStamp,
}

/// An incident, open or over.
#[derive(Clone, Debug, PartialEq)]
pub struct SavedIncident {
    /// Its subject.
    pub key: SavedKey,
    /// Of an open incident, its present notice; of a closed one, its closing notice. `notice.incident` is its number;
    /// `notice.due_mono` means nothing in another process.
    pub notice: Notice,
    /// Wall clock: when it opened.
    pub opened_at: Wall,
    /// Wall clock and reason of its end; `None` while it is open.
    pub closed: Option<(Wall, CloseReason)>,
    /// The notifiers that were notified of its opening; empty if a silence suppressed it.
    pub notified: Vec<SavedNotified>,
    /// Interval of reminders.
    pub remind: Option<Duration>,
    /// Targets that fire within it.
    pub members: Vec<SavedTarget>,
    /// Members that were heard again.
    pub back: Vec<SavedBack>,
}

/// Changes between two readings of the core: enough, with all earlier ones, to continue from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checkpoint {
    /// True if this is everything, so that whatever it does not name is gone.
    pub whole: bool,
    /// The listened clock as it stood before the rest was read, so that no gap is too long.
    pub clock: SavedClock,
    /// Slots of instances that were forgotten, before any of `instances` took them.
    pub forgotten: Vec<u32>,
    /// Instances that changed.
    pub instances: Vec<SavedInstance>,
    /// Every group.
    pub groups: Vec<SavedGroup>,
    /// Lost beats of the hour that runs; where this is everything, of the last day.
    pub losses: Vec<SavedLoss>,
    /// Every factor that is not as usual.
    pub factors: Vec<FactorInForce>,
    /// Every downstream of which something is known that outlives the process.
    pub downstreams: Vec<SavedDownstream>,
    /// Open incidents that changed; all open ones if this is everything.
    pub incidents: Vec<SavedIncident>,
}

/// Effects of a decision, to be stored before anybody is notified.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// Incidents that opened, were updated or closed.
    pub incidents: Vec<SavedIncident>,
    /// The instances whose alerts changed since the last checkpoint; their stored rows would contradict the incidents.
    pub instances: Vec<SavedInstance>,
}

/// Everything that the store returns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Saved {
    /// The listened clock.
    pub clock: SavedClock,
    /// Every instance, by slot.
    pub instances: Vec<SavedInstance>,
    /// Every group.
    pub groups: Vec<SavedGroup>,
    /// Lost beats of the last day.
    pub losses: Vec<SavedLoss>,
    /// Every factor that is not as usual.
    pub factors: Vec<FactorInForce>,
    /// The downstreams.
    pub downstreams: Vec<SavedDownstream>,
    /// The incidents that are open.
    pub incidents: Vec<SavedIncident>,
    /// Targets that fired and were forgotten in the last 30 days.
    pub forgotten: Vec<ForgottenTarget>,
}

/// A target that was found silent and is no longer watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForgottenTarget {
    /// The rule's name.
    pub rule: Arc<str>,
    /// The target.
    pub who: TargetName,
    /// Wall clock: when it was forgotten.
    pub at: Wall,
}

/// Query of the history of incidents, the newest first. Fields that are `None` or empty do not restrict it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IncidentQuery {
    /// True for open ones only, false for closed ones only.
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
    /// Only numbers below this one: the last of the previous page.
    pub before: Option<u64>,
    /// Limit of results.
    pub limit: u32,
}

/// One line of an incident's timeline.
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
    /// Its timeline, in order.
    pub timeline: Vec<TimelineRow>,
}
