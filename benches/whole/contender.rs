//! TargetName takes part, and how each is started and asked.

use futures_util::StreamExt;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{env, fs};

/// TargetName does the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Contender {
    /// Counts, and does nothing else.
    Yardstick,
    /// This project.
    Lastbeat,
    /// The least one for Node.
    JavaScript,
    /// The least one for CPython.
    Python,
}

impl Contender {
    /// All that can run here, or of those Y and what the variable `ONLY` names. JavaScript and Python need `benches/run`, which fetches their libraries.
    pub fn here() -> Vec<Contender> {
        let mut all = vec![Contender::Yardstick, Contender::Lastbeat];
        if let Some(peers) = peers() {
            if peers.join("node_modules").is_dir() {
                all.push(Contender::JavaScript);
            }
            if peers.join("venv").is_dir() {
                all.push(Contender::Python);
            }
        }
        if let Ok(only) = env::var("ONLY") {
            all.retain(|one| one.name().contains(&only) || *one == Contender::Yardstick);
        }
        all
    }

    /// Its name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Contender::Yardstick => "Y: bare async-nats",
            Contender::Lastbeat => "lastbeat",
            Contender::JavaScript => "JavaScript, nats",
            Contender::Python => "Python, nats-py",
        }
    }

    /// Whether it takes millions a second.
    pub fn is_fast(self) -> bool {
        matches!(self, Contender::Yardstick | Contender::Lastbeat)
    }

    /// Starts it; it has subscribed, or is about to.
    pub fn start(self, url: &str, folder: &Path) -> Running {
        match self {
            Contender::Yardstick => {
                let me = env::current_exe().expect("this program has a path");
                counting(Command::new(me).args(["yardstick", url]))
            }
            Contender::JavaScript => counting(
                Command::new("node")
                    .arg(source("subscriber.mjs"))
                    .env("PEERS", peers().expect("only listed where it is"))
                    .env("NATS_URL", url),
            ),
            Contender::Python => {
                let python = peers()
                    .expect("only listed where it is")
                    .join("venv/bin/python");
                counting(
                    Command::new(python)
                        .arg(source("subscriber.py"))
                        .env("NATS_URL", url),
                )
            }
            Contender::Lastbeat => lastbeat(url, folder, None),
        }
    }
}

/// One that runs.
pub struct Running {
    /// The process.
    pub child: Child,
    /// Where its metrics are, as `host:port`.
    metrics: Option<String>,
}

impl Running {
    /// Messages that it has lost; `None` where it cannot tell.
    pub fn lost(&self) -> Option<u64> {
        self.metrics.as_ref()?;
        Some(metric(self, "lastbeat_nats_dropped_messages_total") as u64)
    }

    /// Where its pages are, as `host:port`.
    pub fn site(&self) -> Option<&str> {
        self.metrics.as_deref()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The body of a page.
pub fn get(site: &str, path: &str) -> String {
    let mut socket = TcpStream::connect(site).expect("it listens");
    write!(
        socket,
        "GET {path} HTTP/1.1\r\nHost: {site}\r\nConnection: close\r\n\r\n"
    )
    .expect("it reads");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("it answers");
    answer
}

/// The sum of a metric over its labels.
pub fn metric(running: &Running, name: &str) -> f64 {
    let Some(site) = running.site() else {
        return 0.0;
    };
    let text = get(site, "/metrics");
    let value = |line: &str| {
        let rest = line.strip_prefix(name)?;
        let is_it = rest.starts_with(' ') || rest.starts_with('{');
        is_it.then(|| rest.rsplit(' ').next()?.trim().parse::<f64>().ok())?
    };
    text.lines().filter_map(value).sum()
}

fn counting(command: &mut Command) -> Running {
    let child = command.stdout(Stdio::null()).spawn();
    Running {
        child: child.unwrap_or_else(|err| panic!("{command:?} cannot be started: {err}")),
        metrics: None,
    }
}

/// Starts lastbeat, with this setting of `LASTBEAT_ARCHIVE`.
pub fn lastbeat(url: &str, folder: &Path, archive: Option<&str>) -> Running {
    let rules = folder.join("rules.toml");
    if !rules.exists() {
        let text = "[archive]\nmin_free = \"1%\"\n[[rule]]\nname = \"beats\"\nmax_gap = \"90s\"\n";
        fs::write(&rules, text).expect("it can be written");
    }
    // Another build of it can be tried: another allocator, an older version.
    let program =
        env::var_os("LASTBEAT_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_lastbeat").into());
    let mut child = Command::new(program)
        .arg("run")
        .env("NATS_URL", url)
        .env("LASTBEAT_RULES", rules)
        .env("LASTBEAT_LISTEN", "127.0.0.1:0")
        .env("LASTBEAT_STATE", folder.join("lastbeat.db"))
        .env("LASTBEAT_LOG_FORMAT", "text")
        .env("NO_COLOR", "1")
        .envs(archive.map(|archive| ("LASTBEAT_ARCHIVE", archive)))
        .stderr(Stdio::piped())
        .spawn()
        .expect("lastbeat can be started");
    let mut log = BufReader::new(child.stderr.take().expect("piped"));
    let mut read = String::new();
    let site = loop {
        read.clear();
        assert!(
            log.read_line(&mut read).expect("it can be read") > 0,
            "lastbeat ended early"
        );
        if let Some((_, site)) = read.split_once("listening on http://") {
            break site
                .split_whitespace()
                .next()
                .expect("an address")
                .to_owned();
        }
    };
    std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
    Running {
        child,
        metrics: Some(site),
    }
}

/// Y itself.
pub fn yardstick(url: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime
        .expect("a runtime")
        .block_on(tokio::task::unconstrained(async {
            let client = async_nats::connect(url).await.expect("the server is there");
            let mut messages = client.subscribe("logs.>").await.expect("it is allowed");
            client.flush().await.expect("it is connected");
            let mut count = 0_u64;
            while messages.next().await.is_some() {
                count += 1;
            }
            println!("{count}");
        }));
}

/// Where the libraries of the other languages are.
fn peers() -> Option<PathBuf> {
    env::var_os("BENCH_PEERS").map(PathBuf::from)
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("benches/whole")
        .join(name)
}
