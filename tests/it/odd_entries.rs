//! Random bytes on random subjects: all of it is counted, and nothing breaks.

use crate::support::feed::Feed;
use crate::support::lastbeat::Setup;
use crate::support::metrics::Metrics;
use crate::support::nats::{Nats, Peer};
use crate::support::org::org;
use crate::support::prometheus::promtool;
use crate::support::random::Random;
use crate::support::wait::wait_until;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

const MESSAGES: usize = 10_000;

#[test]
fn random_bytes_on_random_subjects_are_all_counted() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let lastbeat = Setup::new().nats(&nats).start();
    nats.wait_subscribed("logs.>");

    let mut random = Random::new(0x001a_57be_a7ed);
    let messages = (0..MESSAGES)
        .map(|_| (subject(&mut random), payload(&mut random)))
        .collect();
    feed.publish(messages);
    lastbeat.wait_metrics(
        "all of the messages, counted",
        Duration::from_secs(20),
        |metrics| counted(metrics) >= MESSAGES as f64,
    );
    let metrics = lastbeat.metrics();
    assert_eq!(counted(&metrics), MESSAGES as f64);
    assert!(
        metrics.sum("lastbeat_entries_total", &[]) > 0.0,
        "some subjects have four tokens"
    );
    assert!(
        metrics.sum(
            "lastbeat_entries_rejected_total",
            &[("reason", "subject_short")]
        ) > 0.0
    );
    assert!(
        metrics.sum(
            "lastbeat_entries_rejected_total",
            &[("reason", "subject_long")]
        ) > 0.0
    );
    promtool(&["check", "metrics"], &lastbeat.get("/metrics").body)
        .expect("hard labels are written well");
    lastbeat.stop();
}

#[test]
fn a_subject_that_is_no_text_costs_a_connection_and_no_more() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let lastbeat = Setup::new().nats(&nats).start();
    nats.wait_subscribed("logs.>");

    // A connection that breaks before it is known is no reconnect.
    let soon = Duration::from_secs(20);
    lastbeat.wait_metrics("the first connection", soon, |metrics| {
        metrics.one("lastbeat_nats_connected") == 1.0
    });
    // The client library calls such a message a protocol error and hangs up.
    publish_raw(&nats, b"PUB logs.sandwich.\xff\xfe.x 2\r\nhi\r\n");
    lastbeat.wait_metrics("a connection made anew", soon, |metrics| {
        metrics.sum("lastbeat_nats_reconnects_total", &[]) >= 1.0
            && metrics.one("lastbeat_nats_connected") == 1.0
    });
    let malformed = lastbeat
        .metrics()
        .sum("lastbeat_nats_reconnects_total", &[("reason", "malformed")]);
    assert_eq!(malformed, 1.0, "counted by its reason");
    assert_eq!(
        lastbeat.said(&[
            "a publisher sends messages that cannot be read: a subject or header that is not UTF-8"
        ]),
        1
    );
    nats.wait_subscribed("logs.>");
    feed.beat(&org(&["sandwich"], &["sjc"]), Duration::from_millis(100));
    lastbeat.wait_live(1);
    lastbeat.stop();
}

/// One each second, for as long as somebody is silent and after: the death is found all the same.
#[test]
fn a_death_is_found_while_a_publisher_cuts_the_connection_again_and_again() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let instances = org(&["sandwich", "web"], &["sjc", "ams"]);
    feed.beat(&instances, Duration::from_millis(200));
    let lastbeat = Setup::new()
        .nats(&nats)
        .rules(
            "beats.toml",
            "[stream]\nmax_gap = '30s'\n[[rule]]\nname = 'beats'\nmax_gap = '4s'\n",
        )
        .start();
    lastbeat.wait_live(4);
    feed.silence(&instances[0]);
    let broken: [&[u8]; 4] = [
        b"PUB logs.\xff.b.c 1\r\nx\r\n",
        b"HPUB logs.a.b.c 22 23\r\nNATS/1.0\r\nno colon\r\n\r\nx\r\n",
        b"HPUB logs.a.b.c 20 21\r\nNATS/1.0\r\na b: \xff\r\n\r\nx\r\n",
        b"HPUB logs.a.b.c 16 17\r\nNATS/1.0 abc\r\n\r\nx\r\n",
    ];
    let (mut number, mut next) = (0, 0.0);
    wait_until("the death is notified", Duration::from_secs(90), || {
        let metrics = lastbeat.metrics();
        let listened = metrics.one("lastbeat_listened_seconds_total");
        if metrics.one("lastbeat_nats_connected") == 1.0 && listened >= next {
            publish_raw(&nats, broken[number % broken.len()]);
            number += 1;
            next = listened + 1.0;
        }
        lastbeat.said(&["HeartbeatMissed", "state=\"opened\""]) == 1
    });
    assert!(number >= 3, "{number} of them");
    let metrics = lastbeat.metrics();
    assert!(metrics.sum("lastbeat_nats_reconnects_total", &[("reason", "malformed")]) >= 3.0);
    let live = metrics.sum("lastbeat_instances", &[("verdict", "live")]);
    assert_eq!(live, 3.0, "and nobody else is blamed");
    lastbeat.stop();
}

/// Says `line` to the server as the feeder, since no client library would.
fn publish_raw(nats: &Nats, line: &[u8]) {
    let address = nats.url().replace("nats://", "");
    let mut stream = TcpStream::connect(address).expect("the server listens");
    let hello =
        b"CONNECT {\"user\":\"feeder\",\"pass\":\"feeder\",\"verbose\":false,\"headers\":true}\r\n";
    let talk = [hello, line, b"PING\r\n"].concat();
    stream.write_all(&talk).expect("the server reads");
    let mut answers = BufReader::new(stream).lines().map_while(Result::ok);
    assert!(
        answers.any(|answer| answer == "PONG"),
        "the server took it all"
    );
}

/// Entries whose subject was taken, and those whose subject was not.
fn counted(metrics: &Metrics) -> f64 {
    let rejected = metrics
        .all("lastbeat_entries_rejected_total", &[])
        .filter(|sample| {
            let reason = sample.labels["reason"].as_str();
            reason.starts_with("subject_") || reason == "limit"
        });
    metrics.sum("lastbeat_entries_total", &[]) + rejected.map(|sample| sample.value).sum::<f64>()
}

/// `logs.` and one to six tokens of anything that a client library lets pass.
fn subject(random: &mut Random) -> String {
    let tokens = 1 + random.below(6);
    let tokens: Vec<String> = (0..tokens).map(|_| token(random)).collect();
    format!("logs.{}", tokens.join("."))
}

fn token(random: &mut Random) -> String {
    const ODD: [char; 12] = [
        '"', '\\', '{', '}', '=', ',', '\u{1}', '\u{7f}', 'é', '名', '🦀', '\u{202e}',
    ];
    // One in fifty is longer than any platform's names are.
    let length = if random.below(50) == 0 {
        400
    } else {
        1 + random.below(12)
    };
    let letter = |random: &mut Random| match random.below(4) {
        0 => *random.pick(&ODD),
        _ => char::from(b'a' + random.below(26) as u8),
    };
    (0..length).map(|_| letter(random)).collect()
}

/// Bytes; in every fourth a marker before them, in every eighth the beginning of an entry.
fn payload(random: &mut Random) -> Vec<u8> {
    let start: &[u8] = match random.below(8) {
        0 | 1 => b" HEARTBEAT every=",
        2 => b"{\"event\":{\"provider\":\"app\"},\"message\":\"HEARTBEAT \\u12",
        _ => b"",
    };
    let length = random.below(600);
    [start, &random.bytes(length)].concat()
}
