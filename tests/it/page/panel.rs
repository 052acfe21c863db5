//! The panel of one instance, and the shares of time.

use super::*;
use serde_json::Value;

fn json(lastbeat: &Lastbeat, path: &str) -> Value {
    let answer = lastbeat.get(path);
    serde_json::from_str(&answer.body).unwrap_or_else(|fault| panic!("{path}: {fault}: {answer:?}"))
}

#[test]
fn the_panel_draws_when_beats_came_and_where_they_did_not() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let instances = org(&["web"], &["ams", "sjc"]);
    feed.beat(&instances, Duration::from_millis(400));
    let lastbeat = setup(&nats).start();
    let browser = Browser::start();
    browser.open(&url(&lastbeat));
    browser.wait(
        "two live instances",
        &format!("{} === 2", count(".sq.v-live")),
    );
    let one = &instances[0];
    let path = format!("/api/v1/instances/{}/{}/{}", one.app, one.region, one.id);
    let times = || {
        let told = json(&lastbeat, &path);
        let times = told["beats"][0]["times"].as_array().expect("times").clone();
        times.iter().filter_map(Value::as_f64).collect::<Vec<_>>()
    };
    wait_until("ten beats", SOON, || times().len() >= 10);
    feed.silence(one);
    browser.wait("the silence", &format!("{} === 1", count(".sq.v-silent")));
    browser.wait(
        "the incident",
        &format!("{} === 1", count("#incidents > li")),
    );
    feed.resume(one);
    browser.wait("two live ones", &format!("{} === 2", count(".sq.v-live")));

    let told = json(&lastbeat, &path);
    assert_eq!(told["instance"], *one.id);
    assert_eq!(told["beats"][0]["rule"], "beats");
    let known = told["known_since"].as_str().expect("a time");
    let known: jiff::Timestamp = known.parse().expect("a time");
    let times = times();
    assert!(times.is_sorted(), "{times:?}");
    assert!(times[0] >= known.as_second() as f64, "{known} {times:?}");
    let longest = times
        .windows(2)
        .map(|two| two[1] - two[0])
        .fold(0.0, f64::max);
    assert!((3.0..20.0).contains(&longest), "max_gap is 3s: {longest}");

    browser.click(&format!(".sq[aria-label^='web ams {}']", one.id));
    browser.wait(
        "the strip",
        "document.querySelector('#panel .strip .beats')",
    );
    browser.wait(
        "the gap in it",
        "document.querySelector('#panel .strip rect.gap')",
    );
    let gap = browser.text("#panel .gaps");
    assert!(
        gap.starts_with("× ") && gap.contains("without a beat"),
        "{gap}"
    );
    let panel = browser.text("#panel");
    for word in ["in the middle", "at the longest", "fires in", "known since"] {
        assert!(panel.contains(word), "{word} is not in {panel}");
    }
    let drawn = "[...document.querySelectorAll('#panel .beats')].map(one => one.getAttribute('d')).join('').split('M').length";
    let before = browser.run(&format!("return {drawn}")).as_u64();
    browser.wait(
        "one more beat",
        &format!("{drawn} > {}", before.unwrap_or(0)),
    );
    browser.picture("strip");

    browser.wait("its share", &format!("{} === 1", count("#shares tr")));
    browser.wait(
        "less than all",
        &format!("{} === 1", count("#shares .less")),
    );
    let apps = json(&lastbeat, "/api/v1/apps");
    let web = &apps["apps"][0];
    let ratio = web["live_ratio"].as_f64().expect("a share");
    assert!((0.0..1.0).contains(&ratio), "{apps}");
    assert_eq!(
        (&web["app"], &web["instances"]["live"]),
        (&"web".into(), &2.into())
    );
    assert_eq!(lastbeat.get("/api/v1/instances/web/ams/nobody").status, 404);
    assert_eq!(browser.complaints(), [""; 0]);
    lastbeat.stop();
}
