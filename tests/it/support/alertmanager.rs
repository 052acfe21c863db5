//! A real Alertmanager, alone or two that know each other, with a receiver of the test's own.

use super::child::{Child, command};
use super::folder::Folder;
use super::hook::Hook;
use super::http::Server;
use super::testbed::{fetched, template};
use super::wait::wait_until;
use serde_json::{Value, json};
use std::net::TcpListener;
use std::time::Duration;

const START: Duration = Duration::from_secs(30);

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
        let alone = ["--cluster.listen-address=".to_owned()];
        Alertmanager::start_with(receiver, "alertname", &alone)
    }

    /// Two that know each other, and both tell `receiver`; each alert is a group of its own.
    pub fn cluster(receiver: &Hook) -> [Self; 2] {
        let ports = [free_port(), free_port()];
        let pair = [0, 1].map(|one| {
            let quick = [
                "--cluster.gossip-interval=50ms",
                "--cluster.peer-timeout=2s",
            ];
            let mut arguments: Vec<String> = quick.map(str::to_owned).into();
            arguments.push(format!("--cluster.listen-address=127.0.0.1:{}", ports[one]));
            arguments.push(format!("--cluster.peer=127.0.0.1:{}", ports[1 - one]));
            Alertmanager::start_with(receiver, "'...'", &arguments)
        });
        wait_until("a settled cluster of two", START, || {
            pair.iter().all(|one| {
                let status = one.ask("/api/v2/status");
                let peers = status["cluster"]["peers"].as_array().map_or(0, Vec::len);
                peers == 2 && status["cluster"]["status"] == "ready"
            })
        });
        pair
    }

    fn start_with(receiver: &Hook, group_by: &str, arguments: &[String]) -> Self {
        let folder = Folder::new("alertmanager");
        let config = template("alertmanager.yml")
            .replace("{RECEIVER}", &receiver.url())
            .replace("{GROUP_BY}", group_by);
        let config = folder.write("alertmanager.yml", &config);
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

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr();
    address.expect("a bound listener has an address").port()
}
