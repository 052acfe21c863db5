//! Tables that stand once in all files, such as `[stream]`.

use super::fault::Wrong;
use super::position::Position;
use super::report::Report;

/// The place of a table that may stand once.
#[derive(Default)]
pub(super) struct OneTable(Option<Position>);

impl OneTable {
    /// Records the table `[name]` at an offset; a second one is a fault.
    pub(super) fn found(&mut self, name: &str, at: usize, report: &mut Report<'_>) {
        if let Some(Position { file, line, .. }) = &self.0 {
            let what = format!("a second [{name}]; the first is in {file}:{line}");
            let wrong = Wrong::new(what, "at most one in all files");
            report.fault(at, None, Some(name), wrong);
        }
        self.0.get_or_insert(report.position(at));
    }

    /// The position of the first; `None` where there is none.
    pub(super) const fn position(&self) -> Option<&Position> {
        self.0.as_ref()
    }
}
