//! The page in a real browser, against the real program and a real stream.

mod access;
mod entries;
mod missed;
mod panel;
mod pictures;
mod refill;
mod scale;
mod storm;
mod tail;
mod views;

use crate::support::browser::{Browser, keys};
use crate::support::feed::Feed;
use crate::support::lastbeat::{Lastbeat, Setup};
use crate::support::nats::{Nats, Peer};
use crate::support::org::{Instance, org};
use crate::support::wait::wait_until;
use lastbeat::clock;
use serde_json::Value;
use std::time::Duration;

/// What the stream tells is known within a second or two.
const SOON: Duration = Duration::from_secs(20);
const TOKEN: &str = "a token of nine words that nobody guesses";
const RULES: &str = "[stream]\nmax_gap = '20s'\n[[rule]]\nname = 'beats'\nmax_gap = '3s'\n\
                     runbook = 'https://runbooks.example/silent'\n";

fn url(lastbeat: &Lastbeat) -> String {
    format!("http://{}/", lastbeat.server.address)
}

fn setup(nats: &Nats) -> Setup {
    Setup::new()
        .nats(nats)
        .env("LASTBEAT_ANONYMOUS", "read")
        .rules("beats.toml", RULES)
}

/// How many elements are shown.
fn count(css: &str) -> String {
    format!("document.querySelectorAll({css:?}).length")
}

#[track_caller]
fn sign_in(browser: &Browser, token: &str) {
    browser.wait(
        "the form to sign in",
        "!document.getElementById('gate').hidden",
    );
    browser.fill("#token", token);
    browser.click("#enter button");
}

#[test]
fn who_signs_in_sees_a_silence_come_silences_it_and_sees_it_close() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let instances = org(&["api", "web", "worker"], &["ams", "sjc"]);
    feed.beat(&instances, Duration::from_millis(500));
    let setup = setup(&nats);
    let state = setup.rules_folder().with_file_name("state.db");
    let lastbeat = setup
        .env("LASTBEAT_TOKEN", TOKEN)
        .env("LASTBEAT_ANONYMOUS", "off")
        .env("LASTBEAT_STATE", &state.to_string_lossy())
        .start();
    let browser = Browser::start();
    browser.open(&url(&lastbeat));
    browser.wait("the form", "!document.getElementById('gate').hidden");
    browser.picture("sign-in");
    assert_eq!(browser.complaints(), [""; 0]);
    sign_in(&browser, "a wrong one");
    browser.wait(
        "the refusal",
        "document.getElementById('gate-said').textContent.includes('wrong token')",
    );
    assert_eq!(browser.complaints().len(), 1, "the refused try alone");
    browser.run("document.getElementById('token').value = ''");
    sign_in(&browser, TOKEN);
    browser.wait(
        "six live instances",
        &format!("{} === 6", count(".sq.v-live")),
    );
    let cookie = &browser.cookies()[0];
    assert_eq!(
        (&cookie["httpOnly"], &cookie["sameSite"], &cookie["path"]),
        (&true.into(), &"Strict".into(), &"/".into()),
        "{cookie}"
    );
    assert!(!cookie["value"].to_string().contains(TOKEN), "{cookie}");

    browser.run("window.not_loaded_again = true");
    feed.silence(&instances[3]);
    browser.wait("the silence", &format!("{} === 1", count(".sq.v-silent")));
    browser.wait(
        "the incident",
        &format!("{} === 1", count("#incidents > li")),
    );
    let card = browser.text("#incidents > li");
    for word in [
        "web/sjc/",
        "HeartbeatMissed",
        "scope instance",
        "rule \"beats\"",
        "Runbook",
    ] {
        assert!(card.contains(word), "{word} is not in {card}");
    }
    let ticks = "document.querySelector('#incidents .since').textContent";
    let before = browser.run(&format!("return {ticks}"));
    browser.wait("its age to tick", &format!("{ticks} !== {before}"));
    browser.picture("incident");

    browser.click("#incidents button");
    browser.fill("#mute-reason", "a known fault");
    browser.fill("#mute-author", "ada");
    browser.picture("silence");
    browser.click("#mute-form button.main");
    browser.wait(
        "the silence on the card",
        &format!("{} === 1", count("#incidents > li.muted")),
    );
    let silences = browser.text("#silences");
    assert!(
        silences.contains("web") && silences.contains("a known fault (ada)"),
        "{silences}"
    );

    feed.resume(&instances[3]);
    browser.wait(
        "no incident",
        &format!("{} === 0", count("#incidents > li")),
    );
    browser.wait(
        "its place in the history",
        &format!("{} === 1", count("#history > li")),
    );
    let past = browser.text("#history > li");
    assert!(
        past.contains("web/sjc/") && past.contains("resolved"),
        "{past}"
    );
    assert_eq!(browser.run("return window.not_loaded_again"), true);
    browser.click("#silences button");
    browser.wait(
        "the end of the silence",
        &format!("{} === 0", count("#silences > li")),
    );
    assert_eq!(browser.complaints(), [""; 0]);
    // Once when signed in, once for each thing done, once or twice while the events began: they bring the rest.
    let asked = "return performance.getEntriesByType('resource').filter(one => one.name.endsWith('/status')).length";
    let asked = browser.run(asked);
    assert!(
        asked.as_u64().is_some_and(|asked| asked <= 6),
        "{asked} times"
    );

    browser.click("#leave");
    browser.wait("the form again", "!document.getElementById('gate').hidden");
    assert_eq!(browser.cookies(), Value::Array(Vec::new()));
    lastbeat.stop();
}

