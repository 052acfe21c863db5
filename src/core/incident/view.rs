//! What the layer of incidents sees of the layers below it: everything, and changes nothing.

use crate::core::facts::Facts;
use crate::core::targets::Targets;

/// A borrowed look at facts and targets.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// What was heard.
    pub facts: &'a Facts,
    /// What follows from it for each target.
    pub targets: &'a Targets,
}
