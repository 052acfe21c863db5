//! Kinds of incidents: number, scope, alarm, reason for closing.

use std::fmt;

/// Number of an incident: unique across restarts, since it counts up from the wall clock at start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IncidentId(pub u64);

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012x}", self.0)
    }
}

/// Scope of a silence, the widest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// The whole stream.
    Stream,
    /// All instances of several regions.
    Regions,
    /// All instances of a region.
    Region,
    /// All instances of an app.
    App,
    /// An app in one region.
    AppRegion,
    /// All instances on one physical host.
    Host,
    /// One instance.
    Instance,
    /// A downstream: a log shipper with its sink.
    Downstream,
}

impl Scope {
    /// All scopes, the widest first.
    pub const ALL: [Scope; 8] = [
        Scope::Stream,
        Scope::Regions,
        Scope::Region,
        Scope::App,
        Scope::AppRegion,
        Scope::Host,
        Scope::Instance,
        Scope::Downstream,
    ];

    /// The word in tags and labels.
    pub const fn label(self) -> &'static str {
        match self {
            Scope::Stream => "stream",
            Scope::Regions => "regions",
            Scope::Region => "region",
            Scope::App => "app",
            Scope::AppRegion => "app-region",
            Scope::Host => "host",
            Scope::Instance => "instance",
            Scope::Downstream => "downstream",
        }
    }
}

/// Problem of an incident; with the scope it gives the alert its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Alarm {
    /// No heartbeat for longer than allowed.
    Heartbeat,
    /// No log entry for longer than allowed.
    Logs,
    /// Fewer log entries than asked for.
    Rate,
    /// No entry at all for longer than allowed.
    Stalled,
    /// The server rejects lastbeat's user or token.
    Refused,
    /// Entries arrive too late.
    Lagging,
    /// Messages are continuously lost on the way to lastbeat.
    Losing,
    /// lastbeat is blind too often.
    Blind,
    /// The sink of a downstream does not answer queries.
    Unseen,
    /// The archive of the stream cannot be written.
    Archive,
    /// A limit is reached: new instances are not watched.
    Full,
    /// A scope flaps.
    Flapping,
    /// None: a drill of the notifiers.
    Drill,
}

impl Alarm {
    /// All alarms.
    pub const ALL: [Alarm; 13] = [
        Alarm::Heartbeat,
        Alarm::Logs,
        Alarm::Rate,
        Alarm::Stalled,
        Alarm::Refused,
        Alarm::Lagging,
        Alarm::Losing,
        Alarm::Blind,
        Alarm::Archive,
        Alarm::Full,
        Alarm::Unseen,
        Alarm::Flapping,
        Alarm::Drill,
    ];

    /// True if it is about targets of a rule that are silent or say too little.
    pub const fn is_silence(self) -> bool {
        matches!(self, Alarm::Heartbeat | Alarm::Logs | Alarm::Rate)
    }

    /// Name of the alert, in the style of an exception's type.
    pub const fn name(self, scope: Scope) -> &'static str {
        match (self, scope) {
            (Alarm::Stalled, Scope::Downstream) => "ShipperStalled",
            (Alarm::Losing, Scope::Downstream) => "ShipperLoses",
            (Alarm::Lagging, Scope::Downstream) => "ShipperLags",
            (Alarm::Flapping, Scope::Downstream) => "ShipperFlapping",
            (Alarm::Unseen, _) => "DownstreamUnseen",
            (Alarm::Stalled, _) => "StreamStalled",
            (Alarm::Refused, _) => "StreamAuthFailed",
            (Alarm::Lagging, Scope::Region) => "RegionLagging",
            (Alarm::Lagging, _) => "StreamLagging",
            (Alarm::Losing, _) => "StreamLossy",
            (Alarm::Blind, _) => "StreamBlind",
            (Alarm::Archive, _) => "ArchiveStopped",
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

/// Reason for closing an incident. Each is a value of the tag and label `reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// It was heard again.
    Resolved,
    /// It stopped on purpose.
    Stopped,
    /// It is not expected any more.
    Forgotten,
    /// An incident of a wider scope replaced it.
    Superseded,
    /// Its rule was removed.
    RuleRemoved,
}

impl CloseReason {
    /// The word in tags.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silences_are_the_alarms_of_which_one_instance_is_missed_or_says_too_little() {
        let silences: Vec<&str> = Alarm::ALL
            .into_iter()
            .filter(|alarm| alarm.is_silence())
            .map(|alarm| alarm.name(Scope::Instance))
            .collect();
        assert_eq!(silences, ["HeartbeatMissed", "LogsMissed", "LogsTooFew"]);
    }
}
