//! Snapshot: the copy of the core's state that metrics, page and API read.

pub mod copy;
pub mod detail;
pub mod downstream_rows;
pub mod grades;
pub mod outages;
pub mod rows;
pub mod threshold_rows;
pub mod thresholds;

use crate::core::listening::Blind;
use crate::core::notice::{Notice, Scope};
use crate::core::rule::Severity;
use crate::core::snapshot::downstream_rows::DownstreamRow;
use crate::core::snapshot::threshold_rows::ThresholdRow;
pub use crate::core::targets::alive::AliveReason;
use crate::core::time::{Now, Wall};
pub use crate::core::tracker::loss::Odds;
use std::sync::Arc;
use std::time::Duration;

/// A copy of everything that readers need, taken at one moment between two batches of entries.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Both clocks when it was taken.
    pub now: Now,
    /// Wall clock of the stream's last arrival; `None` before the first.
    pub stream_seen: Option<Wall>,
    /// True if the stream's alert fires.
    pub stalled: bool,
    /// Reason why lastbeat is blind at the moment; `None` while entries arrive, as far as is known.
    pub blind_now: Option<Blind>,
    /// Lag of the stream's entries; zero if unknown.
    pub lag: Duration,
    /// Travel time of the last canary; `None` if there is no canary or none came back. Filled in by the canary's owner.
    pub canary: Option<Duration>,
    /// Total time listened.
    pub listened: Duration,
    /// Total blind time by reason, the current interval included.
    pub blind: Vec<(Blind, Duration)>,
    /// The latest blind intervals as start and end on the wall clock, and reason; the newest first.
    pub blind_intervals: Vec<(Wall, Wall, Blind)>,
    /// Open incidents, the newest first, at most a hundred; each with its opening notice.
    pub open: Vec<Notice>,
    /// Rejections, by reason.
    pub rejected: Vec<(&'static str, u64)>,
    /// All apps.
    pub apps: Vec<AppRow>,
    /// All regions: name, and wall clock of the last entry.
    pub regions: Vec<(Arc<str>, Wall)>,
    /// Numbers of instances by app, region and verdict.
    pub verdicts: Vec<VerdictRow>,
    /// Numbers of alerts by rule and state.
    pub alerts: Vec<AlertRow>,
    /// Silences that rules allow the targets that declare their interval; a rule without such targets has no row.
    pub thresholds: Vec<ThresholdRow>,
    /// False alarms that are known, by rule, since the start.
    pub false_alarms: Vec<FalseAlarmRow>,
    /// Log shippers and their sinks.
    pub downstreams: Vec<DownstreamRow>,
    /// Numbers of open incidents by scope.
    pub incidents: Vec<(Scope, u64)>,
    /// Instances, the first `max_series` of them.
    pub instances: Vec<InstanceRow>,
    /// Beats, the first `max_series` of them.
    pub beats: Vec<BeatRow>,
    /// Rows left out of `instances` and `beats`.
    pub suppressed: u64,
    /// Number of rules in force, without the stream's.
    pub rules: u64,
}

/// Totals of an app.
#[derive(Clone, Debug)]
pub struct AppRow {
    /// Its name.
    pub name: Arc<str>,
    /// Wall clock of its last entry.
    pub seen: Wall,
    /// Number of entries.
    pub entries: u64,
    /// Bytes of payloads.
    pub bytes: u64,
    /// Number of beats.
    pub beats: u64,
    /// Number of beats lost, by holes in `seq=`.
    pub lost: u64,
    /// The odds that a beat of it is lost.
    pub odds: Odds,
}

/// False alarms of a rule.
#[derive(Clone, Debug)]
pub struct FalseAlarmRow {
    /// The rule's name.
    pub rule: Arc<str>,
    /// Numbers, in the order of [`AliveReason::LABELS`].
    pub counts: [u64; AliveReason::LABELS.len()],
}

