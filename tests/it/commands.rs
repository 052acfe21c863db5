//! The commands that need no server.

use crate::support::http::Server;
use crate::support::lastbeat::{Setup, listening};
use crate::support::metrics::Metrics;
use crate::support::wait::wait_until;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(10);

#[test]
fn beats_are_counted_and_end_with_a_bye() {
    let mut child = Setup::new().command(&["beat", "--every", "100ms", "--name", "worker"]);
    let third = |line: &str| (line == "HEARTBEAT every=100ms name=worker seq=3").then_some(());
    child.wait_line("the third beat", SOON, third);
    child.signal("TERM");
    assert_eq!(child.wait_end(Duration::from_secs(4)), 0);
    let lines = child.lines();
    assert_eq!(lines[0], "HEARTBEAT every=100ms name=worker seq=1");
    assert_eq!(
        lines.last().map(String::as_str),
        Some("HEARTBEAT bye name=worker")
    );
}
