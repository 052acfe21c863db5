//! The reasons of blindness.

/// Why lastbeat was blind. Each is a value of the label `reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blind {
    /// No connection to the stream.
    Disconnected,
    /// Connected, but the stream's own alert was due.
    Stalled,
    /// Messages were dropped on their way to us.
    Dropped,
    /// The process itself stood still.
    Suspended,
    /// Connected, and nothing arrived for longer than is usual, though the stream's own alert was not due yet.
    Paused,
    /// lastbeat did not run.
    Down,
}

impl Blind {
    /// Every reason, in the order of their numbers.
    pub const ALL: [Blind; 6] = [
        Blind::Disconnected,
        Blind::Stalled,
        Blind::Dropped,
        Blind::Suspended,
        Blind::Paused,
        Blind::Down,
    ];

    /// The label's value.
    pub const fn label(self) -> &'static str {
        match self {
            Blind::Disconnected => "disconnected",
            Blind::Stalled => "stalled",
            Blind::Dropped => "dropped",
            Blind::Suspended => "suspended",
            Blind::Paused => "paused",
            Blind::Down => "down",
        }
    }
}
