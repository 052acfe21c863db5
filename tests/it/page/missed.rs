//! What the page says of entries that are no heartbeats, and of targets that lastbeat gave up.

use super::{SOON, count, url};
use crate::support::browser::Browser;
use crate::support::feed::Feed;
use crate::support::lastbeat::{Lastbeat, Setup};
use crate::support::nats::{Nats, Peer};
use crate::support::org::{Instance, org};
use crate::support::wait::{wait_until, wall};
use lastbeat::core::notice::TargetName;
use lastbeat::core::persist::ForgottenTarget;
use lastbeat::core::time::Wall;
use lastbeat::io::store::{Batch, Store};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

fn json_of(lastbeat: &Lastbeat, path: &str) -> Value {
    serde_json::from_str(&lastbeat.get(path).body).expect("the API answers in JSON")
}

/// Writes a target into the state file, as if it had been forgotten an hour ago.
fn forgotten_before(state: &Path, one: &Instance) {
    let opened = Store::open(Some(state), Wall::ZERO).expect("a new file");
    let mut store = opened.store;
    let ago = wall() - Duration::from_secs(3600);
    let at = ago.duration_since(UNIX_EPOCH).expect("a clock that is set");
    let batch = Batch {
        forgotten: vec![ForgottenTarget {
            rule: "beats".into(),
            who: TargetName {
                app: one.app.clone(),
                region: one.region.clone(),
                instance: one.id.clone(),
                ..TargetName::default()
            },
            at: Wall::ZERO + at,
        }],
        ..Batch::default()
    };
    store.save(&batch).expect("it can be written");
}

#[test]
fn entries_that_look_like_a_beat_get_a_hint_and_what_is_forgotten_stays_listed_until_it_is_heard() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let all = org(&["web"], &["ams", "sjc"]);
    feed.beat(&all, Duration::from_millis(500));
    let setup = Setup::new()
        .nats(&nats)
        .env("LASTBEAT_ANONYMOUS", "read")
        .rules("beats.toml", "[[rule]]\nname = 'beats'\nmax_gap = '3s'\n");
    let state = setup.rules_folder().with_file_name("state.db");
    let silent = &org(&["job"], &["nrt"])[0];
    forgotten_before(&state, silent);
    let lastbeat = setup
        .env("LASTBEAT_STATE", &state.to_string_lossy())
        .start();
    lastbeat.wait_live(2);
    assert_eq!(
        json_of(&lastbeat, "/api/v1/status")["unrecognised_beats"],
        json!([])
    );
    let browser = Browser::start();
    browser.open(&url(&lastbeat));
    browser.wait(
        "the map",
        "document.querySelectorAll('#apps tr').length === 1",
    );
    assert_eq!(
        browser.run("return document.getElementById('near-part').hidden"),
        true
    );

    feed.say(&all[1], "Sending HEARTBEAT request to a peer");
    let hint = "[data-form=sentence]";
    browser.wait("a hint", &format!("{} === 1", count(hint)));
    let text = browser.text(hint);
    assert!(text.contains("begin the line with the marker"), "{text}");
    assert!(text.contains(&format!("web/sjc/{}", all[1].id)), "{text}");

    let names = || {
        let forgotten = json_of(&lastbeat, "/api/v1/forgotten");
        let rows = forgotten["forgotten"].as_array().cloned();
        let rows = rows.expect("a list").into_iter();
        rows.map(|row| row["instance"].as_str().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(), std::slice::from_ref(&silent.id));
    let row = "#forgotten li";
    browser.wait("a row", &format!("{} === 1", count(row)));
    let text = browser.text(row);
    assert!(text.contains(&format!("job/nrt/{}", silent.id)), "{text}");
    feed.say(silent, "HEARTBEAT");
    wait_until("it is heard again", SOON, || names().is_empty());
    lastbeat.stop();
}
