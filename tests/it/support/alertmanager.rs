//! A real Alertmanager, alone or two that know each other, with a receiver of the test's own.

use super::child::{Child, command};
use super::folder::Folder;
use super::hook::Hook;
use super::http::Server;
use super::testbed::{fetched, template};
use super::wait::{wait_for, wait_until};
use serde_json::{Value, json};
use std::time::Duration;

const START: Duration = Duration::from_secs(60);
/// How often one by itself looks for what is new to tell.
const AT_ONCE: &str = "1s";

/// A running Alertmanager.
pub struct Alertmanager {
    #[expect(dead_code, reason = "held for its end")]
    child: Child,
    #[expect(dead_code, reason = "held for its end")]
    folder: Folder,
    server: Server,
}

impl Alertmanager {
    /// One by itself, which tells `receiver`; alerts of one name are a group.
    pub fn start(receiver: &Hook) -> Self {
        Alertmanager::grouped(receiver, "alertname")
    }

    /// One by itself, which tells `receiver`; alerts with equal ones of these labels are a group.
    pub fn grouped(receiver: &Hook, group_by: &str) -> Self {
        let alone = ["--cluster.listen-address=".to_owned()];
        Alertmanager::start_with(receiver, (group_by, AT_ONCE), &alone)
    }

    /// One by itself with a configuration of the test's own, in which `{RECEIVER}` is the receiver's address.
    pub fn configured(receiver: &Hook, config: &str) -> Self {
        let config = config.replace("{RECEIVER}", &receiver.url());
        Alertmanager::run(&config, &["--cluster.listen-address=".to_owned()])
    }

    /// Two that know each other, and both tell `receiver`; each alert is a group of its own. The second waits for a few
    /// seconds for the first's word before it tells, and both look for what is new much less often, as they do in earnest:
    /// what changes while the second waits is told by both.
    pub fn cluster(receiver: &Hook) -> [Self; 2] {
        let peer = |known: Option<String>| {
            let mut arguments: Vec<String> = [
                "--cluster.gossip-interval=50ms",
                "--cluster.peer-timeout=4s",
                "--cluster.listen-address=127.0.0.1:0",
            ]
            .map(str::to_owned)
            .into();
            arguments.extend(known.map(|address| format!("--cluster.peer={address}")));
            Alertmanager::start_with(receiver, ("'...'", "15s"), &arguments)
        };
        let first = peer(None);
        let known = wait_for("its own address", START, || first.peers().pop());
        let second = peer(Some(known));
        let pair = [first, second];
        wait_until("a settled cluster of two", START, || {
            pair.iter().all(|one| {
                let status = one.ask("/api/v2/status");
                one.peers().len() == 2 && status["cluster"]["status"] == "ready"
            })
        });
        pair
    }

    /// How often it has decided whether to tell: each time it looks into its log of what was told.
    pub fn decisions(&self) -> f64 {
        let answer = self.server.get("/metrics").expect("Alertmanager answers");
        let name = "alertmanager_nflog_queries_total ";
        let found = answer.body.lines().find_map(|line| line.strip_prefix(name));
        let count = found.and_then(|count| count.parse().ok());
        count.expect("Alertmanager counts its decisions")
    }

    /// The addresses of its cluster, its own among them.
    fn peers(&self) -> Vec<String> {
        let status = self.ask("/api/v2/status");
        let peers = status["cluster"]["peers"].as_array().into_iter().flatten();
        let addresses = peers.filter_map(|one| one["address"].as_str());
        addresses.map(str::to_owned).collect()
    }

    /// `grouped`: by which labels, and how often a group is looked at.
    fn start_with(receiver: &Hook, grouped: (&str, &str), arguments: &[String]) -> Self {
        let config = template("alertmanager.yml")
            .replace("{RECEIVER}", &receiver.url())
            .replace("{GROUP_BY}", grouped.0)
            .replace("{GROUP_INTERVAL}", grouped.1);
        Alertmanager::run(&config, arguments)
    }

    fn run(config: &str, arguments: &[String]) -> Self {
        let folder = Folder::new("alertmanager");
        let config = folder.write("alertmanager.yml", config);
        let mut command = command(fetched("bin/alertmanager"));
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.path={}",
                folder.path().join("data").display()
            ))
            .arg("--web.listen-address=127.0.0.1:0")
            .args(arguments);
        let mut child = Child::start("alertmanager", &mut command);
        let port = child.wait_line("the line that says where it listens", START, listening);
        Alertmanager {
            child,
            folder,
            server: Server::local(port),
        }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// The alerts it has.
    pub fn alerts(&self) -> Vec<Value> {
        let alerts = self.ask("/api/v2/alerts");
        alerts.as_array().cloned().unwrap_or_default()
    }

    /// Silences whatever has this label, for an hour.
    pub fn silence(&self, label: &str, value: &str) {
        let at = |ahead: u64| {
            let at = super::wait::wall() + Duration::from_secs(ahead);
            humantime::format_rfc3339_seconds(at).to_string()
        };
        let silence = json!({
            "matchers": [{"name": label, "value": value, "isRegex": false, "isEqual": true}],
            "startsAt": at(0),
            "endsAt": at(3600),
            "createdBy": "tests",
            "comment": "a silence of its own",
        });
        let answer = self.server.post("/api/v2/silences", &silence);
        let answer = answer.expect("Alertmanager answers");
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    fn ask(&self, path: &str) -> Value {
        let answer = self.server.get(path).expect("Alertmanager answers");
        serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }
}

/// What a receiver was told: status of the group, and the labels of each alert in it.
pub fn groups(receiver: &Hook) -> Vec<(String, Vec<Value>)> {
    let group = |body: Value| {
        let alerts = body["alerts"].as_array().cloned().unwrap_or_default();
        let status = body["status"].as_str().unwrap_or_default().to_owned();
        (status, alerts)
    };
    let taken = receiver.taken();
    taken.iter().map(|one| group(one.json())).collect()
}

fn listening(line: &str) -> Option<u16> {
    line.contains("msg=\"Listening on\"").then_some(())?;
    let rest = line.split_once("address=127.0.0.1:")?.1;
    rest.split(|char: char| !char.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}
