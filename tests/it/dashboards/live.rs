//! Every expression that ships, on a real Prometheus that scrapes a real lastbeat with real beats.

use super::{Dashboard, all};
use crate::support::bugsink::Project;
use crate::support::dns_server::DnsServer;
use crate::support::feed::Feed;
use crate::support::lastbeat::{Lastbeat, Setup};
use crate::support::log_shipper::LogShipper;
use crate::support::nats::Nats;
use crate::support::org::{Instance, org};
use crate::support::prometheus::Prometheus;
use crate::support::receiver::Receiver;
use crate::support::wait::wait_until;
use serde_json::Value;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);

/// What may be empty where nothing is wrong, by a part of the expression, each with its reason.
const MAY_BE_EMPTY: [(&str, &str); 2] = [
    (
        "lastbeat_blind_seconds_total{job=~\"$job\", instance=~\"$monitor\"}[$__rate_interval])) > 0",
        "an annotation of blind times, and it was never blind",
    ),
    ("lastbeat_max_gap_factor", "its rule has a fixed max_gap"),
];

/// A lastbeat that has everything to show: live ones, a stopped one, a silent one, a notice that was sent, a canary, a
/// state file, an inventory, a watchdog; and the Prometheus that has watched it from before all that.
struct Scene {
    lastbeat: Lastbeat,
    prometheus: Prometheus,
    _feed: Feed,
    _nats: Nats,
}

fn scene() -> Scene {
    let nats = Nats::with_canaries();
    let feed = Feed::connect(&nats);
    let project = Project::new("dashboards");
    let instances = org(&["sandwich", "batch", "api"], &["sjc", "ams", "nrt"]);
    let dns = inventory(&instances);
    let shipper = LogShipper::start(&nats);
    let forward = format!(
        "[archive]\nmin_free = '1%'\n[sink.own]\ntype = 'http'\nurl = '{}'\n[[forward]]\nsink = 'own'\n",
        Receiver::start().url("/insert")
    );
    let lastbeat = Setup::new()
        .nats(&nats)
        .sentry(project.dsn())
        .env("LASTBEAT_CANARY", "1s")
        .env("LASTBEAT_STATE", "state.db")
        .env("LASTBEAT_ARCHIVE", "archive")
        .env("LASTBEAT_INVENTORY", "dns")
        .env("LASTBEAT_INVENTORY_DNS", &dns.address.to_string())
        .rules("beats.toml", "[[rule]]\nname = 'beats'\nmax_gap = '2s'\n")
        .rules("shipper.toml", &shipper.rule("sink"))
        .rules("forward.toml", &forward)
        .start();
    // What happens before the first scrape has no rate.
    let prometheus = Prometheus::start(&lastbeat.server);
    feed.beat(&instances, Duration::from_millis(300));
    lastbeat.wait_live(9);
    let stops = &instances[5];
    feed.silence(stops);
    feed.say(stops, "HEARTBEAT every=1s name=worker seq=1");
    feed.say(stops, "HEARTBEAT every=1s name=worker seq=4");
    // Beats that are taken in the same moment are no sample of a loss.
    lastbeat.wait_metrics("the hole in the count", SOON, |metrics| {
        metrics.sum("lastbeat_heartbeats_lost_total", &[]) >= 2.0
    });
    feed.say(stops, "HEARTBEAT every=1s name=worker seq=5");
    feed.say(stops, "HEARTBEAT bye");
    feed.say(stops, "HEARTBEAT bye name=worker");
    feed.publish(vec![("logs.short".to_owned(), b"hello world".to_vec())]);
    feed.silence(&instances[0]);
    project.wait_events(1, SOON);
    // What the first alert made known has a rate once it grows.
    wait_until("the first detection is scraped", SOON, || {
        let rows = prometheus.query("lastbeat_detection_seconds_count");
        rows.is_ok_and(|rows| !rows.is_empty())
    });
    feed.silence(&instances[7]);
    project.wait_events(2, SOON);
    Scene {
        lastbeat,
        prometheus,
        _feed: feed,
        _nats: nats,
    }
}

/// An inventory that lists all of them as started.
fn inventory(instances: &[Instance]) -> DnsServer {
    let dns = DnsServer::start();
    let items = instances.iter().map(|Instance { app, region, id }| {
        format!("instance={id},app={app},ip=fdaa:0:18:a7b:7d:1:0:2,region={region}")
    });
    let items = items.collect::<Vec<String>>().join(";");
    dns.say_text("_instances.internal", items.clone());
    dns.say_text("all._instances.internal", items);
    dns
}

