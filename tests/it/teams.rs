//! A region in which three teams have machines dies: each team's receiver hears of its beginning and of its end, once.

use crate::support::alertmanager::Alertmanager;
use crate::support::bugsink::Project;
use crate::support::feed::Feed;
use crate::support::hook::Hook;
use crate::support::lastbeat::Setup;
use crate::support::nats::{Nats, Peer};
use crate::support::org::org;
use crate::support::wait::wait_until;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);

const RULES: &str = "
[[rule]]
name = 'web'
app = 'web'
max_gap = '2s'
group_wait = '2s'
severity = 'warning'
labels = { team = 'web' }
notify = ['slack', 'alertmanager']

[[rule]]
name = 'api'
app = 'api'
max_gap = '2s'
group_wait = '2s'
labels = { team = 'api' }
notify = ['discord', 'sentry']

[[rule]]
name = 'db'
app = 'db'
max_gap = '2s'
group_wait = '2s'
severity = 'critical'
labels = { team = 'db' }
notify = ['pagerduty', 'alertmanager']

[notify.slack]
type = 'webhook'
format = 'slack'
url = '${HOOK}/slack'

[notify.discord]
type = 'webhook'
format = 'discord'
url = '${HOOK}/discord'

[notify.pagerduty]
type = 'webhook'
format = 'pagerduty'
url = '${HOOK}/pagerduty'
routing_key = 'r0uting'
severity = ['critical', 'error']

[notify.everything]
type = 'webhook'
url = '${HOOK}/everything'

[notify.alertmanager]
type = 'alertmanager'
url = '${ALERTMANAGER}'
";

const ROUTES: &str = r#"
route:
  receiver: rest
  group_by: ['...']
  group_wait: 1s
  group_interval: 1s
  repeat_interval: 1h
  routes:
    - receiver: pager
      matchers: ['severity="critical"', 'team=~"(.*,)?db(,.*)?"']
      continue: true
    - receiver: web
      matchers: ['team=~"(.*,)?web(,.*)?"']
receivers:
  - name: rest
    webhook_configs: [{ url: "{RECEIVER}", send_resolved: true }]
  - name: pager
    webhook_configs: [{ url: "{RECEIVER}", send_resolved: true }]
  - name: web
    webhook_configs: [{ url: "{RECEIVER}", send_resolved: true }]
"#;

/// What stands within the first brackets of a title, as `[critical] ...`, also where the brackets are escaped.
fn mark(title: &Value) -> String {
    let title = title.as_str().unwrap_or_default().replace('\\', "");
    let inner = title
        .split_once('[')
        .and_then(|(_, rest)| rest.split_once(']'));
    inner.map_or(title.clone(), |(mark, _)| mark.to_owned())
}

/// What each message to a receiver says of the incident, updates left out.
fn said(hook: &Hook, path: &str, what: impl Fn(&Value) -> String) -> Vec<String> {
    let taken = hook.taken();
    let bodies = taken.iter().filter(|one| one.path == path);
    let said = bodies.map(|one| what(&one.json()));
    said.filter(|said| !said.contains("update")).collect()
}

/// What a receiver of Alertmanager's was told of each alert, by its labels: `firing`, `resolved`.
fn routed(hook: &Hook, receiver: &str) -> Vec<Vec<String>> {
    let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for body in hook.taken().iter().map(|one| one.json()) {
        if body["receiver"] == receiver {
            let status = body["status"].as_str().unwrap_or_default().to_owned();
            let labels = body["alerts"][0]["labels"].to_string();
            told.entry(labels).or_default().push(status);
        }
    }
    told.into_values().collect()
}

#[test]
fn each_team_of_a_region_hears_of_its_beginning_and_of_its_end_once() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let project = Project::new("teams");
    let (hook, receivers) = (Hook::start(), Hook::start());
    let alertmanager = Alertmanager::configured(&receivers, ROUTES);
    let instances = org(&["web", "api", "db"], &["sjc", "ams"]);
    feed.beat(&instances, Duration::from_millis(500));
    let lastbeat = Setup::new()
        .nats(&nats)
        .sentry(project.dsn())
        .env("HOOK", &hook.url())
        .env("ALERTMANAGER", &alertmanager.url())
        .rules("rules.toml", RULES)
        .start();
    lastbeat.wait_live(6);
    let gone = || instances.iter().filter(|one| one.region == "ams");
    for one in gone() {
        feed.silence(one);
    }

    let slack = || said(&hook, "/slack", |body| mark(&body["text"]));
    let discord = || said(&hook, "/discord", |body| mark(&body["embeds"][0]["title"]));
    let pagerduty = || {
        let action = |body: &Value| body["event_action"].as_str().unwrap_or_default().to_owned();
        let mut actions = said(&hook, "/pagerduty", action);
        // PagerDuty takes an update as another trigger of the same incident.
        actions.dedup();
        actions
    };
    let events = || {
        let mut events = project.events();
        events.retain(|event| event.tag("state") != "updated");
        events
    };
    let all = |count: usize| {
        let told = [slack(), discord(), pagerduty()];
        told.iter().all(|told| told.len() == count) && events().len() == count
    };
    let fires = |receiver| {
        routed(&receivers, receiver)
            .iter()
            .any(|told| told.len() == 1)
    };
    wait_until("all openings", SOON, || {
        all(1) && fires("pager") && fires("web")
    });
    for one in gone() {
        feed.resume(one);
    }
    let is_over = |receiver| {
        let told = routed(&receivers, receiver);
        told.iter().all(|told| told.len() == 2)
    };
    wait_until("all ends", SOON, || {
        all(2) && is_over("pager") && is_over("web")
    });
    // Nothing waits to be told.
    lastbeat.wait_metrics("nothing pending", SOON, |metrics| {
        metrics.sum("lastbeat_notices_pending", &[]) == 0.0
    });
    // Each hears of its own severity: that of its worst member.
    assert_eq!(slack(), ["warning", "resolved"]);
    assert_eq!(discord(), ["error", "resolved"]);
    assert_eq!(pagerduty(), ["trigger", "resolve"]);
    for receiver in ["pager", "web"] {
        let told = routed(&receivers, receiver);
        assert_eq!(told, vec![["firing", "resolved"]; told.len()], "{receiver}");
    }
    assert!(routed(&receivers, "rest").is_empty());
    let taken = hook.taken();
    let to = |path: &str| {
        taken
            .iter()
            .find(|one| one.path == path)
            .map(|one| one.json())
    };
    let page = to("/pagerduty").expect("a page");
    assert_eq!(page["payload"]["severity"], "critical");
    assert_eq!(page["payload"]["class"], "RegionSilent");
    // Those whose members fired by then; the others join.
    let team = &page["payload"]["custom_details"]["labels"]["team"];
    let team = team.as_str().expect("labels are texts");
    assert!(
        team.split(',')
            .all(|one| ["api", "db", "web"].contains(&one)),
        "{team}"
    );
    let keys: Vec<String> = taken
        .iter()
        .filter(|one| one.path == "/pagerduty")
        .map(|one| one.json()["dedup_key"].to_string())
        .collect();
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    assert_eq!(to("/everything"), None, "no rule names it");
    let events = events();
    let tags = |tag: &str| {
        events
            .iter()
            .map(|event| event.tag(tag).to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(tags("state"), ["opened", "closed"]);
    assert!(tags("team").iter().all(|team| team.contains("api")));
    assert_eq!(tags("severity"), ["error", "error"]);
    lastbeat.stop();
}
