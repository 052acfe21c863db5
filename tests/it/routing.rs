//! Who is told: notifiers of the rules, named by a rule, and changed while it runs.

use crate::support::feed::Feed;
use crate::support::hook::Hook;
use crate::support::lastbeat::Setup;
use crate::support::nats::{Nats, Peer};
use crate::support::org::org;
use crate::support::wait::wait_until;
use std::collections::BTreeSet;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

/// `path rule state` of each request but updates, sorted.
fn told(hook: &Hook) -> Vec<String> {
    let mut told: Vec<String> = hook
        .taken()
        .iter()
        .map(|one| {
            let body = one.json();
            let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
            format!("{} {} {}", one.path, text("rule"), text("state"))
        })
        .filter(|told| !told.ends_with("updated"))
        .collect();
    told.sort();
    told
}

#[test]
fn a_rule_tells_whom_it_names_and_notifiers_come_and_go_with_the_rules() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let hook = Hook::start();
    let instances = org(&["sandwich", "batch"], &["sjc", "ams"]);
    feed.beat(&instances, Duration::from_millis(500));
    let rules = "[[rule]]\nname = 'sandwiches'\napp = 'sandwich'\nmax_gap = '2s'\nnotify = 'oncall'\n\
                 [[rule]]\nname = 'others'\nmax_gap = '2s'\n";
    let notifier = |name: &str, path: &str| {
        format!("[notify.{name}]\ntype = 'webhook'\nurl = '${{HOOK}}/{path}'\n")
    };
    let lastbeat = Setup::new()
        .nats(&nats)
        .env("HOOK", &format!("{}/s3cret", hook.url()))
        .rules("rules.toml", rules)
        .rules(
            "notify.toml",
            &format!(
                "{}{}",
                notifier("oncall", "oncall"),
                notifier("chat", "chat")
            ),
        )
        .start();
    lastbeat.wait_live(4);
    feed.silence(&instances[0]);
    feed.silence(&instances[3]);
    let opened = [
        "/s3cret/chat others opened",
        "/s3cret/oncall others opened",
        "/s3cret/oncall sandwiches opened",
    ];
    wait_until("both are told", SOON, || told(&hook) == opened);

    // `chat` goes, `oncall` moves, `night` comes, and is notified of what its rule routes to it.
    let now = format!(
        "{}{}",
        notifier("oncall", "moved"),
        notifier("night", "night")
    );
    lastbeat.rewrite("notify.toml", &now);
    lastbeat.wait_metrics("the new notifier", SOON, |metrics| {
        metrics
            .all("lastbeat_notices_pending", &[("notifier", "night")])
            .count()
            == 1
    });
    feed.resume(&instances[0]);
    feed.resume(&instances[3]);
    let closed = [
        "/s3cret/chat others opened",
        "/s3cret/moved others closed",
        "/s3cret/moved sandwiches closed",
        "/s3cret/night others closed",
        "/s3cret/night others opened",
        "/s3cret/oncall others opened",
        "/s3cret/oncall sandwiches opened",
    ];
    wait_until("both ends are told", SOON, || told(&hook) == closed);
    let keys: BTreeSet<String> = hook
        .taken()
        .iter()
        .filter(|one| one.json()["state"] != "updated")
        .map(|one| {
            let (body, key) = (one.json(), one.header("idempotency-key"));
            let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
            assert_eq!(key, format!("{}-{}", text("incident"), text("state")));
            format!("{} {key}", one.path)
        })
        .collect();
    assert_eq!(keys.len(), 7);
    assert_eq!(lastbeat.said(&["s3cret"]), 0, "an address is in the log");
    lastbeat.stop();
}
