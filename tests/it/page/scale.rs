//! Many instances: what the page does with them. How long the browser's thread is kept from a person's clicks is printed, and
//! not judged: it tells more of the machine than of the page.

use super::*;

/// Notes each task of the page's thread of more than 50 ms, and how much of the time it works.
pub(super) const WATCH: &str = "window.tasks = []; new PerformanceObserver(list => window.tasks.push(...list.getEntries().map(one => one.duration))) \
    .observe({type: 'longtask'})";

fn busy(browser: &Browser) -> f64 {
    browser.metric("TaskDuration")
}

/// Which share of a second the page's thread works, over the next so many seconds. The page itself waits: to ask it again
/// and again would be most of its work.
#[track_caller]
fn works(browser: &Browser, seconds: u64) -> f64 {
    let before = busy(browser);
    let waits = "new Promise(done => { const begun = performance.now(); \
                 setTimeout(() => done(performance.now() - begun), MS) })";
    let ms = (seconds * 1_000).to_string();
    let passed = browser.evaluate(&waits.replace("MS", &ms));
    let passed = passed.as_f64().expect("a number") / 1_000.0;
    (busy(browser) - before) / passed
}

#[test]
fn two_thousand_instances_leave_the_page_to_its_reader() {
    let fleet = fleet(2_000);
    let (_nats, feed, lastbeat, browser) = looked_at(2_000);
    browser.wait(
        "2,000 squares",
        &format!("{} === 2000", count(".sq.v-live")),
    );
    browser.run(WATCH);
    feed.beat(&fleet, Duration::from_secs(30));
    let share = works(&browser, 10);
    let tasks = browser.run("return window.tasks");
    println!(
        "2,000 instances, 67 beats a second: {:.1}% of a core, tasks above 50 ms: {tasks}",
        share * 100.0
    );
    browser.click("#filter");
    browser.fill("#filter", "app-03");
    browser.wait("one app", &format!("{} === 200", count(".sq.v-live")));
    assert_eq!(browser.complaints(), [""; 0]);
    lastbeat.stop();
}

/// Notes which elements of the page are touched from now on, but for those whose ages tick.
const TOUCHED: &str = "window.touched = []; new MutationObserver(list => { for (const {target, attributeName} of list) { \
    const node = target.nodeType === 1 ? target : target.parentElement; \
    if (!node?.closest('#facts')) window.touched.push((attributeName ?? 'text') + ' of ' + node?.outerHTML.slice(0, 80)); \
    else window.ticks = (window.ticks ?? 0) + 1; } }) \
    .observe(document, {subtree: true, childList: true, attributes: true, characterData: true})";
/// By then a page settles on a machine that has much else to do.
const SETTLED: Duration = Duration::from_secs(180);

/// How many ages ticked.
#[track_caller]
fn ticks(browser: &Browser) -> u64 {
    let ticks = browser.run("return window.ticks");
    ticks.as_u64().expect("they are counted")
}

#[test]
fn a_page_at_which_nothing_happens_does_next_to_nothing() {
    let (_nats, _feed, lastbeat, browser) = looked_at(400);
    browser.wait("400 squares", &format!("{} === 400", count(".sq.v-live")));
    browser.wait("the shares", &format!("{} === 2", count("#shares tr")));
    browser.run(TOUCHED);
    // What is shown first settles; on a busy machine a connection may break once, and the shares come anew each minute.
    let is_calm = |seconds| {
        browser.run("window.touched = []; window.ticks = 0");
        let share = works(&browser, seconds) * 100.0;
        let touched = browser.run("return window.touched");
        println!("400 instances, nothing happens: {share:.2}% of a core, touched: {touched}");
        touched == serde_json::json!([])
    };
    let calm = "seconds in which nothing but ages is touched";
    wait_until(calm, SETTLED, || is_calm(2) && ticks(&browser) > 0);

    browser.run("Object.defineProperty(document, 'hidden', {get: () => true, configurable: true})");
    let unseen = "seconds in which nobody looks and nothing at all is touched";
    wait_until(unseen, SETTLED, || is_calm(3) && ticks(&browser) == 0);
    browser.run("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))");
    browser.wait("ages that tick again", "window.ticks > 0");
    assert_eq!(browser.complaints(), [""; 0]);
    lastbeat.stop();
}
