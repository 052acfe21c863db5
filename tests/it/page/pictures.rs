//! The pictures in docs/pictures, and that what they show is there: a silence among 12 instances in any case, and where
//! `LASTBEAT_SCREENSHOTS` names a folder also 400 calm instances, and a storm among 5,000.

use super::scale::WATCH;
use super::*;

const APPS: [&str; 25] = [
    "api", "auth", "billing", "cache", "checkout", "cron", "db", "email", "events", "exports",
    "feed", "gateway", "images", "ingest", "jobs", "ledger", "media", "orders", "payments",
    "pricing", "profiles", "queue", "reports", "search", "web",
];
const REGIONS: [&str; 8] = ["ams", "fra", "gru", "iad", "lhr", "nrt", "sjc", "syd"];
const DESK: (u32, u32) = (1440, 900);
const PHONE: (u32, u32) = (390, 844);

/// So many instances in each of so many apps and regions.
fn fleet(apps: usize, regions: usize, each: usize) -> Vec<Instance> {
    let mut fleet = Vec::new();
    for app in &APPS[..apps] {
        for region in &REGIONS[..regions] {
            for _ in 0..each {
                let number =
                    0x3d_8d90_0000_0000_u64 + fleet.len() as u64 * 7_919 * 65_537 % 0xff_ffff_ffff;
                fleet.push(Instance {
                    app: (*app).to_owned(),
                    region: (*region).to_owned(),
                    id: format!("{number:014x}"),
                });
            }
        }
    }
    fleet
}

/// A stream on which they all beat at this interval, and a lastbeat whose page a browser shows.
fn scene(fleet: &[Instance], every: Duration) -> (Nats, Feed, Lastbeat, Browser) {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    feed.beat(fleet, every);
    let gap = every.as_secs_f64() * 5.0;
    let rules = format!("[stream]\nmax_gap = '2m'\n[[rule]]\nname = 'beats'\nmax_gap = '{gap}s'\n");
    let lastbeat = setup(&nats).rules("beats.toml", &rules).start();
    lastbeat.wait_live(fleet.len());
    let browser = Browser::start();
    browser.open(&url(&lastbeat));
    browser.with_less_motion();
    (nats, feed, lastbeat, browser)
}

fn headline(browser: &Browser, part: &str) {
    let text = "document.getElementById('headline').textContent";
    let says = format!("{text}.includes({part:?})");
    browser.wait(&format!("a headline: {part}"), &says);
}

/// The screen as it is seen first, on a desk and on a phone; `is_dark` by night.
fn screens(browser: &Browser, name: &str, is_dark: [bool; 2]) {
    for ((size, device), is_dark) in [(DESK, "desk"), (PHONE, "phone")].into_iter().zip(is_dark) {
        if is_dark {
            browser.in_the_dark();
        } else {
            browser.with_less_motion();
        }
        browser.sized(size);
        browser.screen(&format!("{name}-{device}"));
    }
}

#[test]
fn from_a_link_to_the_last_words_are_two_taps_and_each_step_has_its_picture() {
    let fleet = fleet(4, 3, 1);
    let (_nats, feed, lastbeat, browser) = scene(&fleet, Duration::from_secs(1));
    let dead = &fleet[4];
    for line in [
        "GET /orders/1042 200 in 12 ms",
        "WARN pool exhausted: 20 of 20 connections are in use",
        "ERROR no connection to the database within 5 s",
        "panic: worker 3 gave up",
    ] {
        feed.say(dead, line);
    }
    feed.silence(dead);
    headline(&browser, "1 incident: ");
    screens(&browser, "silence-12", [false, false]);

    // A message has the incident's address; the last words are on that screen.
    let link = "document.querySelector('#incidents h3 a').href";
    let link = browser.run(&format!("return {link}"));
    browser.open("about:blank");
    browser.sized(PHONE);
    browser.in_the_dark();
    browser.open(link.as_str().expect("an address"));
    let words = "#detail .lines > div:last-child";
    let is_said = format!("document.querySelector({words:?})?.textContent.includes('gave up')");
    browser.wait("its last words", &is_said);
    let place = format!("document.querySelector({words:?}).getBoundingClientRect()");
    let place = browser.run(&format!("return {place}.bottom <= innerHeight"));
    assert_eq!(place, true, "they are on the first screen of a phone");
    browser.screen("incident-phone");
    browser.click(&format!("#detail h3 a[href^='#/instance/{}/']", dead.app));
    let panel = "document.getElementById('words').textContent.includes('gave up')";
    browser.wait("all of them in the panel", panel);
    browser.screen("words-phone");
    lastbeat.stop();

    if std::env::var_os("LASTBEAT_SCREENSHOTS").is_some() {
        calm();
        storm();
    }
}

/// 400 instances, at which nothing is wrong.
fn calm() {
    let fleet = fleet(10, 8, 5);
    let (_nats, _feed, lastbeat, browser) = scene(&fleet, Duration::from_secs(2));
    headline(&browser, "All 400 instances in 10 apps are live");
    screens(&browser, "calm-400", [true, false]);
    lastbeat.stop();
}

/// 5,000 instances, of which 400 die at once.
fn storm() {
    let fleet = fleet(25, 8, 25);
    let (_nats, feed, lastbeat, browser) = scene(&fleet, Duration::from_secs(10));
    headline(&browser, "All 5,000 instances in 25 apps are live");
    browser.sized(DESK);
    browser.run(WATCH);
    // Two of each app and region.
    for one in fleet.chunks(25).flat_map(|place| &place[..2]) {
        feed.silence(one);
    }
    headline(&browser, "400 of 5,000 instances are not live");
    let tasks = browser.run("return window.tasks");
    println!("400 of 5,000 instances die: tasks above 50 ms: {tasks}");
    screens(&browser, "storm-5000", [false, true]);
    lastbeat.stop();
}
