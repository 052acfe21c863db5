//! The layers that incidents see; they change none of them.

use crate::core::facts::Facts;
use crate::core::targets::Targets;

/// Borrowed facts and targets.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The facts.
    pub facts: &'a Facts,
    /// The targets.
    pub targets: &'a Targets,
}
