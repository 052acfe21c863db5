//! `lastbeat drill`: through a running lastbeat and straight from the settings.

use crate::support::bugsink::{Project, issues};
use crate::support::lastbeat::{Lastbeat, Setup};
use crate::support::nats::{Nats, Peer};
use crate::support::receiver::Receiver;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);
const RULES: &str = "[notify.oncall]\ntype = 'webhook'\nurl = '${HOOK}'\n";

/// Runs `lastbeat drill`; its exit code and what it said.
fn drill(setup: Setup, arguments: &[&str]) -> (i32, String) {
    let mut child = setup.command(&[&["drill"], arguments].concat());
    let code = child.wait_end(SOON);
    (code, child.lines().join("\n"))
}

fn at(lastbeat: &Lastbeat) -> Setup {
    Setup::new().env(
        "LASTBEAT_URL",
        &format!("http://{}", lastbeat.server.address),
    )
}

#[test]
fn a_running_lastbeat_tells_every_notifier_of_a_marked_test() {
    let nats = Nats::start(Peer::Current);
    let project = Project::new("drill");
    let receiver = Receiver::start();
    let lastbeat = Setup::new()
        .nats(&nats)
        .sentry(project.dsn())
        .env("HOOK", &receiver.url("/s3cret"))
        .rules("notify.toml", RULES)
        .start();
    let (code, said) = drill(at(&lastbeat), &[]);
    assert_eq!(code, 0, "{said}");
    for name in ["oncall", "sentry"] {
        let line = said
            .lines()
            .find(|line| line.contains(name))
            .expect("a line of its own");
        assert!(
            line.starts_with("ok ") && line.matches("200 OK in ").count() == 2,
            "{line}"
        );
    }
    let taken = receiver.taken();
    assert_eq!(taken.len(), 2, "{taken:?}");
    assert!(
        taken[0].body.contains("opened") && taken[1].body.contains("closed"),
        "{taken:?}"
    );
    assert!(
        taken
            .iter()
            .all(|one| one.body.contains("LastbeatDrill") && one.body.contains("test")),
        "{taken:?}"
    );
    project.wait_events(2, SOON);
    let events = project.only(2);
    assert_eq!(issues(&events), 1, "beginning and end are one issue");
    assert!(
        events
            .iter()
            .all(|event| event.kind() == "LastbeatDrill" && event.level() == "info"),
        "{events:?}"
    );

    receiver.answer(403);
    let (code, said) = drill(at(&lastbeat), &["--json"]);
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("\"well\":false") && !said.contains("s3cret"),
        "{said}"
    );
    assert_eq!(
        lastbeat.metrics().sum("lastbeat_incidents", &[]),
        0.0,
        "a drill is no incident"
    );
    assert_eq!(lastbeat.said(&["s3cret"]), 0);
    lastbeat.stop();
}

#[test]
fn without_a_running_one_the_notifiers_are_told_straight_from_here() {
    let receiver = Receiver::start();
    let setup = || {
        Setup::new()
            .env("HOOK", &receiver.url("/s3cret"))
            .rules("notify.toml", RULES)
            .env("LASTBEAT_URL", "http://127.0.0.1:9")
    };
    let (code, said) = drill(setup(), &[]);
    assert!(
        code == 0 && said.contains("no lastbeat answers") && said.contains("ok      oncall"),
        "{said}"
    );
    let (code, said) = drill(setup(), &["--direct"]);
    assert!(
        code == 0 && said.starts_with("a test incident, straight from here"),
        "{said}"
    );
    assert_eq!(receiver.taken().len(), 4);
    receiver.answer(500);
    let (code, said) = drill(setup(), &["--direct"]);
    assert!(
        code == 1 && said.contains("FAILED  oncall  opened 500") && !said.contains("s3cret"),
        "{said}"
    );
    let (code, said) = drill(Setup::new(), &["--direct"]);
    assert!(
        code == 1 && said.contains("there is no notifier: set SENTRY_DSN"),
        "{said}"
    );
    let (code, said) = drill(setup(), &["--url", "http://127.0.0.1:9"]);
    assert!(
        code == 1 && said.contains("is lastbeat running there?"),
        "{said}"
    );
    let (code, said) = drill(setup().env("SENTRY_DSN", "s3cret"), &["--direct"]);
    assert!(
        code == 64 && said.contains("SENTRY_DSN") && !said.contains("s3cret"),
        "{said}"
    );
}
