//! Who sees poorly, hears the page read, or has no mouse: axe-core looks for what keeps them out.

use super::*;
use crate::support::testbed::fetched;

/// Faults that keep somebody out, each with where it is.
const FAULTS: &str = "axe.run(document).then(found => found.violations \
    .filter(one => ['serious', 'critical'].includes(one.impact)) \
    .map(one => `${one.id}: ${one.help}: ${one.nodes.slice(0, 5).map(node => node.target + ' ' + (node.any[0]?.message ?? '')).join(' | ')}`))";

#[track_caller]
pub(super) fn well(browser: &Browser, what: &str) {
    let axe = std::fs::read_to_string(fetched("axe/node_modules/axe-core/axe.min.js"));
    browser.evaluate(&axe.expect("it can be read"));
    let faults = browser.evaluate(FAULTS);
    assert_eq!(faults, serde_json::json!([]), "{what}");
}

#[test]
fn nothing_keeps_anybody_out_by_day_by_night_and_on_a_phone() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let instances = org(&["api", "web", "worker"], &["ams", "sjc"]);
    feed.beat(&instances, Duration::from_millis(500));
    let lastbeat = setup(&nats).start();
    let browser = Browser::start();
    browser.open(&url(&lastbeat));
    browser.wait(
        "six live instances",
        &format!("{} === 6", count(".sq.v-live")),
    );
    // Elements that fade in have other colours for a moment.
    browser.with_less_motion();
    feed.silence(&instances[3]);
    browser.wait(
        "the incident",
        &format!("{} === 1", count("#incidents > li")),
    );
    feed.resume(&instances[3]);
    browser.wait("its end", &format!("{} === 1", count("#history > li")));
    feed.silence(&instances[0]);
    browser.wait("another", &format!("{} === 1", count("#incidents > li")));
    browser.click("#tail-go");
    // What is said before it is connected is not in it.
    browser.wait(
        "the tail",
        "document.getElementById('tail-lines').textContent.includes('Connected to log stream')",
    );
    feed.say(&instances[1], "\u{1b}[31mred\u{1b}[32mgreen\u{1b}[33myellow\u{1b}[34mblue\u{1b}[35mmagenta\u{1b}[36mcyan\u{1b}[90mgrey");
    browser.wait("lines", &format!("{} === 1", count(".sgr-f6")));
    browser.click("#tail-pause");
    well(&browser, "by day");
    browser.in_the_dark();
    well(&browser, "by night");
    browser.picture("desk-silent-dark");
    browser.with_less_motion();
    browser.picture("desk-silent");
    browser.click(".sq.v-silent");
    browser.wait("the strip", "document.querySelector('#panel .strip')");
    well(&browser, "the panel");
    browser.in_the_dark();
    well(&browser, "the panel by night");
    browser.picture("panel-dark");
    browser.on_a_phone();
    well(&browser, "the panel on a phone");
    browser.press(&[keys::ESCAPE]);
    well(&browser, "on a phone by night");
    browser.click("#incidents button");
    well(&browser, "the question on a phone");
    browser.picture("phone-question");
    browser.press(&[keys::ESCAPE]);
    browser.wait("its end", "!document.getElementById('mute').open");
    assert_eq!(browser.complaints(), [""; 0]);
    lastbeat.stop();
    browser.wait(
        "the page to turn grey",
        "document.body.classList.contains('stale')",
    );
    browser.picture("phone-not-connected");
}