#[test]
fn a_page_that_hears_nothing_says_so_and_turns_grey_until_it_does() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    feed.beat(&org(&["web"], &["ams", "sjc"]), Duration::from_millis(500));
    let lastbeat = setup(&nats).start();
    let address = lastbeat.server.address.clone();
    let browser = Browser::start();
    browser.open(&url(&lastbeat));
    browser.wait(
        "two live instances",
        &format!("{} === 2", count(".sq.v-live")),
    );
    browser.wait(
        "the stream's state",
        "document.getElementById('stream').textContent.includes('live')",
    );
    let is_stale = "document.body.classList.contains('stale')";
    browser.wait("news", &format!("!({is_stale})"));
    assert_eq!(browser.complaints(), [""; 0]);

    lastbeat.stop();
    browser.wait("the page to turn grey", is_stale);
    browser.picture("not-connected");
    let banner = browser.text("#banner");
    assert!(banner.starts_with("NOT CONNECTED since "), "{banner}");
    assert!(
        browser
            .run("return document.title")
            .to_string()
            .contains("NOT CONNECTED")
    );
    let shown = "getComputedStyle(document.getElementById('shown')).filter";
    assert_eq!(browser.run(&format!("return {shown}")), "grayscale(1)");
    assert_eq!(browser.text("#stream"), "stream: not known");

    let lastbeat = setup(&nats).env("LASTBEAT_LISTEN", &address).start();
    browser.wait("the connection again", &format!("!({is_stale})"));
    browser.wait(
        "two live instances",
        &format!("{} === 2", count(".sq.v-live")),
    );
    browser.wait("no banner", "document.getElementById('banner').hidden");
    let refused = browser.complaints();
    let is_network = |line: &String| line.contains("net::ERR_");
    assert!(refused.iter().all(is_network), "{refused:?}");
    lastbeat.stop();
}

