//! The page's own addresses: an incident, an instance, an app, a filter, the rules, a planned silence.

use super::access::well;
use super::*;

fn hash(browser: &Browser) -> String {
    let hash = browser.run("return location.hash");
    hash.as_str().unwrap_or_default().to_owned()
}

#[track_caller]
fn go(browser: &Browser, hash: &str) {
    browser.run(&format!("location.hash = {hash:?}"));
}

#[test]
fn a_link_leads_to_the_incident_and_from_there_to_its_instance() {
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
    browser.with_less_motion();
    let headline = "document.getElementById('headline').textContent";
    browser.wait(
        "a headline",
        &format!("{headline} === '● All 4 instances in 2 apps are live'"),
    );
    let one = &instances[3];
    feed.silence(one);
    let name = format!("{}/{}/{}", one.app, one.region, one.id);
    browser.wait(
        "the headline of an incident",
        &format!("{headline} === '■ 1 incident: {name} is silent'"),
    );
    let icon = "document.getElementById('icon').getAttribute('href')";
    browser.wait("the red icon", &format!("{icon} === '/alarm.svg'"));

    browser.click("#incidents h3 a");
    let shown = "!document.getElementById('detail-part').hidden";
    browser.wait("the incident's view", shown);
    browser.wait("its timeline", &format!("{} >= 1", count("#detail ol li")));
    let link = hash(&browser);
    assert!(link.starts_with("#/incident/"), "{link}");
    let text = browser.text("#detail");
    for word in [
        "■ error for ",
        "HeartbeatMissed",
        "opened",
        "Runbook",
        "Silence",
        &one.id,
    ] {
        assert!(text.contains(word), "{word} is not in {text}");
    }
    assert_eq!(browser.text("#map"), "", "the map is on the overview");
    well(&browser, "the incident by day");
    browser.picture("incident-view");
    browser.in_the_dark();
    well(&browser, "the incident by night");
    browser.on_a_phone();
    browser.picture("incident-view-phone");

    browser.click("#detail .buttons button:nth-child(2)");
    browser.wait("the dialog", "document.getElementById('mute').open");
    well(&browser, "a word that somebody works on it");
    browser.fill("#mute-reason", "I clear the disk");
    browser.fill("#mute-author", "ada");
    browser.click("#mute-go");
    let worked = "document.getElementById('detail').textContent.includes('ada works on it: I clear the disk')";
    browser.wait("that somebody works on it", worked);
    let told = "[...document.querySelectorAll('#detail ol li')].some(one => one.textContent.includes('acknowledged by ada'))";
    browser.wait("it in the timeline", told);
    browser.run("location.hash = '#/'");
    browser.wait(
        "it on the card",
        &format!("{} === 1", count("#incidents > li.muted")),
    );
    let card = browser.text("#incidents > li");
    assert!(
        card.contains("✓ ada works on it: I clear the disk"),
        "{card}"
    );

    // A person who follows the link from a message has nothing but the address.
    browser.open(&format!("{}{link}", url(&lastbeat)));
    browser.wait(
        "the incident again",
        &format!("document.getElementById('detail-title').textContent.includes('{name}')"),
    );
    browser.click(&format!("#detail a[href^='#/instance/{}/']", one.app));
    browser.wait("its panel", "!document.getElementById('panel').hidden");
    browser.wait(
        "what is known of it",
        "document.getElementById('panel').textContent.includes('HEARTBEAT')",
    );
    browser.press(&[keys::ESCAPE]);
    assert_eq!(hash(&browser), "#/");

    feed.resume(one);
    browser.wait(
        "the headline of a calm day",
        &format!("{headline}.startsWith('● All 4 instances')"),
    );
    go(&browser, &link);
    browser.wait(
        "its end",
        "document.getElementById('detail').textContent.includes('closed: resolved')",
    );
    // Once its last words are no longer kept, the archive is asked, and there is none.
    let complaints = browser.complaints();
    let is_archive = |line: &String| line.contains("/api/v1/entries");
    assert!(complaints.iter().all(is_archive), "{complaints:?}");
    lastbeat.stop();
}

