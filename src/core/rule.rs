//! Rules: targets, thresholds and notifications.
//!
//! Only `decode::rules_file` makes these from text; everything in them is valid.

pub use crate::core::archive_rule::{ArchiveRule, DropRule, Keep};
use crate::core::downstream::rule::DownstreamRule;
use crate::core::entry::MarkerId;
pub use crate::core::globs::Globs;
pub use crate::core::severity::Severity;
use crate::core::sink_rule::SinkRule;
use std::collections::BTreeMap;
use std::time::Duration;

/// The default marker of beats.
pub const DEFAULT_MARKER: &str = "HEARTBEAT";
/// Least value of the stream's `max_gap = "auto"`.
pub const STREAM_MAX_GAP: Duration = Duration::from_secs(60);
/// Value of `max_gap = "auto"` until an interval is declared or learned.
pub const AUTO_LEARNING: Duration = Duration::from_secs(3600);
/// `max_gap = "auto"` is this many times the declared interval, or more: two lost entries in a row are normal.
pub const AUTO_FACTOR: u32 = 3;
/// From this interval on a single lost beat may be an alert under "auto": nobody waits for three days for a daily job.
pub const LONG_INTERVAL: Duration = Duration::from_secs(3600);
/// The least slack for lateness that "auto" adds; of a long interval a tenth of it.
pub const AUTO_SLACK: Duration = Duration::from_secs(1);
/// Least value of "auto" with a learned interval: nobody asked for an alert within seconds.
pub const AUTO_FLOOR: Duration = Duration::from_secs(30);
/// Longest duration in a rule: a longer one is probably a typing error.
pub const LONGEST_SPAN: Duration = Duration::from_secs(366 * 24 * 3600);
/// Time for which the first alert of an incident waits for others of the same cause, unless its rule sets another.
pub const GROUP_WAIT: Duration = Duration::from_secs(1);
/// Listened time without a sign of life after which a target is forgotten, unless a rule sets another.
pub const FORGET_AFTER: Duration = Duration::from_secs(24 * 3600);
/// Limit on distinct markers in one rule set: each is one more byte search per entry.
pub const MAX_MARKERS: usize = 16;

/// A whole rule set: all files of the folder, in the order of their names.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleSet {
    /// The stream's own rule; always there.
    pub stream: StreamRule,
    /// In order: of the rules that watch the same thing of a target, the first match applies.
    pub rules: Vec<Rule>,
    /// The markers of all rules; the first is always [`DEFAULT_MARKER`].
    pub markers: Vec<String>,
    /// `[[silence]]`, in order.
    pub silences: Vec<ScheduledSilence>,
    /// `[notify.NAME]`, by name.
    pub notifiers: Vec<NotifierRule>,
    /// `[[downstream]]`, in order.
    pub downstreams: Vec<DownstreamRule>,
    /// `[sink.NAME]`, by name.
    pub sinks: Vec<SinkRule>,
    /// `[archive]`.
    pub archive: ArchiveRule,
}

impl Default for RuleSet {
    fn default() -> Self {
        RuleSet {
            stream: StreamRule::default(),
            rules: Vec::new(),
            markers: vec![DEFAULT_MARKER.to_owned()],
            silences: Vec::new(),
            notifiers: Vec::new(),
            downstreams: Vec::new(),
            sinks: Vec::new(),
            archive: ArchiveRule::default(),
        }
    }
}

/// `[stream]`.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamRule {
    /// Longest time without any entry; after it the stream is stalled.
    pub max_gap: MaxGap,
    /// Longest lag of entries; beyond it the stream lags.
    pub max_lag: Duration,
    /// Severity of its incidents.
    pub severity: Severity,
    /// Replaces the ordinary sentence of a notification.
    pub summary: Option<String>,
    /// Page that says what to do.
    pub runbook: Option<String>,
    /// Names of notifiers; `None`: all of them.
    pub notify: Option<Vec<String>>,
    /// Interval of reminders of an open incident of the stream; `None`: no reminders.
    pub remind: Option<Duration>,
    /// Hours in which it notifies; `None`: always.
    pub active: Option<String>,
    /// On every notification.
    pub labels: BTreeMap<String, String>,
}

