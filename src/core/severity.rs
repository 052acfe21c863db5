//! The severity of an alert.

/// Severity of an alert, the worst first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Somebody has to be woken.
    Critical,
    /// The default.
    #[default]
    Error,
    /// To be looked at in the morning.
    Warning,
    /// For the record.
    Info,
}

impl Severity {
    /// All severities, the worst first.
    pub const ALL: [Severity; 4] = [
        Severity::Critical,
        Severity::Error,
        Severity::Warning,
        Severity::Info,
    ];

    /// The word in rule files and labels.
    pub const fn label(self) -> &'static str {
        match self {
            Severity::Critical => "critical",
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "info",
        }
    }
}
