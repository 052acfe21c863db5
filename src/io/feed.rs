//! What every feed of entries offers, wherever it comes from.

use futures_util::Stream;

/// One message as it arrived.
pub trait Raw {
    /// Its subject.
    fn subject(&self) -> &str;
    /// Its payload: any bytes.
    fn payload(&self) -> &[u8];
}

/// Messages from one connection; the end of the stream is the end of the connection.
pub trait Source: Stream<Item: Raw> + Unpin + Send + 'static {
    /// How many messages the connection received, those included that never came out here because nobody took
    /// them in time; `None` where nothing can be lost.
    fn received(&self) -> Option<u64>;
}

/// What becomes of the connection.
#[derive(Debug)]
pub enum Link<S> {
    /// Connected and subscribed: messages come from here, and no more from the connection before.
    Up(S),
    /// The connection is gone, for this reason.
    Down(Trouble),
    /// An attempt to connect failed.
    Failed(Trouble),
    /// A round trip to the server took this many seconds.
    RoundTrip(f64),
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
    /// Nobody answers, or the connection broke while it was made.
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
}

impl TroubleKind {
    /// Every one.
    pub const ALL: [TroubleKind; 8] = [
        TroubleKind::Unresolvable,
        TroubleKind::Unreachable,
        TroubleKind::Timeout,
        TroubleKind::Auth,
        TroubleKind::Permission,
        TroubleKind::Tls,
        TroubleKind::Disconnected,
        TroubleKind::Ended,
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
        }
    }
}
