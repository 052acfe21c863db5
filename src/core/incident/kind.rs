//! The kinds of incidents: number, scope, alarm, reason of the end.

use std::fmt;

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
    /// All of several regions.
    Regions,
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
    pub const ALL: [Scope; 7] = [
        Scope::Stream,
        Scope::Regions,
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
            Scope::Regions => "regions",
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
    /// Fewer log entries than asked for.
    Rate,
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
    /// There is no room for new instances: they are not watched.
    Full,
    /// A scope comes and goes.
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
            (Alarm::Flapping, Scope::Stream) => "StreamFlapping",
            (Alarm::Flapping, _) => "HeartbeatFlapping",
            (Alarm::Drill, _) => "LastbeatDrill",
            (_, Scope::Regions) => "RegionsSilent",
            (_, Scope::Region) => "RegionSilent",
            (_, Scope::App) => "AppSilent",
            (_, Scope::AppRegion) => "AppRegionSilent",
            (_, Scope::Host) => "HostSilent",
            (Alarm::Logs, _) => "LogsMissed",
            (Alarm::Rate, _) => "LogsTooFew",
            (Alarm::Heartbeat, _) => "HeartbeatMissed",
        }
    }
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
