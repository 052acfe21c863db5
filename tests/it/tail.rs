//! Entries as they pass: natstream's API, its filters, its bounds, and `lastbeat tail` over it.

use crate::support::browser::Browser;
use crate::support::child::Child;
use crate::support::feed::Feed;
use crate::support::lastbeat::{Lastbeat, Setup};
use crate::support::nats::{Nats, Peer};
use crate::support::org::{Instance, org};
use crate::support::receiver::Receiver;
use crate::support::sse::{Event, Sse};
use crate::support::wait::{wait_until, wall};
use serde_json::Value;
use std::fmt::Write;
use std::fs;
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

const SOON: Duration = Duration::from_secs(20);

struct Bench {
    feed: Feed,
    lastbeat: Lastbeat,
    nats: Nats,
}

fn bench() -> Bench {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let lastbeat = Setup::new().nats(&nats).start();
    nats.wait_subscribed("logs.>");
    Bench {
        feed,
        lastbeat,
        nats,
    }
}

fn web() -> Instance {
    org(&["web"], &["iad"]).remove(0)
}

/// Opens a tail and reads what it is told first.
#[track_caller]
fn tail(bench: &Bench, query: &str) -> Sse {
    let mut tail = Sse::open(&bench.lastbeat.server, &format!("/api/logs{query}"), "");
    let first = tail.next().expect("it begins");
    assert_eq!(first.data["message"], "Connected to log stream");
    tail
}

fn is_log(event: &Event) -> bool {
    event.data["type"] == "log"
}

/// The next entry's own message.
#[track_caller]
fn message(tail: &mut Sse) -> String {
    let event = tail.find("an entry", is_log);
    let payload = event.data["message"].as_str().expect("a text");
    let payload: Value = serde_json::from_str(payload).expect("these entries are JSON");
    payload["message"].as_str().expect("a text").to_owned()
}

fn entries(lastbeat: &Lastbeat) -> f64 {
    lastbeat.metrics().sum("lastbeat_entries_total", &[])
}

fn dropped(lastbeat: &Lastbeat) -> f64 {
    lastbeat
        .metrics()
        .sum("lastbeat_nats_dropped_messages_total", &[])
}

#[test]
fn a_client_of_natstream_reads_frames_of_its_four_keys() {
    let bench = bench();
    let mut tail = Sse::open(
        &bench.lastbeat.server,
        "/api/logs",
        "Accept: text/event-stream\r\n",
    );
    assert!(
        tail.head.contains("content-type: text/event-stream"),
        "{}",
        tail.head
    );
    let first = tail.next().expect("it begins").data;
    let said = (&first["message"], &first["type"], &first["persistent"]);
    assert_eq!(
        said,
        (
            &"Connected to log stream".into(),
            &"system".into(),
            &false.into()
        )
    );
    let payload = web().entry("GET / 200");
    let odd = b"no JSON, \xff no UTF-8\nand two lines".to_vec();
    bench.feed.publish(vec![
        (web().subject(), payload.clone().into_bytes()),
        (web().subject(), odd),
    ]);
    let entry = tail.find("the entry", is_log).data;
    let keys: Vec<&String> = entry.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["message", "persistent", "timestamp", "type"]);
    assert_eq!(entry["message"], payload);
    let now = wall()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_millis() as u64;
    let age = now.abs_diff(entry["timestamp"].as_u64().expect("milliseconds"));
    assert!(age < 20_000, "{entry}");
    let odd = tail.find("the odd one", is_log).data;
    assert_eq!(odd["message"], "no JSON, \u{fffd} no UTF-8\nand two lines");
    bench.lastbeat.stop();
}

#[test]
fn filters_are_globs_of_the_subject_and_a_part_of_the_payload() {
    let bench = bench();
    let all = org(&["api", "web"], &["ams", "iad"]);
    let mut by_app = tail(&bench, "?app=w*");
    let mut by_both = tail(&bench, "?app=api,web&region=iad&subject=1");
    let by_id = format!("?instance={}", all[1].id);
    let mut by_id = tail(&bench, &by_id);
    let mut by_text = tail(&bench, "?q=needle%20in&app=");
    for instance in &all {
        bench
            .feed
            .say(instance, &format!("{}-{}", instance.app, instance.region));
    }
    bench.feed.say(&all[2], "a needle in the hay");
    let read = |tail: &mut Sse, count: usize| -> Vec<String> {
        (0..count).map(|_| message(tail)).collect()
    };
    assert_eq!(
        read(&mut by_app, 3),
        ["web-ams", "web-iad", "a needle in the hay"]
    );
    let first = by_both.find("the first of iad", is_log).data;
    assert_eq!(first["subject"], all[1].subject());
    assert_eq!(read(&mut by_both, 1), ["web-iad"]);
    assert_eq!(read(&mut by_id, 1), ["api-iad"]);
    assert_eq!(read(&mut by_text, 1), ["a needle in the hay"]);
    let refused = bench.lastbeat.get("/api/logs?ap=web");
    assert_eq!(refused.status, 400, "{}", refused.body);
    assert!(refused.body.contains("nearest is app"), "{}", refused.body);
    bench.lastbeat.stop();
}

