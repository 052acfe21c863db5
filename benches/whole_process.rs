//! CPU per message of the whole process against a bare async-nats subscriber that only counts, in turn, on a real
//! nats-server. `cargo bench --bench whole_process [-- MESSAGES_PER_SECOND SECONDS]`
//!
//! Needs nats-server on the PATH, or its path in NATS_SERVER. Entries are about 430 bytes, 1,000 instances, one
//! entry in a hundred a beat. CPU is the process's own, user and system, from /proc.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a benchmark measures with clocks"
)]

use futures_util::StreamExt;
use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const INSTANCES: usize = 1_000;
const ROUNDS: usize = 3;

fn main() {
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with("--"))
        .collect();
    if let ["yardstick", url] = args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        return yardstick(url);
    }
    let number = |at: usize, or: u64| args.get(at).and_then(|arg| arg.parse().ok()).unwrap_or(or);
    measure(number(0, 100_000), number(1, 10));
}

fn measure(rate: u64, seconds: u64) {
    let folder = std::env::temp_dir().join(format!("lastbeat-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the temporary folder can be made");
    let server = Server::start(&folder);
    let url = format!("nats://127.0.0.1:{}", server.port);
    println!(
        "{rate} messages a second for {seconds} s, {INSTANCES} instances, 1% beats, in turn {ROUNDS} times"
    );
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let bare = round(
            "bare subscriber",
            &mut yardstick_process(&url),
            server.port,
            rate,
            seconds,
        );
        let whole = round(
            "lastbeat",
            &mut lastbeat_process(&url, &folder),
            server.port,
            rate,
            seconds,
        );
        ratios.push(whole / bare);
        println!("  ratio {:.2}", whole / bare);
    }
    ratios.sort_by(f64::total_cmp);
    println!("median ratio {:.2}", ratios[ratios.len() / 2]);
    drop(server);
    let _ = std::fs::remove_dir_all(folder);
}

/// Nanoseconds of CPU per message.
fn round(name: &str, child: &mut Child, port: u16, rate: u64, seconds: u64) -> f64 {
    publish(port, rate.min(10_000), 1);
    let before = cpu(child.id());
    let sent = publish(port, rate, seconds);
    std::thread::park_timeout(Duration::from_millis(500));
    let spent = cpu(child.id()) - before;
    let each = spent.as_nanos() as f64 / sent as f64;
    println!(
        "  {name:<16} {each:>6.0} ns a message ({sent} messages, {:.2} s CPU)",
        spent.as_secs_f64()
    );
    child.kill().expect("it runs still");
    child.wait().expect("it is our child");
    each
}

/// CPU time of a process so far.
fn cpu(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process runs");
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or("")
        .split_whitespace()
        .collect();
    let ticks: u64 = fields[11..13]
        .iter()
        .map(|field| field.parse::<u64>().expect("a number of ticks"))
        .sum();
    Duration::from_millis(ticks * 10)
}

fn yardstick_process(url: &str) -> Child {
    let me = std::env::current_exe().expect("this program has a path");
    let mut child = Command::new(me)
        .args(["yardstick", url])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it can be started");
    wait_for(child.stdout.as_mut().expect("piped"), "subscribed");
    child
}

fn lastbeat_process(url: &str, folder: &Path) -> Child {
    let rules = folder.join("rules.toml");
    std::fs::write(&rules, "[[rule]]\nname = \"beats\"\nmax_gap = \"90s\"\n")
        .expect("it can be written");
    let mut child = Command::new(env!("CARGO_BIN_EXE_lastbeat"))
        .arg("run")
        .env("NATS_URL", url)
        .env("LASTBEAT_RULES", rules)
        .env("LASTBEAT_LISTEN", "127.0.0.1:0")
        .stderr(Stdio::piped())
        .spawn()
        .expect("it can be started");
    let mut log = child.stderr.take().expect("piped");
    wait_for(&mut log, "connected and subscribed");
    std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
    child
}

fn wait_for(out: &mut impl std::io::Read, text: &str) {
    let mut seen = Vec::new();
    let mut byte = [0];
    while !String::from_utf8_lossy(&seen).contains(text) {
        assert!(
            out.read(&mut byte).expect("it can be read") == 1,
            "ended early: {}",
            String::from_utf8_lossy(&seen)
        );
        seen.push(byte[0]);
    }
}

/// Y: subscribes, counts, and does nothing else, in the cheapest arrangement that loses nothing.
fn yardstick(url: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(tokio::task::unconstrained(async {
        let client = async_nats::connect(url).await.expect("the server is there");
        let mut messages = client.subscribe("logs.>").await.expect("it is allowed");
        client.flush().await.expect("it is connected");
        println!("subscribed");
        let mut count = 0_u64;
        while messages.next().await.is_some() {
            count += 1;
        }
        println!("{count}");
    }));
}

/// Publishes at a steady rate over a bare socket, in portions of ten milliseconds.
fn publish(port: u16, rate: u64, seconds: u64) -> u64 {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).expect("the server is there");
    socket
        .write_all(b"CONNECT {\"verbose\":false,\"pedantic\":false}\r\n")
        .expect("it takes it");
    let portion = rate / 100;
    let entries: Vec<u8> = (0..portion as usize).flat_map(entry).collect();
    let start = Instant::now();
    for step in 0..seconds * 100 {
        socket.write_all(&entries).expect("it takes it");
        let due = start + Duration::from_millis((step + 1) * 10);
        std::thread::park_timeout(due.saturating_duration_since(Instant::now()));
    }
    portion * seconds * 100
}

fn entry(n: usize) -> Vec<u8> {
    let instance = n % INSTANCES;
    let message = if n.is_multiple_of(100) {
        "HEARTBEAT every=30s seq=7".to_owned()
    } else {
        "x".repeat(230)
    };
    let payload = format!(
        "{{\"event\":{{\"provider\":\"app\"}},\"fly\":{{\"app\":{{\"instance\":\"{instance:014x}\",\"name\":\"app-{}\"}},\
         \"region\":\"iad\"}},\"host\":\"0ad1\",\"log\":{{\"level\":\"info\"}},\"message\":\"{message}\",\
         \"timestamp\":\"2026-03-02T12:00:01.120394857Z\"}}",
        instance % 50
    );
    format!(
        "PUB logs.app-{}.iad.{instance:014x} {}\r\n{payload}\r\n",
        instance % 50,
        payload.len()
    )
    .into_bytes()
}

struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(folder: &Path) -> Self {
        let program = std::env::var_os("NATS_SERVER")
            .map_or_else(|| PathBuf::from("nats-server"), PathBuf::from);
        let mut child = Command::new(&program)
            .args(["--addr", "127.0.0.1", "--port", "-1", "--ports_file_dir"])
            .arg(folder)
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|err| {
                panic!(
                    "{}: {err}; set NATS_SERVER to nats-server's path",
                    program.display()
                )
            });
        let ports = folder.join(format!("nats-server_{}.ports", child.id()));
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            let text = std::fs::read_to_string(&ports).unwrap_or_default();
            let port = text
                .split("127.0.0.1:")
                .nth(1)
                .and_then(|rest| rest.split('"').next()?.parse().ok());
            match port {
                Some(port) => return Server { child, port },
                None if Instant::now() < until => {
                    std::thread::park_timeout(Duration::from_millis(10))
                }
                None => {
                    let _ = child.kill();
                    let _ = child.wait();
                    panic!("nats-server did not get ready");
                }
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
