//! Instances that fall silent: the right ones alert, in time, once, and nobody else does.

use crate::support::bugsink::{Event, Project, issues};
use crate::support::feed::Feed;
use crate::support::lastbeat::Setup;
use crate::support::nats::{Nats, Peer};
use crate::support::org::{Instance, org};
use std::time::{Duration, SystemTime};

/// How long after its deadline a notice may be at the Sentry server, which is slow on a busy machine; short of another
/// `max_gap`.
const SLACK: Duration = Duration::from_millis(2900);
const SOON: Duration = Duration::from_secs(20);

#[test]
fn one_of_twelve_stops_and_returns() {
    one_of_twelve(Peer::Current);
}

#[test]
fn one_of_twelve_stops_and_returns_with_the_older_server() {
    one_of_twelve(Peer::Older);
}

fn one_of_twelve(peer: Peer) {
    let max_gap = Duration::from_secs(3);
    let nats = Nats::start(peer);
    let feed = Feed::connect(&nats);
    let project = Project::new("one of twelve");
    let instances = org(&["sandwich", "batch", "web"], &["sjc", "ams", "nrt", "iad"]);
    feed.beat(&instances, Duration::from_secs(1));
    let lastbeat = Setup::new()
        .nats(&nats)
        .sentry(project.dsn())
        .rules(
            "beats.toml",
            "[stream]\nmax_gap = '20s'\n[[rule]]\nname = 'beats'\nmax_gap = '3s'\n",
        )
        .start();
    lastbeat.wait_live(12);

    let silent = &instances[6];
    let last = feed.silence(silent);
    let opened = project.wait_events(1, SOON).remove(0);
    opened_in_time(&opened, last, max_gap);
    names(&opened, silent);
    assert_eq!(
        (opened.kind(), opened.level()),
        ("HeartbeatMissed", "error")
    );
    assert_eq!(
        (opened.tag("rule"), opened.tag("scope"), opened.tag("state")),
        ("beats", "instance", "opened")
    );
    assert_ne!(opened.tag("incident"), "");
    let metrics = lastbeat.metrics();
    assert_eq!(
        metrics.sum("lastbeat_instances", &[("verdict", "silent")]),
        1.0
    );
    assert_eq!(
        metrics.sum("lastbeat_alerts", &[("rule", "beats"), ("state", "firing")]),
        1.0
    );

    feed.resume(silent);
    let closed = project.wait_events(2, SOON).remove(1);
    names(&closed, silent);
    assert_eq!((closed.kind(), closed.level()), ("HeartbeatMissed", "info"));
    assert_eq!(
        (closed.tag("state"), closed.tag("incident")),
        ("closed", opened.tag("incident"))
    );

    lastbeat.wait_live(12);
    lastbeat.wait_listened(max_gap + SLACK);
    lastbeat.stop();
    assert_eq!(
        issues(&project.only(2)),
        1,
        "what closes is in the issue of what opened"
    );
}

#[test]
fn each_app_fires_at_its_own_threshold() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let project = Project::new("two thresholds");
    let instances = org(&["hasty", "patient"], &["sjc", "ams", "nrt"]);
    feed.beat(&instances, Duration::from_millis(500));
    let rules = "[[rule]]\nname = 'hasty ones'\napp = 'hasty'\nmax_gap = '2s'\nseverity = 'critical'\n\
                 [[rule]]\nname = 'the rest'\nmax_gap = '5s'\nseverity = 'warning'\n";
    let lastbeat = Setup::new()
        .nats(&nats)
        .sentry(project.dsn())
        .rules("two.toml", rules)
        .start();
    lastbeat.wait_live(6);

    let (hasty, patient) = (&instances[0], &instances[4]);
    let hasty_last = feed.silence(hasty);
    let patient_last = feed.silence(patient);
    let events = project.wait_events(2, SOON);
    opened_in_time(&events[0], hasty_last, Duration::from_secs(2));
    opened_in_time(&events[1], patient_last, Duration::from_secs(5));
    names(&events[0], hasty);
    names(&events[1], patient);
    assert_eq!(
        (events[0].tag("rule"), events[0].level()),
        ("hasty ones", "fatal")
    );
    assert_eq!(
        (events[1].tag("rule"), events[1].level()),
        ("the rest", "warning")
    );

    lastbeat.wait_listened(Duration::from_secs(2));
    lastbeat.stop();
    assert_eq!(issues(&project.only(2)), 2);
}

#[test]
fn an_instance_that_says_bye_is_not_missed() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let project = Project::new("bye");
    let instances = org(&["sandwich"], &["sjc", "ams", "nrt"]);
    feed.beat(&instances, Duration::from_millis(500));
    let rules = "[[rule]]\nname = 'beats'\nmax_gap = '2s'\n";
    let lastbeat = Setup::new()
        .nats(&nats)
        .sentry(project.dsn())
        .rules("beats.toml", rules)
        .start();
    lastbeat.wait_live(3);

    feed.silence(&instances[0]);
    feed.say(&instances[0], "HEARTBEAT bye");
    lastbeat.wait_metrics("one stopped instance", SOON, |metrics| {
        metrics.sum("lastbeat_instances", &[("verdict", "stopped")]) == 1.0
    });
    lastbeat.wait_listened(Duration::from_secs(5));
    let metrics = lastbeat.metrics();
    assert_eq!(
        metrics.sum("lastbeat_instances", &[("verdict", "stopped")]),
        1.0
    );
    assert_eq!(
        metrics.sum("lastbeat_instances", &[("verdict", "live")]),
        2.0
    );
    lastbeat.stop();
    project.only(0);
}

/// It was told neither before the deadline nor long after it.
#[track_caller]
fn opened_in_time(event: &Event, last: SystemTime, max_gap: Duration) {
    assert_eq!(event.tag("state"), "opened");
    let took = event
        .ingested
        .duration_since(last)
        .expect("an alert comes after the last beat");
    assert!(
        took >= max_gap,
        "told {took:?} after the last beat, {max_gap:?} were allowed"
    );
    assert!(
        took <= max_gap + SLACK,
        "told only {took:?} after the last beat, {max_gap:?} were allowed"
    );
}

/// Tags say who, and so does the title that people read.
#[track_caller]
fn names(event: &Event, instance: &Instance) {
    let Instance { app, region, id } = instance;
    let tags = [
        event.tag("target_app"),
        event.tag("target_region"),
        event.tag("target_instance"),
    ];
    assert_eq!(tags, [app, region, id]);
    for word in [app, region, id] {
        assert!(
            event.value().contains(word.as_str()),
            "{word} is not in the title: {:?}",
            event.value()
        );
    }
}