impl Default for StreamRule {
    fn default() -> Self {
        StreamRule {
            max_gap: MaxGap::Auto,
            max_lag: Duration::from_secs(120),
            severity: Severity::Critical,
            summary: None,
            runbook: None,
            notify: None,
            remind: None,
            active: None,
            labels: BTreeMap::new(),
        }
    }
}

/// One `[[rule]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Unique in the set.
    pub name: String,
    /// The watched sign of life.
    pub watch: Watch,
    /// Apps that it matches; empty for all.
    pub app: Globs,
    /// Regions that it matches; empty for all.
    pub region: Globs,
    /// Physical hosts that it matches; empty for all. Only for beats, as only these name their host.
    pub host: Globs,
    /// Kind of its targets.
    pub by: By,
    /// Longest allowed silence of a target.
    pub max_gap: MaxGap,
    /// Fewest entries in `max_gap` of listened time, 1 or more; `None`: one sign of life is enough. Only for logs by
    /// instance.
    pub min_rate: Option<u32>,
    /// Most false alarms that lost beats may make, of all targets of the rule together.
    pub false_alarms: FalseAlarms,
    /// Time for which an alert stays pending before it fires; in listened time, after `max_gap`.
    pub hold: Duration,
    /// Beats in a row, each within `max_gap` of its predecessor, that end an alert; at least 1.
    pub recover: u32,
    /// Severity of its alerts.
    pub severity: Severity,
    /// Replaces the ordinary sentence of a notification; placeholders such as `{app}` are filled in by
    /// `format::fill_template`.
    pub summary: Option<String>,
    /// Page that says what to do.
    pub runbook: Option<String>,
    /// Targets that are expected from the start: regions if the rule is by region or app-region, apps if it is by app;
    /// empty if it is by instance.
    pub expect: Vec<String>,
    /// Live instances below which a target is silent; `None`: one of those that have not stopped.
    pub at_least: Option<u32>,
    /// Interval of reminders of an open incident; `None`: no reminders.
    pub remind: Option<Duration>,
    /// Names of the notifiers; `None`: all of them.
    pub notify: Option<Vec<String>>,
    /// Time for which the first alert of an incident waits for others of the same cause.
    pub group_wait: Duration,
    /// Listened time without a sign of life after which a target is forgotten.
    pub forget_after: Duration,
    /// True if a crash that the platform reports fires at once.
    pub on_crash: bool,
    /// True if a machine that is silent alone is restarted through the platform.
    pub restart_silent: bool,
    /// Hours in which it notifies, such as `Mon-Fri 08:00-18:00 Europe/Berlin`; `None`: always.
    pub active: Option<String>,
    /// On every notification.
    pub labels: BTreeMap<String, String>,
}

/// `[[silence]]`: a recurring time without notifications about what matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduledSilence {
    /// The targets that it concerns.
    pub matchers: Matchers,
    /// Start: a cron expression of five fields.
    pub schedule: String,
    /// Time zone of the schedule: an IANA name.
    pub timezone: String,
    /// Length of each occurrence.
    pub duration: Duration,
    /// Reason, for people.
    pub reason: String,
}

/// Matchers of targets; an empty one matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matchers {
    /// Apps.
    pub app: Globs,
    /// Regions.
    pub region: Globs,
    /// Instances.
    pub instance: Globs,
    /// Physical hosts.
    pub host: Globs,
    /// Rules, by name; `stream` is the stream's own.
    pub rule: Globs,
    /// Severities of rules; empty is every one.
    pub severity: Vec<Severity>,
    /// Labels of rules, by name; a label that is not there is the empty text.
    pub labels: BTreeMap<String, Globs>,
    /// Notifiers that are silenced; empty is every one.
    pub notifier: Globs,
}

