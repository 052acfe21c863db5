//! Somebody makes up subjects: that is told, and hides nobody who is known.

use crate::support::bugsink::Project;
use crate::support::feed::Feed;
use crate::support::lastbeat::Setup;
use crate::support::nats::{Nats, Peer};
use crate::support::org::org;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);
const MAX_GAP: Duration = Duration::from_secs(3);
/// How long after its deadline a notice may be at the Sentry server, which is slow on a busy machine; short of another
/// `MAX_GAP`.
const SLACK: Duration = Duration::from_millis(2900);
const MADE_UP: usize = 20_000;

#[test]
fn a_flood_of_made_up_subjects_is_told_once_and_one_who_is_known_and_dies_in_it_too() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let project = Project::new("a flood");
    let instances = org(&["sandwich", "batch", "web"], &["sjc", "ams", "nrt", "iad"]);
    feed.beat(&instances, Duration::from_millis(500));
    let lastbeat = Setup::new()
        .nats(&nats)
        .sentry(project.dsn())
        .env("LASTBEAT_MAX_INSTANCES", "50")
        .rules(
            "beats.toml",
            "[stream]\nmax_gap = '20s'\n[[rule]]\nname = 'beats'\nmax_gap = '3s'\n",
        )
        .start();
    lastbeat.wait_live(12);

    let made_up = |number: usize| {
        let subject = format!("logs.made-up-{}.iad.{number}", number % 1_000);
        (subject, br#"{"message":"hello"}"#.to_vec())
    };
    feed.publish((0..MADE_UP).map(made_up).collect());
    let told = project.wait_events(1, SOON).remove(0);
    assert_eq!((told.kind(), told.level()), ("LastbeatFull", "error"));
    assert_eq!((told.tag("scope"), told.tag("state")), ("stream", "opened"));

    let known = &instances[6];
    let last = feed.silence(known);
    feed.publish((MADE_UP..2 * MADE_UP).map(made_up).collect());
    let opened = project.wait_events(2, SOON).remove(1);
    assert_eq!(opened.kind(), "HeartbeatMissed");
    assert_eq!(opened.tag("target_app"), known.app);
    assert_eq!(opened.tag("target_instance"), known.id);
    let took = opened
        .ingested
        .duration_since(last)
        .expect("it comes after");
    assert!((MAX_GAP..MAX_GAP + SLACK).contains(&took), "{took:?}");

    let room = 50 - instances.len();
    let dropped = (2 * MADE_UP - room) as f64;
    lastbeat.wait_metrics("all that found no room", SOON, |metrics| {
        let of_limit = [("reason", "limit")];
        metrics.sum("lastbeat_entries_rejected_total", &of_limit) == dropped
    });
    let metrics = lastbeat.metrics();
    assert_eq!(metrics.sum("lastbeat_instances", &[]), 50.0);
    let of_stream = [("rule", "stream"), ("state", "firing")];
    let stream = metrics.sum("lastbeat_alerts", &of_stream);
    assert_eq!(stream, 0.0, "the stream itself is well");
    lastbeat.stop();
    project.only(2);
}
