//! What a notifier is to the outbox: how it renders, what it sends, how it reads an answer.

use super::{TRY_WITHIN, Waiting};
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
    fn told_as(&self) -> &str {
        self.name()
    }

    /// Whether it is told of this kind of notice at all.
    fn takes(&self, _kind: NoticeKind) -> bool {
        true
    }

    /// The bytes that tell of this notice; the same for the same notice, and without the notifier's secrets.
    fn render(&self, notice: &Notice) -> Bytes;

    /// The requests that deliver a notice rendered for it, sent at `now`. With more than one, each goes to a peer of
    /// its own, and one that takes it is enough; with none there is nothing to send.
    fn requests(&self, waiting: &Waiting, now: Wall) -> Vec<Request<Full<Bytes>>>;

    /// A text without the notifier's secrets: what a peer answers may repeat them.
    fn hide(&self, text: &str) -> String;

    /// How long an answer asks us to wait before the next try, in the notifier's own way.
    fn pause(&self, answer: &Answer) -> Option<Duration> {
        answer.retry_after
    }

    /// What an answer means. `failed`: tries of this notice that came before.
    fn verdict(&self, answer: &Answer, _failed: u32) -> Outcome {
        judge(answer.status)
    }

    /// A try that takes longer is over.
    fn within(&self) -> Duration {
        TRY_WITHIN
    }

    /// How long after it was told a notice is sent at the earliest.
    fn hold_back(&self, _kind: NoticeKind) -> Duration {
        Duration::ZERO
    }

    /// Whether the outbox keeps what is open for it: for [`Self::refresh_every`], and so that of two incidents with
    /// one [`Self::subject`] the end of the first does not end the second.
    fn keeps_open(&self) -> bool {
        false
    }

    /// What the peer takes for one thing: two open incidents of the same subject are one to it. `None`: each
    /// incident by itself.
    fn subject(&self, _waiting: &Waiting) -> Option<Bytes> {
        None
    }

    /// How often what is open is to be sent again; `None`: never.
    fn refresh_every(&self) -> Option<Duration> {
        None
    }

    /// The requests that send these again, each of the last notice of its incident; as [`Self::requests`].
    fn refresh(&self, _again: &[&Waiting], _now: Wall) -> Vec<Request<Full<Bytes>>> {
        Vec::new()
    }
}

/// What a status means to most. 408 and 429 ask for another try; a redirect too is tried again: it is not followed,
/// and may be a proxy's way to say "down for maintenance".
pub fn judge(status: StatusCode) -> Outcome {
    match status {
        status if status.is_success() => Outcome::Delivered,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Outcome::Retried,
        status if status.is_client_error() => Outcome::Rejected,
        _ => Outcome::Retried,
    }
}
