//! The interface of every feed of entries, and the events of its connection.

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use std::task::{Context, Poll, Waker};
use tokio::sync::{mpsc, watch};

/// A message as it arrived.
pub trait RawMessage {
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
pub trait MessageSource: Stream<Item: RawMessage> + Unpin + Send + 'static {
    /// Number of messages that the connection received, including those that were dropped because they were not read
    /// in time; `None` where nothing can be lost.
    fn received(&self) -> Option<u64>;

    /// As [`visit_waiting`].
    #[inline]
    fn visit_waiting(&mut self, most: usize, each: impl FnMut(&Self::Item)) -> Remaining {
        visit_waiting(|waits| self.poll_next_unpin(waits), most, each)
    }
}

/// Shows to `each` what `next` has, at most `most`, one after another, and lets each go before the one behind it; waits for
/// nothing. A message is large: to look at it where it was put costs less than to hand it on.
#[inline]
pub fn visit_waiting<M>(
    mut next: impl FnMut(&mut Context<'_>) -> Poll<Option<M>>,
    most: usize,
    mut each: impl FnMut(&M),
) -> Remaining {
    let mut waits = Context::from_waker(Waker::noop());
    for _ in 0..most {
        let message = next(&mut waits);
        match &message {
            Poll::Ready(Some(message)) => each(message),
            Poll::Ready(None) => return Remaining::End,
            Poll::Pending => return Remaining::Nothing,
        }
    }
    Remaining::Maybe
}

/// Messages that remain after some were taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remaining {
    /// Nothing waits.
    Nothing,
    /// More may wait.
    Maybe,
    /// Nothing, and nothing will come: the connection has ended.
    End,
}

/// An event of the connection.
#[derive(Debug)]
pub enum ConnectionEvent<S> {
    /// Connected and subscribed: messages come from here. Those of the connection before are taken too, until
    /// [`ConnectionEvent::PreviousClosed`].
    Up(S),
    /// The connection before the present one is left, as it was meant to be.
    PreviousClosed,
    /// The connection is gone, for this reason.
    Down(ConnectionError),
    /// An attempt to connect failed.
    AttemptFailed(ConnectionError),
    /// The connection changed its state.
    State(ConnectionState),
    /// The outcome of an attempt to heal a stall.
    Heal(HealOutcome),
    /// A round trip to the server took this many seconds.
    RoundTrip(f64),
    /// The server does not let us publish: no canary goes this way.
    PublishDenied,
}

/// The feed's channel to the event loop.
#[derive(Debug)]
pub struct ConnectionReporter<S> {
    /// Events of the connection.
    pub events: mpsc::Sender<ConnectionEvent<S>>,
    /// True while the loop misses entries though a connection stands.
    pub missed: watch::Receiver<bool>,
}

impl<S> Clone for ConnectionReporter<S> {
    fn clone(&self) -> Self {
        ConnectionReporter {
            events: self.events.clone(),
            missed: self.missed.clone(),
        }
    }
}

impl<S> ConnectionReporter<S> {
    /// Reports an event. If the receiver is gone the program is stopping, and the feed with it.
    pub async fn report(&self, link: ConnectionEvent<S>) {
        let _ = self.events.send(link).await;
    }
}

/// A message of our own, to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutgoingMessage {
    /// Its subject.
    pub subject: String,
    /// Its payload.
    pub payload: String,
}

/// The state of the connection. Each is a value of the label `state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionState {
    /// Resolving the name, connecting, authenticating.
    Connecting,
    /// Connected; the server has not yet accepted the subscription.
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

impl ConnectionState {
    /// Every one, in the order of their numbers.
    pub const ALL: [ConnectionState; 9] = [
        ConnectionState::Connecting,
        ConnectionState::Subscribing,
        ConnectionState::Waiting,
        ConnectionState::Flowing,
        ConnectionState::Stalled,
        ConnectionState::LameDuck,
        ConnectionState::BackingOff,
        ConnectionState::AuthFailed,
        ConnectionState::PermissionDenied,
    ];

    /// The label's value.
    pub const fn label(self) -> &'static str {
        match self {
            ConnectionState::Connecting => "connecting",
            ConnectionState::Subscribing => "subscribing",
            ConnectionState::Waiting => "waiting",
            ConnectionState::Flowing => "flowing",
            ConnectionState::Stalled => "stalled",
            ConnectionState::LameDuck => "lame_duck",
            ConnectionState::BackingOff => "backing_off",
            ConnectionState::AuthFailed => "auth_failed",
            ConnectionState::PermissionDenied => "permission_denied",
        }
    }
}

/// Outcome of an attempt to heal a stall. Each is a value of the label `outcome`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealOutcome {
    /// Entries came after it.
    Healed,
    /// Connected and subscribed afresh, and still nothing came.
    Silent,
    /// No fresh connection could be had.
    Failed,
}

impl HealOutcome {
    /// Every one.
    pub const ALL: [HealOutcome; 3] = [
        HealOutcome::Healed,
        HealOutcome::Silent,
        HealOutcome::Failed,
    ];

    /// The label's value.
    pub const fn label(self) -> &'static str {
        match self {
            HealOutcome::Healed => "healed",
            HealOutcome::Silent => "silent",
            HealOutcome::Failed => "failed",
        }
    }
}

/// A fault of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionError {
    /// Its kind, a value of the label `reason`.
    pub kind: ConnectionErrorKind,
    /// Its text, with what to do; without secrets.
    pub message: String,
}

/// Kinds of trouble with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionErrorKind {
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
    /// The server does not speak NATS.
    Garbage,
    /// A publisher sent a message that the client cannot read.
    Malformed,
}

impl ConnectionErrorKind {
    /// Every one.
    pub const ALL: [ConnectionErrorKind; 10] = [
        ConnectionErrorKind::Unresolvable,
        ConnectionErrorKind::Unreachable,
        ConnectionErrorKind::Timeout,
        ConnectionErrorKind::Auth,
        ConnectionErrorKind::Permission,
        ConnectionErrorKind::Tls,
        ConnectionErrorKind::Disconnected,
        ConnectionErrorKind::Ended,
        ConnectionErrorKind::Garbage,
        ConnectionErrorKind::Malformed,
    ];

    /// The label's value.
    pub const fn label(self) -> &'static str {
        match self {
            ConnectionErrorKind::Unresolvable => "unresolvable",
            ConnectionErrorKind::Unreachable => "unreachable",
            ConnectionErrorKind::Timeout => "timeout",
            ConnectionErrorKind::Auth => "auth",
            ConnectionErrorKind::Permission => "permission",
            ConnectionErrorKind::Tls => "tls",
            ConnectionErrorKind::Disconnected => "disconnected",
            ConnectionErrorKind::Ended => "ended",
            ConnectionErrorKind::Garbage => "garbage",
            ConnectionErrorKind::Malformed => "malformed",
        }
    }
}