#[test]
fn where_no_events_come_the_page_asks_by_itself() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let instances = org(&["web"], &["ams", "sjc"]);
    feed.beat(&instances, Duration::from_millis(500));
    let lastbeat = setup(&nats).start();
    let browser = Browser::start();
    browser.keep_from("*/api/v1/events");
    browser.open(&url(&lastbeat));
    browser.wait(
        "two live instances",
        &format!("{} === 2", count(".sq.v-live")),
    );
    feed.silence(&instances[0]);
    browser.wait("the silence", &format!("{} === 1", count(".sq.v-silent")));
    browser.wait(
        "the incident",
        &format!("{} === 1", count("#incidents > li")),
    );
    feed.resume(&instances[0]);
    browser.wait("its end", &format!("{} === 1", count("#history > li")));
    assert_eq!(
        browser.run("return document.body.classList.contains('stale')"),
        false
    );
    let kept = browser.complaints();
    assert!(
        kept.iter().all(|line| line.contains("/api/v1/events")),
        "{kept:?}"
    );
    lastbeat.stop();
}

#[test]
fn everything_is_done_by_keyboard_alone() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let instances = org(&["api", "web"], &["ams", "sjc"]);
    feed.beat(&instances, Duration::from_millis(500));
    let lastbeat = setup(&nats)
        .env("LASTBEAT_TOKEN", TOKEN)
        .env("LASTBEAT_ANONYMOUS", "off")
        .start();
    let browser = Browser::start();
    browser.open(&url(&lastbeat));
    sign_in(&browser, TOKEN);
    browser.wait(
        "four live instances",
        &format!("{} === 4", count(".sq.v-live")),
    );
    let focus = || {
        browser.run(
            "return document.activeElement.getAttribute('aria-label') ?? document.activeElement.id",
        )
    };
    // What is drawn anew meanwhile may put more on the way.
    let tab_to = |what: &str| {
        let is_there = || {
            browser.press(&[keys::TAB]);
            focus().as_str().is_some_and(|focus| focus.contains(what))
        };
        assert!((0..60).any(|_| is_there()), "no Tab leads to {what}");
    };
    // Past the views, the verdicts and the filter.
    tab_to(": live");
    assert_eq!(focus(), format!("api ams {}: live", instances[0].id));
    browser.press(&[keys::RIGHT]);
    assert_eq!(focus(), format!("api sjc {}: live", instances[1].id));
    browser.press(&[keys::DOWN]);
    assert_eq!(focus(), format!("web sjc {}: live", instances[3].id));
    browser.press(&[keys::ENTER]);
    browser.wait("the panel", "!document.getElementById('panel').hidden");
    browser.wait(
        "the rule in it",
        "document.getElementById('panel').textContent.includes('fires in ')",
    );
    let panel = browser.text("#panel");
    for word in ["web/sjc/", "● live", "beats", "HEARTBEAT", "allowed"] {
        assert!(panel.contains(word), "{word} is not in {panel}");
    }
    browser.picture("panel");
    browser.press(&[keys::ESCAPE]);
    assert_eq!(
        browser.run("return document.getElementById('panel').hidden"),
        true
    );
    assert_eq!(focus(), format!("web sjc {}: live", instances[3].id));

    browser.press(&[keys::ENTER]);
    browser.wait(
        "the panel's button",
        "!document.getElementById('panel-mute').hidden",
    );
    tab_to("panel-mute");
    browser.press(&[keys::ENTER]);
    browser.wait("the dialog", "document.getElementById('mute').open");
    browser.press(&["x", keys::TAB, "y", keys::ENTER]);
    browser.wait("the silence", &format!("{} === 1", count("#silences > li")));
    let silences = browser.text("#silences");
    assert!(
        silences.contains(&format!(
            "app web, region sjc, instance {}: x (y)",
            instances[3].id
        )),
        "{silences}"
    );
    assert_eq!(browser.complaints(), [""; 0]);
    lastbeat.stop();
}

