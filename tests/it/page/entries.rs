//! Entries by date, the last words of an instance, and the chain of a log shipper.

use super::access::well;
use super::*;
use crate::support::log_shipper::{Broken, LogShipper};

const MIDNIGHT_WORDS: &str = "panic: no connection to the database (of ten)";
/// Entries of an instance that are kept in any case.
const KEPT_WORDS: usize = 50;
const LATER: &str = "document.getElementById('found-said').textContent";

fn lines(css: &str, text: &str) -> String {
    format!(
        "[...document.querySelectorAll({css:?})].some(one => one.textContent.includes({text:?}))"
    )
}

#[test]
fn a_link_in_a_message_leads_to_the_last_words_in_two_taps_and_to_the_entries_around() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let instances = org(&["api", "web"], &["ams", "sjc"]);
    feed.beat(&instances, Duration::from_millis(500));
    let setup = setup(&nats);
    let folder = setup.rules_folder().with_file_name("archive");
    let lastbeat = setup
        .rules("archive.toml", "[archive]\nmin_free = '1%'\n")
        .env("LASTBEAT_ARCHIVE", &folder.to_string_lossy())
        .start();
    lastbeat.wait_live(4);
    let one = &instances[3];
    feed.say(one, MIDNIGHT_WORDS);
    feed.silence(one);
    let browser = Browser::start();
    browser.open(&url(&lastbeat));
    browser.wait(
        "the incident",
        &format!("{} === 1", count("#incidents > li")),
    );
    browser.with_less_motion();
    browser.on_a_phone();
    browser.click("#incidents h3 a");
    browser.wait(
        "the last words of it",
        &lines("#detail .lines > div", MIDNIGHT_WORDS),
    );
    well(&browser, "an incident with last words");
    browser.picture("incident-words-phone");
    browser.click(&format!("#detail h3 a[href^='#/instance/{}/']", one.app));
    browser.wait(
        "the words in the panel",
        &lines("#words > div", MIDNIGHT_WORDS),
    );
    let is_first = "document.querySelector('#panel > h2').nextElementSibling.id";
    assert_eq!(browser.run(&format!("return {is_first}")), "words-part");
    well(&browser, "the panel with last words");
    browser.picture("words-phone");

    browser.run("document.querySelector('#words-more').click()");
    browser.wait(
        "the archive's entries",
        &lines("#found > div", MIDNIGHT_WORDS),
    );
    let address = browser.run("return location.hash");
    let address = address.as_str().unwrap_or_default();
    assert!(
        address.contains(&format!("instance={}", one.id)),
        "{address}"
    );
    browser.picture("entries-phone");
    browser.fill("#find-q", "of ten");
    browser.click("#find button");
    browser.wait("one line", &format!("{LATER} === '1 line · no more'"));
    let shared = browser.run("return location.href");
    well(&browser, "the entries on a phone");
    browser.in_the_dark();
    well(&browser, "the entries by night");

    browser.run("URL.createObjectURL = new Proxy(URL.createObjectURL, {apply: (call, of, [blob]) => { window.saved = blob; return call.call(of, blob); }})");
    browser.click("#find-download");
    browser.wait("the download", &format!("{LATER} === '1 line downloaded'"));
    let saved = browser.evaluate("window.saved.text()");
    let saved = saved.as_str().unwrap_or_default();
    let is_line = saved.contains(&format!("Z {} {{", one.subject()));
    assert!(is_line && saved.contains(MIDNIGHT_WORDS), "{saved}");
    assert_eq!(saved.lines().count(), 1);

    browser.fill("#find-regex", "(");
    browser.click("#find button");
    browser.wait(
        "what is wrong with it",
        &format!("{LATER}.includes('regex')"),
    );
    browser.open("about:blank");
    browser.open(shared.as_str().unwrap_or_default());
    browser.wait("the same line", &format!("{} === 1", count("#found > div")));
    let query = "document.getElementById('find-q').value";
    assert_eq!(browser.run(&format!("return {query}")), "of ten");

    browser.run("location.hash = '#/'");
    browser.click("#incidents h3 a");
    browser.click("#detail .buttons a[href^='#/entries']");
    let near = lines("#found > div", &format!("HEARTBEAT {}", one.id));
    browser.wait("what it said before", &near);
    let others = lines("#found > div", &instances[0].id);
    assert_eq!(browser.run(&format!("return {others}")), false);

    // It is back, and has said so much since that its last words are in the archive alone.
    browser.run("location.hash = '#/'; location.hash = document.querySelector('#incidents h3 a').getAttribute('href')");
    browser.wait(
        "the open incident",
        &lines("#detail .lines > div", MIDNIGHT_WORDS),
    );
    for number in 0..KEPT_WORDS {
        feed.say(one, &format!("GET /carts/{number} 200"));
    }
    feed.resume(one);
    browser.wait(
        "its end",
        "document.querySelector('#detail .since')?.textContent.includes(' over, ')",
    );
    let of_now = lines("#detail .lines > div", "GET /carts");
    browser.wait(
        "its last words from the archive",
        &format!(
            "{} && !{of_now}",
            lines("#detail .lines > div", MIDNIGHT_WORDS)
        ),
    );
    well(&browser, "an incident that is over, with last words");
    let refused = browser.complaints();
    let is_expected = |line: &String| line.contains("/api/v1/entries");
    assert!(
        refused.iter().all(is_expected) && refused.len() == 1,
        "{refused:?}"
    );
    lastbeat.stop();
}

#[test]
fn the_chain_of_a_shipper_marks_the_link_that_is_broken() {
    let nats = Nats::with_canaries();
    let feed = Feed::connect(&nats);
    feed.beat(&org(&["web"], &["ams"]), Duration::from_millis(500));
    let shipper = LogShipper::start(&nats);
    let lastbeat = setup(&nats)
        .env("LASTBEAT_CANARY", "10s")
        .rules("downstream.toml", &shipper.rule("grafana"))
        .start();
    let browser = Browser::start();
    browser.open(&url(&lastbeat));
    browser.with_less_motion();
    let parts =
        "[...document.querySelectorAll('#chain ol > li')].map(one => one.textContent).join(' ')";
    let whole = "● stream ● subscription ● shipper ● delivery ● sink";
    browser.wait("a whole chain", &format!("{parts} === '{whole}'"));
    well(&browser, "a whole chain");
    shipper.set(Broken::Sink);
    let broken = "● stream ● subscription ● shipper × delivery ? sink";
    browser.wait("its broken link", &format!("{parts} === '{broken}'"));
    browser.wait(
        "its incident",
        &format!("{} === 1", count("#incidents > li")),
    );
    let said = browser.text("#chain");
    assert!(
        said.contains("the shipper does not deliver to the sink, since "),
        "{said}"
    );
    browser.picture("chain");
    browser.on_a_phone();
    well(&browser, "a broken chain on a phone");
    browser.picture("chain-phone");
    assert_eq!(browser.complaints(), [""; 0]);
    // Nothing is known to be missing: the button is not shown. It says why a refill is refused, as to a reader here.
    let button = "document.querySelector('#chain button')";
    let script = format!("{button}.click(); return {button}.hidden");
    assert_eq!(browser.run(&script), true);
    let refused = format!("{button}.textContent.includes('needs the token')");
    browser.wait("the refusal", &refused);
    lastbeat.stop();
}
