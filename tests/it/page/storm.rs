//! Many incidents at once: what is wrong first, the map on the first screen, and no more in the page than a reader asks for.

use super::access::well;
use super::*;

/// Regions of the storm's organisation.
const REGIONS: [&str; 8] = ["ams", "fra", "gru", "iad", "lhr", "nrt", "sjc", "syd"];
/// Its apps: with an instance in each region they are more rows than the map draws at first.
const APPS: usize = 30;
/// Instances that die, each of another app.
const DEATHS: usize = 8;

#[test]
fn a_storm_is_summed_up_and_leaves_the_map_on_the_first_screen() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let names: Vec<String> = (0..APPS).map(|app| format!("app-{app:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let instances = org(&names, &REGIONS);
    feed.beat(&instances, Duration::from_secs(1));
    let rules = "[stream]\nmax_gap = '60s'\n[[rule]]\nname = 'beats'\nmax_gap = '10s'\n";
    let lastbeat = setup(&nats).rules("beats.toml", rules).start();
    lastbeat.wait_live(instances.len());
    // Another app and another region each time: nothing is common to them.
    let dead: Vec<&Instance> = (0..DEATHS)
        .map(|at| &instances[(at * 3 + 1) * REGIONS.len() + at])
        .collect();
    for one in &dead {
        feed.silence(one);
    }
    let browser = Browser::start();
    browser.with_less_motion();
    browser.open(&url(&lastbeat));
    let headline = "document.getElementById('headline').textContent";
    browser.wait(
        "the headline of a storm",
        &format!("{headline} === '■ 8 incidents: 8 of 240 instances are not live'"),
    );
    browser.wait(
        "three cards",
        &format!("{} === 3", count("#incidents > li")),
    );
    let summary = browser.text("#more-summary");
    assert!(summary.starts_with("5 more: app-"), "{summary}");
    let rows = count("#more-list > li");
    assert_eq!(
        browser.run(&format!("return {rows}")),
        0,
        "none is asked for"
    );
    browser.click("#more-summary");
    browser.wait("a line for each of the others", &format!("{rows} === 5"));
    browser.click("#more-summary");

    let strip = browser.text("#strip");
    assert!(strip.contains("× ams 1 of 30"), "{strip}");
    let kinds = |kind: &str| {
        let shown = count(&format!("#strip > li[data-kind={kind}]"));
        browser.run(&format!("return {shown}"))
    };
    assert_eq!(kinds("region"), REGIONS.len());
    assert_eq!(kinds("app"), 6, "the apps in most trouble");
    let top = "Math.round(document.querySelector('#strip > li:last-child').getBoundingClientRect().bottom + scrollY)";
    let is_seen = |screen: &str| {
        let sizes = browser.run(&format!("return [{top}, innerHeight]"));
        assert!(sizes[0].as_f64() <= sizes[1].as_f64(), "{screen}: {sizes}");
    };
    is_seen("a desktop");
    well(&browser, "a storm");
    browser.picture("storm");
    browser.on_a_phone();
    is_seen("a phone");
    well(&browser, "a storm on a phone");
    browser.picture("storm-phone");

    let drawn = count("#apps > tr");
    assert_eq!(browser.run(&format!("return {drawn}")), 27);
    assert_eq!(browser.text("#map-more"), "Show more of 30 apps");
    let first = browser.text("#apps > tr:first-child th");
    assert_eq!(first, dead[0].app, "the worst first");
    browser.click("#map-more");
    browser.wait("all of them", &format!("{drawn} === {APPS}"));
    assert_eq!(browser.text("#map-more"), "");
    browser.click("#strip a[href='#/region/ams']");
    browser.wait(
        "its instances alone",
        &format!("{} === {APPS}", count(".sq")),
    );
    assert_eq!(browser.complaints(), [""; 0]);
    lastbeat.stop();
}
