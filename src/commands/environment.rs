//! The environment of the process.

use std::env;

/// A variable; `None` where it is not set, or not UTF-8.
pub(super) fn variable(name: &str) -> Option<String> {
    env::var(name).ok()
}

/// A variable that is not blank.
pub(super) fn set(name: &str) -> Option<String> {
    variable(name).filter(|value| !value.trim().is_empty())
}

/// The names of all variables.
pub(super) fn names() -> impl Iterator<Item = String> {
    env::vars_os().filter_map(|(name, _)| name.into_string().ok())
}

/// True where the output may have colours: on a terminal, and not where `NO_COLOR` is set.
pub(super) fn colours(terminal: bool) -> bool {
    terminal && env::var_os("NO_COLOR").is_none_or(|set| set.is_empty())
}
