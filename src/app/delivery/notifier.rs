//! What a notifier is to the outbox: how it renders, what it sends, how it reads an answer.

use super::{RenderedNotice, TRY_WITHIN};
use crate::core::notice::{Notice, NoticeKind};
use crate::core::time::Wall;
use crate::io::http_client::Answer;
use crate::io::metrics::Outcome;
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
    fn requests(&self, waiting: &RenderedNotice, now: Wall) -> Vec<Request<Full<Bytes>>>;

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
        TRY_WITHIN
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
