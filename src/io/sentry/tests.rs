use super::*;
use crate::core::notice::{Alarm, CloseReason, IncidentId, NoticeKind, Scope, TargetName};
use crate::core::rule::Severity;
use crate::core::time::Wall;
use crate::format;
use crate::format::tests::{closed, notice};
use serde_json::{Value, json};

const DSN: &str = "https://0123456789abcdef@o1.ingest.example.org/sub/42";

fn sentry() -> Sentry {
    Sentry::new(
        &Secret::new(DSN),
        Some("prod".to_owned()),
        "lastbeat@0.1.0".to_owned(),
        "watcher".to_owned(),
    )
    .expect("a DSN")
}

/// The event's JSON as it goes over the wire.
fn wire(notice: &Notice) -> Value {
    let envelope = sentry().render(notice);
    let lines: Vec<&[u8]> = envelope.split(|byte| *byte == b'\n').collect();
    let header: Value = serde_json::from_slice(lines[0]).expect("a header");
    let item: Value = serde_json::from_slice(lines[1]).expect("an item header");
    let event: Value = serde_json::from_slice(lines[2]).expect("an event");
    assert_eq!(item["type"], "event");
    assert_eq!(item["length"], lines[2].len());
    assert!(header.get("sent_at").is_none());
    assert_eq!(
        header["event_id"].as_str().expect("an id").replace('-', ""),
        event["event_id"]
    );
    event
}

#[test]
fn an_opened_notice_is_an_event_that_people_understand() {
    let event = wire(&notice());
    assert_eq!(
        event["exception"]["values"],
        json!([{"type": "HeartbeatMissed", "value": "sandwich/iad/0e286551c30586 is silent since 12:00:05Z"}])
    );
    assert_eq!(
        event["fingerprint"],
        json!(["sandwich beats", "instance", "sandwich.iad.0e286551c30586"])
    );
    assert_eq!(
        event["tags"],
        json!({
            "rule": "sandwich beats", "scope": "instance", "severity": "error", "state": "opened",
            "target_app": "sandwich", "target_region": "iad", "target_instance": "0e286551c30586",
            "incident": "01837f2a9c01",
        })
    );
    let contexts = &event["contexts"];
    let incident = &contexts["incident"];
    assert_eq!(incident["id"], "01837f2a9c01");
    assert_eq!(incident["since"], "2022-09-27T12:00:05.000Z");
    assert_eq!(incident["due"], "2022-09-27T12:01:35.000Z");
    assert_eq!(incident["gap_seconds"], 420.4);
    assert_eq!(incident["listened_seconds"], 420.0);
    assert_eq!(
        incident["timeline"],
        json!([
            "2022-09-27T12:00:05.000Z last heard: HEARTBEAT 0e286551c30586 iad",
            "2022-09-27T12:01:35.000Z silent for longer than the limit of 1m 30s",
            "2022-09-27T12:07:05.000Z opened",
        ])
    );
    assert!(incident.get("detail").is_none());
    let target = &contexts["target"];
    assert_eq!(target["last_beat"], "HEARTBEAT 0e286551c30586 iad");
    assert_eq!(target["host"], "0ad1");
    assert!(target.get("beat").is_none() && target.get("affected").is_none());
    assert_eq!(contexts["rule"]["max_gap"], "1m 30s");
    assert!(contexts["rule"].get("runbook").is_none());
    let crumbs: Vec<(&Value, &Value)> = event["breadcrumbs"]["values"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|crumb| (&crumb["category"], &crumb["timestamp"]))
        .collect();
    assert_eq!(
        crumbs,
        [
            (&json!("beat"), &json!(1_664_280_005_u64)),
            (&json!("deadline"), &json!(1_664_280_095_u64)),
            (&json!("incident"), &json!(1_664_280_425_u64)),
        ]
    );
    assert_eq!(event["timestamp"], 1_664_280_425.0);
    for (key, value) in [
        ("logger", "lastbeat"),
        ("server_name", "watcher"),
        ("release", "lastbeat@0.1.0"),
        ("environment", "prod"),
        ("transaction", "sandwich beats"),
        ("culprit", "sandwich/iad/0e286551c30586"),
    ] {
        assert_eq!(event[key], value, "{key}");
    }
    assert!(
        event.get("platform").is_none(),
        "other is the default and is not sent"
    );
    assert!(event.get("message").is_none(), "strict servers refuse it");
}

#[test]
fn an_event_leads_to_its_incident_on_the_page() {
    let links = |base: &str| PageLinks {
        base: Some(base.to_owned()),
    };
    let of = |base: &str| sentry().linked(links(base)).event(&notice());
    let event = json!(of("https://lastbeat.example.com"));
    let link = "https://lastbeat.example.com/#/incident/01837f2a9c01";
    assert_eq!(event["tags"]["incident_url"], link);
    assert_eq!(event["contexts"]["incident"]["page"], link);
    let long = json!(of(&format!("https://{}.example.com", "a".repeat(200))));
    assert!(long["tags"].get("incident_url").is_none());
    assert!(long["contexts"]["incident"]["page"].is_string());
}