/// Number of instances of an app-region with a verdict.
#[derive(Clone, Debug)]
pub struct VerdictRow {
    /// The app.
    pub app: Arc<str>,
    /// The region.
    pub region: Arc<str>,
    /// The verdict.
    pub verdict: Verdict,
    /// The number.
    pub count: u64,
}

/// Number of alerts of a rule in a state.
#[derive(Clone, Debug)]
pub struct AlertRow {
    /// The rule's name; `stream` for the stream's own.
    pub rule: Arc<str>,
    /// The rule's severity.
    pub severity: Severity,
    /// `ok`, `pending` or `firing`.
    pub state: &'static str,
    /// The number.
    pub count: u64,
}

/// One instance.
#[derive(Clone, Debug)]
pub struct InstanceRow {
    /// The app.
    pub app: Arc<str>,
    /// The region.
    pub region: Arc<str>,
    /// The whole subject.
    pub subject: Arc<str>,
    /// Wall clock of its last entry.
    pub seen: Wall,
    /// Its verdict: the worst of its targets.
    pub verdict: Verdict,
    /// Reason for the verdict, with its source; `None` if there is nothing to say.
    pub reason: Option<String>,
    /// Wall clock: time since which that reason holds; `None` if unknown.
    pub since: Option<Wall>,
}

impl InstanceRow {
    /// The instance's name.
    pub fn instance(&self) -> &str {
        last_token(&self.subject)
    }
}

/// One beat of one instance.
#[derive(Clone, Debug)]
pub struct BeatRow {
    /// The app.
    pub app: Arc<str>,
    /// The region.
    pub region: Arc<str>,
    /// The whole subject.
    pub subject: Arc<str>,
    /// Its `name=`; empty for the plain one.
    pub beat: Arc<str>,
    /// Wall clock of the last one.
    pub seen: Wall,
    /// Wall clock: time at which it fires unless it is heard, or lastbeat is blind, before; `None` if no rule watches
    /// it, it has stopped, or it fires already.
    pub due: Option<Wall>,
    /// Its longest allowed silence, from its rule or its rhythm; `None` if no rule watches it.
    pub max_gap: Option<Duration>,
    /// The rule that watches it; `None` if there is none.
    pub rule: Option<Arc<str>>,
    /// The interval it declares; `None` if it declares none.
    pub every: Option<Duration>,
    /// Its longest usual interval; `None` until enough are known.
    pub usual: Option<Duration>,
    /// Its last text as it was sent, at most [`MAX_TEXT`](crate::core::tracker::MAX_TEXT) bytes.
    pub text: Box<str>,
    /// Its verdict.
    pub verdict: Verdict,
}

impl BeatRow {
    /// The instance's name.
    pub fn instance(&self) -> &str {
        last_token(&self.subject)
    }
}

/// The last token of a subject: its instance.
pub fn last_token(subject: &str) -> &str {
    subject.rsplit('.').next().unwrap_or(subject)
}

/// The verdict on an instance or a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// Heard in time.
    Live,
    /// Its alert is pending.
    Late,
    /// Its alert fires.
    Silent,
    /// Its alert fires, and it was never heard.
    NeverSeen,
    /// It stopped on purpose.
    Stopped,
    /// lastbeat was blind and may have missed a sign of life.
    Unknown,
    /// Heard, but its rhythm is not known yet.
    Learning,
}

impl Verdict {
    /// All verdicts.
    pub const ALL: [Verdict; 7] = [
        Verdict::Live,
        Verdict::Late,
        Verdict::Silent,
        Verdict::NeverSeen,
        Verdict::Stopped,
        Verdict::Unknown,
        Verdict::Learning,
    ];

    /// The label's value.
    pub const fn label(self) -> &'static str {
        match self {
            Verdict::Live => "live",
            Verdict::Late => "late",
            Verdict::Silent => "silent",
            Verdict::NeverSeen => "never-seen",
            Verdict::Stopped => "stopped",
            Verdict::Unknown => "unknown",
            Verdict::Learning => "learning",
        }
    }
}
