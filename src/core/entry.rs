//! Contents of the stream as values: subjects, providers, beats.

use crate::core::time::Wall;
use std::time::Duration;

/// The parts of `logs.<app>.<region>.<instance>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject<'a> {
    /// The whole subject: the key of an instance.
    pub raw: &'a str,
    /// Second token.
    pub app: &'a str,
    /// Third token.
    pub region: &'a str,
    /// Fourth token: the machine.
    pub instance: &'a str,
}

/// Source of an entry (`event.provider`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// The app's own output, and that of init and the kernel of its machine.
    App,
    /// The platform's machine runner.
    Runner,
    /// The platform's proxy.
    Proxy,
    /// The platform's health checker.
    Health,
    /// Empty, missing or unknown: treated as an app's, since streams outside Fly have no provider.
    Unknown,
}

impl Provider {
    /// True if an entry of this provider may be the app's own output; the platform's never is.
    pub const fn is_app(self) -> bool {
        matches!(self, Provider::App | Provider::Unknown)
    }
}

/// A platform's report about the life of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifecycle {
    /// The proxy stops it because it is idle.
    Autostop,
    /// The proxy suspends it because it is idle.
    Autosuspend,
    /// It exited normally and is not restarted.
    Done,
    /// It exited with a code other than 0 and is not restarted.
    Failed,
    /// It exited, and its restart policy does not restart it: a finished job, unless a crash was reported.
    NotRestarted,
    /// It is started or resumed.
    Started,
    /// Its image or settings are replaced. One that runs is started anew for that; one that is stopped stays so.
    Updated,
    /// It ran out of memory.
    OutOfMemory,
    /// It reached its restart limit and is not restarted any more.
    GaveUp,
}

/// Index of a marker that the rules use, in [`crate::core::rule::RuleSet::markers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MarkerId(pub u16);

/// One heartbeat line, decoded. Borrowed from the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BeatLine<'a> {
    /// Marker of the beat.
    pub marker: MarkerId,
    /// The line from the marker on, without colour codes; for display.
    pub text: &'a str,
    /// `name=`: a separate beat of the same instance; empty for the plain beat.
    pub name: &'a str,
    /// `every=`: the interval that the beat declares.
    pub every: Option<Duration>,
    /// `seq=`: a number that counts up by one.
    pub seq: Option<u64>,
    /// `bye`: the sender stops on purpose.
    pub bye: bool,
    /// The physical host (`host`); empty if the entry has none.
    pub host: &'a str,
    /// The entry's own time; `None` if it has none or it cannot be parsed.
    pub entry_time: Option<Wall>,
}

/// Reasons for rejecting an entry or a part of it. Each is a value of the label `reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reject {
    /// The subject has fewer than four tokens.
    SubjectShort,
    /// The subject has more than four tokens.
    SubjectLong,
    /// A token of the subject is empty, or longer than any platform's names.
    SubjectToken,
    /// The subject is not text.
    SubjectText,
    /// The first token is not `logs`.
    SubjectPrefix,
    /// The payload carries a marker or may be a lifecycle line, but is invalid JSON.
    PayloadJson,
    /// `every=` of a beat is an invalid duration; the beat counts.
    BeatEvery,
    /// `seq=` of a beat is an invalid number; the beat counts.
    BeatSeq,
    /// `name=` of a beat is empty or too long; the beat counts as unnamed.
    BeatName,
    /// A limit on instances, apps, regions, hosts or beats is reached.
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
