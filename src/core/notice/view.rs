//! What the layer of notifications sees of the layers below it.

use crate::core::facts::Facts;
use crate::core::incident::Incidents;
use crate::core::incident::view::View;
use crate::core::targets::Targets;

/// A borrowed look at facts, targets and incidents.
#[derive(Clone, Copy, Debug)]
pub struct NoticeView<'a> {
    /// What was heard.
    pub facts: &'a Facts,
    /// What follows from it for each target.
    pub targets: &'a Targets,
    /// Which of it is one cause.
    pub incidents: &'a Incidents,
}

impl<'a> NoticeView<'a> {
    /// What incidents see.
    pub const fn below(self) -> View<'a> {
        View {
            facts: self.facts,
            targets: self.targets,
        }
    }
}