#[test]
fn trouble_of_the_stream_is_told_as_an_error() {
    let mut bench = bench();
    bench.feed.say(&web(), "hello");
    bench.lastbeat.wait_ready(200);
    let mut reader = tail(&bench, "");
    bench.nats.kill();
    let trouble = reader.find("the trouble", |event| event.data["type"] == "error");
    let what = trouble.data["message"].as_str().expect("a text");
    assert!(what.starts_with("the stream: "), "{what}");
    bench.lastbeat.stop();
    // A stop ends the stream; until then more may have become known of the trouble.
    while let Some(event) = reader.next() {
        assert_eq!(event.data["type"], "error");
    }
}

#[test]
fn a_slow_reader_loses_entries_and_is_told_how_many_and_the_core_loses_none() {
    let bench = bench();
    let mut slow = tail(&bench, "?q=last");
    let mut stuck = tail(&bench, "");
    let (batches, batch, filling) = (10_u32, 2_000_u32, "x".repeat(1_500));
    let before = entries(&bench.lastbeat);
    for number in 0..batches {
        let say = |at| {
            (
                web().subject(),
                web()
                    .entry(&format!("{number}-{at} {filling}"))
                    .into_bytes(),
            )
        };
        bench.feed.publish((0..batch).map(say).collect());
    }
    let sent = f64::from(batches * batch);
    wait_until("the core has taken all", SOON, || {
        entries(&bench.lastbeat) >= before + sent
    });
    assert_eq!(entries(&bench.lastbeat), before + sent);
    assert_eq!(dropped(&bench.lastbeat), 0.0);

    bench.feed.say(&web(), "the last");
    let (mut lost, mut read) = (0, 0);
    loop {
        let event = stuck.next().expect("it goes on").data;
        lost += event["lost"].as_u64().unwrap_or_default();
        read += u64::from(event["type"] == "log");
        if event["message"]
            .as_str()
            .is_some_and(|text| text.contains("the last"))
        {
            break;
        }
    }
    assert!(lost > 0, "{read} were read");
    assert_eq!(
        read + lost,
        u64::from(batches * batch) + 1,
        "{read} read, {lost} lost"
    );
    assert!(
        message(&mut slow).contains("the last"),
        "who keeps up misses nothing"
    );
    bench.lastbeat.stop();
}

/// Bytes of the process's memory.
fn memory(lastbeat: &Lastbeat) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", lastbeat.child.pid()));
    let status = status.expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: u64 = line
        .and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
        .expect("the system says how much");
    kib * 1024
}

