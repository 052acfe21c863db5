//! The file descriptors that the process may have, and how many of them HTTP connections may take.
//!
//! The stream, the state file and the notifiers need theirs in any case: a flood of connections must not keep lastbeat from
//! seeing or from notifying.

use super::connection_limit::MAX_CONNECTIONS;

/// Descriptors for everything but HTTP connections: about twenty for the stream, the state file, rules, the inventory and the
/// runtime, and two for each of two dozen notifiers and watchdogs.
const RESERVE: usize = 96;
/// Connections in any case: Prometheus, a health check, a page and some more.
const LEAST: usize = 16;
/// Where Linux shows the limits of a process.
const LIMITS: &str = "/proc/self/limits";

/// The limit of HTTP connections of this process.
pub(super) fn connections() -> usize {
    let limits = std::fs::read_to_string(LIMITS).unwrap_or_default();
    let descriptors = soft_limit(&limits);
    let connections = within(descriptors);
    if connections < MAX_CONNECTIONS {
        tracing::warn!(
            descriptors,
            connections,
            "few file descriptors (ulimit -n): fewer HTTP connections are accepted at once, so that the stream, the state \
             file and notifiers have theirs"
        );
    }
    connections
}

/// The limit of connections within that many descriptors; `None`: no limit is known.
fn within(descriptors: Option<usize>) -> usize {
    let left = descriptors.map_or(MAX_CONNECTIONS, |all| all.saturating_sub(RESERVE));
    left.clamp(LEAST, MAX_CONNECTIONS)
}

/// The soft limit of open files.
fn soft_limit(limits: &str) -> Option<usize> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    line?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_the_rest() {
        for (descriptors, connections) in [
            (None, MAX_CONNECTIONS),
            (Some(1_048_576), MAX_CONNECTIONS),
            (Some(1_024), MAX_CONNECTIONS),
            (Some(256), 160),
            (Some(100), LEAST),
            (Some(10), LEAST),
        ] {
            assert_eq!(within(descriptors), connections, "{descriptors:?}");
        }
    }

    #[test]
    fn the_limit_is_read_as_linux_shows_it() {
        let shown = "Limit                     Soft Limit           Hard Limit           Units     \n\
                     Max open files            256                  524288               files     \n";
        assert_eq!(soft_limit(shown), Some(256));
        let unlimited =
            "Max open files            unlimited            unlimited            files     \n";
        assert_eq!(soft_limit(unlimited), None);
        assert_eq!(soft_limit(""), None);
    }
}
