//! Notifications: which notifier is notified of what of an incident, and when.
//!
//! A [`Notice`] is a self-contained value, without ids that only the core could resolve. [`Notices`] is fed with what
//! happens to incidents, and looks at them; incidents know nothing of it.

pub mod build;
pub mod ledger;
pub mod routing;
pub mod view;

pub use crate::core::notice::ledger::Notices;

pub use crate::core::incident::kind::{Alarm, CloseReason, IncidentId, Scope};
use crate::core::rule::Severity;
use crate::core::time::{Mono, Wall};
use std::collections::BTreeMap;
use std::time::Duration;

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

/// What several members of an incident have between them. Of one that has a single target all is empty or zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Between {
    /// The names of all rules by which members fire; empty where it is one.
    pub rules: Vec<String>,
    /// The runbooks of those rules; empty where there is at most one.
    pub runbooks: Vec<String>,
    /// The longest that a member may be silent; zero where all may be as long.
    pub longest_max_gap: Duration,
    /// How many there are in the scope of which some are silent: instances of the app, or regions; 0 where all are silent.
    pub of_total: u64,
    /// How many regions are silent; 0 where it is not about several regions.
    pub regions: u64,
    /// How many members were heard again while others were not.
    pub back: u64,
    /// How many still log without their beats.
    pub logging: u64,
    /// Whether every region but lastbeat's own is silent.
    pub cut_off: bool,
}

/// One message about one incident, for the notifiers that it names.
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
    /// Names of the notifiers that it goes to; `None`: every one there is, as in a drill.
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
    /// Labels of the rules by which members fire; where they differ, the values are joined by commas.
    pub labels: BTreeMap<String, String>,
    /// What the incident is about, as a key that stays the same from its opening to its end; empty in files of earlier
    /// versions.
    pub fingerprint: String,
    /// What several members have between them.
    pub between: Between,
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
