//! What every feed of entries offers, wherever it comes from.

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use std::task::{Context, Poll, Waker};
use tokio::sync::{mpsc, watch};

/// One message as it arrived.
pub trait Raw {
    /// Its subject.
    fn subject(&self) -> &str;
    /// Its payload: any bytes.
    fn payload(&self) -> &[u8];
    /// Its payload, to be kept for a while; a copy where it cannot be shared.
    fn shared(&self) -> Bytes {
        Bytes::copy_from_slice(self.payload())
    }
}

/// Messages from one connection; the end of the stream is the end of the connection.
pub trait Source: Stream<Item: Raw> + Unpin + Send + 'static {
    /// How many messages the connection received, those included that never came out here because nobody took
    /// them in time; `None` where nothing can be lost.
    fn received(&self) -> Option<u64>;

    /// As [`show_waiting`].
    #[inline]
    fn show_waiting(&mut self, most: usize, each: impl FnMut(&Self::Item)) -> Left {
        show_waiting(|waits| self.poll_next_unpin(waits), most, each)
    }
}

/// Shows to `each` what `next` has, at most `most`, one after another, and lets each go before the one behind it; waits for
/// nothing. A message is large: to look at it where it was put costs less than to hand it on.
#[inline]
pub fn show_waiting<M>(
    mut next: impl FnMut(&mut Context<'_>) -> Poll<Option<M>>,
    most: usize,
    mut each: impl FnMut(&M),
) -> Left {
    let mut waits = Context::from_waker(Waker::noop());
    for _ in 0..most {
        let message = next(&mut waits);
        match &message {
            Poll::Ready(Some(message)) => each(message),
            Poll::Ready(None) => return Left::End,
            Poll::Pending => return Left::Nothing,
        }
    }
    Left::Perhaps
}

/// What is left where some of what waited was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Nothing waits.
    Nothing,
    /// More may wait.
    Perhaps,
    /// Nothing, and nothing will come: the connection has ended.
    End,
}

/// What becomes of the connection.
#[derive(Debug)]
pub enum Link<S> {
    /// Connected and subscribed: messages come from here. Those of the connection before are taken too, until
    /// [`Link::Left`].
    Up(S),
    /// The connection before the present one is left, as it was meant to be.
    Left,
    /// The connection is gone, for this reason.
    Down(Trouble),
    /// An attempt to connect failed.
    Failed(Trouble),
    /// What the connection is about now.
    State(LinkState),
    /// What an attempt to heal a stall brought.
    Heal(Heal),
    /// A round trip to the server took this many seconds.
    RoundTrip(f64),
    /// The server does not let us publish: no canary goes this way.
    MayNotPublish,
}

/// The feed's end of its talk with the loop.
#[derive(Debug)]
pub struct Line<S> {
    /// News of the connection.
    pub links: mpsc::Sender<Link<S>>,
    /// Whether the loop misses entries though a connection stands.
    pub missed: watch::Receiver<bool>,
}

impl<S> Clone for Line<S> {
    fn clone(&self) -> Self {
        Line {
            links: self.links.clone(),
            missed: self.missed.clone(),
        }
    }
}

impl<S> Line<S> {
    /// Tells. Where nobody listens any more the program is stopping, and the feed with it.
    pub async fn tell(&self, link: Link<S>) {
        let _ = self.links.send(link).await;
    }
}

/// A message of our own, to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Its subject.
    pub subject: String,
    /// Its payload.
    pub payload: String,
}

/// What the connection is about. Each is a value of the label `state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// Looking the name up, connecting, saying who we are.
    Connecting,
    /// Connected; the server has not yet taken the subscription.
    Subscribing,
    /// Subscribed, and no entry has come yet.
    Waiting,
    /// Entries arrive.
    Flowing,
    /// Subscribed, and no entry came for the stream's `max_gap`.
    Stalled,
    /// The server is about to leave; another connection is sought, and this one kept until then.
    LameDuck,
    /// No connection; the next attempt waits for its turn.
    BackingOff,
    /// User or token are refused; tried again slowly.
    AuthFailed,
    /// The subscription is refused; tried again.
    PermissionDenied,
}

impl LinkState {
    /// Every one, in the order of their numbers.
    pub const ALL: [LinkState; 9] = [
        LinkState::Connecting,
        LinkState::Subscribing,
        LinkState::Waiting,
        LinkState::Flowing,
        LinkState::Stalled,
        LinkState::LameDuck,
        LinkState::BackingOff,
        LinkState::AuthFailed,
        LinkState::PermissionDenied,
    ];

    /// The label's value.
    pub const fn label(self) -> &'static str {
        match self {
            LinkState::Connecting => "connecting",
            LinkState::Subscribing => "subscribing",
            LinkState::Waiting => "waiting",
            LinkState::Flowing => "flowing",
            LinkState::Stalled => "stalled",
            LinkState::LameDuck => "lame_duck",
            LinkState::BackingOff => "backing_off",
            LinkState::AuthFailed => "auth_failed",
            LinkState::PermissionDenied => "permission_denied",
        }
    }
}

/// What an attempt to heal a stall brought. Each is a value of the label `outcome`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heal {
    /// Entries came after it.
    Healed,
    /// Connected and subscribed afresh, and still nothing came.
    Silent,
    /// No fresh connection could be had.
    Failed,
}

impl Heal {
    /// Every one.
    pub const ALL: [Heal; 3] = [Heal::Healed, Heal::Silent, Heal::Failed];

    /// The label's value.
    pub const fn label(self) -> &'static str {
        match self {
            Heal::Healed => "healed",
            Heal::Silent => "silent",
            Heal::Failed => "failed",
        }
    }
}

/// What is wrong with a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Its kind, a value of the label `reason`.
    pub kind: TroubleKind,
    /// In words, with what to do; without secrets.
    pub what: String,
}

/// Kinds of trouble with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TroubleKind {
    /// The server's name has no address.
    Unresolvable,
    /// Refused, or the connection broke while it was made.
    Unreachable,
    /// The handshake did not end in time.
    Timeout,
    /// User or password are not accepted.
    Auth,
    /// The subscription is not allowed.
    Permission,
    /// TLS failed.
    Tls,
    /// The connection ended.
    Disconnected,
    /// The messages ended though the connection stands.
    Ended,
    /// What the server says is not NATS.
    Garbage,
}

impl TroubleKind {
    /// Every one.
    pub const ALL: [TroubleKind; 9] = [
        TroubleKind::Unresolvable,
        TroubleKind::Unreachable,
        TroubleKind::Timeout,
        TroubleKind::Auth,
        TroubleKind::Permission,
        TroubleKind::Tls,
        TroubleKind::Disconnected,
        TroubleKind::Ended,
        TroubleKind::Garbage,
    ];

    /// The label's value.
    pub const fn label(self) -> &'static str {
        match self {
            TroubleKind::Unresolvable => "unresolvable",
            TroubleKind::Unreachable => "unreachable",
            TroubleKind::Timeout => "timeout",
            TroubleKind::Auth => "auth",
            TroubleKind::Permission => "permission",
            TroubleKind::Tls => "tls",
            TroubleKind::Disconnected => "disconnected",
            TroubleKind::Ended => "ended",
            TroubleKind::Garbage => "garbage",
        }
    }
}
