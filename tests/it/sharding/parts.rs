//! Two lastbeats, each with its part of one stream, and what stands above them.

use crate::support::alertmanager::{Alertmanager, groups};
use crate::support::feed::Feed;
use crate::support::folder::Folder;
use crate::support::hook::Hook;
use crate::support::lastbeat::{Lastbeat, Setup};
use crate::support::nats::{Nats, Peer};
use crate::support::org::{Instance, org};
use crate::support::prometheus::Prometheus;
use crate::support::testbed::project;
use crate::support::wait::{wait_for, wait_until};
use serde_json::Value;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// Bound of every wait here that is for seconds.
pub const SOON: Duration = Duration::from_secs(60);
/// Longer than Alertmanager takes to tell what it was told, and to tell it again.
pub const LONGER: Duration = Duration::from_secs(4);
/// The regions of the page's list.
pub const EAST: &[&str] = &["iad", "ord"];
/// Those of the other part.
pub const WEST: &[&str] = &["lhr", "nrt"];
/// The apps of the page's list come first.
pub const APPS: [&str; 4] = ["web", "api", "worker", "batch"];
const BEAT: Duration = Duration::from_millis(500);
/// What each calls its rule.
const RULES: [&str; 2] = ["beats"; 2];

/// The page on deployment.
pub fn page() -> String {
    std::fs::read_to_string(project().join("docs/deploy.md")).expect("the page is there")
}

/// The list of subjects that the page shows for this way to share.
pub fn listed(way: &str) -> String {
    let page = page();
    let row = format!("` ({way}");
    let row = page
        .lines()
        .find(|line| line.starts_with("| `logs.") && line.contains(&row));
    let list = row.and_then(|row| row.split('`').nth(1));
    list.unwrap_or_else(|| panic!("the page shows no list {way}"))
        .to_owned()
}

/// The page's list for the east, and one like it for the west.
fn by_region() -> [String; 2] {
    let east = listed("by region");
    let west = east.replace(EAST[0], WEST[0]).replace(EAST[1], WEST[1]);
    [east, west]
}

/// The labels by which the page has Alertmanager group, of those who share by region or by app.
fn group_by(way: &str) -> String {
    let page = page();
    let line = page
        .lines()
        .find(|line| line.trim_start().starts_with("group_by: ["));
    let line = line.expect("the page shows a route");
    let labels = line.split(['[', ']']).nth(1).expect("a list").to_owned();
    match way {
        "by region" => labels,
        _ => labels.replace("target_app", "target_region"),
    }
}

/// Two parts, with all that stands around them.
pub struct Parts {
    pub feed: Feed,
    pub receiver: Hook,
    pub alertmanager: Alertmanager,
    pub east: Lastbeat,
    pub west: Lastbeat,
    all: Vec<Instance>,
    begins: [Begin; 2],
    _states: Folder,
    nats: Nats,
}

/// How one of them is started.
struct Begin {
    subjects: String,
    rule: &'static str,
    state: PathBuf,
    tells: String,
}

impl Begin {
    fn start(&self, nats: &Nats) -> Lastbeat {
        let rules = format!(
            "[stream]\nmax_gap = '6s'\n\
             [notify.above]\ntype = 'alertmanager'\nurl = '{}'\n\
             [[rule]]\nname = '{}'\nmax_gap = '4s'\n",
            self.tells, self.rule
        );
        Setup::new()
            .nats(nats)
            .env("SUBJECT", &self.subjects)
            .env("LASTBEAT_STATE", &self.state.to_string_lossy())
            .rules("rules.toml", &rules)
            .start()
    }
}

impl Parts {
    /// East and west, each with two regions and an instance of each app in each.
    pub fn by_region() -> Self {
        Parts::with(&[])
    }

    /// As [`Self::by_region`], with more instances.
    pub fn with(more: &[Instance]) -> Self {
        Parts::start("by region", by_region(), RULES, more)
    }

