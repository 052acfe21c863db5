//! The interface of every notifier, and what passes between it and the outbox.

use crate::core::notice::{IncidentId, Notice, NoticeKind};
use crate::core::time::Wall;
use crate::io::http_client::{ATTEMPT_TIMEOUT, Answer};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, StatusCode};
use std::time::Duration;

/// One party that is told.
pub trait Notifier: Send + Sync + 'static {
    /// Its own name: a label's value, and what a store keeps.
    fn name(&self) -> &str;

    /// The name by which rules tell it.
    fn route_name(&self) -> &str {
        self.name()
    }

    /// Whether it is told of this kind of notice at all.
    fn accepts(&self, _kind: NoticeKind) -> bool {
        true
    }

    /// The bytes that tell of this notice; the same for the same notice, and without the notifier's secrets.
    fn render(&self, notice: &Notice) -> Bytes;

    /// The requests that deliver a notice rendered for it, sent at `now`. With more than one, each goes to a peer of
    /// its own, and one that takes it is enough; with none there is nothing to send.
    fn requests(&self, rendered: &RenderedNotice, now: Wall) -> Vec<Request<Full<Bytes>>>;

    /// A text without the notifier's secrets: what a peer answers may repeat them.
    fn redact(&self, text: &str) -> String;

    /// How long an answer asks us to wait before the next try, in the notifier's own way.
    fn retry_after(&self, answer: &Answer) -> Option<Duration> {
        answer.retry_after
    }

    /// What an answer deps. `failed`: tries of this notice that came before.
    fn outcome(&self, answer: &Answer, _failed: u32) -> Outcome {
        outcome_of_status(answer.status)
    }

    /// A try that takes longer is over.
    fn timeout(&self) -> Duration {
        ATTEMPT_TIMEOUT
    }

    /// How long after it was told a notice is sent at the earliest.
    fn send_delay(&self, _kind: NoticeKind) -> Duration {
        Duration::ZERO
    }

    /// Whether the outbox keeps what is open for it: for [`Self::resend_interval`], and so that of two incidents with
    /// one [`Self::subject`] the end of the first does not end the second.
    fn tracks_open_alerts(&self) -> bool {
        false
    }

    /// What the peer takes for one thing: two open incidents of the same subject are one to it. `None`: each
    /// incident by itself.
    fn dedup_key(&self, _waiting: &RenderedNotice) -> Option<Bytes> {
        None
    }

    /// How often what is open is to be sent again; `None`: never.
    fn resend_interval(&self) -> Option<Duration> {
        None
    }

    /// The requests that send these again, each of the last notice of its incident; as [`Self::requests`].
    fn resend(&self, _again: &[&RenderedNotice], _now: Wall) -> Vec<Request<Full<Bytes>>> {
        Vec::new()
    }
}

/// What a status deps to most. 408 and 429 ask for another try; a redirect too is tried again: it is not followed,
/// and may be a proxy's way to say "down for maintenance".
pub fn outcome_of_status(status: StatusCode) -> Outcome {
    match status {
        status if status.is_success() => Outcome::Delivered,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Outcome::Retried,
        status if status.is_client_error() => Outcome::Rejected,
        _ => Outcome::Retried,
    }
}

/// One notice for one notifier, as a store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The store's number of it; 0: nobody keeps it.
    pub id: u64,
    /// The notifier's name.
    pub notifier: String,
    /// What is to be sent.
    pub rendered: RenderedNotice,
}

/// One notice on its way to one notifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderedNotice {
    /// The incident it is about.
    pub incident: IncidentId,
    /// What it says of it.
    pub kind: NoticeKind,
    /// As rendered for the notifier.
    pub body: Bytes,
    /// Wall clock, since it outlives the process: the deadline from which its delay is measured.
    pub due_at: Wall,
    /// Wall clock: when it was told.
    pub queued_at: Wall,
}

/// What became of a try to deliver a notice. Each is a value of the label `outcome`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Taken by the notifier.
    Delivered,
    /// Not taken; it is tried again.
    Retried,
    /// Refused for good: a fault of ours or of the settings.
    Rejected,
    /// Left out, since more waited than there is room for.
    GivenUp,
}

impl Outcome {
    /// Every one.
    pub const ALL: [Outcome; 4] = [
        Outcome::Delivered,
        Outcome::Retried,
        Outcome::Rejected,
        Outcome::GivenUp,
    ];

    /// The label's value.
    pub const fn label(self) -> &'static str {
        match self {
            Outcome::Delivered => "delivered",
            Outcome::Retried => "retried",
            Outcome::Rejected => "rejected",
            Outcome::GivenUp => "given_up",
        }
    }
}