#[test]
fn the_end_of_a_silence_is_in_the_same_issue_and_says_why() {
    let opened = wire(&notice());
    let over = wire(&closed(CloseReason::Resolved));
    assert_eq!(opened["fingerprint"], over["fingerprint"]);
    assert_ne!(opened["event_id"], over["event_id"]);
    assert_eq!(over["level"], "info");
    assert_eq!(over["tags"]["state"], "closed");
    assert_eq!(over["tags"]["reason"], "resolved");
    assert_eq!(over["tags"]["incident"], opened["tags"]["incident"]);
    let timeline = &over["contexts"]["incident"]["timeline"];
    assert_eq!(timeline[1], "2022-09-27T12:07:05.000Z closed: resolved");
}

#[test]
fn the_level_comes_from_the_severity() {
    let level = |severity| {
        wire(&Notice {
            severity,
            ..notice()
        })["level"]
            .clone()
    };
    assert_eq!(level(Severity::Critical), "fatal");
    assert_eq!(
        level(Severity::Error),
        Value::Null,
        "error is the default and is not sent"
    );
    assert_eq!(level(Severity::Warning), "warning");
    assert_eq!(level(Severity::Info), "info");
}

#[test]
fn a_notice_sent_twice_is_one_event_and_another_incident_is_another() {
    let once = sentry().render(&notice());
    assert_eq!(once, sentry().render(&notice()));
    let other = Notice {
        incident: IncidentId(7),
        ..notice()
    };
    assert_ne!(wire(&notice())["event_id"], wire(&other)["event_id"]);
    let reminder = |count| Notice {
        kind: NoticeKind::Reminder(count),
        ..notice()
    };
    assert_ne!(
        wire(&reminder(1))["event_id"],
        wire(&reminder(2))["event_id"],
        "each reminder is an event of its own"
    );
    let id = wire(&notice())["event_id"]
        .as_str()
        .expect("an id")
        .to_owned();
    assert_eq!(id.len(), 32);
    assert_eq!(&id[12..13], "8");
}

#[test]
fn numbers_of_the_text_never_reach_the_fingerprint() {
    let later = Notice {
        gap: Duration::from_secs(9999),
        since: Wall::from_nanos(5),
        last_text: "HEARTBEAT seq=7".to_owned(),
        last_words: Vec::new(),
        ..notice()
    };
    assert_eq!(wire(&later)["fingerprint"], wire(&notice())["fingerprint"]);
}

#[test]
fn what_does_not_apply_at_a_scope_is_left_out() {
    let stream = Notice {
        alarm: Alarm::Stalled,
        scope: Scope::Stream,
        rule: "stream".to_owned(),
        who: TargetName::default(),
        last_text: String::new(),
        last_words: Vec::new(),
        ..notice()
    };
    let event = wire(&stream);
    assert_eq!(event["exception"]["values"][0]["type"], "StreamStalled");
    assert_eq!(event["fingerprint"], json!(["stream", "stream", "stream"]));
    let tags = event["tags"].as_object().expect("tags");
    assert!(
        tags.keys().all(|key| !key.starts_with("target_")),
        "{tags:?}"
    );
    let lag = wire(&Notice {
        alarm: Alarm::Lagging,
        ..stream
    });
    assert_eq!(
        lag["fingerprint"],
        json!(["stream", "stream", "lag"]),
        "lag is an issue of its own"
    );
}

#[test]
fn the_request_has_address_key_and_type() {
    let request = sentry().request(Bytes::from_static(b"x"));
    assert_eq!(request.method(), "POST");
    assert_eq!(
        request.uri(),
        "https://o1.ingest.example.org/sub/api/42/envelope/"
    );
    assert_eq!(
        request.headers()["content-type"],
        "application/x-sentry-envelope"
    );
    let auth = &request.headers()["x-sentry-auth"];
    assert_eq!(
        auth.to_str().expect("text"),
        format!("Sentry sentry_key=0123456789abcdef, sentry_version=7, sentry_client={AGENT}")
    );
    assert!(!format!("{request:?}").contains("0123456789abcdef"));
    assert_eq!(sentry().origin(), "https://o1.ingest.example.org");
}

#[test]
fn what_a_server_repeats_of_the_key_is_hidden() {
    let said = format!("no such project: {DSN}");
    assert_eq!(
        sentry().redact(&said),
        "no such project: https://***@o1.ingest.example.org/sub/42"
    );
}

#[test]
fn a_bad_dsn_is_a_fault_that_does_not_show_it() {
    for bad in [
        "",
        " ",
        "https://topsecret@host/",
        "https://host/1",
        "ftp://topsecret@host/1",
        "topsecret",
        "https://topsecret@/1",
    ] {
        let fault = Sentry::new(&Secret::new(bad), None, String::new(), String::new())
            .err()
            .unwrap_or_else(|| panic!("{bad:?} is no DSN"));
        let said = format!("{} {fault:?}", format::error_chain(&fault));
        assert!(
            said.contains("https://KEY@HOST/PROJECT") && !said.contains("topsecret"),
            "{said}"
        );
    }
}

#[test]
fn rate_limits_are_read_as_sentry_writes_them() {
    let seconds = |header| rate_limit(header).map(|wait| wait.as_secs());
    assert_eq!(
        seconds("60:error;transaction:organization:quota, 2700:session:key"),
        Some(60)
    );
    assert_eq!(
        seconds("60::organization, 90:error:key"),
        Some(90),
        "no category is every category"
    );
    assert_eq!(seconds("2700:default;security:organization"), None);
    assert_eq!(seconds("5"), Some(5));
    assert_eq!(seconds("soon:error:key"), None);
    assert_eq!(seconds(""), None);
}
