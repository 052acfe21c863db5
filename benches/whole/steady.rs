//! At a steady rate, through a real nats-server: what most people run.

use super::blast::Round;
use super::contender::{Contender, Running};
use super::entries::publication;
use super::{process, table};
use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const ROUNDS: usize = 3;
/// One entry in so many is a beat.
const BEATS_IN: usize = 100;

/// The fast contenders side by side, so that each has the same moments of the machine; the others would only fall behind.
pub fn run(rate: u64, seconds: u64) {
    println!(
        "\n{rate} messages a second for {seconds} s through a real server to each at once, one beat in {BEATS_IN}, median of {ROUNDS} rounds"
    );
    let contenders: Vec<Contender> = Contender::here()
        .into_iter()
        .filter(|one| one.is_fast())
        .collect();
    let mut table = table::Table::default();
    for _ in 0..ROUNDS {
        for (contender, round) in contenders.iter().zip(round(&contenders, rate, seconds)) {
            table.add(*contender, round);
        }
    }
    table.print();
}

/// What each costs where next to nothing happens.
pub fn idle(seconds: u64) {
    const RATE: u64 = 10;
    let contenders = [Contender::Yardstick, Contender::Lastbeat];
    println!("\nidle: {RATE} messages a second for {seconds} s to each at once");
    for (contender, round) in contenders.iter().zip(round(&contenders, RATE, seconds)) {
        let share = round.nanos * RATE as f64 / 1e9 * 100.0;
        println!("{}: {share:.3}% of a core", contender.name());
    }
}

fn round(contenders: &[Contender], rate: u64, seconds: u64) -> Vec<Round> {
    let folder = std::env::temp_dir().join(format!("lastbeat-steady-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the temporary folder can be made");
    let server = Server::start(&folder);
    let url = format!("nats://127.0.0.1:{}", server.port);
    let all: Vec<Running> = contenders
        .iter()
        .map(|contender| contender.start(&url, &folder))
        .collect();
    let pids: Vec<u32> = all.iter().map(|running| running.child.id()).collect();
    let settle = || pids.iter().for_each(|pid| process::settle(*pid));
    std::thread::park_timeout(Duration::from_secs(2));
    publish(server.port, rate.min(10_000), 1);
    settle();
    let before: Vec<Duration> = pids.iter().map(|pid| process::cpu(*pid)).collect();
    let start = Instant::now();
    let sent = publish(server.port, rate, seconds);
    let took = start.elapsed();
    settle();
    let rounds = all.iter().zip(before).map(|(running, before)| {
        let pid = running.child.id();
        Round {
            nanos: (process::cpu(pid) - before).as_nanos() as f64 / sent as f64,
            rate: sent as f64 / took.as_secs_f64(),
            peak_mb: process::peak_mb(pid),
            lost: running.lost(),
        }
    });
    let rounds = rounds.collect();
    drop((all, server));
    let _ = std::fs::remove_dir_all(folder);
    rounds
}

/// Publishes over a bare socket, in portions: a hundred a second, or fewer where there is less to say.
fn publish(port: u16, rate: u64, seconds: u64) -> u64 {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).expect("the server is there");
    socket
        .write_all(b"CONNECT {\"verbose\":false,\"pedantic\":false}\r\n")
        .expect("it takes it");
    let a_second = rate.min(100);
    let portion = rate / a_second;
    let start = Instant::now();
    for step in 0..seconds * a_second {
        let from = (step * portion) as usize;
        let entries: Vec<u8> = (from..from + portion as usize)
            .flat_map(|n| publication(n, BEATS_IN))
            .collect();
        socket.write_all(&entries).expect("it takes it");
        let due = start + Duration::from_secs(1) * (step as u32 + 1) / a_second as u32;
        std::thread::park_timeout(due.saturating_duration_since(Instant::now()));
    }
    portion * seconds * a_second
}

/// A real one.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub port: u16,
}

impl Server {
    /// Starts it.
    pub fn start(folder: &Path) -> Self {
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