#[test]
fn names_and_lines_that_are_markup_stay_text() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let hostile = Instance {
        app: "<svg/onload=pwned=1>".to_owned(),
        region: "\"'><script>pwned=1</script>".to_owned(),
        id: "<img/src=x/onerror=pwned=1>[x]{a,b}".to_owned(),
    };
    let well = org(&["web"], &["ams"]);
    feed.beat(&well, Duration::from_millis(300));
    let rules = "[[rule]]\nname = '<b onclick=pwned=1>beats</b>'\nmax_gap = '2s'\nrunbook = 'https://x.example/<script>'\n";
    let lastbeat = Setup::new()
        .nats(&nats)
        .env("LASTBEAT_TOKEN", TOKEN)
        .rules("beats.toml", rules)
        .start();
    let browser = Browser::start();
    browser.open(&url(&lastbeat));
    sign_in(&browser, TOKEN);
    let line = "HEARTBEAT <img src=x onerror=pwned=1><script>pwned=1</script> {{7*7}}";
    feed.say(&hostile, line);
    browser.wait("both", &format!("{} === 2", count(".sq")));
    browser.wait(
        "the incident",
        &format!("{} === 1", count("#incidents > li")),
    );
    let card = browser.text("#incidents > li");
    assert!(
        card.contains("<img/src=x/onerror=pwned=1>") && card.contains(line),
        "{card}"
    );
    browser.click(".sq.v-silent");
    browser.wait(
        "its line in the panel",
        "document.getElementById('panel').textContent.includes('<script>pwned=1</script> {{7*7}}')",
    );
    browser.click("#panel-mute");
    browser.fill("#mute-reason", "<i>why</i>");
    browser.fill("#mute-author", "<u>me</u>");
    browser.picture("hostile");
    browser.click("#mute-form button.main");
    browser.wait(
        "the silence holds for that name",
        &format!("{} === 1", count("#incidents > li.muted")),
    );
    assert!(browser.text("#silences").contains("<i>why</i>"));
    let made = "svg:not(.strip), main img, script:not([src]), b[onclick], #incidents i, #silences u, a[href^='javascript']";
    assert_eq!(browser.run(&format!("return {}", count(made))), 0);
    assert_eq!(browser.run("return typeof window.pwned"), "undefined");
    assert_eq!(browser.complaints(), [""; 0]);
    // What would turn text into markup is refused by the policy itself.
    let tried =
        "try { document.body.innerHTML = '<b>x</b>'; return 'made' } catch { return 'refused' }";
    assert_eq!(browser.run(tried), "refused");
    lastbeat.stop();
}

/// So many instances, over this many regions and apps of 25 in each.
fn fleet(size: usize) -> Vec<Instance> {
    let one = |number: usize| Instance {
        app: format!("app-{:02}", number / 25 / 8),
        region: ["ams", "fra", "gru", "iad", "lhr", "nrt", "sjc", "syd"][number / 25 % 8]
            .to_owned(),
        id: format!("{number:014x}"),
    };
    (0..size).map(one).collect()
}

/// By then tens of thousands are read on a machine that has much else to do.
const ALL_LIVE: Duration = Duration::from_secs(400);
/// Interval in which those that were lost beat again.
const AGAIN: Duration = Duration::from_secs(60);

/// A lastbeat that knows so many instances, which all live, and a browser that looks at it.
fn looked_at(size: usize) -> (Nats, Feed, Lastbeat, Browser) {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    // Nobody beats unless a test wants it: that is no stall, however long the test takes.
    let rules = "[stream]\nmax_gap = '1h'\n[[rule]]\nname = 'beats'\nmax_gap = '1h'\n";
    let lastbeat = Setup::new()
        .nats(&nats)
        .env("LASTBEAT_ANONYMOUS", "read")
        .rules("beats.toml", rules)
        .start();
    nats.wait_subscribed("logs.>");
    // A connection that breaks on a busy machine may take beats with it; instances beat again, as they do.
    let fleet = fleet(size);
    say_all(&feed, &fleet);
    let mut said = clock::wall();
    wait_until(&format!("{size} live instances"), ALL_LIVE, || {
        if clock::wall().since(said) > AGAIN {
            say_all(&feed, &fleet);
            said = clock::wall();
        }
        // The counts alone: to ask for the metrics of each again and again is more work than the rest of the test.
        let status = lastbeat.get("/api/v1/status").body;
        let status: Value = serde_json::from_str(&status).expect("JSON");
        status["instances"]["live"] == size
    });
    let browser = Browser::start();
    browser.open(&url(&lastbeat));
    (nats, feed, lastbeat, browser)
}

