//! Rules: what is watched, how long it may be silent, what is said when it is.
//!
//! Only `decode::rules_file` builds these from text; what stands here is checked already.

use super::entry::MarkerId;
use std::time::Duration;

/// The marker that every lastbeat looks for.
pub const DEFAULT_MARKER: &str = "HEARTBEAT";
/// `max_gap = "auto"` until a beat has declared its interval.
pub const AUTO_MAX_GAP: Duration = Duration::from_secs(300);
/// `max_gap = "auto"` is this many times the declared interval: two lost entries in a row are normal.
pub const AUTO_FACTOR: u32 = 3;
/// No rule may wait longer than this: beyond it a typing error is likelier than a wish.
pub const LONGEST_SPAN: Duration = Duration::from_secs(366 * 24 * 3600);
/// Distinct markers in one rule set: each is one more byte search per entry.
pub const MAX_MARKERS: usize = 16;

/// A whole rule set: all files of the folder, in the order of their names.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleSet {
    /// The stream's own rule; always there.
    pub stream: StreamRule,
    /// In order: of those that watch the same thing of a target the first that matches has it.
    pub rules: Vec<Rule>,
    /// The markers looked for; [`DEFAULT_MARKER`] is always the first.
    pub markers: Vec<String>,
}

impl Default for RuleSet {
    fn default() -> Self {
        RuleSet {
            stream: StreamRule::default(),
            rules: Vec::new(),
            markers: vec![DEFAULT_MARKER.to_owned()],
        }
    }
}

/// `[stream]`.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamRule {
    /// No entry from anyone for longer than this: the stream is stalled.
    pub max_gap: Duration,
    /// Entries arrive this far behind their own time: the stream lags.
    pub max_lag: Duration,
    /// How bad it is.
    pub severity: Severity,
    /// Told in place of the ordinary sentence.
    pub summary: Option<String>,
    /// Where to read what to do.
    pub runbook: Option<String>,
}

impl Default for StreamRule {
    fn default() -> Self {
        StreamRule {
            max_gap: Duration::from_secs(60),
            max_lag: Duration::from_secs(120),
            severity: Severity::Critical,
            summary: None,
            runbook: None,
        }
    }
}

/// One `[[rule]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Unique in the set.
    pub name: String,
    /// What counts as a sign of life.
    pub watch: Watch,
    /// Which apps; empty is every one.
    pub app: Globs,
    /// Which regions; empty is every one.
    pub region: Globs,
    /// What the rule's targets are.
    pub by: By,
    /// How long a target may be silent.
    pub max_gap: MaxGap,
    /// How long an alert stays pending before it fires; in listened time, after `max_gap`.
    pub hold: Duration,
    /// Beats in a row, none later than `max_gap` after the one before, that end an alert; at least 1.
    pub recover: u32,
    /// How bad it is.
    pub severity: Severity,
    /// Told in place of the ordinary sentence; `{app}`, `{region}`, `{instance}`, `{since}` are filled in.
    pub summary: Option<String>,
    /// Where to read what to do.
    pub runbook: Option<String>,
}

/// What counts as a sign of life.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Watch {
    /// A beat.
    Heartbeat {
        /// The marker it carries.
        marker: MarkerId,
        /// Its `name=`; `None`: each name is a target of its own, the unnamed one among them.
        beat: Option<String>,
    },
    /// Any entry of provider `app`.
    Logs,
}

/// What a rule's targets are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum By {
    /// Each instance by itself.
    #[default]
    Instance,
}

/// How long a target may be silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxGap {
    /// This long.
    Fixed(Duration),
    /// [`AUTO_FACTOR`] times the interval that the beat declares; [`AUTO_MAX_GAP`] until it does.
    Auto,
}

impl MaxGap {
    /// The span for a beat that declares `every`.
    pub fn span(self, every: Option<Duration>) -> Duration {
        match (self, every) {
            (MaxGap::Fixed(span), _) => span,
            (MaxGap::Auto, Some(every)) => every.saturating_mul(AUTO_FACTOR),
            (MaxGap::Auto, None) => AUTO_MAX_GAP,
        }
    }
}

/// How bad it is; the worst first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Wake somebody.
    Critical,
    /// The ordinary one.
    #[default]
    Error,
    /// Look in the morning.
    Warning,
    /// For the record.
    Info,
}

impl Severity {
    /// Every one, the worst first.
    pub const ALL: [Severity; 4] = [
        Severity::Critical,
        Severity::Error,
        Severity::Warning,
        Severity::Info,
    ];

    /// As it stands in rule files and labels.
    pub const fn label(self) -> &'static str {
        match self {
            Severity::Critical => "critical",
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "info",
        }
    }
}

/// One or more globs; none matches all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Globs(pub Vec<String>);

impl Globs {
    /// Whether `name` matches any of them; without any, everything does.
    pub fn matches(&self, name: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|glob| fast_glob::glob_match(glob, name))
    }
}
