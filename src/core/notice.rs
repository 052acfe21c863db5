//! Notifications: their content, recipients and times.
//!
//! A [`Notice`] is a self-contained value, without ids that only the core could resolve. Incidents know nothing of
//! their notifications, which follow from the incidents' events and state.

pub mod build;
pub mod ledger;
pub mod routing;
pub mod view;

pub use crate::core::downstream::missing::{Evidence, Missing};
pub use crate::core::incident::kind::{Alarm, CloseReason, IncidentId, Scope};
use crate::core::last_words::LastWord;
use crate::core::rule::Severity;
use crate::core::time::{Mono, Wall};
use std::collections::BTreeMap;
use std::time::Duration;

/// Names of the affected target; empty where the scope has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetName {
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

/// Kind of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NoticeKind {
    /// The incident opened.
    Opened,
    /// More became known; with the number of the update, from 1.
    Updated(u32),
    /// The incident is still open; with the number of the reminder, from 1.
    Reminder(u32),
    /// The incident closed.
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

/// Totals over several members of an incident; empty or zero for an incident of a single target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Between {
    /// The names of all rules of firing members, if there are several.
    pub rules: Vec<String>,
    /// The runbooks of those rules, if there are several.
    pub runbooks: Vec<String>,
    /// The longest `max_gap` of a member; zero if all are equal.
    pub longest_max_gap: Duration,
    /// Number of instances or regions in the scope, if only a part is silent; else 0.
    pub of_total: u64,
    /// Number of silent regions; 0 unless several regions are silent.
    pub regions: u64,
    /// Number of members that returned while others did not.
    pub back: u64,
    /// Number of members that still log without their beats.
    pub logging: u64,
    /// True if every region but lastbeat's own is silent.
    pub cut_off: bool,
    /// The first apps of the affected instances, by name.
    pub apps: Vec<String>,
    /// Number of apps of the affected instances.
    pub apps_total: u64,
    /// The range that the sink of a downstream lacks, where its incident closed; `None` if it lacks none.
    pub missing: Option<Missing>,
    /// Name of the sink to which a refill ships; empty where it is not known.
    pub sink: String,
}

/// A person's word that somebody works on an incident. It holds until the severity rises above what it was then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Wall clock: when it was given.
    pub at: Wall,
    /// The person who gave it.
    pub author: String,
    /// The note, for other people.
    pub note: String,
}

/// One message about one incident, for the notifiers that it names.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// Its incident.
    pub incident: IncidentId,
    /// Its kind.
    pub kind: NoticeKind,
    /// Alarm of the incident.
    pub alarm: Alarm,
    /// Scope of the incident.
    pub scope: Scope,
    /// The rule's name; `stream` for the stream's own.
    pub rule: String,
    /// Names of the notifiers; `None`: all of them, as in a drill.
    pub notify: Option<Vec<String>>,
    /// The first affected instances, as `app/region/instance`; empty if the incident has a single target.
    pub affected: Vec<String>,
    /// Number of affected instances.
    pub affected_total: u64,
    /// Severity of the incident.
    pub severity: Severity,
    /// Names of the affected target.
    pub who: TargetName,
    /// Wall clock: the last sign of life before the silence.
    pub since: Wall,
    /// Length of the silence when this was decided, by the wall clock.
    pub gap: Duration,
    /// Listened part of the gap.
    pub listened: Duration,
    /// The longest allowed silence: the rule's `max_gap` as in force for this target.
    pub max_gap: Duration,
    /// Wall clock: its deadline; the change is dated by it, not by the tick that saw it.
    pub due: Wall,
    /// Arrival clock: the moment from which the notice's delay is measured (deadline, or closing beat).
    pub due_mono: Mono,
    /// Wall clock: the decision; for a closing notice, the last sign of life.
    pub decided: Wall,
    /// Text of the last beat; empty if there was none.
    pub last_text: String,
    /// The last entries of a single instance, the oldest first; empty where they are not known, or several are affected.
    pub last_words: Vec<LastWord>,
    /// Known causes, in words; empty if none is known.
    pub detail: String,
    /// The rule's `summary`, not yet filled in.
    pub summary: Option<String>,
    /// Page that says what to do.
    pub runbook: Option<String>,
    /// Labels of the rules of firing members; different values are joined by commas.
    pub labels: BTreeMap<String, String>,
    /// Identifies the subject of the incident from its opening to its end; empty in files of earlier versions.
    pub fingerprint: String,
    /// Totals over several members.
    pub between: Between,
    /// True for the first notification of its incident, to whichever notifier.
    pub is_first: bool,
    /// The word that somebody works on it: no reminders are sent meanwhile; `None` if nobody does.
    pub acknowledged: Option<Acknowledgement>,
}

impl Notice {
    /// True if it is about an instance that was expected and never heard.
    pub fn is_never_seen(&self) -> bool {
        let of_stream = matches!(
            self.alarm,
            Alarm::Stalled
                | Alarm::Refused
                | Alarm::Lagging
                | Alarm::Losing
                | Alarm::Blind
                | Alarm::Archive
                | Alarm::Full
                | Alarm::Unseen
                | Alarm::Drill
        );
        // The text of a beat is never empty: it contains the marker.
        let no_words = self.alarm == Alarm::Heartbeat
            && self.scope == Scope::Instance
            && self.affected_total == 1
            && self.last_text.is_empty();
        let of_downstream = self.scope == Scope::Downstream;
        (self.affected_total == 0 || no_words) && !of_stream && !of_downstream
    }
}
