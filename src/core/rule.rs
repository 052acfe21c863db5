//! Rules: what is watched, how long it may be silent, what is said when it is.
//!
//! Only `decode::rules_file` builds these from text; what stands here is checked already.

use crate::core::entry::MarkerId;
use std::collections::BTreeMap;
use std::time::Duration;

/// The marker that every lastbeat looks for.
pub const DEFAULT_MARKER: &str = "HEARTBEAT";
/// The stream's `max_gap = "auto"` is at least this.
pub const STREAM_MAX_GAP: Duration = Duration::from_secs(60);
/// `max_gap = "auto"` until an interval is declared or learned.
pub const AUTO_LEARNING: Duration = Duration::from_secs(3600);
/// `max_gap = "auto"` is this many times the declared interval: two lost entries in a row are normal.
pub const AUTO_FACTOR: u32 = 3;
/// The least slack for lateness that "auto" adds.
pub const AUTO_SLACK: Duration = Duration::from_secs(1);
/// What is learned is never taken for less: nobody asked for an alert within seconds.
pub const AUTO_FLOOR: Duration = Duration::from_secs(30);
/// No rule may wait longer than this: beyond it a typing error is likelier than a wish.
pub const LONGEST_SPAN: Duration = Duration::from_secs(366 * 24 * 3600);
/// How long the first alert of an incident waits for others of the same cause, where its rule does not say.
pub const GROUP_WAIT: Duration = Duration::from_secs(1);
/// After how much listening without a word somebody is forgotten, where no rule says.
pub const FORGET_AFTER: Duration = Duration::from_secs(24 * 3600);
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
    /// `[[silence]]`, in order.
    pub silences: Vec<ScheduledSilence>,
    /// `[notify.NAME]`, by name.
    pub notifiers: Vec<NotifierRule>,
}

impl Default for RuleSet {
    fn default() -> Self {
        RuleSet {
            stream: StreamRule::default(),
            rules: Vec::new(),
            markers: vec![DEFAULT_MARKER.to_owned()],
            silences: Vec::new(),
            notifiers: Vec::new(),
        }
    }
}

/// `[stream]`.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamRule {
    /// No entry from anyone for longer than this: the stream is stalled.
    pub max_gap: MaxGap,
    /// Entries arrive this far behind their own time: the stream lags.
    pub max_lag: Duration,
    /// How bad it is.
    pub severity: Severity,
    /// Told in place of the ordinary sentence.
    pub summary: Option<String>,
    /// Where to read what to do.
    pub runbook: Option<String>,
    /// Names of notifiers; `None`: all of them.
    pub notify: Option<Vec<String>>,
    /// How often an open incident of the stream is notified of again; `None`: never.
    pub remind: Option<Duration>,
    /// The hours in which it is notified of; `None`: always.
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
    /// What counts as a sign of life.
    pub watch: Watch,
    /// Which apps; empty is every one.
    pub app: Globs,
    /// Which regions; empty is every one.
    pub region: Globs,
    /// Which physical hosts; empty is every one. Only for beats, which alone tell their host.
    pub host: Globs,
    /// What the rule's targets are.
    pub by: By,
    /// How long a target may be silent.
    pub max_gap: MaxGap,
    /// Fewest entries in `max_gap` of listened time, 1 or more; `None`: one sign of life is enough. Only for logs by
    /// instance.
    pub min_rate: Option<u32>,
    /// Most false alarms that lost beats may make, of all targets of the rule together.
    pub false_alarms: FalseAlarms,
    /// How long an alert stays pending before it fires; in listened time, after `max_gap`.
    pub hold: Duration,
    /// Beats in a row, none later than `max_gap` after the one before, that end an alert; at least 1.
    pub recover: u32,
    /// How bad it is.
    pub severity: Severity,
    /// Told in place of the ordinary sentence; braces such as `{app}` are filled in as `format::fill_template` says.
    pub summary: Option<String>,
    /// Where to read what to do.
    pub runbook: Option<String>,
    /// Targets that are to be there from the start: regions where the rule is by region or app-region, apps where
    /// it is by app. Nobody's, where it is by instance.
    pub expect: Vec<String>,
    /// Live instances in each target below which it is silent; `None`: one of those that have not stopped.
    pub at_least: Option<u32>,
    /// How often an open incident is told again; `None`: never.
    pub remind: Option<Duration>,
    /// Names of notifiers that are told; `None`: all of them.
    pub notify: Option<Vec<String>>,
    /// How long the first alert of an incident waits for others of the same cause.
    pub group_wait: Duration,
    /// What is unheard for this long, in listened time, is forgotten.
    pub forget_after: Duration,
    /// Whether a crash that the platform tells of fires at once.
    pub on_crash: bool,
    /// Whether a machine that is silent alone is restarted by the platform.
    pub restart_silent: bool,
    /// The hours in which it is notified of, as in `Mon-Fri 08:00-18:00 Europe/Berlin`; `None`: always.
    pub active: Option<String>,
    /// On every notification.
    pub labels: BTreeMap<String, String>,
}

/// `[[silence]]`: a time in which what matches is told to nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduledSilence {
    /// Whom it concerns.
    pub matchers: Matchers,
    /// When it begins: a cron expression of five fields.
    pub schedule: String,
    /// In which time zone: an IANA name.
    pub timezone: String,
    /// How long it lasts.
    pub duration: Duration,
    /// Why.
    pub reason: String,
}

