//! A dozen instances that send heartbeats and other entries.

use crate::io::feed::{MessageSource, RawMessage};
use futures_util::Stream;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::mpsc;

/// App, region and instance of each.
const INSTANCES: [(&str, &str, &str); 12] = [
    ("web", "iad", "148e21ea7d3789"),
    ("web", "iad", "3287e2f4c04d18"),
    ("web", "lhr", "d891203a229e18"),
    ("web", "fra", "91852e1b0de283"),
    ("api", "iad", "0e286551c30586"),
    ("api", "lhr", "4d8912a3f55e87"),
    ("api", "fra", "e784079b449483"),
    ("worker", "iad", "3d8d9250a27de8"),
    ("worker", "lhr", "6e82d4e6a37548"),
    ("worker", "fra", "2865339c9d6e98"),
    ("db", "iad", "e286565f969386"),
    ("db", "lhr", "9080e6f3a12d87"),
];

/// App, region and instance of the canary. Nothing of this app is watched.
pub const CANARY: (&str, &str, &str) = ("lastbeat", "iad", "demo");

/// Other entries than heartbeats.
const CHATTER: [&str; 6] = [
    "GET /orders/1042 200 in 12ms",
    "POST /carts 201 in 31ms",
    "\u{1b}[32mINFO\u{1b}[0m checkpoint complete: wrote 41 buffers",
    "job 7731 done in 0.84s",
    "{\"level\":\"info\",\"msg\":\"cache warmed\",\"keys\":512}",
    "GET /health 200 in 1ms",
];

/// One message of the simulated stream.
#[derive(Debug)]
pub struct Entry {
    subject: String,
    payload: String,
}

impl RawMessage for Entry {
    fn subject(&self) -> &str {
        &self.subject
    }

    fn payload(&self) -> &[u8] {
        self.payload.as_bytes()
    }
}

impl Entry {
    /// The entry of a canary.
    pub fn of_canary(line: &str) -> Self {
        let (app, region, instance) = CANARY;
        Entry {
            subject: canary_subject(),
            payload: payload(app, region, instance, "0ad1", line),
        }
    }

    /// The payload, if it is a canary's.
    pub fn canary(&self) -> Option<&str> {
        (self.subject == canary_subject()).then_some(&self.payload)
    }
}

/// The subject of the canary.
pub fn canary_subject() -> String {
    let (app, region, instance) = CANARY;
    format!("logs.{app}.{region}.{instance}")
}

/// The simulated stream.
#[derive(Debug)]
pub struct Entries(pub mpsc::Receiver<Entry>);

impl Stream for Entries {
    type Item = Entry;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Entry>> {
        self.0.poll_recv(cx)
    }
}

impl MessageSource for Entries {
    fn received(&self) -> Option<u64> {
        None
    }
}

/// State of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It beats.
    Beats,
    /// It hangs, and is silent.
    Hangs,
    /// It said bye.
    Remaining,
}

/// The organisation.
#[derive(Debug)]
pub struct Organisation {
    fates: [Fate; INSTANCES.len()],
    seqs: [u64; INSTANCES.len()],
    chatter: usize,
}

impl Organisation {
    /// Every instance beats.
    pub fn new() -> Self {
        Organisation {
            fates: [Fate::Beats; INSTANCES.len()],
            seqs: [0; INSTANCES.len()],
            chatter: 0,
        }
    }

    /// Number of instances.
    pub const fn len() -> usize {
        INSTANCES.len()
    }

    /// An instance's name.
    pub fn name(who: usize) -> String {
        let (app, region, instance) = INSTANCES[who];
        format!("{app}/{region}/{instance}")
    }

    /// An instance's region.
    pub fn region(who: usize) -> &'static str {
        INSTANCES[who].1
    }

    /// True if every instance beats.
    #[cfg(test)]
    pub fn all_beat(&self) -> bool {
        self.fates.iter().all(|fate| *fate == Fate::Beats)
    }

    /// Changes an instance's state; one that leaves says bye.
    pub fn set(&mut self, who: usize, fate: Fate) -> Option<Entry> {
        self.fates[who] = fate;
        (fate == Fate::Remaining).then(|| entry(who, "HEARTBEAT bye"))
    }

    /// The entry of an instance whose turn it is.
    pub fn speak(&mut self, who: usize) -> Vec<Entry> {
        if self.fates[who] != Fate::Beats {
            return Vec::new();
        }
        self.seqs[who] += 1;
        self.chatter += 1;
        let chatter = entry(who, CHATTER[self.chatter % CHATTER.len()]);
        vec![
            chatter,
            entry(who, &format!("HEARTBEAT every=1s seq={}", self.seqs[who])),
        ]
    }
}

/// Time in which each instance has one turn.
pub const ROUND: Duration = Duration::from_secs(1);

fn entry(who: usize, message: &str) -> Entry {
    let (app, region, instance) = INSTANCES[who];
    let host = format!("{:04x}", 0x77a0 + who / 2);
    Entry {
        subject: format!("logs.{app}.{region}.{instance}"),
        payload: payload(app, region, instance, &host, message),
    }
}

fn payload(app: &str, region: &str, instance: &str, host: &str, message: &str) -> String {
    let payload = serde_json::json!({
        "event": {"provider": "app"},
        "fly": {"app": {"instance": instance, "name": app}, "region": region},
        "host": host,
        "log": {"level": "info"},
        "message": message,
        "timestamp": crate::format::rfc3339(crate::clock::wall()),
    });
    payload.to_string()
}
