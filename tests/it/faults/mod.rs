//! The ways in which the stream dies, each against a real nats-server, where needed behind a proxy of the tests'
//! own: noticed, named, healed without a person, and nobody blamed but the stream.

mod burst;
mod canary;
mod gone;
mod odd_servers;
mod refused;
mod stuck;

use crate::support::bugsink::{Event, Project, issues};
use crate::support::feed::Feed;
use crate::support::lastbeat::{Lastbeat, Setup};
use crate::support::nats::{Nats, Peer};
use crate::support::org::org;
use crate::support::proxy::Proxy;
use std::time::Duration;

/// Bound of every wait here: backoffs and jitter included.
pub const SOON: Duration = Duration::from_secs(40);

const RULES: &str = "[stream]\nmax_gap = '2s'\n[[rule]]\nname = 'beats'\nmax_gap = '2s'\n";

/// Six instances that beat twice a second, and a lastbeat that sees them through a proxy.
pub struct Scene {
    pub nats: Nats,
    pub proxy: Proxy,
    pub feed: Feed,
    pub project: Project,
    pub lastbeat: Lastbeat,
}

impl Scene {
    /// Everybody is live.
    pub fn new(name: &str, peer: Peer) -> Self {
        Scene::with(name, peer, |setup| setup)
    }

    /// As [`Self::new`], with other settings.
    pub fn with(name: &str, peer: Peer, more: impl FnOnce(Setup) -> Setup) -> Self {
        let nats = Nats::start(peer);
        let proxy = Proxy::before(&nats.address());
        let feed = Feed::connect(&nats);
        let project = Project::new(name);
        feed.beat(
            &org(&["sandwich", "batch"], &["sjc", "ams", "nrt"]),
            Duration::from_millis(500),
        );
        let setup = Setup::new()
            .nats(&nats)
            .env("NATS_URL", &proxy.url())
            .sentry(project.dsn())
            .rules("beats.toml", RULES);
        let lastbeat = more(setup).start();
        lastbeat.wait_live(6);
        Scene {
            nats,
            proxy,
            feed,
            project,
            lastbeat,
        }
    }

    /// Waits until the connection is in this state.
    #[track_caller]
    pub fn wait_state(&self, state: &str) {
        wait_state(&self.lastbeat, state);
    }

    /// The alert that opens; it is the stream's.
    #[track_caller]
    pub fn alert(&self, kind: &str) -> Event {
        let opened = self.project.wait_events(1, SOON).remove(0);
        assert_eq!(
            (opened.kind(), opened.tag("state"), opened.tag("scope")),
            (kind, "opened", "stream")
        );
        opened
    }

    /// How many fresh subscriptions had this outcome.
    pub fn heals(&self, outcome: &str) -> f64 {
        let metrics = self.lastbeat.metrics();
        metrics.sum("lastbeat_nats_heal_attempts_total", &[("outcome", outcome)])
    }

    /// Entries flow, everybody is live, the one alert is closed, and there was no other.
    #[track_caller]
    pub fn closes(self, opened: &Event) {
        self.project.wait_events(2, SOON);
        self.flows();
        self.lastbeat.stop();
        let events = self.project.only(2);
        assert_eq!(
            (events[1].tag("state"), events[1].tag("incident")),
            ("closed", opened.tag("incident"))
        );
        assert_eq!(issues(&events), 1);
    }

    /// Entries flow, everybody is live, and there was no alert at all.
    #[track_caller]
    pub fn told_nothing(self) {
        self.flows();
        self.lastbeat.stop();
        self.project.only(0);
    }

    #[track_caller]
    fn flows(&self) {
        self.wait_state("flowing");
        self.lastbeat.wait_ready(200);
        // Others may have spoken beside the six.
        self.lastbeat
            .wait_metrics("six live instances", SOON, |metrics| {
                metrics.sum("lastbeat_instances", &[("verdict", "live")]) >= 6.0
            });
        self.lastbeat.wait_listened(Duration::from_secs(4));
        let metrics = self.lastbeat.metrics();
        assert_eq!(metrics.sum("lastbeat_alerts", &[("state", "firing")]), 0.0);
    }
}

/// Waits until the connection is in this state, and in no other.
#[track_caller]
pub fn wait_state(lastbeat: &Lastbeat, state: &str) {
    lastbeat.wait_metrics(&format!("the state {state}"), SOON, |metrics| {
        metrics.sum("lastbeat_nats_state", &[("state", state)]) == 1.0
            && metrics.sum("lastbeat_nats_state", &[]) == 1.0
    });
}

/// Waits until /readyz gives a reason with these words in it.
#[track_caller]
pub fn wait_reason(lastbeat: &Lastbeat, words: &str) {
    crate::support::wait::wait_until(&format!("/readyz with {words:?}"), SOON, || {
        lastbeat.get("/readyz").body.contains(words)
    });
}
