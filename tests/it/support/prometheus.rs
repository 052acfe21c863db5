//! A real Prometheus that scrapes lastbeat every second and evaluates the alert rules that ship with it.

use super::child::{Child, command};
use super::folder::Folder;
use super::http::{Server, percent};
use super::testbed::{fetched, project, template};
use super::wait::wait_until;
use serde_json::Value;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

const START: Duration = Duration::from_secs(60);

/// A running Prometheus.
pub struct Prometheus {
    #[expect(dead_code, reason = "held for its end")]
    child: Child,
    #[expect(dead_code, reason = "held for its end")]
    folder: Folder,
    server: Server,
}

impl Prometheus {
    /// Starts one that scrapes `target`; ready when it has scraped it twice.
    pub fn start(target: &Server) -> Self {
        Prometheus::above(&[target])
    }

    /// Starts one that scrapes all of them; ready when it has scraped each twice.
    pub fn above(targets: &[&Server]) -> Self {
        let addresses: Vec<&str> = targets.iter().map(|one| one.address.as_str()).collect();
        let folder = Folder::new("prometheus");
        let alerts = project().join("dashboards/alerts.yml");
        let config = template("prometheus.yml")
            .replace("{ALERTS}", &alerts.to_string_lossy())
            .replace("{TARGET}", &addresses.join("\", \""));
        let config = folder.write("prometheus.yml", &config);
        let mut command = command(fetched("bin/prometheus"));
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.path().join("data").display()
            ))
            .arg("--web.listen-address=127.0.0.1:0");
        let mut child = Child::start("prometheus", &mut command);
        let port = child.wait_line("the line that says where it listens", START, listening);
        let prometheus = Prometheus {
            child,
            folder,
            server: Server::local(port),
        };
        wait_until("the second scrape", START, || {
            prometheus
                .query("count_over_time(up[1m]) >= 2 and up == 1")
                .is_ok_and(|rows| rows.len() == targets.len())
        });
        prometheus
    }

    /// Its address, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// Evaluates an expression now: its rows, or what Prometheus says against it.
    pub fn query(&self, expression: &str) -> Result<Vec<Value>, String> {
        let answer = self.ask(&format!("/api/v1/query?query={}", percent(expression)))?;
        match &answer["data"]["result"] {
            Value::Array(rows) => Ok(rows.clone()),
            other => Err(format!("not a list of rows: {other}")),
        }
    }

    /// The alert rules it has loaded, each evaluated at least once.
    pub fn rules(&self) -> Vec<Value> {
        let mut rules = Vec::new();
        wait_until("an evaluation of every alert rule", START, || {
            let groups = self
                .ask("/api/v1/rules")
                .expect("Prometheus lists its rules");
            let groups = groups["data"]["groups"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            rules = groups
                .iter()
                .flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default())
                .collect();
            rules.iter().all(|rule| rule["health"] != "unknown")
        });
        rules
    }

    fn ask(&self, path: &str) -> Result<Value, String> {
        let answer = self.server.get(path).map_err(|error| error.to_string())?;
        let json: Value = serde_json::from_str(&answer.body).map_err(|error| error.to_string())?;
        if json["status"] == "success" {
            Ok(json)
        } else {
            Err(json["error"].to_string())
        }
    }
}

fn listening(line: &str) -> Option<u16> {
    line.contains("msg=\"Listening on\"").then_some(())?;
    let rest = line.split_once("address=127.0.0.1:")?.1;
    rest.split(|char: char| !char.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}

/// Hands `text` to a `promtool` command's standard input, or nothing; what it says, where it is not content.
pub fn promtool(arguments: &[&str], text: &str) -> Result<(), String> {
    let mut process = Command::new(fetched("bin/promtool"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool starts");
    let mut stdin = process.stdin.take().expect("the pipe was asked for");
    stdin.write_all(text.as_bytes()).expect("promtool reads");
    drop(stdin);
    let output = process.wait_with_output().expect("promtool ends");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("promtool {arguments:?}: {}: {said}", output.status))
    }
}
