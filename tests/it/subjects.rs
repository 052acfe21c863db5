//! Several subjects on one connection, against a real nats-server.

use crate::faults::wait_reason;
use crate::faults::wait_state;
use crate::support::feed::Feed;
use crate::support::lastbeat::Setup;
use crate::support::nats::{Nats, Peer};
use crate::support::org::{Instance, org};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

/// The apps that [`TWO`] hears, and one that it does not.
const APPS: [&str; 3] = ["web", "api", "batch"];
const TWO: &str = "logs.web.>, logs.api.>";

fn instances(app: &str) -> Vec<Instance> {
    org(&APPS, &["ams", "iad"])
        .into_iter()
        .filter(|instance| instance.app == app)
        .collect()
}

fn rules() -> &'static str {
    "[stream]\nmax_gap = '2s'\n[[rule]]\nname = 'beats'\nmax_gap = '30s'\n"
}

#[test]
fn two_subjects_are_heard_once_each_and_a_third_app_is_not() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let lastbeat = Setup::new()
        .nats(&nats)
        .env("SUBJECT", TWO)
        .rules("beats.toml", rules())
        .start();
    nats.wait_subscribed("logs.web.>");
    nats.wait_subscribed("logs.api.>");
    let batches = [("batch", 70), ("web", 300), ("api", 500)];
    for (app, count) in batches {
        for instance in instances(app) {
            let one = (instance.subject(), instance.beat().into_bytes());
            feed.publish(vec![one; count]);
        }
    }
    lastbeat.wait_metrics("all entries of the last app", SOON, |metrics| {
        metrics.sum("lastbeat_entries_total", &[("target_app", "api")]) >= 1_000.0
    });
    lastbeat.wait_live(4);
    let metrics = lastbeat.metrics();
    for (app, entries) in [("web", 600.0), ("api", 1_000.0), ("batch", 0.0)] {
        let heard = metrics.sum("lastbeat_entries_total", &[("target_app", app)]);
        assert_eq!(heard, entries, "{app}");
    }
    let dropped = metrics.sum("lastbeat_nats_dropped_messages_total", &[]);
    assert_eq!(dropped, 0.0, "both subscriptions are counted and taken");
    assert_eq!(
        lastbeat.said(&["connecting", "logs.web.>,logs.api.>"]),
        1,
        "the log says what is subscribed to"
    );
    lastbeat.stop();
}

#[test]
fn a_server_that_comes_back_is_subscribed_to_for_every_subject() {
    let mut nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    feed.beat(&instances("web"), Duration::from_millis(200));
    feed.beat(&instances("api"), Duration::from_millis(200));
    let lastbeat = Setup::new()
        .nats(&nats)
        .env("SUBJECT", TWO)
        .rules("beats.toml", rules())
        .start();
    lastbeat.wait_live(4);
    nats.restart();
    nats.wait_subscribed("logs.web.>");
    nats.wait_subscribed("logs.api.>");
    wait_state(&lastbeat, "flowing");
    // A stall is healed by a fresh connection, which has to hear both as well.
    feed.silence_all();
    wait_state(&lastbeat, "stalled");
    lastbeat.wait_metrics("a fresh subscription", SOON, |metrics| {
        metrics.sum("lastbeat_nats_heal_attempts_total", &[]) >= 1.0
    });
    let heard = |app| {
        let metrics = lastbeat.metrics();
        metrics.sum("lastbeat_entries_total", &[("target_app", app)])
    };
    let before = ["web", "api"].map(heard);
    feed.resume_all();
    for (app, before) in ["web", "api"].into_iter().zip(before) {
        lastbeat.wait_metrics("entries of both apps again", SOON, |metrics| {
            metrics.sum("lastbeat_entries_total", &[("target_app", app)]) > before
        });
    }
    wait_state(&lastbeat, "flowing");
    lastbeat.stop();
}

#[test]
fn the_one_of_several_subjects_that_is_revoked_is_named() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    feed.beat(&instances("web"), Duration::from_millis(200));
    let lastbeat = Setup::new()
        .nats(&nats)
        .env("SUBJECT", "logs.web.>,logs.api.>")
        .rules("beats.toml", rules())
        .start();
    lastbeat.wait_live(2);
    nats.reconfigure(r#"allow: ["logs.>", "#, r#"allow: ["logs.web.>", "#);
    nats.signal("HUP");
    wait_state(&lastbeat, "permission_denied");
    wait_reason(
        &lastbeat,
        "does not let user acme subscribe to logs.api.>: ",
    );
    nats.reconfigure(r#"allow: ["logs.web.>", "#, r#"allow: ["logs.>", "#);
    nats.signal("HUP");
    wait_state(&lastbeat, "flowing");
    lastbeat.stop();
}

#[test]
fn one_of_several_subjects_that_is_forbidden_ends_the_start() {
    let nats = Nats::start(Peer::Older);
    let setup = Setup::new()
        .nats(&nats)
        .env("SUBJECT", "logs.web.>,orders.>");
    let mut child = setup.command(&["run"]);
    assert_eq!(child.wait_end(SOON), 1);
    let said = child.lines().join("\n");
    assert!(said.contains("subscribe to orders.>: "), "{said}");
}

#[test]
fn what_would_count_twice_or_hear_nothing_ends_the_start_with_what_to_do() {
    for (subjects, words) in [
        (
            "logs.>,logs.web.>",
            "\"logs.>\" and \"logs.web.>\" overlap: NATS delivers what matches both twice, and each such entry \
             would count twice; remove one of them, or narrow it",
        ),
        ("logs.web.>,logs.*.ams.>", "remove one of them"),
        ("logs.web.>,", "number 2 of the list is empty"),
        ("logs.a*", "list the apps instead"),
    ] {
        let setup = Setup::new()
            .env("NATS_URL", "nats://127.0.0.1:1")
            .env("SUBJECT", subjects);
        let mut child = setup.command(&["run"]);
        assert_eq!(child.wait_end(SOON), 64, "{subjects}");
        let said = child.lines().join("\n");
        assert!(said.contains("SUBJECT: "), "{said}");
        assert!(said.contains(words), "{words:?} is not in {said}");
    }
    let twice = ["run", "--subject", "logs.web.>", "--subject", "logs.web.>"];
    let mut child = Setup::new().command(&twice);
    assert_eq!(child.wait_end(SOON), 64);
    let said = child.lines().join("\n");
    assert!(said.contains("\"logs.web.>\" is listed twice"), "{said}");
}
