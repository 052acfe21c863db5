//! What an issue looks like on a real Sentry-compatible server, and what becomes of it at the end.

use crate::support::bugsink::{Project, issues};
use crate::support::feed::Feed;
use crate::support::hook::Hook;
use crate::support::lastbeat::Setup;
use crate::support::nats::{Nats, Peer};
use crate::support::org::org;
use hyper::StatusCode;
use lastbeat::core::time::Wall;
use lastbeat::decode::settings::Secret;
use lastbeat::io::http_client::HttpClient;
use lastbeat::io::sentry::Sentry;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);

/// The documented shape of Sentry's API is all that the stand-in has: the real server of the tests has no such API.
#[test]
fn an_issue_is_whole_and_is_resolved_a_little_after_its_end() {
    let nats = Nats::start(Peer::Current);
    let feed = Feed::connect(&nats);
    let project = Project::new("whole");
    let api = Hook::start();
    let instances = org(&["sandwich", "batch"], &["sjc", "ams"]);
    feed.beat(&instances, Duration::from_millis(500));
    let lastbeat = Setup::new()
        .nats(&nats)
        .sentry(project.dsn())
        .env("SENTRY_AUTH_TOKEN", "t0ken")
        .rules(
            "rules.toml",
            &format!(
                "[notify.sentry]\nresolve = true\napi_token = '${{SENTRY_AUTH_TOKEN}}'\norganization = 'acme'\n\
                 api_url = '{}'\n\
                 [[rule]]\nname = 'beats'\nmax_gap = '2s'\nrunbook = 'https://wiki.example.com/beats'\n\
                 notify = 'sentry'\n",
                api.url()
            ),
        )
        .start();
    lastbeat.wait_live(4);
    feed.silence(&instances[0]);
    let opened = project.wait_events(1, SOON).remove(0);
    let who = format!("sandwich/sjc/{}", instances[0].id);
    let data = &opened.data;
    assert_eq!(opened.kind(), "HeartbeatMissed");
    assert!(
        opened
            .value()
            .starts_with(&format!("{who} is silent since "))
    );
    assert_eq!(data["transaction"], "beats");
    assert_eq!(data["culprit"], who);
    assert_eq!(data["environment"], "test");
    assert_eq!(
        data["release"],
        concat!("lastbeat@", env!("CARGO_PKG_VERSION"))
    );
    let contexts = &data["contexts"];
    assert_eq!(contexts["target"]["app"], "sandwich");
    assert_eq!(
        contexts["rule"]["runbook"],
        "https://wiki.example.com/beats"
    );
    assert_eq!(contexts["incident"]["id"], opened.tag("incident"));
    let timeline = contexts["incident"]["timeline"].as_array().expect("a list");
    assert_eq!(timeline.len(), 3, "{timeline:?}");
    let crumbs = data["breadcrumbs"]["values"].as_array().expect("a list");
    let said = |begin: &str| {
        let said = crumbs.iter().filter_map(|crumb| crumb["message"].as_str());
        let mut said = said.filter(|said| said.starts_with(begin));
        said.any(|said| said.contains("HEARTBEAT"))
    };
    assert!(said("last heard: "), "{crumbs:?}");
    let is_log = |crumb: &&serde_json::Value| crumb["category"] == "log";
    let words = crumbs.iter().filter(is_log).count();
    assert!((1..=5).contains(&words), "its last entries: {crumbs:?}");
    assert!(api.taken().is_empty());

    feed.resume(&instances[0]);
    project.wait_events(2, SOON);
    let resolved = api.wait(1, SOON).remove(0);
    assert_eq!(resolved.method, "PUT");
    let incident = opened.tag("incident");
    let path = "/api/0/organizations/acme/issues/?project=";
    assert!(resolved.path.starts_with(path), "{}", resolved.path);
    let query = format!("query=incident%3A{incident}");
    assert!(resolved.path.ends_with(&query), "{}", resolved.path);
    assert_eq!(resolved.header("authorization"), "Bearer t0ken");
    assert_eq!(resolved.json()["status"], "resolved");
    let events = project.only(2);
    assert_eq!(issues(&events), 1, "the end is in the same issue");
    let (closing, end) = (&events[1], events[1].ingested);
    assert_eq!((closing.level(), closing.tag("state")), ("info", "closed"));
    let after = resolved.at.duration_since(end).unwrap_or_default();
    assert!(
        (10..25).contains(&after.as_secs()),
        "{after:?} after the end"
    );
    assert_eq!(api.taken().len(), 1);
    assert_eq!(lastbeat.said(&["t0ken"]), 0, "a token is in the log");
    lastbeat.stop();
}

#[test]
fn an_event_that_is_sent_twice_is_one() {
    let project = Project::new("twice");
    let dsn = Secret::new(project.dsn());
    let sentry = Sentry::new(&dsn, None, "lastbeat@0".to_owned(), "tests".to_owned());
    let sentry = sentry.expect("a DSN");
    let at = Wall::from_nanos(1_700_000_000_000_000_000);
    let body = sentry.self_report("error", "said twice", "src/x.rs:1", at);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let post = || runtime.block_on(HttpClient::new().post(sentry.request(body.clone()), SOON));
    let first = post().expect("an answer");
    project.wait_events(1, SOON);
    let second = post().expect("an answer");
    // Both are taken and answered alike: the server tells them apart by the event's id alone.
    assert_eq!(
        (first.status, second.status),
        (StatusCode::OK, StatusCode::OK)
    );
    assert_eq!(first.body, second.body);
    // Filed after the second, and by the same worker: what would have come of the second has come of it.
    let marker = sentry.self_report("error", "said after", "src/x.rs:2", at);
    runtime
        .block_on(HttpClient::new().post(sentry.request(marker), SOON))
        .expect("an answer");
    let events = project.wait_events(2, SOON);
    assert_eq!((events.len(), issues(&events)), (2, 2), "one of each");
}