    /// As [`Self::by_region`], each with a name of its own for the rule.
    pub fn named(rules: [&'static str; 2]) -> Self {
        Parts::start("by region", by_region(), rules, &[])
    }

    /// Two apps each, in all regions.
    pub fn by_app() -> Self {
        let one = listed("by app");
        let other = one.replace(APPS[0], APPS[2]).replace(APPS[1], APPS[3]);
        Parts::start("by app", [one, other], RULES, &[])
    }

    fn start(way: &str, lists: [String; 2], rules: [&'static str; 2], more: &[Instance]) -> Self {
        let nats = Nats::start(Peer::Current);
        let feed = Feed::connect(&nats);
        let receiver = Hook::start();
        let alertmanager = Alertmanager::grouped(&receiver, &group_by(way));
        let mut all = org(&APPS, &[EAST, WEST].concat());
        all.extend_from_slice(more);
        feed.beat(&all, BEAT);
        let states = Folder::new("states");
        let kept = |part: usize| states.path().join(format!("{part}.db"));
        let [east, west] = lists;
        let begins = [(east, 0), (west, 1)].map(|(subjects, part)| Begin {
            subjects,
            rule: rules[part],
            state: kept(part),
            tells: alertmanager.url(),
        });
        let [east, west] = [0, 1].map(|part: usize| begins[part].start(&nats));
        let parts = Parts {
            feed,
            receiver,
            alertmanager,
            east,
            west,
            all,
            begins,
            _states: states,
            nats,
        };
        wait_until("everybody is live, each in one part", SOON, || {
            let live = |one: &Lastbeat| {
                one.metrics()
                    .sum("lastbeat_instances", &[("verdict", "live")])
            };
            live(&parts.east) + live(&parts.west) == parts.all.len() as f64
        });
        parts
    }

    /// A Prometheus above both.
    pub fn prometheus(&self) -> Prometheus {
        Prometheus::above(&[&self.east.server, &self.west.server])
    }

    /// Starts the one in the east again, with its state.
    pub fn start_east_again(&mut self) {
        self.east = self.begins[0].start(&self.nats);
    }

    /// Everyone who beats.
    pub fn all(&self) -> &[Instance] {
        &self.all
    }

    /// The instances of an app in these regions.
    pub fn of(&self, app: &str, regions: &[&str]) -> Vec<Instance> {
        let of_app = self.all.iter().filter(|one| one.app == app);
        of_app
            .filter(|one| regions.contains(&one.region.as_str()))
            .cloned()
            .collect()
    }

    /// Silences an app in these regions.
    pub fn silence(&self, app: &str, regions: &[&str]) {
        self.of(app, regions).iter().for_each(|one| {
            self.feed.silence(one);
        });
    }

    /// Lets an app in these regions beat again.
    pub fn resume(&self, app: &str, regions: &[&str]) {
        self.of(app, regions)
            .iter()
            .for_each(|one| self.feed.resume(one));
    }

    /// Does so with each part.
    pub fn each(&self, what: impl Fn(&Lastbeat)) {
        [&self.east, &self.west].into_iter().for_each(what);
    }

    /// Alertmanager's alerts of an app.
    pub fn alerts(&self, app: &str) -> Vec<Value> {
        let mut alerts = self.alertmanager.alerts();
        alerts.retain(|alert| alert["labels"]["target_app"] == app);
        alerts
    }

    /// Waits for so many alerts of an app.
    #[track_caller]
    pub fn wait_alerts(&self, app: &str, count: usize) -> Vec<Value> {
        wait_for(&format!("{count} alerts of {app}"), SOON, || {
            Some(self.alerts(app)).filter(|alerts| alerts.len() == count)
        })
    }

    /// The messages in which an app stands: their status and all their alerts.
    pub fn groups(&self, app: &str) -> Vec<(String, Vec<Value>)> {
        let mut groups = groups(&self.receiver);
        groups.retain(|(_, alerts)| alerts.iter().any(|one| one["labels"]["target_app"] == app));
        groups
    }

    /// The status of each message about an app, in order.
    pub fn told(&self, app: &str) -> Vec<String> {
        self.groups(app)
            .into_iter()
            .map(|(status, _)| status)
            .collect()
    }

    /// Waits until just these messages were told of an app.
    #[track_caller]
    pub fn wait_told(&self, app: &str, statuses: &[&str]) {
        wait_until(&format!("{statuses:?} of {app}"), SOON, || {
            self.told(app) == statuses
        });
    }

    /// Stops both, after a look at whom they know: everybody is known to one of them.
    #[track_caller]
    pub fn stop(self) {
        for one in &self.all {
            let labels = [("target_app", &*one.app), ("target_region", &*one.region)];
            let known = |part: &Lastbeat| part.metrics().sum("lastbeat_instances", &labels);
            assert_eq!(known(&self.east) + known(&self.west), 1.0, "{one:?}");
        }
        [self.east, self.west].into_iter().for_each(Lastbeat::stop);
    }
}

/// How many notices a lastbeat has delivered.
pub fn notices(lastbeat: &Lastbeat) -> f64 {
    let metrics = lastbeat.metrics();
    metrics.sum("lastbeat_notices_total", &[("outcome", "delivered")])
}

/// When an alert resolves by itself.
pub fn resolves(alert: &Value) -> SystemTime {
    let text = alert["endsAt"].as_str().expect("an end");
    humantime::parse_rfc3339(text).expect("RFC 3339")
}
