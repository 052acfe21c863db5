//! A real ClickHouse.

use super::child::{Child, command};
use super::folder::Folder;
use super::http::percent;
use super::testbed::{fetched, template};
use serde_json::Value;
use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
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
    port: u16,
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
            .current_dir(folder.path());
        let mut child = Child::start("clickhouse", &mut command);
        child.wait_line("the line that says that it is ready", START, |line| {
            line.contains("Ready for connections").then_some(())
        });
        // It says port 0, as it was told.
        let port = port(child.pid()).expect("it listens");
        ClickHouse {
            child,
            folder,
            port,
        }
    }

    /// Its address, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Runs a statement; what it prints.
    #[track_caller]
    pub fn run(&self, statement: &str) -> String {
        let (status, body) = post(self.port, "/", statement).expect("it answers");
        assert_eq!(status, 200, "{statement}: {body}");
        body
    }

    /// Inserts one row, as JSON.
    pub fn insert(&self, table: &str, row: &Value) {
        let query = percent(&format!("INSERT INTO {table} FORMAT JSONEachRow"));
        let inserted = post(self.port, &format!("/?query={query}"), &row.to_string());
        let (status, body) = inserted.expect("it answers");
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

/// Posts a body; status and body of the answer.
fn post(port: u16, path: &str, body: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(START))?;
    let length = body.len();
    // Of HTTP/1.0, which knows no chunks.
    let head = format!("POST {path} HTTP/1.0\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(format!("{head}{body}").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let status = status.ok_or(io::ErrorKind::InvalidData)?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok((status, body.to_owned()))
}