fn number(name: &str, default: u32) -> u32 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// A hundred readers of whom fifty read nothing; of the others each gets all that passes its filter. At the full rate, by
/// hand: `LASTBEAT_TAIL_RATE=20000 LASTBEAT_TAIL_SECONDS=10 LASTBEAT_TESTBED=target/testbed cargo test --release --test it
/// a_hundred_readers -- --nocapture`.
#[test]
fn a_hundred_readers_of_whom_fifty_read_nothing_cost_the_core_no_entry() {
    let (rate, seconds) = (
        number("LASTBEAT_TAIL_RATE", 2_000),
        number("LASTBEAT_TAIL_SECONDS", 4),
    );
    let bench = bench();
    let mut stuck: Vec<Sse> = (0..50).map(|_| tail(&bench, "")).collect();
    let quick: Vec<Sse> = (0..50)
        .map(|at| tail(&bench, &format!("?q=pick{}%20", at % 10)))
        .collect();
    let refused = Sse::ask(&bench.lastbeat.server, "/api/logs", "");
    assert!(
        refused.head.contains(" 503 ") && refused.head.contains("retry-after"),
        "{}",
        refused.head
    );
    let begun = memory(&bench.lastbeat);

    let (turns, batch) = (seconds * 20, rate / 20);
    let readers: Vec<_> = quick
        .into_iter()
        .map(|mut tail| {
            thread::spawn(move || {
                let (mut picked, mut lost) = (0_u32, 0);
                loop {
                    let event = tail.next().expect("it goes on").data;
                    lost += event["lost"].as_u64().unwrap_or_default();
                    let text = event["message"].as_str().expect("a text");
                    if text.contains(" end") {
                        return (picked, lost);
                    }
                    picked += u32::from(event["type"] == "log");
                }
            })
        })
        .collect();
    let pace = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    let pace = pace.expect("a runtime");
    let mut turn = pace.block_on(async { tokio::time::interval(Duration::from_millis(50)) });
    let mut most = begun;
    for number in 0..turns {
        pace.block_on(turn.tick());
        let say = |at: u32| {
            let mut text = format!("{number}-{at}");
            if at % 100 < 10 {
                write!(text, " pick{} x", at % 100).expect("a text takes it");
            }
            (web().subject(), web().entry(&text).into_bytes())
        };
        bench.feed.publish((0..batch).map(say).collect());
        if number % 10 == 0 {
            most = most.max(memory(&bench.lastbeat));
        }
    }
    let sent = f64::from(turns * batch);
    wait_until("the core has taken all", SOON, || {
        entries(&bench.lastbeat) >= sent
    });
    assert_eq!(
        (entries(&bench.lastbeat), dropped(&bench.lastbeat)),
        (sent, 0.0)
    );
    (0..10).for_each(|at| bench.feed.say(&web(), &format!("pick{at}  end")));
    for reader in readers {
        let (picked, lost) = reader.join().expect("it read to the end");
        assert_eq!((picked, lost), (turns * (batch / 100), 0));
    }
    for reader in stuck.iter_mut().take(3) {
        let (mut read, mut lost) = (0, 0);
        while read + lost < u64::from(turns * batch) + 10 {
            let event = reader.next().expect("it goes on").data;
            lost += event["lost"].as_u64().unwrap_or_default();
            read += u64::from(event["type"] == "log");
        }
        assert_eq!(read + lost, u64::from(turns * batch) + 10);
        println!("one that stood still: {read} read, {lost} lost and told");
    }
    most = most.max(memory(&bench.lastbeat));
    let grown = most.saturating_sub(begun) >> 20;
    println!(
        "{sent} entries at {rate}/s, 100 readers: memory grew by {grown} MiB to {} MiB",
        most >> 20
    );
    assert!(grown < 250, "{grown} MiB");
    drop(stuck);
    bench.lastbeat.stop();
}

fn run_tail(bench: &Bench, arguments: &[&str]) -> Child {
    let url = format!("http://{}", bench.lastbeat.server.address);
    Setup::new()
        .env("LASTBEAT_URL", &url)
        .command(&[&["tail"], arguments].concat())
}

#[test]
fn tail_shows_lines_of_which_nothing_is_done_by_the_terminal() {
    let bench = bench();
    let mut shown = run_tail(&bench, &["--app", "web"]);
    let mut as_json = run_tail(&bench, &["--json", "title"]);
    for tail in [&mut shown, &mut as_json] {
        tail.wait_line("that it is connected", SOON, |line| {
            line.contains("Connected").then_some(())
        });
    }
    bench.feed.say(
        &web(),
        "\u{1b}]0;title\u{7}\u{1b}[2J\u{9b}31m rm -rf\r\u{1b}[A done",
    );
    let line = |tail: &mut Child| {
        tail.wait_line("the entry", SOON, |line| {
            line.contains("rm -rf").then(|| line.to_owned())
        })
    };
    let (plain, json) = (line(&mut shown), line(&mut as_json));
    assert!(
        plain.contains("web/iad/0e286500010001") && plain.ends_with(" done"),
        "{plain:?}"
    );
    assert!(
        !plain.contains(char::is_control) && !json.contains(char::is_control),
        "{plain:?} {json:?}"
    );
    let json: Value = serde_json::from_str(&json).expect("a line is an object");
    assert_eq!(
        (&json["type"], &json["subject"]),
        (&"log".into(), &web().subject().into())
    );
    bench.lastbeat.stop();
}

