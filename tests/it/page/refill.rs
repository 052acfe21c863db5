//! The button that ships again what a sink lacks.

use super::*;
use crate::support::lastbeat::WEB_TOKEN;
use crate::support::log_shipper::{Broken, LogShipper};
use crate::support::receiver::Receiver;

/// Entries that are said while the shipper receives nothing.
const MISSED: usize = 20;

/// The numbered entries that a sink took, in order.
fn numbered(sink: &Receiver) -> Vec<String> {
    let bodies = sink.taken().into_iter();
    let lines: Vec<String> = bodies
        .flat_map(|taken| taken.body.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let messages = lines.iter().map(|line| {
        let entry: Value = serde_json::from_str(line).expect("a line of JSON");
        entry["message"].as_str().unwrap_or_default().to_owned()
    });
    messages
        .filter(|text| text.starts_with("missed "))
        .collect()
}

#[test]
fn a_click_ships_again_what_the_sink_lacks_and_the_page_says_when_it_is_done() {
    let nats = Nats::with_canaries();
    let feed = Feed::connect(&nats);
    let instances = org(&["web"], &["ams"]);
    feed.beat(&instances, Duration::from_millis(500));
    let shipper = LogShipper::start(&nats);
    let sink = Receiver::start();
    let rules = format!(
        "{}[sink.store]\ntype = 'http'\nurl = '{}'\n[archive]\nmin_free = '1%'\n",
        shipper.rule("grafana"),
        sink.url("/insert"),
    );
    let setup = setup(&nats);
    let archive = setup.rules_folder().with_file_name("archive");
    let lastbeat = setup
        .env("LASTBEAT_ANONYMOUS", "off")
        .env("LASTBEAT_CANARY", "10s")
        .env("LASTBEAT_ARCHIVE", &archive.to_string_lossy())
        .rules("downstream.toml", &rules)
        .start();
    let browser = Browser::start();
    browser.open(&url(&lastbeat));
    sign_in(&browser, WEB_TOKEN);
    let said = "document.querySelector('#chain').textContent";
    let says = |text: &str| format!("{said}.includes('{text}')");
    browser.wait("a shipper that ships", &says("arrives, since"));
    let button = "document.querySelector('#chain button')";
    assert_eq!(browser.run(&format!("return {button}.hidden")), true);

    shipper.set(Broken::Subscription);
    browser.wait("the stall", &says("receives nothing"));
    let missed: Vec<String> = (0..MISSED)
        .map(|number| format!("missed {number:02}"))
        .collect();
    for text in &missed {
        feed.say(&instances[0], text);
    }
    // Once they are found here, they are in the stream, and the shipper that is back does not get them.
    let last = missed.last().expect("there are some");
    wait_until("the last of them is received", SOON, || {
        let path = format!("/api/v1/entries?q={}", last.replace(' ', "%20"));
        lastbeat.get(&path).body.contains(last.as_str())
    });
    shipper.set(Broken::Nothing);
    browser.wait("the button", &format!("{button}.hidden === false"));
    assert_eq!(sink.taken().len(), 0, "nothing is shipped before the click");
    browser.click("#chain button");
    browser.wait("the end of the refill", &says("refill done: 100%"));
    assert_eq!(numbered(&sink), missed, "all of them, once, in order");
    assert_eq!(browser.complaints(), [""; 0]);
    lastbeat.stop();
}
