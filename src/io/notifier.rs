//! The interface of every notifier, and what passes between it and the outbox.

pub mod shorten;

use crate::core::notice::{Alarm, IncidentId, Notice, NoticeKind};
use crate::core::rule::Severity;
use crate::core::time::Wall;
use crate::io::http_client::{ATTEMPT_TIMEOUT, Answer};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, StatusCode};
use std::time::Duration;

/// Links from notifications to lastbeat's own page: the way home.
#[derive(Clone, Debug, Default)]
pub struct PageLinks {
    /// `LASTBEAT_PUBLIC_URL` without a slash at its end; `None`: notifications have no links.
    pub base: Option<String>,
}

impl PageLinks {
    /// The incident on the page; the page itself for a drill, which has no incident.
    pub fn of(&self, notice: &Notice) -> Option<String> {
        let base = self.base.as_deref()?;
        Some(match notice.alarm {
            Alarm::Drill => format!("{base}/"),
            _ => format!("{base}/#/incident/{}", notice.incident),
        })
    }
}

/// A receiver of notifications.
pub trait Notifier: Send + Sync + 'static {
    /// Its own name: a label's value, and stored with deliveries.
    fn name(&self) -> &str;

    /// Its name in rules.
    fn route_name(&self) -> &str {
        self.name()
    }

    /// True if it sends this kind of notice at all.
    fn accepts(&self, _kind: NoticeKind) -> bool {
        true
    }

    /// The body of a notice; the same for the same notice, and without the notifier's secrets.
    fn render(&self, notice: &Notice) -> Bytes;

    /// The requests that deliver a notice rendered for it, sent at `now`. With more than one, each goes to a peer of
    /// its own, and one that accepts it is enough; without any there is nothing to send.
    fn requests(&self, rendered: &RenderedNotice, now: Wall) -> Vec<Request<Full<Bytes>>>;

    /// Redacts the notifier's secrets in a text: a peer's answer may repeat them.
    fn redact(&self, text: &str) -> String;

    /// The wait that an answer asks for before the next request of any kind; `Retry-After` is about its own one.
    fn holds_all(&self, _answer: &Answer) -> Option<Duration> {
        None
    }

    /// A body as [`Self::render`] makes it, shortened for a receiver that finds it too long: the higher the `level`, from 1 on,
    /// the shorter. `None`: it cannot be any shorter.
    fn shorten(&self, body: &Bytes, level: u8) -> Option<Bytes> {
        shorten::body(body, level)
    }

    /// The outcome that an answer means. `failed`: earlier attempts of this notice.
    fn outcome(&self, answer: &Answer, _failed: u32) -> Outcome {
        outcome_of_status(answer.status)
    }

    /// Time limit of an attempt.
    fn timeout(&self) -> Duration {
        ATTEMPT_TIMEOUT
    }

    /// Least time between queueing and sending a notice.
    fn send_delay(&self, _kind: NoticeKind) -> Duration {
        Duration::ZERO
    }

    /// True if the outbox keeps open alerts for it: for [`Self::resend_interval`], and so that of two incidents with
    /// one `subject` the end of the first does not end the second.
    fn tracks_open_alerts(&self) -> bool {
        false
    }

    /// The identity of an alert at the peer: open incidents with the same key are one alert there. `None`: each
    /// incident by itself.
    fn dedup_key(&self, _waiting: &RenderedNotice) -> Option<Bytes> {
        None
    }

    /// The requests that deliver a notice whose key is another than that of its incident's alert `before`, which its kind
    /// says is closed; as [`Self::requests`].
    fn replace(
        &self,
        _before: &RenderedNotice,
        rendered: &RenderedNotice,
        now: Wall,
    ) -> Vec<Request<Full<Bytes>>> {
        self.requests(rendered, now)
    }

    /// Interval in which open alerts are resent; `None`: never.
    fn resend_interval(&self) -> Option<Duration> {
        None
    }

    /// The requests that resend these, each the last notice of its incident; as [`Self::requests`].
    fn resend(&self, _again: &[&RenderedNotice], _now: Wall) -> Vec<Request<Full<Bytes>>> {
        Vec::new()
    }
}

/// The usual meaning of a status. A refusal is retried for a day: a token or an address is mended meanwhile. 408 and 429 ask for a retry; a redirect is retried too: it is not followed,
/// and may be a proxy's way to say "down for maintenance".
pub fn outcome_of_status(status: StatusCode) -> Outcome {
    match status {
        status if status.is_success() => Outcome::Delivered,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Outcome::Retried,
        status if status.is_client_error() => Outcome::Rejected,
        _ => Outcome::Retried,
    }
}

/// A notice for one notifier, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The store's number of it; 0: not stored.
    pub id: u64,
    /// The notifier's name.
    pub notifier: String,
    /// The rendered notice.
    pub rendered: RenderedNotice,
}

/// A notice, rendered for one notifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderedNotice {
    /// The incident it is about.
    pub incident: IncidentId,
    /// The kind of the notice.
    pub kind: NoticeKind,
    /// Its severity for this notifier.
    pub severity: Severity,
    /// As rendered for the notifier; empty: only the mark of an opening that was dropped.
    pub body: Bytes,
    /// Wall clock, since it outlives the process: the deadline, from which its delay is measured.
    pub due_at: Wall,
    /// Wall clock: when it was decided and queued.
    pub queued_at: Wall,
}

/// Outcome of an attempt to deliver a notice. Each is a value of the label `outcome`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Accepted by the notifier.
    Delivered,
    /// Failed; it is retried.
    Retried,
    /// Refused by the receiver: a fault of lastbeat or of the settings. As an end: refused for a day.
    Rejected,
    /// Dropped: the queue was full, or it waited too long.
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