#[test]
fn every_expression_has_data_on_a_live_prometheus() {
    let scene = scene();
    let mut asked = Vec::new();
    for dashboard in all() {
        expressions(&dashboard, &mut asked);
    }
    assert!(asked.len() > 80, "{} expressions only", asked.len());
    // Rates have data a few scrapes after what they count.
    let scrapes = scene
        .prometheus
        .query("count_over_time(up[1h])")
        .expect("it scrapes");
    let goal = scrapes[0]["value"][1]
        .as_str()
        .unwrap_or_default()
        .parse::<u32>()
        .expect("a count")
        + 8;
    wait_until("eight more scrapes", SOON, || {
        let enough = scene
            .prometheus
            .query(&format!("count_over_time(up[1h]) >= {goal}"));
        enough.is_ok_and(|rows| !rows.is_empty())
    });
    let mut faults = faulty(&scene.prometheus, &asked);
    faults.extend(super::alerts::faulty(&scene.prometheus));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    scene.lastbeat.stop();
}

/// Expressions that Prometheus refuses, and those without data.
fn faulty(prometheus: &Prometheus, asked: &[(String, String)]) -> Vec<String> {
    let fault = |(place, expression): &(String, String)| match prometheus.query(&filled(expression))
    {
        Err(error) => Some(format!("{place}: {expression}: {error}")),
        Ok(rows) if rows.iter().all(is_nan) && !may_be_empty(expression) => {
            Some(format!("{place}: {expression}: no data"))
        }
        Ok(_) => None,
    };
    asked.iter().filter_map(fault).collect()
}

fn is_nan(row: &Value) -> bool {
    row["value"][1] == "NaN"
}

fn may_be_empty(expression: &str) -> bool {
    MAY_BE_EMPTY
        .iter()
        .any(|(part, _)| expression.contains(part))
}

/// Every expression of its panels, annotations and variables, with its place.
fn expressions(dashboard: &Dashboard, found: &mut Vec<(String, String)>) {
    let mut add = |place: &Value, expression: &str| {
        let place = place.as_str().unwrap_or_default();
        found.push((
            format!("{}: {place}", dashboard.file),
            expression.to_owned(),
        ));
    };
    for panel in dashboard.panels() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            add(&panel["title"], target["expr"].as_str().unwrap_or_default());
        }
    }
    let list = |of: &str| dashboard.json[of]["list"].as_array().into_iter().flatten();
    for annotation in list("annotations") {
        add(
            &annotation["name"],
            annotation["expr"].as_str().unwrap_or_default(),
        );
    }
    for variable in list("templating").filter(|variable| variable["type"] == "query") {
        let query = variable["query"]["query"].as_str().unwrap_or_default();
        let expression = label_values(query)
            .unwrap_or_else(|| panic!("{}: not understood: {query}", dashboard.file));
        add(&variable["name"], &expression);
    }
}

/// Grafana's `label_values(series, label)` as an expression that has rows where that has values.
fn label_values(query: &str) -> Option<String> {
    let (series, label) = query
        .strip_prefix("label_values(")?
        .strip_suffix(')')?
        .rsplit_once(',')?;
    Some(format!("count by ({}) ({series})", label.trim()))
}

/// The expression with Grafana's variables filled in as Grafana would with "All" chosen.
fn filled(expression: &str) -> String {
    let spans = [
        ("$__rate_interval", "1m"),
        ("$__interval", "5s"),
        ("$__range", "1m"),
    ];
    let text = spans
        .iter()
        .fold(expression.to_owned(), |text, (name, span)| {
            text.replace(name, span)
        });
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once('$') {
        out += before;
        out += ".*";
        rest = match after.strip_prefix('{') {
            Some(inside) => inside.split_once('}').map_or("", |(_, rest)| rest),
            None => after.trim_start_matches(|char: char| char.is_alphanumeric() || char == '_'),
        };
    }
    out + rest
}

#[test]
fn variables_are_understood() {
    assert_eq!(
        filled("rate(x{a=~\"$app\",b=~\"${b:regex}\"}[$__rate_interval])"),
        "rate(x{a=~\".*\",b=~\".*\"}[1m])"
    );
    assert_eq!(
        label_values("label_values(x{a=\"1\", b=\"2\"}, c)").as_deref(),
        Some("count by (c) (x{a=\"1\", b=\"2\"})")
    );
}