/// Whom something concerns; what is left out concerns everyone.
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
    /// What it is.
    pub kind: NotifierKind,
    /// The severities that reach it; empty is every one.
    pub severity: Vec<Severity>,
}

/// What a notifier is.
#[derive(Clone, PartialEq, Eq)]
pub enum NotifierKind {
    /// Sentry.
    Sentry {
        /// The DSN; `None`: that of `SENTRY_DSN`.
        dsn: Option<String>,
        /// How its issues are resolved; `None`: they are not.
        resolve: Option<SentryApi>,
    },
    /// A request to an address.
    Webhook {
        /// The address; may hold secrets.
        url: String,
        /// Signs the body; `None`: it is not signed.
        secret: Option<String>,
        /// A try that takes longer is over.
        timeout: Duration,
        /// What the body looks like.
        format: BodyFormat,
        /// PagerDuty's key; `None` with every other format.
        routing_key: Option<String>,
    },
    /// Alertmanagers that know each other.
    Alertmanager {
        /// Their addresses; may hold secrets.
        urls: Vec<String>,
    },
}

/// Sentry's API, by which issues are resolved.
#[derive(Clone, PartialEq, Eq)]
pub struct SentryApi {
    /// Where it is; `None`: it follows from the DSN.
    pub url: Option<String>,
    /// The organisation's slug.
    pub organization: String,
    /// The token, a secret.
    pub token: String,
}

/// What a webhook's body looks like.
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
}

impl BodyFormat {
    /// Every one.
    pub const ALL: [BodyFormat; 5] = [
        BodyFormat::Json,
        BodyFormat::Slack,
        BodyFormat::Discord,
        BodyFormat::PagerDuty,
        BodyFormat::Text,
    ];

    /// As it stands in rule files.
    pub const fn label(self) -> &'static str {
        match self {
            BodyFormat::Json => "json",
            BodyFormat::Slack => "slack",
            BodyFormat::Discord => "discord",
            BodyFormat::PagerDuty => "pagerduty",
            BodyFormat::Text => "text",
        }
    }
}

impl NotifierKind {
    /// What of it is secret, to be kept out of every text.
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
                ..
            } => vec![Some(url.clone()), secret.clone(), routing_key.clone()],
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
    /// An app in a region.
    AppRegion,
    /// An app.
    App,
    /// A region.
    Region,
}

impl By {
    /// Every one.
    pub const ALL: [By; 4] = [By::Instance, By::AppRegion, By::App, By::Region];

    /// As it stands in rule files.
    pub const fn label(self) -> &'static str {
        match self {
            By::Instance => "instance",
            By::AppRegion => "app-region",
            By::App => "app",
            By::Region => "region",
        }
    }
}

/// How long a target may be silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxGap {
    /// This long.
    Fixed(Duration),
    /// What [`MaxGap::auto`] makes of the interval that is declared or learned.
    Auto,
}

impl MaxGap {
    /// The span for a beat that declares `every`, and of which nothing is learned yet.
    pub fn span(self, every: Option<Duration>) -> Duration {
        match self {
            MaxGap::Fixed(span) => span,
            MaxGap::Auto => MaxGap::auto(every, None),
        }
    }

    /// What "auto" is: three times the declared interval, else three times the longest of the usual ones, but never below
    /// a floor; with slack for lateness, so that three beats must be lost. Else [`AUTO_LEARNING`].
    #[inline]
    pub fn auto(every: Option<Duration>, usual: Option<Duration>) -> Duration {
        match (every, usual) {
            (Some(every), usual) => {
                let late = usual.unwrap_or_default().saturating_sub(every);
                every.saturating_mul(AUTO_FACTOR) + late.max(AUTO_SLACK).min(every / 2)
            }
            (None, Some(usual)) => usual.saturating_mul(AUTO_FACTOR).max(AUTO_FLOOR) + AUTO_SLACK,
            (None, None) => AUTO_LEARNING,
        }
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

/// Globs, some of which begin with `!` and take out what they match; none matches all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Globs(pub Vec<String>);

impl Globs {
    /// Whether any of them matches `name`, and none with `!` does, in whatever order they stand. Without any that takes
    /// in, everything is in.
    pub fn matches(&self, name: &str) -> bool {
        let (mut takes_in, mut is_in) = (false, false);
        for glob in &self.0 {
            match glob.strip_prefix('!') {
                Some(out) if fast_glob::glob_match(out, name) => return false,
                Some(_) => {}
                None => {
                    takes_in = true;
                    is_in = is_in || fast_glob::glob_match(glob, name);
                }
            }
        }
        is_in || !takes_in
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_with_a_mark_take_out_wherever_they_stand() {
        let matching = |globs: &[&str]| {
            let globs = Globs(globs.iter().map(|glob| (*glob).to_owned()).collect());
            let names = ["web-1", "web-staging", "api"].into_iter();
            names.filter(|name| globs.matches(name)).collect::<Vec<_>>()
        };
        assert_eq!(matching(&[]), ["web-1", "web-staging", "api"]);
        assert_eq!(matching(&["web-*", "!web-staging"]), ["web-1"]);
        assert_eq!(matching(&["!web-staging", "web-*"]), ["web-1"]);
        assert_eq!(matching(&["*", "!web-*"]), ["api"]);
        assert_eq!(matching(&["!web-*"]), ["api"]);
        assert_eq!(matching(&["!web-*", "!api"]), [""; 0]);
        assert_eq!(matching(&["web-staging", "!web-*"]), [""; 0]);
    }
}
