//! What listens at the address is no sound NATS server.

use super::{SOON, wait_reason, wait_state};
use crate::support::feed::Feed;
use crate::support::lastbeat::{Lastbeat, Setup};
use crate::support::nats::{Nats, Peer};
use crate::support::org::org;
use crate::support::proxy::{Fate, Proxy};
use crate::support::wait::wait_until;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

const INFO: &[u8] =
    b"INFO {\"server_id\":\"X\",\"version\":\"2.10.0\",\"proto\":1,\"max_payload\":1048576}\r\n";
/// What the process may have at most, in bytes: a line without end is not kept.
const MEMORY: f64 = 250e6;

#[test]
fn a_handshake_that_is_never_answered_is_named_and_tried_again() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    feed.beat(&org(&["sandwich"], &["ams"]), Duration::from_millis(200));
    let proxy = Proxy::before(&nats.address());
    proxy.all(Fate::Hole);
    let lastbeat = Setup::new()
        .nats(&nats)
        .env("NATS_URL", &proxy.url())
        .start();
    wait_reason(&lastbeat, "did not finish the handshake");
    proxy.all(Fate::Pass);
    wait_state(&lastbeat, "flowing");
    lastbeat.stop();
}

#[test]
fn a_server_that_speaks_something_else_is_named() {
    let lastbeat = facing(|mut visitor| visitor.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
    wait_reason(&lastbeat, "does not speak NATS");
    lastbeat.stop();
}

#[test]
fn words_that_break_the_client_break_nothing_else() {
    // Too short for the text that the client expects behind the error's sign.
    let lastbeat = facing(|mut visitor| visitor.write_all(b"-ERR\r\n"));
    wait_reason(&lastbeat, "does not speak NATS");
    lastbeat.stop();
}

#[test]
fn a_message_longer_than_memory_ends_that_connection_only() {
    let lastbeat = facing(|mut visitor| {
        greet(&mut visitor)?;
        visitor.write_all(b"MSG logs.a.b.c 1 18446744073709551615\r\nx\r\n")
    });
    lastbeat.wait_metrics("two connections that ended", SOON, |metrics| {
        metrics.sum("lastbeat_nats_reconnects_total", &[]) >= 2.0
    });
    lastbeat.stop();
}

#[test]
fn a_line_of_64_megabytes_is_not_kept() {
    let lastbeat = facing(|mut visitor| {
        greet(&mut visitor)?;
        let chunk = vec![b'x'; 1 << 20];
        (0..64).try_for_each(|_| visitor.write_all(&chunk))
    });
    lastbeat.wait_metrics("two connections given up as garbage", SOON, |metrics| {
        let memory = metrics.one("process_resident_memory_bytes");
        assert!(memory < MEMORY, "{memory} bytes");
        metrics.sum("lastbeat_nats_reconnects_total", &[("reason", "garbage")]) >= 2.0
    });
    lastbeat.stop();
}

#[test]
fn pings_without_end_and_a_false_limit_are_not_kept_either() {
    let lastbeat = facing(|mut visitor| {
        greet(&mut visitor)?;
        visitor.write_all(b"INFO {\"server_id\":\"X\",\"max_payload\":100000000000}\r\n")?;
        let pings = b"PING\r\n".repeat(100_000);
        loop {
            visitor.write_all(&pings)?;
        }
    });
    // The client answers each of them and gets to nothing else; what stands on its own thread still answers.
    wait_until("it is given up", 2 * SOON, || {
        let memory = lastbeat.metrics().one("process_resident_memory_bytes");
        assert!(memory < MEMORY, "{memory} bytes");
        lastbeat.said(&["did not finish the handshake"]) + lastbeat.said(&["connection lost"]) > 0
    });
    lastbeat.stop();
}

#[test]
fn a_line_that_is_held_back_stops_lastbeat_in_order_at_its_limit_of_memory() {
    let held_back = |mut visitor: TcpStream| {
        let info = "INFO {\"server_id\":\"X\",\"version\":\"2.10.0\",\"proto\":1,\"max_payload\":67108864}\r\n";
        greet_by(&mut visitor, info.as_bytes())?;
        visitor.write_all(b"MSG logs.a.b.c 1 64000000\r\n")?;
        visitor.write_all(&vec![b'x'; 60_000_000])
    };
    let setup = Setup::new()
        .env("NATS_URL", &odd_server(held_back))
        .env("LASTBEAT_MAX_MEMORY", "64MB");
    let mut child = setup.command(&["run"]);
    assert_eq!(child.wait_end(2 * SOON), 1);
    let said = child.lines().join("\n");
    for words in [
        "memory has grown to",
        "of 64 MB (LASTBEAT_MAX_MEMORY)",
        "notifications flushed",
    ] {
        assert!(said.contains(words), "{words:?} is not in {said}");
    }
}

/// A handshake as the client wants it: its own PING, and those of the three round trips behind its subscription.
fn greet(visitor: &mut TcpStream) -> std::io::Result<()> {
    greet_by(visitor, INFO)
}

fn greet_by(visitor: &mut TcpStream, info: &[u8]) -> std::io::Result<()> {
    visitor.write_all(info)?;
    let mut heard = Vec::new();
    let mut pings = 0;
    while pings < 4 {
        let mut bytes = [0; 4096];
        let read = visitor.read(&mut bytes)?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        heard.extend_from_slice(&bytes[..read]);
        let said = heard.windows(6).filter(|six| six == b"PING\r\n").count();
        for _ in pings..said {
            visitor.write_all(b"PONG\r\n")?;
        }
        pings = said;
    }
    Ok(())
}

/// A lastbeat before a server that does this to each visitor, and then waits for its leaving.
fn facing(behave: fn(TcpStream) -> std::io::Result<()>) -> Lastbeat {
    Setup::new().env("NATS_URL", &odd_server(behave)).start()
}

/// Its address.
fn odd_server(behave: fn(TcpStream) -> std::io::Result<()>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        for visitor in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut until = visitor.try_clone()?;
                behave(visitor)?;
                std::io::copy(&mut until, &mut std::io::sink())
            });
        }
    });
    format!("nats://{address}")
}