#[test]
fn a_filter_stands_in_the_address_and_each_view_has_its_own() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let instances = org(&["api", "web", "worker"], &["ams", "sjc"]);
    feed.beat(&instances, Duration::from_millis(500));
    let lastbeat = setup(&nats)
        .env("LASTBEAT_TOKEN", TOKEN)
        .env("LASTBEAT_ANONYMOUS", "off")
        .start();
    let browser = Browser::start();
    browser.open(&url(&lastbeat));
    sign_in(&browser, TOKEN);
    let squares = |number: usize| format!("{} === {number}", count(".sq"));
    browser.wait("six squares", &squares(6));
    browser.with_less_motion();
    browser.fill("#filter", "SJC w");
    browser.wait("two of them", &squares(2));
    assert_eq!(hash(&browser), "#/?q=SJC+w");
    assert_eq!(browser.text("#nothing-said"), "2 of 6 instances are shown.");
    browser.click("#legend li:first-child button");
    browser.wait("none that is silent", &squares(0));
    assert_eq!(hash(&browser), "#/?q=SJC+w&verdict=silent");
    let said = browser.text("#nothing-said");
    assert_eq!(said, "Nothing matches: none of 6 instances.");
    well(&browser, "an empty result");
    browser.open(&format!(
        "{}#/?q=api&verdict=live&sort=name",
        url(&lastbeat)
    ));
    browser.run("location.reload()");
    browser.wait("the filter of the address", &squares(2));
    browser.click("#nothing-clear");
    browser.wait("all", &squares(6));

    // Beats without a number between them begin a count anew: three at once, again and again.
    let mut number = 1;
    wait_until("the lost one is known", ALL_LIVE, || {
        let beat = |number: u64| {
            let entry = instances[0].entry(&format!("HEARTBEAT seq={number}"));
            (instances[0].subject(), entry.into_bytes())
        };
        feed.publish([number, number + 1, number + 3].map(beat).into());
        number += 4;
        browser.run("return state.status.losses.some((one) => one.app === 'api')") == true
    });
    browser.click("#apps th a");
    browser.wait(
        "the app's instances",
        &format!("{} === 2", count("#detail tbody tr")),
    );
    assert_eq!(hash(&browser), "#/app/api");
    assert!(
        browser.text("#detail").contains("of 3s"),
        "interval and limit"
    );
    assert!(
        browser.text("#detail").contains("heartbeats were lost"),
        "what seq= shows"
    );
    well(&browser, "the app");
    browser.picture("app-view");

    browser.click("#views a[data-view=rules]");
    browser.wait("the rule", &format!("{} === 1", count("#watched tr")));
    let rule = browser.text("#watched tr");
    assert!(
        rule.contains("beats") && rule.contains("heartbeats of every app in every region"),
        "{rule}"
    );
    well(&browser, "the rules");
    browser.picture("rules-view");

    browser.click("#views a[data-view=silences]");
    browser.fill("#plan-app", "web*");
    browser.fill("#plan-reason", "a move");
    browser.fill("#plan-author", "ada");
    well(&browser, "planning a silence");
    browser.picture("silences-view");
    browser.click("#plan button");
    browser.wait("the silence", &format!("{} === 1", count("#silences > li")));
    let silence = browser.text("#silences");
    assert!(silence.contains("app web*: a move (ada)"), "{silence}");

    let zone = "document.getElementById('zone').textContent";
    assert_eq!(browser.run(&format!("return {zone}")), "Local time");
    browser.click("#zone");
    assert_eq!(browser.run(&format!("return {zone}")), "UTC");
    let until = browser.text("#silences time");
    assert!(until.ends_with('Z'), "{until}");
    assert_eq!(browser.complaints(), [""; 0]);
    lastbeat.stop();
}