#[test]
fn tail_connects_again_and_ends_where_it_is_refused() {
    let nats = Nats::start(Peer::Current);
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = free.local_addr().expect("bound").to_string();
    let mut tail = Setup::new()
        .env("LASTBEAT_URL", &format!("http://{address}"))
        .command(&["tail"]);
    drop(free);
    tail.wait_line("that it tries again", SOON, |line| {
        line.contains("trying again").then_some(())
    });
    let lastbeat = Setup::new()
        .nats(&nats)
        .env("LASTBEAT_LISTEN", &address)
        .start();
    tail.wait_line("that it is connected", SOON, |line| {
        line.contains("Connected").then_some(())
    });
    lastbeat.stop();
    tail.wait_line("that the stream ended", SOON, |line| {
        line.contains("lastbeat ended the stream").then_some(())
    });

    let lastbeat = Setup::new()
        .nats(&nats)
        .env("LASTBEAT_TOKEN", "s3cret-of-18-signs")
        .start();
    let url = format!("http://{}", lastbeat.server.address);
    let mut refused = Setup::new()
        .env("LASTBEAT_URL", &url)
        .env("LASTBEAT_TOKEN", "")
        .command(&["tail"]);
    assert_eq!(refused.wait_end(SOON), 1);
    assert!(refused.lines().join("\n").contains("LASTBEAT_TOKEN"));
    lastbeat.stop();
}

#[test]
fn an_invalid_address_or_token_is_a_bad_setting_of_each_command_that_asks() {
    let commands = [
        &["tail"][..],
        &["status"],
        &["silence", "list"],
        &["silence", "expire", "../x"],
        &["drill"],
    ];
    let settings = [
        (
            "LASTBEAT_URL",
            "ftp://localhost:9090",
            "--url or LASTBEAT_URL",
        ),
        (
            "LASTBEAT_URL",
            "http://ada:s3cret@localhost",
            "LASTBEAT_URL",
        ),
        ("LASTBEAT_TOKEN_FILE", "/nothing/here", "/nothing/here"),
        ("LASTBEAT_TOKEN", "s3cret\u{1}", "LASTBEAT_TOKEN"),
    ];
    for command in commands {
        for (name, value, words) in settings {
            // A token in the environment goes before its file.
            let mut child = Setup::new()
                .env("LASTBEAT_TOKEN", "")
                .env(name, value)
                .command(command);
            let code = child.wait_end(SOON);
            let said = child.lines().join("\n");
            assert_eq!(code, 64, "{command:?} {name}: {said}");
            assert!(
                said.contains(words) && !said.contains("s3cret"),
                "{command:?} {name}: {said}"
            );
        }
    }
}

#[test]
fn the_command_reads_from_nats_without_a_running_lastbeat() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    feed.beat(&org(&["web", "api"], &["iad"]), Duration::from_millis(100));
    let setup = Setup::new().nats(&nats);
    let mut child = setup.command(&["tail", "--server", "--app", "w*", "--count", "3", "--raw"]);
    assert_eq!(child.wait_end(SOON), 0, "{:?}", child.lines());
    let lines = child.lines();
    let payloads: Vec<Value> = lines
        .iter()
        .filter(|line| !line.starts_with("-- "))
        .map(|line| serde_json::from_str(line).expect("a payload as it came"))
        .collect();
    assert_eq!(payloads.len(), 3, "{lines:?}");
    let is_web = |payload: &Value| {
        payload["message"]
            .as_str()
            .is_some_and(|text| text.contains("HEARTBEAT"))
    };
    assert!(payloads.iter().all(is_web), "{lines:?}");

    let setup = Setup::new().env("ORG", "acme").env("ACCESS_TOKEN", "wrong");
    let mut child = setup.command(&["tail", "--server", &nats.url()]);
    assert_eq!(child.wait_end(SOON), 1, "{:?}", child.lines());
    let mut child = setup.command(&["tail", "--server", "nowhere://x"]);
    assert_eq!(child.wait_end(SOON), 64, "{:?}", child.lines());
}

#[test]
fn a_page_of_another_origin_reads_the_tail_where_anonymous_reading_is_on() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    feed.beat(&org(&["web"], &["iad"]), Duration::from_millis(300));
    // The origin of the page is a server of its own: an address with another port.
    let elsewhere = Receiver::start();
    let browser = Browser::start();
    for (anonymous, expected) in [(true, "entries"), (false, "refused")] {
        let setup = Setup::new().nats(&nats);
        let setup = match anonymous {
            true => setup.env("LASTBEAT_ANONYMOUS", "read"),
            false => setup,
        };
        let lastbeat = setup.start();
        browser.open(&elsewhere.url("/"));
        browser.run(&format!(
            "window.seen = [];
             const tail = new EventSource('http://{}/api/logs?q=HEARTBEAT');
             tail.onmessage = (event) => {{
                 if (JSON.parse(event.data).type === 'log') seen.push('entries');
             }};
             tail.onerror = () => {{ if (tail.readyState === EventSource.CLOSED) seen.push('refused'); }};",
            lastbeat.server.address
        ));
        browser.wait(expected, &format!("seen.includes('{expected}')"));
        assert_eq!(browser.run("return new Set(seen).size"), 1);
        browser.open("about:blank");
        lastbeat.stop();
    }
}
