//! What the core shows to readers: metrics, page and API read this copy and never the state itself.

pub mod copy;
pub mod detail;
pub mod outages;
pub mod rows;

use crate::core::listening::Blind;
use crate::core::notice::{Notice, Scope};
use crate::core::rule::Severity;
use crate::core::time::{Now, Wall};
use std::sync::Arc;
use std::time::Duration;

/// A copy of everything that readers see, taken at one moment between two batches of entries.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// When it was taken.
    pub now: Now,
    /// Wall clock of the stream's last arrival; `None` before the first.
    pub stream_seen: Option<Wall>,
    /// Whether the stream's alert fires.
    pub stalled: bool,
    /// Why nothing is seen at the moment; `None` where entries arrive, as far as is known.
    pub blind_now: Option<Blind>,
    /// How far the stream's entries arrive behind their own time; zero where that is not known.
    pub lag: Duration,
    /// How long the last canary was under way; `None` where none flies or none came back. Whoever flies it says so.
    pub canary: Option<Duration>,
    /// Time listened.
    pub listened: Duration,
    /// Time blind, by reason, the current interval included.
    pub blind: Vec<(Blind, Duration)>,
    /// The last blind intervals on the wall clock, from, to, why, the newest first.
    pub blind_intervals: Vec<(Wall, Wall, Blind)>,
    /// Incidents that are open, the newest first, the first hundred; each as it was told when it opened.
    pub open: Vec<Notice>,
    /// Rejected, by reason.
    pub rejected: Vec<(&'static str, u64)>,
    /// Each app.
    pub apps: Vec<AppRow>,
    /// Each region: name, wall clock of its last entry.
    pub regions: Vec<(Arc<str>, Wall)>,
    /// Instances by app, region and verdict.
    pub verdicts: Vec<VerdictRow>,
    /// Alerts by rule and state.
    pub alerts: Vec<AlertRow>,
    /// Open incidents by scope.
    pub incidents: Vec<(Scope, u64)>,
    /// Instances, the first `max_series` of them.
    pub instances: Vec<InstanceRow>,
    /// Beats, the first `max_series` of them.
    pub beats: Vec<BeatRow>,
    /// Rows left out of `instances` and `beats`.
    pub suppressed: u64,
    /// Rules in force, without the stream's.
    pub rules: u64,
}

/// An app's sums.
#[derive(Clone, Debug)]
pub struct AppRow {
    /// Its name.
    pub name: Arc<str>,
    /// Wall clock of its last entry.
    pub seen: Wall,
    /// Entries that arrived.
    pub entries: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// Beats.
    pub beats: u64,
    /// Holes in `seq=`.
    pub lost: u64,
}

/// How many instances of an app in a region have a verdict.
#[derive(Clone, Debug)]
pub struct VerdictRow {
    /// The app.
    pub app: Arc<str>,
    /// The region.
    pub region: Arc<str>,
    /// The verdict.
    pub verdict: Verdict,
    /// How many.
    pub count: u64,
}

/// How many alerts of a rule are in a state.
#[derive(Clone, Debug)]
pub struct AlertRow {
    /// The rule's name; `stream` for the stream's own.
    pub rule: Arc<str>,
    /// The rule's severity.
    pub severity: Severity,
    /// `ok`, `pending` or `firing`.
    pub state: &'static str,
    /// How many.
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
    /// What is thought of it: as of the worst that is watched of it.
    pub verdict: Verdict,
    /// Why it is thought so, with the source, in words; `None` where there is nothing to say.
    pub reason: Option<String>,
    /// Wall clock: since when that reason holds; `None` where that is not known.
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
    /// Wall clock at which it fires unless heard or blind before; `None` where no rule watches it, it is
    /// stopped, or it fires already.
    pub due: Option<Wall>,
    /// How long it may be silent, declared and learned intervals included; `None` where no rule watches it.
    pub max_gap: Option<Duration>,
    /// The rule that watches it, if any.
    pub rule: Option<Arc<str>>,
    /// The interval it declares; `None` where it declares none.
    pub every: Option<Duration>,
    /// The longest interval it usually keeps; `None` until some are known.
    pub usual: Option<Duration>,
    /// Its last text, at most [`MAX_TEXT`](crate::core::tracker::MAX_TEXT) bytes, as it was said.
    pub text: Box<str>,
    /// What is thought of it.
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

/// What is thought of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// Heard within its time.
    Live,
    /// Its alert is pending.
    Late,
    /// Its alert fires.
    Silent,
    /// Its alert fires, and it was never heard.
    NeverSeen,
    /// It stops on purpose.
    Stopped,
    /// A sign of life may have passed unseen, since lastbeat was blind.
    Unknown,
    /// Heard, and its rhythm is not known yet.
    Learning,
}

impl Verdict {
    /// Every one.
    pub const ALL: [Verdict; 7] = [
        Verdict::Live,
        Verdict::Late,
        Verdict::Silent,
        Verdict::NeverSeen,
        Verdict::Stopped,
        Verdict::Unknown,
        Verdict::Learning,
    ];

    /// As it stands in labels.
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
