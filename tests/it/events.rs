//! What changes, as server-sent events.

use crate::support::feed::Feed;
use crate::support::lastbeat::{Lastbeat, Setup};
use crate::support::nats::{Nats, Peer};
use crate::support::org::org;
use crate::support::sse::{Event, Sse};
use serde_json::Value;
use std::time::Duration;

const EVENTS: &str = "/api/v1/events";
const BEAT: Duration = Duration::from_millis(300);
const RULES: &str = "[[rule]]\nname = 'beats'\nmax_gap = '2s'\n";

#[track_caller]
fn open(lastbeat: &Lastbeat, headers: &str) -> Sse {
    Sse::open(&lastbeat.server, EVENTS, headers)
}

fn is_incident(event: &Event, kind: &str) -> bool {
    event.name == "incident" && event.data["kind"] == kind
}

/// The row of an instance among those that changed.
fn changed<'a>(event: &'a Event, id: &str) -> Option<&'a Value> {
    let rows = event.data["changed"].as_array()?;
    rows.iter().find(|row| row["instance"] == id)
}

#[test]
fn a_page_is_shown_everything_and_then_what_changes() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let instances = org(&["api", "web"], &["ams"]);
    feed.beat(&instances, BEAT);
    let lastbeat = Setup::new().nats(&nats).rules("beats.toml", RULES).start();
    lastbeat.wait_live(2);

    let mut page = open(&lastbeat, "");
    let first = page.next().expect("it begins");
    assert_eq!(first.name, "snapshot");
    let (instances_now, status) = (&first.data["instances"], &first.data["status"]);
    assert_eq!(
        (&instances_now["total"], &instances_now["folded"]),
        (&2.into(), &false.into())
    );
    let rows = instances_now["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 2);
    let row = &rows[0];
    assert_eq!(
        (&row["verdict"], &row["rule"]),
        (&"live".into(), &"beats".into())
    );
    assert!(
        row["due"].is_string() && row["last_beat"].is_string(),
        "{row}"
    );
    assert_eq!(status["apps"].as_array().map(Vec::len), Some(2), "{status}");
    assert_eq!(first.data["incidents"], serde_json::json!([]));

    let (silent, other) = (&instances[1], &instances[0]);
    let ticks = page.find("a beat", |event| changed(event, &other.id).is_some());
    assert_eq!(
        changed(&ticks, &other.id).expect("found")["verdict"],
        "live"
    );
    feed.silence(silent);
    // Verdicts change at once; of incidents is told a moment later, when it is known how far they reach.
    let is_silent =
        |event: &Event| changed(event, &silent.id).is_some_and(|row| row["verdict"] == "silent");
    page.find("its row", is_silent);
    let opened = page.find("the incident", |event| is_incident(event, "opened"));
    let incident = &opened.data["incident"];
    let said = (&incident["app"], &incident["state"]);
    assert_eq!(said, (&"web".into(), &"open".into()));

    let mut late = open(&lastbeat, "");
    // It stands in the snapshot, or follows where that is of a look before.
    let is_it = |event: &Event| {
        let data = &event.data;
        data["incidents"][0]["id"] == incident["id"] || data["incident"]["id"] == incident["id"]
    };
    late.find("the incident", is_it);
    drop(late);

    feed.resume(silent);
    let closed = page.find("its end", |event| is_incident(event, "closed"));
    assert_eq!(closed.data["incident"]["id"], incident["id"]);
    assert_eq!(closed.data["incident"]["reason"], "resolved");

    // Who was away since before it opened is told of both.
    let last = format!("Last-Event-ID: {}\r\n", ticks.id);
    let mut back = open(&lastbeat, &last);
    assert_eq!(back.next().expect("it begins").name, "snapshot");
    let is_told = |event: &Event| event.name == "incident";
    let again = [
        back.find("its begin", is_told),
        back.find("its end", is_told),
    ];
    assert_eq!((&again[0].id, &again[1].id), (&opened.id, &closed.id));
    // By the second look from here on, both are over.
    for _ in 0..2 {
        page.find("a look", |event| event.name == "status");
    }
    let mut stranger = open(&lastbeat, "Last-Event-ID: 1-1\r\n");
    let seen: Vec<Event> = (0..6).filter_map(|_| stranger.next()).collect();
    assert_eq!((seen.len(), seen[0].name.as_str()), (6, "snapshot"));
    assert!(
        !seen.iter().any(|event| event.id == opened.id),
        "ids of others mean nothing"
    );
    lastbeat.stop();
    assert!(
        (0..100).any(|_| page.next().is_none()),
        "a stop ends the stream"
    );
}

#[test]
fn an_instance_that_is_forgotten_leaves_and_more_than_fit_are_folded() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let lastbeat = Setup::new().nats(&nats).start();
    nats.wait_subscribed("logs.>");
    let machine = |number: u32| {
        (
            format!("logs.web.iad.{number:08x}"),
            b"{\"message\":\"x\"}".to_vec(),
        )
    };
    feed.publish((0..1_999).map(machine).collect());
    lastbeat.wait_live(1_999);
    let mut page = open(&lastbeat, "");
    let instances = page.next().expect("it begins").data["instances"].take();
    assert_eq!(
        (&instances["folded"], &instances["total"]),
        (&false.into(), &1_999.into())
    );
    assert_eq!(instances["rows"].as_array().map(Vec::len), Some(1_999));

    feed.publish((1_999..2_500).map(machine).collect());
    let folds = page.find("the fold", |event| event.data["folded"] == true);
    assert_eq!(folds.name, "instances");
    assert_eq!(
        folds.data["gone"].as_array().map(Vec::len),
        Some(1_999),
        "the live are in the cells now"
    );
    let mut page = open(&lastbeat, "");
    let snapshot = page.next().expect("it begins").data;
    assert_eq!(snapshot["instances"]["rows"], serde_json::json!([]));
    assert_eq!(snapshot["status"]["apps"][0]["instances"]["live"], 2_500);
    lastbeat.stop();
}
