//! The layers that notifications see.

use crate::core::facts::Facts;
use crate::core::incident::Incidents;
use crate::core::incident::view::View;
use crate::core::targets::Targets;

/// Borrowed facts, targets and incidents.
#[derive(Clone, Copy, Debug)]
pub struct NoticeView<'a> {
    /// The facts.
    pub facts: &'a Facts,
    /// The targets.
    pub targets: &'a Targets,
    /// The incidents.
    pub incidents: &'a Incidents,
}

impl<'a> NoticeView<'a> {
    /// The layers that incidents see.
    pub const fn below(self) -> View<'a> {
        View {
            facts: self.facts,
            targets: self.targets,
        }
    }
}
