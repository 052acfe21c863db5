//! lastbeat's own faults reach a real Sentry-compatible server, apart from alerts.

use crate::support::bugsink::{Project, kept_whole};
use crate::support::lastbeat::Setup;
use crate::support::nats::{Nats, Peer};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

#[test]
fn an_error_that_ends_the_program_is_told_before_it_is_gone() {
    let nats = Nats::start(Peer::Current);
    let project = Project::new("own faults");
    let mut lastbeat = Setup::new()
        .nats(&nats)
        .sentry(project.dsn())
        .env("LASTBEAT_GIVE_UP_AFTER", "2s")
        .start();
    assert_eq!(lastbeat.child.wait_end(SOON), 1, "the stream is given up");
    let events = project.wait_events(1, SOON);
    assert_eq!(events.len(), 1, "one fault, and no alert");
    kept_whole(&events);
    let event = &events[0];
    assert_eq!((event.kind(), event.level()), ("LastbeatError", "error"));
    assert_eq!((event.tag("own"), event.tag("kind")), ("true", "error"));
    assert!(
        event.value().starts_with("giving up the stream"),
        "{}",
        event.value()
    );
    assert!(
        event.tag("place").starts_with("src/commands/exit.rs:"),
        "{}",
        event.tag("place")
    );
}