fn say_all(feed: &Feed, fleet: &[Instance]) {
    let beat = |one: &Instance| (one.subject(), one.beat().into_bytes());
    feed.publish(fleet.iter().map(beat).collect());
}

#[test]
fn four_hundred_instances_fit_a_phone_and_the_dark() {
    let (_nats, _feed, lastbeat, browser) = looked_at(400);
    browser.wait("400 squares", &format!("{} === 400", count(".sq.v-live")));
    let times = browser.run(
        "const at = (name) => performance.getEntriesByName(name)[0]?.startTime ?? -1; \
         return ['first-contentful-paint', 'shown'].map(at)",
    );
    println!("first paint and all instances after so many ms: {times}");
    let shown = times[1].as_f64().unwrap_or(-1.0);
    assert!(
        (0.0..10_000.0).contains(&shown),
        "{times}: it takes some 300 ms"
    );
    browser.picture("desk");
    browser.in_the_dark();
    browser.picture("dark");
    browser.on_a_phone();
    let wide = "return [document.documentElement.scrollWidth, innerWidth]";
    let fits = |what: &str| {
        let sizes = browser.run(wide);
        assert!(sizes[0].as_f64() <= sizes[1].as_f64(), "{what}: {sizes}");
    };
    fits("the map");
    browser.picture("phone-dark");
    browser.click(".sq");
    browser.wait(
        "the panel",
        "document.getElementById('panel').textContent.includes('allowed')",
    );
    fits("the panel");
    browser.picture("phone-panel");
    assert_eq!(browser.complaints(), [""; 0]);
    lastbeat.stop();
}

#[test]
fn more_than_two_thousand_instances_are_counted_by_place() {
    let (_nats, _feed, lastbeat, browser) = looked_at(2_100);
    browser.wait("the counts", &format!("{} === 84", count(".fold")));
    assert_eq!(browser.text(".fold"), "● 25 live");
    assert_eq!(browser.run(&format!("return {}", count(".sq"))), 0);
    browser.click(".fold");
    browser.wait(
        "its instances",
        &format!("{} === 25", count("#panel-body li")),
    );
    browser.picture("folded");
    browser.click("#panel-body li button");
    browser.wait(
        "one of them",
        "document.getElementById('panel').textContent.includes('HEARTBEAT')",
    );
    assert_eq!(browser.complaints(), [""; 0]);
    lastbeat.stop();
}

#[test]
fn a_newcomer_is_told_what_to_do_and_other_clients_get_text() {
    let nats = Nats::start(Peer::Current);
    let lastbeat = setup(&nats).start();
    let browser = Browser::start();
    browser.open(&url(&lastbeat));
    browser.wait("the hint", "!document.getElementById('empty').hidden");
    assert!(
        browser
            .text("#empty")
            .contains("No heartbeats yet: add one line")
    );
    browser.picture("empty");
    let plain = lastbeat.get("/");
    assert!(
        plain.head.contains("text/plain") && plain.body.contains("/api/v1/status"),
        "{plain:?}"
    );
    let policy = browser.run(
        "const r = new XMLHttpRequest(); r.open('GET', '/', false); r.setRequestHeader('accept', 'text/html'); \
         r.send(); return r.getResponseHeader('content-security-policy')",
    );
    let policy = policy.as_str().unwrap_or_default();
    for word in [
        "default-src 'none'",
        "script-src 'self'",
        "frame-ancestors 'none'",
        "form-action 'none'",
    ] {
        assert!(policy.contains(word), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(browser.complaints(), [""; 0]);
    lastbeat.stop();
}
