//! The outcome of a test.

/// The outcome of one test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The file it stands in.
    pub file: String,
    /// Its name.
    pub name: String,
    /// The expectations that were not met, for people; `None`: all were.
    pub failure: Option<String>,
}
