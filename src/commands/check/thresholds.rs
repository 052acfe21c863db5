//! Silences that rules allow, by the loss and the instances in a state file.

use crate::clock;
use crate::commands::status::stored;
use crate::core::engine::{Engine, Options};
use crate::core::rule::RuleSet;
use crate::core::snapshot::threshold_rows::ThresholdRow;
use crate::core::time::{Mono, Now};
use crate::format;
use crate::format::threshold::threshold;
use std::path::Path;

/// The arrival clock of the moment: later than anything in the file.
const NOW: Mono = Mono::from_nanos(1 << 62);
/// Turns in which a core looks at every target that it may hold.
const TURNS: usize = 100;

/// A row for each rule of which an instance declares its interval.
///
/// # Errors
/// The file cannot be read, in words.
pub(super) fn of(set: &RuleSet, file: &Path) -> Result<Vec<ThresholdRow>, String> {
    let saved = stored::saved(file)?;
    let options = Options {
        first_incident: 1,
        ..Options::default()
    };
    let now = Now {
        mono: NOW,
        wall: clock::wall(),
    };
    let mut engine = Engine::new(set.clone(), options, now);
    engine.restore(&saved, now);
    (0..TURNS).for_each(|_| engine.keep_budget(now));
    Ok(engine.snapshot(now, 0).thresholds)
}

/// The rows as comments of a rule file.
pub(super) fn comment(rows: &[ThresholdRow]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let row = |row: &ThresholdRow| format!("# {}: {}\n", format::name(&row.rule), threshold(row));
    let rows: String = rows.iter().map(row).collect();
    format!("\n# By the state file, for instances that declare their interval:\n{rows}")
}
