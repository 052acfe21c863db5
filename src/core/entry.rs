//! What the stream says, as values: the subject's parts, who speaks, beats.

use crate::core::time::Wall;
use std::time::Duration;

/// The parts of `logs.<app>.<region>.<instance>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject<'a> {
    /// The whole subject; it is the key by which an instance is found.
    pub raw: &'a str,
    /// Second token.
    pub app: &'a str,
    /// Third token.
    pub region: &'a str,
    /// Fourth token: the machine.
    pub instance: &'a str,
}

/// Who wrote an entry (`event.provider`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// The app's own output, and what init and the kernel of its machine say.
    App,
    /// The platform's machine runner.
    Runner,
    /// The platform's proxy.
    Proxy,
    /// The platform's health checker.
    Health,
    /// Empty, missing or unknown: taken for an app's, as streams off Fly have none.
    Unknown,
}

impl Provider {
    /// Whether an entry of this provider may be an app's own words. The platform's may not.
    pub const fn is_app(self) -> bool {
        matches!(self, Provider::App | Provider::Unknown)
    }
}

/// What the platform says of a machine's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifecycle {
    /// The proxy stops it, since it idles.
    Autostop,
    /// The proxy suspends it, since it idles.
    Autosuspend,
    /// It ended by itself, in order, and is not restarted.
    Done,
    /// It ended by itself with an exit code other than 0, and is not restarted.
    Failed,
    /// It ended by itself, and its restart policy does not restart it: a job that is done, where no crash was reported.
    NotRestarted,
    /// It is started, or woken.
    Started,
    /// Its memory did not suffice.
    OutOfMemory,
    /// It was restarted too often, and is not any more.
    GaveUp,
}

/// Which of the markers that the rules look for; an index into [`crate::core::rule::RuleSet::markers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MarkerId(pub u16);

/// One heartbeat line, decoded. Borrowed from the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BeatLine<'a> {
    /// Which marker it carries.
    pub marker: MarkerId,
    /// The line from the marker on, without colours; for display.
    pub text: &'a str,
    /// `name=`: a separate beat of the same instance; empty for the plain one.
    pub name: &'a str,
    /// `every=`: the interval that the beat declares.
    pub every: Option<Duration>,
    /// `seq=`: counts up by one.
    pub seq: Option<u64>,
    /// `bye`: it stops on purpose.
    pub bye: bool,
    /// The physical host (`host`), empty where the entry has none.
    pub host: &'a str,
    /// The entry's own time; `None` where it has none that can be read.
    pub entry_time: Option<Wall>,
}

/// Why something that arrived was rejected, whole or in part. Each is a value of the label `reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reject {
    /// The subject has fewer than four tokens.
    SubjectShort,
    /// The subject has more than four tokens.
    SubjectLong,
    /// A token of the subject is empty, or longer than any platform's names are.
    SubjectToken,
    /// The subject is not text.
    SubjectText,
    /// The first token is not `logs`.
    SubjectPrefix,
    /// The payload carries a marker or may be a lifecycle line, and is broken JSON.
    PayloadJson,
    /// `every=` of a beat is no duration; the beat counts.
    BeatEvery,
    /// `seq=` of a beat is no number; the beat counts.
    BeatSeq,
    /// `name=` of a beat is empty or too long; the beat counts as unnamed.
    BeatName,
    /// More instances, apps, regions, hosts or beats than the limits allow.
    Limit,
}

impl Reject {
    /// Every reason, in the order of their numbers.
    pub const ALL: [Reject; 10] = [
        Reject::SubjectShort,
        Reject::SubjectLong,
        Reject::SubjectToken,
        Reject::SubjectText,
        Reject::SubjectPrefix,
        Reject::PayloadJson,
        Reject::BeatEvery,
        Reject::BeatSeq,
        Reject::BeatName,
        Reject::Limit,
    ];

    /// The label's value.
    pub const fn label(self) -> &'static str {
        match self {
            Reject::SubjectShort => "subject_short",
            Reject::SubjectLong => "subject_long",
            Reject::SubjectToken => "subject_token",
            Reject::SubjectText => "subject_text",
            Reject::SubjectPrefix => "subject_prefix",
            Reject::PayloadJson => "payload_json",
            Reject::BeatEvery => "beat_every",
            Reject::BeatSeq => "beat_seq",
            Reject::BeatName => "beat_name",
            Reject::Limit => "limit",
        }
    }
}
