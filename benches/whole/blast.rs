//! As fast as the subscriber reads: a stand-in of a server that says no more than the protocol asks for, and then
//! writes deliveries out of memory. A real server on two cores is slower than the subscribers that it would feed.

use super::contender::Contender;
use super::entries::delivery;
use super::process;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// Different messages; they are sent again and again.
const DIFFERENT: usize = 100_000;

/// What a round gave.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    /// CPU for one message, in nanoseconds.
    pub nanos: f64,
    /// Messages a second, until the last was read off the wire.
    pub rate: f64,
    /// The most memory held, in MB.
    pub peak_mb: f64,
    /// Messages lost, where it can tell.
    pub lost: Option<u64>,
}

/// Lets one contender take `messages`.
pub fn run(contender: Contender, messages: u64, beats_in: usize) -> Round {
    let folder = std::env::temp_dir().join(format!("lastbeat-blast-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the temporary folder can be made");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let running = contender.start(&format!("nats://{address}"), &folder);
    let pid = running.child.id();
    let mut link = Link::accept(&listener);
    let portions = portions(&link.subscription, beats_in);

    // Names are new once; a steady stream is what is measured.
    link.send(&portions, DIFFERENT as u64);
    process::settle(pid);
    let (before, start) = (process::cpu(pid), Instant::now());
    let sent = link.send(&portions, messages);
    let took = start.elapsed();
    process::settle(pid);
    let round = Round {
        nanos: (process::cpu(pid) - before).as_nanos() as f64 / sent as f64,
        rate: sent as f64 / took.as_secs_f64(),
        peak_mb: process::peak_mb(pid),
        lost: running.lost(),
    };
    drop(running);
    let _ = std::fs::remove_dir_all(folder);
    round
}

/// Portions of a thousand messages each.
fn portions(subscription: &str, beats_in: usize) -> Vec<Vec<u8>> {
    let portion = |from: usize| {
        let some = from..from + 1_000;
        some.flat_map(|n| delivery(n, beats_in, subscription))
            .collect()
    };
    (0..DIFFERENT).step_by(1_000).map(portion).collect()
}

/// The subscriber's connection.
struct Link {
    socket: TcpStream,
    lines: BufReader<TcpStream>,
    subscription: String,
}

impl Link {
    /// Waits for a subscription to all.
    fn accept(listener: &TcpListener) -> Link {
        let (mut socket, _) = listener.accept().expect("it connects");
        socket
            .set_read_timeout(Some(Duration::from_secs(60)))
            .expect("a socket takes a timeout");
        let info = "INFO {\"server_id\":\"S\",\"server_name\":\"blast\",\"version\":\"2.10.0\",\"proto\":1,\
                    \"headers\":true,\"max_payload\":1048576,\"host\":\"127.0.0.1\",\"port\":4222}\r\n";
        socket.write_all(info.as_bytes()).expect("it reads");
        let lines = BufReader::new(socket.try_clone().expect("a socket can be cloned"));
        let mut link = Link {
            socket,
            lines,
            subscription: String::new(),
        };
        while link.subscription.is_empty() {
            let line = link.answered();
            if line.starts_with("SUB logs.>") {
                link.subscription = line.split_whitespace().last().expect("a number").to_owned();
            }
        }
        // Whoever makes sure of its subscription asks for our answer.
        link.caught_up();
        link
    }

    /// The next line, answered where it asks for it.
    fn answered(&mut self) -> String {
        let mut line = String::new();
        assert!(
            self.lines.read_line(&mut line).expect("it speaks") > 0,
            "the subscriber has gone"
        );
        if line.starts_with("PING") {
            self.socket.write_all(b"PONG\r\n").expect("it reads");
        }
        line
    }

    /// Waits until all that was sent has been read.
    fn caught_up(&mut self) {
        self.socket.write_all(b"PING\r\n").expect("it reads");
        while !self.answered().starts_with("PONG") {}
    }

    /// Sends so many, and waits until they have been read; gives how many it were.
    fn send(&mut self, portions: &[Vec<u8>], messages: u64) -> u64 {
        let count = messages.div_ceil(1_000);
        for portion in portions.iter().cycle().take(count as usize) {
            self.socket.write_all(portion).expect("it reads");
        }
        self.caught_up();
        count * 1_000
    }
}
