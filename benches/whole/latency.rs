//! How long after its deadline a notice leaves, and how long after its publication a beat shows on /metrics, while
//! a real nats-server carries a load for many instances.

use super::contender::{Contender, get};
use super::steady::Server;
use serde_json::Value;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use std::{fs, thread};

/// Beats that are said once and then missed, each of an app of its own.
const PROBES: usize = 300;
/// Beats whose way to /metrics is looked at.
const SCRAPES: usize = 20;
const MAX_GAP: Duration = Duration::from_secs(3);
/// Alerts of one rule and app wait so long for their like.
const GROUP_WAIT: Duration = Duration::from_secs(1);
const PORTION: Duration = Duration::from_millis(10);

/// With so many instances that speak, and so many messages a second.
pub fn run(instances: usize, rate: usize) {
    println!(
        "\n{instances} instances, {rate} messages a second through a real server, {PROBES} beats missed"
    );
    let folder = std::env::temp_dir().join(format!("lastbeat-latency-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("the temporary folder can be made");
    let server = Server::start(&folder);
    let (url, notices) = receiver();
    rules(&folder, &url);
    let running = Contender::Lastbeat.start(&format!("nats://127.0.0.1:{}", server.port), &folder);
    let site = running.site().expect("lastbeat has pages").to_owned();
    while !get(&site, "/metrics").contains("lastbeat_nats_connected 1") {
        thread::park_timeout(PORTION);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let load = {
        let (stop, port) = (stop.clone(), server.port);
        thread::spawn(move || load(port, instances, rate, &stop))
    };
    // Everybody has spoken once before anything is measured.
    let spoken = Duration::from_secs_f64(2.0 + instances as f64 / rate as f64);
    thread::park_timeout(spoken);

    let mut said = probe(server.port);
    let mut late = Vec::new();
    while late.len() < PROBES {
        let (app, at) = notices
            .recv_timeout(Duration::from_secs(30))
            .expect("every beat that is missed is told");
        if let Some(said) = said.remove(&app) {
            late.push(at.saturating_duration_since(said + MAX_GAP + GROUP_WAIT));
        }
    }
    print("deadline to the notice's arrival", late);
    let shows = (0..SCRAPES)
        .map(|n| visible(server.port, &site, n))
        .collect();
    print("publication to the end of the scrape that shows it", shows);
    stop.store(true, Ordering::Relaxed);
    let sent = load.join().expect("the load ends well");
    let lost = running.lost();
    println!("the load was {sent} messages, lost {}", lost.unwrap_or(0));
    pauses(&site);
    drop((running, server));
    let _ = fs::remove_dir_all(folder);
}

/// Rules whose notices come to `url`.
fn rules(folder: &Path, url: &str) {
    let text = format!(
        "[[rule]]\nname = \"probes\"\napp = \"probe-*\"\nmax_gap = \"3s\"\n\n[[rule]]\nname = \"beats\"\n\
         max_gap = \"90s\"\n\n[notify.bench]\ntype = \"webhook\"\nurl = \"{url}\"\n"
    );
    fs::write(folder.join("rules.toml"), text).expect("it can be written");
}

/// One beat of each probe, a little apart; when each was said.
fn probe(port: u16) -> HashMap<String, Instant> {
    let mut socket = connect(port);
    let mut said = HashMap::new();
    for n in 0..PROBES {
        let app = format!("probe-{n}");
        socket.write_all(&beat(&app)).expect("it takes it");
        said.insert(app, Instant::now());
        thread::park_timeout(Duration::from_millis(17));
    }
    said
}

/// From a beat's publication until a scrape has shown it.
fn visible(port: u16, site: &str, n: usize) -> Duration {
    let app = format!("shown-{n}");
    let mut socket = connect(port);
    let said = Instant::now();
    socket.write_all(&beat(&app)).expect("it takes it");
    let series = format!("lastbeat_heartbeats_total{{target_app=\"{app}\"}}");
    while !get(site, "/metrics").contains(&series) {}
    said.elapsed()
}

fn beat(app: &str) -> Vec<u8> {
    let payload = "{\"event\":{\"provider\":\"app\"},\"message\":\"HEARTBEAT\"}";
    format!(
        "PUB logs.{app}.iad.{app} {}\r\n{payload}\r\n",
        payload.len()
    )
    .into_bytes()
}

/// Speaks for everybody until it is stopped: each instance in turn, one entry in a hundred a beat; how many.
fn load(port: u16, instances: usize, rate: usize, stop: &AtomicBool) -> usize {
    let portion = rate * PORTION.as_millis() as usize / 1_000;
    let portions: Vec<Vec<u8>> = (0..instances.next_multiple_of(portion))
        .collect::<Vec<_>>()
        .chunks(portion)
        .map(|some| some.iter().flat_map(|&n| entry(n % instances)).collect())
        .collect();
    let mut socket = connect(port);
    let (start, mut sent) = (Instant::now(), 0_u32);
    while !stop.load(Ordering::Relaxed) {
        socket
            .write_all(&portions[sent as usize % portions.len()])
            .expect("it takes it");
        sent += 1;
        thread::park_timeout((start + PORTION * sent).saturating_duration_since(Instant::now()));
    }
    sent as usize * portion
}

/// An entry of instance `n`; of each hundredth instance it is a beat.
fn entry(n: usize) -> Vec<u8> {
    let message = if n.is_multiple_of(100) {
        "HEARTBEAT every=30s".to_owned()
    } else {
        "x".repeat(220)
    };
    let payload = format!(
        "{{\"event\":{{\"provider\":\"app\"}},\"host\":\"0ad1\",\"log\":{{\"level\":\"info\"}},\"message\":\"{message}\",\
         \"timestamp\":\"2026-03-02T12:00:01.120394857Z\"}}"
    );
    format!(
        "PUB logs.app-{}.iad.{n:014x} {}\r\n{payload}\r\n",
        n % 500,
        payload.len()
    )
    .into_bytes()
}

fn connect(port: u16) -> TcpStream {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).expect("the server is there");
    socket
        .write_all(b"CONNECT {\"verbose\":false,\"pedantic\":false}\r\n")
        .expect("it takes it");
    socket
}

/// Takes notices: its address, and of each that opens an incident the app and when it came.
fn receiver() -> (String, mpsc::Receiver<(String, Instant)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let url = format!("http://{}/", listener.local_addr().expect("it is bound"));
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let tell = tell.clone();
            thread::spawn(move || while notice(&socket, &tell).is_some() {});
        }
    });
    (url, told)
}

/// One request of a connection; `None` at its end.
fn notice(socket: &TcpStream, tell: &mpsc::Sender<(String, Instant)>) -> Option<()> {
    let (mut reader, mut line, mut length) = (BufReader::new(socket), String::new(), 0);
    while line != "\r\n" {
        line.clear();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let at = Instant::now();
    let mut socket = socket;
    socket
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        .ok()?;
    let notice: Value = serde_json::from_slice(&body).ok()?;
    if notice["state"] == "opened" {
        let app = notice["target"]["app"].as_str()?.to_owned();
        tell.send((app, at)).ok()?;
    }
    Some(())
}

fn print(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at =
        |share: f64| times[((times.len() - 1) as f64 * share).round() as usize].as_secs_f64() * 1e3;
    println!(
        "{what}: p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms",
        at(0.5),
        at(0.99),
        at(1.0)
    );
}

/// How long the loop kept entries waiting for anything else.
fn pauses(site: &str) {
    for line in get(site, "/metrics")
        .lines()
        .filter(|line| line.starts_with("lastbeat_core_pause_seconds"))
    {
        println!("{line}");
    }
}
