//! The whole stream stops: that is one incident, and nobody else's.

use crate::support::bugsink::{Event, Project, issues};
use crate::support::feed::Feed;
use crate::support::lastbeat::{Lastbeat, Setup};
use crate::support::nats::{Nats, Peer};
use crate::support::org::org;
use crate::support::wait::{since, wait_until};
use std::time::{Duration, SystemTime};

const MAX_GAP: Duration = Duration::from_secs(2);
/// The servers' own slowness too; short of another `MAX_GAP`.
const SLACK: Duration = Duration::from_millis(1900);
const SOON: Duration = Duration::from_secs(20);

/// Twelve instances that beat, and a lastbeat that has seen them all.
struct Scene {
    nats: Nats,
    feed: Feed,
    project: Project,
    lastbeat: Lastbeat,
}

fn scene(name: &str, peer: Peer) -> Scene {
    let nats = Nats::start(peer);
    let feed = Feed::connect(&nats);
    let project = Project::new(name);
    feed.beat(
        &org(&["sandwich", "batch", "web"], &["sjc", "ams", "nrt", "iad"]),
        Duration::from_millis(500),
    );
    let rules = "[stream]\nmax_gap = '2s'\n[[rule]]\nname = 'beats'\nmax_gap = '2s'\n";
    let lastbeat = Setup::new()
        .nats(&nats)
        .sentry(project.dsn())
        .rules("beats.toml", rules)
        .start();
    lastbeat.wait_live(12);
    Scene {
        nats,
        feed,
        project,
        lastbeat,
    }
}

impl Scene {
    /// The stream's alert, told in time after the last entry.
    fn stalled(&self, last: SystemTime) -> Event {
        let opened = self.project.wait_events(1, SOON).remove(0);
        let took = opened
            .ingested
            .duration_since(last)
            .expect("an alert comes after the last entry");
        assert!(
            (MAX_GAP..=MAX_GAP + SLACK).contains(&took),
            "told {took:?} after the last entry"
        );
        assert_eq!(
            (opened.kind(), opened.tag("state"), opened.level()),
            ("StreamStalled", "opened", "fatal")
        );
        assert_eq!(
            (opened.tag("rule"), opened.tag("scope")),
            ("stream", "stream")
        );
        opened
    }

    /// Everybody is live again, the stream's alert is closed, and there was no other.
    fn closes(self, opened: &Event) {
        self.project.wait_events(2, SOON);
        self.lastbeat.wait_live(12);
        self.lastbeat.wait_listened(MAX_GAP * 2);
        let metrics = self.lastbeat.metrics();
        assert_eq!(metrics.sum("lastbeat_alerts", &[("state", "firing")]), 0.0);
        self.lastbeat.stop();
        let events = self.project.only(2);
        assert_eq!(
            (events[1].kind(), events[1].tag("state"), events[1].level()),
            ("StreamStalled", "closed", "info")
        );
        assert_eq!(events[1].tag("incident"), opened.tag("incident"));
        assert_eq!(issues(&events), 1);
    }

    /// No instance is late or silent: what cannot be seen is unknown.
    fn nobody_is_blamed(&self) {
        let metrics = self.lastbeat.metrics();
        let verdicts = |verdict| metrics.sum("lastbeat_instances", &[("verdict", verdict)]);
        assert_eq!(verdicts("live") + verdicts("unknown"), 12.0);
        assert_eq!(
            metrics.sum("lastbeat_alerts", &[("rule", "beats"), ("state", "firing")]),
            0.0
        );
        assert_eq!(
            metrics.sum("lastbeat_incidents", &[("scope", "stream")]),
            1.0
        );
    }
}

#[test]
fn all_stop_and_resume() {
    let scene = scene("all stop", Peer::Current);
    let last = scene.feed.silence_all();
    let opened = scene.stalled(last);
    wait_until("five times max_gap of silence", SOON, || {
        since(last) >= MAX_GAP * 5
    });
    scene.nobody_is_blamed();
    scene.feed.resume_all();
    scene.closes(&opened);
}

#[test]
fn the_server_is_killed_and_restarted() {
    killed_and_restarted("server killed", Peer::Current);
}

#[test]
fn the_older_server_is_killed_and_restarted() {
    killed_and_restarted("older server killed", Peer::Older);
}

fn killed_and_restarted(name: &str, peer: Peer) {
    let mut scene = scene(name, peer);
    assert_eq!(
        scene.nats.subscriptions(),
        [("logs.>".to_owned(), String::new())],
        "one subscription, in no group"
    );
    scene.lastbeat.wait_ready(200);
    scene.nats.kill();
    let killed = crate::support::wait::wall();
    scene
        .lastbeat
        .wait_metrics("the lost connection", SOON, |metrics| {
            metrics.one("lastbeat_nats_connected") == 0.0
        });
    let reasons = scene.lastbeat.wait_ready(503);
    serde_json::from_str::<serde_json::Value>(&reasons.body).expect("/readyz says why as JSON");
    let opened = scene.project.wait_events(1, SOON).remove(0);
    assert_eq!(
        (opened.kind(), opened.tag("scope")),
        ("StreamStalled", "stream")
    );
    wait_until("three times max_gap without a server", SOON, || {
        since(killed) >= MAX_GAP * 3
    });
    scene.nobody_is_blamed();

    scene.nats.restart();
    scene.lastbeat.wait_ready(200);
    let metrics = scene.lastbeat.metrics();
    assert!(metrics.sum("lastbeat_nats_reconnects_total", &[]) >= 1.0);
    scene.closes(&opened);
}
