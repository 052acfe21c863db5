//! Entries like a platform's: about 430 bytes, 1,000 instances in 50 apps.

use std::fmt::Write;

/// Instances that speak.
pub const INSTANCES: usize = 1_000;

/// Number `n` of a stream in which one entry in `beats_in` is a beat: its subject and its payload.
pub fn entry(n: usize, beats_in: usize) -> (String, String) {
    let instance = n % INSTANCES;
    let app = instance % 50;
    let mut message = String::new();
    if n.is_multiple_of(beats_in) {
        let _ = write!(message, "HEARTBEAT every=30s seq={}", n / INSTANCES);
    } else {
        message.push_str(&"x".repeat(230));
    }
    let payload = format!(
        "{{\"event\":{{\"provider\":\"app\"}},\"fly\":{{\"app\":{{\"instance\":\"{instance:014x}\",\"name\":\"app-{app}\"}},\
         \"region\":\"iad\"}},\"host\":\"0ad1\",\"log\":{{\"level\":\"info\"}},\"message\":\"{message}\",\
         \"timestamp\":\"2026-03-02T12:00:01.120394857Z\"}}"
    );
    (format!("logs.app-{app}.iad.{instance:014x}"), payload)
}

/// A client's publication of an entry, as bytes of the protocol.
pub fn publication(n: usize, beats_in: usize) -> Vec<u8> {
    let (subject, payload) = entry(n, beats_in);
    format!("PUB {subject} {}\r\n{payload}\r\n", payload.len()).into_bytes()
}

/// A server's delivery of an entry, as bytes of the protocol.
pub fn delivery(n: usize, beats_in: usize, subscription: &str) -> Vec<u8> {
    let (subject, payload) = entry(n, beats_in);
    format!(
        "MSG {subject} {subscription} {}\r\n{payload}\r\n",
        payload.len()
    )
    .into_bytes()
}
