//! What is told: incidents as self-contained values, without ids that only the core could resolve.

pub mod build;
pub mod due;

use crate::core::rule::Severity;
use crate::core::time::{Mono, Wall};
use std::fmt;
use std::time::Duration;

/// One incident, for ever: unique over restarts, since it counts up from the wall clock at start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IncidentId(pub u64);

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012x}", self.0)
    }
}

/// How far a silence reaches; the widest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Everything.
    Stream,
    /// All of a region.
    Region,
    /// All of an app.
    App,
    /// An app in one region.
    AppRegion,
    /// All instances on one physical host.
    Host,
    /// One instance.
    Instance,
}

impl Scope {
    /// Every one, the widest first.
    pub const ALL: [Scope; 6] = [
        Scope::Stream,
        Scope::Region,
        Scope::App,
        Scope::AppRegion,
        Scope::Host,
        Scope::Instance,
    ];

    /// As it stands in tags and labels.
    pub const fn label(self) -> &'static str {
        match self {
            Scope::Stream => "stream",
            Scope::Region => "region",
            Scope::App => "app",
            Scope::AppRegion => "app-region",
            Scope::Host => "host",
            Scope::Instance => "instance",
        }
    }
}

/// What went wrong; with the scope it gives an alert its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Alarm {
    /// No heartbeat for longer than allowed.
    Heartbeat,
    /// No log entry for longer than allowed.
    Logs,
    /// Nothing from anyone for longer than allowed.
    Stalled,
    /// The stream's server takes our user or token no more.
    Refused,
    /// Entries arrive too far behind their own time.
    Lagging,
    /// Messages are lost on their way to us, without a pause.
    Losing,
    /// lastbeat is blind so often that it sees little.
    Blind,
    /// There is no room for who is new: they are not watched.
    Full,
    /// A target comes and goes.
    Flapping,
    /// Nothing: somebody tries the notifiers.
    Drill,
}

impl Alarm {
    /// The name people see first, in the way of an exception's type.
    pub const fn name(self, scope: Scope) -> &'static str {
        match (self, scope) {
            (Alarm::Stalled, _) => "StreamStalled",
            (Alarm::Refused, _) => "StreamAuthFailed",
            (Alarm::Lagging, Scope::Region) => "RegionLagging",
            (Alarm::Lagging, _) => "StreamLagging",
            (Alarm::Losing, _) => "StreamLossy",
            (Alarm::Blind, _) => "StreamBlind",
            (Alarm::Full, _) => "LastbeatFull",
            (Alarm::Flapping, _) => "HeartbeatFlapping",
            (Alarm::Drill, _) => "LastbeatDrill",
            (_, Scope::Region) => "RegionSilent",
            (_, Scope::App) => "AppSilent",
            (_, Scope::AppRegion) => "AppRegionSilent",
            (_, Scope::Host) => "HostSilent",
            (Alarm::Logs, _) => "LogsMissed",
            (Alarm::Heartbeat, _) => "HeartbeatMissed",
        }
    }
}

/// Who is silent. What does not apply at the incident's scope is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Who {
    /// The app.
    pub app: String,
    /// The region.
    pub region: String,
    /// The instance.
    pub instance: String,
    /// The physical host.
    pub host: String,
    /// The beat's `name=`.
    pub beat: String,
}

/// Why an incident was closed. Each is a value of the tag and label `reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// It was heard again.
    Resolved,
    /// It stopped on purpose.
    Stopped,
    /// Nobody expects it any more.
    Forgotten,
    /// An incident of a wider scope says it now.
    Superseded,
    /// Its rule is gone.
    RuleRemoved,
}

impl CloseReason {
    /// As it stands in tags.
    pub const fn label(self) -> &'static str {
        match self {
            CloseReason::Resolved => "resolved",
            CloseReason::Stopped => "stopped",
            CloseReason::Forgotten => "forgotten",
            CloseReason::Superseded => "superseded",
            CloseReason::RuleRemoved => "rule removed",
        }
    }
}

/// What a notice says of its incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NoticeKind {
    /// It began.
    Opened,
    /// More of it became known: the how manieth time this is said, from 1.
    Updated(u32),
    /// It is still so: the how manieth time this is said again, from 1.
    Reminder(u32),
    /// It is over.
    Closed(CloseReason),
}

impl NoticeKind {
    /// The value of the tag `state`.
    pub const fn label(self) -> &'static str {
        match self {
            NoticeKind::Opened => "opened",
            NoticeKind::Updated(_) => "updated",
            NoticeKind::Reminder(_) => "reminder",
            NoticeKind::Closed(_) => "closed",
        }
    }
}

/// One message about one incident, the same for every notifier.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// The incident it is about.
    pub incident: IncidentId,
    /// What it says of it.
    pub kind: NoticeKind,
    /// What went wrong.
    pub alarm: Alarm,
    /// How far it reaches.
    pub scope: Scope,
    /// The rule's name; `stream` for the stream's own.
    pub rule: String,
    /// Names of the notifiers to tell; `None`: all of them.
    pub notify: Option<Vec<String>>,
    /// Who else is part of it: the first of them in words, `app/region/instance`; empty where the incident is one
    /// target's.
    pub affected: Vec<String>,
    /// How many there are in all.
    pub affected_total: u64,
    /// How bad it is.
    pub severity: Severity,
    /// Who is silent.
    pub who: Who,
    /// Wall clock: when it was last heard before the silence.
    pub since: Wall,
    /// How long it had been silent when this was decided, on the clock on the wall.
    pub gap: Duration,
    /// How much of the gap lastbeat listened.
    pub listened: Duration,
    /// How long it may be silent: the rule's `max_gap`, in force for this target.
    pub max_gap: Duration,
    /// Wall clock: its deadline; the change is dated by it, not by the tick that saw it.
    pub due: Wall,
    /// Arrival clock: the moment from which the notice's delay is measured (deadline, or the closing beat).
    pub due_mono: Mono,
    /// Wall clock: when this was decided; for a closing notice the time of the last sign of life.
    pub decided: Wall,
    /// The last beat's text; empty where there was none.
    pub last_text: String,
    /// What else is known of the cause, in words; empty where nothing is.
    pub detail: String,
    /// The rule's `summary`, not yet filled in.
    pub summary: Option<String>,
    /// Where to read what to do.
    pub runbook: Option<String>,
}

impl Notice {
    /// Whether it is about somebody who was expected and never heard.
    pub fn is_never_seen(&self) -> bool {
        let of_stream = matches!(
            self.alarm,
            Alarm::Stalled
                | Alarm::Refused
                | Alarm::Lagging
                | Alarm::Losing
                | Alarm::Blind
                | Alarm::Full
                | Alarm::Drill
        );
        // A beat's own words are never empty: the marker stands in them.
        let no_words = self.alarm == Alarm::Heartbeat
            && self.scope == Scope::Instance
            && self.affected_total == 1
            && self.last_text.is_empty();
        (self.affected_total == 0 || no_words) && !of_stream
    }
}