/// `[notify.NAME]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotifierRule {
    /// Its name.
    pub name: String,
    /// Its kind and settings.
    pub kind: NotifierKind,
    /// The severities that reach it; empty is every one.
    pub severity: Vec<Severity>,
}

/// Kind and settings of a notifier.
#[derive(Clone, PartialEq, Eq)]
pub enum NotifierKind {
    /// Sentry.
    Sentry {
        /// The DSN; `None`: that of `SENTRY_DSN`.
        dsn: Option<String>,
        /// API by which its issues are resolved; `None`: they are not.
        resolve: Option<SentryApi>,
    },
    /// A request to a URL.
    Webhook {
        /// The URL; may hold secrets.
        url: String,
        /// Key that signs the body; `None`: it is not signed.
        secret: Option<String>,
        /// Time limit of an attempt.
        timeout: Duration,
        /// Format of the body.
        format: BodyFormat,
        /// PagerDuty's key; `None` with every other format.
        routing_key: Option<String>,
        /// Telegram's chat; `None` with every other format.
        chat_id: Option<String>,
    },
    /// E-mail.
    Email {
        /// The mail server's URL; may hold a password.
        url: String,
        /// The sender.
        from: String,
        /// The receivers.
        to: Vec<String>,
        /// Time limit of an attempt.
        timeout: Duration,
    },
    /// Alertmanagers of one cluster.
    Alertmanager {
        /// Their URLs; may hold secrets.
        urls: Vec<String>,
    },
}

/// Sentry's API, by which issues are resolved.
#[derive(Clone, PartialEq, Eq)]
pub struct SentryApi {
    /// Its URL; `None`: it follows from the DSN.
    pub url: Option<String>,
    /// The organisation's slug.
    pub organization: String,
    /// The token, a secret.
    pub token: String,
}

/// Format of a webhook's body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyFormat {
    /// lastbeat's own JSON.
    #[default]
    Json,
    /// A message of Slack's incoming webhooks.
    Slack,
    /// A message of Discord's webhooks.
    Discord,
    /// An event of PagerDuty's Events API v2.
    PagerDuty,
    /// Plain text.
    Text,
    /// A message of ntfy.
    Ntfy,
    /// A message of a Telegram bot.
    Telegram,
    /// An adaptive card for a workflow of Microsoft Teams.
    Teams,
}

impl BodyFormat {
    /// All formats.
    pub const ALL: [BodyFormat; 8] = [
        BodyFormat::Json,
        BodyFormat::Slack,
        BodyFormat::Discord,
        BodyFormat::PagerDuty,
        BodyFormat::Text,
        BodyFormat::Ntfy,
        BodyFormat::Telegram,
        BodyFormat::Teams,
    ];

    /// The word in rule files.
    pub const fn label(self) -> &'static str {
        match self {
            BodyFormat::Json => "json",
            BodyFormat::Slack => "slack",
            BodyFormat::Discord => "discord",
            BodyFormat::PagerDuty => "pagerduty",
            BodyFormat::Text => "text",
            BodyFormat::Ntfy => "ntfy",
            BodyFormat::Telegram => "telegram",
            BodyFormat::Teams => "teams",
        }
    }
}

impl NotifierKind {
    /// Its secrets, which no text may show.
    pub fn secrets(&self) -> Vec<String> {
        let all = match self {
            NotifierKind::Sentry { dsn, resolve } => {
                let token = resolve.as_ref().map(|api| api.token.clone());
                vec![dsn.clone(), token]
            }
            NotifierKind::Webhook {
                url,
                secret,
                routing_key,
                chat_id,
                ..
            } => vec![
                Some(url.clone()),
                secret.clone(),
                routing_key.clone(),
                chat_id.clone(),
            ],
            NotifierKind::Email { url, .. } => vec![Some(url.clone())],
            NotifierKind::Alertmanager { urls } => urls.iter().cloned().map(Some).collect(),
        };
        all.into_iter().flatten().collect()
    }
}

