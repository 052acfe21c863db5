//! The cost of the archive: one lastbeat that keeps nothing, one with the last words alone, one with an archive, side by
//! side on one stream of a real server.

use super::contender::{Running, lastbeat, metric};
use super::process;
use super::steady::Server;
use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

const ROUNDS: usize = 3;
/// Different entries; they are sent again and again, further apart than zstd looks back.
const DIFFERENT: usize = 100_000;
/// Portions a second.
const PORTIONS: u64 = 100;

/// The settings of `LASTBEAT_ARCHIVE`; a folder stands for an archive.
const KEPT: [&str; 3] = ["off", "memory", "folder"];

/// The figures of one of them in one round.
#[derive(Clone, Copy, Default)]
struct Cost {
    /// CPU of the process for an entry, in nanoseconds.
    process: f64,
    /// CPU of the thread that receives the stream, for an entry.
    hot: f64,
    peak_mb: f64,
    dropped: f64,
    lost: f64,
    archived: f64,
}

/// Medians of some rounds.
pub fn run(rate: u64, seconds: u64) {
    println!(
        "\n{rate} entries a second for {seconds} s to each at once, median of {ROUNDS} rounds"
    );
    let rounds: Vec<[Cost; 3]> = (0..ROUNDS).map(|_| round(rate, seconds)).collect();
    println!(
        "| LASTBEAT_ARCHIVE | process, ns an entry | more | hot thread, ns an entry | ratio | peak memory | dropped | lost | archived |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for (at, kept) in KEPT.iter().enumerate() {
        let of = |figure: &dyn Fn(&[Cost; 3]) -> f64| median(rounds.iter().map(figure));
        println!(
            "| {kept} | {:.0} | {:+.0} | {:.0} | {:.3} | {:.1} MB | {:.0} | {:.0} | {:.0} |",
            of(&|round| round[at].process),
            of(&|round| round[at].process - round[0].process),
            of(&|round| round[at].hot),
            of(&|round| round[at].hot / round[0].hot),
            of(&|round| round[at].peak_mb),
            rounds.iter().map(|round| round[at].dropped).sum::<f64>(),
            rounds.iter().map(|round| round[at].lost).sum::<f64>(),
            of(&|round| round[at].archived),
        );
    }
}

/// The publication of an entry that compresses like a log; one in a hundred is a beat.
fn publication(number: usize) -> Vec<u8> {
    let (instance, hash) = (
        number % 1_000,
        number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15),
    );
    let (app, user, took) = (instance % 50, hash % 100_003, hash % 977);
    let message = match number % 100 {
        0 => format!("HEARTBEAT every=30s seq={}", number / 1_000),
        even if even % 2 == 0 => format!(
            "GET /api/v2/users/{user}/orders?page={} HTTP/1.1 200 {took}ms bytes={} request_id={hash:016x} agent=Mozilla/5.0 (X11; Linux x86_64)",
            number % 17,
            hash % 40_961
        ),
        _ => format!(
            "level=info msg=\\\"job finished\\\" job=sync user={user} took={took}ms attempt={} queue=default trace={hash:016x} component=worker",
            number % 3
        ),
    };
    let payload = format!(
        "{{\"event\":{{\"provider\":\"app\"}},\"fly\":{{\"app\":{{\"instance\":\"{instance:014x}\",\"name\":\"app-{app}\"}},\
         \"region\":\"iad\"}},\"host\":\"0ad1\",\"log\":{{\"level\":\"info\"}},\"message\":\"{message}\",\
         \"timestamp\":\"2026-03-02T12:00:01.{:09}Z\"}}",
        hash % 1_000_000_000
    );
    format!(
        "PUB logs.app-{app}.iad.{instance:014x} {}\r\n{payload}\r\n",
        payload.len()
    )
    .into_bytes()
}

/// Publishes over a bare socket; gives the number of entries.
fn publish(port: u16, portions: &[Vec<u8>], rate: u64, seconds: u64) -> u64 {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).expect("the server is there");
    socket
        .write_all(b"CONNECT {\"verbose\":false,\"pedantic\":false}\r\n")
        .expect("it takes it");
    let start = Instant::now();
    let steps = u32::try_from(seconds * PORTIONS).expect("a run is short");
    for (step, portion) in (0..steps).zip(portions.iter().cycle()) {
        socket.write_all(portion).expect("it takes it");
        let due = start + Duration::from_secs(1) * (step + 1) / PORTIONS as u32;
        std::thread::park_timeout(due.saturating_duration_since(Instant::now()));
    }
    rate / PORTIONS * u64::from(steps)
}

fn portions(rate: u64) -> Vec<Vec<u8>> {
    let each = (rate / PORTIONS) as usize;
    let portion = |from: usize| (from..from + each).flat_map(publication).collect();
    (0..DIFFERENT).step_by(each).map(portion).collect()
}

fn round(rate: u64, seconds: u64) -> [Cost; 3] {
    let base = std::env::temp_dir().join(format!("lastbeat-copy-{}", std::process::id()));
    std::fs::create_dir_all(&base).expect("the temporary folder can be made");
    let server = Server::start(&base);
    let url = format!("nats://127.0.0.1:{}", server.port);
    let all = KEPT.map(|kept| {
        let folder = base.join(kept);
        std::fs::create_dir_all(folder.join("archive")).expect("it can be made");
        let archive = match kept {
            "folder" => folder.join("archive").display().to_string(),
            word => word.to_owned(),
        };
        lastbeat(&url, &folder, Some(&archive))
    });
    let pids = all.each_ref().map(|running: &Running| running.child.id());
    let settle = || pids.iter().for_each(|pid| process::settle(*pid));
    std::thread::park_timeout(Duration::from_secs(2));
    let (calm, portions) = (portions(rate.min(10_000)), portions(rate));
    publish(server.port, &calm, rate.min(10_000), 1);
    settle();
    let used = || pids.map(|pid| (process::cpu(pid), process::cpu_of_thread(pid, "core")));
    let before = used();
    let sent = publish(server.port, &portions, rate, seconds) as f64;
    settle();
    let after = used();
    let costs = std::array::from_fn(|at| {
        let metric = |name| metric(&all[at], name);
        Cost {
            process: (after[at].0 - before[at].0).as_nanos() as f64 / sent,
            hot: (after[at].1 - before[at].1).as_nanos() as f64 / sent,
            peak_mb: process::peak_mb(pids[at]),
            dropped: metric("lastbeat_nats_dropped_messages_total"),
            lost: metric("lastbeat_archive_lost_entries_total"),
            archived: metric("lastbeat_archive_entries_total"),
        }
    });
    drop((all, server));
    let _ = std::fs::remove_dir_all(base);
    costs
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
