//! A real ClickHouse.

use super::child::{Child, command};
use super::folder::Folder;
use super::http::{Answer, Server, percent};
use super::testbed::{fetched, template};
use serde_json::Value;
use std::fs;
use std::time::Duration;

const START: Duration = Duration::from_secs(60);
/// The state of a listening socket in Linux's list of sockets.
const LISTENS: &str = "0A";

/// A running ClickHouse.
pub struct ClickHouse {
    #[expect(dead_code, reason = "held for its end")]
    child: Child,
    #[expect(dead_code, reason = "held for its end")]
    folder: Folder,
    server: Server,
}

impl ClickHouse {
    /// Starts one without tables; ready when it answers.
    pub fn start() -> Self {
        let folder = Folder::new("clickhouse");
        let config =
            template("clickhouse.xml").replace("{FOLDER}", &folder.path().to_string_lossy());
        let config = folder.write("clickhouse.xml", &config);
        let mut command = command(fetched("bin/clickhouse-server"));
        command
            .arg(format!("--config-file={}", config.display()))
            .args(["--", "--tmp_path=scratch/"])
            .current_dir(folder.path());
        let mut child = Child::start("clickhouse", &mut command);
        child.wait_line("the line that says that it is ready", START, |line| {
            line.contains("Ready for connections").then_some(())
        });
        // It says port 0, as it was told.
        let server = Server::local(port(child.pid()).expect("it listens"));
        ClickHouse {
            child,
            folder,
            server,
        }
    }

    /// Its address, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// Runs a statement; what it prints.
    #[track_caller]
    pub fn run(&self, statement: &str) -> String {
        let answer = self.server.post_text("/", "text/plain", statement);
        let Answer { status, body, .. } = answer.expect("it answers");
        assert_eq!(status, 200, "{statement}: {body}");
        body
    }

    /// Inserts one row, as JSON.
    pub fn insert(&self, table: &str, row: &Value) {
        let query = percent(&format!("INSERT INTO {table} FORMAT JSONEachRow"));
        let answer = self.server.post(&format!("/?query={query}"), row);
        let Answer { status, body, .. } = answer.expect("it answers");
        assert_eq!(status, 200, "{row}: {body}");
    }
}

/// The port on which a process listens, by Linux's own lists.
fn port(pid: u32) -> Option<u16> {
    let held = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    let held: Vec<String> = held
        .flatten()
        .filter_map(|one| {
            Some(
                fs::read_link(one.path())
                    .ok()?
                    .to_string_lossy()
                    .into_owned(),
            )
        })
        .collect();
    let sockets = fs::read_to_string(format!("/proc/{pid}/net/tcp")).ok()?;
    sockets.lines().find_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let (address, state, inode) = (columns.get(1)?, columns.get(3)?, columns.get(9)?);
        let is_its = *state == LISTENS && held.contains(&format!("socket:[{inode}]"));
        let port = address.split_once(':').filter(|_| is_its)?.1;
        u16::from_str_radix(port, 16).ok()
    })
}
