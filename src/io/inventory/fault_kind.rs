//! Kinds of inventory faults, for metrics.

/// Kind of a fault: a label's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InventoryFaultKind {
    /// No answer in time.
    TimedOut,
    /// No connection, or it broke.
    Unreachable,
    /// The token is invalid or lacks a permission.
    Refused,
    /// lastbeat asks too often.
    RateLimited,
    /// The server reports a failure.
    Failed,
    /// The answer is not as documented.
    Unreadable,
    /// The answer exceeds a limit.
    TooLarge,
}

impl InventoryFaultKind {
    /// Every one.
    pub const ALL: [InventoryFaultKind; 7] = [
        InventoryFaultKind::TimedOut,
        InventoryFaultKind::Unreachable,
        InventoryFaultKind::Refused,
        InventoryFaultKind::RateLimited,
        InventoryFaultKind::Failed,
        InventoryFaultKind::Unreadable,
        InventoryFaultKind::TooLarge,
    ];

    /// The label's value.
    pub const fn label(self) -> &'static str {
        match self {
            InventoryFaultKind::TimedOut => "timed_out",
            InventoryFaultKind::Unreachable => "unreachable",
            InventoryFaultKind::Refused => "refused",
            InventoryFaultKind::RateLimited => "rate_limited",
            InventoryFaultKind::Failed => "failed",
            InventoryFaultKind::Unreadable => "unreadable",
            InventoryFaultKind::TooLarge => "too_large",
        }
    }
}
