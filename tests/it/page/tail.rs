//! The tail on the page.

use super::*;

const LINES: &str = "document.querySelectorAll('#tail-lines > div:not(.remark)').length";

fn shows(text: &str) -> String {
    format!("document.getElementById('tail-lines').textContent.includes({text:?})")
}

#[test]
fn the_tail_filters_colours_pauses_and_keeps_what_is_hostile_as_text() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let instances = org(&["api", "web"], &["ams"]);
    feed.beat(&instances, Duration::from_millis(500));
    let lastbeat = setup(&nats).start();
    let browser = Browser::start();
    browser.open(&url(&lastbeat));
    browser.wait(
        "two live instances",
        &format!("{} === 2", count(".sq.v-live")),
    );
    browser.fill("#tail-app", "w*");
    browser.fill("#tail-q", "order");
    browser.click("#tail-go");
    browser.wait(
        "the tail",
        "document.getElementById('tail-said').textContent === 'following'",
    );

    feed.say(&instances[0], "an order of another app");
    feed.say(&instances[1], "nothing of that kind");
    feed.say(
        &instances[1],
        "order \u{1b}[1;31mfailed\u{1b}[0m \u{1b}[38;5;46mgreen\u{1b}[m \u{1b}]0;title\u{7}done",
    );
    let hostile =
        "order <img src=x onerror=pwned=1><script>pwned=1</script> \u{202e}abc\u{0}\u{1b}[2J";
    feed.say(&instances[1], hostile);
    browser.wait("two lines", &format!("{LINES} === 2"));
    let red = browser.run(
        "const one = document.querySelector('.sgr-f1'); return one.textContent + one.className",
    );
    assert!(
        red.as_str()
            .is_some_and(|red| red.starts_with("failed") && red.contains("sgr-bold")),
        "{red}"
    );
    assert_eq!(
        browser.run("return document.querySelector('#tail-lines .sgr-f2').textContent"),
        "green"
    );
    let lines = browser.text("#tail-lines");
    assert!(lines.contains("order failed green done"), "{lines}");
    assert!(
        lines.contains("<script>pwned=1</script> \u{fffd}abc\u{2400}"),
        "{lines}"
    );
    assert!(
        lines.contains(&format!("web/ams/{}", instances[1].id)),
        "{lines}"
    );
    assert_eq!(
        browser.run(&format!(
            "return {}",
            count("#tail-lines img, #tail-lines script")
        )),
        0
    );
    browser.picture("tail");

    browser.click("#tail-pause");
    for number in 0..3 {
        feed.say(&instances[1], &format!("order {number}"));
    }
    browser.wait(
        "how many came meanwhile",
        "document.getElementById('tail-said').textContent === 'paused · 3 came meanwhile'",
    );
    assert_eq!(browser.run(&format!("return {LINES}")), 2);
    browser.click("#tail-pause");
    browser.wait("them", &format!("{LINES} === 5"));

    let flood = |number: u64| {
        (
            instances[1].subject(),
            instances[1]
                .entry(&format!("order no {number}"))
                .into_bytes(),
        )
    };
    feed.publish((0..2_500).map(flood).collect());
    browser.wait("the last of a flood", &shows("order no 2499"));
    let all = "document.querySelectorAll('#tail-lines > div').length";
    assert_eq!(browser.run(&format!("return {all}")), 1_000);

    browser.run("document.querySelector('#tail-q').value = ''");
    browser.fill("#tail-q", "else");
    browser.wait("the new filter", &shows("following app w*, text else"));
    feed.say(&instances[1], "something else");
    browser.wait("its line", &shows("something else"));
    browser.click("#tail-go");
    assert_eq!(browser.text("#tail-said"), "stopped");

    browser.click(".sq");
    browser.click("#panel-tail");
    browser.wait(
        "one instance",
        &shows(&format!(
            "following app api, region ams, instance {}",
            instances[0].id
        )),
    );
    browser.wait(
        "its beats",
        &shows(&format!("HEARTBEAT {} ams", instances[0].id)),
    );
    assert_eq!(browser.run("return typeof window.pwned"), "undefined");
    assert_eq!(browser.complaints(), [""; 0]);
    lastbeat.stop();
    browser.wait(
        "that it is over",
        "document.getElementById('tail-said').textContent.includes('NOT CONNECTED')",
    );
}
