//! The rule files as commands read them, and the messages about them.

use super::environment;
use crate::core::rule::RuleSet;
use crate::decode::rules_file::{self, MAX_SHOWN, Reading};
use crate::decode::settings::RULES;
use crate::format;
use crate::io::rules_dir;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The path of the rules: the given one, else `LASTBEAT_RULES`, else `rules`.
pub(super) fn path(given: Option<&Path>) -> PathBuf {
    let variable = || environment::set(RULES.about.name()).map(PathBuf::from);
    given
        .map(Path::to_owned)
        .or_else(variable)
        .unwrap_or_else(default_path)
}

/// The path of the rules where nothing names another.
pub(super) fn default_path() -> PathBuf {
    PathBuf::from(RULES.about.default())
}

/// Rule files that were read.
pub(super) struct Rules {
    /// The rule set with its faults and warnings.
    pub(super) reading: Reading,
    /// The number of files.
    files: usize,
}

/// Reads the rules at a path; without `env`, variables stay as they are written.
///
/// # Errors
/// The files cannot be read.
pub(super) fn read(path: &Path, env: bool) -> Result<Rules, String> {
    let files = rules_dir::load(path).map_err(|fault| format::error_chain(&fault))?;
    let reading = if env {
        rules_file::read_with_env(&files, &environment::variable)
    } else {
        rules_file::read(&files)
    };
    Ok(Rules {
        reading,
        files: files.len(),
    })
}

/// The rules at a path and the messages about them, or the messages alone where the rules cannot be used.
pub(super) fn usable(path: &Path) -> Result<(RuleSet, String), String> {
    let rules = read(path, true)?;
    let messages = format!("{}{}", rules.findings(), rules.closing());
    rules
        .reading
        .set
        .map_or(Err(messages.clone()), |set| Ok((set, messages)))
}

impl Rules {
    /// Every fault and warning, a line each.
    pub(super) fn findings(&self) -> String {
        let faults = self.reading.faults.iter().map(|fault| format!("{fault}\n"));
        let warnings = self
            .reading
            .warnings
            .iter()
            .map(|one| format!("{}\n", one.warning()));
        faults.chain(warnings).collect()
    }

    /// `ok: 12 rules in 3 files, 1 warning`, or how many faults there are.
    pub(super) fn closing(&self) -> String {
        let reading = &self.reading;
        let Some(set) = &reading.set else {
            let faulty: BTreeSet<&str> = reading
                .faults
                .iter()
                .map(|fault| fault.file.as_str())
                .collect();
            let more = match reading.more_faults {
                0 => String::new(),
                _ => format!("; the first {MAX_SHOWN} are shown"),
            };
            let faults = format::counted(reading.fault_count() as u64, "fault");
            return format!(
                "{faults} in {}{more}\n",
                format::counted(faulty.len() as u64, "file")
            );
        };
        let warnings = match reading.warnings.len() {
            0 => String::new(),
            count => format!(", {}", format::counted(count as u64, "warning")),
        };
        let rules = format::counted(set.rules.len() as u64, "rule");
        format!(
            "ok: {rules} in {}{warnings}\n",
            format::counted(self.files as u64, "file")
        )
    }
}