impl std::fmt::Debug for NotifierKind {
    /// Without its secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            NotifierKind::Sentry { .. } => "Sentry",
            NotifierKind::Webhook { .. } => "Webhook",
            NotifierKind::Email { .. } => "Email",
            NotifierKind::Alertmanager { .. } => "Alertmanager",
        })
    }
}

impl std::fmt::Debug for SentryApi {
    /// Without its secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SentryApi")
    }
}

/// The watched sign of life.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Watch {
    /// A beat.
    Heartbeat {
        /// The marker it carries.
        marker: MarkerId,
        /// Its `name=`; `None`: each name is a target of its own, as is the beat without a name.
        beat: Option<String>,
    },
    /// Any entry of provider `app`.
    Logs,
}

/// Kind of a rule's targets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum By {
    /// Each instance.
    #[default]
    Instance,
    /// An app in a region.
    AppRegion,
    /// An app.
    App,
    /// A region.
    Region,
}

impl By {
    /// All kinds.
    pub const ALL: [By; 4] = [By::Instance, By::AppRegion, By::App, By::Region];

    /// The word in rule files.
    pub const fn label(self) -> &'static str {
        match self {
            By::Instance => "instance",
            By::AppRegion => "app-region",
            By::App => "app",
            By::Region => "region",
        }
    }
}

/// Longest allowed silence of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxGap {
    /// A fixed duration.
    Fixed(Duration),
    /// The duration that [`MaxGap::auto`] derives from the declared or learned interval.
    Auto,
}

impl MaxGap {
    /// The span for a beat that declares `every`, and of which nothing is learned yet; `factor`: under "auto".
    pub fn span(self, factor: u32, every: Option<Duration>) -> Duration {
        match self {
            MaxGap::Fixed(span) => span,
            MaxGap::Auto => MaxGap::auto_of(factor, every, None),
        }
    }

    /// As [`Self::auto_of`], with the usual factor.
    #[inline]
    pub fn auto(every: Option<Duration>, usual: Option<Duration>) -> Duration {
        MaxGap::auto_of(AUTO_FACTOR, every, usual)
    }

    /// The length of "auto": `factor` times the declared interval, else as many times the longest of the usual ones, but never
    /// below a floor; with slack for lateness, so that as many beats must be lost. Else [`AUTO_LEARNING`].
    #[inline]
    pub fn auto_of(factor: u32, every: Option<Duration>, usual: Option<Duration>) -> Duration {
        match (every, usual) {
            (Some(every), usual) => {
                let factor = factor.max(least_factor(every));
                every.saturating_mul(factor) + auto_slack(every, usual)
            }
            (None, Some(usual)) => usual.saturating_mul(factor).max(AUTO_FLOOR) + AUTO_SLACK,
            (None, None) => AUTO_LEARNING,
        }
    }
}

/// The slack that "auto" adds for the usual lateness of a target that declares its interval.
#[inline]
pub fn auto_slack(every: Duration, usual: Option<Duration>) -> Duration {
    let late = usual.unwrap_or_default().saturating_sub(every);
    let least = if every < LONG_INTERVAL {
        AUTO_SLACK
    } else {
        every / 10
    };
    late.max(least).min(every / 2)
}

/// The fewest lost beats that may be an alert under "auto".
#[inline]
pub fn least_factor(every: Duration) -> u32 {
    if every < LONG_INTERVAL {
        AUTO_FACTOR
    } else {
        1
    }
}

/// A budget of false alarms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FalseAlarms {
    /// So many at most, 1 or more.
    pub count: u32,
    /// In this time.
    pub per: Duration,
}

impl Default for FalseAlarms {
    /// One in 30 days.
    fn default() -> Self {
        FalseAlarms {
            count: 1,
            per: Duration::from_secs(30 * 24 * 3600),
        }
    }
}
