//! The environment of the process.

use super::exit::Stop;
use crate::format;
use crate::io::http_client;
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

/// Checks the certificate authorities that variables name.
pub(super) fn trusted_roots() -> Result<(), Stop> {
    let checked = http_client::check_roots(|name| env::var_os(name));
    checked.map_err(|fault| Stop::bad_input(format::error_chain(&fault)))
}

/// True where the output may have colours: on a terminal, and not where `NO_COLOR` is set.
pub(super) fn colours(terminal: bool) -> bool {
    terminal && env::var_os("NO_COLOR").is_none_or(|set| set.is_empty())
}
